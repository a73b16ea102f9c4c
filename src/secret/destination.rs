//! Where a new passphrase is put: `file:PATH`, `keyring:NAME`.

use std::{
    fs,
    fs::OpenOptions,
    io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

use super::{SecretError, Source, keyring};

/// Where a secret is put. Nothing that is there already is overwritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file that is made with mode 0600, or an empty one.
    File(PathBuf),
    /// An entry of the system's keyring, service `sealpost`.
    Keyring(String),
}

/// Why a secret cannot be put there.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// Not `file:PATH` or `keyring:NAME`; the text is not repeated.
    #[error("not a place for a new passphrase: it is file: and a path, or keyring: and a name")]
    Malformed,
    /// Something is there already.
    #[error("{0} is there already and is not overwritten")]
    Occupied(Source),
    /// The file cannot be made or written.
    #[error("{place} cannot be written: {error}")]
    Write {
        /// Where.
        place: Source,
        /// The system's word.
        error: io::Error,
    },
    /// The keyring refused or was silent.
    #[error(transparent)]
    Keyring(SecretError),
}

impl Destination {
    /// Reads the text of a destination.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        match Source::parse(text) {
            Ok(Source::File(path)) => Ok(Self::File(path)),
            Ok(Source::Keyring(name)) => Ok(Self::Keyring(name)),
            _ => Err(DestinationError::Malformed),
        }
    }

    /// The source that gives back what was put here.
    pub fn source(&self) -> Source {
        match self {
            Self::File(path) => Source::File(path.clone()),
            Self::Keyring(name) => Source::Keyring(name.clone()),
        }
    }

    /// Puts a secret there, durably, before it returns.
    pub fn write(&self, secret: &str) -> Result<(), DestinationError> {
        match self {
            Self::File(path) => match write_file(path, secret) {
                Ok(true) => Ok(()),
                Ok(false) => Err(DestinationError::Occupied(self.source())),
                Err(error) => Err(DestinationError::Write { place: self.source(), error }),
            },
            Self::Keyring(name) => match keyring::write(&self.source(), name, secret) {
                Ok(true) => Ok(()),
                Ok(false) => Err(DestinationError::Occupied(self.source())),
                Err(error) => Err(DestinationError::Keyring(error)),
            },
        }
    }
}

/// False if the file holds something. An empty one may be what `mktemp` made or an interrupted run left.
fn write_file(path: &Path, secret: &str) -> io::Result<bool> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > 0 {
        return Ok(false);
    }
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(Zeroizing::new(format!("{secret}\n")).as_bytes())?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_made_private_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        let destination = Destination::parse(&format!("file:{}", path.display())).unwrap();
        destination.write("correct horse").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(*destination.source().read().unwrap(), "correct horse");
        assert!(matches!(destination.write("other"), Err(DestinationError::Occupied(_))));
        assert_eq!(*destination.source().read().unwrap(), "correct horse");
    }

    #[test]
    fn an_empty_file_is_filled_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let destination = Destination::File(path.clone());
        destination.write("secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(*destination.source().read().unwrap(), "secret");
    }

    #[test]
    fn links_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(Destination::File(link).write("secret"), Err(DestinationError::Write { .. })));
        assert!(!target.exists());
        let deep = Destination::File(folder.path().join("no/such/pw"));
        assert!(matches!(deep.write("secret"), Err(DestinationError::Write { .. })));
    }

    #[test]
    fn other_places_are_refused_and_not_repeated() {
        for text in ["hunter2", "env:X", "fd:3", "command:hunter2", "file:", "keyring:", "credential:hunter2"] {
            let error = Destination::parse(text).unwrap_err();
            assert!(matches!(error, DestinationError::Malformed));
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
