//! What a secret is locked with: read from the ASN.1, named, and its cost bounded before anything is computed
//! (RFC 8018, RFC 7914, RFC 7292, RFC 9579).

use der::{
    DecodeValue, FixedTag, Sequence,
    asn1::{AnyRef, ObjectIdentifier, OctetString, UintRef},
};
use openssl::asn1::Asn1Object;
use spki::AlgorithmIdentifierRef;

use super::super::UnlockError;

/// PBES2 (RFC 8018, A.4).
pub(in crate::crypt::smime) const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
/// scrypt (RFC 7914, 7).
pub(in crate::crypt::smime) const SCRYPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11");
/// AES-256-CBC (RFC 8018, C).
pub(in crate::crypt::smime) const AES_256_CBC: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");

const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const PBMAC1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14");

/// Above this many rounds, of all that a file asks for together, a passphrase would take many seconds.
const MOST_ROUNDS: u64 = 10_000_000;
/// scrypt above 1 GiB, or above four passes over that, would take a small machine down.
const MOST_MEMORY: u64 = 1 << 30;
const MOST_WORK: u64 = MOST_MEMORY * 4;

/// What reading a locked secret takes; every scheme of a file is added before one is computed.
#[derive(Default)]
pub(in crate::crypt::smime) struct Demand {
    rounds: u64,
    /// Whether an algorithm is among it that the crypto library keeps apart: RC2, RC4, single DES.
    pub legacy: bool,
}

/// RFC 8018, A.4: parameters of PBES2; those of PBMAC1 (A.5) have the same shape.
#[derive(Sequence)]
pub(in crate::crypt::smime) struct Pbes2<'a> {
    pub derivation: AlgorithmIdentifierRef<'a>,
    pub encryption: AlgorithmIdentifierRef<'a>,
}

/// EncryptedPrivateKeyInfo (RFC 5958, 3).
#[derive(Sequence)]
pub(in crate::crypt::smime) struct EncryptedKey<'a> {
    pub algorithm: AlgorithmIdentifierRef<'a>,
    pub data: OctetString,
}

/// RFC 7914, 7.1.
#[derive(Sequence)]
pub(in crate::crypt::smime) struct ScryptParameters {
    pub salt: OctetString,
    pub cost: u64,
    pub block: u64,
    pub parallel: u64,
    pub key_length: Option<u64>,
}

/// RFC 8018, A.2.
#[derive(Sequence)]
struct Pbkdf2Parameters<'a> {
    salt: AnyRef<'a>,
    rounds: UintRef<'a>,
    key_length: Option<u64>,
    hash: Option<AlgorithmIdentifierRef<'a>>,
}

/// RFC 8018, A.3, and RFC 7292, C.
#[derive(Sequence)]
struct Pbes1Parameters<'a> {
    salt: OctetString,
    rounds: UintRef<'a>,
}

impl Demand {
    /// Adds the encryption of a key or of certificates.
    ///
    /// # Errors
    /// [`UnlockError::Algorithm`], [`UnlockError::TooCostly`], [`UnlockError::Broken`].
    pub(in crate::crypt::smime) fn add(&mut self, scheme: &AlgorithmIdentifierRef<'_>) -> Result<(), UnlockError> {
        if scheme.oid == PBES2 {
            let Pbes2 { derivation, encryption } = parameters(scheme)?;
            self.legacy |= cipher(encryption.oid)?;
            return self.add_derivation(&derivation);
        }
        let (known, legacy) = password_cipher(scheme.oid);
        if !known {
            return Err(unknown(scheme.oid));
        }
        self.legacy |= legacy;
        let Pbes1Parameters { rounds, .. } = parameters(scheme)?;
        self.add_rounds(&rounds)
    }

    /// Adds the integrity of a PKCS#12 file: its digest and the rounds beside it (RFC 7292, 4), or PBMAC1, which
    /// has its own (RFC 9579).
    ///
    /// # Errors
    /// As [`Demand::add`].
    pub(in crate::crypt::smime) fn add_mac(
        &mut self,
        digest: &AlgorithmIdentifierRef<'_>,
        rounds: u64,
    ) -> Result<(), UnlockError> {
        if digest.oid == PBMAC1 {
            let Pbes2 { derivation, encryption } = parameters(digest)?;
            if !is_hmac(encryption.oid) {
                return Err(unknown(encryption.oid));
            }
            return self.add_derivation(&derivation);
        }
        if !is_digest(digest.oid) {
            return Err(unknown(digest.oid));
        }
        self.count(rounds)
    }

