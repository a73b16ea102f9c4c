//! `sealpost key import`: takes keys from a file, and stores them locked.

use jiff::Timestamp;

use super::KeyJson;
use crate::{
    cli::{
        composition::{self, Locking, Place},
        exit::Kind,
        failure::Failure,
        grammar::KeyImport,
        input::Stdin,
        voice::Voice,
    },
    crypt::pgp::Key,
    secret::{SecretError, Source},
};

pub fn run(arguments: &KeyImport, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(&arguments.file, "the key")?;
    let keys = Key::parse_all(&bytes)?;
    let source = composition::source(arguments.lock.passphrase.as_deref())?;
    // Read once: a pipe does not give it twice.
    let passphrase = source.as_ref().map(Source::read_or_empty).transpose()?;

    // All that can be refused is refused before a new passphrase is put anywhere.
    let mut opened = Vec::new();
    for key in keys {
        if arguments.lock.new_passphrase.is_some() && place.keystore.key(&key.fingerprint())?.is_some() {
            let text = format!("key {} is stored already: it is not locked anew", key.fingerprint());
            return Err(Failure::new(Kind::CannotCreate, text));
        }
        let open = match &passphrase {
            _ if !key.is_locked() => Some(key.clone()),
            Some(passphrase) => Some(key.unlock(passphrase)?),
            // Locked and to stay so: nothing has to be opened.
            None if arguments.lock.new_passphrase.is_none() && !key.advertises_gnupg_ocb() => None,
            None => {
                let fingerprint = key.fingerprint();
                let text = format!("key {fingerprint} is locked: give its passphrase with --passphrase");
                return Err(Failure::new(Kind::Permission, text));
            }
        };
        opened.push((key, open));
    }
    let locking = match (&arguments.lock.new_passphrase, passphrase, source) {
        (Some(place), ..) => Some(Locking::generated(place)?),
        (None, Some(passphrase), Some(source)) if passphrase.is_empty() => {
            return Err(SecretError::Empty(source).into());
        }
        (None, passphrase, _) => passphrase.map(Locking::given),
    };

    let mut imported = Vec::new();
    for (key, open) in opened {
        let fingerprint = key.fingerprint();
        let ocb = key.advertises_gnupg_ocb();
        let stored = match (open, &locking) {
            (None, _) => key,
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
