//! Layer 2, pure: suites, policy, sealing, opening, judging.
//!
//! Neither files, network, environment, clock nor printing; the time comes in as an argument, randomness is the
//! crypto library's own. OpenPGP lives in [`pgp`] only, CMS and X.509 in [`smime`].

mod agent;
mod collect;
mod fact;
mod look;
pub mod open;
mod passphrase;
pub mod pgp;
mod recipients;
mod sealed;
pub mod smime;
mod trust;
mod unusable;
mod wire;

use std::{fmt, io};

use jiff::Timestamp;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    ffi::UsedUp,
    mail::{Address, Envelope, Field, Payload},
    threads::{WORTHWHILE, both},
};

pub use agent::{Agent, AgentError, AgentFailure, Keygrip, MadeSignature, OpenedKey, SealedKey};
pub use fact::{BadReason, OpenError, SignatureFact, SignerCertificate, UnknownReason, Verdict};
pub(in crate::crypt) use fact::{CLOCK_TOLERANCE, is_ahead};
pub use passphrase::{Strength, random_passphrase};
pub use recipients::{Binding, Recipient, Recipients, Usable};
pub use sealed::{SealError, Sealed};
pub use trust::Trust;
pub use unusable::Unusable;

/// Which family of standards: OpenPGP (RFC 9580, RFC 3156) or S/MIME (RFC 8551).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuiteName {
    /// OpenPGP.
    OpenPgp,
    /// S/MIME.
    Smime,
}

impl SuiteName {
    /// Of which suite a file of keys or certificates is: PEM without `PGP` in its first line, and DER, are X.509's and
    /// PKCS's (RFC 7468); all else is taken for OpenPGP, whose reader says what it is.
    pub fn of(bytes: &[u8]) -> Self {
        const BEGIN: &[u8] = b"-----BEGIN ";
        let begin = memchr::memmem::find(bytes, BEGIN).map(|at| &bytes[at + BEGIN.len()..]);
        match begin {
            Some(label) if label.starts_with(b"PGP ") => Self::OpenPgp,
            _ if bytes.first().is_some_and(|first| first & 0x80 != 0) => Self::OpenPgp,
            Some(_) => Self::Smime,
            None if bytes.first() == Some(&0x30) => Self::Smime,
            None => Self::OpenPgp,
        }
    }

    /// As people write it.
    pub fn words(self) -> &'static str {
        match self {
            Self::OpenPgp => "OpenPGP",
            Self::Smime => "S/MIME",
        }
    }
}

impl fmt::Display for SuiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenPgp => "openpgp",
            Self::Smime => "smime",
        })
    }
}

