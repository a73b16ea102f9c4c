//! From a draft to sealed messages, all or nothing: a certificate for every recipient, groups, composing,
//! sealing. Nothing goes on the wire before the last group is sealed.

mod assign;
mod group;

use jiff::Timestamp;

use crate::{
    crypt::{PayloadUse, Recipients, SealError, Sealed, Sealing, Suite, pgp, smime},
    mail::{Address, ComposeError, Composed, Composition, Draft, Envelope, Field, Uniques, compose},
    submit::{self, Accepted, Attempt, Secrets, Session, Settings},
};

pub use crate::crypt::Trust;
pub use assign::{
    Addressee, Assigned, Candidate, Candidates, CertificateSource, Missing, MissingReason, Rival, Terms, assign,
};
pub use group::{Group, group};

/// Who signs, in each suite; none encrypts only.
#[derive(Default)]
pub struct Signers {
    /// In OpenPGP.
    pub openpgp: Option<pgp::Signer>,
    /// In S/MIME.
    pub smime: Option<smime::Signer>,
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

/// Composes a draft once and seals it for each group. The draft is used up, and the payload with the last group.
pub fn seal(
    mut draft: Draft,
    groups: &[Group],
    signers: &Signers,
    at: Timestamp,
    how: &Composition,
    uniques: &mut Uniques,
) -> Result<Vec<Sealed>, SealFailure> {
    let composed = compose(&mut draft, how, uniques)?;
    let from = draft.from.address.clone();
    let visible: std::collections::HashSet<Address> =
        draft.to.iter().chain(&draft.cc).map(|mailbox| mailbox.address.clone()).collect();
    let unseen: Vec<Address> = draft
        .bcc
        .iter()
        .map(|mailbox| mailbox.address.clone())
        .filter(|a| !visible.contains(a) && *a != from)
        .collect();
    draft.content.wipe();

    let Composed { payload, outer, confidential_subject } = composed;
    let message = Message { from, outer, confidential_subject, unseen, at };
    let (last, others) = groups.split_last().ok_or(SealFailure::NoRecipient)?;
    let mut messages = Vec::with_capacity(groups.len());
    for group in others {
        messages.push(message.seal(group, signers, PayloadUse::Borrowed(&payload), &uniques.boundary())?);
    }
    messages.push(message.seal(last, signers, PayloadUse::Owned(payload), &uniques.boundary())?);
    Ok(messages)
}

/// What is the same in the messages to all groups.
struct Message {
    from: Address,
    outer: Vec<Field>,
    confidential_subject: Option<String>,
    unseen: Vec<Address>,
    at: Timestamp,
}

impl Message {
    fn seal(
        &self,
        group: &Group,
        signers: &Signers,
        payload: PayloadUse<'_>,
        boundary: &str,
    ) -> Result<Sealed, SealFailure> {
        match group {
            Group::OpenPgp(to) => self.seal_in::<pgp::Pgp>(to, signers.openpgp.as_ref(), (), payload, boundary),
            Group::Smime(to, form) => {
                self.seal_in::<smime::Smime>(to, signers.smime.as_ref(), *form, payload, boundary)
            }
        }
    }

    fn seal_in<S: Suite>(
        &self,
        recipients: &[Assigned<S>],
        signer: Option<&S::Signer>,
        form: S::Form,
        payload: PayloadUse<'_>,
        boundary: &str,
    ) -> Result<Sealed, SealFailure> {
        let (envelope, recipients) = envelope(&self.from, recipients).ok_or(SealFailure::NoRecipient)?;
        let sealed = S::seal(Sealing {
            payload,
            outer: &self.outer,
            confidential_subject: self.confidential_subject.as_deref(),
            unseen: &self.unseen,
            envelope,
            recipients: &recipients,
            signer,
            form,
            at: self.at,
            boundary,
        })?;
        Ok(sealed)
    }
}

/// Takes a message that is sealed already, to just the recipients of a group.
///
/// # Errors
/// [`SealError::LastLook`] at any doubt.
pub fn pass(from: &Address, group: &Group, bytes: Vec<u8>) -> Result<Sealed, SealFailure> {
    fn pass_in<S: Suite>(from: &Address, to: &[Assigned<S>], bytes: Vec<u8>) -> Result<Sealed, SealFailure> {
        let (envelope, recipients) = envelope(from, to).ok_or(SealFailure::NoRecipient)?;
        Ok(Sealed::parse(bytes, envelope, &recipients)?)
    }
    match group {
        Group::OpenPgp(to) => pass_in(from, to, bytes),
        Group::Smime(to, _) => pass_in(from, to, bytes),
    }
}

fn envelope<S: Suite>(from: &Address, to: &[Assigned<S>]) -> Option<(Envelope, Recipients<S>)> {
    let recipients: Vec<_> = to.iter().map(|assigned| assigned.recipient.clone()).collect();
    let addresses = recipients.iter().map(|recipient| recipient.address().clone()).collect();
    Some((Envelope::new(from.clone(), addresses).ok()?, Recipients::new(recipients)?))
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
