//! Opening: the envelope undone, its signatures judged, and nothing read before that.
//!
//! A message goes through [`open`] to an [`Opened`], of which only the [`Summary`] can be seen, and through
//! [`Opened::release`] to a [`Released`], which has the text (RFC 9787, RFC 9788, RFC 3156).

mod caution;
mod introduced;
mod judge;
mod layers;
mod released;
mod summary;
mod unproven;

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Fingerprint, OpenError, PublicCertificate, SignatureFact, Suite, SuiteName, Unusable, pgp, smime};
use crate::mail::{
    Address,
    parse::Tree,
    protected::{self, Headers as MailHeaders},
};
use layers::{Content, Unwrapped};
use unproven::Stopped;

pub use introduced::introduced;
pub use released::{Attachment, Released, Report};
pub use summary::{Covers, Headers, Reason, Signature, Signer, State, Summary, Warning, WarningKind};

/// What opening takes from the suites; [`Readers`] is both.
pub trait Reads {
    /// Opens an encrypted message; nothing comes out before its end is proven.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is not an encrypted message at all.
    fn decrypt(&self, message: &[u8]) -> Result<pgp::Decrypted, OpenError>;

    /// Verifies detached signatures over exact bytes.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if there are none.
    fn verify_detached(&self, signatures: &[u8], over: &[u8]) -> Result<Vec<SignatureFact>, OpenError>;

    /// Reads a signed message that is not encrypted.
    fn verify_inline(&self, message: &[u8]) -> Result<Inline, OpenError>;

    /// Reads one CMS layer, the content in the memory of the message; the budget is that of the whole message.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is none.
    fn read_cms(&self, message: Zeroizing<Vec<u8>>, budget: &mut smime::Budget) -> Result<smime::Layer, OpenError>;

    /// Verifies a detached CMS signature over exact bytes; the budget is that of the whole message.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is none.
    fn verify_cms(
        &self,
        signature: &[u8],
        over: &[u8],
        budget: &mut smime::Budget,
    ) -> Result<Vec<SignatureFact>, OpenError>;

    /// Why a certificate, though it names an address, is not taken for genuine for it; none if it is.
    fn doubt(&self, suite: SuiteName, certificate: &Fingerprint, address: &Address) -> Option<String>;

    /// What is wrong by now with a key at hand, if anything.
    fn complaint(&self, key: &Fingerprint) -> Option<Unusable>;

    /// Whether a key at hand is weaker than is advised, though it still counts.
    fn is_weak(&self, key: &Fingerprint) -> bool;
}

/// A signed text, and its signature layers from the outermost.
pub type Inline = (Zeroizing<Vec<u8>>, Vec<Vec<SignatureFact>>);

/// What must hold before a text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing.
    None,
    /// A good signature over the whole message by this address.
    SignedBy(Address),
}

/// A message that was opened and judged, but not released: nothing of it can be read but its summary.
///
/// ```compile_fail
/// # use sealpost::crypt::open::Opened;
/// fn peek(opened: &Opened) -> &str { opened.text() }
/// ```
///
/// ```
/// # use sealpost::crypt::open::{Opened, Requirement};
/// fn read(opened: Opened, requirement: &Requirement) -> Option<String> {
///     opened.release(requirement).ok().map(|released| released.text().to_owned())
/// }
/// ```
pub struct Opened {
    summary: Summary,
    readable: Readable,
    /// What is known of it to whoever requires a signature, where that is less.
    unproven: Option<Summary>,
}

/// A message whose requirement was not met. Its text is gone.
#[derive(Clone, Debug)]
pub struct Withheld {
    summary: Summary,
    required: Address,
}

/// What a reader may see once it is released.
struct Readable {
    content: Readables,
    headers: MailHeaders,
    encrypted: bool,
}

/// The payload, its header section found.
enum Readables {
    Entity { bytes: Zeroizing<Vec<u8>>, tree: Tree, root: usize },
    Text(Zeroizing<String>),
}

