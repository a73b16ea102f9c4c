//! One policy for all that OpenPGP does here (RFC 9580, 9.5, 12.4 to 12.6): which algorithms count, and whether a
//! certificate can be encrypted to at a time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::{
    Cert, KeyHandle,
    cert::prelude::*,
    packet::{Key, Signature, key},
    policy::{AsymmetricAlgorithm, HashAlgoSecurity, Policy, StandardPolicy},
    types::{HashAlgorithm, PublicKeyAlgorithm, RevocationStatus},
};

use super::{Fingerprint, Unusable};

const BROKEN_HASHES: [HashAlgorithm; 3] = [HashAlgorithm::SHA1, HashAlgorithm::MD5, HashAlgorithm::RipeMD];

/// The policy as of a time: Sequoia's own, without DSA, Elgamal, SHA-1, MD5 and RIPEMD; RSA from 2048 bits up.
pub(super) fn strict(at: Timestamp) -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::at(system_time(at));
    for hash in BROKEN_HASHES {
        policy.reject_hash(hash);
    }
    policy.reject_asymmetric_algo(AsymmetricAlgorithm::RSA1024);
    for algorithm in AsymmetricAlgorithm::variants().filter(is_discrete_logarithm) {
        policy.reject_asymmetric_algo(algorithm);
    }
    policy
}

/// A policy that takes every algorithm: it tells weak from missing, and hears revocations that the strict one
/// would not. Nothing is ever accepted because of it.
pub(super) fn lenient(at: Timestamp) -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::at(system_time(at));
    for hash in BROKEN_HASHES {
        policy.accept_hash(hash);
    }
    AsymmetricAlgorithm::variants().for_each(|algorithm| policy.accept_asymmetric_algo(algorithm));
    policy
}

fn is_discrete_logarithm(algorithm: &AsymmetricAlgorithm) -> bool {
    use AsymmetricAlgorithm::*;
    matches!(
        algorithm,
        DSA1024 | DSA2048 | DSA3072 | DSA4096 | ElGamal1024 | ElGamal2048 | ElGamal3072 | ElGamal4096
    )
}

/// Judges whether a certificate can be encrypted to at a time.
pub(super) fn check(cert: &Cert, at: Timestamp) -> Result<(), Unusable> {
    check_certificate(cert, at)?;
    if encryption_keys(cert, at).is_empty() {
        return Err(why_not(cert, at, Purpose::Encryption));
    }
    Ok(())
}

/// Judges the certificate as a whole, whatever it is wanted for.
pub(super) fn check_certificate(cert: &Cert, at: Timestamp) -> Result<(), Unusable> {
    let fingerprint = fingerprint_of(cert);
    let time = system_time(at);
    if let Some(revoked) = revoked(cert, at) {
        return Err(Unusable::Revoked { fingerprint, at: revoked });
    }
    let created = cert.primary_key().key().creation_time();
    if created > time {
        return Err(Unusable::NotYetValid { fingerprint, at: timestamp(created) });
    }
    if let Some(what) = weakness(cert.primary_key().key()) {
        return Err(Unusable::Weak { fingerprint, what });
    }
    let strict = strict(at);
    let Ok(valid) = cert.with_policy(&strict, time) else {
        return Err(unbound(fingerprint, cert, at));
    };
    match valid.primary_key().key_expiration_time() {
        Some(end) if end <= time => Err(Unusable::Expired { fingerprint, at: timestamp(end) }),
        _ => Ok(()),
    }
}

/// Why the policy finds no self-signature.
fn unbound(fingerprint: Fingerprint, cert: &Cert, at: Timestamp) -> Unusable {
    let lenient = lenient(at);
    if let Ok(valid) = cert.with_policy(&lenient, system_time(at)) {
        let hash = valid.primary_key().binding_signature().hash_algo();
        return Unusable::Weak { fingerprint, what: format!("{hash} binding") };
    }
    let first = cert
        .primary_key()
        .self_signatures()
        .chain(cert.userids().flat_map(|user_id| user_id.bundle().self_signatures()))
        .filter_map(|signature| signature.signature_creation_time())
        .min();
    match first {
        Some(first) if first > system_time(at) => Unusable::NotYetValid { fingerprint, at: timestamp(first) },
        // Self-signatures carry an expiration time of their own, which no other variant names.
        Some(_) => Unusable::Weak { fingerprint, what: "no self-signature that holds".to_owned() },
        None => Unusable::CannotEncrypt { fingerprint },
    }
}

/// What a key is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Encryption,
    Signing,
}

