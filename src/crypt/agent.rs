//! What lends the use of secret halves without giving them out: gpg-agent, and a smartcard behind it. How it is spoken
//! to is not known here.

use std::{fmt, path::PathBuf, time::Duration};

use zeroize::Zeroizing;

use super::Fingerprint;

/// Lends the use of secret halves. It is bounded in time, and asks nobody anything.
pub trait Agent: Send + Sync {
    /// Signs a digest, made by the hash algorithm of that number (RFC 9580, 9.5).
    fn sign(&self, grip: &Keygrip, hash: u8, digest: &[u8]) -> Result<MadeSignature, AgentError>;

    /// Does what only the secret half can do of decrypting a session key.
    fn decrypt(&self, grip: &Keygrip, sealed: SealedKey<'_>) -> Result<OpenedKey, AgentError>;
}

/// The name by which GnuPG knows a key pair, whatever it is used for: 40 upper-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keygrip(String);

impl Keygrip {
    /// Reads its digits.
    pub fn parse(text: &str) -> Option<Self> {
        let full = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        full.then(|| Self(text.to_ascii_uppercase()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Keygrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The numbers of a signature, big-endian; those of EdDSA as RFC 8032 has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MadeSignature {
    /// RSA.
    Rsa(Vec<u8>),
    /// ECDSA: r and s.
    Ecdsa(Vec<u8>, Vec<u8>),
    /// EdDSA: R and S.
    Eddsa(Vec<u8>, Vec<u8>),
}

/// What is encrypted to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedKey<'a> {
    /// RSA: the number.
    Rsa(&'a [u8]),
    /// ECDH: the ephemeral point, and what is wrapped.
    Ecdh(&'a [u8], &'a [u8]),
}

/// What came out: of RSA the text, of ECDH the shared point.
pub struct OpenedKey {
    /// The bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// RSA: whether its padding is still there.
    pub padded: bool,
}

/// Why an agent did nothing. No variant holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// It does not run, or may not be spoken to.
    #[error("there is no gpg-agent for {}: {why}", .home.display())]
    NotThere {
        /// The GnuPG home whose agent it is.
        home: PathBuf,
        /// The system's word.
        why: String,
    },
    /// No answer in time.
    #[error("gpg-agent gave no answer within {} seconds", .0.as_secs())]
    Silent(Duration),
    /// It does not speak the protocol.
    #[error("what answers in the place of gpg-agent is none: {0}")]
    Protocol(&'static str),
    /// It does not have the secret half any more.
    #[error("gpg-agent does not have its secret half")]
    NoSecret,
    /// It would have to ask for a passphrase or a PIN, and got none from us.
    #[error("gpg-agent needs its passphrase, and none is given")]
    NoPassphrase,
    /// It is not the right one.
    #[error("gpg-agent refused the passphrase: it is wrong")]
    WrongPassphrase,
    /// It takes none from us, by its settings.
    #[error("gpg-agent needs its passphrase, and its settings forbid to give it one (no-allow-loopback-pinentry)")]
    TakesNoPassphrase,
    /// The smartcard is not there, another one, or locked; the agent's words.
    #[error("gpg-agent cannot use the smartcard: {0:?}")]
    Card(String),
    /// All else; the agent's words.
    #[error("gpg-agent refused: {0:?}")]
    Refused(String),
}

impl AgentError {
    /// Whether nothing else need be asked of it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NotThere { .. } | Self::Silent(_) | Self::Protocol(_))
    }
}

/// A key that could not be used, since its agent did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {key} cannot be used: {error}")]
pub struct AgentFailure {
    /// Whose secret half it is.
    pub key: Fingerprint,
    /// The GnuPG home whose agent was asked.
    pub home: PathBuf,
    /// Why.
    pub error: AgentError,
}
