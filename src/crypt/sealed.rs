//! The only thing that can be submitted: an envelope and the bytes of a sealed message.

use std::{collections::HashSet, fmt};

use super::{
    AgentFailure, Recipients, Suite, SuiteName, Unusable,
    look::{Header, Hidden},
};
use crate::mail::Envelope;

/// An envelope and the wire bytes that go with it, CRLF line breaks, lines of at most 998 bytes, not yet
/// dot-stuffed. Its fields are private; a suite makes it:
///
/// ```compile_fail
/// # use sealpost::{crypt::{Sealed, SuiteName}, mail::Envelope};
/// fn forge(envelope: Envelope) -> Sealed { Sealed { suite: SuiteName::OpenPgp, envelope, pieces: vec![b"hello".to_vec()], smtputf8: false } }
/// ```
///
/// ```
/// # use sealpost::crypt::Sealed;
/// fn size(sealed: &Sealed) -> usize { sealed.len() }
/// ```
pub struct Sealed {
    suite: SuiteName,
    envelope: Envelope,
    pieces: Vec<Vec<u8>>,
    smtputf8: bool,
}

/// Why a message cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The signing key cannot sign now.
    #[error(transparent)]
    Signer(#[from] Unusable),
    /// The signing key is in an agent, which did not sign.
    #[error(transparent)]
    Agent(#[from] Box<AgentFailure>),
    /// The crypto library failed; its own words.
    #[error("sealing failed: {0}")]
    Library(String),
    /// The last look at the final bytes found what must not be there. Nothing was sent.
    #[error("the last look refused the message: {0}")]
    LastLook(&'static str),
}

impl Sealed {
    /// Takes finished wire bytes after a last look at them.
    ///
    /// # Errors
    /// [`SealError::LastLook`] unless they are a message sealed to just these recipients that shows nothing of what
    /// is hidden.
    pub(in crate::crypt) fn new<S: Suite>(
        pieces: Vec<Vec<u8>>,
        envelope: Envelope,
        recipients: &Recipients<S>,
        hidden: Hidden<'_>,
    ) -> Result<Self, SealError> {
        Self::after_look(pieces, envelope, recipients, hidden, true)
    }

    fn after_look<S: Suite>(
        pieces: Vec<Vec<u8>>,
        envelope: Envelope,
        recipients: &Recipients<S>,
        hidden: Hidden<'_>,
        made_here: bool,
    ) -> Result<Self, SealError> {
        let look = || -> Result<Header, &'static str> {
            let sealed_for: HashSet<_> = recipients.iter().map(|recipient| recipient.address()).collect();
            if sealed_for != envelope.to().iter().collect() {
                return Err("its envelope and its recipients are not the same");
            }
            let header: Header = S::look(&pieces, recipients, made_here)?;
            header.look(hidden)?;
            Ok(header)
        };
        let header = look().map_err(SealError::LastLook)?;
        let smtputf8 = header.needs_smtputf8() || envelope.needs_smtputf8();
        Ok(Self { suite: S::NAME, envelope, pieces, smtputf8 })
    }

    /// Takes bytes that are said to be sealed already: the input of `seal`, or what leaves the outbox.
    ///
    /// # Errors
    /// [`SealError::LastLook`] at any doubt: they are not encrypted, or to others than just these recipients, or they
    /// carry anything beside the ciphertext.
    pub fn parse<S: Suite>(bytes: Vec<u8>, envelope: Envelope, recipients: &Recipients<S>) -> Result<Self, SealError> {
        Self::after_look(vec![bytes], envelope, recipients, Hidden::default(), false)
    }

    /// Any bytes, for tests of what comes after sealing.
    #[cfg(test)]
    pub(crate) fn stand_in(envelope: Envelope, bytes: &[u8]) -> Self {
        let smtputf8 = envelope.needs_smtputf8();
        Self { suite: SuiteName::OpenPgp, envelope, pieces: vec![bytes.to_vec()], smtputf8 }
    }

    /// Of which suite.
    pub fn suite(&self) -> SuiteName {
        self.suite
    }

    /// Who hands it on and to whom.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Whether the server must offer SMTPUTF8: an address in the envelope or the header is not ASCII (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        self.smtputf8
    }

    /// The wire bytes in order; a piece may end in mid-line.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice)
    }

    /// The size of the wire message in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Never: a sealed message has a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}, {} bytes)", self.suite, self.len())
    }
}
