//! The secret keys of a GnuPG home, asked of GnuPG itself: the formats of its private folder are its own.
//!
//! gpg (OpenPGP) and gpgsm (S/MIME) leave the unlocking to gpg-agent, which asks on the terminal unless it is handed
//! the passphrase ("loopback", by a pipe). They get an environment of a few variables alone, and a minute.

mod listing;

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf, absolute},
    process::ExitStatus,
    time::Duration,
};

use zeroize::Zeroizing;

use super::program::{DEADLINE, Program, ProgramError};
use crate::crypt::{Fingerprint, Keygrip, SuiteName};

/// The most that a listing or a key may hold, in bytes: everybody can add signatures to a key that is published.
const MOST: usize = 8 << 20;

/// How much of what they say is kept, in bytes.
const STDERR_KEPT: u64 = 16 * 1024;

/// What they get of our environment. Nothing else: it could change what they do, or name our secrets.
const PASSED: [&str; 2] = ["PATH", "HOME"];

/// A GnuPG home.
pub struct Gnupg {
    home: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    asks: bool,
}

/// A key as its home lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GnupgKey {
    /// OpenPGP for gpg, S/MIME for gpgsm.
    pub suite: SuiteName,
    /// As we name it: of S/MIME the SHA-256 fingerprint of its certificate.
    pub fingerprint: Fingerprint,
    /// Where its secret half is.
    pub whereabouts: Whereabouts,
    /// Its keygrips, those of parts whose secret half is missing left out; of S/MIME one.
    pub parts: Vec<(Fingerprint, Keygrip)>,
    /// The fingerprint by which its program knows it.
    name: String,
}

/// Where the secret half of a key is, that of its primary key and of all its valid subkeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// All of it in the home.
    Here,
    /// Some or all on a smartcard, or in another device that does not give it out.
    Card,
    /// Some or all is missing.
    Missing,
}

