//! `sealpost key import`: takes keys from a file, and stores them locked.

mod restore;
mod smime;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::KeyJson;
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::{KeyImport, Lock},
        input::Stdin,
        secrets,
        secrets::Locking,
        voice::Voice,
    },
    crypt::{
        SuiteName,
        pgp::{self, CertificateError, Key},
    },
    secret::{SecretError, Source},
};

pub fn run(arguments: &KeyImport, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(&arguments.file, "the key")?;
    if pgp::is_sealed_file(&bytes) {
        return restore::run(&bytes, arguments, place, at, voice);
    }
    match SuiteName::of(&bytes) {
        SuiteName::OpenPgp => openpgp(&bytes, arguments, place, at, voice),
        SuiteName::Smime => smime::run(&bytes, arguments, place, at, voice),
    }
}

/// The passphrase of the file, read once: a pipe does not give it twice.
struct Given {
    source: Option<Source>,
    passphrase: Option<Zeroizing<String>>,
}

impl Given {
    fn read(lock: &Lock) -> Result<Self, Failure> {
        let source = secrets::source(lock.passphrase.as_deref())?;
        let passphrase = source.as_ref().map(Source::read_or_empty).transpose()?;
        Ok(Self { source, passphrase })
    }

    /// How the stored keys are locked: with a new passphrase, or with the one that was given.
    fn locking(self, lock: &Lock) -> Result<Option<Locking>, Failure> {
        match (&lock.new_passphrase, self.passphrase, self.source) {
            (Some(place), ..) => Locking::generated(place).map(Some),
            (None, Some(passphrase), Some(source)) if passphrase.is_empty() => Err(SecretError::Empty(source).into()),
            (None, passphrase, _) => Ok(passphrase.map(Locking::given)),
        }
    }
}

fn openpgp(bytes: &[u8], arguments: &KeyImport, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let keys = Key::parse_all(bytes).map_err(|error| {
        let public = matches!(error, CertificateError::NoSecret(_));
        let failure = Failure::from(error);
        let file = arguments.file.display().to_string();
        if public { failure.hint(["sealpost", "cert", "import", &file]) } else { failure }
    })?;
    secrets::unexposed(&arguments.file, "key")?;
    let given = Given::read(&arguments.lock)?;

    // All that can be refused is refused before a new passphrase is put anywhere.
    let (mut opened, mut imported) = (Vec::new(), Vec::new());
    for key in keys {
        if let Some(stored) = place.keystore.key(&key.fingerprint())? {
            let anew = arguments.lock.new_passphrase.is_some() || !key.is_locked();
            let same = !anew && stored.to_bytes()? == key.to_bytes()?;
            imported.push((same, KeyJson::openpgp(&stored, at)));
            continue;
        }
        let open = match &given.passphrase {
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
    let mut imported = unchanged(imported, opened.is_empty())?;
    if opened.is_empty() {
        return tell(&imported, voice);
    }
    let locking = given.locking(&arguments.lock)?;
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
        imported.push(KeyJson::openpgp(&stored, at).done(if ocb { "imported-ocb-cleared" } else { "imported" }));
    }
    tell(&imported, voice)
}

/// Those of a file that are stored already and stay as they are; with whether they are the same as in the file.
///
/// # Errors
/// There is no other key in the file, and one would have to be locked anew.
fn unchanged(stored: Vec<(bool, KeyJson)>, alone: bool) -> Result<Vec<KeyJson>, Failure> {
    if let Some((_, key)) = stored.iter().find(|(same, _)| alone && !same) {
        let text = format!("key {} is stored already: it is not locked anew", key.fingerprint());
        return Err(Failure::new(Kind::CannotCreate, text).hint(["sealpost", "key", "show", key.fingerprint()]));
    }
    Ok(stored.into_iter().map(|(_, key)| key.done("unchanged")).collect())
}

fn tell(imported: &[KeyJson], voice: Voice) -> Result<u8, Failure> {
    for key in imported {
        let unchanged = key.outcome() == Some("unchanged");
        voice.say(format_args!("{} {}", if unchanged { "stored already:" } else { "imported" }, key.words()));
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "keys": imported }))?;
    }
    Ok(0)
}
