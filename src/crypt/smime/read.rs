//! Reading one CMS layer: decrypting, verifying, inflating. Nothing comes out of an authenticated layer before its
//! tag is proven (RFC 5083, 2), and every failure below the list of recipients is the same.

pub(super) mod algorithm;
mod budget;
mod decrypt;
mod inflate;
mod oaep;
pub(super) mod unwrap;
mod verify;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    Authorities, Certificate, Key,
    asn1::{
        Enveloped, Fault, Message, begins_as,
        ber::{Octets, tag},
        der::element,
        oid,
    },
};
use crate::{
    crypt::{BadReason, Fingerprint, OpenError, SignatureFact},
    mail::Address,
};
pub use budget::Budget;
use decrypt::{ContentCipher, Proof};
use inflate::inflate;
use unwrap::ContentKey;
use verify::Signatures;

/// Certificates that the user gave by full fingerprint, each for these addresses.
pub type Pins = [(Fingerprint, Vec<Address>)];

/// With what to open.
pub struct Reader<'a> {
    /// Unlocked keys.
    pub keys: &'a [Key],
    /// Certificates at hand, for signatures that do not bring their own; genuine only by a chain or a pin.
    pub certificates: &'a [Certificate],
    /// Whom to believe.
    pub authorities: &'a Authorities,
    /// Certificates that need no chain, and for whom they speak.
    pub pins: &'a Pins,
    /// The time of judging.
    pub at: Timestamp,
    /// The most that may come out, in bytes.
    pub limit: usize,
}

/// What one CMS layer held.
pub enum Layer {
    /// It was encrypted (EnvelopedData, AuthEnvelopedData).
    Encrypted {
        /// The content.
        plaintext: Zeroizing<Vec<u8>>,
        /// Whose key opened it.
        opened_by: Fingerprint,
        /// Whether a tag proves that nobody changed it; CBC has none.
        authenticated: bool,
        /// Whether it was encrypted with 3DES, which is read for the sake of old mail.
        weak: bool,
    },
    /// It was signed, and holds its content (SignedData).
    Signed {
        /// The content.
        content: Zeroizing<Vec<u8>>,
        /// Its signatures, or what is wrong with its form.
        facts: Result<Vec<SignatureFact>, BadReason>,
    },
    /// It was compressed (RFC 3274): no protection at all.
    Compressed {
        /// The content.
        content: Zeroizing<Vec<u8>>,
    },
    /// It carries certificates only (RFC 8551, 3.8): no layer.
    Certificates,
}