/// Opens a message and judges it at a time.
///
/// The input is given up, so that ciphertext and plaintext need not be held together longer than decrypting takes.
pub fn open(message: Vec<u8>, reader: &dyn Reads, at: Timestamp) -> Result<Opened, OpenError> {
    judged(message, reader, at).map_err(|stopped| stopped.error)
}

/// Opens a message and gives its text, if the requirement is met.
///
/// # Errors
/// Those of [`open`]. Where a signature is required, what is wrong with a content that nothing proves (S/MIME in CBC
/// mode) is none: the message is withheld, as one without a valid signature.
#[allow(clippy::result_large_err, reason = "withheld is an outcome, made once for a message")]
pub fn open_for(
    message: Vec<u8>,
    reader: &dyn Reads,
    requirement: &Requirement,
    at: Timestamp,
) -> Result<Result<Released, Withheld>, OpenError> {
    match (judged(message, reader, at), requirement) {
        (Ok(opened), _) => Ok(opened.release(requirement)),
        (Err(Stopped { unproven: Some(outer), .. }), Requirement::SignedBy(address)) => {
            Ok(Err(Withheld { summary: unproven::summary(outer), required: address.clone() }))
        }
        (Err(stopped), _) => Err(stopped.error),
    }
}

fn judged(message: Vec<u8>, reader: &dyn Reads, at: Timestamp) -> Result<Opened, Stopped> {
    let unwrapped = layers::unwrap(message, reader)?;
    let suite = unwrapped.encrypted.or_else(|| unwrapped.signatures.first().map(|layer| layer.suite));
    let encrypted = unwrapped.encrypted.is_some();
    let Unwrapped { outer, content, unauthenticated, unproven, mut signatures, part, warnings, opened_by, .. } =
        unwrapped;
    let unproven = unproven && !unproven::is_proven(&signatures);
    let unproven = unproven.then(|| unproven::summary(outer.clone()));
    let enveloped = encrypted || signatures.iter().any(|layer| layer.facts.is_ok());

    let (content, headers) = match content {
        Content::Text { bytes, charset } => {
            let text = crate::mail::body::decode(&bytes, charset.as_deref());
            (Readables::Text(Zeroizing::new(crate::mail::body::line_breaks(text))), MailHeaders::outer(outer))
        }
        Content::Entity { bytes, tree, root } => {
            let wrapped = if enveloped { protected::wrapped(&tree, root, &outer, &bytes) } else { None };
            let headers = match wrapped {
                Some(message) => MailHeaders::read_wrapped(outer, tree.part(message), &bytes),
                None => MailHeaders::read(outer, tree.part(root), &bytes, enveloped),
            };
            (Readables::Entity { bytes, tree, root: wrapped.unwrap_or(root) }, headers)
        }
    };

    let author = headers.author();
    judge::doubt(&mut signatures, &author, |suite, one, address| reader.doubt(suite, one, address));
    let signature = judge::judge(&signatures, &author, &part);
    let shown = headers.shown(encrypted, signature.state == State::Good);
    let cautions = caution::Cautions { headers: &headers, author: &author, signatures: &signatures, at };
    let mut warnings = warnings;
    cautions.add(&mut warnings);
    if unauthenticated && signature.state != State::Good {
        caution::unauthenticated(&mut warnings);
    }
    for key in &opened_by {
        caution::complaint(reader.complaint(key), &mut warnings);
    }
    let facts = signatures.iter().flat_map(|layer| layer.facts.iter().flatten());
    let signers = facts.filter_map(|fact| fact.certificate.as_ref()).filter(|certificate| certificate.weak);
    let weak = opened_by.iter().filter(|fingerprint| reader.is_weak(fingerprint));
    if let Some(weak) = weak.chain(signers.map(|certificate| &certificate.fingerprint)).next() {
        caution::weak(weak, &mut warnings);
    }
    let summary = Summary { suite, encrypted, signature, headers: Headers(shown), warnings };
    Ok(Opened { summary, readable: Readable { content, headers, encrypted }, unproven })
}

