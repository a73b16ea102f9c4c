//! What lends the use of secret halves without giving them out: gpg-agent, and a smartcard behind it. How it is spoken
//! to is not known here.

use std::{fmt, path::PathBuf, time::Duration};

use zeroize::Zeroizing;

use super::{Fingerprint, SuiteName};

/// Lends the use of secret halves. It is bounded in time, and asks nobody anything.
pub trait Agent: Send + Sync {
    /// Signs a digest, made by the hash algorithm of that number (RFC 9580, 9.5).
    fn sign(&self, grip: &Keygrip, hash: u8, digest: &[u8]) -> Result<MadeSignature, AgentError>;

    /// Does what only the secret half can do of decrypting a session key.
    fn decrypt(&self, grip: &Keygrip, sealed: SealedKey<'_>) -> Result<OpenedKey, AgentError>;

    /// Whether a smartcard or a token has it, or may have it, which looks at paddings itself.
    fn is_on_token(&self, grip: &Keygrip) -> Result<bool, AgentError>;
}

/// What an agent decrypts; none if it cannot, which may be about the message, of which nothing must be told (RFC 3218;
/// RFC 9580, 13.4).
///
/// Where a token takes paddings of RSA v1.5 away, whatever comes of a wrong one, be it that a PIN is asked for, tells of
/// it. All that there is to say of the agent itself is found out before, by a number of our own that is encrypted to
/// the key.
///
/// # Errors
/// What is about the agent alone.
pub(in crate::crypt) fn decrypt(
    agent: &dyn Agent,
    grip: &Keygrip,
    sealed: SealedKey<'_>,
    of_our_own: impl FnOnce() -> Option<Vec<u8>>,
) -> Result<Option<OpenedKey>, AgentError> {
    if matches!(sealed, SealedKey::Rsa(_)) && agent.is_on_token(grip)? {
        let Some(own) = of_our_own() else { return Ok(None) };
        agent.decrypt(grip, SealedKey::Rsa(&own))?;
        return Ok(agent.decrypt(grip, sealed).ok());
    }
    match agent.decrypt(grip, sealed) {
        Ok(opened) => Ok(Some(opened)),
        Err(AgentError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
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

impl OpenedKey {
    /// Of RSA v1.5: what stands behind the padding of PKCS #1 (RFC 8017, 7.2.2), whose first zero a number does not show.
    pub fn text(&self) -> Option<&[u8]> {
        if !self.padded {
            return Some(&self.bytes);
        }
        let text = self.bytes.strip_prefix(&[0]).unwrap_or(&self.bytes);
        let random = text.strip_prefix(&[2])?;
        let end = random.iter().position(|byte| *byte == 0).filter(|end| *end >= 8)?;
        random.get(end + 1..)
    }

    /// The same where its length is known; how long it takes does not tell what is wrong with the padding (RFC 3218, 2.3).
    pub fn text_of(&self, length: usize) -> Option<&[u8]> {
        if !self.padded {
            return Some(&self.bytes).map(|text| &text[..]).filter(|text| text.len() == length);
        }
        let frame = self.bytes.strip_prefix(&[0]).unwrap_or(&self.bytes);
        let end = frame.len().checked_sub(length + 1).filter(|end| *end > 8)?;
        let (before, text) = frame.split_at_checked(end)?;
        let (zero, text) = text.split_first()?;
        let (two, random) = before.split_first()?;
        let wrong = random.iter().fold((two ^ 2) | zero, |wrong, byte| wrong | u8::from(*byte == 0));
        (std::hint::black_box(wrong) == 0).then_some(text)
    }

    /// Of ECDH: the x coordinate of the shared point, as agents and cards give it: alone, of a native curve behind 0x40,
    /// or of a point behind 0x04 with its y.
    pub fn x(&self, size: usize) -> Option<&[u8]> {
        match self.bytes.as_slice() {
            [0x04, rest @ ..] if rest.len() == 2 * size => rest.get(..size),
            [0x40 | 0x41, rest @ ..] if rest.len() == size => Some(rest),
            alone if alone.len() == size => Some(alone),
            _ => None,
        }
    }
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
    /// It signed by another key than the one that was meant.
    #[error("what gpg-agent has by that name is another key")]
    OtherKey,
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
    /// The same of a smartcard's or a token's PIN, or what it was asked for was the token itself.
    #[error("gpg-agent refused the PIN: it is wrong, or its smartcard or token is not there")]
    WrongPin,
    /// It takes none from us, by its settings.
    #[error("gpg-agent needs its passphrase, and its settings forbid to give it one (no-allow-loopback-pinentry)")]
    TakesNoPassphrase,
    /// The smartcard is not there, another one, or locked; the agent's words.
    #[error("gpg-agent cannot use the smartcard: {0:?}")]
    Card(String),
    /// It was to be decrypted by RSA-OAEP, which no token is asked for.
    #[error(
        "the message is encrypted to it by RSA-OAEP, which no smartcard and no token does through gpg-agent; let the sender use RSA v1.5"
    )]
    NoOaep,
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
    /// Of which suite, and so which of GnuPG's programs knows it.
    pub suite: SuiteName,
    /// The name by which that program and the agent know it: its fingerprint, or its keygrip.
    pub name: String,
    /// The GnuPG home whose agent was asked.
    pub home: PathBuf,
    /// Why.
    pub error: AgentError,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn opened(bytes: &[u8], padded: bool) -> OpenedKey {
        OpenedKey { bytes: Zeroizing::new(bytes.to_vec()), padded }
    }

    #[test]
    fn padding_and_points_are_read() {
        let padded = |text: &[u8]| opened(text, true).text().map(<[u8]>::to_vec);
        let padded_of = |text: &[u8], length| opened(text, true).text_of(length).map(<[u8]>::to_vec);
        let good = b"\x02\x01\x01\x01\x01\x01\x01\x01\x01\0key";
        assert_eq!((padded(good), padded_of(good, 3)), (Some(b"key".to_vec()), Some(b"key".to_vec())));
        let empty = b"\0\x02\x01\x01\x01\x01\x01\x01\x01\x01\0";
        assert_eq!((padded(empty), padded_of(empty, 0)), (Some(vec![]), Some(vec![])));
        for none in [&b""[..], b"\x02", b"\x02\0key", b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\0key"] {
            assert_eq!((padded(none), padded_of(none, 3)), (None, None));
        }
        // Another length than the due one: a zero too early, or none where one is due.
        for length in [0, 2, 4, usize::MAX - 1] {
            assert_eq!(padded_of(good, length), None, "{length}");
        }
        let bare = opened(b"key", false);
        assert_eq!((bare.text(), bare.text_of(3), bare.text_of(4)), (Some(&b"key"[..]), Some(&b"key"[..]), None));

        let x = |point: &[u8], size| opened(point, false).x(size).map(<[u8]>::to_vec);
        for point in [&b"\x04xxyy"[..], b"\x40xx", b"xx"] {
            assert_eq!(x(point, 2), Some(b"xx".to_vec()));
        }
        assert_eq!(x(b"\x04xxy", 2), None);
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 0usize..100, padded: bool) {
            let opened = opened(&bytes, padded);
            let _ = (opened.x(size), opened.text(), opened.text_of(size));
        }

        #[test]
        fn both_ways_of_taking_the_padding_away_agree(
            random in prop::collection::vec(0..4u8, 8..12), key in prop::collection::vec(1..5u8, 0..4)
        ) {
            let opened = opened(&[&[2], &random[..], &[0], &key].concat(), true);
            let length = opened.text().map_or(key.len(), <[u8]>::len);
            prop_assert_eq!(opened.text_of(length), opened.text());
        }
    }
}
