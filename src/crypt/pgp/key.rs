//! Keys: making, reading and writing the secret half. What leaves here as bytes is locked.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

use openpgp::{
    Cert, KeyHandle, Packet,
    cert::{CipherSuite, prelude::*},
    packet::{
        self, Signature, UserID, key,
        signature::{SignatureBuilder, subpacket::SubpacketTag},
    },
    serialize::{Serialize, SerializeInto},
    types::{Features, KeyFlags},
};

use super::{
    Certificate, CertificateError, Fingerprint, UnlockError, Unusable,
    agent_key::Pair,
    armor::{self, Kind},
    certificate::{self, parse_certs},
    lock::is_here,
    policy::{self, Purpose},
};
use crate::mail::{Address, Mailbox};

/// A key with its secret half, locked (at rest) or unlocked.
#[derive(Clone)]
pub struct Key {
    pub(super) cert: Cert,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint())
    }
}

/// A key that may sign: unlocked, or in an agent.
pub struct Signer {
    pub(super) pair: Pair,
    pub(super) certificate: Certificate,
}

/// Which readers a new key is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Version 4, Curve25519: everybody, GnuPG 2.2 too. It asks for SEIPDv1, which GnuPG reads.
    #[default]
    Rfc4880,
    /// Version 6 (RFC 9580), Ed25519 and X25519.
    Rfc9580,
    /// Version 6, ML-DSA-65+Ed25519 and ML-KEM-768+X25519 (RFC 9980).
    Pqc,
}

/// Why a key could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The crypto library failed; its own words.
    #[error("the key could not be made: {0}")]
    Library(String),
    /// The secret half is needed, and it is locked or not there.
    #[error("key {0} is locked")]
    Locked(Fingerprint),
    /// A secret half without a passphrase must not be written.
    #[error("key {0} is not locked: it is written with a passphrase only")]
    NotLocked(Fingerprint),
}

/// How long a new key is valid.
pub(super) const VALIDITY: Duration = Duration::from_secs(2 * 365 * 86_400);

/// The features bit by which GnuPG announces packet 20, its own AEAD (draft-koch, 5.2.3.24).
const GNUPG_OCB: usize = 1;

/// Why a locked key gives no signer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// It may not sign.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// It does not unlock.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
}

impl Key {
    /// Makes a key: a primary key that certifies only, a subkey that signs, a subkey to encrypt to, valid for two
    /// years. Beside it comes its revocation certificate, armored. The key is unlocked.
    pub fn make(user: &Mailbox, profile: Profile, at: Timestamp) -> Result<(Self, String), KeyError> {
        let seipdv1 = Features::empty().set_seipdv1();
        let (profile, suite, features) = match profile {
            Profile::Rfc4880 => (openpgp::Profile::RFC4880, CipherSuite::Cv25519, seipdv1),
            Profile::Rfc9580 => (openpgp::Profile::RFC9580, CipherSuite::Cv25519, seipdv1.set_seipdv2()),
            Profile::Pqc => (openpgp::Profile::RFC9580, CipherSuite::MLDSA65_Ed25519, seipdv1.set_seipdv2()),
        };
        let build = || {
            CertBuilder::new()
                .set_profile(profile)?
                .set_cipher_suite(suite)
                .set_features(features)?
                .set_creation_time(policy::system_time(at))
                .set_validity_period(VALIDITY)
                .set_primary_key_flags(KeyFlags::empty().set_certification())
                .add_userid(user_id(user))
                .add_signing_subkey()
                .add_subkey(KeyFlags::empty().set_transport_encryption().set_storage_encryption(), None, None)
                .generate()
        };
        let (cert, revocation) = build().map_err(library)?;
        let mut bytes = Vec::new();
        Packet::from(cert.primary_key().key().clone()).serialize(&mut bytes).map_err(library)?;
        Packet::from(revocation).serialize(&mut bytes).map_err(library)?;
        let checksum = cert.primary_key().key().version() == 4;
        Ok((Self { cert }, armor::write(Kind::PublicKey, &bytes, checksum)))
    }

