//! What `send` and `seal` share: whose certificates, who signs, the plan, and the sealed messages.

use std::path::Path;

use jiff::Timestamp;

use super::{
    composition::{self, Place},
    draft::Passing,
    exit::Kind,
    failure::{Failure, RecipientReason},
    grammar, input,
    receipt::{MessageJson, Receipt, RecipientJson, Status, WarningJson},
};
use crate::{
    config,
    crypt::{
        Binding, Fingerprint, PublicCertificate, Recipients, Sealed,
        pgp::{Certificate, Key, Pgp, Signer, SignerError},
    },
    flow::send::{self, Assigned, Candidate, CertificateSource, Group, Missing, MissingReason, Trust},
    keystore::{Keystore, StoreError},
    mail::{Address, Draft, Envelope},
};

/// Certificates of the command line, of recipients.toml and of the store.
struct Certificates<'a> {
    /// From `--cert FILE`.
    given: Vec<Certificate>,
    /// From `--cert FILE#FINGERPRINT`, which stands above recipients.toml for this run.
    by_fingerprint: Vec<Certificate>,
    store: &'a Keystore,
    pins: &'a config::Recipients,
    at: Timestamp,
    alone: bool,
}

impl CertificateSource for Certificates<'_> {
    fn candidates(&mut self, address: &Address) -> Result<Vec<Candidate>, MissingReason> {
        let names = |certificate: &&Certificate| certificate.addresses(self.at).contains(address);
        let exact: Vec<_> = self.by_fingerprint.iter().filter(|one| self.alone || names(one)).collect();
        if !exact.is_empty() {
            return Ok(exact.into_iter().map(|one| candidate(one, Binding::Pinned, Trust::Pinned)).collect());
        }
        let pins = self.pins.fingerprints_for(address);
        if !pins.is_empty() {
            return self.pinned(address, pins);
        }
        let given: Vec<_> = self.given.iter().filter(names).collect();
        if !given.is_empty() {
            return Ok(given.into_iter().map(|one| candidate(one, Binding::Named, Trust::Given)).collect());
        }
        let stored = self.store.certificates_for(address, self.at).map_err(look_up)?;
        Ok(stored.iter().map(|one| candidate(one, Binding::Named, Trust::Imported)).collect())
    }
}
fn candidate(certificate: &Certificate, binding: Binding, trust: Trust) -> Candidate {
    Candidate { certificate: certificate.clone(), binding, trust }
}

fn look_up(error: StoreError) -> MissingReason {
    MissingReason::LookUp(error.to_string())
}

impl<'a> Certificates<'a> {
    /// Those that recipients.toml allows; another one that `--cert` gives for the address is refused, not passed over.
    fn pinned(&self, address: &Address, pins: &[Fingerprint]) -> Result<Vec<Candidate>, MissingReason> {
        let (mut pinned, mut other) = (Vec::new(), None);
        for given in &self.given {
            if pins.contains(&given.fingerprint()) {
                pinned.push(given.clone());
            } else if given.addresses(self.at).contains(address) {
                other = Some(given.fingerprint());
            }
        }
        if let (true, Some(other)) = (pinned.is_empty(), other) {
            return Err(MissingReason::NotPinned(other));
        }
        for pin in pins {
            pinned.extend(self.store.certificate(pin).map_err(look_up)?);
        }
        if pinned.is_empty() {
            return Err(MissingReason::PinnedAbsent(pins.to_vec()));
        }
        Ok(pinned.iter().map(|one| candidate(one, Binding::Pinned, Trust::Pinned)).collect())
    }

    /// Reads `--cert FILE` and `--cert FILE#FINGERPRINT`.
    fn read(
        arguments: &[String],
        store: &'a Keystore,
        pins: &'a config::Recipients,
        recipients: &[Address],
        at: Timestamp,
    ) -> Result<Self, Failure> {
        let (mut given, mut by_fingerprint): (Vec<_>, Vec<Certificate>) = (Vec::new(), Vec::new());
        let mut unnamed = 0;
        for argument in arguments {
            let (path, fingerprint) = match argument.rsplit_once('#') {
                Some((path, text)) if !Path::new(argument).exists() => {
                    let full = Fingerprint::parse(text).ok_or_else(|| {
                        Failure::new(Kind::Usage, format!("--cert {argument}: {text:?} is not a full fingerprint"))
                    })?;
                    (path, Some(full))
                }
                _ => (argument.as_str(), None),
            };
            let read = composition::certificate_file(Path::new(path))?;
            match fingerprint {
                None => given.extend(read),
                Some(full) => {
                    let found = read.into_iter().find(|one| one.fingerprint() == full);
                    let found = found.ok_or_else(|| {
                        Failure::new(Kind::Usage, format!("--cert {path}: it holds no certificate {full}"))
                    })?;
                    let names = recipients.iter().any(|address| found.addresses(at).contains(address));
                    unnamed += usize::from(!names);
                    by_fingerprint.push(found);
                }
            }
        }
        if unnamed > 1 || (unnamed > 0 && recipients.len() > 1) {
            return Err(several_unnamed());
        }
        Ok(Self { given, by_fingerprint, store, pins, at, alone: recipients.len() == 1 })
    }
}

