//! From a draft to sealed messages, all or nothing: a certificate for every recipient, groups, composing,
//! sealing. Nothing goes on the wire before the last group is sealed (DESIGN.md, "send").

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    crypt::{
        Binding, Fingerprint, PayloadUse, Recipient, Recipients, SealError, Sealed, Sealing, Suite, Unusable,
        pgp::{Certificate, Pgp, Signer},
    },
    mail::{Address, ComposeError, Composition, Draft, Envelope, Uniques, compose},
    submit::{self, Accepted, Attempt, Secrets, Session, Settings},
};

/// Where certificates are looked up.
pub trait CertificateSource {
    /// All certificates that may stand for an address.
    fn candidates(&mut self, address: &Address) -> Result<Vec<Candidate>, MissingReason>;
}

/// A certificate that may stand for an address.
#[derive(Clone)]
pub struct Candidate {
    /// The certificate, not yet judged.
    pub certificate: Certificate,
    /// What ties it to the address.
    pub binding: Binding,
    /// How it is known.
    pub trust: Trust,
}

/// How a certificate is known; a later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Imported by hand into the store.
    Imported,
    /// Given on the command line for this run.
    Given,
    /// By its full fingerprint.
    Pinned,
}

/// A recipient with the certificate that was chosen.
#[derive(Clone)]
pub struct Assigned {
    /// Address and usable certificate.
    pub recipient: Recipient<Pgp>,
    /// How the certificate is known.
    pub trust: Trust,
}

/// A recipient that cannot be encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Whom.
    pub address: Address,
    /// Why.
    pub reason: MissingReason,
}

/// Why a recipient cannot be encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingReason {
    /// No certificate names it.
    NoCertificate,
    /// There are certificates, each refused for its reason; at least one.
    Unusable(Vec<Unusable>),
    /// The pinned certificates are not in the store.
    PinnedAbsent(Vec<Fingerprint>),
    /// This certificate was given, and it is none of those that are pinned.
    NotPinned(Fingerprint),
    /// The look-up failed, in its own words.
    LookUp(String),
}

/// Recipients of one message.
#[derive(Clone)]
pub struct Group {
    /// At least one.
    pub recipients: Vec<Assigned>,
}

/// Why sealing ended.
#[derive(Debug, thiserror::Error)]
pub enum SealFailure {
    /// The draft cannot be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A group cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// There is nobody to seal for.
    #[error("the message has no recipient")]
    NoRecipient,
}

impl std::fmt::Display for MissingReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("no certificate"),
            Self::Unusable(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                f.write_str(&reasons.join("; "))
            }
            Self::PinnedAbsent(pins) => {
                let pins: Vec<_> = pins.iter().map(Fingerprint::as_str).collect();
                write!(f, "the pinned certificate {} is not in the store", pins.join(" or "))
            }
            Self::NotPinned(other) => write!(f, "certificate {other} is not the one that is pinned"),
            Self::LookUp(why) => write!(f, "the look-up failed: {why}"),
        }
    }
}

impl Trust {
    /// The word of the receipt.
    pub fn word(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Given => "given",
            Self::Pinned => "pinned",
        }
    }
}

/// Finds a usable certificate for every recipient, or names all that have none.
///
/// Of several usable ones the strongest known wins, then the newest.
///
/// # Errors
/// Every recipient without a usable certificate; a failed look-up counts as none.
pub fn assign(
    recipients: &[Address],
    source: &mut impl CertificateSource,
    at: Timestamp,
) -> Result<Vec<Assigned>, Vec<Missing>> {
    let mut assigned = Vec::with_capacity(recipients.len());
    let mut missing = Vec::new();
    for address in recipients {
        let choice = source.candidates(address).and_then(|candidates| choose(address, candidates, at));
        match choice {
            Ok(recipient) => assigned.push(recipient),
            Err(reason) => missing.push(Missing { address: address.clone(), reason }),
        }
    }
    if missing.is_empty() { Ok(assigned) } else { Err(missing) }
}

fn choose(address: &Address, mut candidates: Vec<Candidate>, at: Timestamp) -> Result<Assigned, MissingReason> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse((candidate.trust, candidate.certificate.created())));
    let mut refused = Vec::new();
    for Candidate { certificate, binding, trust } in candidates {
        let usable =
            Pgp::check(&certificate, &(), at).and_then(|usable| Recipient::new(address.clone(), usable, binding));
        match usable {
            Ok(recipient) => return Ok(Assigned { recipient, trust }),
            Err(reason) => refused.push(reason),
        }
    }
    Err(if refused.is_empty() { MissingReason::NoCertificate } else { MissingReason::Unusable(refused) })
}

