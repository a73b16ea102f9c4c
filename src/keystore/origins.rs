//! How certificates came here: a folder of our own with one file for each, since the shared directory holds certificates
//! and nothing else. What has no file was put there by another program, and nobody here looked at it; of S/MIME it is what
//! its own folder says.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    BATCH, Keystore, Outcome, StoreError,
    disk::{self, Lock},
    find::Source,
};
use crate::{
    crypt::{Fingerprint, PublicCertificate, pgp::Certificate},
    mail::Address,
};

/// How a certificate came to be known for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// For which address.
    #[serde(with = "text")]
    pub address: Address,
    /// Where it was found; none if it was imported by hand.
    pub source: Option<Source>,
    /// Since when.
    #[serde(with = "time")]
    pub since: Timestamp,
}

/// A file of origins.
#[derive(Serialize, Deserialize)]
struct File {
    version: u8,
    known: Vec<Provenance>,
}

impl Keystore {
    /// How a certificate is known, the oldest first; empty if another program brought it.
    ///
    /// # Errors
    /// A file that is damaged is never taken for none.
    pub fn origins(&self, fingerprint: &Fingerprint) -> Result<Vec<Provenance>, StoreError> {
        let path = self.origins_path(fingerprint);
        let Some(file) = disk::open(&path)? else { return Ok(Vec::new()) };
        match serde_json::from_slice(&disk::read(&path, file)?) {
            Ok(File { version: 1, known }) => Ok(known),
            Ok(_) | Err(_) => Err(StoreError::DamagedOrigins { path }),
        }
    }

    /// The same for lists, which one that cannot be read does not end: none then, and it is told by
    /// [`Keystore::damaged`].
    pub fn readable_origins(&self, fingerprint: &Fingerprint) -> Option<Vec<Provenance>> {
        self.origins(fingerprint).map_err(|error| self.damaged.borrow_mut().push(error)).ok()
    }

    /// Stores a certificate that was found for an address, joined with what is there of it, and remembers where.
    pub fn insert_found(
        &self,
        certificate: &Certificate,
        address: &Address,
        source: Source,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let fingerprint = certificate.fingerprint();
        let lock = self.lock()?;
        let there = self.changed(&fingerprint)?.is_some();
        // What a removal that was cut short left behind says nothing of the one that is found now.
        let mut known = if there { self.origins(&fingerprint)? } else { Vec::new() };
        // Gossip of what another program brought makes no less of it.
        let nothing_new = there && known.is_empty() && source == Source::Gossip;
        // First where it came from: if this ends here, it counts for no more than it is.
        if !nothing_new && !known.iter().any(|one| one.address == *address && one.source == Some(source)) {
            known.push(Provenance { address: address.clone(), source: Some(source), since: at });
            self.write_origins(&fingerprint, known)?;
        }
        self.place(&lock, certificate)
    }

    /// Remembers of certificates, which are here, that they were imported by hand: for the addresses that they validly
    /// name now.
    ///
    /// # Errors
    /// One that cannot be noted does not keep the others from it.
    pub(super) fn note_imported(&self, _lock: &Lock, certificates: &[Certificate]) -> Result<(), StoreError> {
        let since = Timestamp::now();
        let mut failed = Ok(());
        for certificates in certificates.chunks(BATCH) {
            let mut noted: BTreeMap<Fingerprint, Vec<Provenance>> = BTreeMap::new();
            for certificate in certificates {
                let fingerprint = certificate.fingerprint();
                // The same one may be there twice.
                let (mut known, mut is_new) = match noted.remove(&fingerprint) {
                    Some(noted) => (noted, true),
                    None => match self.origins(&fingerprint) {
                        Ok(known) => (known, false),
                        Err(error) => {
                            failed = failed.and(Err(error));
                            continue;
                        }
                    },
                };
                for address in certificate.addresses(since) {
                    if !known.iter().any(|one| one.source.is_none() && one.address == address) {
                        known.push(Provenance { address, source: None, since });
                        is_new = true;
                    }
                }
                if is_new {
                    noted.insert(fingerprint, known);
                }
            }
            let written = noted.into_iter().map(|(fingerprint, known)| self.origins_file(&fingerprint, known));
            disk::write_all(&written.collect::<Result<Vec<_>, _>>()?)?;
        }
        failed
    }

    /// Under the lock of certificates.
    pub(super) fn write_origins(&self, fingerprint: &Fingerprint, known: Vec<Provenance>) -> Result<(), StoreError> {
        let (path, bytes) = self.origins_file(fingerprint, known)?;
        disk::write(&path, &bytes)
    }

    fn origins_file(
        &self,
        fingerprint: &Fingerprint,
        known: Vec<Provenance>,
    ) -> Result<(PathBuf, Vec<u8>), StoreError> {
        let path = self.origins_path(fingerprint);
        match serde_json::to_vec(&File { version: 1, known }) {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => Err(StoreError::Write { path, error: error.into() }),
        }
    }

    pub(super) fn origins_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.origins.join(format!("{fingerprint}.json"))
    }
}

/// Whether some bytes are a file of origins.
pub(super) fn are_origins(bytes: &[u8]) -> bool {
    serde_json::from_slice(bytes).is_ok_and(|File { version, .. }| version == 1)
}

mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::mail::Address;

    pub fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        Address::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(at)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
