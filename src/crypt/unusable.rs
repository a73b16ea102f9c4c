//! Why a certificate cannot be encrypted to.

use jiff::Timestamp;

use super::Fingerprint;
use crate::mail::Address;

/// The reason, with its date or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It expired.
    #[error("certificate {fingerprint} expired on {}", day(.at))]
    Expired {
        /// Whose.
        fingerprint: Fingerprint,
        /// When.
        at: Timestamp,
    },
    /// It was revoked.
    #[error("certificate {fingerprint} was revoked{}", .at.as_ref().map(|at| format!(" on {}", day(at))).unwrap_or_default())]
    Revoked {
        /// Whose.
        fingerprint: Fingerprint,
        /// When, if it says so.
        at: Option<Timestamp>,
    },
    /// It is not valid yet.
    #[error("certificate {fingerprint} is valid from {} only", day(.at))]
    NotYetValid {
        /// Whose.
        fingerprint: Fingerprint,
        /// From when.
        at: Timestamp,
    },
    /// An algorithm or a size that no longer protects, named.
    #[error("certificate {fingerprint} is too weak: {what}")]
    Weak {
        /// Whose.
        fingerprint: Fingerprint,
        /// `RSA 1024`, `DSA`, `SHA-1 binding` and so on.
        what: String,
    },
    /// It has no key for encryption.
    #[error("certificate {fingerprint} cannot encrypt: it has no encryption key")]
    CannotEncrypt {
        /// Whose.
        fingerprint: Fingerprint,
    },
    /// It has no key for signing, or not its secret half.
    #[error("key {fingerprint} cannot sign")]
    CannotSign {
        /// Whose.
        fingerprint: Fingerprint,
    },
    /// Nothing says that it is genuine: no chain to a trust anchor, and no pin.
    #[error("certificate {fingerprint} is not trusted: {why}")]
    Untrusted {
        /// Whose.
        fingerprint: Fingerprint,
        /// What is wrong with its chain.
        why: String,
    },
    /// Its issuer made it for something else.
    #[error("certificate {fingerprint} is not made for this: {why}")]
    WrongUsage {
        /// Whose.
        fingerprint: Fingerprint,
        /// Which usage is missing.
        why: String,
    },
    /// It does not name the address.
    #[error("certificate {fingerprint} does not name {address}")]
    Misnamed {
        /// Whose.
        fingerprint: Fingerprint,
        /// The address asked for.
        address: Address,
    },
}

impl Unusable {
    /// Of which certificate or key.
    pub fn fingerprint(&self) -> &Fingerprint {
        match self {
            Self::Expired { fingerprint, .. }
            | Self::Revoked { fingerprint, .. }
            | Self::NotYetValid { fingerprint, .. }
            | Self::Weak { fingerprint, .. }
            | Self::CannotEncrypt { fingerprint }
            | Self::CannotSign { fingerprint }
            | Self::Untrusted { fingerprint, .. }
            | Self::WrongUsage { fingerprint, .. }
            | Self::Misnamed { fingerprint, .. } => fingerprint,
        }
    }
}

fn day(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
