//! Certificates in the shared directory (draft-nwjw-openpgp-cert-d, 3).
//!
//! Its library knows the layout; writing is ours under the same lock, since the library does not sync.

use std::path::PathBuf;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    Found, Keystore, KeystoreError, Outcome,
    disk::{self, Lock},
    mention::Mention,
};
use crate::{
    crypt::{Fingerprint, PublicCertificate, pgp::Certificate},
    mail::Address,
};

impl Keystore {
    /// Those that validly name an address at a time, of whatever use they are.
    pub fn certificates_for(&self, address: &Address, at: Timestamp) -> Result<Found<Certificate>, KeystoreError> {
        let mention = Mention::of(address);
        let mut found = self.scan(|bytes| mention.is_in(bytes))?;
        found.items.retain(|certificate| certificate.addresses(at).contains(address));
        Ok(found)
    }

    /// All of them.
    pub fn all_certificates(&self) -> Result<Found<Certificate>, KeystoreError> {
        self.scan(|_| true)
    }

    /// One by its full fingerprint.
    pub fn certificate(&self, fingerprint: &Fingerprint) -> Result<Option<Certificate>, KeystoreError> {
        match self.stored(fingerprint)? {
            None => Ok(None),
            Some(bytes) => self.parse(fingerprint, &bytes).map(Some),
        }
    }

    /// Stores a certificate, joined with what is there of it.
    pub fn insert(&self, certificate: Certificate) -> Result<Outcome, KeystoreError> {
        let fingerprint = certificate.fingerprint();
        let path = self.path(&fingerprint)?;
        let _lock = Lock::take(self.certificates.base_dir(), "writelock")?;
        let (merged, outcome) = match self.certificate(&fingerprint)? {
            None => (certificate.to_stored_bytes()?, Outcome::New),
            Some(there) => {
                let before = there.to_stored_bytes()?;
                let merged = there.merge(certificate)?.to_stored_bytes()?;
                let outcome = if merged == before { Outcome::Unchanged } else { Outcome::Merged };
                (merged, outcome)
            }
        };
        if outcome != Outcome::Unchanged {
            disk::write(&path, &merged)?;
        }
        Ok(outcome)
    }

    /// Removes a certificate, also a damaged one; false if it was not there.
    pub fn remove(&self, fingerprint: &Fingerprint) -> Result<bool, KeystoreError> {
        let path = self.path(fingerprint)?;
        if !self.certificates.base_dir().is_dir() {
            return Ok(false);
        }
        let _lock = Lock::take(self.certificates.base_dir(), "writelock")?;
        disk::remove(&path)
    }

    /// Reads all files and parses those that a look at their bytes lets through.
    fn scan(&self, wanted: impl Fn(&[u8]) -> bool) -> Result<Found<Certificate>, KeystoreError> {
        let base = self.certificates.base_dir();
        let mut fingerprints = Vec::new();
        for name in self.certificates.fingerprints() {
            let name = name.map_err(|error| KeystoreError::of_directory(base, error))?;
            fingerprints.extend(Fingerprint::parse(&name));
        }
        fingerprints.sort();
        let mut found = Found { items: Vec::new(), damaged: Vec::new() };
        for fingerprint in fingerprints {
            let read = self.stored(&fingerprint).and_then(|bytes| match bytes {
                Some(bytes) if wanted(&bytes) => self.parse(&fingerprint, &bytes).map(Some),
                _ => Ok(None),
            });
            match read {
                Ok(certificate) => found.items.extend(certificate),
                Err(error) => found.damaged.push(error),
            }
        }
        Ok(found)
    }

    fn stored(&self, fingerprint: &Fingerprint) -> Result<Option<Zeroizing<Vec<u8>>>, KeystoreError> {
        let path = self.path(fingerprint)?;
        disk::open(&path)?.map(|file| disk::read(&path, file)).transpose()
    }

    fn parse(&self, fingerprint: &Fingerprint, bytes: &[u8]) -> Result<Certificate, KeystoreError> {
        let path = self.path(fingerprint)?;
        let mut all = match Certificate::parse_all(bytes) {
            Ok(all) => all,
            Err(error) => return Err(KeystoreError::Damaged { path, error }),
        };
        match (all.pop(), all.is_empty()) {
            (Some(certificate), true) if certificate.fingerprint() == *fingerprint => Ok(certificate),
            _ => Err(KeystoreError::Misfiled { path, fingerprint: fingerprint.clone() }),
        }
    }

    fn path(&self, fingerprint: &Fingerprint) -> Result<PathBuf, KeystoreError> {
        let path = self.certificates.get_path_by_fingerprint(fingerprint.as_str());
        path.map_err(|error| KeystoreError::of_directory(self.certificates.base_dir(), error))
    }
}
