//! `sealpost key import`: takes keys from a file, and stores them locked.

use jiff::Timestamp;

use super::KeyJson;
use crate::{
    cli::{
        composition::{self, Place},
        exit::Kind,
        failure::Failure,
        grammar::KeyImport,
        input::Stdin,
        voice::Voice,
    },
    crypt::{PublicCertificate, pgp::Key},
};

pub fn run(arguments: &KeyImport, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(&arguments.file, "the key")?;
    let keys = Key::parse_all(&bytes)?;
    let opening = composition::source(arguments.lock.passphrase.as_deref())?;
    let opening = opening.map(|source| source.read_or_empty()).transpose()?;
    let locking = composition::locking(&arguments.lock)?;

    let mut imported = Vec::new();
    for key in keys {
        let fingerprint = key.certificate().fingerprint();
        let locked = key.is_locked();
        let ocb = key.advertises_gnupg_ocb();
        let open = match (&opening, locked) {
            (Some(passphrase), true) => Some(key.unlock(passphrase)?),
            (None, true) => None,
            (_, false) => Some(key.clone()),
        };
        let stored = match (open, &locking) {
            // Locked and to stay so: nothing has to be opened.
            (None, _) if arguments.lock.new_passphrase.is_none() && !ocb => key,
            (None, _) => {
                let text = format!("key {fingerprint} is locked: give its passphrase with --passphrase");
                return Err(Failure::new(Kind::Permission, text));
            }
            (Some(_), None) => {
                let text = format!("key {fingerprint} is not locked: give --passphrase or --new-passphrase to lock it");
                return Err(Failure::new(Kind::Usage, text));
            }
            (Some(open), Some(lock)) => {
                let open = if ocb { open.clear_gnupg_ocb(at)? } else { open };
                open.lock(&lock.passphrase, lock.strength)?
            }
        };
        place.keystore.store_key(&stored, None)?;
        place.keystore.insert(&stored.certificate())?;
        if ocb {
            voice.say(format_args!(
                "key {fingerprint} said that it reads packets that only GnuPG knows (OCB); that flag was cleared: \
                 give the certificate to your correspondents again"
            ));
        }
        imported.push(KeyJson::new(&stored, at, Some(if ocb { "imported-ocb-cleared" } else { "imported" })));
    }
    for key in &imported {
        voice.say(format_args!("imported {}", key.words()));
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "keys": imported }))?;
    }
    Ok(0)
}
