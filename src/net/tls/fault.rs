//! Why TLS did not come about.

use openssl::{
    ssl::{Error, ErrorCode, SslRef},
    x509::X509VerifyResult,
};

/// The reason, as far as OpenSSL tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Bytes in clear where TLS was to begin.
    #[error("bytes in clear came where TLS was to begin")]
    Clear,
    /// The certificate does not prove the host.
    #[error("the certificate of {host} {fault}")]
    Certificate {
        /// Whose certificate it was to be.
        host: String,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// Closed or reset before a byte of TLS came.
    #[error("the connection was closed before TLS began")]
    Refused,
    /// Closed or reset in the middle.
    #[error("the connection was closed during the TLS handshake")]
    Closed,
    /// No common version, cipher or group, an alert, a broken message; OpenSSL's reason.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
}

/// What is wrong with a certificate or its chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Its time is over, or that of an issuer.
    #[error("has expired")]
    Expired,
    /// Its time has not come.
    #[error("is not valid yet")]
    NotYetValid,
    /// It names another host.
    #[error("is for another host")]
    OtherHost,
    /// No root at hand stands for it.
    #[error("comes from an unknown certificate authority")]
    UnknownAuthority,
    /// It stands for itself only.
    #[error("is self-signed")]
    SelfSigned,
    /// It was revoked.
    #[error("was revoked")]
    Revoked,
    /// Too small a key or too weak a digest.
    #[error("is too weak: {0}")]
    Weak(&'static str),
    /// Anything else, in OpenSSL's words.
    #[error("is not acceptable: {0}")]
    Other(&'static str),
}

impl TlsFault {
    pub(super) fn of(host: &str, error: &Error, ssl: &SslRef, first: Option<u8>) -> Self {
        let verdict = ssl.verify_result();
        if verdict != X509VerifyResult::OK {
            return Self::Certificate { host: host.to_owned(), fault: CertificateFault::of(verdict) };
        }
        // The first byte of a record: 20 to 23 (RFC 8446, 5.1).
        match (first, error.code()) {
            (Some(first), _) if !(20..=23).contains(&first) => Self::Clear,
            (None, ErrorCode::SYSCALL | ErrorCode::ZERO_RETURN | ErrorCode::SSL) => Self::Refused,
            (Some(_), ErrorCode::SYSCALL | ErrorCode::ZERO_RETURN) => Self::Closed,
            _ => match error.ssl_error().and_then(|stack| stack.errors().first()).and_then(|first| first.reason()) {
                Some("unexpected eof while reading") => Self::Closed,
                Some(reason) => Self::Handshake(reason.to_owned()),
                None => Self::Handshake(error.to_string()),
            },
        }
    }
}

impl CertificateFault {
    fn of(verdict: X509VerifyResult) -> Self {
        // x509_vfy.h of OpenSSL; the codes are part of its stable interface.
        match verdict.as_raw() {
            10 => Self::Expired,
            9 => Self::NotYetValid,
            62 | 64 => Self::OtherHost,
            2 | 7 | 19 | 20 | 21 | 27 => Self::UnknownAuthority,
            18 => Self::SelfSigned,
            23 => Self::Revoked,
            66..=68 => Self::Weak(verdict.error_string()),
            _ => Self::Other(verdict.error_string()),
        }
    }
}
