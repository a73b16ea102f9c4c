//! X.509 certificates: a folder with one PEM file for each, named by its SHA-256; those that came with a signed
//! message, and nobody took by hand, lie in `candidates` below it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    BATCH, Keystore, Outcome, Provenance, StoreError,
    disk::{self, Lock},
    find::Source,
    index::Wanted,
};
use crate::{
    crypt::{Fingerprint, PublicCertificate, smime::Certificate},
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

impl Keystore {
    /// Those that name an address, of whatever use they are: whoever encrypts judges them, and says what is wrong.
    /// Those that were imported come first.
    pub fn x509_for(&self, address: &Address, at: Timestamp) -> Result<Vec<(Certificate, Origin)>, StoreError> {
        let mut found = self.x509_among(Some(Wanted::Naming(address)))?;
        found.retain(|(certificate, _)| certificate.addresses(at).contains(address));
        Ok(found)
    }

    /// All of them, those that were imported first.
    pub fn all_x509(&self) -> Result<Vec<(Certificate, Origin)>, StoreError> {
        self.x509_among(None)
    }

    /// Those that can be what is wanted, as far as that can be told without reading them all.
    fn x509_among(&self, wanted: Option<Wanted<'_>>) -> Result<Vec<(Certificate, Origin)>, StoreError> {
        let mut found = Vec::new();
        for origin in [Origin::Imported, Origin::Candidate] {
            let listed = match wanted.and_then(|wanted| self.listed_x509(wanted, origin)) {
                Some(listed) => listed,
                None => disk::named(&self.x509_folder(origin), ".pem")?,
            };
            for fingerprint in listed {
                match self.stored_x509(&fingerprint, origin) {
                    Ok(certificate) => found.extend(certificate.map(|certificate| (certificate, origin))),
                    Err(error) => self.damaged.borrow_mut().push(error),
                }
            }
        }
        Ok(found)
    }

    /// One by its full fingerprint.
    pub fn x509(&self, fingerprint: &Fingerprint) -> Result<Option<Certificate>, StoreError> {
        match self.stored_x509(fingerprint, Origin::Imported)? {
            None => self.stored_x509(fingerprint, Origin::Candidate),
            found => Ok(found),
        }
    }

    /// How one that is in the store came here, as its folder says.
    pub fn x509_origin(&self, fingerprint: &Fingerprint) -> Result<Origin, StoreError> {
        let imported = self.stored_x509(fingerprint, Origin::Imported)?;
        Ok(if imported.is_some() { Origin::Imported } else { Origin::Candidate })
    }

    /// Stores a certificate, with what its holder announced last. A candidate that is imported becomes an imported one
    /// ([`Outcome::Merged`]); never the other way round.
    pub fn insert_x509(&self, certificate: &Certificate, origin: Origin) -> Result<Outcome, StoreError> {
        let outcomes = self.insert_all_x509(std::slice::from_ref(certificate), origin)?;
        Ok(outcomes.first().copied().unwrap_or(Outcome::Unchanged))
    }

    /// Stores many as [`Keystore::insert_x509`] does each, under one lock and with few waits for the disk. A failure
    /// leaves those before it stored.
    pub fn insert_all_x509(&self, certificates: &[Certificate], origin: Origin) -> Result<Vec<Outcome>, StoreError> {
        self.insert_x509_under(&self.lock_x509()?, certificates, origin)
    }

    /// Stores one that was found for an address, as a candidate unless it is here already, and remembers where.
    pub fn insert_found_x509(
        &self,
        certificate: &Certificate,
        address: &Address,
        source: Source,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let fingerprint = certificate.fingerprint();
        let lock = self.lock_x509()?;
        let mut known = match self.x509(&fingerprint)? {
            // What a removal that was cut short left behind says nothing of the one that is found now.
            None => Vec::new(),
            Some(_) => self.origins(&fingerprint)?,
        };
        let found = Provenance { address: address.clone(), source: Some(source), since: at };
        // Last where it came from: if this ends before, it counts for no more than a candidate.
        let outcomes = self.insert_x509_under(&lock, std::slice::from_ref(certificate), Origin::Candidate)?;
        if !known.iter().any(|one| one.address == found.address && one.source == found.source) {
            known.push(found);
            self.write_origins(&fingerprint, known)?;
        }
        Ok(outcomes.first().copied().unwrap_or(Outcome::Unchanged))
    }

    fn insert_x509_under(
        &self,
        lock: &Lock,
        certificates: &[Certificate],
        origin: Origin,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(certificates.len());
        let mut new = BTreeMap::new();
        for certificate in certificates {
            let fingerprint = certificate.fingerprint();
            if new.len() == BATCH || new.contains_key(&fingerprint) {
                self.write_x509(lock, std::mem::take(&mut new), origin)?;
            }
            let stored = self.join_x509(lock, certificate, origin);
            match stored {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return self.write_x509(lock, new, origin).and(Err(error)),
            }
            if let Some(Outcome::New) = outcomes.last() {
                new.insert(fingerprint, certificate);
            }
        }
        self.write_x509(lock, new, origin)?;
        Ok(outcomes)
    }

    /// Joins a certificate with what is there of it; one that is new is still to be written.
    fn join_x509(&self, _lock: &Lock, certificate: &Certificate, origin: Origin) -> Result<Outcome, StoreError> {
        let fingerprint = certificate.fingerprint();
        let there = match self.stored_x509(&fingerprint, Origin::Imported)? {
            Some(there) => Some((there, Origin::Imported)),
            None => self.stored_x509(&fingerprint, Origin::Candidate)?.map(|there| (there, Origin::Candidate)),
        };
        let Some((there, before)) = there else { return Ok(Outcome::New) };
        let now = if before == Origin::Imported { before } else { origin };
        let known = there.announced();
        let joined = certificate.announced().map_or(there.clone(), |announced| there.announcing(announced));
        if now == before && joined.announced() == known {
            return Ok(Outcome::Unchanged);
        }
        self.index.outdate();
        disk::write(&self.x509_path(&fingerprint, now), joined.to_stored().as_bytes())?;
        if now != before {
            disk::remove(&self.x509_path(&fingerprint, before))?;
        }
        Ok(Outcome::Merged)
    }

    /// Writes those that are new, under the lock.
    fn write_x509(
        &self,
        _lock: &Lock,
        new: BTreeMap<Fingerprint, &Certificate>,
        origin: Origin,
    ) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let (mut files, mut known) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
        for (fingerprint, certificate) in new {
            files.push((self.x509_path(&fingerprint, origin), certificate.to_stored().into_bytes()));
            known.push((fingerprint, certificate.addresses(now)));
        }
        self.note(&known)?;
        self.index.outdate();
        disk::write_all(&files)
    }

    /// Removes a certificate, also a damaged one; false if it was not there.
    pub fn remove_x509(&self, fingerprint: &Fingerprint) -> Result<bool, StoreError> {
        if !self.x509.is_dir() {
            return Ok(false);
        }
        let _lock = self.lock_x509()?;
        self.index.outdate();
        let imported = disk::remove(&self.x509_path(fingerprint, Origin::Imported))?;
        let candidate = match self.x509_folder(Origin::Candidate).is_dir() {
            true => disk::remove(&self.x509_path(fingerprint, Origin::Candidate))?,
            false => false,
        };
        if self.origins.is_dir() {
            disk::remove(&self.origins_path(fingerprint))?;
        }
        Ok(imported || candidate)
    }

    /// Those of certificate authorities, to lie between an anchor and a leaf; they are trusted for nothing.
    pub fn authorities(&self) -> Result<Vec<Certificate>, StoreError> {
        let all = self.x509_among(Some(Wanted::Authorities))?.into_iter().map(|(certificate, _)| certificate);
        Ok(all.filter(Certificate::is_authority).collect())
    }

    fn stored_x509(&self, fingerprint: &Fingerprint, origin: Origin) -> Result<Option<Certificate>, StoreError> {
        read(&self.x509_path(fingerprint, origin), fingerprint)
    }

    /// The lock for writing these certificates.
    pub(super) fn lock_x509(&self) -> Result<Lock, StoreError> {
        Lock::take(&self.x509, ".lock")
    }

    pub(super) fn x509_path(&self, fingerprint: &Fingerprint, origin: Origin) -> PathBuf {
        self.x509_folder(origin).join(format!("{fingerprint}.pem"))
    }

    pub(super) fn x509_folder(&self, origin: Origin) -> PathBuf {
        match origin {
            Origin::Imported => self.x509.clone(),
            Origin::Candidate => self.x509.join(Path::new("candidates")),
        }
    }
}

/// Reads the certificate that a file is named by; none if there is no file.
pub(super) fn read(path: &Path, fingerprint: &Fingerprint) -> Result<Option<Certificate>, StoreError> {
    let Some(bytes) = disk::read_if_there(path)? else { return Ok(None) };
    let path = path.to_owned();
    let mut all = match Certificate::parse_stored(&bytes) {
        Ok(all) => all,
        Err(error) => return Err(StoreError::DamagedX509 { path, error }),
    };
    match (all.pop(), all.is_empty()) {
        (Some(certificate), true) if certificate.fingerprint() == *fingerprint => Ok(Some(certificate)),
        _ => Err(StoreError::Misfiled { path, fingerprint: fingerprint.clone() }),
    }
}