impl Opened {
    /// What is known of it.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Gives the text, if the requirement is met.
    #[allow(clippy::result_large_err, reason = "withheld is an outcome, made once for a message")]
    pub fn release(self, requirement: &Requirement) -> Result<Released, Withheld> {
        match requirement {
            Requirement::SignedBy(address) if !self.summary.is_signed_by(address) => {
                Err(Withheld { summary: self.unproven.unwrap_or(self.summary), required: address.clone() })
            }
            Requirement::None | Requirement::SignedBy(_) => Ok(Released::new(self.summary, self.readable)),
        }
    }
}

impl Withheld {
    /// What is known of it.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whose signature was required.
    pub fn required(&self) -> &Address {
        &self.required
    }

    /// Its JSON, without a body; `file` where several were opened.
    pub fn report<'a>(&'a self, file: Option<&'a str>) -> Report<'a> {
        Report::new(file, &self.summary, None, &[])
    }
}

/// The readers of both suites.
pub struct Readers<'a> {
    /// OpenPGP.
    pub pgp: pgp::Reader<'a>,
    /// S/MIME.
    pub smime: smime::Reader<'a>,
    /// Why a certificate is not genuine for an address that it names, if it is not: nothing in it can tell.
    pub doubt: Doubt<'a>,
}

/// Why a certificate is not taken for genuine for an address that it names; none if it is.
pub type Doubt<'a> = &'a dyn Fn(SuiteName, &Fingerprint, &Address) -> Option<String>;

impl Reads for Readers<'_> {
    fn decrypt(&self, message: &[u8]) -> Result<pgp::Decrypted, OpenError> {
        self.pgp.decrypt(message)
    }

    fn verify_detached(&self, signatures: &[u8], over: &[u8]) -> Result<Vec<SignatureFact>, OpenError> {
        self.pgp.verify_detached(signatures, over)
    }

    fn verify_inline(&self, message: &[u8]) -> Result<Inline, OpenError> {
        self.pgp.verify_inline(message)
    }

    fn read_cms(&self, message: Zeroizing<Vec<u8>>, budget: &mut smime::Budget) -> Result<smime::Layer, OpenError> {
        self.smime.read_in_place(message, budget)
    }

    fn verify_cms(
        &self,
        signature: &[u8],
        over: &[u8],
        budget: &mut smime::Budget,
    ) -> Result<Vec<SignatureFact>, OpenError> {
        self.smime.verify_detached(signature, over, budget)
    }

    fn doubt(&self, suite: SuiteName, certificate: &Fingerprint, address: &Address) -> Option<String> {
        (self.doubt)(suite, certificate, address)
    }

    fn complaint(&self, key: &Fingerprint) -> Option<Unusable> {
        let (pgp, smime) = (&self.pgp, &self.smime);
        if let Some(certificate) = pgp.certificates.iter().find(|certificate| certificate.fingerprint() == *key) {
            return pgp::Pgp::check(certificate, &(), pgp.at).err();
        }
        // Whether others have a chain for it does not matter to its holder.
        let certificates = smime.keys.iter().filter_map(smime::Key::certificate);
        let mut own = certificates.filter(|certificate| certificate.fingerprint() == *key);
        smime::Smime::check(own.next()?, &smime::Grounds::Pinned(smime::Authorities::default()), smime.at).err()
    }

    fn is_weak(&self, certificate: &Fingerprint) -> bool {
        let smime = self.smime.keys.iter().filter_map(smime::Key::certificate).chain(self.smime.certificates);
        self.pgp.certificates.iter().any(|known| known.weak_key() && known.fingerprint() == *certificate)
            || smime.into_iter().any(|known| known.weak_key() && known.fingerprint() == *certificate)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("encrypted", &self.summary.encrypted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