    fn add_derivation(&mut self, derivation: &AlgorithmIdentifierRef<'_>) -> Result<(), UnlockError> {
        match derivation.oid {
            PBKDF2 => {
                let Pbkdf2Parameters { rounds, hash, .. } = parameters(derivation)?;
                if let Some(hash) = hash.filter(|hash| !is_hmac(hash.oid)) {
                    return Err(unknown(hash.oid));
                }
                self.add_rounds(&rounds)
            }
            SCRYPT => {
                let ScryptParameters { cost, block, parallel, .. } = parameters(derivation)?;
                let memory = cost.saturating_mul(block).saturating_mul(128);
                if memory > MOST_MEMORY || memory.saturating_mul(parallel) > MOST_WORK {
                    return Err(UnlockError::TooCostly);
                }
                // A KiB counts as a round.
                self.count(memory.saturating_mul(parallel) >> 10)
            }
            other => Err(unknown(other)),
        }
    }

    fn add_rounds(&mut self, rounds: &UintRef<'_>) -> Result<(), UnlockError> {
        self.count(number(rounds))
    }

    fn count(&mut self, rounds: u64) -> Result<(), UnlockError> {
        self.rounds = self.rounds.saturating_add(rounds);
        if self.rounds > MOST_ROUNDS { Err(UnlockError::TooCostly) } else { Ok(()) }
    }
}

/// The parameters of an algorithm.
pub(in crate::crypt::smime) fn parameters<'a, T>(algorithm: &AlgorithmIdentifierRef<'a>) -> Result<T, UnlockError>
where
    T: DecodeValue<'a, Error = der::Error> + FixedTag + 'a,
{
    let any = algorithm.parameters.ok_or(UnlockError::Broken)?;
    any.decode_as().map_err(|_| UnlockError::Broken)
}

/// A count; the greatest that there is for one beyond that.
pub(in crate::crypt::smime) fn number(count: &UintRef<'_>) -> u64 {
    count.as_bytes().iter().fold(0u64, |all, byte| all.saturating_mul(256).saturating_add(u64::from(*byte)))
}

/// An algorithm that cannot be read, by its name.
pub(in crate::crypt::smime) fn unknown(oid: ObjectIdentifier) -> UnlockError {
    let dotted = oid.to_string();
    let known = Asn1Object::from_str(&dotted).ok().and_then(|object| object.nid().long_name().ok());
    let known = known.filter(|name| *name != "undefined");
    UnlockError::Algorithm(known.map_or(dotted, str::to_owned))
}

/// Whether a cipher of PBES2 is one that the crypto library keeps apart.
fn cipher(oid: ObjectIdentifier) -> Result<bool, UnlockError> {
    match oid.to_string().as_str() {
        // AES in CBC mode, triple DES; Camellia is left out of the library that is built with us
        "2.16.840.1.101.3.4.1.2" | "2.16.840.1.101.3.4.1.22" | "2.16.840.1.101.3.4.1.42" => Ok(false),
        "1.2.840.113549.3.7" => Ok(false),
        // RC2, DES
        "1.2.840.113549.3.2" | "1.3.14.3.2.7" => Ok(true),
        _ => Err(unknown(oid)),
    }
}

/// Whether a scheme of PKCS#12 (RFC 7292, C) or PBES1 (RFC 8018, A.3) is known, and kept apart.
fn password_cipher(oid: ObjectIdentifier) -> (bool, bool) {
    match oid.to_string().as_str() {
        // triple DES with three keys, with two
        "1.2.840.113549.1.12.1.3" | "1.2.840.113549.1.12.1.4" => (true, false),
        // RC4-128, RC4-40, RC2-128, RC2-40
        "1.2.840.113549.1.12.1.1" | "1.2.840.113549.1.12.1.2" => (true, true),
        "1.2.840.113549.1.12.1.5" | "1.2.840.113549.1.12.1.6" => (true, true),
        // MD5 or SHA-1 with DES or RC2
        "1.2.840.113549.1.5.3" | "1.2.840.113549.1.5.6" => (true, true),
        "1.2.840.113549.1.5.10" | "1.2.840.113549.1.5.11" => (true, true),
        _ => (false, false),
    }
}

/// HMAC with MD5, SHA-1 or SHA-2.
fn is_hmac(oid: ObjectIdentifier) -> bool {
    let last = oid.to_string();
    last.strip_prefix("1.2.840.113549.2.").is_some_and(|last| (6..=13).any(|known| last == known.to_string()))
}

/// SHA-1, SHA-2, SHA-3 and MD5.
fn is_digest(oid: ObjectIdentifier) -> bool {
    let oid = oid.to_string();
    let sha = oid.strip_prefix("2.16.840.1.101.3.4.2.");
    let sha = sha.is_some_and(|last| (1..=10).any(|known| last == known.to_string()));
    sha || matches!(oid.as_str(), "1.3.14.3.2.26" | "1.2.840.113549.2.5")
}
