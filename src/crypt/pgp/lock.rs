//! Locking and unlocking: passphrases over secret halves (RFC 9580, 3.7 and 5.5.3).
//!
//! The cost of the derivation follows the passphrase. One that a human made gets the dearest derivation that the
//! readers of the key know: Argon2id for version 6; for version 4, which GnuPG must be able to import, the
//! iterated SHA-256 of RFC 4880 at its highest count, since no GnuPG reads Argon2. One of 256 random bits needs
//! no stretching and gets one salted hash, which RFC 9580, 3.7.2.1 allows for just this.

use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

use openpgp::{
    Cert, Packet,
    cert::amalgamation::key::PrimaryKey,
    crypto::{Password, S2K, random},
    packet::{self, key},
    types::{AEADAlgorithm, HashAlgorithm, SymmetricAlgorithm},
};

use super::{Fingerprint, Key, KeyError};
use crate::crypt::Strength;

/// Why a key does not unlock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase is not the right one.
    #[error("wrong passphrase for key {0}")]
    WrongPassphrase(Fingerprint),
    /// The key was locked with an Argon2 that takes more than is given here; nothing was computed.
    #[error("key {fingerprint} asks for Argon2 with {kibibytes} KiB and {passes} passes, more than is allowed")]
    TooCostly {
        /// Whose.
        fingerprint: Fingerprint,
        /// Memory.
        kibibytes: u64,
        /// Passes over it.
        passes: u8,
    },
    /// The secret half is elsewhere (a card, another machine), or locked in a way that is not known.
    #[error("the secret half of key {0} is not here")]
    Elsewhere(Fingerprint),
}

/// Argon2 above 1 GiB, or above four passes over that, is refused: it would take a small machine down, or many seconds.
const MOST_MEMORY: u64 = 1 << 20;
const MOST_WORK: u64 = MOST_MEMORY * 4;

/// The highest count that RFC 9580, 3.7.1.3 can say, in bytes.
const HIGHEST_COUNT: u32 = 65_011_712;

impl Key {
    /// Whether a passphrase is needed before it can be used.
    pub fn is_locked(&self) -> bool {
        self.cert.keys().secret().any(|key| is_locked_here(key.key().secret()))
    }

    /// Whether any secret half is in it at all, and not only the note that it is on a card or elsewhere.
    pub fn is_here(&self) -> bool {
        self.cert.keys().secret().any(|key| is_here(key.key().secret()))
    }

    /// Unlocks every secret half that is here.
    pub fn unlock(&self, passphrase: &Zeroizing<String>) -> Result<Self, UnlockError> {
        if !self.is_here() {
            return Err(UnlockError::Elsewhere(self.fingerprint()));
        }
        let password = Password::from(passphrase.as_str());
        self.cert.keys().secret().try_for_each(|key| self.refuse_cost(key.key().secret()))?;
        let wrong = || UnlockError::WrongPassphrase(self.fingerprint());
        let mut packets = Vec::new();
        for key in self.cert.keys().secret().filter(|key| is_locked_here(key.key().secret())) {
            let open = key.key().clone().decrypt_secret(&password).map_err(|_| wrong())?;
            packets.push(packet_of(open, key.primary()));
        }
        with(&self.cert, packets).map_err(|_| wrong())
    }

    /// Unlocks one of its secret halves.
    pub(super) fn unlock_one(
        &self,
        key: packet::Key<key::SecretParts, key::UnspecifiedRole>,
        passphrase: &Zeroizing<String>,
    ) -> Result<packet::Key<key::SecretParts, key::UnspecifiedRole>, UnlockError> {
        self.refuse_cost(key.secret())?;
        let open = key.decrypt_secret(&Password::from(passphrase.as_str()));
        open.map_err(|_| UnlockError::WrongPassphrase(self.fingerprint()))
    }

    /// Locks every secret half that is unlocked.
    pub fn lock(&self, passphrase: &Zeroizing<String>, strength: Strength) -> Result<Self, KeyError> {
        let password = Password::from(passphrase.as_str());
        let library = |error: openpgp::anyhow::Error| KeyError::Library(error.to_string());
        let mut packets = Vec::new();
        for amalgamation in self.cert.keys().unencrypted_secret() {
            let open = amalgamation.key().clone();
            let (s2k, aead) = derivation(open.version(), strength).map_err(library)?;
            let (public, secret) = open.take_secret();
            let locked = secret.encrypt_with(&public, s2k, SymmetricAlgorithm::AES256, aead, &password);
            packets.push(packet_of(public.add_secret(locked.map_err(library)?).0, amalgamation.primary()));
        }
        with(&self.cert, packets).map_err(library)
    }

    fn refuse_cost(&self, secret: &key::SecretKeyMaterial) -> Result<(), UnlockError> {
        let key::SecretKeyMaterial::Encrypted(locked) = secret else { return Ok(()) };
        let S2K::Argon2 { t, m, .. } = locked.s2k() else { return Ok(()) };
        let kibibytes = 1u64.checked_shl(u32::from(*m)).unwrap_or(u64::MAX);
        if kibibytes > MOST_MEMORY || kibibytes.saturating_mul(u64::from(*t)) > MOST_WORK {
            return Err(UnlockError::TooCostly { fingerprint: self.fingerprint(), kibibytes, passes: *t });
        }
        Ok(())
    }
}

/// A secret half, and not a stub of a card.
pub(super) fn is_here(secret: &key::SecretKeyMaterial) -> bool {
    matches!(secret, key::SecretKeyMaterial::Unencrypted(_)) || is_locked_here(secret)
}

/// Locked with a passphrase, and not a stub of a card.
fn is_locked_here(secret: &key::SecretKeyMaterial) -> bool {
    matches!(secret, key::SecretKeyMaterial::Encrypted(locked) if locked.s2k().is_supported())
}

fn derivation(version: u8, strength: Strength) -> openpgp::Result<(S2K, Option<AEADAlgorithm>)> {
    let mut salt = [0u8; 16];
    random(&mut salt)?;
    let mut short = [0u8; 8];
    short.copy_from_slice(&salt[..8]);
    let hash = HashAlgorithm::SHA256;
    #[allow(deprecated)]
    let s2k = match (strength, version) {
        (Strength::Generated, _) => S2K::Salted { hash, salt: short },
        (Strength::Human, 4) => S2K::Iterated { hash, salt: short, hash_bytes: HIGHEST_COUNT },
        (Strength::Human, _) => S2K::Argon2 { salt, t: 3, p: 4, m: 16 },
    };
    Ok((s2k, (version != 4).then_some(AEADAlgorithm::OCB)))
}

fn packet_of(key: packet::Key<key::SecretParts, key::UnspecifiedRole>, primary: bool) -> Packet {
    if primary { Packet::from(key.role_into_primary()) } else { Packet::from(key.role_into_subordinate()) }
}

fn with(cert: &Cert, packets: Vec<Packet>) -> openpgp::Result<Key> {
    Ok(Key { cert: cert.clone().insert_packets(packets)?.0 })
}
