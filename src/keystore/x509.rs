//! X.509 certificates.

use jiff::Timestamp;

use super::{Keystore, StoreError};
use crate::{
    crypt::{
        Fingerprint,
        smime::{Certificate, Key},
    },
    mail::Address,
};

/// How a certificate came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By hand.
    Imported,
    /// With a signed message.
    Candidate,
}

#[allow(missing_docs)]
impl Keystore {
    pub fn x509_for(&self, _: &Address, _: Timestamp) -> Result<Vec<(Certificate, Origin)>, StoreError> {
        Ok(Vec::new())
    }

    pub fn all_x509(&self) -> Result<Vec<(Certificate, Origin)>, StoreError> {
        Ok(Vec::new())
    }

    pub fn x509(&self, _: &Fingerprint) -> Result<Option<Certificate>, StoreError> {
        Ok(None)
    }

    pub fn insert_x509(&self, _: &Certificate, _: Origin) -> Result<super::Outcome, StoreError> {
        Ok(super::Outcome::Unchanged)
    }

    pub fn remove_x509(&self, _: &Fingerprint) -> Result<bool, StoreError> {
        Ok(false)
    }

    pub fn authorities(&self) -> Result<Vec<Certificate>, StoreError> {
        Ok(Vec::new())
    }

    pub fn smime_keys(&self) -> Result<Vec<Key>, StoreError> {
        Ok(Vec::new())
    }

    pub fn smime_keys_for(&self, _: &Address, _: Timestamp) -> Result<Vec<Key>, StoreError> {
        Ok(Vec::new())
    }
}
