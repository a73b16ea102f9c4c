//! Keys whose secret half stays in an agent: what is signed and decrypted with them. Of a secret nothing is here but
//! what the agent makes with it, and a signature is looked at before it goes anywhere.

use std::{collections::BTreeMap, fmt, path::Path, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use openpgp::{
    Cert, KeyHandle,
    crypto::{self, KeyPair, SessionKey, ecdh, mpi},
    packet::{self, key},
    types::{HashAlgorithm, PublicKeyAlgorithm},
};
use sequoia_openpgp as openpgp;

use super::{Certificate, CertificateError, Fingerprint, Key, Signer, Unusable, certificate, policy};
use crate::{
    crypt::{Agent, AgentError, AgentFailure, Keygrip, MadeSignature, SealedKey, SuiteName, agent},
    mail::Address,
};

/// An own key whose secret half is in the agent of a GnuPG home.
#[derive(Clone)]
pub struct AgentKey {
    cert: Cert,
    home: PathBuf,
    /// The parts that the agent has.
    grips: BTreeMap<Fingerprint, Keygrip>,
}

/// One with the agent that has it.
#[derive(Clone)]
pub struct Lent {
    /// Which.
    pub key: AgentKey,
    /// Who lends it.
    pub agent: Arc<dyn Agent>,
}

/// A key of a certificate without its secret half.
pub(super) type PublicKey = packet::Key<key::PublicParts, key::UnspecifiedRole>;

impl AgentKey {
    /// A certificate and the keygrips of those of its keys that an agent has, each by its own fingerprint. What is no
    /// key of it, or of an algorithm that no agent is asked for here, is left out.
    ///
    /// # Errors
    /// [`CertificateError::NoSecret`] if none is left.
    pub fn new(
        certificate: Certificate,
        home: &Path,
        grips: impl IntoIterator<Item = (Fingerprint, Keygrip)>,
    ) -> Result<Self, CertificateError> {
        let cert = certificate.cert;
        let known = |part: &Fingerprint| {
            cert.keys()
                .any(|key| is_lent(key.key().pk_algo()) && policy::fingerprint(&key.key().fingerprint()) == *part)
        };
        let grips: BTreeMap<_, _> = grips.into_iter().filter(|(part, _)| known(part)).collect();
        if grips.is_empty() {
            return Err(CertificateError::NoSecret(policy::fingerprint_of(&cert)));
        }
        Ok(Self { cert, home: home.to_owned(), grips })
    }

    /// Its public half.
    pub fn certificate(&self) -> Certificate {
        Certificate::of(self.cert.clone())
    }

    /// Its full fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        policy::fingerprint_of(&self.cert)
    }

    /// The GnuPG home whose agent has it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The keygrip of each part that the agent has.
    pub fn grips(&self) -> impl Iterator<Item = (&Fingerprint, &Keygrip)> {
        self.grips.iter()
    }

    /// The addresses that it validly names at a time.
    pub fn addresses(&self, at: Timestamp) -> Vec<Address> {
        certificate::addresses(&self.cert, at)
    }

    /// Whether it holds the key of a recipient, as [`OpenError::NoKey`](super::OpenError::NoKey) names one.
    pub fn is_for(&self, recipient: &str) -> bool {
        let Ok(recipient) = recipient.parse::<KeyHandle>() else { return false };
        self.cert.keys().any(|key| recipient.aliases(key.key().key_handle()))
    }

    /// Whether it asks for packet 20, the AEAD that only GnuPG reads and writes.
    pub fn advertises_gnupg_ocb(&self) -> bool {
        Key { cert: self.cert.clone() }.advertises_gnupg_ocb()
    }

    /// Takes what a newer copy of the certificate says, and where its parts are now.
    ///
    /// # Errors
    /// [`CertificateError::NotTheSame`].
    pub fn renew(self, newer: Self) -> Result<Self, CertificateError> {
        let merged = self.certificate().merge(newer.certificate())?;
        Ok(Self { cert: merged.cert, ..newer })
    }

    /// Takes what an older copy says besides: of the certificate, and of parts of which nothing is said here.
    ///
    /// # Errors
    /// As [`AgentKey::renew`].
    pub fn complete(self, older: Self) -> Result<Self, CertificateError> {
        let merged = self.certificate().merge(older.certificate())?;
        let mut grips = older.grips;
        grips.extend(self.grips);
        Ok(Self { cert: merged.cert, home: self.home, grips })
    }

    /// With its agent.
    pub fn lent_by(self, agent: Arc<dyn Agent>) -> Lent {
        Lent { key: self, agent }
    }
}

impl PartialEq for AgentKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.cert, &self.home, &self.grips) == (&other.cert, &other.home, &other.grips)
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({})", self.fingerprint())
    }
}

