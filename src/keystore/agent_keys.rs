//! Own keys whose secret half an agent has: `FINGERPRINT.agent`, of S/MIME `FINGERPRINT.smime.agent`, with the certificate,
//! for S/MIME those behind it, the GnuPG home, and by which names the agent knows the parts. Nothing in it is secret.

use std::{
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Keystore, Outcome, StoreError,
    disk::{self, Lock},
};
use crate::{
    crypt::{
        Fingerprint, Keygrip, PublicCertificate,
        pgp::{self, AgentKey},
        smime,
    },
    mail::Address,
};

/// The file. A path need not be text.
#[derive(Serialize, Deserialize)]
struct File {
    version: u8,
    home: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home_bytes: Option<Vec<u8>>,
    keygrips: Vec<(String, String)>,
    certificate: String,
}

/// An own key of either suite that an agent has.
pub(super) trait InAgent: Clone + PartialEq + Sized {
    /// How its file ends.
    const SUFFIX: &'static str;
    fn name(&self) -> Fingerprint;
    fn gnupg_home(&self) -> &Path;
    fn keygrips(&self) -> Vec<(Fingerprint, Keygrip)>;
    /// All that is public of it, as text.
    fn text(&self) -> String;
    fn read(text: &str, home: &Path, grips: Vec<(Fingerprint, Keygrip)>) -> Option<Self>;
    /// With what a newer one says.
    fn renewed(self, newer: Self) -> Result<Self, StoreError>;
    /// With what an older one says besides.
    fn completed(self, older: Self) -> Result<Self, StoreError>;
    /// Where it lies if its secret half is here.
    fn here(store: &Keystore, name: &Fingerprint) -> PathBuf;
}

impl Keystore {
    /// All own keys for OpenPGP that an agent has; one whose secret half is here too is left out.
    pub fn agent_keys(&self) -> Result<Vec<AgentKey>, StoreError> {
        self.all_notes()
    }

    /// The same for S/MIME.
    pub fn smime_agent_keys(&self) -> Result<Vec<smime::AgentKey>, StoreError> {
        self.all_notes()
    }

    /// Those whose certificates validly name an address at a time.
    pub fn agent_keys_for(&self, address: &Address, at: Timestamp) -> Result<Vec<AgentKey>, StoreError> {
        let mut found = self.agent_keys()?;
        found.retain(|key| key.addresses(at).contains(address));
        Ok(found)
    }

    /// The same for S/MIME.
    pub fn smime_agent_keys_for(&self, address: &Address, at: Timestamp) -> Result<Vec<smime::AgentKey>, StoreError> {
        let mut found = self.smime_agent_keys()?;
        found.retain(|key| key.certificate().addresses(at).contains(address));
        Ok(found)
    }

    /// One by the full fingerprint of its certificate.
    ///
    /// # Errors
    /// [`StoreError::DamagedAgentKey`], [`StoreError::Misfiled`], [`StoreError::Exposed`].
    pub fn agent_key(&self, fingerprint: &Fingerprint) -> Result<Option<AgentKey>, StoreError> {
        self.one_note(fingerprint)
    }

    /// The same for S/MIME.
    ///
    /// # Errors
    /// As [`Keystore::agent_key`].
    pub fn smime_agent_key(&self, fingerprint: &Fingerprint) -> Result<Option<smime::AgentKey>, StoreError> {
        self.one_note(fingerprint)
    }

    /// Stores a key that an agent has, joined with what is there of it; where its parts are now counts.
    ///
    /// # Errors
    /// Its secret half is stored here ([`StoreError::KeyExists`]).
    pub fn store_agent_key(&self, key: &AgentKey) -> Result<Outcome, StoreError> {
        self.store_note(&self.lock_keys()?, key, AgentKey::renewed)
    }

    /// The same for S/MIME.
    ///
    /// # Errors
    /// As [`Keystore::store_agent_key`].
    pub fn store_smime_agent_key(&self, key: &smime::AgentKey) -> Result<Outcome, StoreError> {
        self.store_note(&self.lock_keys()?, key, smime::AgentKey::renewed)
    }

    fn all_notes<K: InAgent>(&self) -> Result<Vec<K>, StoreError> {
        let mut found = Vec::new();
        for fingerprint in disk::named(&self.keys, K::SUFFIX)? {
            match self.one_note(&fingerprint) {
                Ok(key) => found.extend(key),
                Err(error) => self.damaged.borrow_mut().push(error),
            }
        }
        Ok(found)
    }

    fn one_note<K: InAgent>(&self, fingerprint: &Fingerprint) -> Result<Option<K>, StoreError> {
        let path = self.note_path::<K>(fingerprint);
        let Some(bytes) = disk::read_private(&path)? else { return Ok(None) };
        // A kill between the two leaves both.
        if disk::open(&K::here(self, fingerprint))?.is_some() {
            return Ok(None);
        }
        match parse::<K>(&bytes) {
            None => Err(StoreError::DamagedAgentKey { path }),
            Some(key) if key.name() != *fingerprint => {
                Err(StoreError::Misfiled { path, fingerprint: fingerprint.clone() })
            }
            Some(key) => Ok(Some(key)),
        }
    }

