//! Keys: reading PKCS#12, PEM and PKCS#8, writing PEM. What leaves here as bytes is locked.

mod lock;
mod pkcs12;
mod request;
mod scheme;

use std::{collections::HashSet, fmt};

use der::{Reader, SliceReader, Tag};
use jiff::Timestamp;
use openssl::{
    pkey::{Id, PKey, Private},
    x509::X509VerifyResult,
};
use zeroize::Zeroizing;

use super::{
    Certificate, CertificateError,
    agent_key::{Half, Lender},
    asn1::pem,
    identity, policy,
};
use crate::crypt::{Fingerprint, PublicCertificate, Unusable};

pub use lock::UnlockError;
pub use request::{Algorithm, Waiting};

/// A secret key and, where they are known, its certificate and the chain behind it; locked or unlocked.
#[derive(Clone)]
pub struct Key {
    pub(super) secret: Secret,
    /// None while a PKCS#12 file is locked, and before the CA answered a request.
    pub(super) certificate: Option<Certificate>,
    /// Those behind it, nearest first, then others that came with it.
    pub(super) chain: Vec<Certificate>,
}

/// The secret half.
#[derive(Clone)]
pub(super) enum Secret {
    /// PKCS#12, which hides its certificates too.
    Pkcs12(Vec<u8>),
    /// EncryptedPrivateKeyInfo (RFC 5958, 3), DER.
    Encrypted(Vec<u8>),
    /// PEM that is encrypted in the way of RFC 1421, with the cipher that it names.
    Traditional { pem: String, cipher: String },
    /// Ready to use.
    Open(PKey<Private>),
    /// Ready to use by an agent, which has it.
    Lent(Lender),
}

/// The most keys, and the most certificates, in a file.
pub(super) const MOST: usize = 100;

/// An unlocked key that may sign.
pub struct Signer {
    pub(super) key: Half,
    pub(super) certificate: Certificate,
    /// What is sent along: the certificates between it and its root, not the root.
    pub(super) chain: Vec<Certificate>,
}

/// Why a key could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The crypto library failed; its own words.
    #[error("the key could not be made: {0}")]
    Library(#[from] openssl::error::ErrorStack),
    /// A secret half without a passphrase must not be written.
    #[error("the key is not locked: it is written with a passphrase only")]
    NotLocked,
    /// The secret half is needed, and it is locked.
    #[error("the key is locked")]
    Locked,
    /// It is locked in the form in which it came, which is not ours.
    #[error("the key is locked in a form that is not written here: it must be unlocked first")]
    Foreign,
    /// It is in an agent, which does not give it out.
    #[error("the secret half of the key is in an agent")]
    InAgent,
    /// It has no certificate to be stored with.
    #[error("there is no certificate for the key")]
    NoCertificate,
    /// The structure cannot be written.
    #[error("the key cannot be written")]
    Unwritable,
}

