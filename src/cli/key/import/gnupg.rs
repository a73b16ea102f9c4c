//! The keys of a GnuPG home: those that open are locked anew and stored, the others stay there and are named.

use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Given, openpgp::Incoming, smime, tell, unchanged};
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::{Failure, shell_words},
        grammar::Lock,
        key::KeyJson,
        secrets,
        secrets::Locking,
        voice::Voice,
    },
    crypt::{SuiteName, pgp, smime as x509},
    secret::{Gnupg, GnupgKey, Whereabouts},
};

/// One key of the home.
enum Found {
    /// It is stored here already, and stays as it is.
    Stored(KeyJson),
    /// It stays in the home.
    Left(KeyJson),
    /// To be stored.
    OpenPgp(Box<Incoming>),
    /// Unlocked.
    Smime(Box<x509::Key>),
}

pub fn run(home: Option<&Path>, lock: &Lock, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let gnupg = Gnupg::open(home)?;
    let keys = gnupg.keys()?;
    let given = Given::read(lock)?;

    // All that can be refused is refused before a new passphrase is put anywhere.
    let mut found = Vec::new();
    for key in &keys {
        found.push(find(key, &gnupg, &given, lock, place, at)?);
    }
    let any = |wanted: fn(&Found) -> bool| found.iter().any(wanted);
    let incoming = any(|one| matches!(one, Found::OpenPgp(_) | Found::Smime(_)));
    if !incoming && !any(|one| matches!(one, Found::Left(_))) {
        let stored = found.into_iter().filter_map(|one| match one {
            Found::Stored(key) => Some((lock.new_passphrase.is_none(), key)),
            _ => None,
        });
        let stored = unchanged(stored.collect(), true)?;
        return if stored.is_empty() { Err(nothing(&gnupg)) } else { tell(&stored, voice) };
    }

    let locking = if incoming { given.locking(lock)? } else { None };
    let mut told = Vec::new();
    for one in found {
        match one {
            Found::Stored(key) => told.push(key.done("unchanged")),
            Found::Left(key) => told.push(key),
            Found::OpenPgp(key) => told.push(key.store(locking.as_ref(), place, at, voice)?),
            Found::Smime(key) => told.extend(store_smime(&key, locking.as_ref(), place, at)?),
        }
    }
    tell(&told, voice)?;
    refused(&told, &gnupg)
}

fn find(
    key: &GnupgKey,
    gnupg: &Gnupg,
    given: &Given,
    lock: &Lock,
    place: &Place,
    at: Timestamp,
) -> Result<Found, Failure> {
    if let Some(stored) = stored(key, place, at)? {
        return Ok(Found::Stored(stored));
    }
    let (outcome, reason) = match key.whereabouts {
        Whereabouts::Card => {
            ("on-card", "its secret half is on a smartcard or a token, which does not give it out".to_owned())
        }
        Whereabouts::Missing => ("no-secret", missing(key, gnupg)),
        Whereabouts::Here if given.passphrase.is_none() && !gnupg.asks() => return Err(unasked(key, gnupg)),
        Whereabouts::Here => match take(key, gnupg, given, lock, at) {
            Ok(found) => return Ok(found),
            Err(failure) => ("refused", failure.text),
        },
    };
    Ok(Found::Left(certificate(key, gnupg, at).left(outcome, reason)))
}

fn stored(key: &GnupgKey, place: &Place, at: Timestamp) -> Result<Option<KeyJson>, Failure> {
    Ok(match key.suite {
        SuiteName::OpenPgp => place.keystore.key(&key.fingerprint)?.map(|stored| KeyJson::openpgp(&stored, at)),
        SuiteName::Smime => place.keystore.smime_key(&key.fingerprint)?.and_then(|stored| KeyJson::smime(&stored, at)),
    })
}

/// Fetches a key, and opens it where it is to be locked anew.
fn take(key: &GnupgKey, gnupg: &Gnupg, given: &Given, lock: &Lock, at: Timestamp) -> Result<Found, Failure> {
    let passphrase = given.passphrase.as_ref();
    if key.suite == SuiteName::Smime {
        // gpg-agent would ask for a second one, of which we are not told
        let passphrase = passphrase
            .ok_or_else(|| Failure::new(Kind::Permission, "a key for S/MIME is imported with --passphrase only"))?;
        return exported(key, gnupg, passphrase).map(|open| Found::Smime(Box::new(open)));
    }
    let exported = gnupg.export(key, passphrase)?;
    let parsed = pgp::Key::parse_all(&exported)?.into_iter().find(|one| one.fingerprint() == key.fingerprint);
    let parsed = parsed.ok_or_else(|| pgp::CertificateError::NoSecret(key.fingerprint.clone()))?;
    let anew = lock.new_passphrase.is_some() || parsed.advertises_gnupg_ocb();
    let incoming = if passphrase.is_none() && parsed.is_locked() && anew {
        // gpg-agent was told it, and we were not
        let asked = secrets::passphrase_of(&format!("key {}", key.fingerprint), None)?;
        Incoming::read(parsed, Some(&asked), lock, at)?
    } else {
        Incoming::read(parsed, passphrase, lock, at)?
    };
    Ok(Found::OpenPgp(Box::new(incoming)))
}

