//! X.509 certificates: reading, writing and describing them (RFC 5280, RFC 8550).

mod facts;
mod key;
mod limits;
mod name;
mod parse;

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use openssl::{
    nid::Nid,
    pkey::{PKey, Public},
    x509::{X509, X509NameRef},
};

use self::{facts::Facts, limits::Limits};
use super::{Announced, Capabilities};
use crate::{
    crypt::{Fingerprint, PublicCertificate},
    mail::Address,
};

pub(super) use facts::{KeyUsage, timestamp};
pub(super) use key::KeyKind;
pub(super) use parse::{children, parse_revocations};

/// An X.509 certificate.
#[derive(Clone)]
pub struct Certificate {
    pub(super) x509: X509,
    facts: Arc<Facts>,
    /// From a signature of its holder's.
    announced: Option<Announced>,
}

/// How the line begins of what a holder announced.
const ANNOUNCED: &str = "announced: ";

/// Why bytes are no certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Nothing there.
    #[error("the input is empty")]
    Empty,
    /// Larger than any bundle that is read here; the limit in bytes.
    #[error("the input is larger than {0} bytes")]
    TooLarge(usize),
    /// More of them than are read here; the limit.
    #[error("the input holds more than {0} certificates")]
    TooMany(usize),
    /// Something else, named.
    #[error("this is not an X.509 certificate but {0}")]
    SomethingElse(&'static str),
    /// Something else where a key was asked for, named.
    #[error("this is not a key but {0}")]
    NotKey(&'static str),
    /// Certificates where a key was asked for.
    #[error("there is no secret key in it, only certificates")]
    NoSecret,
    /// Something else where lists of revoked certificates are due, named.
    #[error("this is not a revocation list but {0}")]
    NoRevocations(&'static str),
    /// It looks like a certificate and cannot be read.
    #[error("the X.509 certificate cannot be read")]
    Broken,
}

impl Certificate {
    /// Reads every certificate in some bytes: PEM (one or several, other PEM blocks are passed over), DER, a PKCS#7
    /// bundle; at most 64 MiB.
    ///
    /// # Errors
    /// [`CertificateError`], saying what it was if it was no certificate.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        parse::parse_all(bytes)
    }

    /// Reads one certificate in DER, with nothing behind it.
    ///
    /// # Errors
    /// [`CertificateError::Broken`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = Self::from_x509(X509::from_der(der).map_err(|_| CertificateError::Broken)?)?;
        // Its fingerprint is of these bytes.
        if certificate.to_der() == der { Ok(certificate) } else { Err(CertificateError::Broken) }
    }

    /// Takes one that libcrypto read.
    ///
    /// # Errors
    /// [`CertificateError::Broken`].
    pub(super) fn from_x509(x509: X509) -> Result<Self, CertificateError> {
        let der = x509.to_der().map_err(|_| CertificateError::Broken)?;
        let facts = facts::read(&der, &x509).ok_or(CertificateError::Broken)?;
        Ok(Self { x509, facts: Arc::new(facts), announced: None })
    }

    /// The same, with what a good signature of its holder's said that he reads, unless it knows something newer.
    #[must_use]
    pub fn announcing(self, announced: Announced) -> Self {
        let newest = self.announced.filter(|known| known.at >= announced.at).unwrap_or(announced);
        Self { announced: Some(newest), ..self }
    }

    /// What its holder said that he reads.
    pub fn announced(&self) -> Option<Announced> {
        self.announced
    }

    /// Its form in a store: PEM, below a line of what its holder announced.
    pub fn to_stored(&self) -> String {
        match self.announced {
            Some(announced) => format!("{ANNOUNCED}{announced}\n{}", self.to_pem()),
            None => self.to_pem(),
        }
    }

    /// Reads what [`to_stored`](Self::to_stored) wrote; several certificates too.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn parse_stored(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let line = bytes.split(|byte| *byte == b'\n').next().and_then(|line| str::from_utf8(line).ok());
        let announced = line.and_then(|line| line.strip_prefix(ANNOUNCED)).and_then(Announced::parse);
        let all = Self::parse_all(bytes)?.into_iter();
        Ok(all.map(|one| announced.map_or(one.clone(), |announced| one.announcing(announced))).collect())
    }

    /// Its DER form.
    pub fn to_der(&self) -> Vec<u8> {
        self.x509.to_der().unwrap_or_default()
    }

    /// Its PEM form.
    pub fn to_pem(&self) -> String {
        self.x509.to_pem().ok().and_then(|pem| String::from_utf8(pem).ok()).unwrap_or_default()
    }

    /// Its subject as RFC 4514 writes names; control characters are as they are.
    pub fn subject(&self) -> String {
        self.facts.subject.clone()
    }

    /// Its issuer, like [`subject`](Self::subject).
    pub fn issuer(&self) -> String {
        self.facts.issuer.clone()
    }

    /// Its serial number in upper-case hexadecimal.
    pub fn serial(&self) -> String {
        self.facts.serial.clone()
    }

    /// Whether it is a certificate authority's (RFC 5280, 4.2.1.9).
    pub fn is_authority(&self) -> bool {
        self.facts.authority
    }

    /// Whether its holder says, in a signed way, that AES-256-GCM is read (RFC 8551, 2.5.2; RFC 4262).
    pub fn takes_gcm(&self) -> bool {
        self.capabilities().is_some_and(|capabilities| capabilities.gcm256)
    }

    /// Whether RSA is used with OAEP for it: its key is for nothing else (RFC 4055, 4.1), or its holder says, in a
    /// signed way, that it is read (RFC 3560, 5).
    pub fn takes_oaep(&self) -> bool {
        match self.key_kind() {
            KeyKind::RsaOaep => true,
            KeyKind::Rsa => self.capabilities().is_some_and(|capabilities| capabilities.oaep),
            _ => false,
        }
    }

    /// What its holder reads, if that is known: from a signature, else from itself.
    pub fn capabilities(&self) -> Option<Capabilities> {
        self.announced.map(|announced| announced.capabilities).or(self.facts.capabilities)
    }

    /// What its key may be used for, in words: `sign`, `encrypt`, `certify`.
    pub fn usages(&self) -> Vec<&'static str> {
        let certifies = self.is_authority() && self.key_usage().is_none_or(KeyUsage::certifies);
        let all = [("sign", self.may_sign()), ("encrypt", self.may_encrypt()), ("certify", certifies)];
        all.into_iter().filter(|(_, may)| *may).map(|(word, _)| word).collect()
    }

    /// Whether KeyUsage and the kind of its key let it sign mail; extended usages aside (RFC 8550, 4.4.2).
    pub(super) fn may_sign(&self) -> bool {
        let able = matches!(self.key_kind(), KeyKind::Rsa | KeyKind::RsaPss | KeyKind::Ec | KeyKind::Signing);
        able && self.key_usage().is_none_or(KeyUsage::signs)
    }

    /// Whether KeyUsage and the kind of its key let mail be encrypted to it; extended usages aside.
    pub(super) fn may_encrypt(&self) -> bool {
        match self.key_kind() {
            KeyKind::Rsa | KeyKind::RsaOaep | KeyKind::MlKem => self.key_usage().is_none_or(KeyUsage::enciphers_keys),
            KeyKind::Ec | KeyKind::X25519 => self.key_usage().is_none_or(KeyUsage::agrees_on_keys),
            KeyKind::RsaPss | KeyKind::Signing | KeyKind::Other => false,
        }
    }

    /// Whether its extended key usages, where it has some, let it be used for mail (RFC 8550, 4.4.4).
    pub(super) fn is_for_mail(&self) -> bool {
        self.facts.for_mail
    }

    /// KeyUsage, where it has one.
    pub(super) fn key_usage(&self) -> Option<KeyUsage> {
        self.facts.key_usage
    }

    /// What addresses it lets certificates beneath it name.
    pub(super) fn limits(&self) -> &Limits {
        &self.facts.limits
    }

    /// What its key is.
    pub(super) fn key_kind(&self) -> KeyKind {
        self.facts.key.kind
    }

    /// The size of an RSA key.
    pub(super) fn rsa_bits(&self) -> Option<u32> {
        (self.facts.key.rsa_bits != 0).then_some(self.facts.key.rsa_bits)
    }

    /// Its key, also where it is made for OAEP alone, which libcrypto does not read as RSA by itself.
    pub(super) fn public_key(&self) -> Option<&PKey<Public>> {
        self.facts.key.public.as_ref()
    }

    /// When it stops being valid.
    pub(super) fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }
}

