//! `sealpost open`: decrypt, verify, show (open-json.md).

use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    composition::{self, Place},
    exit::Kind,
    failure::Failure,
    grammar::{Global, Open},
    input,
    printable::{Printable, PrintableText},
    voice::{Voice, stdout_is_terminal},
};
use crate::{
    crypt::{
        OpenError, PublicCertificate,
        open::{Covers, Released, Requirement, State, Summary},
        pgp::{Certificate, Key, UnlockError},
        smime::Authorities,
    },
    flow::open::{OpenPgp, Opening, Outcome, Smime, save},
    mail::Address,
    receive,
    secret::Source,
};

pub fn run(arguments: &Open, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let requirement = match &arguments.signed_by {
        Some(text) => Requirement::SignedBy(
            Address::parse(text).map_err(|error| Failure::new(Kind::Usage, format!("--signed-by: {error}")))?,
        ),
        None => Requirement::None,
    };
    if arguments.files.len() > 1 && arguments.output.is_some() {
        return Err(Failure::new(Kind::Usage, "--output takes one message"));
    }
    let mut ring = Ring::gather(arguments, global)?;
    let several = arguments.files.len() > 1;
    let mut exit = 0;
    for file in &arguments.files {
        let name = file.display().to_string();
        let name = several.then_some(name.as_str());
        let opened = one(file, name, &mut ring, &requirement, arguments, at, voice);
        let code = match opened {
            Ok(code) => code,
            Err(failure) => {
                voice.fail(&failure, name);
                failure.kind.exit()
            }
        };
        if exit == 0 {
            exit = code;
        }
    }
    Ok(exit)
}

/// Keys and certificates for all files of a run. Locked keys of the store are unlocked only when one is needed.
struct Ring {
    keys: Vec<Key>,
    locked: Vec<Key>,
    /// Those that the passphrase does not unlock.
    refused: Vec<(Key, UnlockError)>,
    certificates: Vec<Certificate>,
    passphrase: Option<Source>,
}

impl Ring {
    /// Given `--key`, `--cert` or `--trust-anchor`, only these count.
    fn gather(arguments: &Open, global: &Global) -> Result<Self, Failure> {
        let place = Place::open(global)?;
        let given = !(arguments.key.is_empty() && arguments.cert.is_empty() && arguments.trust_anchor.is_empty());
        for path in arguments.trust_anchor.iter().chain(&arguments.crl) {
            // They say nothing of OpenPGP; one that is not there is told all the same.
            input::file(path)?;
        }
        let mut ring = Self {
            keys: Vec::new(),
            locked: Vec::new(),
            refused: Vec::new(),
            certificates: Vec::new(),
            passphrase: None,
        };
        if given {
            ring.passphrase = composition::source(arguments.passphrase.as_deref())?;
            for path in &arguments.key {
                ring.locked.extend(composition::key_file(path)?);
            }
            for path in &arguments.cert {
                ring.certificates.extend(composition::certificate_file(path)?);
            }
        } else {
            ring.passphrase = place.passphrase(global, arguments.passphrase.as_deref())?;
            ring.locked = place.keystore.keys()?;
            ring.certificates = place.keystore.all_certificates()?;
        }
        for key in &ring.locked {
            if !ring.certificates.iter().any(|there| there.fingerprint() == key.fingerprint()) {
                ring.certificates.push(key.certificate());
            }
        }
        let (locked, keys) = std::mem::take(&mut ring.locked).into_iter().partition(Key::is_locked);
        (ring.locked, ring.keys) = (locked, keys);
        if given {
            // What was named is to be used: a wrong passphrase is told, whatever the message.
            ring.unlock()?;
        }
        Ok(ring)
    }

    /// Unlocks all locked keys with the one passphrase.
    ///
    /// # Errors
    /// That of the last key, if not one key could be unlocked.
    fn unlock(&mut self) -> Result<(), Failure> {
        let Some(source) = &self.passphrase else {
            let keys: Vec<_> = self.locked.drain(..).collect();
            for key in &keys {
                self.keys.push(composition::unlocked(key, None)?);
            }
            return Ok(());
        };
        if self.locked.is_empty() {
            return Ok(());
        }
        let passphrase: Zeroizing<String> = source.read_or_empty()?;
        let before = self.keys.len();
        for key in self.locked.drain(..) {
            match key.unlock(&passphrase) {
                Ok(unlocked) => self.keys.push(unlocked),
                Err(error) => self.refused.push((key, error)),
            }
        }
        if self.keys.len() > before {
            return Ok(());
        }
        self.refused.pop().map_or(Ok(()), |(_, error)| Err(error.into()))
    }
}

