//! The key or certificate that an address or a full fingerprint names.

use std::path::Path;

use jiff::Timestamp;

use super::{composition::Place, exit::Kind, failure::Failure, printable::Printable, voice::Voice};
use crate::{
    crypt::{Fingerprint, PublicCertificate, SuiteName, pgp, smime},
    flow::known::Known,
    mail::Address,
};

/// A key of either suite.
pub enum AnyKey {
    OpenPgp(Box<pgp::Key>),
    /// One whose secret half an agent has.
    Agent(Box<pgp::AgentKey>),
    Smime(smime::Key),
    /// One for S/MIME whose secret half an agent has.
    SmimeAgent(smime::AgentKey),
    /// One that waits for its certificate.
    Waiting(smime::Waiting),
}

/// The one key of an address or a full fingerprint; of one that waits, that of its public key.
pub fn key_named(name: &str, place: &Place, at: Timestamp) -> Result<AnyKey, Failure> {
    let store = &place.keystore;
    let waiting = store.waiting()?;
    type All = (Vec<pgp::Key>, Vec<pgp::AgentKey>, Vec<smime::Key>, Vec<smime::AgentKey>, Vec<smime::Waiting>);
    let (openpgp, agent, smime, smime_agent, waiting): All = match named(name)? {
        Name::Fingerprint(full) => (
            store.key(&full)?.into_iter().collect(),
            store.agent_key(&full)?.into_iter().collect(),
            store.smime_key(&full)?.into_iter().collect(),
            store.smime_agent_key(&full)?.into_iter().collect(),
            waiting.into_iter().filter(|waiting| waiting.id() == full).collect(),
        ),
        Name::Address(address) => (
            store.keys_for(&address, at)?,
            store.agent_keys_for(&address, at)?,
            store.smime_keys_for(&address, at)?,
            store.smime_agent_keys_for(&address, at)?,
            waiting.into_iter().filter(|waiting| waiting.addresses().contains(&address)).collect(),
        ),
    };
    let openpgp = openpgp.into_iter().map(|key| AnyKey::OpenPgp(Box::new(key)));
    let agent = agent.into_iter().map(|key| AnyKey::Agent(Box::new(key)));
    let smime = smime.into_iter().map(AnyKey::Smime);
    let smime = smime.chain(smime_agent.into_iter().map(AnyKey::SmimeAgent));
    let waiting = waiting.into_iter().map(AnyKey::Waiting);
    one(openpgp.chain(agent).chain(smime).chain(waiting).collect(), name, "key", AnyKey::fingerprint)
}

impl AnyKey {
    pub fn fingerprint(&self) -> String {
        match self {
            Self::OpenPgp(key) => key.fingerprint().to_string(),
            Self::Agent(key) => key.fingerprint().to_string(),
            Self::Smime(key) => key.fingerprint().map(|fingerprint| fingerprint.to_string()).unwrap_or_default(),
            Self::SmimeAgent(key) => key.fingerprint().to_string(),
            Self::Waiting(waiting) => waiting.id().to_string(),
        }
    }
}

/// A certificate of either suite.
pub enum AnyCertificate {
    OpenPgp(Box<pgp::Certificate>),
    Smime(smime::Certificate),
}

/// The one certificate of an address or a full fingerprint.
pub fn certificate_named(name: &str, place: &Place, at: Timestamp) -> Result<AnyCertificate, Failure> {
    let store = &place.keystore;
    let (openpgp, smime): (Vec<_>, Vec<_>) = match named(name)? {
        Name::Fingerprint(full) => {
            (store.certificate(&full)?.into_iter().collect(), store.x509(&full)?.into_iter().collect())
        }
        Name::Address(address) => {
            let known = Known::of(store, &address, &[], at)?;
            let mut openpgp: Vec<_> = known.openpgp.into_iter().map(|(one, _)| one).collect();
            let mut smime: Vec<_> = known.smime.into_iter().map(|(one, _)| one).collect();
            // Those that are pinned for just this address stand for it too; what is damaged is told by its fingerprint.
            let pinned = place.recipients()?.pinned();
            for (pin, _) in pinned.iter().filter(|(_, whom)| whom.contains(&address)) {
                let is_new = !openpgp.iter().any(|one| one.fingerprint() == *pin);
                openpgp.extend(store.certificate(pin).ok().flatten().filter(|_| is_new));
                let is_new = !smime.iter().any(|one| one.fingerprint() == *pin);
                smime.extend(store.x509(pin).ok().flatten().filter(|_| is_new));
            }
            let unknown =
                if openpgp.is_empty() && smime.is_empty() { store.certificates_for(&address, at)? } else { Vec::new() };
            if !unknown.is_empty() {
                let text = format!("nothing is known for {address} but what mail of others says");
                let failure = Failure::new(Kind::NoInput, text);
                return Err(unknown.iter().fold(failure, |failure, one| {
                    failure.hint(["sealpost", "cert", "show", one.fingerprint().as_str()])
                }));
            }
            (openpgp, smime)
        }
    };
    let openpgp = openpgp.into_iter().map(|one| AnyCertificate::OpenPgp(Box::new(one)));
    one(
        openpgp.chain(smime.into_iter().map(AnyCertificate::Smime)).collect(),
        name,
        "cert",
        AnyCertificate::fingerprint,
    )
}

impl AnyCertificate {
    pub fn suite(&self) -> SuiteName {
        match self {
            Self::OpenPgp(_) => SuiteName::OpenPgp,
            Self::Smime(_) => SuiteName::Smime,
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::OpenPgp(certificate) => certificate.fingerprint(),
            Self::Smime(certificate) => certificate.fingerprint(),
        }
    }
}

enum Name {
    Fingerprint(Fingerprint),
    Address(Address),
}

fn named(name: &str) -> Result<Name, Failure> {
    if let Some(fingerprint) = Fingerprint::parse(name) {
        return Ok(Name::Fingerprint(fingerprint));
    }
    let address = Address::parse(name)
        .map_err(|_| Failure::new(Kind::Usage, format!("{name:?} is neither an address nor a full fingerprint")))?;
    Ok(Name::Address(address))
}

fn one<T, F: ToString>(mut found: Vec<T>, name: &str, what: &str, fingerprint: impl Fn(&T) -> F) -> Result<T, Failure> {
    if found.len() > 1 {
        let all: Vec<_> = found.iter().map(|one| fingerprint(one).to_string()).collect();
        let text = format!("there are several for {name}: {}; name one by its fingerprint", all.join(", "));
        let failure = Failure::new(Kind::Usage, text);
        return Err(all.iter().fold(failure, |failure, full| failure.hint(["sealpost", what, "show", full])));
    }
    found.pop().ok_or_else(|| {
        Failure::new(Kind::NoInput, format!("there is none for {name} in the store")).hint(["sealpost", what, "list"])
    })
}

/// Writes an armored export to stdout, to a new file, or into the JSON.
pub fn export(armored: &str, what: &'static str, output: Option<&Path>, voice: Voice) -> Result<u8, Failure> {
    match output {
        Some(path) => {
            crate::keystore::write_new(path, std::iter::once(armored.as_bytes()))?;
            voice.say(format_args!("wrote the {what} to {}", Printable(&path.display().to_string())));
            if voice.json {
                voice.object(&serde_json::json!({ "version": 1, "file": path.display().to_string() }))?;
            }
        }
        None if voice.json => voice.object(&serde_json::json!({ "version": 1, what: armored }))?,
        None => voice.data(armored.as_bytes())?,
    }
    Ok(0)
}
