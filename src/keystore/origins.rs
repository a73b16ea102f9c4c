//! How certificates came here: a folder of our own with one file for each that was found, since the shared directory
//! holds certificates and nothing else. What has no file was imported, by hand or by another program, or, of S/MIME, is
//! what its folder says.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Keystore, Outcome, StoreError, disk, find::Source};
use crate::{
    crypt::{Fingerprint, PublicCertificate, pgp::Certificate},
    mail::Address,
};

/// How a certificate came to be known for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// For which address; none stands for all that it names of which nothing else is said.
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
        let found = Provenance { address: Some(address.clone()), source: Some(source), since: at };
        let lock = self.lock()?;
        let mut known = match self.changed(&fingerprint)? {
            // What a removal that was cut short left behind says nothing of the one that is found now.
            None => Vec::new(),
            Some(since) => match self.origins(&fingerprint)? {
                known if known.is_empty() => vec![Provenance { address: None, source: None, since }],
                known => known,
            },
        };
        // Of what was imported, this address counts as imported only if it stood there: its owner may have added it since.
        let imported = known.iter().find(|one| one.source.is_none() && one.address.is_none()).map(|one| one.since);
        if let Some(since) = imported.filter(|_| known.iter().all(|one| one.address != found.address))
            && self.certificate(&fingerprint)?.is_some_and(|stored| stored.addresses(at).contains(address))
        {
            known.push(Provenance { address: found.address.clone(), source: None, since });
        }
        // First where it came from: if this ends here, it counts for no more than it is.
        if !known.iter().any(|one| one.address == found.address && one.source == found.source) {
            known.push(found);
            self.write_origins(&fingerprint, known)?;
        }
        self.place(&lock, certificate)
    }

    /// Remembers of a certificate that was found that it was imported by hand too, from now on, as it is here: for the
    /// addresses that it names.
    pub fn note_imported(&self, certificate: &Certificate, at: Timestamp) -> Result<(), StoreError> {
        let fingerprint = certificate.fingerprint();
        let _lock = self.lock()?;
        let mut known = self.origins(&fingerprint)?;
        // None is said of one that was only imported.
        if known.is_empty() {
            return Ok(());
        }
        let before = known.len();
        for address in certificate.addresses(at).into_iter().map(Some).chain([None]) {
            if !known.iter().any(|one| one.source.is_none() && one.address == address) {
                known.push(Provenance { address, source: None, since: at });
            }
        }
        if known.len() > before { self.write_origins(&fingerprint, known) } else { Ok(()) }
    }

    /// Under the lock of certificates.
    pub(super) fn write_origins(&self, fingerprint: &Fingerprint, known: Vec<Provenance>) -> Result<(), StoreError> {
        let path = self.origins_path(fingerprint);
        let bytes = serde_json::to_vec(&File { version: 1, known });
        let bytes = bytes.map_err(|error| StoreError::Write { path: path.clone(), error: error.into() })?;
        disk::write(&path, &bytes)
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
