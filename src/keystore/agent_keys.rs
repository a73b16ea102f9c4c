//! Own keys whose secret half an agent has: `FINGERPRINT.agent`, with the certificate, the GnuPG home, and by which names
//! the agent knows the parts. Nothing in it is secret.

use std::{
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Keystore, Outcome, StoreError, disk};
use crate::{
    crypt::{
        Fingerprint, Keygrip,
        pgp::{AgentKey, Certificate},
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

impl Keystore {
    /// All own keys that an agent has; one whose secret half is here too is left out.
    pub fn agent_keys(&self) -> Result<Vec<AgentKey>, StoreError> {
        let mut found = Vec::new();
        for fingerprint in disk::named(&self.keys, ".agent")? {
            match self.agent_key(&fingerprint) {
                Ok(key) => found.extend(key),
                Err(error) => self.damaged.borrow_mut().push(error),
            }
        }
        Ok(found)
    }

    /// Those whose certificates validly name an address at a time.
    pub fn agent_keys_for(&self, address: &Address, at: Timestamp) -> Result<Vec<AgentKey>, StoreError> {
        let mut found = self.agent_keys()?;
        found.retain(|key| key.addresses(at).contains(address));
        Ok(found)
    }

    /// One by the full fingerprint of its certificate.
    ///
    /// # Errors
    /// [`StoreError::DamagedAgentKey`], [`StoreError::Misfiled`], [`StoreError::Exposed`].
    pub fn agent_key(&self, fingerprint: &Fingerprint) -> Result<Option<AgentKey>, StoreError> {
        let path = self.agent_key_path(fingerprint);
        let Some(bytes) = disk::read_private(&path)? else { return Ok(None) };
        // A kill between the two leaves both.
        if disk::open(&self.key_path(fingerprint))?.is_some() {
            return Ok(None);
        }
        match parse(&bytes) {
            None => Err(StoreError::DamagedAgentKey { path }),
            Some(key) if key.fingerprint() != *fingerprint => {
                Err(StoreError::Misfiled { path, fingerprint: fingerprint.clone() })
            }
            Some(key) => Ok(Some(key)),
        }
    }

    /// Stores a key that an agent has, joined with what is there of it; where its parts are now counts.
    ///
    /// # Errors
    /// Its secret half is stored here ([`StoreError::KeyExists`]).
    pub fn store_agent_key(&self, key: &AgentKey) -> Result<Outcome, StoreError> {
        let fingerprint = key.fingerprint();
        let _lock = self.lock_keys()?;
        let here = self.key_path(&fingerprint);
        if disk::open(&here)?.is_some() {
            return Err(StoreError::KeyExists { fingerprint, path: here });
        }
        let path = self.agent_key_path(&fingerprint);
        let (renewed, outcome) = match self.agent_key(&fingerprint)? {
            None => (key.clone(), Outcome::New),
            Some(there) => {
                let renewed = there.clone().renew(key.clone())?;
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

    /// Puts one back; it does not move a key that is in another home by now.
    pub(super) fn restore_agent_key(&self, key: &AgentKey) -> Result<Outcome, StoreError> {
        let fingerprint = key.fingerprint();
        match self.agent_key(&fingerprint)? {
            Some(there) if there.home() != key.home() => {
                Err(StoreError::KeyExists { path: self.agent_key_path(&fingerprint), fingerprint })
            }
            _ => self.store_agent_key(key),
        }
    }

    pub(super) fn agent_key_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.keys.join(format!("{fingerprint}.agent"))
    }
}

fn written(key: &AgentKey) -> serde_json::Result<Vec<u8>> {
    let home = key.home();
    serde_json::to_vec_pretty(&File {
        version: 1,
        home: home.display().to_string(),
        home_bytes: home.to_str().is_none().then(|| home.as_os_str().as_bytes().to_vec()),
        keygrips: key.grips().map(|(part, grip)| (part.to_string(), grip.to_string())).collect(),
        certificate: key.certificate().to_armored(),
    })
}

/// Reads a file; none if it is none.
pub(super) fn parse(bytes: &[u8]) -> Option<AgentKey> {
    let file: File = serde_json::from_slice(bytes).ok().filter(|file: &File| file.version == 1)?;
    let home = file.home_bytes.map_or_else(|| file.home.into(), |raw| PathBuf::from(std::ffi::OsString::from_vec(raw)));
    // Another folder to start in would be another home.
    if !home.is_absolute() {
        return None;
    }
    let grips = file.keygrips.iter().map(|(part, grip)| Some((Fingerprint::parse(part)?, Keygrip::parse(grip)?)));
    let mut all = Certificate::parse_all(file.certificate.as_bytes()).ok()?;
    let certificate = all.pop().filter(|_| all.is_empty())?;
    AgentKey::new(certificate, &home, grips.collect::<Option<Vec<_>>>()?).ok()
}
