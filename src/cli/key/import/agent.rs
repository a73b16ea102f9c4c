//! The keys of a GnuPG home that stay in its agent, or on a smartcard: their certificates are stored, and which agent has
//! the rest.

use std::path::Path;

use jiff::Timestamp;

use super::tell;
use crate::{
    cli::{composition::Place, exit::Kind, failure::Failure, key::KeyJson, voice::Voice},
    crypt::{
        Fingerprint, PublicCertificate, SuiteName,
        pgp::{AgentKey, Certificate},
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
        if key.suite == SuiteName::Smime {
            if which.is_none() {
                let reason = "keys for S/MIME are not used through gpg-agent: import it with --passphrase";
                told.push(KeyJson::unread(key.suite, &key.fingerprint).left("not-openpgp", reason));
            }
            continue;
        }
        let certificate = certificate(&key, &gnupg)?;
        if which.as_ref().is_none_or(|which| which.is(&certificate, at)) {
            told.push(take(&key, certificate, &gnupg, place, at, voice)?);
        }
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
            let text = format!("gpg-agent of the GnuPG home {home} has no OpenPGP key{whose}");
            Err(Failure::new(Kind::NoInput, text).hint(["gpg", "--homedir", &home, "--list-secret-keys"]))
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

    fn is(&self, certificate: &Certificate, at: Timestamp) -> bool {
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

fn certificate(key: &GnupgKey, gnupg: &Gnupg) -> Result<Certificate, Failure> {
    let mut all = Certificate::parse_all(&gnupg.certificate(key)?)?;
    all.retain(|one| one.fingerprint() == key.fingerprint);
    all.pop().ok_or_else(|| {
        Failure::new(Kind::Malformed, format!("gpg does not give out the certificate of key {}", key.fingerprint))
    })
}

fn take(
    key: &GnupgKey,
    certificate: Certificate,
    gnupg: &Gnupg,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<KeyJson, Failure> {
    let bare = KeyJson::new(SuiteName::OpenPgp, &certificate, at);
    let Ok(taken) = AgentKey::new(certificate, gnupg.home(), key.parts.iter().cloned()) else {
        let reason = "gpg-agent has no part of its secret half, or none of an algorithm that is used through it";
        return Ok(bare.left("no-secret", reason));
    };
    let outcome = match place.keystore.store_agent_key(&taken) {
        Err(StoreError::KeyExists { .. }) => {
            return Ok(bare.left("refused", "it is stored here with its secret half, and stays so"));
        }
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
    let outcome = match outcome {
        Outcome::New => "imported",
        Outcome::Merged => "merged",
        Outcome::Unchanged => "unchanged",
    };
    Ok(KeyJson::agent(&stored, at).done(outcome))
}
