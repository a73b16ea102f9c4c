//! How OpenPGP certificates came here: a folder of our own with one file for each that was found, since the shared
//! directory holds certificates and nothing else. What has no file was imported, by hand or by another program.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Keystore, Outcome, StoreError,
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
    /// For which address; none stands for all that it names.
    #[serde(with = "text")]
    pub address: Option<Address>,
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
    /// How a certificate is known, the oldest first; empty if it was imported and never found.
    ///
    /// # Errors
    /// A file that is damaged is never taken for none: what was found would count as imported.
    pub fn origins(&self, fingerprint: &Fingerprint) -> Result<Vec<Provenance>, StoreError> {
        let path = self.origins_path(fingerprint);
        let Some(file) = disk::open(&path)? else { return Ok(Vec::new()) };
        match serde_json::from_slice(&disk::read(&path, file)?) {
            Ok(File { version: 1, known }) => Ok(known),
            Ok(_) | Err(_) => Err(StoreError::DamagedOrigins { path }),
        }
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
        let found = Provenance { address: Some(address.clone()), source: Some(source), since: at };
        // First where it came from: if this ends here, it counts for no more than it is.
        let _lock = Lock::take(&self.origins, ".lock")?;
        let mut known = self.origins(&fingerprint)?;
        if known.is_empty()
            && let Some(since) = self.changed(&fingerprint)?
        {
            known.push(Provenance { address: None, source: None, since });
        }
        if !known.iter().any(|one| one.address == found.address && one.source == found.source) {
            known.push(found);
            self.write_origins(&fingerprint, known)?;
        }
        self.insert(certificate)
    }

    /// Remembers of a certificate that was found that it was imported by hand too, from now on.
    pub fn note_imported(&self, fingerprint: &Fingerprint, at: Timestamp) -> Result<(), StoreError> {
        if !self.origins_path(fingerprint).exists() {
            return Ok(());
        }
        let _lock = Lock::take(&self.origins, ".lock")?;
        let mut known = self.origins(fingerprint)?;
        if known.iter().all(|one| one.source.is_some()) {
            known.push(Provenance { address: None, source: None, since: at });
            self.write_origins(fingerprint, known)?;
        }
        Ok(())
    }

    /// Forgets where a certificate came from.
    pub(super) fn forget_origins(&self, fingerprint: &Fingerprint) -> Result<(), StoreError> {
        if self.origins.is_dir() {
            let _lock = Lock::take(&self.origins, ".lock")?;
            disk::remove(&self.origins_path(fingerprint))?;
        }
        Ok(())
    }

    fn write_origins(&self, fingerprint: &Fingerprint, known: Vec<Provenance>) -> Result<(), StoreError> {
        let path = self.origins_path(fingerprint);
        let bytes = serde_json::to_vec(&File { version: 1, known });
        let bytes = bytes.map_err(|error| StoreError::Write { path: path.clone(), error: error.into() })?;
        disk::write(&path, &bytes)
    }

    fn origins_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.origins.join(format!("{fingerprint}.json"))
    }
}

mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::mail::Address;

    pub fn serialize<S: Serializer>(address: &Option<Address>, serializer: S) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.as_deref().map(Address::parse).transpose().map_err(D::Error::custom)
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
