//! The keys of a GnuPG home, of gpg and of gpgsm, that stay in its agent, or on a token behind it: their certificates are
//! stored, and which agent has the rest.

use std::path::Path;

use jiff::Timestamp;

use super::{smime::keep, tell};
use crate::{
    cli::{composition::Place, exit::Kind, failure::Failure, key::KeyJson, voice::Voice},
    crypt::{
        Fingerprint, PublicCertificate, SuiteName, pgp,
        pgp::Certificate,
        smime::{self, AgentKey},
    },
    keystore::{Outcome, StoreError},
    mail::Address,
    secret::{Gnupg, GnupgKey},
};

pub fn run(
    home: Option<&Path>,
    which: Option<&str>,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let which = which.map(Which::parse).transpose()?;
    let gnupg = Gnupg::open(home)?;
    let mut told = Vec::new();
    for key in gnupg.keys()? {
        let taken = match key.suite {
            SuiteName::OpenPgp => take(&key, which.as_ref(), &gnupg, place, at, voice)?,
            SuiteName::Smime => take_smime(&key, which.as_ref(), &gnupg, place, at)?,
        };
        told.extend(taken);
    }
    tell(&told, voice)?;
    let taken = |key: &&KeyJson| matches!(key.outcome(), Some("imported" | "merged" | "unchanged"));
    match (told.iter().find(|key| key.outcome() == Some("refused")), told.iter().find(taken)) {
        (Some(refused), _) => {
            let text = format!("key {} is stored here with its secret half, and stays so", refused.fingerprint());
            let hint = ["sealpost", "key", "show", refused.fingerprint()];
            Err(Failure::new(Kind::CannotCreate, text).hint(hint))
        }
        (None, Some(_)) => Ok(0),
        (None, None) => {
            let home = gnupg.home().display().to_string();
            let whose = which.map(|which| format!(" of {}", which.text())).unwrap_or_default();
            let text = format!("gpg-agent of the GnuPG home {home} has no key{whose} that can be used");
            let list = |program| [program, "--homedir", &home, "--list-secret-keys"].map(str::to_owned);
            Err(Failure::new(Kind::NoInput, text).hint(list("gpg")).hint(list("gpgsm")))
        }
    }
}

/// Which key is meant.
enum Which {
    Fingerprint(Fingerprint),
    Address(Address),
}

impl Which {
    fn parse(name: &str) -> Result<Self, Failure> {
        if let Some(fingerprint) = Fingerprint::parse(name) {
            return Ok(Self::Fingerprint(fingerprint));
        }
        Address::parse(name).map(Self::Address).map_err(|_| {
            let text = format!("--agent {name:?} is neither an address nor a full fingerprint");
            Failure::new(Kind::Usage, text).hint(["sealpost", "key", "import", "--help"])
        })
    }

    fn is(&self, certificate: &impl PublicCertificate, at: Timestamp) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => certificate.fingerprint() == *fingerprint,
            Self::Address(address) => certificate.addresses(at).contains(address),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Fingerprint(fingerprint) => fingerprint.to_string(),
            Self::Address(address) => address.to_string(),
        }
    }
}

const NO_PART: &str = "gpg-agent has no part of its secret half, or none of an algorithm that is used through it";
const HERE: &str = "it is stored here with its secret half, and stays so";

fn take(
    key: &GnupgKey,
    which: Option<&Which>,
    gnupg: &Gnupg,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<Option<KeyJson>, Failure> {
    let read = Certificate::parse_all(&gnupg.certificate(key)?);
    let Some(certificate) = read.ok().and_then(|all| its_own(key, all)) else { return Ok(unread(key, which)) };
    if which.is_some_and(|which| !which.is(&certificate, at)) {
        return Ok(None);
    }
    let bare = KeyJson::new(SuiteName::OpenPgp, &certificate, at);
    let Ok(taken) = pgp::AgentKey::new(certificate, gnupg.home(), key.parts.iter().cloned()) else {
        return Ok(Some(bare.left("no-secret", NO_PART)));
    };
    let outcome = match place.keystore.store_agent_key(&taken) {
        Err(StoreError::KeyExists { .. }) => return Ok(Some(bare.left("refused", HERE))),
        stored => stored?,
    };
    place.keystore.insert(&taken.certificate())?;
    if taken.advertises_gnupg_ocb() {
        voice.say(format_args!(
            "key {} says that it reads packets that only GnuPG knows (OCB), and sealpost does not: let gpg clear that, and \
             take it again",
            taken.fingerprint()
        ));
        voice.hint([
            "gpg",
            "--homedir",
            &gnupg.home().display().to_string(),
            "--edit-key",
            taken.fingerprint().as_str(),
        ]);
    }
    let stored = place.keystore.agent_key(&taken.fingerprint())?.unwrap_or(taken);
    Ok(Some(KeyJson::agent(&stored, at).done(done(outcome))))
}

fn take_smime(
    key: &GnupgKey,
    which: Option<&Which>,
    gnupg: &Gnupg,
    place: &Place,
    at: Timestamp,
) -> Result<Option<KeyJson>, Failure> {
    let read = smime::Certificate::parse_all(&gnupg.certificate(key)?);
    let Some(certificate) = read.ok().and_then(|all| its_own(key, all)) else { return Ok(unread(key, which)) };
    if which.is_some_and(|which| !which.is(&certificate, at)) {
        return Ok(None);
    }
    let bare = KeyJson::new(SuiteName::Smime, &certificate, at);
    let chain = gnupg.chain(key)?;
    // What cannot be read of the authorities is missing behind it, and nothing else.
    let chain = smime::Certificate::parse_all(&chain).unwrap_or_default();
    let grip = key.parts.iter().map(|(_, grip)| grip.clone()).next();
    let taken = grip.and_then(|grip| AgentKey::new(certificate, &chain, gnupg.home(), grip).ok());
    let Some(taken) = taken else { return Ok(Some(bare.left("no-secret", NO_PART))) };
    let outcome = match place.keystore.store_smime_agent_key(&taken) {
        Err(StoreError::KeyExists { .. }) => return Ok(Some(bare.left("refused", HERE))),
        stored => stored?,
    };
    keep(taken.certificate(), taken.chain(), place)?;
    let stored = place.keystore.smime_agent_key(&taken.fingerprint())?.unwrap_or(taken);
    Ok(Some(KeyJson::smime_agent(&stored, at).done(done(outcome))))
}

fn its_own<C: PublicCertificate>(key: &GnupgKey, all: Vec<C>) -> Option<C> {
    all.into_iter().find(|one| one.fingerprint() == key.fingerprint)
}

/// A key of which nobody can tell whose it is: told of, unless others are meant.
fn unread(key: &GnupgKey, which: Option<&Which>) -> Option<KeyJson> {
    let meant = match which {
        None => true,
        Some(Which::Fingerprint(fingerprint)) => *fingerprint == key.fingerprint,
        Some(Which::Address(_)) => false,
    };
    let program = match key.suite {
        SuiteName::OpenPgp => "gpg",
        SuiteName::Smime => "gpgsm",
    };
    let reason = format!("{program} does not give out its certificate, or it cannot be read");
    meant.then(|| KeyJson::unread(key.suite, &key.fingerprint).left("no-secret", &reason))
}

fn done(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "imported",
        Outcome::Merged => "merged",
        Outcome::Unchanged => "unchanged",
    }
}
