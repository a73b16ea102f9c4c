//! Path validation to the trust anchors at a given time (RFC 5280, 6; RFC 8550, 4), with revocation by CRLs.

use jiff::Timestamp;

use super::{Certificate, CertificateError};

/// Trust anchors, certificates that may lie between, and revocation lists.
#[derive(Clone, Debug, Default)]
pub struct Authorities {}

/// For what a certificate is to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Signing mail.
    Sign,
    /// Encrypting mail to it.
    Encrypt,
}

/// Why a certificate has no chain that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// No chain to an anchor, or one that breaks a rule; in words.
    #[error("{0}")]
    Untrusted(String),
    /// A certificate of the chain had expired.
    #[error("it expired on {}", .0.strftime("%Y-%m-%d"))]
    Expired(Timestamp),
    /// A certificate of the chain is not valid yet.
    #[error("it is valid from {} only", .0.strftime("%Y-%m-%d"))]
    NotYetValid(Timestamp),
    /// A certificate of the chain was revoked.
    #[error("it was revoked")]
    Revoked(Option<Timestamp>),
    /// An algorithm or a size of the chain that no longer protects.
    #[error("it is too weak: {0}")]
    Weak(String),
    /// It is not made for this use of mail.
    #[error("{0}")]
    WrongUsage(String),
}

impl Authorities {
    /// Adds anchors from PEM or DER; lists of revoked certificates in it count too. Gives how many there were.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn add_anchors(&mut self, _bytes: &[u8]) -> Result<usize, CertificateError> {
        Err(CertificateError::Broken)
    }

    /// Adds lists of revoked certificates from PEM or DER.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn add_revocations(&mut self, _bytes: &[u8]) -> Result<usize, CertificateError> {
        Err(CertificateError::Broken)
    }

    /// Adds certificates that may lie between an anchor and a leaf. They are trusted for nothing.
    pub fn add_intermediates(&mut self, _certificates: impl IntoIterator<Item = Certificate>) {}

    /// Whether there is no anchor.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Validates the path of a certificate at a time.
    pub(super) fn judge(
        &self,
        _leaf: &Certificate,
        _between: &[Certificate],
        _purpose: Purpose,
        _at: Timestamp,
    ) -> Result<(), ChainFault> {
        Err(ChainFault::Untrusted("chains are not judged yet".to_owned()))
    }
}
