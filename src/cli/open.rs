//! `sealpost open`: decrypt, verify, show.

pub mod ring;

use std::path::Path;

use jiff::Timestamp;

use super::{
    exit::Kind,
    failure::Failure,
    grammar::{Global, Open},
    printable::{Printable, PrintableText},
    voice::{Voice, stdout_is_terminal},
};
use crate::{
    crypt::{
        OpenError,
        open::{Covers, Released, Requirement, State, Summary},
    },
    flow::open::{Outcome, save},
    mail::Address,
    receive,
};
use ring::Ring;

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
                let exit = failure.kind.exit();
                voice.fail(&failure.or_help(["open".to_owned()]), name);
                exit
            }
        };
        if exit == 0 {
            exit = code;
        }
    }
    Ok(exit)
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
    if once && ring.has_passphrase() {
        ring.unlock()?;
    }
    let mut outcome = attempt(file, ring, requirement, at)?;
    if let Err(OpenError::NoKey { recipients, hidden }) = &outcome
        && let Some(key) = ring.locked_for(recipients, *hidden)
    {
        if once {
            let text = format!("no key at hand opens this message, and {key} is locked");
            return Err(Failure::new(Kind::Permission, text).hint(["sealpost", "open", "--help"]));
        }
        ring.unlock()?;
        outcome = attempt(file, ring, requirement, at)?;
    }
    // Another agent may want the passphrase, or another key may be its recipient's too. What came by stdin had it from
    // the start.
    if let Err(OpenError::Agent(_)) = &outcome
        && !once
        && (ring.may_give() || ring.may_unlock())
    {
        // One that stays locked is no reason: that the agent did nothing is.
        ring.unlock_some()?;
        outcome = attempt(file, ring, requirement, at)?;
    }
    if let Err(OpenError::NoKey { recipients, .. }) = &outcome {
        // A key of theirs is at hand, and the passphrase is that of others.
        if let Some(refusal) = ring.refusal(recipients) {
            return Err(refusal);
        }
    }
    let mut outcome = outcome.map_err(|error| ring.beside_unreadable(error))?;
    if let Outcome::Released(message) = &mut outcome {
        if let Some(path) = &arguments.output {
            save::save_message(message, path)?;
        }
        if let Some(folder) = &arguments.save {
            for path in save::save(message, folder)? {
                voice.say(format_args!("wrote {}", Printable(&path.display().to_string())));
            }
        }
    }
    match &outcome {
        Outcome::Released(message) => {
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
    Ok(ring.open(message, requirement, at))
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
    let detail = signature.detail.as_ref().map(|detail| format!(" ({})", Printable(detail))).unwrap_or_default();
    let reason = signature.reason.map(|reason| format!(": {}{detail}", reason.word())).unwrap_or_default();
    match (signature.state, signature.covers) {
        (State::Good, _) => format!("has a good signature{signers}"),
        (State::Unknown, _) => format!("has a signature that cannot be judged{reason}{signers}"),
        (State::Bad, _) => format!("has no valid signature{reason}{signers}"),
        (State::None, Covers::Part) => format!("is not signed as a whole, only a part of it{signers}"),
        (State::None, _) => "is not signed".to_owned(),
    }
}
