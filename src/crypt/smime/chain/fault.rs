//! What is wrong with a chain, in our words.

use jiff::Timestamp;
use openssl::x509::{X509, X509VerifyResult};

use super::super::Certificate;
use crate::crypt::PublicCertificate;

/// Why a certificate has no chain that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// No chain to an anchor, or one that breaks a rule; in words.
    #[error("{0}")]
    Untrusted(String),
    /// It had expired.
    #[error("it expired on {}", .0.strftime("%Y-%m-%d"))]
    Expired(Timestamp),
    /// It is not valid yet.
    #[error("it is valid from {} only", .0.strftime("%Y-%m-%d"))]
    NotYetValid(Timestamp),
    /// It was revoked.
    #[error("it was revoked{}", .0.map(|at| at.strftime(" on %Y-%m-%d").to_string()).unwrap_or_default())]
    Revoked(Option<Timestamp>),
    /// An algorithm or a size that no longer protects.
    #[error("it is too weak: {0}")]
    Weak(String),
    /// It is not made for this use of mail.
    #[error("{0}")]
    WrongUsage(String),
    /// The fault is with another certificate of its chain.
    #[error("of {subject} in its chain: {fault}")]
    Issuer {
        /// Whose it is.
        subject: String,
        /// What is wrong with that one; never this variant again.
        fault: Box<ChainFault>,
    },
}

pub(super) const NOT_PERMITTED: &str = "it has a name that its issuers may not give: none of those permitted";
pub(super) const EXCLUDED: &str = "it has a name that its issuers may not give: one of those excluded";

impl ChainFault {
    /// The same, with another certificate of the chain.
    pub(super) fn of_issuer(self, subject: String) -> Self {
        Self::Issuer { subject, fault: Box::new(self) }
    }
}

/// What libcrypto found, at which place of the chain.
pub(super) fn of(error: X509VerifyResult, depth: u32, at_fault: Option<X509>, leaf: &Certificate) -> ChainFault {
    let issuer = at_fault.filter(|_| depth > 0).and_then(|x509| Certificate::from_x509(x509).ok());
    let fault = fault(error.as_raw(), error.error_string(), issuer.as_ref().unwrap_or(leaf));
    match issuer {
        Some(issuer) => fault.of_issuer(issuer.subject()),
        None => fault,
    }
}

/// The numbers are those of `X509_STORE_CTX_get_error(3)`; they are fixed.
fn fault(error: i32, library: &str, one: &Certificate) -> ChainFault {
    let untrusted = |why: &str| ChainFault::Untrusted(why.to_owned());
    match error {
        9 => ChainFault::NotYetValid(one.created()),
        10 => ChainFault::Expired(one.not_after()),
        23 => ChainFault::Revoked(None),
        66 | 67 if one.rsa_bits().is_none_or(|bits| bits < 2048) => ChainFault::Weak(one.algorithms()),
        68 => {
            let name = one.x509.signature_algorithm().object().nid().long_name().unwrap_or("its signature");
            ChainFault::Weak(format!("signed with {name}"))
        }
        26 => ChainFault::WrongUsage("it is not made for mail".to_owned()),
        2 | 20 | 21 => ChainFault::Untrusted(format!(
            "no certificate of its issuer {} is at hand, and it is no trust anchor",
            one.issuer()
        )),
        18 => untrusted("it is self-signed, and no trust anchor"),
        19 => untrusted("it is the end of the chain, and no trust anchor"),
        4 | 7 => untrusted("its signature is not that of its issuer"),
        6 | 66 | 67 => untrusted("its key cannot be used for chains"),
        22 => untrusted("the chain is too long"),
        25 => untrusted("it does not allow so many authorities beneath it"),
        24 | 79 => untrusted("it is no authority's"),
        32 => untrusted("its key usage does not allow issuing"),
        34 => untrusted("it has a critical extension that is not known"),
        40 => untrusted("it is a proxy certificate"),
        41 => untrusted("it has an extension that cannot be read"),
        47 => untrusted(NOT_PERMITTED),
        48 => untrusted(EXCLUDED),
        49 | 51 | 52 | 53 => untrusted("it has names, or its issuers limit names, in a way that cannot be checked"),
        94 => untrusted("its key is on a curve of its own"),
        _ => ChainFault::Untrusted(library.to_lowercase()),
    }
}