    pub(super) fn store_note<K: InAgent>(
        &self,
        _lock: &Lock,
        key: &K,
        join: impl FnOnce(K, K) -> Result<K, StoreError>,
    ) -> Result<Outcome, StoreError> {
        let fingerprint = key.name();
        let here = K::here(self, &fingerprint);
        if disk::open(&here)?.is_some() {
            return Err(StoreError::KeyExists { fingerprint, path: here });
        }
        let path = self.note_path::<K>(&fingerprint);
        let there = match self.one_note::<K>(&fingerprint) {
            // Nothing in it is secret, and all of it is known again.
            Err(StoreError::DamagedAgentKey { .. } | StoreError::Misfiled { .. }) => None,
            there => there?,
        };
        let (renewed, outcome) = match there {
            None => (key.clone(), Outcome::New),
            Some(there) => {
                let renewed = join(there.clone(), key.clone())?;
                let outcome = if renewed == there { Outcome::Unchanged } else { Outcome::Merged };
                (renewed, outcome)
            }
        };
        if outcome != Outcome::Unchanged {
            let bytes = written(&renewed);
            let bytes = bytes.map_err(|error| StoreError::Write { path: path.clone(), error: error.into() })?;
            disk::write(&path, &bytes)?;
        }
        Ok(outcome)
    }

    /// Puts one back: what is here of it counts, and a key that is in another home by now is not moved.
    pub(super) fn restore_note<K: InAgent>(&self, key: &K) -> Result<Outcome, StoreError> {
        let fingerprint = key.name();
        let lock = self.lock_keys()?;
        match self.one_note::<K>(&fingerprint)? {
            Some(there) if there.gnupg_home() != key.gnupg_home() => {
                Err(StoreError::KeyExists { path: self.note_path::<K>(&fingerprint), fingerprint })
            }
            _ => self.store_note(&lock, key, K::completed),
        }
    }

    pub(super) fn note_path<K: InAgent>(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.keys.join(format!("{fingerprint}{}", K::SUFFIX))
    }
}

impl InAgent for AgentKey {
    const SUFFIX: &'static str = ".agent";

    fn name(&self) -> Fingerprint {
        self.fingerprint()
    }

    fn gnupg_home(&self) -> &Path {
        self.home()
    }

    fn keygrips(&self) -> Vec<(Fingerprint, Keygrip)> {
        self.grips().map(|(part, grip)| (part.clone(), grip.clone())).collect()
    }

    fn text(&self) -> String {
        self.certificate().to_armored()
    }

    fn read(text: &str, home: &Path, grips: Vec<(Fingerprint, Keygrip)>) -> Option<Self> {
        let mut all = pgp::Certificate::parse_all(text.as_bytes()).ok()?;
        let certificate = all.pop().filter(|_| all.is_empty())?;
        Self::new(certificate, home, grips).ok()
    }

    fn renewed(self, newer: Self) -> Result<Self, StoreError> {
        Ok(self.renew(newer)?)
    }

    fn completed(self, older: Self) -> Result<Self, StoreError> {
        Ok(self.complete(older)?)
    }

    fn here(store: &Keystore, name: &Fingerprint) -> PathBuf {
        store.key_path(name)
    }
}

impl InAgent for smime::AgentKey {
    const SUFFIX: &'static str = ".smime.agent";

    fn name(&self) -> Fingerprint {
        self.fingerprint()
    }

    fn gnupg_home(&self) -> &Path {
        self.home()
    }

    fn keygrips(&self) -> Vec<(Fingerprint, Keygrip)> {
        vec![(self.fingerprint(), self.grip().clone())]
    }

    fn text(&self) -> String {
        std::iter::once(self.certificate()).chain(self.chain()).map(smime::Certificate::to_pem).collect()
    }

    fn read(text: &str, home: &Path, grips: Vec<(Fingerprint, Keygrip)>) -> Option<Self> {
        let all = smime::Certificate::parse_all(text.as_bytes()).ok()?;
        let (own, chain) = all.split_first()?;
        let (_, grip) = grips.into_iter().find(|(part, _)| *part == own.fingerprint())?;
        Self::new(own.clone(), chain, home, grip).ok()
    }

    fn renewed(self, newer: Self) -> Result<Self, StoreError> {
        Ok(self.renew(newer))
    }

    fn completed(self, older: Self) -> Result<Self, StoreError> {
        Ok(older.renew(self))
    }

    fn here(store: &Keystore, name: &Fingerprint) -> PathBuf {
        store.smime_key_path(name)
    }
}

fn written<K: InAgent>(key: &K) -> serde_json::Result<Vec<u8>> {
    let home = key.gnupg_home();
    serde_json::to_vec_pretty(&File {
        version: 1,
        home: home.display().to_string(),
        home_bytes: home.to_str().is_none().then(|| home.as_os_str().as_bytes().to_vec()),
        keygrips: key.keygrips().iter().map(|(part, grip)| (part.to_string(), grip.to_string())).collect(),
        certificate: key.text(),
    })
}

/// Reads a file; none if it is none.
pub(super) fn parse<K: InAgent>(bytes: &[u8]) -> Option<K> {
    let file: File = serde_json::from_slice(bytes).ok().filter(|file: &File| file.version == 1)?;
    let home = file.home_bytes.map_or_else(|| file.home.into(), |raw| PathBuf::from(std::ffi::OsString::from_vec(raw)));
    // Another folder to start in would be another home.
    if !home.is_absolute() {
        return None;
    }
    let grips = file.keygrips.iter().map(|(part, grip)| Some((Fingerprint::parse(part)?, Keygrip::parse(grip)?)));
    K::read(&file.certificate, &home, grips.collect::<Option<Vec<_>>>()?)
}
