//! `sealpost key make`.

use std::path::Path;

use jiff::Timestamp;

use super::KeyJson;
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::{AlgorithmArgument, KeyMake, ProfileArgument, SuiteArgument},
        printable::Printable,
        secrets::Locking,
        voice::Voice,
    },
    crypt::{
        pgp::{self, Profile},
        smime::{self, Algorithm, Waiting},
    },
    keystore::{Origin, StoreError, write_new},
    mail::Mailbox,
};

pub fn run(arguments: &KeyMake, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let mailbox = Mailbox::parse(&arguments.address).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    let foreign = match arguments.suite {
        SuiteArgument::Openpgp if arguments.algorithm.is_some() => Some(("--algorithm", "smime")),
        SuiteArgument::Openpgp if arguments.self_signed => Some(("--self-signed", "smime")),
        SuiteArgument::Openpgp if arguments.request.is_some() => Some(("--request", "smime")),
        SuiteArgument::Smime if arguments.profile.is_some() => Some(("--profile", "openpgp")),
        _ => None,
    };
    if let Some((flag, suite)) = foreign {
        return Err(Failure::new(Kind::Usage, format!("{flag} goes with --suite {suite} only")));
    }
    if let Some(path) = arguments.request.as_deref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(StoreError::Exists { path: path.to_owned() }.into());
    }
    let lock = Locking::read(&arguments.lock)?.ok_or_else(|| {
        let mut hint = vec!["sealpost", "key", "make", &arguments.address];
        if arguments.suite == SuiteArgument::Smime {
            hint.extend(["--suite", "smime"]);
        }
        hint.extend(["--new-passphrase", "file:passphrase"]);
        Failure::new(Kind::Usage, "a key needs a passphrase: give --passphrase or --new-passphrase").hint(hint)
    })?;
    match arguments.suite {
        SuiteArgument::Openpgp => openpgp(arguments, &mailbox, &lock, place, at, voice),
        SuiteArgument::Smime if arguments.self_signed => self_signed(arguments, &mailbox, &lock, place, at, voice),
        SuiteArgument::Smime => request(arguments, &mailbox, &lock, place, voice),
    }
}

fn openpgp(
    arguments: &KeyMake,
    mailbox: &Mailbox,
    lock: &Locking,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let profile = match arguments.profile {
        None | Some(ProfileArgument::Rfc4880) => Profile::Rfc4880,
        Some(ProfileArgument::Rfc9580) => Profile::Rfc9580,
        Some(ProfileArgument::Pqc) => Profile::Pqc,
    };
    let (key, revocation) = pgp::Key::make(mailbox, profile, at)?;
    let key = key.lock(&lock.passphrase, lock.strength)?;
    place.keystore.store_key(&key, Some(&revocation))?;
    place.keystore.insert(&key.certificate())?;
    made(&KeyJson::openpgp(&key, at), voice)?;
    voice.hint(["sealpost", "cert", "export", key.fingerprint().as_str()]);
    Ok(0)
}

/// A key with a certificate of its own.
fn self_signed(
    arguments: &KeyMake,
    mailbox: &Mailbox,
    lock: &Locking,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let key = smime::Key::make_self_signed(mailbox, algorithm(arguments), at)?;
    let key = key.lock(&lock.passphrase, lock.strength)?;
    place.keystore.store_smime_key(&key)?;
    if let Some(certificate) = key.certificate() {
        place.keystore.insert_x509(certificate, Origin::Imported)?;
    }
    if let Some(shown) = KeyJson::smime(&key, at) {
        made(&shown, voice)?;
    }
    if let Some(fingerprint) = key.fingerprint() {
        voice.say(format_args!(
            "nobody vouches for it: it is trusted where recipients.toml has pin = [\"{fingerprint}\"] for {}",
            mailbox.address
        ));
        voice.hint(["sealpost", "cert", "export", fingerprint.as_str()]);
    }
    Ok(0)
}

/// A key that waits for its certificate, and the request for it.
fn request(arguments: &KeyMake, mailbox: &Mailbox, lock: &Locking, place: &Place, voice: Voice) -> Result<u8, Failure> {
    let (key, request) = smime::Key::make(mailbox, algorithm(arguments))?;
    let waiting = Waiting::new(key.lock(&lock.passphrase, lock.strength)?, &request)?;
    place.keystore.store_waiting(&waiting)?;
    let shown = KeyJson::waiting(&waiting);
    let file = arguments.request.as_deref();
    if let Some(path) = file {
        write_new(path, [request.as_bytes()])?;
        voice.say(format_args!("wrote the request to {}", Printable(&path.display().to_string())));
    }
    match file.map(Path::display) {
        Some(file) if voice.json => {
            let file = file.to_string();
            voice.object(&serde_json::json!({ "version": 1, "key": shown, "request_file": file }))?;
        }
        None if voice.json => {
            voice.object(&serde_json::json!({ "version": 1, "key": shown, "request": request }))?;
        }
        Some(_) => {}
        None => voice.data(request.as_bytes())?,
    }
    voice.say(format_args!("made {}", Printable(&shown.words())));
    voice.say(format_args!("give the request to a certificate authority, and import its answer"));
    voice.hint(["sealpost", "key", "import", "certificate.pem"]);
    Ok(0)
}

fn made(key: &KeyJson, voice: Voice) -> Result<(), Failure> {
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "key": key }))?;
    }
    voice.say(format_args!("made {}", key.words()));
    Ok(())
}

fn algorithm(arguments: &KeyMake) -> Algorithm {
    match arguments.algorithm {
        None | Some(AlgorithmArgument::Rsa3072) => Algorithm::Rsa3072,
        Some(AlgorithmArgument::Rsa4096) => Algorithm::Rsa4096,
        Some(AlgorithmArgument::P256) => Algorithm::P256,
        Some(AlgorithmArgument::P384) => Algorithm::P384,
    }
}