/// A Name in DER in words, like [`Certificate::issuer`].
pub(super) fn name_in_words(der: &[u8]) -> Option<String> {
    let name = <::der::AnyRef<'_> as ::der::Decode<'_>>::from_der(der).ok()?;
    Some(name::in_words(&name::attributes(name)?))
}

/// The contents octets of a serial number in words, like [`Certificate::serial`].
pub(super) fn serial_in_words(contents: &[u8]) -> String {
    facts::serial_in_words(contents)
}

impl PublicCertificate for Certificate {
    fn fingerprint(&self) -> Fingerprint {
        let digest = openssl::sha::sha256(&self.to_der());
        let digits: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Fingerprint::of_digits(digits)
    }

    fn addresses(&self, _at: Timestamp) -> Vec<Address> {
        self.facts.addresses.clone()
    }

    fn created(&self) -> Timestamp {
        self.facts.not_before
    }

    fn algorithms(&self) -> String {
        self.facts.key.name.clone()
    }

    /// Whether its key is weaker than S/MIME asks for: RSA under 2048 bits (RFC 8551, 4.2 and 4.3), which is what most
    /// public authorities still certify.
    fn weak_key(&self) -> bool {
        self.rsa_bits().is_some_and(|bits| bits < 2048)
    }

    /// Where the key is the same, or the same key of an authority vouches for the same name, and for more of it than the
    /// mailbox: that is anybody's who holds it for a moment.
    fn renews_or_is_renewed_by(&self, other: &Self) -> bool {
        let same_key = match (self.public_key(), other.public_key()) {
            (Some(one), Some(two)) => one.public_eq(two),
            _ => false,
        };
        let same = |one: &X509NameRef, two: &X509NameRef| matches!(one.try_cmp(two), Ok(std::cmp::Ordering::Equal));
        // Several authorities may have one name; which key it is stands in this extension (RFC 5280, 4.2.1.1).
        let authority = |one: &Self| one.x509.authority_key_id().map(|id| id.as_slice().to_vec());
        let of_person = [Nid::COMMONNAME, Nid::SURNAME, Nid::GIVENNAME, Nid::SERIALNUMBER, Nid::PSEUDONYM];
        let named = |name: &X509NameRef| {
            let entries = of_person.iter().flat_map(|nid| name.entries_by_nid(*nid));
            entries.map(|entry| entry.data().as_slice()).any(|text| !text.is_empty() && !text.contains(&b'@'))
        };
        same_key
            || (same(self.x509.issuer_name(), other.x509.issuer_name())
                && authority(self) == authority(other)
                && same(self.x509.subject_name(), other.x509.subject_name())
                && named(self.x509.subject_name()))
    }

    /// None for the last second of the year 9999, which says that there is no well-defined end (RFC 5280, 4.1.2.5).
    fn expires(&self, _at: Timestamp) -> Option<Timestamp> {
        // It lies beyond jiff's last moment, which is 26 hours earlier and stands for it in the facts.
        Some(self.facts.not_after).filter(|end| *end < Timestamp::MAX)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}
