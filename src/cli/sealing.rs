//! What `send` and `seal` share: whose certificates, who signs, the plan, and the sealed messages.

mod certificates;
mod cures;
mod drift;
mod finding;
mod refreshing;
mod revocation;
mod signers;

use jiff::Timestamp;

use super::{
    composition::{self, Place},
    draft::Passing,
    exit::Kind,
    failure::{Failure, RecipientReason},
    grammar,
    receipt::{MessageJson, Receipt, RecipientJson, Status, WarningJson},
};
use crate::{
    config::{self, SmimeSettings},
    crypt::{
        PublicCertificate, Sealed, Suite, SuiteName,
        pgp::{self, Pgp},
        smime::{ContentEncryption, Form, Smime},
    },
    flow::{
        check::days_left,
        send::{self, Addressee, Assigned, Group, Missing, Signers, Terms},
    },
    mail::{Address, Draft, Field, MessageId, autocrypt},
};

pub use certificates::Certificates;
pub use cures::{cures, reason};
pub use drift::expect;

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
    account: &config::Account,
    arguments: &'a grammar::Sealing,
    place: &'a Place,
    known: &'a config::Recipients,
    passing: Option<&Passing>,
    at: Timestamp,
) -> Result<Decided<'a>, Failure> {
    let addresses = wanted(draft.recipients(), &arguments.only)?;
    if addresses.is_empty() {
        return Err(Failure::new(Kind::Usage, "the message has no recipient"));
    }
    let smime = place.config()?.smime().clone();
    let mut source = Certificates::read(&arguments.cert, place, known, &smime, &addresses, at)?;
    // What is sealed already is so in one suite.
    let suite = passing.map(|passing| passing.suite);
    let suite = suite.or(arguments.suite.map(|suite| match suite {
        grammar::SuiteArgument::Openpgp => SuiteName::OpenPgp,
        grammar::SuiteArgument::Smime => SuiteName::Smime,
    }));
    let terms = Terms { only: suite, lowest: account.trust };
    let mut warnings = refreshing::refresh(&addresses, &mut source, terms, place, at)?;
    let looking = finding::find_missing(&addresses, &mut source, terms, place, at)?;
    let assigned = send::assign(&addresses, &mut source, terms, at)
        .map_err(|missing| refused(&missing, &looking.in_vain, place))?;
    warnings.extend(looking.found);
    warnings.extend(assigned.iter().filter_map(|addressee| match addressee {
        Addressee::OpenPgp(assigned) => warning(assigned),
        Addressee::Smime(assigned) => warning(assigned),
    }));
    warnings.extend(revocation::check(&assigned, &source, &smime, place, at)?);
    let groups = send::group(draft, assigned, |recipients| form(recipients, account, known, &smime));
    Ok(Decided { groups, warnings, arguments, place, known, at })
}

/// Gives a draft the Message-ID that was asked for.
pub fn identify(draft: &mut Draft, arguments: &grammar::Sealing) -> Result<(), Failure> {
    let Some(text) = &arguments.message_id else { return Ok(()) };
    let id = MessageId::parse(text).map_err(|error| Failure::new(Kind::Usage, format!("--message-id: {error}")))?;
    let domain = draft.from.address.domain();
    // Another domain would tell servers more than From does.
    if !id.domain().eq_ignore_ascii_case(domain) {
        return Err(Failure::new(Kind::Usage, format!("--message-id {text}: its domain is not {domain}")));
    }
    draft.message_id = id;
    Ok(())
}

/// The recipients that this run is for: all of them, or those of `--only`.
fn wanted(recipients: Vec<Address>, only: &[String]) -> Result<Vec<Address>, Failure> {
    let mut chosen = Vec::new();
    for text in only.iter().flat_map(|list| list.split(',')) {
        let address = Address::parse(text.trim())
            .map_err(|error| Failure::new(Kind::Usage, format!("--only {text:?}: {error}")))?;
        if !recipients.contains(&address) {
            return Err(Failure::new(Kind::Usage, format!("--only {address}: it is no recipient of the message")));
        }
        chosen.push(address);
    }
    Ok(if only.is_empty() { recipients } else { recipients.into_iter().filter(|one| chosen.contains(one)).collect() })
}

/// AES-GCM where every recipient reads it: recipients.toml says so, else the account or the certificate does.
fn form(
    recipients: &[Assigned<Smime>],
    account: &config::Account,
    known: &config::Recipients,
    smime: &SmimeSettings,
) -> Form {
    let reads_gcm = |assigned: &Assigned<Smime>| {
        let set = known.pins_for(assigned.recipient.address()).and_then(|pin| pin.gcm);
        set.unwrap_or_else(|| account.gcm || assigned.recipient.usable().certificate().takes_gcm())
    };
    let gcm = recipients.iter().all(reads_gcm);
    let content = if gcm { ContentEncryption::Gcm } else { ContentEncryption::Cbc };
    Form { content, signature: smime.signature }
}