/// One file in fifty that gpgsm 2.2 writes is padded so that nobody can read it; another of the same key has other bytes.
const MOST_EXPORTS: usize = 4;

/// A key for S/MIME as gpgsm gives it out, opened.
fn exported(key: &GnupgKey, gnupg: &Gnupg, passphrase: &Zeroizing<String>) -> Result<x509::Key, Failure> {
    let mut exports = 0;
    loop {
        exports += 1;
        let mut broken = false;
        for locked in x509::Key::parse_all(&gnupg.export(key, Some(passphrase))?)? {
            match locked.unlock_all(passphrase) {
                Err(x509::UnlockError::Broken) if exports < MOST_EXPORTS => broken = true,
                unlocked => {
                    if let Some(open) = unlocked?.into_iter().find(|one| one.certificate().is_some()) {
                        return Ok(open);
                    }
                }
            }
        }
        if !broken {
            return Err(x509::KeyError::NoCertificate.into());
        }
    }
}

fn store_smime(
    key: &x509::Key,
    locking: Option<&Locking>,
    place: &Place,
    at: Timestamp,
) -> Result<Option<KeyJson>, Failure> {
    match locking {
        Some(locking) => smime::store(key, locking, place, at),
        None => Err(x509::KeyError::NotLocked.into()),
    }
}

/// What everybody may know of a key that stays where it is.
fn certificate(key: &GnupgKey, gnupg: &Gnupg, at: Timestamp) -> KeyJson {
    let read = || {
        let bytes = gnupg.certificate(key).ok()?;
        Some(match key.suite {
            SuiteName::OpenPgp => {
                let all = pgp::Certificate::parse_all(&bytes).ok()?;
                KeyJson::new(key.suite, all.first()?, at)
            }
            SuiteName::Smime => {
                let all = x509::Certificate::parse_all(&bytes).ok()?;
                KeyJson::new(key.suite, all.first()?, at)
            }
        })
    };
    read().unwrap_or_else(|| KeyJson::unread(key.suite, &key.fingerprint))
}

fn missing(key: &GnupgKey, gnupg: &Gnupg) -> String {
    let home = gnupg.home().display().to_string();
    let export = ["gpg", "--homedir", &home, "--export-secret-keys", key.fingerprint.as_str()].map(str::to_owned);
    format!(
        "a part of its secret half is not in the GnuPG home, as where a primary key is kept elsewhere; the parts that \
         are there: {} | sealpost key import - --passphrase file:gnupg-passphrase",
        shell_words(&export)
    )
}

fn nothing(gnupg: &Gnupg) -> Failure {
    let home = gnupg.home().display().to_string();
    let text = format!("the GnuPG home {home} holds no secret keys");
    Failure::new(Kind::NoInput, text).hint(["gpg", "--homedir", &home, "--list-secret-keys"])
}

fn unasked(key: &GnupgKey, gnupg: &Gnupg) -> Failure {
    let text = format!(
        "key {} of the GnuPG home {} needs its passphrase, and there is no terminal for gpg-agent to ask on: give \
         --passphrase",
        key.fingerprint,
        gnupg.home().display()
    );
    Failure::new(Kind::Permission, text).hint(with_passphrase(gnupg, "file:passphrase"))
}

/// The end of a run in which keys were refused, or none was there to be taken.
fn refused(told: &[KeyJson], gnupg: &Gnupg) -> Result<u8, Failure> {
    let is = |outcome: &'static str| move |key: &&KeyJson| key.outcome() == Some(outcome);
    let home = gnupg.home().display();
    if let Some(first) = told.iter().find(is("refused")) {
        let text = format!(
            "{} of {} keys of the GnuPG home {home} were refused, the first {}",
            told.iter().filter(is("refused")).count(),
            told.len(),
            first.fingerprint()
        );
        return Err(Failure::new(Kind::Permission, text).hint(with_passphrase(gnupg, "file:other-passphrase")));
    }
    if told.iter().all(|key| matches!(key.outcome(), Some("on-card" | "no-secret"))) {
        let text = format!("the GnuPG home {home} holds no secret key that can be taken from it");
        let home = home.to_string();
        let failure = Failure::new(Kind::NoInput, text).hint(["gpg", "--homedir", &home, "--list-secret-keys"]);
        let on_card = told.iter().any(|key| key.outcome() == Some("on-card"));
        let instead = ["sealpost", "key", "import", "--from-gnupg", &home, "--agent"];
        return Err(if on_card { failure.hint(instead) } else { failure });
    }
    Ok(0)
}

fn with_passphrase(gnupg: &Gnupg, source: &str) -> [String; 7] {
    let home = gnupg.home().display().to_string();
    ["sealpost", "key", "import", "--from-gnupg", &home, "--passphrase", source].map(str::to_owned)
}
