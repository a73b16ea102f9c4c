//! `sealpost seal`: the filter for those who have a mail server already.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    alert,
    composition::{self, Place},
    draft::{self, Mailboxes, Passing},
    exit::Kind,
    failure::Failure,
    grammar::{Global, Seal, Text},
    input::Stdin,
    receipt::Status,
    sealing, send,
    voice::{self, Voice},
};
use crate::{
    config::Account,
    crypt::Sealed,
    keystore::{make_private, write_new},
    mail::Draft,
};

pub fn run(arguments: Seal, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    if voice.json && arguments.output.is_none() && !arguments.plan {
        let text = "seal --json needs --output DIR: without it the message itself is on standard output";
        return Err(Failure::new(Kind::Usage, text));
    }
    let composing = arguments.text.body.is_some();
    if !composing && !is_bare(&arguments.text) {
        let text = "seal takes a whole message: --subject, --attach, --html, --header, --in-reply-to and --references \
                    go with --body FILE only";
        return Err(Failure::new(Kind::Usage, text).hint(["sealpost", "seal", "--help"]));
    }
    let place = Place::open(global)?;
    let known = place.recipients()?;
    let mailboxes = Mailboxes::read(&arguments.recipients, &known)?;
    let mut stdin = Stdin::default();
    let (mut draft, account, sealed) = if composing {
        if arguments.message.is_some() {
            return Err(Failure::new(Kind::Usage, "--message and --body exclude each other"));
        }
        let account = place.account(global, &arguments.sealing, None, None)?;
        let from = composition::author(&account)?;
        (draft::compose(&arguments.text, mailboxes, from, at, &mut stdin)?, account, None)
    } else {
        let message = stdin.message(arguments.message.as_deref().unwrap_or(Path::new("-")))?;
        let (mut draft, sealed) = draft::whole(message, at)?;
        let account = place.account(global, &arguments.sealing, None, Some(&draft.from.address))?;
        if !mailboxes.is_empty() {
            (draft.to, draft.cc, draft.bcc) = (mailboxes.to, mailboxes.cc, mailboxes.bcc);
        }
        (draft, account, sealed)
    };

    sealing::identify(&mut draft, &arguments.sealing)?;
    let written = write_all(draft, sealed, &account, &arguments, &place, at, voice);
    written.map_err(|failure| match arguments.plan {
        true => failure,
        false => alert::refused(failure, "seal", &account, &place, at, voice),
    })
}

/// Seals for all, then writes.
fn write_all(
    draft: Draft,
    sealed: Option<Passing>,
    account: &Account,
    arguments: &Seal,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let known = place.recipients()?;
    let decided = sealing::decide(&draft, account, &arguments.sealing, place, &known, sealed.as_ref(), at)?;
    let mut receipt = decided.plan();
    if let Some(file) = &arguments.sealing.expect_plan {
        sealing::expect(&receipt, file)?;
    }
    if arguments.plan {
        return send::print(&receipt, voice).map(|()| 0);
    }
    if arguments.output.is_none() && decided.groups.len() > 1 {
        let text = format!(
            "{} messages are to be written, one for each suite and each Bcc recipient: give --output DIR",
            decided.groups.len()
        );
        return Err(Failure::new(Kind::Usage, text));
    }
    let messages = decided.messages(draft, sealed, account, &mut receipt)?;
    place.warn(voice);
    receipt.status = Status::Sealed;
    let Some(dir) = &arguments.output else {
        for piece in messages.iter().flat_map(Sealed::pieces) {
            voice.data(piece)?;
        }
        send::print(&receipt, Voice { json: false, ..voice })?;
        return Ok(0);
    };
    make_private(dir)?;
    let stem = file_stem(receipt.message_id.as_deref().unwrap_or_default());
    for (index, (line, sealed)) in receipt.messages.iter_mut().zip(&messages).enumerate() {
        let name = format!("{stem}-{}", index + 1);
        write(dir, &name, sealed)?;
        line.file = Some(dir.join(name + ".eml").display().to_string());
    }
    send::print(&receipt, voice)?;
    Ok(0)
}

/// Whether no flag of a text to be composed is given.
fn is_bare(text: &Text) -> bool {
    text.subject.is_none()
        && text.attach.is_empty()
        && text.html.is_none()
        && text.header.is_empty()
        && text.in_reply_to.is_none()
        && text.references.is_empty()
}

/// The envelope that goes beside a message.
#[derive(Serialize)]
struct EnvelopeJson {
    version: u8,
    from: String,
    recipients: Vec<String>,
}

fn write(dir: &Path, name: &str, sealed: &Sealed) -> Result<(), Failure> {
    let envelope = EnvelopeJson {
        version: 1,
        from: sealed.envelope().from().to_string(),
        recipients: sealed.envelope().to().iter().map(ToString::to_string).collect(),
    };
    let json = voice::json(&envelope) + "\n";
    // The envelope first: whoever sees a message there has its recipients too.
    write_new(&dir.join(format!("{name}.json")), std::iter::once(json.as_bytes()))?;
    write_new(&dir.join(format!("{name}.eml")), sealed.pieces())?;
    Ok(())
}

/// A file name out of a Message-ID: its letters and digits before the `@`.
fn file_stem(message_id: &str) -> String {
    let local = message_id.split('@').next().unwrap_or_default();
    let stem: String = local.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    if stem.is_empty() { "message".to_owned() } else { stem }
}