fn warning<S: Suite>(assigned: &Assigned<S>) -> Option<WarningJson> {
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

/// Of a signature of version 6 GnuPG 2.2 and Thunderbird 153 show nothing, nor of the message that has it.
fn unreadable(signers: &Signers, groups: &[Group], at: Timestamp) -> Option<WarningJson> {
    let signer = signers.openpgp.as_ref().filter(|signer| signer.certificate().version() > 4)?;
    let readers: Vec<_> = signers::readers_of_old(groups, at).iter().map(ToString::to_string).collect();
    (!readers.is_empty()).then(|| WarningJson {
        kind: "new-signature",
        text: format!(
            "key {} is of version 6, and {} may read with a program that shows nothing of what such a key signs",
            signer.certificate().fingerprint(),
            readers.join(", ")
        ),
    })
}

fn refused(missing: &[Missing], in_vain: &[(Address, String)], place: &Place) -> Failure {
    let names: Vec<_> = missing.iter().map(|one| one.address.to_string()).collect();
    let mut failure =
        Failure::new(Kind::Recipients, format!("nothing was sent: no usable certificate for {}", names.join(", ")));
    failure.recipients = missing
        .iter()
        .map(|one| {
            let looked = in_vain.iter().find(|(address, _)| *address == one.address);
            let looked = looked.map(|(_, why)| format!("; it was looked for: {why}")).unwrap_or_default();
            RecipientReason { address: one.address.to_string(), reason: reason(&one.reason) + &looked }
        })
        .collect();
    failure.hints = cures(missing.iter().map(|one| (one.address.to_string(), Some(&one.reason))), place);
    failure
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

    /// The sealed messages, signed by the author's keys or passed as they came; the receipt gets their ID and sizes.
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
                let from = &draft.from.address;
                let signers = signers::signers(from, &self.groups, self.arguments, account, self.place, self.at)?;
                receipt.warnings.extend(unreadable(&signers, &self.groups, self.at));
                let mut how = composition::how(account, &draft, self.known);
                if account.autocrypt {
                    how.autocrypt = self.autocrypt(&draft.from.address)?;
                }
                let mut uniques = composition::uniques()?;
                send::seal(draft, &self.groups, &signers, self.at, &how, &mut uniques)?
            }
        };
        for (line, sealed) in receipt.messages.iter_mut().zip(&messages) {
            line.bytes = Some(sealed.len());
        }
        Ok(messages)
    }

    /// One's own certificate, to be encrypted to by whoever answers; the newest that can be.
    fn autocrypt(&self, from: &Address) -> Result<Option<Field>, Failure> {
        let store = &self.place.keystore;
        let (own, lent) = (store.keys_for(from, self.at)?, store.agent_keys_for(from, self.at)?);
        let own = own
            .iter()
            .map(pgp::Key::certificate)
            .chain(lent.iter().map(pgp::AgentKey::certificate))
            .filter(|one| one.addresses(self.at).contains(from) && Pgp::check(one, &(), self.at).is_ok());
        let newest = own.max_by_key(PublicCertificate::created);
        Ok(newest.map(|one| autocrypt::field(from, &one.limited_to(from).to_bytes())))
    }

    /// Takes bytes that are sealed already, to just these recipients.
    fn pass(&self, from: &Address, bytes: Vec<u8>) -> Result<Sealed, Failure> {
        let refused = |why: &str| {
            let text = format!("the message is encrypted already, but not to just its recipients: {why}");
            Failure::new(Kind::Malformed, text)
        };
        match self.groups.as_slice() {
            [group] => send::pass(from, group, bytes).map_err(|error| refused(&error.to_string())),
            _ => Err(refused("a Bcc recipient, and one of another suite, needs a message apart")),
        }
    }
}

fn message(group: &Group, at: Timestamp) -> MessageJson {
    let recipients = match group {
        Group::OpenPgp(all) => all.iter().map(|assigned| recipient(assigned, at)).collect(),
        Group::Smime(all, _) => all.iter().map(|assigned| recipient(assigned, at)).collect(),
    };
    MessageJson { suite: group.suite(), bytes: None, recipients, endpoint: None, reply: None, file: None }
}

fn recipient<S: Suite>(assigned: &Assigned<S>, at: Timestamp) -> RecipientJson {
    let certificate = assigned.recipient.usable().certificate();
    RecipientJson {
        address: assigned.recipient.address().to_string(),
        fingerprint: certificate.fingerprint().to_string(),
        days_left: days_left(certificate, at),
        trust: assigned.trust.word(),
    }
}
