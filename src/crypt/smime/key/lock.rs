//! Locking and unlocking: passphrases over secret keys.
//!
//! Our own form is EncryptedPrivateKeyInfo (RFC 5958, 3) with PBES2 (RFC 8018, 6.2), scrypt (RFC 7914) and
//! AES-256-CBC, which `openssl pkey` reads, so that nobody is locked in. Its cost follows the passphrase: what a human
//! made is stretched as far as that reader goes along; 256 random bits need none of it.

use der::{
    Decode, Encode,
    asn1::{AnyRef, OctetString},
};
use openssl::{
    error::ErrorStack,
    pkcs5::scrypt,
    pkey::{PKey, Private},
    symm::{self, Cipher},
};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::super::{
    Key, KeyError,
    key::{
        Secret, pkcs12,
        scheme::{self, AES_256_CBC, Demand, EncryptedKey, PBES2, Pbes2, SCRYPT, ScryptParameters},
    },
};
use crate::crypt::Strength;

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
    /// A PKCS#12 file with certificates only.
    #[error("there is no secret key in the file")]
    NoSecret,
    /// Not what it seems to be.
    #[error("the key file is damaged")]
    Broken,
}

/// N, r and p of scrypt. Above 32 MiB (128 N r) OpenSSL's own readers give up, so what a human made is paid for in
/// passes: five over 16 MiB (OWASP, Password Storage Cheat Sheet), some 0.15 s.
const HUMAN: (u64, u64, u64) = (1 << 14, 8, 5);
const GENERATED: (u64, u64, u64) = (2, 1, 1);

impl Key {
    /// Whether a passphrase is needed before it can be used.
    pub fn is_locked(&self) -> bool {
        self.half().is_none()
    }

    /// Unlocks it; of a PKCS#12 file with several keys, the first.
    ///
    /// # Errors
    /// Those of [`unlock_all`](Self::unlock_all).
    pub fn unlock(&self, passphrase: &Zeroizing<String>) -> Result<Self, UnlockError> {
        self.unlock_all(passphrase)?.into_iter().next().ok_or(UnlockError::NoSecret)
    }

    /// Unlocks it, and the others that a PKCS#12 file hides beside the first. Certificates that it hides appear, and a
    /// key's own is told by the public key.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub fn unlock_all(&self, passphrase: &Zeroizing<String>) -> Result<Vec<Self>, UnlockError> {
        let wrong = || UnlockError::WrongPassphrase(self.words());
        let mut beside: Vec<_> = self.certificate.iter().chain(&self.chain).cloned().collect();
        let open = match &self.secret {
            Secret::Open(_) | Secret::Lent(_) => return Ok(vec![self.clone()]),
            Secret::Pkcs12(bytes) => {
                let opened = pkcs12::open(bytes, passphrase)?;
                beside.extend(opened.certificates);
                opened.keys
            }
            Secret::Encrypted(bytes) => vec![decrypt(bytes, passphrase.as_bytes(), &wrong)?],
            Secret::Traditional { pem, cipher } => vec![traditional(pem, cipher, passphrase.as_bytes(), &wrong)?],
        };
        let keys = open.into_iter().map(|secret| {
            let mut key = Self { secret: Secret::Open(secret), certificate: None, chain: Vec::new() };
            if !key.adopt(&beside) {
                key.chain.clone_from(&beside);
            }
            key
        });
        Ok(keys.collect())
    }

    /// Locks it under our own encryption, the cost by the kind of passphrase; one that is locked stays as it is.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn lock(&self, passphrase: &Zeroizing<String>, strength: Strength) -> Result<Self, KeyError> {
        let Secret::Open(open) = &self.secret else { return Ok(self.clone()) };
        let locked = encrypt(open, passphrase.as_bytes(), strength)?;
        Ok(Self { secret: Secret::Encrypted(locked), ..self.clone() })
    }

    /// Which key, for words.
    fn words(&self) -> String {
        self.fingerprint().map_or("the key".to_owned(), |fingerprint| format!("key {fingerprint}"))
    }
}