fn several_unnamed() -> Failure {
    let text = "--cert FILE#FINGERPRINT with a certificate that does not name its address goes with one recipient; \
                for several, pin the fingerprint in recipients.toml";
    Failure::new(Kind::Usage, text)
}

/// All that is decided before anything secret is read.
pub struct Decided<'a> {
    pub groups: Vec<Group>,
    warnings: Vec<WarningJson>,
    arguments: &'a grammar::Sealing,
    place: &'a Place,
    known: &'a config::Recipients,
    at: Timestamp,
}

/// Finds a certificate for every recipient and splits them into messages.
pub fn decide<'a>(
    draft: &Draft,
    arguments: &'a grammar::Sealing,
    place: &'a Place,
    known: &'a config::Recipients,
    at: Timestamp,
) -> Result<Decided<'a>, Failure> {
    if arguments.suite == Some(grammar::SuiteArgument::Smime) {
        return Err(Failure::new(Kind::Usage, "--suite smime: S/MIME is not there yet"));
    }
    let addresses = draft.recipients();
    if addresses.is_empty() {
        return Err(Failure::new(Kind::Usage, "the message has no recipient").hint(["sealpost", "send", "--help"]));
    }
    let mut source = Certificates::read(&arguments.cert, &place.keystore, known, &addresses, at)?;
    let assigned = send::assign(&addresses, &mut source, at).map_err(|missing| refused(&missing))?;
    let warnings = assigned.iter().filter_map(warning).collect();
    Ok(Decided { groups: send::group(draft, assigned), warnings, arguments, place, known, at })
}

fn warning(assigned: &Assigned) -> Option<WarningJson> {
    let certificate = assigned.recipient.usable().certificate();
    certificate.weak_key().then(|| WarningJson {
        kind: "weak-key",
        text: format!(
            "the certificate of {} is weak by now: {}",
            assigned.recipient.address(),
            certificate.algorithms()
        ),
    })
}

fn refused(missing: &[Missing]) -> Failure {
    let names: Vec<_> = missing.iter().map(|one| one.address.to_string()).collect();
    let mut failure =
        Failure::new(Kind::Recipients, format!("nothing was sent: no usable certificate for {}", names.join(", ")));
    failure.recipients = missing
        .iter()
        .map(|one| RecipientReason { address: one.address.to_string(), reason: one.reason.to_string() })
        .collect();
    failure.hint(["sealpost", "cert", "import", "-"])
}

impl Decided<'_> {
    /// The receipt before anything is sealed.
    pub fn plan(&self) -> Receipt {
        Receipt {
            version: 1,
            status: Status::Planned,
            message_id: None,
            messages: self.groups.iter().map(|group| message(group, self.at)).collect(),
            attempts: Vec::new(),
            endpoints: None,
            warnings: self.warnings.clone(),
        }
    }

    /// The sealed messages, signed by the author's key or passed as they came; the receipt gets their ID and sizes.
    pub fn messages(
        &self,
        draft: Draft,
        passing: Option<Passing>,
        account: &config::Account,
        receipt: &mut Receipt,
    ) -> Result<Vec<Sealed>, Failure> {
        let messages = match passing {
            Some(passing) => {
                receipt.message_id = passing.message_id;
                vec![self.pass(&draft.from.address, passing.bytes)?]
            }
            None => {
                receipt.message_id = Some(draft.message_id.as_str().to_owned());
                let signer = signer(&draft.from.address, self.arguments, account, self.place, self.at)?;
                let how = composition::how(account, &draft, self.known);
                let mut uniques = composition::uniques()?;
                send::seal(draft, &self.groups, signer.as_ref(), self.at, &how, &mut uniques)?
            }
        };
        for (line, sealed) in receipt.messages.iter_mut().zip(&messages) {
            line.bytes = Some(sealed.len());
        }
        Ok(messages)
    }

    /// Takes bytes that are sealed already, to just these recipients.
    fn pass(&self, from: &Address, bytes: Vec<u8>) -> Result<Sealed, Failure> {
        let refused = |why: &str| {
            let text = format!("the message is encrypted already, but not to just its recipients: {why}");
            Failure::new(Kind::Malformed, text)
        };
        let [group] = self.groups.as_slice() else {
            return Err(refused("a Bcc recipient needs a message apart"));
        };
        let recipients: Vec<_> = group.recipients.iter().map(|one| one.recipient.clone()).collect();
        let addresses = recipients.iter().map(|one| one.address().clone()).collect();
        let (Ok(envelope), Some(recipients)) =
            (Envelope::new(from.clone(), addresses), Recipients::<Pgp>::new(recipients))
        else {
            return Err(refused("it has no recipient"));
        };
        Sealed::parse(bytes, envelope, &recipients).map_err(|error| refused(&error.to_string()))
    }
}

