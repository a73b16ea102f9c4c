//! OpenPGP keys: opened where that is needed, locked and stored.

use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Given, tell, unchanged};
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::Lock,
        key::KeyJson,
        secrets::{self, Locking},
        voice::Voice,
    },
    crypt::{
        Fingerprint,
        pgp::{CertificateError, Key},
    },
};

pub fn run(bytes: &[u8], file: &Path, lock: &Lock, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let keys = Key::parse_all(bytes).map_err(|error| {
        let public = matches!(error, CertificateError::NoSecret(_));
        let failure = Failure::from(error);
        let file = file.display().to_string();
        if public { failure.hint(["sealpost", "cert", "import", &file]) } else { failure }
    })?;
    secrets::unexposed(file, "key")?;
    let given = Given::read(lock)?;

    // All that can be refused is refused before a new passphrase is put anywhere.
    let (mut incoming, mut imported) = (Vec::new(), Vec::new());
    for key in keys {
        match place.keystore.key(&key.fingerprint())? {
            Some(stored) => {
                let anew = lock.new_passphrase.is_some() || !key.is_locked();
                let same = !anew && stored.to_bytes()? == key.to_bytes()?;
                imported.push((same, KeyJson::openpgp(&stored, at)));
            }
            None => incoming.push(Incoming::read(key, given.passphrase.as_ref(), lock, at)?),
        }
    }
    let mut imported = unchanged(imported, incoming.is_empty())?;
    if incoming.is_empty() {
        return tell(&imported, voice);
    }
    let locking = given.locking(lock)?;
    for key in incoming {
        imported.push(key.store(locking.as_ref(), place, at, voice)?);
    }
    tell(&imported, voice)
}

/// A key that can be stored.
pub enum Incoming {
    /// It is locked and stays so.
    Locked(Key),
    /// It is to be locked anew.
    Open {
        /// Unlocked.
        key: Key,
        /// Whether it asked for packets that only GnuPG reads.
        ocb_cleared: bool,
    },
}

impl Incoming {
    /// Opens a key if it is to be locked anew.
    ///
    /// # Errors
    /// The passphrase is missing or wrong, or the key is not locked and is to stay so.
    pub fn read(key: Key, passphrase: Option<&Zeroizing<String>>, lock: &Lock, at: Timestamp) -> Result<Self, Failure> {
        let ocb_cleared = key.advertises_gnupg_ocb();
        let open = match passphrase {
            None if !key.is_locked() && lock.new_passphrase.is_none() => return Err(not_locked(&key.fingerprint())),
            _ if !key.is_locked() => key,
            Some(passphrase) => key.unlock(passphrase)?,
            // Nothing has to be opened.
            None if lock.new_passphrase.is_none() && !ocb_cleared => return Ok(Self::Locked(key)),
            None => {
                let text = format!("key {} is locked: give its passphrase with --passphrase", key.fingerprint());
                return Err(Failure::new(Kind::Permission, text));
            }
        };
        Ok(Self::Open { key: if ocb_cleared { open.clear_gnupg_ocb(at)? } else { open }, ocb_cleared })
    }

    /// Locks and stores it, with its certificate, and gives what was stored.
    pub fn store(
        self,
        locking: Option<&Locking>,
        place: &Place,
        at: Timestamp,
        voice: Voice,
    ) -> Result<KeyJson, Failure> {
        let (stored, ocb_cleared) = match (self, locking) {
            (Self::Locked(key), _) => (key, false),
            (Self::Open { key, .. }, None) => return Err(not_locked(&key.fingerprint())),
            (Self::Open { key, ocb_cleared }, Some(lock)) => (key.lock(&lock.passphrase, lock.strength)?, ocb_cleared),
        };
        place.keystore.store_key(&stored, None)?;
        place.keystore.insert(&stored.certificate())?;
        if ocb_cleared {
            voice.say(format_args!(
                "key {} said that it reads packets that only GnuPG knows (OCB); that flag was cleared: give the \
                 certificate to your correspondents again",
                stored.fingerprint()
            ));
        }
        Ok(KeyJson::openpgp(&stored, at).done(if ocb_cleared { "imported-ocb-cleared" } else { "imported" }))
    }
}

fn not_locked(fingerprint: &Fingerprint) -> Failure {
    let text = format!("key {fingerprint} is not locked: give --passphrase or --new-passphrase to lock it");
    Failure::new(Kind::Usage, text)
}