impl Key {
    /// Reads the keys of a file: PKCS#12, PEM with or without certificates beside, DER PKCS#8.
    ///
    /// A certificate beside a key is its own where the public keys are equal. Of a locked key that is not seen until
    /// it is unlocked; before, a single key is taken to be that of the first certificate that issued no other.
    ///
    /// # Errors
    /// [`CertificateError::NoSecret`] if there are certificates only; the rest of [`CertificateError`].
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(CertificateError::Empty);
        }
        if pem::is_pem(bytes) {
            return Self::parse_pem(&Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()));
        }
        let secret = match shape(bytes) {
            Shape::Pkcs12 => Secret::Pkcs12(bytes.to_vec()),
            Shape::Encrypted => Secret::Encrypted(bytes.to_vec()),
            Shape::Open => Secret::Open(PKey::private_key_from_der(bytes).map_err(|_| CertificateError::Broken)?),
            Shape::Certificate => return Err(CertificateError::NoSecret),
            Shape::Other => return Err(CertificateError::NotKey("something else")),
        };
        Ok(vec![Self { secret, certificate: None, chain: Vec::new() }])
    }

    fn parse_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for block in pem::blocks(text) {
            if keys.len() > MOST || certificates.len() > MOST {
                return Err(CertificateError::TooMany(MOST));
            }
            let broken = || CertificateError::Broken;
            let der = block.der.as_deref();
            match block.label {
                "ENCRYPTED PRIVATE KEY" => keys.push(Secret::Encrypted(der.ok_or_else(broken)?.clone())),
                "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => keys.push(match encryption(&block) {
                    Some(cipher) => Secret::Traditional { pem: block.text.to_owned(), cipher },
                    None => Secret::Open(PKey::private_key_from_der(der.ok_or_else(broken)?).map_err(|_| broken())?),
                }),
                "CERTIFICATE" | "X509 CERTIFICATE" => {
                    certificates.push(Certificate::from_der(der.ok_or_else(broken)?)?);
                }
                "PKCS7" | "CMS" => certificates.extend(Certificate::parse_all(block.text.as_bytes())?),
                "PGP PRIVATE KEY BLOCK" | "PGP PUBLIC KEY BLOCK" => return Err(CertificateError::NotKey("OpenPGP")),
                "OPENSSH PRIVATE KEY" => return Err(CertificateError::NotKey("a key of OpenSSH")),
                // parameters of curves, requests, comments
                _ => {}
            }
        }
        if keys.is_empty() {
            let nothing = certificates.is_empty();
            return Err(if nothing { CertificateError::NotKey("something else") } else { CertificateError::NoSecret });
        }
        if keys.len() > MOST || certificates.len() > MOST {
            return Err(CertificateError::TooMany(MOST));
        }
        let single = keys.len() == 1;
        let keys = keys.into_iter().map(|secret| {
            let mut key = Self { secret, certificate: None, chain: Vec::new() };
            if key.is_locked() {
                key.chain = certificates.clone();
                if single && let Some(leaf) = leaf(&certificates) {
                    key.take(leaf, &certificates);
                }
            } else if !key.adopt(&certificates) {
                key.chain = certificates.clone();
            }
            key
        });
        Ok(keys.collect())
    }

    /// Its certificate; none while a PKCS#12 file is locked, and before there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The certificates behind its own, the nearest first; then others that came with it.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The full fingerprint of its certificate.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.certificate.as_ref().map(PublicCertificate::fingerprint)
    }

    /// Takes its certificate, and those behind it, out of some; false if none is its own.
    ///
    /// Of several for the same public key the one that is valid longest is taken. A locked key knows its own by the
    /// certificate that it has.
    pub fn adopt(&mut self, certificates: &[Certificate]) -> bool {
        let own = |candidate: &&Certificate| {
            let Ok(public) = candidate.x509.public_key() else { return false };
            match (&self.secret, &self.certificate) {
                (Secret::Open(key), _) => public.public_eq(key),
                (_, Some(known)) => known.x509.public_key().is_ok_and(|known| public.public_eq(&known)),
                (_, None) => false,
            }
        };
        let longest = |a: &&Certificate, b: &&Certificate| {
            let order = a.x509.not_after().partial_cmp(b.x509.not_after());
            order.unwrap_or(std::cmp::Ordering::Equal)
        };
        // The last of equal ones is what `max_by` gives; the first is wanted.
        let Some(found) = certificates.iter().rev().filter(own).max_by(longest).cloned() else { return false };
        self.take(found, certificates);
        true
    }

    /// Takes a certificate as its own, and others beside those that it had.
    pub(super) fn take(&mut self, own: Certificate, others: &[Certificate]) {
        let mut known = HashSet::from([own.fingerprint()]);
        let mut rest: Vec<Certificate> = others.iter().chain(&self.chain).cloned().collect();
        rest.retain(|other| known.insert(other.fingerprint()));
        let mut path = path(&own, &rest);
        rest.retain(|other| path.iter().all(|one| one.fingerprint() != other.fingerprint()));
        path.append(&mut rest);
        self.chain = path;
        self.certificate = Some(own);
    }

    /// The PEM form, always locked: the key, its certificate, the chain.
    ///
    /// # Errors
    /// [`KeyError::NotLocked`], [`KeyError::Foreign`].
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let locked = match &self.secret {
            Secret::Encrypted(der) => der,
            Secret::Open(_) => return Err(KeyError::NotLocked),
            Secret::Lent(_) => return Err(KeyError::InAgent),
            Secret::Pkcs12(_) | Secret::Traditional { .. } => return Err(KeyError::Foreign),
        };
        let certificates = self.certificate.iter().chain(&self.chain).map(Certificate::to_pem);
        Ok(pem::write("ENCRYPTED PRIVATE KEY", locked) + &certificates.collect::<String>())
    }

    /// What signs with it at a time.
    ///
    /// # Errors
    /// [`Unusable`], [`Unusable::CannotSign`] also when it is locked or has no certificate yet.
    pub fn signer(&self, at: Timestamp) -> Result<Signer, Unusable> {
        let nameless = || Fingerprint::of_digits(String::new());
        let cannot = || Unusable::CannotSign { fingerprint: self.fingerprint().unwrap_or_else(nameless) };
        let certificate = self.certificate.clone().ok_or_else(cannot)?;
        policy::may_sign(&certificate, at)?;
        let key = self.half().ok_or_else(cannot)?;
        if certificate.public_key().is_none_or(|key| !matches!(key.id(), Id::RSA | Id::RSA_PSS | Id::EC | Id::ED25519))
        {
            return Err(cannot());
        }
        let mut chain = path(&certificate, &self.chain);
        chain.retain(|one| !is_root(one));
        Ok(Signer { key, certificate, chain })
    }

    /// Its secret half, if that is ready to use.
    pub(super) fn half(&self) -> Option<Half> {
        match &self.secret {
            Secret::Open(key) => Some(Half::Here(key.clone())),
            Secret::Lent(lender) => Some(Half::Lent(lender.clone())),
            Secret::Pkcs12(_) | Secret::Encrypted(_) | Secret::Traditional { .. } => None,
        }
    }

    /// Whether it is for a recipient, as [`OpenError::NoKey`](crate::crypt::OpenError::NoKey) names one.
    pub fn is_for(&self, recipient: &str) -> bool {
        self.certificate.as_ref().is_some_and(|own| identity::names_of(own).iter().any(|name| name == recipient))
    }
}