/// The full fingerprint of a certificate in upper-case hexadecimal: OpenPGP's own (RFC 9580, 5.5.4), or SHA-256
/// of an X.509 certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Reads a full fingerprint: 40 or 64 hexadecimal digits, spaces and colons between them allowed. Nothing
    /// shorter is one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | ':')).collect();
        let full = matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        full.then(|| Self(digits.to_ascii_uppercase()))
    }

    /// Takes what a suite counted itself.
    pub(in crate::crypt) fn of_digits(digits: String) -> Self {
        Self(digits)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What everybody may know of a certificate, whatever its suite.
pub trait PublicCertificate: Clone {
    /// Its full fingerprint.
    fn fingerprint(&self) -> Fingerprint;
    /// The addresses that it validly names at a time.
    fn addresses(&self, at: Timestamp) -> Vec<Address>;
    /// From when it is valid: of several usable ones the newest counts.
    fn created(&self) -> Timestamp;
    /// Its algorithms in words, the main one first: `Ed25519, X25519`, `RSA 3072`.
    fn algorithms(&self) -> String;
    /// Whether a key of it is weaker than is advised, though it still counts (warning `weak-key`).
    fn weak_key(&self) -> bool;
    /// Whether the two themselves show that they are one owner's, one renewing the other.
    fn renews_or_is_renewed_by(&self, other: &Self) -> bool;
    /// When it stops being of use for encryption, as seen at a time; none if never.
    fn expires(&self, at: Timestamp) -> Option<Timestamp>;
}

/// One family of standards. Only a suite reads a [`Payload`], and only a suite makes a [`Sealed`].
pub trait Suite: Copy {
    /// Its name.
    const NAME: SuiteName;
    /// Public half.
    type Certificate: PublicCertificate;
    /// An unlocked key that may sign at the time of sealing.
    type Signer;
    /// What makes a certificate genuine, beyond what is in it.
    type Grounds;
    /// What a message may look like, where the suite leaves a choice.
    type Form: Copy;

    /// Judges whether a certificate can be encrypted to at a time: the only maker of [`Usable`].
    fn check(certificate: &Self::Certificate, grounds: &Self::Grounds, at: Timestamp)
    -> Result<Usable<Self>, Unusable>;

    /// Signs and encrypts a payload, looks at the final bytes once more, and gives the wire message.
    fn seal(sealing: Sealing<'_, Self>) -> Result<Sealed, SealError>;

    /// Re-reads finished wire bytes, and gives their outer header. Of bytes `made_here`, to be quick, the packets
    /// are read to the ciphertext and not behind it.
    ///
    /// # Errors
    /// What is wrong, unless they are a message of this suite, encrypted to just these recipients, with nothing
    /// beside the ciphertext.
    fn look(pieces: &[Vec<u8>], recipients: &Recipients<Self>, made_here: bool) -> Result<look::Header, &'static str>;
}

/// All that one message needs to be sealed.
pub struct Sealing<'a, S: Suite> {
    /// What to seal.
    pub payload: PayloadUse<'a>,
    /// The fields that servers see.
    pub outer: &'a [Field],
    /// The true subject, where servers must not see it.
    pub confidential_subject: Option<&'a str>,
    /// Bare addresses that the outside must not show: those of the Bcc recipients of other groups.
    pub unseen: &'a [Address],
    /// Who hands it on and to whom. Its forward paths are the addresses of `recipients`.
    pub envelope: Envelope,
    /// Whose certificates.
    pub recipients: &'a Recipients<S>,
    /// Who signs; none encrypts only.
    pub signer: Option<&'a S::Signer>,
    /// The form of the message.
    pub form: S::Form,
    /// The time of signing.
    pub at: Timestamp,
    /// Boundary of the outer multipart.
    pub boundary: &'a str,
}

/// A payload to be read, or used up so that its memory is free as soon as it is sealed.
pub enum PayloadUse<'a> {
    /// Other groups need it too.
    Borrowed(&'a Payload),
    /// The last group.
    Owned(Payload),
}

impl PayloadUse<'_> {
    /// What is sealed, whoever else needs it.
    fn payload(&self) -> &Payload {
        match self {
            Self::Borrowed(payload) => payload,
            Self::Owned(payload) => payload,
        }
    }

    /// Writes it, and gives up what nobody else needs.
    fn write_to(self, sink: &mut impl io::Write) -> io::Result<()> {
        self.write_each(&mut |bytes, before| {
            before.give_back();
            sink.write_all(bytes)
        })
    }

    /// Writes it, and shows the same bytes to somebody else at the same time.
    fn write_and_show_to(
        self,
        sink: &mut impl io::Write,
        see: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> io::Result<()> {
        self.write_each(&mut |bytes, before| {
            let write = || {
                before.give_back();
                sink.write_all(bytes)
            };
            if bytes.len() < WORTHWHILE {
                see(bytes)?;
                return write();
            }
            let (seen, written) = both(|| see(bytes), write);
            written.and(seen)
        })
    }

    fn write_each(self, write: &mut Write<'_>) -> io::Result<()> {
        match self {
            Self::Borrowed(payload) => {
                let mut steps = payload.chunks().flat_map(|chunk| chunk.chunks(STEP));
                steps.try_for_each(|step| write(step, UsedUp::nothing()))
            }
            Self::Owned(payload) => payload.into_chunks().try_for_each(|chunk| use_up(chunk, write)),
        }
    }
}

/// Writes some bytes, and gives back those before them.
type Write<'a> = dyn FnMut(&[u8], UsedUp<'_>) -> io::Result<()> + 'a;

/// How much of a large chunk is used up at a time, in bytes.
const STEP: usize = 8 << 20;

/// Writes a chunk, and gives its memory up as it goes.
fn use_up(mut chunk: Zeroizing<Vec<u8>>, write: &mut Write<'_>) -> io::Result<()> {
    if chunk.len() <= STEP {
        write(&chunk, UsedUp::nothing())?;
        // Room that holds nothing is wiped at once when it is dropped, what holds bytes byte by byte.
        chunk.clear();
        return Ok(());
    }
    let mut used = 0..0;
    while used.end < chunk.len() {
        let (before, behind) = UsedUp::new(&mut chunk, used.clone());
        let count = behind.len().min(STEP);
        write(&behind[..count], before)?;
        used = used.end..used.end + count;
    }
    UsedUp::new(&mut chunk, used).0.give_back();
    chunk.spare_capacity_mut().zeroize();
    // All of it is wiped; to wipe it again would have the memory back.
    *chunk = Vec::new();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_written_whole_and_nothing_of_it_stays() {
        for length in [0, 1, STEP, STEP + 1, 2 * STEP + 5000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut written = Vec::new();
            let mut write = |chunk: &[u8], before: UsedUp<'_>| {
                before.give_back();
                io::Write::write_all(&mut written, chunk)
            };
            assert!(use_up(Zeroizing::new(bytes.clone()), &mut write).is_ok());
            assert!(written == bytes);
            let mut buffer = bytes.clone();
            let (one, two) = (length / 3, length / 2);
            let (used, behind) = UsedUp::new(&mut buffer, one..two);
            assert!(*behind == bytes[two..]);
            used.give_back();
            assert!(buffer[..one] == bytes[..one] && buffer[two..] == bytes[two..]);
            assert!(buffer[one..two].iter().all(|byte| *byte == 0));
        }
    }
}
