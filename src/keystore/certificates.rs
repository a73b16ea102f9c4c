//! Certificates in the shared directory (draft-nwjw-openpgp-cert-d, 3).
//!
//! Its library knows the layout; writing is ours under the same lock, since the library does not sync.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use openpgp_cert_d::CertD;
use zeroize::Zeroizing;

use super::{
    BATCH, Keystore, Origin, Outcome, StoreError, StoredFile,
    disk::{self, Lock},
    index::Wanted,
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
        let listed = match self.listed(Wanted::Naming(address)) {
            Some(listed) => listed,
            None => self.fingerprints()?,
        };
        let mut found = self.scan(listed, |bytes| mention.is_in(bytes));
        found.retain(|certificate| certificate.addresses(at).contains(address) || claims(certificate, address));
        Ok(found)
    }

    /// All of them.
    pub fn all_certificates(&self) -> Result<Vec<Certificate>, StoreError> {
        Ok(self.scan(self.fingerprints()?, |_| true))
    }

    /// One by its full fingerprint.
    pub fn certificate(&self, fingerprint: &Fingerprint) -> Result<Option<Certificate>, StoreError> {
        match self.stored(fingerprint)? {
            None => Ok(None),
            Some(bytes) => parse(&self.path(fingerprint)?, fingerprint, &bytes).map(Some),
        }
    }

    /// Stores a certificate that a person brings, joined with what is there of it: it is imported for the addresses that
    /// it names.
    pub fn insert(&self, certificate: &Certificate) -> Result<Outcome, StoreError> {
        let lock = self.lock()?;
        let outcome = self.place(&lock, certificate)?;
        // Last: if this ends before, it counts for less than it is.
        self.note_imported(&lock, std::slice::from_ref(certificate)).map(|()| outcome)
    }

    /// Stores many as [`Keystore::insert`] does each, under one lock and with few waits for the disk. A failure leaves
    /// those before it stored.
    pub fn insert_all(&self, certificates: &[Certificate]) -> Result<Vec<Outcome>, StoreError> {
        let lock = self.lock()?;
        let mut outcomes = Vec::with_capacity(certificates.len());
        let mut batch = BTreeMap::new();
        for certificate in certificates {
            let fingerprint = certificate.fingerprint();
            if batch.len() == BATCH || batch.contains_key(&fingerprint) {
                self.write(&lock, std::mem::take(&mut batch))?;
            }
            match self.joined(certificate) {
                Ok((joined, outcome)) => {
                    outcomes.push(outcome);
                    batch.extend(joined.map(|bytes| (fingerprint, (certificate, bytes))));
                }
                Err(error) => {
                    self.write(&lock, batch)?;
                    return self.note_imported(&lock, &certificates[..outcomes.len()]).and(Err(error));
                }
            }
        }
        self.write(&lock, batch)?;
        self.note_imported(&lock, certificates)?;
        Ok(outcomes)
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
        self.index.outdate();
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
    pub(super) fn place(&self, lock: &Lock, certificate: &Certificate) -> Result<Outcome, StoreError> {
        let (joined, outcome) = self.joined(certificate)?;
        if let Some(bytes) = joined {
            self.write(lock, [(certificate.fingerprint(), (certificate, bytes))].into())?;
        }
        Ok(outcome)
    }

    /// A certificate joined with what is there of it, if that is to be written, and what storing it does.
    fn joined(&self, certificate: &Certificate) -> Result<(Option<Vec<u8>>, Outcome), StoreError> {
        let Some(there) = self.certificate(&certificate.fingerprint())? else {
            return Ok((Some(certificate.to_stored_bytes()?), Outcome::New));
        };
        let before = there.to_stored_bytes()?;
        let joined = there.merge(certificate.clone())?.to_stored_bytes()?;
        let unchanged = joined == before;
        Ok(if unchanged { (None, Outcome::Unchanged) } else { (Some(joined), Outcome::Merged) })
    }

    /// Writes what is to be stored of certificates, under the lock.
    fn write(&self, _lock: &Lock, batch: BTreeMap<Fingerprint, (&Certificate, Vec<u8>)>) -> Result<(), StoreError> {
        let (mut files, mut known) = (Vec::with_capacity(batch.len()), Vec::new());
        let now = Timestamp::now();
        for (fingerprint, (certificate, bytes)) in batch {
            files.push((self.path(&fingerprint)?, bytes));
            known.push((fingerprint, certificate.addresses(now)));
        }
        self.note(&known)?;
        self.index.outdate();
        disk::write_all(&files)
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

    /// Reads files and parses those that a look at their bytes lets through.
    fn scan(&self, fingerprints: Vec<Fingerprint>, wanted: impl Fn(&[u8]) -> bool) -> Vec<Certificate> {
        let mut found = Vec::new();
        for fingerprint in fingerprints {
            let read = self.path(&fingerprint).and_then(|path| match disk::read_if_there(&path)? {
                Some(bytes) if wanted(&bytes) => parse(&path, &fingerprint, &bytes).map(Some),
                _ => Ok(None),
            });
            match read {
                Ok(certificate) => found.extend(certificate),
                Err(error) => self.damaged.borrow_mut().push(error),
            }
        }
        found
    }

    fn stored(&self, fingerprint: &Fingerprint) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        disk::read_if_there(&self.path(fingerprint)?)
    }

    /// Where a certificate of either suite may lie.
    pub(super) fn files_of(&self, fingerprint: &Fingerprint) -> Vec<PathBuf> {
        let x509 = [Origin::Imported, Origin::Candidate].map(|origin| self.x509_path(fingerprint, origin));
        self.path(fingerprint).into_iter().chain(x509).collect()
    }

    fn directory(&self) -> Result<CertD, StoreError> {
        CertD::with_base_dir(&self.certificates).map_err(|error| StoreError::of_directory(&self.certificates, error))
    }

    pub(super) fn path(&self, fingerprint: &Fingerprint) -> Result<PathBuf, StoreError> {
        let path = self.directory()?.get_path_by_fingerprint(fingerprint.as_str());
        path.map_err(|error| StoreError::of_directory(&self.certificates, error))
    }
}