impl Signer {
    /// Its public half.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.certificate)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.certificate)
    }
}

/// The certificates behind one, nearest first, as far as they are among others.
pub(super) fn path(own: &Certificate, others: &[Certificate]) -> Vec<Certificate> {
    let mut path: Vec<Certificate> = Vec::new();
    let mut last = own;
    while !is_root(last) {
        let issued = |one: &&Certificate| {
            let new = path.iter().all(|there| there.fingerprint() != one.fingerprint());
            new && one.x509.issued(&last.x509) == X509VerifyResult::OK
        };
        let Some(next) = others.iter().find(issued) else { break };
        path.push(next.clone());
        last = next;
    }
    path
}

/// Whether it names itself as its issuer.
fn is_root(certificate: &Certificate) -> bool {
    certificate.x509.issued(&certificate.x509) == X509VerifyResult::OK
}

/// The first that issued no other.
fn leaf(certificates: &[Certificate]) -> Option<Certificate> {
    let issuer = |one: &Certificate| {
        let others = certificates.iter().filter(|other| other.fingerprint() != one.fingerprint());
        others.into_iter().any(|other| one.x509.issued(&other.x509) == X509VerifyResult::OK)
    };
    certificates.iter().find(|one| !issuer(one)).or(certificates.first()).cloned()
}

/// The cipher of a block that is encrypted in the way of RFC 1421.
fn encryption(block: &pem::Block<'_>) -> Option<String> {
    let field = |name| block.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let encrypted = field("Proc-Type").is_some_and(|value| value.ends_with("ENCRYPTED"));
    let named = field("DEK-Info").and_then(|value| value.split(',').next());
    encrypted.then(|| named.unwrap_or("an unnamed cipher").trim().to_ascii_uppercase())
}

/// What a DER or BER structure is, by its first elements.
enum Shape {
    Pkcs12,
    /// EncryptedPrivateKeyInfo (RFC 5958, 3).
    Encrypted,
    /// PrivateKeyInfo, RSAPrivateKey or ECPrivateKey.
    Open,
    Certificate,
    Other,
}

fn shape(bytes: &[u8]) -> Shape {
    if pkcs12::is_pkcs12(bytes) {
        return Shape::Pkcs12;
    }
    let tags = || -> der::Result<Vec<Tag>> {
        let mut reader = SliceReader::new_with_encoding_rules(bytes, der::EncodingRules::Ber)?;
        reader.sequence(|body| {
            let mut tags = Vec::new();
            while !body.is_finished() && tags.len() < 3 {
                tags.push(Tag::peek(body)?);
                body.tlv_bytes()?;
            }
            body.drain(body.remaining_len())?;
            Ok(tags)
        })
    };
    match tags().unwrap_or_default().as_slice() {
        [Tag::Sequence, Tag::OctetString] => Shape::Encrypted,
        [Tag::Sequence, Tag::Sequence, Tag::BitString] => Shape::Certificate,
        [Tag::Integer, ..] => Shape::Open,
        _ => Shape::Other,
    }
}

#[cfg(test)]
mod tests;
