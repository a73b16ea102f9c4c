//! `sealpost key import`: takes keys from a file or from a GnuPG home, and stores them locked.

mod agent;
mod gnupg;
mod openpgp;
mod restore;
mod smime;

use std::path::Path;

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
        printable::Printable,
        secrets,
        secrets::Locking,
        voice::Voice,
    },
    crypt::{SuiteName, pgp},
    keystore::paper,
    secret::{SecretError, Source},
};
use restore::Form;

pub fn run(arguments: &KeyImport, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let lock = &arguments.lock;
    match (&arguments.file, &arguments.from_gnupg) {
        (Some(file), _) => from_file(file, lock, place, at, voice),
        (None, home) => {
            let home = home.as_ref().and_then(Option::as_deref);
            match &arguments.agent {
                Some(which) => agent::run(home, which.as_deref(), place, at, voice),
                None => gnupg::run(home, lock, place, at, voice),
            }
        }
    }
}

fn from_file(file: &Path, lock: &Lock, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(file, "the key")?;
    if pgp::is_sealed_file(&bytes) {
        return restore::run(&bytes, Form::File, file, lock, place, at, voice);
    }
    // A scanner may write characters of any kind between those that count.
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    if paper::is_paper(&text) {
        let sealed = paper::read(&text).map_err(|error| {
            let shown = file.display().to_string();
            Failure::new(Kind::Malformed, format!("the paper backup in {shown} is not restored: {error}"))
                .hint(["sealpost", "key", "import", &shown])
        })?;
        return restore::run(&sealed, Form::Paper, file, lock, place, at, voice);
    }
    match SuiteName::of(&bytes) {
        SuiteName::OpenPgp => openpgp::run(&bytes, file, lock, place, at, voice),
        SuiteName::Smime => smime::run(&bytes, file, lock, place, at, voice),
    }
}

/// The passphrase of what is imported, read once: a pipe does not give it twice.
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
        voice.say(Printable(&key.told()));
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "keys": imported }))?;
    }
    Ok(0)
}