impl Reader<'_> {
    /// Reads one layer, DER or BER.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is no CMS of a type that is read; [`OpenError::NoKey`],
    /// [`OpenError::Undecryptable`], [`OpenError::Limit`].
    pub fn read(&self, message: &[u8]) -> Result<Layer, OpenError> {
        self.read_in_place(Zeroizing::new(message.to_vec()), &mut Budget::default())
    }

    /// Reads one layer like [`read`](Self::read). The content comes out in the memory of the message; the budget is
    /// that of all its layers.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn read_in_place(&self, message: Zeroizing<Vec<u8>>, budget: &mut Budget) -> Result<Layer, OpenError> {
        let encrypted = begins_as(&message, &[oid::ENVELOPED_DATA, oid::AUTH_ENVELOPED_DATA]);
        self.layer(message, budget).map_err(|error| match error {
            // Damaged or cut off is like any other failure.
            OpenError::Malformed(_) if encrypted => OpenError::Undecryptable,
            other => other,
        })
    }

    fn layer(&self, message: Zeroizing<Vec<u8>>, budget: &mut Budget) -> Result<Layer, OpenError> {
        // What is wanted of the structure is copied, so that the content can be moved.
        let step = match Message::read(&message)? {
            Message::Enveloped(enveloped) => Step::Decrypt(self.enveloped(&enveloped)?),
            Message::Signed(signed) if signed.content.is_none() && signed.signers.is_empty() => {
                return Ok(Layer::Certificates);
            }
            Message::Signed(signed) => {
                let content = signed.content.clone();
                let content = content.ok_or(OpenError::Malformed("what it signs is not in it"))?;
                Step::Verify(Signatures::of(&signed)?, content)
            }
            Message::Compressed(compressed) => {
                let known = compressed.algorithm.is(&oid::ZLIB) && compressed.content_type == oid::DATA.as_bytes();
                if !known {
                    return Err(OpenError::Malformed("it is compressed in a way that is not read"));
                }
                Step::Inflate(compressed.content.clone())
            }
            Message::Other => return Err(OpenError::Malformed("it is CMS of a type that is not read")),
        };
        match step {
            Step::Decrypt(decryption) => decryption.finish(message),
            Step::Verify(signatures, content) => self.opaque(&signatures, message, &content, budget),
            Step::Inflate(content) => {
                let mut message = message;
                let at = content.join(&mut message).map_err(Fault::from)?;
                let content = inflate(message.get(at).unwrap_or_default(), self.limit)?;
                Ok(Layer::Compressed { content })
            }
        }
    }

    /// Verifies a detached SignedData over exact bytes (RFC 8551, 3.5.3).
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is none, or has a content of its own; [`OpenError::Limit`].
    pub fn verify_detached(
        &self,
        signature: &[u8],
        over: &[u8],
        budget: &mut Budget,
    ) -> Result<Vec<SignatureFact>, OpenError> {
        let Message::Signed(signed) = Message::read(signature)? else {
            return Err(OpenError::Malformed("there is no signature where one is due"));
        };
        // Of two contents one would be shown and the other signed.
        if signed.content.is_some() {
            return Err(OpenError::Malformed("the signature has a content of its own"));
        }
        let signatures = Signatures::of(&signed)?;
        if !signatures.are_over_entity() {
            return Err(OpenError::Malformed("the signature is not over a MIME entity"));
        }
        Ok(signatures.judged(self, over, budget)?)
    }

    /// The certificates that made good signatures of a SignedData, over its own content or over exact bytes, each
    /// with what its holder says there that he reads (RFC 8551, 2.7.1), if he says when.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is none, or has no content or two.
    pub fn announced(&self, signed: &[u8], over: Option<&[u8]>) -> Result<Vec<Certificate>, OpenError> {
        let Message::Signed(read) = Message::read(signed)? else {
            return Err(OpenError::Malformed("there is no signature where one is due"));
        };
        let signatures = Signatures::of(&read)?;
        match (over, &read.content) {
            (Some(over), None) => Ok(signatures.announced(self, over)),
            (None, Some(content)) => {
                let mut buffer = Zeroizing::new(signed.to_vec());
                let at = content.join(&mut buffer).map_err(Fault::from)?;
                Ok(signatures.announced(self, buffer.get(at).unwrap_or_default()))
            }
            _ => Err(OpenError::Malformed("the signature has no content, or two")),
        }
    }

    fn enveloped(&self, enveloped: &Enveloped<'_>) -> Result<Decryption, OpenError> {
        if enveloped.content_type != oid::DATA.as_bytes() {
            return Err(OpenError::Malformed("what is encrypted in it is no MIME entity"));
        }
        let cipher = ContentCipher::named(&enveloped.algorithm, enveloped.authenticated.is_some());
        let length = cipher.as_ref().map_or(32, ContentCipher::key_length);
        let key = unwrap::content_key(&enveloped.recipients, self.keys, length)?;
        let proof = enveloped.authenticated.as_ref().map(|authenticated| Proof {
            attributes: authenticated.attributes.map(|set| element(tag::SET, &[set])).unwrap_or_default(),
            tag: authenticated.mac.to_vec(),
        });
        Ok(Decryption { cipher, key, content: enveloped.content.clone(), proof })
    }

    fn opaque(
        &self,
        signatures: &Signatures,
        mut message: Zeroizing<Vec<u8>>,
        content: &Octets,
        budget: &mut Budget,
    ) -> Result<Layer, OpenError> {
        let at = content.join(&mut message).map_err(Fault::from)?;
        let over = message.get(at.clone()).unwrap_or_default();
        let facts = if signatures.is_empty() {
            Err(BadReason::Missing)
        } else if !signatures.are_over_entity() {
            Err(BadReason::Malformed)
        } else {
            Ok(signatures.judged(self, over, budget)?)
        };
        message.copy_within(at.clone(), 0);
        message.truncate(at.len());
        Ok(Layer::Signed { content: message, facts })
    }
}

/// Whether a message begins as one whose encryption has no tag that proves it (EnvelopedData).
pub fn lacks_tag(message: &[u8]) -> bool {
    begins_as(message, &[oid::ENVELOPED_DATA])
}

/// Whom an encrypted message names, in words, without any key.
///
/// # Errors
/// [`OpenError::Malformed`] if it is not encrypted.
pub fn recipients_of(message: &[u8]) -> Result<Vec<String>, OpenError> {
    match Message::read(message)? {
        Message::Enveloped(enveloped) => Ok(unwrap::names(&enveloped.recipients)?),
        _ => Err(OpenError::Malformed("it is not encrypted")),
    }
}

/// The certificates that come with a SignedData, signed or not; genuine for nothing.
///
/// # Errors
/// [`OpenError::Malformed`] if it is none.
pub fn certificates_in(message: &[u8]) -> Result<Vec<Certificate>, OpenError> {
    match Message::read(message)? {
        Message::Signed(signed) => Ok(verify::certificates(&signed)),
        _ => Err(OpenError::Malformed("it holds no certificates")),
    }
}

/// What is left to be done once the structure is read.
enum Step {
    Decrypt(Decryption),
    Verify(Signatures, Octets),
    Inflate(Octets),
}

/// All that decrypting takes.
struct Decryption {
    /// None if it is unknown, which is told no sooner than any other failure.
    cipher: Option<ContentCipher>,
    key: ContentKey,
    content: Octets,
    proof: Option<Proof>,
}

impl Decryption {
    fn finish(self, mut message: Zeroizing<Vec<u8>>) -> Result<Layer, OpenError> {
        let at = self.content.join(&mut message).map_err(Fault::from)?;
        let cipher = self.cipher.ok_or(OpenError::Undecryptable)?;
        let proof = self.proof.as_ref();
        cipher.decrypt(&self.key.key, &mut message, at, proof).ok_or(OpenError::Undecryptable)?;
        Ok(Layer::Encrypted {
            plaintext: message,
            opened_by: self.key.opened_by,
            authenticated: proof.is_some(),
            weak: cipher.weak,
        })
    }
}

#[cfg(test)]
mod tests;
