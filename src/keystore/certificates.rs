//! Certificates in the shared directory (draft-nwjw-openpgp-cert-d, 3).
//!
//! Its library knows the layout; writing is ours under the same lock, since the library does not sync.

use std::path::PathBuf;

use jiff::Timestamp;
use openpgp_cert_d::CertD;
use zeroize::Zeroizing;

use super::{
    Keystore, Origin, Outcome, StoreError, StoredFile,
    disk::{self, Lock},
    mention::Mention,
};
use crate::{
    crypt::{Fingerprint, PublicCertificate, pgp::Certificate},
    mail::Address,
};

impl Keystore {
    /// Those that name an address, validly at a time or not, of whatever use they are: whoever encrypts judges them,
    /// and says what is wrong.
    pub fn certificates_for(&self, address: &Address, at: Timestamp) -> Result<Vec<Certificate>, StoreError> {
        let mention = Mention::of(address);
        let mut found = self.scan(|bytes| mention.is_in(bytes))?;
        found.retain(|certificate| certificate.addresses(at).contains(address) || claims(certificate, address));
        Ok(found)
    }

    /// All of them.
    pub fn all_certificates(&self) -> Result<Vec<Certificate>, StoreError> {
        self.scan(|_| true)
    }

    /// One by its full fingerprint.
    pub fn certificate(&self, fingerprint: &Fingerprint) -> Result<Option<Certificate>, StoreError> {
        match self.stored(fingerprint)? {
            None => Ok(None),
            Some(bytes) => self.parse(fingerprint, &bytes).map(Some),
        }
    }

