//! What verifying one signature tells, whatever the suite, and why a layer does not open.

use jiff::{SignedDuration, Timestamp};

use super::{AgentFailure, Fingerprint};
use crate::mail::Address;

/// One signature as cryptography and certificate policy see it; whether it speaks for the message is judged
/// above, from all of them.
#[derive(Clone, Debug)]
pub struct SignatureFact {
    /// Whether it holds.
    pub verdict: Verdict,
    /// The certificate that made it, where one is at hand.
    pub certificate: Option<SignerCertificate>,
    /// What the signature itself names as its maker: fingerprint, key ID, or issuer and serial; empty if nothing.
    pub issuer: String,
    /// When it says that it was made.
    pub created: Option<Timestamp>,
    /// What a verdict other than good rests on, in words, where the reason alone says too little; of a good one, what
    /// a reader should know besides.
    pub detail: Option<String>,
}

/// By how much clocks may differ.
pub(in crate::crypt) const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Whether something that was signed at a time is not valid yet at another, whatever the clocks.
pub(in crate::crypt) fn is_ahead(signed: Timestamp, at: Timestamp) -> bool {
    signed.duration_since(at) > CLOCK_TOLERANCE
}

/// Who made a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCertificate {
    /// Of the certificate (OpenPGP: of the primary key).
    pub fingerprint: Fingerprint,
    /// The addresses that it names at the time of judging.
    pub addresses: Vec<Address>,
    /// Whether its key is weaker than is advised, though it still counts.
    pub weak: bool,
}

/// Whether a signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds over what it covers, with strong algorithms, by a genuine certificate.
    Good,
    /// It may hold.
    Unknown(UnknownReason),
    /// It does not hold.
    Bad(BadReason),
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownReason {
    /// No certificate at hand.
    NoCertificate,
    /// A certificate, but nothing says that it is genuine.
    Untrusted,
}

/// Why a signature does not count (`signature.reason` in the JSON of `open`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BadReason {
    /// Wrong as mathematics, or bound to other recipients.
    Invalid,
    /// Announced and not there.
    Missing,
    /// SHA-1, MD5, RSA under 2048 bits and the like.
    Weak,
    /// The certificate or the signature had expired.
    Expired,
    /// The certificate was revoked.
    Revoked,
    /// Made after the time of judging, or before its certificate was valid.
    NotYetValid,
    /// Its certificate does not bear the From address.
    WrongSigner,
    /// Several From fields.
    SeveralFrom,
    /// No From field.
    NoFrom,
    /// Several signature layers.
    SeveralLayers,
    /// Not readable as a signature.
    Malformed,
}

/// Why a layer does not open. Every failure of key, padding, tag, MDC, algorithm or truncation is
/// `Undecryptable`, without more: no oracle (RFC 9580, 13.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not of the form that the standard asks for.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// None of the keys at hand is a recipient; the key IDs that the message names (hidden ones left out).
    #[error("no key at hand opens this message")]
    NoKey {
        /// Key IDs or fingerprints in upper-case hexadecimal.
        recipients: Vec<String>,
        /// Whether there are others, whom it does not name.
        hidden: bool,
    },
    /// A key that may open it is in an agent, which did not.
    #[error(transparent)]
    Agent(#[from] Box<AgentFailure>),
    /// All else.
    #[error("the message cannot be decrypted")]
    Undecryptable,
    /// A form that only GnuPG knows: packet 20, its own AEAD.
    #[error("the message is encrypted in a form that only GnuPG reads (packet 20, OCB)")]
    GnupgOnly,
    /// Larger, deeper or more than allowed.
    #[error("the message exceeds a limit: {0}")]
    Limit(&'static str),
}