/// Why a certificate that is itself sound has no key for a purpose: the best reason among its keys.
pub(super) fn why_not(cert: &Cert, at: Timestamp, purpose: Purpose) -> Unusable {
    let fingerprint = fingerprint_of(cert);
    let (time, strict, lenient) = (system_time(at), strict(at), lenient(at));
    let mut expired: Option<SystemTime> = None;
    let mut future: Option<SystemTime> = None;
    let mut revoked: Option<Option<Timestamp>> = None;
    let mut weak = None;
    for key in cert.keys() {
        if key.key().creation_time() > time {
            // Its flags cannot be read at this time; the algorithm tells what it can do.
            if purpose_of(key.key().pk_algo(), purpose) {
                future = Some(future.map_or(key.key().creation_time(), |t| t.min(key.key().creation_time())));
            }
            continue;
        }
        let Ok(bound) = key.clone().with_policy(&lenient, time) else { continue };
        let wanted = match purpose {
            Purpose::Encryption => bound.for_transport_encryption() || bound.for_storage_encryption(),
            Purpose::Signing => bound.for_signing(),
        };
        if !wanted {
            continue;
        }
        if let Some(what) = weakness(key.key()) {
            weak = Some(what);
        } else if key.clone().with_policy(&strict, time).is_err() {
            weak = Some(format!("{} binding", bound.binding_signature().hash_algo()));
        } else if let RevocationStatus::Revoked(by) = bound.revocation_status() {
            revoked = Some(by.iter().filter_map(|r| r.signature_creation_time()).min().map(timestamp));
        } else if let Some(end) = bound.key_expiration_time().filter(|end| *end <= time) {
            expired = expired.max(Some(end));
        } else if !key.key().pk_algo().is_supported() {
            weak = Some(format!("{} is not supported", describe(key.key())));
        }
    }
    match (expired, revoked, future, weak) {
        (Some(end), ..) => Unusable::Expired { fingerprint, at: timestamp(end) },
        (_, Some(at), ..) => Unusable::Revoked { fingerprint, at },
        (.., Some(from), _) => Unusable::NotYetValid { fingerprint, at: timestamp(from) },
        (.., Some(what)) => Unusable::Weak { fingerprint, what },
        _ if purpose == Purpose::Encryption => Unusable::CannotEncrypt { fingerprint },
        _ => Unusable::CannotSign { fingerprint },
    }
}

fn purpose_of(algorithm: PublicKeyAlgorithm, purpose: Purpose) -> bool {
    match purpose {
        Purpose::Encryption => algorithm.for_encryption(),
        Purpose::Signing => algorithm.for_signing(),
    }
}

/// A subkey to encrypt to.
#[derive(Clone)]
pub(super) struct Target {
    /// The public half.
    pub key: Key<key::PublicParts, key::UnspecifiedRole>,
    /// When it stops being valid.
    pub expires: Option<SystemTime>,
}

impl Target {
    /// Its full fingerprint.
    pub fn handle(&self) -> KeyHandle {
        KeyHandle::from(self.key.fingerprint())
    }
}

/// All keys that a message to this certificate is encrypted to: those for transport, or for want of one those for
/// storage.
pub(super) fn encryption_keys(cert: &Cert, at: Timestamp) -> Vec<Target> {
    let strict = strict(at);
    let keys = || cert.keys().with_policy(&strict, system_time(at)).supported().alive().revoked(false);
    let target = |key: ValidErasedKeyAmalgamation<'_, key::PublicParts>| Target {
        key: key.key().clone(),
        expires: key.key_expiration_time(),
    };
    if cert.with_policy(&strict, system_time(at)).is_err() {
        return Vec::new();
    }
    let transport: Vec<_> = keys().for_transport_encryption().map(target).collect();
    if transport.is_empty() { keys().for_storage_encryption().map(target).collect() } else { transport }
}

/// When a certificate was revoked, if it is, as seen at a time: `Some(None)` if the revocation bears no date.
pub(super) fn revoked(cert: &Cert, at: Timestamp) -> Option<Option<Timestamp>> {
    let time = system_time(at);
    let by = |policy: &dyn Policy| match cert.revocation_status(policy, time) {
        RevocationStatus::Revoked(by) => {
            Some(by.iter().filter_map(|r| r.signature_creation_time()).min().map(timestamp))
        }
        _ => None,
    };
    by(&strict(at)).or_else(|| by(&lenient(at)))
}