    /// Reads every key in some bytes, armored or binary.
    ///
    /// # Errors
    /// [`CertificateError::NoSecret`] if there are certificates only, and the rest of [`CertificateError`].
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let certs = parse_certs(bytes)?;
        let public = certs.first().map(policy::fingerprint_of);
        let keys: Vec<Self> = certs.into_iter().filter(Cert::is_tsk).map(|cert| Self { cert }).collect();
        match (keys.is_empty(), public) {
            (true, Some(fingerprint)) => Err(CertificateError::NoSecret(fingerprint)),
            (true, None) => Err(CertificateError::Broken),
            _ => Ok(keys),
        }
    }

    /// Its public half.
    pub fn certificate(&self) -> Certificate {
        Certificate::of(self.cert.clone())
    }

    /// Whether it holds the key of a recipient, as [`OpenError::NoKey`](super::OpenError::NoKey) names one.
    pub fn is_for(&self, recipient: &str) -> bool {
        let Ok(recipient) = recipient.parse::<KeyHandle>() else { return false };
        self.cert.keys().any(|key| recipient.aliases(key.key().key_handle()))
    }

    /// Its full fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        policy::fingerprint_of(&self.cert)
    }

    /// The addresses that it validly names at a time. What is verified for that stays known to copies of the key.
    pub fn addresses(&self, at: Timestamp) -> Vec<Address> {
        certificate::addresses(&self.cert, at)
    }

    /// The binary form, always locked.
    ///
    /// # Errors
    /// [`KeyError::NotLocked`]; there is no way to write an unlocked key.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        if self.cert.keys().unencrypted_secret().next().is_some() {
            return Err(KeyError::NotLocked(self.fingerprint()));
        }
        self.cert.as_tsk().to_vec().map_err(library)
    }

    /// The armored form, always locked.
    ///
    /// # Errors
    /// As [`Key::to_bytes`].
    pub fn to_armored(&self) -> Result<String, KeyError> {
        let checksum = self.cert.primary_key().key().version() == 4;
        Ok(armor::write(Kind::SecretKey, &self.to_bytes()?, checksum))
    }

    /// Takes what a newer copy of the certificate says into the key: signatures, user IDs, revocations.
    ///
    /// # Errors
    /// [`CertificateError::NotTheSame`].
    pub fn merge(self, certificate: Certificate) -> Result<Self, CertificateError> {
        let (mine, theirs) = (self.fingerprint(), policy::fingerprint_of(&certificate.cert));
        let merged = self.cert.merge_public(certificate.cert);
        Ok(Self { cert: merged.map_err(|_| CertificateError::NotTheSame(mine, theirs))? })
    }

    /// The newest of its keys that may sign at a time.
    ///
    /// # Errors
    /// [`Unusable`], [`Unusable::CannotSign`] also when it is locked.
    pub fn signer(&self, at: Timestamp) -> Result<Signer, Unusable> {
        let key = self.signing_key(at)?;
        let pair = key.into_keypair().map_err(|_| Unusable::CannotSign { fingerprint: self.fingerprint() })?;
        Ok(Signer { pair: Pair::Here(pair), certificate: self.certificate() })
    }

    /// The same of a locked key: it alone is unlocked, the other secrets stay as they are.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn unlock_signer(&self, passphrase: &Zeroizing<String>, at: Timestamp) -> Result<Signer, SignerError> {
        let key = self.signing_key(at)?;
        let key = if key.has_unencrypted_secret() { key } else { self.unlock_one(key, passphrase)? };
        let pair = key.into_keypair().map_err(|_| Unusable::CannotSign { fingerprint: self.fingerprint() })?;
        Ok(Signer { pair: Pair::Here(pair), certificate: self.certificate() })
    }

    /// The newest key that may sign at a time and whose secret half is here, locked or not.
    fn signing_key(&self, at: Timestamp) -> Result<packet::Key<key::SecretParts, key::UnspecifiedRole>, Unusable> {
        policy::check_certificate(&self.cert, at)?;
        let strict = policy::strict(at);
        let valid =
            || self.cert.keys().with_policy(&strict, policy::system_time(at)).supported().alive().revoked(false);
        let here = valid().for_signing().secret().filter(|key| is_here(key.key().secret()));
        match here.max_by_key(|key| key.key().creation_time()) {
            Some(key) => Ok(key.key().clone()),
            None if valid().for_signing().next().is_some() => {
                Err(Unusable::CannotSign { fingerprint: self.fingerprint() })
            }
            None => Err(policy::why_not(&self.cert, at, Purpose::Signing)),
        }
    }

    /// Whether it asks for packet 20, the AEAD that only GnuPG reads and writes.
    pub fn advertises_gnupg_ocb(&self) -> bool {
        self.self_signatures().any(asks_for_gnupg_ocb)
    }

    pub(super) fn self_signatures(&self) -> impl Iterator<Item = &Signature> {
        let user_ids = self.cert.userids().flat_map(|user_id| user_id.bundle().self_signatures().collect::<Vec<_>>());
        self.cert.primary_key().bundle().self_signatures().chain(user_ids)
    }

    /// Signs its own user IDs anew without asking for packet 20. The primary key must be unlocked.
    pub fn clear_gnupg_ocb(self, at: Timestamp) -> Result<Self, KeyError> {
        let locked = || KeyError::Locked(self.fingerprint());
        let primary = self.cert.primary_key().key().clone().parts_into_secret().map_err(|_| locked())?;
        let mut signer = primary.into_keypair().map_err(|_| locked())?;
        let public = self.cert.primary_key().key();
        let mut renewed: Vec<Signature> = Vec::new();
        for signature in self.cert.primary_key().bundle().self_signatures().filter(|s| asks_for_gnupg_ocb(s)) {
            renewed.push(
                without_gnupg_ocb(signature, at)
                    .and_then(|template| template.sign_direct_key(&mut signer, public))
                    .map_err(library)?,
            );
        }
        for user_id in self.cert.userids() {
            for signature in user_id.bundle().self_signatures().filter(|s| asks_for_gnupg_ocb(s)) {
                renewed.push(
                    without_gnupg_ocb(signature, at)
                        .and_then(|template| template.sign_userid_binding(&mut signer, public, user_id.userid()))
                        .map_err(library)?,
                );
            }
        }
        // The old signatures go: a reader that takes the wrong one would ask for packet 20 still.
        let packets: Vec<Packet> = self
            .cert
            .clone()
            .into_tsk()
            .into_packets()
            .filter(|packet| !matches!(packet, Packet::Signature(signature) if asks_for_gnupg_ocb(signature)))
            .collect();
        let cert = Cert::from_packets(packets.into_iter()).map_err(library)?;
        let user_ids: Vec<Packet> = self.cert.userids().map(|u| Packet::from(u.userid().clone())).collect();
        let (cert, _) = cert
            .insert_packets(user_ids)
            .and_then(|(cert, _)| cert.insert_packets(renewed.into_iter().map(Packet::from)))
            .map_err(library)?;
        Ok(Self { cert })
    }
}

