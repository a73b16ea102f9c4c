//! Why the store cannot give or take.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::crypt::{
    Fingerprint,
    pgp::{CertificateError, KeyError},
    smime,
};

/// Why the store cannot give or take; every variant that is about a file has its path.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading failed.
    #[error("{} cannot be read: {error}", .path.display())]
    Read {
        /// Which file or folder.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// Writing, locking or removing failed.
    #[error("{} cannot be written: {error}", .path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// A file that was to be new is there.
    #[error("{} is there already and is not overwritten", .path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The file's content is not what it is to be.
    #[error("{} is damaged: {error}", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        error: CertificateError,
    },
    /// The content of a file of S/MIME is not what it is to be.
    #[error("{} is damaged: {error}", .path.display())]
    DamagedX509 {
        /// Which.
        path: PathBuf,
        /// How.
        error: smime::CertificateError,
    },
    /// A file that says where a certificate was found is not what it is to be.
    #[error("{} is damaged: it does not say where a certificate came from", .path.display())]
    DamagedOrigins {
        /// Which.
        path: PathBuf,
    },
    /// A file that says of a key that an agent has it is not what it is to be.
    #[error("{} is damaged: it does not say which agent has the key", .path.display())]
    DamagedAgentKey {
        /// Which.
        path: PathBuf,
    },
    /// The file holds another certificate or key than its name says, or several.
    #[error("{} does not hold {fingerprint} alone", .path.display())]
    Misfiled {
        /// Which.
        path: PathBuf,
        /// What its name says.
        fingerprint: Fingerprint,
    },
    /// The file is larger than any certificate.
    #[error("{} is larger than 16 MiB", .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// The mode of a key's file lets its group or everybody read it.
    #[error("the key {} can be read by others (mode {mode:04o})", .path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key of this fingerprint is stored and differs; storing would replace its secret half.
    #[error("the key {fingerprint} is stored already in {}", .path.display())]
    KeyExists {
        /// Whose.
        fingerprint: Fingerprint,
        /// Where.
        path: PathBuf,
    },
    /// Another certificate is given out under that name.
    #[error("{} gives out another certificate, {fingerprint}, and is not overwritten", .path.display())]
    Occupied {
        /// Where.
        path: PathBuf,
        /// Of the one that is there.
        fingerprint: Fingerprint,
    },
    /// There is no such key to update.
    #[error("there is no key {0}")]
    NoKey(Fingerprint),
    /// The key cannot be written: it is not locked.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The same of a key for S/MIME.
    #[error(transparent)]
    SmimeKey(#[from] smime::KeyError),
    /// Two copies cannot be joined.
    #[error(transparent)]
    Merge(#[from] CertificateError),
}

impl StoreError {
    /// Whether a file of the store is there and is not what it is to be, or may not be read as it lies there.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::DamagedX509 { .. }
            | Self::DamagedOrigins { .. }
            | Self::DamagedAgentKey { .. }
            | Self::Misfiled { .. }
            | Self::TooLarge { .. }
            | Self::Exposed { .. }
            | Self::Read { .. } => true,
            Self::Write { .. }
            | Self::Exists { .. }
            | Self::KeyExists { .. }
            | Self::Occupied { .. }
            | Self::NoKey(_)
            | Self::Key(_)
            | Self::SmimeKey(_)
            | Self::Merge(_) => false,
        }
    }

    /// The file that it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Damaged { path, .. }
            | Self::DamagedX509 { path, .. }
            | Self::DamagedOrigins { path }
            | Self::DamagedAgentKey { path }
            | Self::Misfiled { path, .. }
            | Self::TooLarge { path }
            | Self::Exposed { path, .. }
            | Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Exists { path }
            | Self::KeyExists { path, .. }
            | Self::Occupied { path, .. } => Some(path),
            Self::NoKey(_) | Self::Key(_) | Self::SmimeKey(_) | Self::Merge(_) => None,
        }
    }

    /// A failure of the shared directory as a whole.
    pub(super) fn of_directory(path: &Path, error: openpgp_cert_d::Error) -> Self {
        let error = match error {
            openpgp_cert_d::Error::IoError(error) => error,
            other => io::Error::other(other),
        };
        Self::Read { path: path.to_owned(), error }
    }

    /// For `map_err`: reading a path failed.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Read { path: path.to_owned(), error }
    }

    /// For `map_err`: writing a path failed.
    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Write { path: path.to_owned(), error }
    }
}
