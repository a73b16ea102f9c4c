//! Keys whose secret half stays in an agent, and what is done with the secret half of a key, wherever it is. Of a secret
//! nothing is here but what the agent makes with it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use openssl::{
    error::ErrorStack,
    pkey::{PKey, PKeyRef, Private, Public},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
};

use super::{
    Certificate, CertificateError, Key,
    certificate::KeyKind,
    key::{Secret, path},
};
use crate::crypt::{
    Agent, AgentError, AgentFailure, Fingerprint, Keygrip, MadeSignature, OpenedKey, PublicCertificate, SealedKey,
    SuiteName, agent,
};

/// An own key whose secret half is in the agent of a GnuPG home.
#[derive(Clone)]
pub struct AgentKey {
    certificate: Certificate,
    /// Those behind it, nearest first, as far as they are known.
    chain: Vec<Certificate>,
    home: PathBuf,
    grip: Keygrip,
}

/// The secret half of a key that is ready to use.
#[derive(Clone)]
pub(super) enum Half {
    Here(PKey<Private>),
    Lent(Lender),
}

/// One that an agent has, and whose it is.
#[derive(Clone)]
pub(super) struct Lender {
    key: Fingerprint,
    home: PathBuf,
    grip: Keygrip,
    agent: Arc<dyn Agent>,
}

impl AgentKey {
    /// A certificate, others of which those behind it are kept, and the keygrip by which the agent of a home knows the
    /// key.
    ///
    /// # Errors
    /// [`CertificateError::NoSecret`] if the key is of an algorithm for which no agent is asked here: it is for RSA
    /// v1.5 and for ECDSA and ECDH on a named curve alone.
    pub fn new(
        certificate: Certificate,
        others: &[Certificate],
        home: &Path,
        grip: Keygrip,
    ) -> Result<Self, CertificateError> {
        if !matches!(certificate.key_kind(), KeyKind::Rsa | KeyKind::Ec) {
            return Err(CertificateError::NoSecret);
        }
        let chain = path(&certificate, others);
        Ok(Self { certificate, chain, home: home.to_owned(), grip })
    }

    /// Its public half.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificates behind its own, the nearest first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The full fingerprint of its certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }

    /// The GnuPG home whose agent has it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Its keygrip.
    pub fn grip(&self) -> &Keygrip {
        &self.grip
    }

    /// Takes what a newer import knows: the chain, unless that is shorter, and where the secret half is now.
    #[must_use]
    pub fn renew(self, newer: Self) -> Self {
        let chain = if newer.chain.len() < self.chain.len() { self.chain } else { newer.chain };
        Self { chain, ..newer }
    }

    /// The same key with another certificate, if that is of its public key, and what of some stands behind it.
    pub fn certified(&self, certificate: &Certificate, others: &[Certificate]) -> Option<Self> {
        let same = self.certificate.public_key()?.public_eq(certificate.public_key()?);
        let of_key = || Self::new(certificate.clone(), others, &self.home, self.grip.clone()).ok();
        same.then(of_key).flatten()
    }

    /// With its agent: ready to sign and to open.
    pub fn lent_by(self, agent: Arc<dyn Agent>) -> Key {
        let lender = Lender { key: self.fingerprint(), home: self.home, grip: self.grip, agent };
        Key { secret: Secret::Lent(lender), certificate: Some(self.certificate), chain: self.chain }
    }
}

impl PartialEq for AgentKey {
    fn eq(&self, other: &Self) -> bool {
        let names = |key: &Self| key.chain.iter().map(PublicCertificate::fingerprint).collect::<Vec<_>>();
        self.fingerprint() == other.fingerprint()
            && names(self) == names(other)
            && (&self.home, &self.grip) == (&other.home, &other.grip)
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({})", self.fingerprint())
    }
}

impl Half {
    /// Whether an agent has it.
    pub fn is_lent(&self) -> bool {
        matches!(self, Self::Lent(_))
    }
}

impl Lender {
    /// The GnuPG home whose agent has it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Signs a digest, made by the hash algorithm of that number.
    pub fn sign(&self, hash: u8, digest: &[u8]) -> Result<MadeSignature, Box<AgentFailure>> {
        self.agent.sign(&self.grip, hash, digest).map_err(|error| self.failure(error))
    }

    /// Whether a smartcard or a token has it.
    pub fn is_on_token(&self) -> Result<bool, Box<AgentFailure>> {
        self.agent.is_on_token(&self.grip).map_err(|error| self.failure(error))
    }

    /// Decrypts; none if the agent cannot, which may be about the message, of which nothing must be told.
    pub fn open(
        &self,
        public: &PKeyRef<Public>,
        sealed: SealedKey<'_>,
    ) -> Result<Option<OpenedKey>, Box<AgentFailure>> {
        let of_our_own = || transport(&[0; 32], public).ok();
        agent::decrypt(&*self.agent, &self.grip, sealed, of_our_own).map_err(|error| self.failure(error))
    }

    /// Why the key cannot be used.
    pub fn failure(&self, error: AgentError) -> Box<AgentFailure> {
        let (key, name, home) = (self.key.clone(), self.grip.to_string(), self.home.clone());
        Box::new(AgentFailure { key, suite: SuiteName::Smime, name, home, error })
    }
}

/// By RSA v1.5 (RFC 8017, 7.2.1).
fn transport(bytes: &[u8], to: &PKeyRef<Public>) -> Result<Vec<u8>, ErrorStack> {
    let mut context = PkeyCtx::new(to)?;
    context.encrypt_init()?;
    context.set_rsa_padding(Padding::PKCS1)?;
    let mut number = Vec::new();
    context.encrypt_to_vec(bytes, &mut number)?;
    Ok(number)
}

#[cfg(test)]
mod tests;
