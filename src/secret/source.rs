//! `file:PATH`, `fd:N`, `command:WORDS`, `credential:NAME`, `keyring:NAME`, `env:NAME`.

use std::{
    env, fmt, fs, io,
    io::Read,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use zeroize::{Zeroize, Zeroizing};

use super::{LIMIT, SecretError, command, keyring, program};

/// Where a secret comes from. The secret is its first line, without the line break.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that its owner alone can read.
    File(PathBuf),
    /// An open file descriptor, read to its end.
    Descriptor(u32),
    /// A program and its arguments, run without a shell, once for each time that the value is wanted.
    Command(Vec<String>),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// An entry of the system's keyring, service `sealpost`.
    Keyring(String),
    /// An environment variable; it is withheld from all commands that this process runs.
    Environment(String),
}

impl Source {
    /// Reads the text of a source.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] for everything else, a bare value above all. It does not hold the text.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let (kind, rest) = text
            .split_once(':')
            .ok_or(SecretError::Malformed("it is file:, fd:, command:, credential:, keyring: or env: and a name"))?;
        if rest.contains('\0') {
            return Err(SecretError::Malformed("it holds a NUL"));
        }
        match kind {
            "file" if rest.is_empty() => Err(SecretError::Malformed("file: lacks its path")),
            "file" => Ok(Self::File(PathBuf::from(rest))),
            "fd" if rest.bytes().all(|byte| byte.is_ascii_digit()) => match rest.parse() {
                Ok(number) if i32::try_from(number).is_ok() => Ok(Self::Descriptor(number)),
                _ => Err(SecretError::Malformed("fd: takes the number of a file descriptor")),
            },
            "fd" => Err(SecretError::Malformed("fd: takes the number of a file descriptor")),
            "command" => match shlex::split(rest) {
                Some(words) if words.first().is_some_and(|program| !program.is_empty()) => Ok(Self::Command(words)),
                Some(_) => Err(SecretError::Malformed("command: lacks its program")),
                None => Err(SecretError::Malformed("command: has a quote that is not closed")),
            },
            "credential" if is_base_name(rest) => Ok(Self::Credential(rest.to_owned())),
            "credential" => Err(SecretError::Malformed("credential: takes a file name without a slash")),
            "keyring" if rest.is_empty() => Err(SecretError::Malformed("keyring: lacks its name")),
            "keyring" => Ok(Self::Keyring(rest.to_owned())),
            "env" if rest.is_empty() || rest.contains('=') => {
                Err(SecretError::Malformed("env: takes the name of an environment variable"))
            }
            "env" => {
                program::withhold(rest);
                Ok(Self::Environment(rest.to_owned()))
            }
            _ => Err(SecretError::Malformed("it is file:, fd:, command:, credential:, keyring: or env: and a name")),
        }
    }

    /// The file that it names, if it names one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }

    /// Gets the secret; an empty one is an error.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretError> {
        let secret = self.read_or_empty()?;
        if secret.is_empty() { Err(SecretError::Empty(self.clone())) } else { Ok(secret) }
    }

    /// Gets the secret; what is empty is the empty secret, as `open --passphrase` has it.
    pub fn read_or_empty(&self) -> Result<Zeroizing<String>, SecretError> {
        let bytes = match self {
            Self::File(path) => self.read_file(path, Readers::OwnerOnly)?,
            Self::Descriptor(number) => self.read_file(&Path::new("/dev/fd").join(number.to_string()), Readers::Any)?,
            Self::Command(words) => command::run(self, words)?,
            Self::Credential(name) => {
                let folder = env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
                let folder = folder.ok_or_else(|| SecretError::NoCredentials(self.clone()))?;
                // systemd lets the service's user in by an ACL, which shows as group bits
                self.read_file(&Path::new(&folder).join(name), Readers::Any)?
            }
            Self::Keyring(name) => keyring::read(self, name)?,
            Self::Environment(name) => {
                let value = env::var_os(name).ok_or_else(|| SecretError::Missing(self.clone()))?;
                Zeroizing::new(value.into_vec())
            }
        };
        self.first_line(&bytes)
    }

    fn read_file(&self, path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SecretError::Missing(self.clone()),
            _ => SecretError::Unreadable { from: self.clone(), error },
        };
        let mut file = fs::File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        if readers == Readers::OwnerOnly && mode & 0o044 != 0 {
            return Err(SecretError::Exposed { from: self.clone(), mode });
        }
        read_bounded(&mut file, LIMIT).map_err(unreadable)?.ok_or_else(|| SecretError::TooLong(self.clone()))
    }

    fn first_line(&self, bytes: &[u8]) -> Result<Zeroizing<String>, SecretError> {
        if bytes.len() > LIMIT {
            return Err(SecretError::TooLong(self.clone()));
        }
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(SecretError::NotText(self.clone())),
        }
    }
}

impl FromStr for Source {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        Self::parse(text)
    }
}

/// As it is written, with control and format characters made visible; of a command the program alone.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.to_string_lossy().escape_debug()),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::Command(words) => {
                write!(f, "command:{}", words.first().map(String::as_str).unwrap_or_default().escape_debug())
            }
            Self::Credential(name) => write!(f, "credential:{}", name.escape_debug()),
            Self::Keyring(name) => write!(f, "keyring:{}", name.escape_debug()),
            Self::Environment(name) => write!(f, "env:{}", name.escape_debug()),
        }
    }
}

/// As `Display`: arguments of a command can say more than they should.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

/// Who may be able to read a file besides us.
#[derive(PartialEq, Eq)]
enum Readers {
    OwnerOnly,
    Any,
}

/// Reads to the end; none if that is more than so many bytes. The buffer never moves, so no unwiped copy stays.
pub(super) fn read_bounded(reader: &mut impl Read, most: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(vec![0; most + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes[filled..].zeroize();
    bytes.truncate(filled);
    Ok((filled <= most).then_some(bytes))
}

fn is_base_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

#[cfg(test)]
mod tests;