fn one(
    file: &Path,
    name: Option<&str>,
    ring: &mut Ring,
    requirement: &Requirement,
    arguments: &Open,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    // Stdin is read once: what it may need is unlocked before. A file is read again if a locked key is wanted.
    let once = file.as_os_str() == "-";
    if once && ring.passphrase.is_some() {
        ring.unlock()?;
    }
    let mut outcome = attempt(file, ring, requirement, at)?;
    if let Err(OpenError::NoKey { .. }) = &outcome
        && let Some(key) = ring.locked.first()
    {
        if once {
            let text = format!("no key at hand opens this message, and key {} is locked", key.fingerprint());
            return Err(Failure::new(Kind::Permission, text).hint(["sealpost", "open", "--help"]));
        }
        ring.unlock()?;
        outcome = attempt(file, ring, requirement, at)?;
    }
    if let Err(OpenError::NoKey { recipients }) = &outcome {
        // A key of theirs is at hand, and the passphrase is that of others.
        let theirs = |key: &Key| recipients.iter().any(|recipient| key.is_for(recipient));
        if let Some((_, error)) = ring.refused.iter().find(|(key, _)| theirs(key)) {
            return Err(error.clone().into());
        }
    }
    let outcome = outcome?;
    match &outcome {
        Outcome::Released(message) => {
            if let Some(path) = &arguments.output {
                save::save_message(message, path)?;
            }
            if let Some(folder) = &arguments.save {
                for path in save::save(message, folder)? {
                    voice.say(format_args!("wrote {}", Printable(&path.display().to_string())));
                }
            }
            if voice.json {
                voice.object(&outcome.report(name))?;
            } else {
                voice.say(words(outcome.summary(), Some(message)));
                show(message, voice)?;
            }
            Ok(0)
        }
        Outcome::Withheld(withheld) => {
            if voice.json {
                voice.object(&outcome.report(name))?;
            } else {
                voice.say(words(outcome.summary(), None));
            }
            let text = format!(
                "a good signature by {} is required, and this message {}",
                withheld.required(),
                signature(outcome.summary())
            );
            Err(Failure::new(Kind::SignatureRequired, text))
        }
    }
}

fn attempt(
    file: &Path,
    ring: &Ring,
    requirement: &Requirement,
    at: Timestamp,
) -> Result<Result<Outcome, OpenError>, Failure> {
    let message = std::mem::take(&mut *receive::read(file)?);
    let openpgp = OpenPgp { keys: &ring.keys, certificates: &ring.certificates };
    let smime = Smime { keys: &[], certificates: &[], authorities: &Authorities::default(), pins: &[] };
    Ok(Opening { openpgp, smime, at, requirement }.open(message))
}

/// The text on stdout: as it is for a program, harmless for a terminal.
fn show(message: &Released, voice: Voice) -> Result<(), Failure> {
    if stdout_is_terminal() {
        voice.data(PrintableText(message.text()).to_string().as_bytes())
    } else {
        voice.data(message.text().as_bytes())
    }
}

fn words(summary: &Summary, message: Option<&Released>) -> String {
    let mut lines = Vec::new();
    for field in &summary.headers.0 {
        lines.push(format!("{}: {} ({})", field.name, Printable(&field.value), field.protection));
    }
    let suite = summary.suite.map(|suite| format!("{suite}, ")).unwrap_or_default();
    let encrypted = if summary.encrypted { "encrypted" } else { "not encrypted" };
    lines.push(format!("{suite}{encrypted}; the message {}", signature(summary)));
    for warning in &summary.warnings {
        lines.push(format!("warning: {}", Printable(&warning.text)));
    }
    for attachment in message.map(Released::attachments).unwrap_or_default() {
        let (name, kind) = (Printable(&attachment.name), Printable(&attachment.media_type));
        lines.push(format!("attachment: {name} ({kind}, {} bytes)", attachment.size));
    }
    lines.join("\n")
}

fn signature(summary: &Summary) -> String {
    let signature = &summary.signature;
    let signers: Vec<_> = signature
        .signers
        .iter()
        .map(|signer| match &signer.address {
            Some(address) => format!("{} ({})", Printable(&address.to_string()), Printable(&signer.fingerprint)),
            None => Printable(&signer.fingerprint).to_string(),
        })
        .collect();
    let signers = if signers.is_empty() { String::new() } else { format!(" by {}", signers.join(", ")) };
    let reason = signature.reason.map(|reason| format!(": {}", reason.word())).unwrap_or_default();
    match (signature.state, signature.covers) {
        (State::Good, _) => format!("has a good signature{signers}"),
        (State::Unknown, _) => format!("has a signature that cannot be judged{reason}{signers}"),
        (State::Bad, _) => format!("has no valid signature{reason}{signers}"),
        (State::None, Covers::Part) => format!("is not signed as a whole, only a part of it{signers}"),
        (State::None, _) => "is not signed".to_owned(),
    }
}
