//! Own keys for S/MIME: `FINGERPRINT.pem` beside those for OpenPGP, the locked key, its certificate and the chain. A
//! key that waits for its certificate is `ID.request.pem`, named by the SHA-256 of its public key.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{
    Keystore, Outcome, StoreError,
    disk::{self, Lock},
};
use crate::{
    crypt::{
        Fingerprint, PublicCertificate,
        smime::{AgentKey, Certificate, CertificateError, Key, KeyError, Waiting},
    },
    mail::Address,
};

/// An own key with a certificate that it did not have before.
#[derive(Debug)]
pub enum Joined {
    /// Its secret half is here.
    Here(Key),
    /// An agent has it.
    InAgent(AgentKey),
}

impl Joined {
    /// The certificate, and those behind it.
    pub fn certificates(&self) -> Option<(&Certificate, &[Certificate])> {
        match self {
            Self::Here(key) => key.certificate().map(|own| (own, key.chain())),
            Self::InAgent(key) => Some((key.certificate(), key.chain())),
        }
    }
}

impl Keystore {
    /// All own keys that have a certificate.
    pub fn smime_keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut found = Vec::new();
        for fingerprint in disk::named(&self.keys, ".pem")? {
            match self.smime_key(&fingerprint) {
                Ok(key) => found.extend(key),
                Err(error) => self.damaged.borrow_mut().push(error),
            }
        }
        Ok(found)
    }

    /// Those whose certificates name an address at a time.
    pub fn smime_keys_for(&self, address: &Address, at: Timestamp) -> Result<Vec<Key>, StoreError> {
        let mut found = self.smime_keys()?;
        found.retain(|key| key.certificate().is_some_and(|own| own.addresses(at).contains(address)));
        Ok(found)
    }

    /// One by the full fingerprint of its certificate.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] if others can read its file.
    pub fn smime_key(&self, fingerprint: &Fingerprint) -> Result<Option<Key>, StoreError> {
        let path = self.smime_key_path(fingerprint);
        let Some(bytes) = disk::read_private(&path)? else { return Ok(None) };
        let mut all = match Key::parse_all(&bytes) {
            Ok(all) => all,
            Err(error) => return Err(StoreError::DamagedX509 { path, error }),
        };
        match (all.pop(), all.is_empty()) {
            (Some(key), true) if key.is_locked() && key.fingerprint().as_ref() == Some(fingerprint) => Ok(Some(key)),
            _ => Err(StoreError::Misfiled { path, fingerprint: fingerprint.clone() }),
        }
    }

    /// Stores a key that is not there yet. It takes the place of what says that an agent has it.
    ///
    /// # Errors
    /// The key is not locked or has no certificate; or one of its fingerprint is there and differs
    /// ([`StoreError::KeyExists`]).
    pub fn store_smime_key(&self, key: &Key) -> Result<Outcome, StoreError> {
        key.to_pem()?;
        let lock = self.lock_keys()?;
        let outcome = self.place_own(&lock, key)?;
        if let Some(fingerprint) = key.fingerprint() {
            disk::remove(&self.note_path::<AgentKey>(&fingerprint))?;
        }
        Ok(outcome)
    }

    /// Changes a stored key under the lock.
    ///
    /// # Errors
    /// There is no such key; the changed one is not locked, or another; whatever the change itself fails with.
    pub fn change_smime<E: From<StoreError>>(
        &self,
        fingerprint: &Fingerprint,
        change: impl FnOnce(Key) -> Result<Key, E>,
    ) -> Result<Key, E> {
        self.change_own(fingerprint, change)
    }

    /// The same of one that waits for its certificate.
    ///
    /// # Errors
    /// As [`Keystore::change_smime`].
    pub fn change_waiting<E: From<StoreError>>(
        &self,
        id: &Fingerprint,
        change: impl FnOnce(Waiting) -> Result<Waiting, E>,
    ) -> Result<Waiting, E> {
        self.change_own(id, change)
    }

    /// Stores a key that waits for its certificate.
    ///
    /// # Errors
    /// [`StoreError::KeyExists`].
    pub fn store_waiting(&self, waiting: &Waiting) -> Result<Outcome, StoreError> {
        waiting.to_pem()?;
        self.place_own(&self.lock_keys()?, waiting)
    }

    /// The keys that wait for their certificates.
    pub fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let mut found = Vec::new();
        for id in disk::named(&self.keys, ".request.pem")? {
            match self.stored_waiting(&id) {
                Ok(waiting) => found.extend(waiting),
                Err(error) => self.damaged.borrow_mut().push(error),
            }
        }
        Ok(found)
    }

    /// Gives each waiting key its certificate, if that is among some, and a key that is stored or in an agent, and was
    /// certified anew, a second file with the new certificate. These are stored then, and given. Those `between` stand
    /// behind them.
    ///
    /// Anybody can have any public key certified: the certificates are those that somebody answers for.
    pub fn join(&self, certificates: &[Certificate], between: &[Certificate]) -> Result<Vec<Joined>, StoreError> {
        let mut joined = Vec::new();
        if !self.keys.is_dir() {
            return Ok(joined);
        }
        // What is read before the lock may be another's work by then.
        let lock = self.lock_keys()?;
        let (waiting, keys, lent) = (self.waiting()?, self.smime_keys()?, self.smime_agent_keys()?);
        for waiting in waiting {
            let Some(key) = waiting.complete(certificates, between) else { continue };
            // A kill between the two leaves both, and the next join removes the second.
            let there = key.fingerprint().map(|own| self.smime_key(&own)).transpose()?.flatten();
            if there.is_none() {
                self.place_own(&lock, &key)?;
            }
            disk::remove(&self.waiting_path(&waiting.id()))?;
            joined.push(Joined::Here(key));
        }
        for certificate in certificates {
            let fingerprint = certificate.fingerprint();
            let paths = [self.smime_key_path(&fingerprint), self.note_path::<AgentKey>(&fingerprint)];
            if paths.iter().any(|path| path.exists()) {
                continue;
            }
            let adopts = |mut key: Key| key.adopt(std::slice::from_ref(certificate)).then_some(key);
            if let Some(key) = keys.iter().cloned().find_map(adopts) {
                self.place_own(&lock, &key)?;
                joined.push(Joined::Here(key));
            } else if let Some(key) = lent.iter().find_map(|key| key.certified(certificate, between)) {
                self.store_note(&lock, &key, |_, new| Ok(new))?;
                joined.push(Joined::InAgent(key));
            }
        }
        Ok(joined)
    }

    /// Whether a certificate has the public key of one's own key, stored, waiting, or in an agent, and is not with it yet.
    pub fn would_join(&self, certificate: &Certificate) -> Result<bool, StoreError> {
        if self.is_own(&certificate.fingerprint()) {
            return Ok(false);
        }
        let own = std::slice::from_ref(certificate);
        Ok(self.waiting()?.iter().any(|waiting| waiting.complete(own, &[]).is_some())
            || self.smime_keys()?.into_iter().any(|mut key| key.adopt(own))
            || self.smime_agent_keys()?.iter().any(|key| key.certified(certificate, &[]).is_some()))
    }

    fn change_own<K: Own, E: From<StoreError>>(
        &self,
        name: &Fingerprint,
        change: impl FnOnce(K) -> Result<K, E>,
    ) -> Result<K, E> {
        let none = || StoreError::NoKey(name.clone());
        let _lock = self.lock_keys()?;
        let changed = change(K::stored(self, name)?.ok_or_else(none)?)?;
        if changed.name().as_ref() != Some(name) {
            return Err(none().into());
        }
        disk::write(&K::path(self, name), changed.pem().map_err(StoreError::from)?.as_bytes())?;
        Ok(changed)
    }

    fn place_own<K: Own>(&self, _lock: &Lock, key: &K) -> Result<Outcome, StoreError> {
        let fingerprint = key.name().ok_or(KeyError::NoCertificate)?;
        let path = K::path(self, &fingerprint);
        let pem = key.pem()?;
        match K::stored(self, &fingerprint)? {
            Some(there) if there.pem()? == pem => Ok(Outcome::Unchanged),
            Some(_) => Err(StoreError::KeyExists { fingerprint, path }),
            None => disk::write(&path, pem.as_bytes()).map(|()| Outcome::New),
        }
    }

    fn stored_waiting(&self, id: &Fingerprint) -> Result<Option<Waiting>, StoreError> {
        let path = self.waiting_path(id);
        let Some(bytes) = disk::read_private(&path)? else { return Ok(None) };
        let damaged = |error: CertificateError| StoreError::DamagedX509 { path: path.clone(), error };
        let waiting = Waiting::parse(&bytes).map_err(damaged)?;
        if waiting.id() == *id {
            return Ok(Some(waiting));
        }
        Err(StoreError::Misfiled { path, fingerprint: id.clone() })
    }

    pub(super) fn smime_key_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.keys.join(format!("{fingerprint}.pem"))
    }

    fn waiting_path(&self, id: &Fingerprint) -> PathBuf {
        self.keys.join(format!("{id}.request.pem"))
    }
}