impl Lent {
    /// The newest of its keys that may sign at a time and that the agent has. The agent is not asked yet.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn signer(&self, at: Timestamp) -> Result<Signer, Unusable> {
        let cert = &self.key.cert;
        policy::check_certificate(cert, at)?;
        let strict = policy::strict(at);
        let valid = || cert.keys().with_policy(&strict, policy::system_time(at)).supported().alive().revoked(false);
        let here = valid().for_signing().filter_map(|key| self.part(key.key().clone()));
        match here.max_by_key(|part| part.public.creation_time()) {
            Some(part) => Ok(Signer { pair: Pair::Lent(part), certificate: self.key.certificate() }),
            None if valid().for_signing().next().is_some() => {
                Err(Unusable::CannotSign { fingerprint: self.key.fingerprint() })
            }
            None => Err(policy::why_not(cert, at, policy::Purpose::Signing)),
        }
    }

    /// All that the agent has of it, with the certificate.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Cert, LentPart)> {
        self.key.cert.keys().filter_map(|key| Some((&self.key.cert, self.part(key.key().clone())?)))
    }

    fn part(&self, public: PublicKey) -> Option<LentPart> {
        let grip = self.key.grips.get(&policy::fingerprint(&public.fingerprint()))?.clone();
        let owner = (self.key.fingerprint(), self.key.home.clone());
        Some(LentPart { public, grip, owner, agent: self.agent.clone(), failed: None })
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lent({})", self.key.fingerprint())
    }
}

/// With what is signed: a secret half that is here, or one that is not.
#[derive(Clone)]
pub(super) enum Pair {
    Here(KeyPair),
    Lent(LentPart),
}

impl Pair {
    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        match self {
            Self::Here(pair) => pair.public(),
            Self::Lent(part) => &part.public,
        }
    }
}

impl crypto::Signer for Pair {
    fn public(&self) -> &PublicKey {
        Self::public(self)
    }

    fn sign(&mut self, hash: HashAlgorithm, digest: &[u8]) -> openpgp::Result<mpi::Signature> {
        match self {
            Self::Here(pair) => pair.sign(hash, digest),
            Self::Lent(part) => part.sign(hash, digest),
        }
    }
}

/// One key of an [`AgentKey`].
#[derive(Clone)]
pub(super) struct LentPart {
    pub public: PublicKey,
    grip: Keygrip,
    owner: (Fingerprint, PathBuf),
    agent: Arc<dyn Agent>,
    /// Why the agent did not decrypt, where that is about the agent and not about the message.
    pub failed: Option<AgentFailure>,
}

impl LentPart {
    /// The GnuPG home whose agent has it.
    pub fn home(&self) -> &Path {
        &self.owner.1
    }

    fn failure(&self, error: AgentError) -> AgentFailure {
        let (key, home) = self.owner.clone();
        AgentFailure { name: key.to_string(), key, suite: SuiteName::OpenPgp, home, error }
    }

    fn sign(&self, hash: HashAlgorithm, digest: &[u8]) -> openpgp::Result<mpi::Signature> {
        let made = self.agent.sign(&self.grip, hash.into(), digest).map_err(|error| self.failure(error))?;
        let number = |bytes: &[u8]| mpi::MPI::new(bytes);
        let signature = match &made {
            MadeSignature::Rsa(s) => mpi::Signature::RSA { s: number(s) },
            MadeSignature::Ecdsa(r, s) => mpi::Signature::ECDSA { r: number(r), s: number(s) },
            MadeSignature::Eddsa(r, s) => mpi::Signature::EdDSA { r: number(r), s: number(s) },
        };
        // A message that nobody can verify must not go out.
        let wrong = |_| self.failure(AgentError::OtherKey);
        self.public.verify(&signature, hash, digest).map_err(wrong)?;
        Ok(signature)
    }

    /// The session key, as it stood before it was encrypted; none if the agent cannot, or if what it gives is none.
    fn session_key(&mut self, ciphertext: &mpi::Ciphertext) -> Option<SessionKey> {
        let sealed = match ciphertext {
            mpi::Ciphertext::RSA { c } => SealedKey::Rsa(c.value()),
            mpi::Ciphertext::ECDH { e, key } => SealedKey::Ecdh(e.value(), key),
            _ => return None,
        };
        let of_our_own = || match self.public.encrypt(&SessionKey::new(32).ok()?).ok()? {
            mpi::Ciphertext::RSA { c } => Some(c.value().to_vec()),
            _ => None,
        };
        let opened = match agent::decrypt(&*self.agent, &self.grip, sealed, of_our_own) {
            Ok(opened) => opened?,
            Err(error) => {
                self.failed = Some(self.failure(error));
                return None;
            }
        };
        match (self.public.mpis(), sealed) {
            (mpi::PublicKey::RSA { .. }, SealedKey::Rsa(_)) => Some(opened.text()?.to_vec().into()),
            (mpi::PublicKey::ECDH { curve, .. }, SealedKey::Ecdh(..)) => {
                let size = curve.bits().ok()?.div_ceil(8);
                let shared = opened.x(size)?.to_vec().into();
                ecdh::decrypt_unwrap(&self.public, &shared, ciphertext, None).ok()
            }
            _ => None,
        }
    }
}

impl crypto::Decryptor for LentPart {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn decrypt(&mut self, ciphertext: &mpi::Ciphertext, _: Option<usize>) -> openpgp::Result<SessionKey> {
        self.session_key(ciphertext).ok_or_else(|| openpgp::Error::InvalidSessionKey("none".into()).into())
    }
}

/// What keys in an agent are asked for: those that GnuPG makes.
fn is_lent(algorithm: PublicKeyAlgorithm) -> bool {
    use PublicKeyAlgorithm as A;
    #[allow(deprecated)]
    let known = matches!(algorithm, A::RSAEncryptSign | A::RSAEncrypt | A::RSASign | A::ECDSA | A::EdDSA | A::ECDH);
    known
}

#[cfg(test)]
mod tests;
