//! `sealpost send`: seal for every recipient and submit, or send nothing.

mod rest;

use jiff::Timestamp;

use super::{
    alert,
    composition::{self, Place},
    draft::{self, Mailboxes, Passing},
    exit::Kind,
    failure::Failure,
    grammar::{Global, Send, Text},
    input::Stdin,
    receipt::{EndpointJson, PlannedEndpoint, Receipt, Status, WarningJson},
    sealing, submission,
    voice::Voice,
    words,
};
use crate::{
    config::Account,
    flow::send::{Submitted, submit},
    mail::Draft,
    submit::Accepted,
};

pub fn run(arguments: Send, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    if arguments.queue != "never" {
        let text = format!("--queue {}: the outbox is not there yet, only never is", arguments.queue);
        return Err(Failure::new(Kind::Usage, text));
    }
    let place = Place::open(global)?;
    let known = place.recipients()?;
    let mut stdin = Stdin::default();
    let (mut draft, account, sealed) = match &arguments.message {
        Some(path) => {
            let (draft, sealed) = draft::whole(stdin.message(path)?, at)?;
            let account =
                place.account(global, &arguments.sealing, Some(&arguments.submission), Some(&draft.from.address))?;
            (draft, account, sealed)
        }
        None => {
            let mailboxes = Mailboxes::read(&arguments.recipients, &known)?;
            if mailboxes.is_empty() {
                let failure = Failure::new(Kind::Usage, "no recipient: give -t, --cc or --bcc, or --message");
                return Err(failure.hint(["sealpost", "send", "--help"]));
            }
            let account = place.account(global, &arguments.sealing, Some(&arguments.submission), None)?;
            let from = composition::author(&account)?;
            (draft::compose(&arguments.text, mailboxes, from, at, &mut stdin)?, account, None)
        }
    };
    sealing::identify(&mut draft, &arguments.sealing)?;
    let delivered = deliver(draft, sealed, &account, &arguments, &place, at, voice);
    delivered.map_err(|failure| match arguments.plan {
        true => failure,
        false => alert::refused(failure, "send", &account, &place, at, voice),
    })
}

/// Seals for all, then submits.
fn deliver(
    draft: Draft,
    sealed: Option<Passing>,
    account: &Account,
    arguments: &Send,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let known = place.recipients()?;
    let settings = submission::submission(account, &arguments.submission, &draft, place)?;
    let decided = sealing::decide(&draft, account, &arguments.sealing, place, &known, sealed.as_ref(), at)?;

    let mut receipt = decided.plan();
    receipt.endpoints = Some(
        settings
            .ports
            .iter()
            .map(|port| PlannedEndpoint { host: settings.host.clone(), port: port.number(), tls: port.tls().word() })
            .collect(),
    );
    if let Some(file) = &arguments.sealing.expect_plan {
        sealing::expect(&receipt, file)?;
    }
    if arguments.plan {
        return print(&receipt, voice).map(|()| 0);
    }
    receipt.endpoints = None;
    let messages = decided.messages(draft, sealed, account, &mut receipt)?;
    place.warn(voice);
    let submitted = composition::drive(submit(&messages, &settings, &mut submission::Login::new(account)))?;
    if let Some(accepted) = submitted.accepted.first() {
        place.remember(&settings, &accepted.endpoint.endpoint());
    }
    finish(receipt, submitted, &arguments.text, voice)
}

fn finish(mut receipt: Receipt, submitted: Submitted, text: &Text, voice: Voice) -> Result<u8, Failure> {
    for (line, accepted) in receipt.messages.iter_mut().zip(&submitted.accepted) {
        line.endpoint = Some(endpoint(accepted));
        line.reply = Some(accepted.reply.clone());
    }
    receipt.attempts = submitted.attempts.iter().map(words::attempt).collect();
    if submitted.notices_unheard && !submitted.accepted.is_empty() {
        receipt.warnings.push(WarningJson {
            kind: "no-notices",
            text: "the server does not offer DSN: no delivery notice will come".to_owned(),
        });
    }
    let Some(failure) = submitted.failure else {
        receipt.status = Status::Accepted;
        // Whoever reads the failure must not take it for one of the message.
        return print(&receipt, voice).map(|()| 0).map_err(|unwritten| Failure {
            text: format!("the message was accepted, but its receipt is lost: {}", unwritten.text),
            ..unwritten
        });
    };
    let (taken, unknown, reply) =
        (submitted.accepted.len(), failure.unknown(), failure.reply().map(ToString::to_string));
    let mut failure = Failure::from(failure);
    if taken == 0 && !unknown {
        failure.text = format!("nothing was sent: {}", failure.text);
        return Err(failure);
    }
    if taken > 0 {
        failure.text = format!("{taken} of {} messages were accepted, then: {}", receipt.messages.len(), failure.text);
    }
    if let Some(line) = receipt.messages.get_mut(taken) {
        line.reply = reply;
    }
    receipt.status = if taken == 0 { Status::Unknown } else { Status::Partly };
    // What may have been taken is not sent again unasked.
    let rest: Vec<_> = receipt.messages.iter().skip(taken + usize::from(unknown)).flat_map(|m| &m.recipients).collect();
    if !rest.is_empty() {
        let rest: Vec<_> = rest.iter().map(|recipient| recipient.address.clone()).collect();
        failure = rest::told(failure, std::env::args_os(), text, receipt.message_id.as_deref(), &rest);
    }
    if let Err(unwritten) = print(&receipt, voice) {
        // What became of the message decides the exit code, not what became of the receipt.
        failure.text = format!("{}; the receipt is lost too: {}", failure.text, unwritten.text);
    }
    Err(failure)
}

fn endpoint(accepted: &Accepted) -> EndpointJson {
    let at = &accepted.endpoint;
    EndpointJson {
        host: at.host.clone(),
        port: at.port,
        tls: at.tls.word(),
        protocol: at.protocol.clone(),
        group: at.group.clone(),
    }
}

/// The receipt as JSON on stdout or as words on stderr.
pub fn print(receipt: &Receipt, voice: Voice) -> Result<(), Failure> {
    if voice.json {
        voice.object(receipt)
    } else {
        voice.say(receipt);
        Ok(())
    }
}
