//! `sealpost key make`.

use jiff::Timestamp;

use super::KeyJson;
use crate::{
    cli::{
        composition::{Locking, Place},
        exit::Kind,
        failure::Failure,
        grammar::{KeyMake, ProfileArgument},
        voice::Voice,
    },
    crypt::pgp::{Key, Profile},
    mail::Mailbox,
};

pub fn run(arguments: &KeyMake, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let mailbox = Mailbox::parse(&arguments.address).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    let profile = match arguments.profile {
        ProfileArgument::Rfc4880 => Profile::Rfc4880,
        ProfileArgument::Rfc9580 => Profile::Rfc9580,
        ProfileArgument::Pqc => Profile::Pqc,
    };
    let lock = Locking::read(&arguments.lock)?.ok_or_else(|| {
        Failure::new(Kind::Usage, "a key needs a passphrase: give --passphrase or --new-passphrase").hint([
            "sealpost",
            "key",
            "make",
            &arguments.address,
            "--new-passphrase",
            "file:passphrase",
        ])
    })?;
    let (key, revocation) = Key::make(&mailbox, profile, at)?;
    let key = key.lock(&lock.passphrase, lock.strength)?;
    place.keystore.store_key(&key, Some(&revocation))?;
    place.keystore.insert(&key.certificate())?;

    let made = KeyJson::new(&key, at, None);
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "key": made }))?;
    }
    voice.say(format_args!("made {}", made.words()));
    voice.say(format_args!("hint: sealpost cert export {}", mailbox.address));
    Ok(0)
}
