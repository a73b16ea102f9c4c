//! The life of a key after it was made: a later expiry, new subkeys, revocation (RFC 9580, 5.2.3.13 and 5.2.3.31).
//!
//! A locked key stays locked: the one secret that signs is unlocked for it, the others are not touched.

mod revoke;

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

use openpgp::{
    Packet,
    cert::{CipherSuite, KeyBuilder, SubkeyRevocationBuilder, amalgamation::ValidateAmalgamation, prelude::*},
    crypto::{KeyPair, S2K},
    packet::{
        Signature,
        key::SecretKeyMaterial,
        signature::{SignatureBuilder, subpacket::SubpacketTag},
    },
    types::{HashAlgorithm, KeyFlags, PublicKeyAlgorithm, ReasonForRevocation, SignatureType},
};

use super::{Fingerprint, Key, KeyError, UnlockError, Unusable, key::VALIDITY, policy};
use crate::crypt::Strength;

pub use revoke::{Reason, Revocation};

/// Why a key cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Of a key that does not count, what is wrong with it.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// It does not unlock.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The crypto library failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What lies beside the key does not revoke it.
    #[error("what is stored as the revocation certificate of key {0} does not revoke it")]
    NoRevocation(Fingerprint),
}

/// What a subkey is for; each of them has a newest subkey of its own.
const PURPOSES: [fn(&KeyFlags) -> bool; 3] = [
    |flags| flags.for_signing(),
    |flags| flags.for_transport_encryption() || flags.for_storage_encryption(),
    |flags| flags.for_authentication(),
];

impl Key {
    /// From when on a further self-signature counts before all that are there: two of the same second contend.
    pub fn next_change(&self, at: Timestamp) -> Timestamp {
        let signatures = self.cert.keys().flat_map(|key| key.bundle().self_signatures().collect::<Vec<_>>());
        let newest = signatures.chain(self.self_signatures()).filter_map(|one| one.signature_creation_time()).max();
        let newest = newest.map(|time| policy::timestamp(time + Duration::from_secs(1)));
        newest.map_or(at, |newest| newest.max(at))
    }