fn message(group: &Group, at: Timestamp) -> MessageJson {
    let recipients = group.recipients.iter().map(|assigned| {
        let certificate = assigned.recipient.usable().certificate();
        RecipientJson {
            address: assigned.recipient.address().to_string(),
            fingerprint: certificate.fingerprint().to_string(),
            days_left: certificate.expires(at).map(|expiry| (expiry.as_second() - at.as_second()).div_euclid(86_400)),
            trust: assigned.trust.word(),
        }
    });
    MessageJson {
        suite: crate::crypt::SuiteName::OpenPgp,
        bytes: None,
        recipients: recipients.collect(),
        endpoint: None,
        reply: None,
        file: None,
    }
}

/// Refuses when the plan differs from the one in a file in messages, recipients, certificates or endpoints.
pub fn expect(plan: &Receipt, file: &Path) -> Result<(), Failure> {
    let malformed = |why: String| Failure::new(Kind::Malformed, format!("--expect-plan {}: {why}", file.display()));
    let expected: serde_json::Value =
        serde_json::from_slice(&input::file(file)?).map_err(|error| malformed(error.to_string()))?;
    let now = serde_json::to_value(plan).map_err(|error| malformed(error.to_string()))?;
    let drift = drift(&essence(&expected), &essence(&now));
    match drift {
        None => Ok(()),
        Some(what) => Err(Failure::new(
            Kind::Plan,
            format!("nothing was sent: the plan is not the one in {}: {what}", file.display()),
        )),
    }
}

/// The part of a plan that must not change: who gets which message under which certificate, and where it is handed in.
fn essence(plan: &serde_json::Value) -> std::collections::BTreeMap<String, String> {
    let mut lines = std::collections::BTreeMap::new();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (index, message) in plan["messages"].as_array().into_iter().flatten().enumerate() {
        for to in message["recipients"].as_array().into_iter().flatten() {
            let what = format!("message {}, {}, {}", index + 1, text(&message["suite"]), text(&to["fingerprint"]));
            lines.insert(text(&to["address"]), what);
        }
    }
    for (index, endpoint) in plan["endpoints"].as_array().into_iter().flatten().enumerate() {
        let what = format!("{}:{}/{}", text(&endpoint["host"]), text(&endpoint["port"]), text(&endpoint["tls"]));
        lines.insert(format!("endpoint {}", index + 1), what);
    }
    lines
}

fn drift(
    expected: &std::collections::BTreeMap<String, String>,
    now: &std::collections::BTreeMap<String, String>,
) -> Option<String> {
    let keys: std::collections::BTreeSet<_> = expected.keys().chain(now.keys()).collect();
    let differs = keys.into_iter().find(|key| expected.get(*key) != now.get(*key))?;
    let side = |map: &std::collections::BTreeMap<String, String>| {
        map.get(differs).cloned().unwrap_or_else(|| "none".to_owned())
    };
    Some(format!("{differs}: expected {}, now {}", side(expected), side(now)))
}

/// The signing key of the author, unlocked; none if nothing is to be signed.
fn signer(
    from: &Address,
    arguments: &grammar::Sealing,
    account: &config::Account,
    place: &Place,
    at: Timestamp,
) -> Result<Option<Signer>, Failure> {
    if arguments.no_sign || !account.sign {
        return Ok(None);
    }
    let no_key = |why: String| {
        Failure::new(Kind::Permission, format!("no signing key for {from}: {why}")).hint([
            "sealpost".to_owned(),
            "key".into(),
            "make".into(),
            from.to_string(),
            "--new-passphrase".into(),
            "file:passphrase".into(),
        ])
    };
    let keys: Vec<Key> = match &arguments.key {
        Some(path) => composition::key_file(path)?,
        None => place.keystore.keys_for(from, at)?,
    };
    let mut named: Vec<Key> = keys.into_iter().filter(|key| key.addresses(at).contains(from)).collect();
    // The newest that still counts; where none does, the newest says why.
    named.sort_by_cached_key(|key| {
        let certificate = key.certificate();
        let counts = certificate.revoked(at).is_none() && certificate.expires(at).is_none_or(|expiry| expiry > at);
        (counts, certificate.created())
    });
    let newest = named.pop();
    let Some(key) = newest else {
        let there =
            if arguments.key.is_some() { "the file of --key holds none that names it" } else { "the store has none" };
        return Err(no_key(there.to_owned()));
    };
    if !key.is_locked() {
        return key.signer(at).map(Some).map_err(|reason| no_key(reason.to_string()));
    }
    let passphrase = composition::passphrase_of(&key, account.passphrase.as_ref())?;
    match key.unlock_signer(&passphrase, at) {
        Ok(signer) => Ok(Some(signer)),
        Err(SignerError::Unusable(reason)) => Err(no_key(reason.to_string())),
        Err(SignerError::Unlock(error)) => Err(error.into()),
    }
}