/// The algorithm of a key that no longer protects (RFC 9580, 12.4 to 12.6).
pub(super) fn weakness<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> Option<String> {
    #[allow(deprecated)]
    match key.pk_algo() {
        PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSAEncrypt | PublicKeyAlgorithm::RSASign => {
            (key.mpis().bits().unwrap_or(0) < 2048).then(|| describe(key))
        }
        PublicKeyAlgorithm::DSA | PublicKeyAlgorithm::ElGamalEncrypt | PublicKeyAlgorithm::ElGamalEncryptSign => {
            Some(describe(key))
        }
        _ => None,
    }
}

/// Whether it is RSA under 3072 bits: still taken, but named.
pub(super) fn aging<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> bool {
    #[allow(deprecated)]
    let rsa = matches!(
        key.pk_algo(),
        PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSAEncrypt | PublicKeyAlgorithm::RSASign
    );
    rsa && key.mpis().bits().unwrap_or(0) < 3072
}

/// The algorithm of a key in words: `RSA 3072`, `Ed25519`, `ML-KEM-768+X25519`.
pub(super) fn describe<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> String {
    use openpgp::crypto::mpi::PublicKey;
    let bits = key.mpis().bits().unwrap_or(0);
    #[allow(deprecated)]
    match key.pk_algo() {
        PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSAEncrypt | PublicKeyAlgorithm::RSASign => {
            format!("RSA {bits}")
        }
        PublicKeyAlgorithm::DSA => format!("DSA {bits}"),
        PublicKeyAlgorithm::ElGamalEncrypt | PublicKeyAlgorithm::ElGamalEncryptSign => format!("Elgamal {bits}"),
        PublicKeyAlgorithm::X25519 => "X25519".to_owned(),
        PublicKeyAlgorithm::X448 => "X448".to_owned(),
        PublicKeyAlgorithm::Ed25519 => "Ed25519".to_owned(),
        PublicKeyAlgorithm::Ed448 => "Ed448".to_owned(),
        PublicKeyAlgorithm::MLDSA65_Ed25519 => "ML-DSA-65+Ed25519".to_owned(),
        PublicKeyAlgorithm::MLDSA87_Ed448 => "ML-DSA-87+Ed448".to_owned(),
        PublicKeyAlgorithm::MLKEM768_X25519 => "ML-KEM-768+X25519".to_owned(),
        PublicKeyAlgorithm::MLKEM1024_X448 => "ML-KEM-1024+X448".to_owned(),
        other => match key.mpis() {
            PublicKey::EdDSA { curve, .. } => format!("EdDSA {curve}"),
            PublicKey::ECDSA { curve, .. } => format!("ECDSA {curve}"),
            PublicKey::ECDH { curve, .. } => format!("ECDH {curve}"),
            _ => other.to_string(),
        },
    }
}

/// Whether a signature uses a hash that no longer protects, or is of a version that only had those.
pub(super) fn weak_hash(signature: &Signature) -> bool {
    BROKEN_HASHES.contains(&signature.hash_algo()) || signature.version() < 4
}

/// Whether the policy takes a document signature as such: hash and critical subpackets.
pub(super) fn takes(signature: &Signature, at: Timestamp) -> bool {
    strict(at).signature(signature, HashAlgoSecurity::CollisionResistance).is_ok()
}

/// The hash to sign with: SHA-256 where the key's strength is 128 bits, SHA-512 above (RFC 9580, 5.2.4).
pub(super) fn hash_for<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> HashAlgorithm {
    use openpgp::{crypto::mpi::PublicKey, types::Curve};
    #[allow(deprecated)]
    match key.pk_algo() {
        PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSASign | PublicKeyAlgorithm::Ed25519 => {
            HashAlgorithm::SHA256
        }
        _ => match key.mpis() {
            PublicKey::EdDSA { curve: Curve::Ed25519, .. } | PublicKey::ECDSA { curve: Curve::NistP256, .. } => {
                HashAlgorithm::SHA256
            }
            _ => HashAlgorithm::SHA512,
        },
    }
}

/// A time as Sequoia takes it, within what OpenPGP can say: 1970 to 2106, whole seconds.
pub(super) fn system_time(at: Timestamp) -> SystemTime {
    let seconds = at.as_second().clamp(0, i64::from(u32::MAX));
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

/// A time of Sequoia's.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The full fingerprint of a certificate.
pub(super) fn fingerprint_of(cert: &Cert) -> Fingerprint {
    fingerprint(&cert.fingerprint())
}

/// A fingerprint of Sequoia's.
pub(super) fn fingerprint(fingerprint: &openpgp::Fingerprint) -> Fingerprint {
    Fingerprint(fingerprint.to_hex())
}