impl Signer {
    /// Its public half.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

/// `Name <addr>`, or the bare address where there is no name or where the name would hide the address.
fn user_id(user: &Mailbox) -> UserID {
    let address = user.address.to_string();
    let named = user.name.as_ref().map(|name| UserID::from(format!("{name} <{address}>")));
    match named {
        Some(named) if named.email().ok().flatten() == Some(address.as_str()) => named,
        _ => UserID::from(address),
    }
}

fn asks_for_gnupg_ocb(signature: &Signature) -> bool {
    #[allow(deprecated)]
    let preferred = signature.hashed_area().subpacket(SubpacketTag::PreferredAEADAlgorithms).is_some();
    preferred || signature.features().is_some_and(|features| features.get(GNUPG_OCB))
}

fn without_gnupg_ocb(signature: &Signature, at: Timestamp) -> openpgp::Result<SignatureBuilder> {
    #[allow(deprecated)]
    let template = SignatureBuilder::from(signature.clone())
        .modify_hashed_area(|mut area| {
            area.remove_all(SubpacketTag::PreferredAEADAlgorithms);
            Ok(area)
        })?
        .set_hash_algo(openpgp::types::HashAlgorithm::SHA512)
        .set_signature_creation_time(policy::system_time(at))?;
    let features = signature.features().unwrap_or_else(Features::empty).clear(GNUPG_OCB);
    template.set_features(features)
}

fn library(error: openpgp::anyhow::Error) -> KeyError {
    KeyError::Library(error.to_string())
}