/// Why a GnuPG home gave no key. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum GnupgError {
    /// No home was given, and the environment names none.
    #[error("where the GnuPG home is cannot be told: neither $GNUPGHOME nor $HOME is set")]
    Unnamed,
    /// There is no such folder.
    #[error("there is no GnuPG home at {}", .0.display())]
    NoHome(PathBuf),
    /// It is not installed.
    #[error("{0}, which alone knows the keys of a GnuPG home, is not in $PATH")]
    NoProgram(&'static str),
    /// It is there and does not run.
    #[error("{program} cannot be run: {error}")]
    Unrunnable {
        /// Which.
        program: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// More than 8 MiB.
    #[error("{0} gave more than 8 MiB")]
    TooLong(&'static str),
    /// No answer in time.
    #[error("{program} gave no answer within {} seconds", .after.as_secs())]
    Deadline {
        /// Which.
        program: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The passphrase is that of another key.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Whoever was asked for the passphrase gave up.
    #[error("gpg-agent got no passphrase")]
    Cancelled,
    /// It failed otherwise.
    #[error("{program} failed ({status}): {said:?}")]
    Failed {
        /// Which.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The start of what it said on stderr; raw, so for `{:?}` only.
        said: String,
    },
}

impl Gnupg {
    /// The home that is given, else `$GNUPGHOME`, else `~/.gnupg`.
    ///
    /// # Errors
    /// [`GnupgError::Unnamed`], [`GnupgError::NoHome`].
    pub fn open(given: Option<&Path>) -> Result<Self, GnupgError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let standard = || set("HOME").map(|home| Path::new(&home).join(".gnupg"));
        let home = given.map(Path::to_owned).or_else(|| set("GNUPGHOME").map(PathBuf::from)).or_else(standard);
        let home = home.ok_or(GnupgError::Unnamed)?;
        let home = absolute(&home).unwrap_or(home);
        if !home.is_dir() {
            return Err(GnupgError::NoHome(home));
        }

        let mut environment = vec![("LANG", "C.UTF-8".into()), ("GNUPGHOME", home.clone().into_os_string())];
        environment.extend(PASSED.iter().filter_map(|name| Some((*name, env::var_os(name)?))));
        let terminal = terminal();
        let asks = terminal.is_some();
        if let Some(terminal) = terminal {
            environment.push(("GPG_TTY", terminal));
            environment.extend(set("TERM").map(|kind| ("TERM", kind)));
        }
        Ok(Self { home, environment, asks })
    }

    /// Its absolute path.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Whether gpg-agent has a terminal to ask for passphrases on.
    pub fn asks(&self) -> bool {
        self.asks
    }

    /// The keys whose secret half it has or knows to be elsewhere: those of gpg, then those of gpgsm, if there is one.
    ///
    /// # Errors
    /// [`GnupgError`].
    pub fn keys(&self) -> Result<Vec<GnupgKey>, GnupgError> {
        let list = ["--with-colons", "--with-keygrip", "--list-secret-keys"];
        let mut keys = listing::openpgp(&self.run("gpg", &[&["--no-auto-check-trustdb"][..], &list].concat(), None)?);
        match self.run("gpgsm", &list, None) {
            Ok(listed) => keys.extend(listing::smime(&listed)),
            Err(GnupgError::NoProgram(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(keys)
    }

    /// The certificate of a key, binary.
    ///
    /// # Errors
    /// [`GnupgError`].
    pub fn certificate(&self, key: &GnupgKey) -> Result<Zeroizing<Vec<u8>>, GnupgError> {
        match key.suite {
            SuiteName::OpenPgp => self.run("gpg", &["--export-options", "export-minimal", "--export", &key.name], None),
            SuiteName::Smime => self.run("gpgsm", &["--export", &key.name], None),
        }
    }

    /// The certificates that are behind that of a key for S/MIME, as far as the home has them, PEM.
    ///
    /// # Errors
    /// [`GnupgError`].
    pub fn chain(&self, key: &GnupgKey) -> Result<Zeroizing<Vec<u8>>, GnupgError> {
        let listed = self.run("gpgsm", &["--with-colons", "--list-keys"], None)?;
        let names = listing::behind(&listed, &key.name);
        if names.is_empty() {
            return Ok(Zeroizing::default());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.run("gpgsm", &[&["--armor", "--export"], names.as_slice()].concat(), None)
    }

    /// The secret half with its certificate: a transferable secret key (RFC 9580, 10.2) or a PKCS#12 file, locked with
    /// the passphrase, also where the home has it without one. Without a passphrase gpg-agent asks for it, and the key
    /// is locked with the answer.
    ///
    /// # Errors
    /// [`GnupgError`]; nothing is given of a key of which some part does not unlock.
    pub fn export(
        &self,
        key: &GnupgKey,
        passphrase: Option<&Zeroizing<String>>,
    ) -> Result<Zeroizing<Vec<u8>>, GnupgError> {
        let exported = match key.suite {
            SuiteName::OpenPgp => self.run("gpg", &["--export-secret-keys", &key.name], passphrase)?,
            SuiteName::Smime => self.run("gpgsm", &["--export-secret-key-p12", &key.name], passphrase)?,
        };
        // gpgsm 2.2 calls it a success
        if exported.is_empty() { Err(GnupgError::WrongPassphrase) } else { Ok(exported) }
    }

    /// Where its agent listens.
    pub(super) fn agent_socket(&self) -> Result<PathBuf, GnupgError> {
        let mut said = self.start("gpgconf", &["--list-dirs".into(), "agent-socket".into()], None)?;
        if said.ends_with(b"\n") {
            said.pop();
        }
        Ok(PathBuf::from(OsString::from_vec(said.to_vec())))
    }

    fn run(
        &self,
        program: &'static str,
        job: &[&str],
        passphrase: Option<&Zeroizing<String>>,
    ) -> Result<Zeroizing<Vec<u8>>, GnupgError> {
        let mut arguments: Vec<OsString> = vec!["--homedir".into(), self.home.clone().into_os_string()];
        arguments.extend(["--batch", "--no-tty", "--status-fd", "2"].map(OsString::from));
        if passphrase.is_some() {
            arguments.extend(["--pinentry-mode", "loopback", "--passphrase-fd", "0"].map(OsString::from));
        }
        arguments.extend(job.iter().map(OsString::from));
        self.start(program, &arguments, passphrase.map(line))
    }

    fn start(
        &self,
        program: &'static str,
        arguments: &[OsString],
        stdin: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Zeroizing<Vec<u8>>, GnupgError> {
        let run = Program {
            name: OsStr::new(program),
            arguments,
            stdin,
            environment: Some(&self.environment),
            most: MOST,
            stderr: STDERR_KEPT,
            deadline: DEADLINE,
        };
        run.run().map_err(|error| match error {
            ProgramError::Io(error) if error.kind() == io::ErrorKind::NotFound => GnupgError::NoProgram(program),
            ProgramError::Io(error) => GnupgError::Unrunnable { program, error },
            ProgramError::TooLong => GnupgError::TooLong(program),
            ProgramError::Deadline(after) => GnupgError::Deadline { program, after },
            ProgramError::Failed(status, said) => listing::refusal(&said).unwrap_or_else(|| GnupgError::Failed {
                program,
                status,
                said: listing::words(&said),
            }),
        })
    }
}

/// A passphrase as `--passphrase-fd` reads it. The buffer never moves, so no unwiped copy stays.
fn line(passphrase: &Zeroizing<String>) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(passphrase.len() + 1));
    line.extend_from_slice(passphrase.as_bytes());
    line.push(b'\n');
    line
}

/// The name of the terminal on which somebody sits: stdin's, if stderr is one too.
fn terminal() -> Option<OsString> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let name = rustix::termios::ttyname(io::stdin(), Vec::new()).ok()?;
    Some(OsString::from_vec(name.into_bytes()))
}