/// Reads the certificate that a file is named by; none if there is no file.
pub(super) fn read(path: &Path, fingerprint: &Fingerprint) -> Result<Option<Certificate>, StoreError> {
    disk::read_if_there(path)?.map(|bytes| parse(path, fingerprint, &bytes)).transpose()
}

fn parse(path: &Path, fingerprint: &Fingerprint, bytes: &[u8]) -> Result<Certificate, StoreError> {
    let path = path.to_owned();
    let mut all = match Certificate::parse_all(bytes) {
        Ok(all) => all,
        Err(error) => return Err(StoreError::Damaged { path, error }),
    };
    match (all.pop(), all.is_empty()) {
        (Some(certificate), true) if certificate.fingerprint() == *fingerprint => Ok(certificate),
        _ => Err(StoreError::Misfiled { path, fingerprint: fingerprint.clone() }),
    }
}

/// The addresses that a certificate names, validly at any time or not: by these it can be looked up.
pub fn naming(certificate: &Certificate) -> Vec<Address> {
    let mut addresses = certificate.emails();
    addresses.extend(certificate.user_ids().iter().filter_map(|user_id| claimed(user_id)));
    addresses
}

/// Whether a user ID says so, whoever vouches for it.
fn claims(certificate: &Certificate, address: &Address) -> bool {
    certificate.user_ids().iter().any(|user_id| claimed(user_id).is_some_and(|named| named == *address))
}

fn claimed(user_id: &str) -> Option<Address> {
    let spec = user_id.rsplit_once('<').map_or(user_id, |(_, rest)| rest.trim_end_matches('>'));
    Address::parse(spec.trim()).ok()
}
