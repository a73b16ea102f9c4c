//! S/MIME (RFC 8551, RFC 8550) over CMS (RFC 5652, 5083, 5084, 5753, 8418). CMS and X.509 live here only.
//!
//! `asn1` reads and writes structures, memory-safe and without a copy of any content. `certificate`, `chain`, `policy`
//! and `ocsp` say whose a certificate is and what it is worth; `key` holds the secret halves, and `agent_key` asks for those that an agent lends. `seal` writes messages,
//! `look` looks at them once more, `read` opens and judges them. Every primitive, and the path validation, is the
//! openssl crate's.

mod agent_key;
mod asn1;
mod capabilities;
mod certificate;
mod chain;
mod derivation;
mod identity;
mod kem;
mod key;
mod look;
mod ocsp;
mod policy;
mod read;
mod seal;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::{Recipients, SealError, Sealed, Sealing, Suite, SuiteName, Unusable, Usable, look::Header};

pub use agent_key::AgentKey;
pub use capabilities::{Announced, Capabilities};
pub use certificate::{Certificate, CertificateError};
pub use chain::{Authorities, ChainFault, Judged, Revocation};
pub use key::{Algorithm, Key, KeyError, Signer, UnlockError, Waiting};
pub use ocsp::{AnswerFault, Inquiry, Status, Unasked};
pub use read::{Budget, Layer, Pins, Reader, certificates_in, lacks_tag, recipients_of};

/// The suite.
#[derive(Clone, Copy, Debug)]
pub enum Smime {}

/// What makes a certificate genuine.
#[derive(Clone)]
pub enum Grounds {
    /// A chain to one of these (RFC 5280, 6).
    Chain(Authorities),
    /// The user gave its full fingerprint, which stands for the chain. What a list of these says of it counts still.
    Pinned(Authorities),
}

/// The choices that S/MIME leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// How the content is encrypted.
    pub content: ContentEncryption,
    /// How it is signed inside.
    pub signature: SignatureForm,
}

/// How the content is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentEncryption {
    /// EnvelopedData with AES-256-CBC, which every reader knows; no integrity of its own.
    #[default]
    Cbc,
    /// AuthEnvelopedData with AES-256-GCM (RFC 5083, RFC 5084).
    Gcm,
}

/// How the content is signed inside the encryption (RFC 8551, 3.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureForm {
    /// multipart/signed.
    #[default]
    Detached,
    /// SignedData that holds the content.
    Opaque,
}

impl Suite for Smime {
    const NAME: SuiteName = SuiteName::Smime;
    type Certificate = Certificate;
    type Signer = Signer;
    type Grounds = Grounds;
    type Form = Form;

    fn check(certificate: &Certificate, grounds: &Grounds, at: Timestamp) -> Result<Usable<Self>, Unusable> {
        policy::check(certificate, grounds, at)?;
        Ok(Usable::new(certificate.clone(), at))
    }

    fn seal(sealing: Sealing<'_, Self>) -> Result<Sealed, SealError> {
        seal::seal(sealing)
    }

    fn look(pieces: &[Vec<u8>], recipients: &Recipients<Self>, made_here: bool) -> Result<Header, &'static str> {
        look::look(pieces, recipients, made_here)
    }
}