/// Splits recipients into messages: one for all whom everybody sees, one for each Bcc recipient.
pub fn group(draft: &Draft, assigned: Vec<Assigned>) -> Vec<Group> {
    let mut by_address: HashMap<Address, Assigned> =
        assigned.into_iter().map(|assigned| (assigned.recipient.address().clone(), assigned)).collect();
    let visible: Vec<_> =
        draft.to.iter().chain(&draft.cc).filter_map(|mailbox| by_address.remove(&mailbox.address)).collect();
    let hidden: Vec<_> = draft.bcc.iter().filter_map(|mailbox| by_address.remove(&mailbox.address)).collect();
    let visible = (!visible.is_empty()).then_some(Group { recipients: visible });
    visible.into_iter().chain(hidden.into_iter().map(|one| Group { recipients: vec![one] })).collect()
}

/// Composes a draft once and seals it for each group. The draft is used up, and the payload with the last group.
pub fn seal(
    draft: Draft,
    groups: &[Group],
    signer: Option<&Signer>,
    at: Timestamp,
    how: &Composition,
    uniques: &mut Uniques,
) -> Result<Vec<Sealed>, SealFailure> {
    let draft = draft.with_canonical_text();
    let composed = compose(&draft, how, uniques)?;
    let from = draft.from.address.clone();
    let visible: std::collections::HashSet<Address> =
        draft.to.iter().chain(&draft.cc).map(|mailbox| mailbox.address.clone()).collect();
    let unseen: Vec<Address> = draft
        .bcc
        .iter()
        .map(|mailbox| mailbox.address.clone())
        .filter(|a| !visible.contains(a) && *a != from)
        .collect();
    drop(draft);

    let (last, others) = groups.split_last().ok_or(SealFailure::NoRecipient)?;
    let mut one = |group: &Group, payload: PayloadUse<'_>| -> Result<Sealed, SealFailure> {
        let recipients: Vec<_> = group.recipients.iter().map(|assigned| assigned.recipient.clone()).collect();
        let addresses = recipients.iter().map(|recipient| recipient.address().clone()).collect();
        let envelope = Envelope::new(from.clone(), addresses).map_err(|_| SealFailure::NoRecipient)?;
        let recipients = Recipients::new(recipients).ok_or(SealFailure::NoRecipient)?;
        let sealed = Pgp::seal(Sealing {
            payload,
            outer: &composed.outer,
            confidential_subject: composed.confidential_subject.as_deref(),
            unseen: &unseen,
            envelope,
            recipients: &recipients,
            signer,
            form: (),
            at,
            boundary: &uniques.boundary(),
        })?;
        Ok(sealed)
    };
    let mut messages = Vec::with_capacity(groups.len());
    for group in others {
        messages.push(one(group, PayloadUse::Borrowed(&composed.payload))?);
    }
    messages.push(one(last, PayloadUse::Owned(composed.payload))?);
    Ok(messages)
}

/// What became of a run of messages.
#[derive(Debug)]
pub struct Submitted {
    /// One for each message that a server took, in order.
    pub accepted: Vec<Accepted>,
    /// The endpoints that were tried before the one that took them.
    pub attempts: Vec<Attempt>,
    /// What ended the run before the last message.
    pub failure: Option<submit::Failure>,
    /// Whether a delivery notice was wanted, and the server offers none (RFC 3461).
    pub notices_unheard: bool,
}

/// Submits all messages over one session, in order; the first failure ends the run.
pub async fn submit(messages: &[Sealed], settings: &Settings, secrets: &mut dyn Secrets) -> Submitted {
    let mut submitted = Submitted { accepted: Vec::new(), attempts: Vec::new(), failure: None, notices_unheard: false };
    let mut session = match Session::connect(settings, secrets).await {
        Ok(session) => session,
        Err(failure) => return Submitted { failure: Some(failure), ..submitted },
    };
    submitted.notices_unheard = settings.dsn.is_some() && !session.offers().dsn;
    for sealed in messages {
        match session.submit(sealed).await {
            Ok(accepted) => {
                submitted.attempts.clone_from(&accepted.attempts);
                submitted.accepted.push(accepted);
            }
            Err(failure) => {
                submitted.failure = Some(failure);
                break;
            }
        }
    }
    session.quit().await;
    submitted
}