    /// Gives the primary key and the subkeys that count another expiry; where none of a kind counts any longer, the
    /// one that expired last. All else that the self-signatures say stays.
    ///
    /// # Errors
    /// [`ChangeError`]: revoked, too weak, not unlocked, or the primary's secret half is not here.
    pub fn extend(
        &self,
        passphrase: Option<&Zeroizing<String>>,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<Self, ChangeError> {
        self.may_change(at)?;
        let mut signer = self.primary_pair(passphrase)?;
        let until = policy::system_time(until);
        let mut signatures = self.extend_primary(&mut signer, until, at)?;
        signatures.extend(self.extend_subkeys(&mut signer, until, at)?);
        self.with_packets(signatures.into_iter().map(Packet::from).collect())
    }

    /// Makes a new subkey that signs and one to encrypt to, for two years, and gives the primary key as long. The old
    /// ones stay, so that what was sent to them still opens; with `revoke_old` they are revoked as superseded.
    ///
    /// # Errors
    /// As [`Key::extend`].
    pub fn rotate(
        &self,
        passphrase: Option<&Zeroizing<String>>,
        revoke_old: bool,
        at: Timestamp,
    ) -> Result<Self, ChangeError> {
        self.may_change(at)?;
        let mut signer = self.primary_pair(passphrase)?;
        let until = policy::system_time(at) + VALIDITY;
        let mut packets: Vec<Packet> = Vec::new();
        let strict = policy::strict(at);
        let own = self.cert.primary_key().with_policy(&strict, policy::system_time(at)).map_err(library)?;
        if own.key_expiration_time().is_some_and(|end| end < until) {
            packets.extend(self.extend_primary(&mut signer, until, at)?.into_iter().map(Packet::from));
        }
        if revoke_old {
            packets.extend(self.revoke_subkeys(&mut signer, at)?.into_iter().map(Packet::from));
        }
        packets.extend(self.new_subkeys(&signer, at)?);
        let rotated = self.with_packets(packets)?;
        match passphrase.filter(|_| self.is_locked()) {
            Some(passphrase) => Ok(rotated.lock(passphrase, self.strength())?),
            None => Ok(rotated),
        }
    }

    /// Whatever is wrong but the expiry, which can be changed.
    fn may_change(&self, at: Timestamp) -> Result<(), Unusable> {
        match policy::check_certificate(&self.cert, at) {
            Err(Unusable::Expired { .. }) => Ok(()),
            judged => judged,
        }
    }

    /// What signs with the primary key.
    fn primary_pair(&self, passphrase: Option<&Zeroizing<String>>) -> Result<KeyPair, ChangeError> {
        let elsewhere = || UnlockError::Elsewhere(self.fingerprint());
        // As it stands among all keys: it remembers its role, which an AEAD over a secret half binds.
        let primary = self.cert.keys().secret().find(ErasedKeyAmalgamation::primary).ok_or_else(elsewhere)?;
        let key = primary.key().clone();
        let key = match (key.has_unencrypted_secret(), passphrase) {
            (true, _) => key,
            (false, _) if !super::lock::is_here(key.secret()) => return Err(elsewhere().into()),
            (false, Some(passphrase)) => self.unlock_one(key, passphrase)?,
            (false, None) => return Err(KeyError::Locked(self.fingerprint()).into()),
        };
        Ok(key.into_keypair().map_err(library)?)
    }

    fn extend_primary(
        &self,
        signer: &mut KeyPair,
        until: SystemTime,
        at: Timestamp,
    ) -> Result<Vec<Signature>, ChangeError> {
        let (strict, time) = (policy::strict(at), policy::system_time(at));
        let valid = self.cert.with_policy(&strict, time).map_err(library)?;
        let own = valid.primary_key();
        let validity = validity(own.key().creation_time(), until);
        let mut signatures = Vec::new();
        if let Ok(direct) = own.direct_key_signature() {
            let template = renewed(direct, at).and_then(|one| one.set_key_validity_period(validity));
            signatures.push(template.and_then(|one| one.sign_direct_key(signer, own.key())).map_err(library)?);
        }
        let first = valid.primary_userid().ok().map(|first| first.userid().clone());
        let several = valid.userids().revoked(false).count() > 1;
        for user_id in valid.userids().revoked(false) {
            let bound = user_id.binding_signature();
            // Version 6 says it in the direct key signature alone.
            if bound.key_validity_period().is_none() && !signatures.is_empty() {
                continue;
            }
            let template = renewed(bound, at).and_then(|one| one.set_key_validity_period(validity));
            // All are of one second now: which one is the first must be said.
            let template = template.and_then(|one| match several && first.as_ref() == Some(user_id.userid()) {
                true => one.set_primary_userid(true),
                false => Ok(one),
            });
            let signed = template.and_then(|one| one.sign_userid_binding(signer, own.key(), user_id.userid()));
            signatures.push(signed.map_err(library)?);
        }
        Ok(signatures)
    }

    fn extend_subkeys(
        &self,
        signer: &mut KeyPair,
        until: SystemTime,
        at: Timestamp,
    ) -> Result<Vec<Signature>, ChangeError> {
        let (strict, time) = (policy::strict(at), policy::system_time(at));
        let bound: Vec<_> = self.cert.keys().subkeys().with_policy(&strict, time).revoked(false).collect();
        let alive =
            |key: &&ValidSubordinateKeyAmalgamation<'_, _>| key.key_expiration_time().is_none_or(|end| end > time);
        let mut wanted: Vec<_> = bound.iter().filter(alive).collect();
        for purpose in PURPOSES {
            let is_for = |key: &&ValidSubordinateKeyAmalgamation<'_, _>| key.key_flags().as_ref().is_some_and(purpose);
            if !wanted.iter().any(is_for) {
                let last = bound.iter().filter(is_for);
                wanted.extend(last.max_by_key(|key| (key.key_expiration_time(), key.key().creation_time())));
            }
        }
        let mut signatures = Vec::new();
        for key in wanted {
            // The signature by the subkey, where there is one, says nothing of time and stays.
            let template = renewed(key.binding_signature(), at)
                .and_then(|one| one.set_key_validity_period(validity(key.key().creation_time(), until)));
            let primary = self.cert.primary_key().key();
            let signed = template.and_then(|one| one.sign_subkey_binding(signer, primary, key.key()));
            signatures.push(signed.map_err(library)?);
        }
        Ok(signatures)
    }

    /// Revokes the subkeys that sign or are encrypted to, those that expired too.
    fn revoke_subkeys(&self, signer: &mut KeyPair, at: Timestamp) -> Result<Vec<Signature>, ChangeError> {
        let (strict, time) = (policy::strict(at), policy::system_time(at));
        let mut revocations = Vec::new();
        for key in self.cert.keys().subkeys().with_policy(&strict, time).revoked(false) {
            let flags = key.key_flags().unwrap_or_else(KeyFlags::empty);
            if PURPOSES[..2].iter().any(|purpose| purpose(&flags)) {
                let revoked = SubkeyRevocationBuilder::new()
                    .set_reason_for_revocation(ReasonForRevocation::KeySuperseded, b"")
                    .and_then(|one| one.set_signature_creation_time(time))
                    .and_then(|one| one.build(signer, &self.cert, key.key(), None));
                revocations.push(revoked.map_err(library)?);
            }
        }
        Ok(revocations)
    }

    fn new_subkeys(&self, signer: &KeyPair, at: Timestamp) -> Result<Vec<Packet>, ChangeError> {
        let (strict, time) = (policy::strict(at), policy::system_time(at));
        let suite = match self.cert.primary_key().key().pk_algo() {
            PublicKeyAlgorithm::MLDSA65_Ed25519 => CipherSuite::MLDSA65_Ed25519,
            PublicKeyAlgorithm::MLDSA87_Ed448 => CipherSuite::MLDSA87_Ed448,
            _ => CipherSuite::Cv25519,
        };
        let signing = KeyFlags::empty().set_signing();
        let encryption = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
        let mut packets = Vec::new();
        for flags in [signing, encryption] {
            // Nothing of an older subkey's signature is taken over.
            let template = SignatureBuilder::new(SignatureType::SubkeyBinding).set_key_flags(flags.clone());
            let template = template.and_then(|one| one.set_signature_creation_time(time));
            let template = template.and_then(|one| one.set_key_validity_period(VALIDITY));
            let template = template.map_err(library)?.set_hash_algo(HashAlgorithm::SHA512);
            let valid = self.cert.with_policy(&strict, time).map_err(library)?;
            let builder = KeyBuilder::new(flags).set_cipher_suite(suite).set_creation_time(time).subkey(valid);
            let builder = builder.map_err(library)?.set_signature_template(template);
            packets.extend(builder.set_primary_key_signer(signer.clone()).attach().map_err(library)?);
        }
        Ok(packets)
    }

    /// How strong its passphrase is taken to be, as its lock tells.
    pub fn strength(&self) -> Strength {
        let generated = self.cert.keys().secret().any(|key| match key.key().secret() {
            #[allow(deprecated)]
            SecretKeyMaterial::Encrypted(locked) => matches!(locked.s2k(), S2K::Salted { .. }),
            SecretKeyMaterial::Unencrypted(_) => false,
        });
        if generated { Strength::Generated } else { Strength::Human }
    }

    fn with_packets(&self, packets: Vec<Packet>) -> Result<Self, ChangeError> {
        let (cert, _) = self.cert.clone().insert_packets(packets).map_err(library)?;
        Ok(Self { cert })
    }
}

/// The same to be signed anew.
fn renewed(signature: &Signature, at: Timestamp) -> openpgp::Result<SignatureBuilder> {
    let template = SignatureBuilder::from(signature.clone()).modify_hashed_area(|mut area| {
        area.remove_all(SubpacketTag::SignatureExpirationTime);
        Ok(area)
    })?;
    template.set_hash_algo(HashAlgorithm::SHA512).set_signature_creation_time(policy::system_time(at))
}

fn validity(created: SystemTime, until: SystemTime) -> Duration {
    until.duration_since(created).unwrap_or_default()
}

fn library(error: openpgp::anyhow::Error) -> KeyError {
    KeyError::Library(error.to_string())
}

#[cfg(test)]
mod tests;