    /// All addresses that a certificate names, validly at a time or not; of X.509 those taken by hand alone, and none of
    /// authorities.
    pub fn addresses(&self, at: Timestamp) -> Result<Vec<Address>, StoreError> {
        let mut found = Vec::new();
        for certificate in self.all_certificates()? {
            let named = certificate.addresses(at);
            // One of which nothing counts is to be told of, and not to be passed over.
            if named.is_empty() {
                found.extend(certificate.user_ids().iter().filter_map(|user_id| claimed(user_id)));
            }
            found.extend(named);
        }
        for (certificate, origin) in self.all_x509()? {
            if origin == Origin::Imported && !certificate.is_authority() {
                found.extend(certificate.addresses(at));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Stores a certificate, joined with what is there of it.
    pub fn insert(&self, certificate: &Certificate) -> Result<Outcome, StoreError> {
        self.place(&self.lock()?, certificate)
    }

    /// Joins what is new of a certificate with what is there of it, and gives the whole; none if it is not there, or was
    /// removed in the meantime: it stays away then.
    pub fn update(&self, new: &Certificate) -> Result<Option<Certificate>, StoreError> {
        if !self.certificates.is_dir() {
            return Ok(None);
        }
        let fingerprint = new.fingerprint();
        let lock = self.lock()?;
        if self.stored(&fingerprint)?.is_none() {
            return Ok(None);
        }
        self.place(&lock, new)?;
        self.certificate(&fingerprint)
    }

    /// Removes a certificate, also a damaged one, and what is said of its origins; false if it was not there.
    pub fn remove(&self, fingerprint: &Fingerprint) -> Result<bool, StoreError> {
        let path = self.path(fingerprint)?;
        if !self.certificates.is_dir() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let removed = disk::remove(&path)?;
        if self.origins.is_dir() {
            disk::remove(&self.origins_path(fingerprint))?;
        }
        Ok(removed)
    }

    /// The one lock for writing certificates and their origins, so that what is said of both is true of both.
    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        Lock::take(&self.certificates, "writelock")
    }

    /// Stores a certificate under the lock, joined with what is there of it.
    pub(super) fn place(&self, _lock: &Lock, certificate: &Certificate) -> Result<Outcome, StoreError> {
        let fingerprint = certificate.fingerprint();
        let path = self.path(&fingerprint)?;
        let (merged, outcome) = match self.certificate(&fingerprint)? {
            None => (certificate.to_stored_bytes()?, Outcome::New),
            Some(there) => {
                let before = there.to_stored_bytes()?;
                let merged = there.merge(certificate.clone())?.to_stored_bytes()?;
                let outcome = if merged == before { Outcome::Unchanged } else { Outcome::Merged };
                (merged, outcome)
            }
        };
        if outcome != Outcome::Unchanged {
            self.note(&fingerprint, &certificate.addresses(Timestamp::now()))?;
            disk::write(&path, &merged)?;
        }
        Ok(outcome)
    }

    /// When the file of a certificate was last changed; none if there is none.
    pub(super) fn changed(&self, fingerprint: &Fingerprint) -> Result<Option<Timestamp>, StoreError> {
        let path = self.path(fingerprint)?;
        let Some(file) = disk::open(&path)? else { return Ok(None) };
        let changed = file.metadata().and_then(|meta| meta.modified()).map_err(StoreError::read(&path))?;
        Ok(Some(Timestamp::try_from(changed).unwrap_or_default()))
    }

    /// All of them as they are stored, read and not parsed.
    pub(super) fn all_stored(&self) -> Result<Vec<StoredFile>, StoreError> {
        let mut all = Vec::new();
        for fingerprint in self.fingerprints()? {
            let bytes = self.stored(&fingerprint)?;
            all.extend(bytes.map(|bytes| (format!("{fingerprint}.pgp"), bytes)));
        }
        Ok(all)
    }

    fn fingerprints(&self) -> Result<Vec<Fingerprint>, StoreError> {
        let mut fingerprints = Vec::new();
        for name in self.directory()?.fingerprints() {
            let name = name.map_err(|error| StoreError::of_directory(&self.certificates, error))?;
            fingerprints.extend(Fingerprint::parse(&name));
        }
        fingerprints.sort();
        Ok(fingerprints)
    }

    /// Reads all files and parses those that a look at their bytes lets through.
    fn scan(&self, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Certificate>, StoreError> {
        let mut found = Vec::new();
        for fingerprint in self.fingerprints()? {
            let read = self.stored(&fingerprint).and_then(|bytes| match bytes {
                Some(bytes) if wanted(&bytes) => self.parse(&fingerprint, &bytes).map(Some),
                _ => Ok(None),
            });
            match read {
                Ok(certificate) => found.extend(certificate),
                Err(error) => self.damaged.borrow_mut().push(error),
            }
        }
        Ok(found)
    }

    fn stored(&self, fingerprint: &Fingerprint) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let path = self.path(fingerprint)?;
        disk::open(&path)?.map(|file| disk::read(&path, file)).transpose()
    }

    fn parse(&self, fingerprint: &Fingerprint, bytes: &[u8]) -> Result<Certificate, StoreError> {
        let path = self.path(fingerprint)?;
        let mut all = match Certificate::parse_all(bytes) {
            Ok(all) => all,
            Err(error) => return Err(StoreError::Damaged { path, error }),
        };
        match (all.pop(), all.is_empty()) {
            (Some(certificate), true) if certificate.fingerprint() == *fingerprint => Ok(certificate),
            _ => Err(StoreError::Misfiled { path, fingerprint: fingerprint.clone() }),
        }
    }

    /// Where a certificate of either suite may lie.
    pub(super) fn files_of(&self, fingerprint: &Fingerprint) -> Vec<PathBuf> {
        let x509 = [Origin::Imported, Origin::Candidate].map(|origin| self.x509_path(fingerprint, origin));
        self.path(fingerprint).into_iter().chain(x509).collect()
    }

    fn directory(&self) -> Result<CertD, StoreError> {
        CertD::with_base_dir(&self.certificates).map_err(|error| StoreError::of_directory(&self.certificates, error))
    }

    fn path(&self, fingerprint: &Fingerprint) -> Result<PathBuf, StoreError> {
        let path = self.directory()?.get_path_by_fingerprint(fingerprint.as_str());
        path.map_err(|error| StoreError::of_directory(&self.certificates, error))
    }
}

/// Whether a user ID says so, whoever vouches for it.
fn claims(certificate: &Certificate, address: &Address) -> bool {
    certificate.user_ids().iter().any(|user_id| claimed(user_id).is_some_and(|named| named == *address))
}

fn claimed(user_id: &str) -> Option<Address> {
    let spec = user_id.rsplit_once('<').map_or(user_id, |(_, rest)| rest.trim_end_matches('>'));
    Address::parse(spec.trim()).ok()
}
