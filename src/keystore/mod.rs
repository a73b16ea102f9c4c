//! Layer 4: certificates and keys at rest.
//!
//! Certificates lie in the shared directory that other OpenPGP programs use too (draft-nwjw-openpgp-cert-d), own
//! keys in a folder of their own, always locked. Files are 0600 in folders 0700, written aside, synced and renamed
//! under a lock, so neither a second process nor a kill at any moment leaves half a file. What is damaged is named,
//! never passed over in silence. Whom a certificate is trusted for is not decided here.

mod certificates;
mod disk;
mod error;
mod keys;
mod mention;

use std::path::{Path, PathBuf};

use openpgp_cert_d::CertD;

pub use error::KeystoreError;

/// Certificates and keys at rest. Opening touches no file; folders are made when first written to.
#[derive(Debug)]
pub struct Keystore {
    certificates: CertD,
    keys: PathBuf,
}

/// What was found, and what could not be read on the way.
#[derive(Debug)]
pub struct Found<T> {
    /// In the order of fingerprints.
    pub items: Vec<T>,
    /// One for each file that is damaged or refused.
    pub damaged: Vec<KeystoreError>,
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

impl Keystore {
    /// A store in the folder of certificates and the folder of own keys.
    ///
    /// # Errors
    /// The folder of certificates cannot be one.
    pub fn open(certificates: &Path, keys: &Path) -> Result<Self, KeystoreError> {
        let directory =
            CertD::with_base_dir(certificates).map_err(|error| KeystoreError::of_directory(certificates, error))?;
        Ok(Self { certificates: directory, keys: keys.to_owned() })
    }
}

#[cfg(test)]
mod tests;
