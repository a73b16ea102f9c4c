//! OpenPGP (RFC 9580, RFC 9980) in PGP/MIME (RFC 3156). Sequoia lives here only.

use jiff::Timestamp;

use super::{
    Fingerprint, OpenError, PublicCertificate, SealError, Sealed, Sealing, SignatureFact, Suite, SuiteName, Unusable,
    Usable,
};
use crate::mail::Address;
use zeroize::Zeroizing;

/// The suite.
#[derive(Clone, Copy, Debug)]
pub enum Pgp {}

/// A certificate: the public half alone.
#[derive(Clone, Debug)]
pub struct Certificate {
    cert: sequoia_openpgp::Cert,
}

/// A key with its secret half, locked (at rest) or unlocked.
#[derive(Clone)]
pub struct Key {
    cert: sequoia_openpgp::Cert,
}

/// An unlocked key that may sign.
pub struct Signer {
    pair: sequoia_openpgp::crypto::KeyPair,
    certificate: Certificate,
}

/// With what to open.
pub struct Reader<'a> {
    /// Unlocked keys.
    pub keys: &'a [Key],
    /// Certificates held genuine, those of the keys among them.
    pub certificates: &'a [Certificate],
    /// The time of judging.
    pub at: Timestamp,
    /// The most that may come out, in bytes.
    pub limit: usize,
}

/// What came out of an encrypted OpenPGP message, whole and proven.
pub struct Decrypted {
    /// The content of the literal packet.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// The signature layers inside the encryption, from the outermost, each with its signatures.
    pub signatures: Vec<Vec<SignatureFact>>,
    /// The certificate whose key opened it.
    pub opened_by: Fingerprint,
}

impl PublicCertificate for Certificate {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::parse(&self.cert.fingerprint().to_hex()).unwrap_or_else(|| Fingerprint(String::new()))
    }

    fn addresses(&self, _at: Timestamp) -> Vec<Address> {
        Vec::new()
    }

    fn expires(&self, _at: Timestamp) -> Option<Timestamp> {
        None
    }
}

impl Suite for Pgp {
    const NAME: SuiteName = SuiteName::OpenPgp;
    type Certificate = Certificate;
    type Signer = Signer;

    fn check(certificate: &Certificate, at: Timestamp) -> Result<Usable<Self>, Unusable> {
        Ok(Usable::new(certificate.clone(), at))
    }

    fn seal(_sealing: Sealing<'_, Self>) -> Result<Sealed, SealError> {
        Err(SealError::LastLook("not there yet"))
    }
}

impl Reader<'_> {
    /// Opens an encrypted OpenPGP message, armored or binary; nothing comes out before its end is proven.
    pub fn decrypt(&self, _message: &[u8]) -> Result<Decrypted, OpenError> {
        Err(OpenError::Undecryptable)
    }

    /// Verifies detached signatures, armored or binary, over the exact bytes given.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if `signatures` holds none.
    pub fn verify_detached(&self, _signatures: &[u8], _over: &[u8]) -> Result<Vec<SignatureFact>, OpenError> {
        Err(OpenError::Undecryptable)
    }

    /// Reads a signed message that is not encrypted: a cleartext-signed one, or one-pass signed.
    pub fn verify_inline(&self, _message: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Vec<Vec<SignatureFact>>), OpenError> {
        Err(OpenError::Undecryptable)
    }
}
