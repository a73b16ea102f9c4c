//! Keys: reading PKCS#12 and PEM, locking, writing. What leaves here as bytes is locked.

use std::fmt;

use jiff::Timestamp;
use openssl::pkey::{PKey, Private};
use zeroize::Zeroizing;

use super::{Certificate, CertificateError};
use crate::crypt::{Fingerprint, PublicCertificate, Strength, Unusable};

/// A secret key and, where they are known, its certificate and the chain behind it; locked or unlocked.
#[derive(Clone)]
pub struct Key {
    pub(super) secret: Secret,
    /// None while a PKCS#12 file is locked, and before the CA answered a request.
    pub(super) certificate: Option<Certificate>,
    pub(super) chain: Vec<Certificate>,
}

/// The secret half.
#[derive(Clone)]
pub(super) enum Secret {
    /// PKCS#12, which hides its certificates too.
    Pkcs12(Vec<u8>),
    /// EncryptedPrivateKeyInfo (RFC 5958, 3), DER.
    Encrypted(Vec<u8>),
    /// Ready to use.
    Open(PKey<Private>),
}

/// An unlocked key that may sign.
pub struct Signer {
    pub(super) key: PKey<Private>,
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
}

/// Why a key does not unlock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase is not the right one; which key, in words.
    #[error("wrong passphrase for {0}")]
    WrongPassphrase(String),
    /// An algorithm that cannot be read, by its name.
    #[error("the key is locked with {0}, which cannot be read")]
    Algorithm(String),
    /// It asks for a derivation that takes more than is given here; nothing was computed.
    #[error("the key asks for a derivation that costs more than is allowed")]
    TooCostly,
    /// Not what it seems to be.
    #[error("the key file is damaged")]
    Broken,
}

impl Key {
    /// Reads the keys of a file: PKCS#12, PEM with or without certificates beside, DER PKCS#8.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn parse_all(_bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        Err(CertificateError::Broken)
    }

    /// Its certificate; none while a PKCS#12 file is locked, and before there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The certificates behind its own, the nearest first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The full fingerprint of its certificate.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.certificate.as_ref().map(PublicCertificate::fingerprint)
    }

    /// Takes its certificate, and those behind it, out of some; false if none is its own.
    pub fn adopt(&mut self, _certificates: &[Certificate]) -> bool {
        false
    }

    /// Whether a passphrase is needed before it can be used.
    pub fn is_locked(&self) -> bool {
        !matches!(self.secret, Secret::Open(_))
    }

    /// Unlocks it.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub fn unlock(&self, _passphrase: &Zeroizing<String>) -> Result<Self, UnlockError> {
        Err(UnlockError::Broken)
    }

    /// Locks it under our own encryption: EncryptedPrivateKeyInfo, PBES2 with scrypt and AES-256-CBC (RFC 8018,
    /// RFC 7914), the cost by the kind of passphrase.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn lock(&self, _passphrase: &Zeroizing<String>, _strength: Strength) -> Result<Self, KeyError> {
        Err(KeyError::NotLocked)
    }

    /// The PEM form, always locked: the key, its certificate, the chain.
    ///
    /// # Errors
    /// [`KeyError::NotLocked`].
    pub fn to_pem(&self) -> Result<String, KeyError> {
        Err(KeyError::NotLocked)
    }

    /// What signs with it at a time.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn signer(&self, _at: Timestamp) -> Result<Signer, Unusable> {
        let fingerprint = self.fingerprint().unwrap_or_else(|| Fingerprint::of_digits(String::new()));
        Err(Unusable::CannotSign { fingerprint })
    }

    /// Whether it is for a recipient, as [`OpenError::NoKey`](crate::crypt::OpenError::NoKey) names one.
    pub fn is_for(&self, _recipient: &str) -> bool {
        false
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
