//! Own keys: `FINGERPRINT.pgp`, binary and always locked, beside it `FINGERPRINT.rev.asc`. Those that an agent has lie in
//! `FINGERPRINT.agent`.

use std::path::PathBuf;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    Keystore, Outcome, StoreError,
    disk::{self, Lock},
};
use crate::{
    crypt::{
        Fingerprint,
        pgp::{AgentKey, Key},
    },
    mail::Address,
};

impl Keystore {
    /// All own keys.
    pub fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut found = Vec::new();
        for fingerprint in disk::named(&self.keys, ".pgp")? {
            match self.key(&fingerprint) {
                Ok(key) => found.extend(key),
                Err(error) => self.damaged.borrow_mut().push(error),
            }
        }
        Ok(found)
    }

    /// Those whose certificates validly name an address at a time.
    pub fn keys_for(&self, address: &Address, at: Timestamp) -> Result<Vec<Key>, StoreError> {
        let mut found = self.keys()?;
        found.retain(|key| key.addresses(at).contains(address));
        Ok(found)
    }

    /// One by the full fingerprint of its certificate.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] if others can read its file.
    pub fn key(&self, fingerprint: &Fingerprint) -> Result<Option<Key>, StoreError> {
        let path = self.key_path(fingerprint);
        let Some(bytes) = disk::read_private(&path)? else { return Ok(None) };
        let mut all = match Key::parse_all(&bytes) {
            Ok(all) => all,
            Err(error) => return Err(StoreError::Damaged { path, error }),
        };
        match (all.pop(), all.is_empty()) {
            (Some(key), true) if key.fingerprint() == *fingerprint => Ok(Some(key)),
            _ => Err(StoreError::Misfiled { path, fingerprint: fingerprint.clone() }),
        }
    }

    /// Stores a key that is not there yet, its revocation certificate first. It takes the place of what says that an
    /// agent has it, which holds nothing that is not in the key.
    ///
    /// # Errors
    /// The key is not locked; or one of its fingerprint is there and differs ([`StoreError::KeyExists`]).
    pub fn store_key(&self, key: &Key, revocation: Option<&str>) -> Result<Outcome, StoreError> {
        let fingerprint = key.fingerprint();
        let path = self.key_path(&fingerprint);
        let bytes = Zeroizing::new(key.to_bytes()?);
        let _lock = self.lock_keys()?;
        match self.key(&fingerprint)? {
            Some(there) if there.to_bytes()? == *bytes => return Ok(Outcome::Unchanged),
            Some(_) => return Err(StoreError::KeyExists { fingerprint, path }),
            None => {}
        }
        if let Some(revocation) = revocation {
            disk::write(&self.keys.join(format!("{fingerprint}.rev.asc")), revocation.as_bytes())?;
        }
        disk::write(&path, &bytes)?;
        disk::remove(&self.note_path::<AgentKey>(&fingerprint))?;
        Ok(Outcome::New)
    }

    /// Changes a stored key under the lock, so that of two changes at once neither is lost; then the stored certificate
    /// is joined with the key's. What a kill between the two leaves undone, the next change does.
    ///
    /// # Errors
    /// There is no such key; the changed one is not locked, or another; whatever the change itself fails with.
    pub fn change<E: From<StoreError>>(
        &self,
        fingerprint: &Fingerprint,
        change: impl FnOnce(Key) -> Result<Key, E>,
    ) -> Result<Key, E> {
        let changed = {
            let _lock = self.lock_keys()?;
            let there = self.key(fingerprint)?.ok_or_else(|| StoreError::NoKey(fingerprint.clone()))?;
            let before = Zeroizing::new(there.to_bytes().map_err(StoreError::from)?);
            let changed = change(there)?;
            if changed.fingerprint() != *fingerprint {
                return Err(StoreError::NoKey(fingerprint.clone()).into());
            }
            let bytes = Zeroizing::new(changed.to_bytes().map_err(StoreError::from)?);
            if *bytes != *before {
                disk::write(&self.key_path(fingerprint), &bytes)?;
            }
            changed
        };
        self.insert(&changed.certificate())?;
        Ok(changed)
    }

    /// The revocation certificate that was made with a key, armored; none if it was moved elsewhere.
    pub fn revocation(&self, fingerprint: &Fingerprint) -> Result<Option<String>, StoreError> {
        let path = self.keys.join(format!("{fingerprint}.rev.asc"));
        Ok(disk::read_private(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The lock for writing own keys of either suite.
    pub(super) fn lock_keys(&self) -> Result<Lock, StoreError> {
        Lock::take(&self.keys, ".lock")
    }

    /// Whether a file of an own key is damaged or exposed.
    pub fn is_of_key(&self, error: &StoreError) -> bool {
        error.path().is_some_and(|path| path.starts_with(&self.keys))
    }

    /// Whether a certificate of either suite is of a key of one's own, here or in an agent; one that cannot be read is
    /// not taken for it.
    pub fn is_own(&self, fingerprint: &Fingerprint) -> bool {
        matches!(self.key(fingerprint), Ok(Some(_)))
            || matches!(self.smime_key(fingerprint), Ok(Some(_)))
            || matches!(self.agent_key(fingerprint), Ok(Some(_)))
            || matches!(self.smime_agent_key(fingerprint), Ok(Some(_)))
    }

    pub(super) fn key_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.keys.join(format!("{fingerprint}.pgp"))
    }
}