/// A key as it lies here: with its certificate, or waiting for it.
trait Own: Sized {
    /// By what its file is named.
    fn name(&self) -> Option<Fingerprint>;
    fn path(store: &Keystore, name: &Fingerprint) -> PathBuf;
    fn stored(store: &Keystore, name: &Fingerprint) -> Result<Option<Self>, StoreError>;
    fn pem(&self) -> Result<String, KeyError>;
}

impl Own for Key {
    fn name(&self) -> Option<Fingerprint> {
        self.fingerprint()
    }

    fn path(store: &Keystore, name: &Fingerprint) -> PathBuf {
        store.smime_key_path(name)
    }

    fn stored(store: &Keystore, name: &Fingerprint) -> Result<Option<Self>, StoreError> {
        store.smime_key(name)
    }

    fn pem(&self) -> Result<String, KeyError> {
        self.to_pem()
    }
}

impl Own for Waiting {
    fn name(&self) -> Option<Fingerprint> {
        Some(self.id())
    }

    fn path(store: &Keystore, name: &Fingerprint) -> PathBuf {
        store.waiting_path(name)
    }

    fn stored(store: &Keystore, name: &Fingerprint) -> Result<Option<Self>, StoreError> {
        store.stored_waiting(name)
    }

    fn pem(&self) -> Result<String, KeyError> {
        self.to_pem()
    }
}
