//! Layer 4: certificates and keys at rest.
//!
//! OpenPGP certificates lie in the shared directory that other programs use too (draft-nwjw-openpgp-cert-d), X.509
//! certificates in a folder of their own, own keys in a third, always locked. Files are 0600 in folders 0700, written
//! aside, synced and renamed under a lock, so neither a second process nor a kill at any moment leaves half a file. There
//! is one lock for own keys, one for OpenPGP certificates and their origins, one for X.509 certificates; nobody takes one
//! while holding another. What is damaged is named, never passed over in silence. Whom a certificate is trusted for is not decided here.

mod agent_keys;
mod backup;
mod certificates;
mod disk;
mod error;
pub mod find;
mod index;
mod keys;
mod known;
mod mention;
mod origins;
pub mod paper;
mod smime_keys;
mod upload;
mod web;
mod x509;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

pub use backup::{Piece, StoredFile, turn};
pub use certificates::naming;
pub use disk::{Lock, make_private, overwrite, write as replace, write_new, write_public};
pub use error::StoreError;
pub use origins::Provenance;
pub use smime_keys::Joined;
pub use upload::{Keyserver, Standing, UploadError, Uploaded, upload};
pub use web::{Published, publish};
pub use x509::Origin;

use self::index::Index;

/// Certificates and keys at rest. Opening touches no file; folders are made when first written to.
///
/// One damaged file does not keep the others from being found: it is left out of lists and told by
/// [`Keystore::damaged`].
#[derive(Debug)]
pub struct Keystore {
    certificates: PathBuf,
    keys: PathBuf,
    x509: PathBuf,
    origins: PathBuf,
    index: Index,
    damaged: RefCell<Vec<StoreError>>,
}

/// What storing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    New,
    /// It was there, and something was added.
    Merged,
    /// Nothing that was not there already.
    Unchanged,
}

impl Outcome {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Merged => "merged",
            Self::Unchanged => "unchanged",
        }
    }
}

/// How many certificates of an import are written together. Up to so many files lie aside after a kill.
const BATCH: usize = 4096;

impl Keystore {
    /// A store in the folder of OpenPGP certificates, that of own keys, and that of X.509 certificates. Where OpenPGP
    /// certificates were found is kept in a folder `origins` beside the latter, since the first is shared. In the folder
    /// of what can be lost lies `certificates.sqlite`, the index.
    pub fn open(certificates: &Path, keys: &Path, x509: &Path, state: &Path) -> Self {
        Self {
            certificates: certificates.to_owned(),
            keys: keys.to_owned(),
            x509: x509.to_owned(),
            origins: x509.with_file_name("origins"),
            index: Index::new(state.join("certificates.sqlite")),
            damaged: RefCell::default(),
        }
    }

    /// Files that lists left out since this was asked last, because they are damaged, misfiled or exposed: to be
    /// told to the user.
    pub fn damaged(&self) -> Vec<StoreError> {
        self.damaged.take()
    }
}

#[cfg(test)]
mod tests;