/// PKCS#8 in PBES2 with scrypt and AES-256-CBC.
fn encrypt(key: &PKey<Private>, passphrase: &[u8], strength: Strength) -> Result<Vec<u8>, KeyError> {
    let (cost, block, parallel) = match strength {
        Strength::Human => HUMAN,
        Strength::Generated => GENERATED,
    };
    let (mut salt, mut vector) = ([0; 16], [0; 16]);
    openssl::rand::rand_bytes(&mut salt)?;
    openssl::rand::rand_bytes(&mut vector)?;
    let mut secret = Zeroizing::new([0; 32]);
    scrypt(passphrase, &salt, cost, block, parallel, memory(cost, block, parallel), secret.as_mut_slice())?;
    let clear = Zeroizing::new(key.private_key_to_pkcs8()?);
    let data = symm::encrypt(Cipher::aes_256_cbc(), secret.as_slice(), Some(&vector), &clear)?;

    let write = || -> der::Result<Vec<u8>> {
        let salt = OctetString::new(salt)?;
        let derivation = ScryptParameters { salt, cost, block, parallel, key_length: None }.to_der()?;
        let vector = OctetString::new(vector)?.to_der()?;
        let scheme = Pbes2 {
            derivation: AlgorithmIdentifierRef { oid: SCRYPT, parameters: Some(AnyRef::from_der(&derivation)?) },
            encryption: AlgorithmIdentifierRef { oid: AES_256_CBC, parameters: Some(AnyRef::from_der(&vector)?) },
        };
        let scheme = scheme.to_der()?;
        let algorithm = AlgorithmIdentifierRef { oid: PBES2, parameters: Some(AnyRef::from_der(&scheme)?) };
        EncryptedKey { algorithm, data: OctetString::new(data)? }.to_der()
    };
    write().map_err(|_| KeyError::Unwritable)
}

/// What scrypt needs, which the library counts itself: its memory, and a block for each pass.
fn memory(cost: u64, block: u64, parallel: u64) -> u64 {
    cost.saturating_add(parallel).saturating_add(3).saturating_mul(block).saturating_mul(128)
}

/// EncryptedPrivateKeyInfo, whoever wrote it. Algorithms and costs come first.
fn decrypt(der: &[u8], passphrase: &[u8], wrong: &dyn Fn() -> UnlockError) -> Result<PKey<Private>, UnlockError> {
    let locked = EncryptedKey::from_ber(der).map_err(|_| UnlockError::Broken)?;
    let mut demand = Demand::default();
    demand.add(&locked.algorithm)?;
    if let Some((derivation, vector)) = by_scrypt(&locked.algorithm)? {
        // The library's own reader refuses more than 32 MiB.
        let ScryptParameters { salt, cost, block, parallel, .. } = derivation;
        let mut secret = Zeroizing::new([0; 32]);
        let room = memory(cost, block, parallel);
        scrypt(passphrase, salt.as_bytes(), cost, block, parallel, room, secret.as_mut_slice())
            .map_err(|_| UnlockError::Broken)?;
        let clear =
            symm::decrypt(Cipher::aes_256_cbc(), secret.as_slice(), Some(vector.as_bytes()), locked.data.as_bytes());
        let clear = Zeroizing::new(clear.map_err(|_| wrong())?);
        return PKey::private_key_from_pkcs8(&clear).map_err(|_| wrong());
    }
    let _legacy = demand.legacy.then(pkcs12::legacy).transpose()?;
    PKey::private_key_from_pkcs8_callback(der, |room| give(passphrase, room)).map_err(|_| wrong())
}

/// The parameters, if it is our own form.
fn by_scrypt(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Option<(ScryptParameters, OctetString)>, UnlockError> {
    if algorithm.oid != PBES2 {
        return Ok(None);
    }
    let Pbes2 { derivation, encryption } = scheme::parameters(algorithm)?;
    if derivation.oid != SCRYPT || encryption.oid != AES_256_CBC {
        return Ok(None);
    }
    let vector: OctetString = scheme::parameters(&encryption)?;
    if vector.as_bytes().len() != 16 {
        return Err(UnlockError::Broken);
    }
    Ok(Some((scheme::parameters(&derivation)?, vector)))
}

/// The PEM encryption of old (RFC 1421): MD5, once.
fn traditional(
    pem: &str,
    cipher: &str,
    passphrase: &[u8],
    wrong: &dyn Fn() -> UnlockError,
) -> Result<PKey<Private>, UnlockError> {
    let (plain, legacy) = match cipher {
        "AES-128-CBC" | "AES-192-CBC" | "AES-256-CBC" | "DES-EDE3-CBC" | "DES-EDE-CBC" => (true, false),
        "DES-CBC" | "RC2-CBC" | "RC2-40-CBC" | "RC2-64-CBC" => (false, true),
        _ => (false, false),
    };
    if !plain && !legacy {
        return Err(UnlockError::Algorithm(cipher.to_owned()));
    }
    let _legacy = legacy.then(pkcs12::legacy).transpose()?;
    PKey::private_key_from_pem_callback(pem.as_bytes(), |room| give(passphrase, room)).map_err(|_| wrong())
}

/// Hands a passphrase to the library, which asks on the terminal otherwise.
fn give(passphrase: &[u8], room: &mut [u8]) -> Result<usize, ErrorStack> {
    if let Some(place) = room.get_mut(..passphrase.len()) {
        place.copy_from_slice(passphrase);
    }
    // Longer than the room: refused by the caller.
    Ok(passphrase.len())
}
