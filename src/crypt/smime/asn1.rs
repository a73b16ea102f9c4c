//! The structures of CMS that are read (RFC 5652, RFC 5083, RFC 3274), borrowed from the message, their counts
//! bounded.

pub(super) mod ber;
pub(super) mod der;
pub(super) mod oid;
pub(super) mod pem;
pub(super) mod pull;

use std::borrow::Cow;

use crate::crypt::OpenError;
use ber::{Cursor, Element, Malformed, Octets, tag};

/// The most recipients, signers and certificates of one message.
pub(super) const MOST_RECIPIENTS: usize = 10_000;
const MOST_SIGNERS: usize = 100;
const MOST_CERTIFICATES: usize = 1_000;
/// The most attributes that one signer has.
const MOST_ATTRIBUTES: usize = 100;

/// Why a structure is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not what it should be.
    Malformed,
    /// It has too many of something.
    Limit(&'static str),
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => Self::Malformed("it is no CMS (RFC 5652)"),
            Fault::Limit(what) => Self::Limit(what),
        }
    }
}

type Result<T> = std::result::Result<T, Fault>;

/// A CMS message by its type.
pub(super) enum Message<'a> {
    /// EnvelopedData or AuthEnvelopedData.
    Enveloped(Enveloped<'a>),
    /// SignedData.
    Signed(Signed<'a>),
    /// CompressedData.
    Compressed(Compressed<'a>),
    /// Another type.
    Other,
}

/// EnvelopedData (RFC 5652, 6.1) or AuthEnvelopedData (RFC 5083, 2.1).
pub(super) struct Enveloped<'a> {
    /// RecipientInfos, of any kind.
    pub recipients: Vec<Element<'a>>,
    /// The type of the content, contents octets of its identifier.
    pub content_type: &'a [u8],
    pub algorithm: Algorithm<'a>,
    /// The ciphertext.
    pub content: Octets,
    /// Where it is AuthEnvelopedData.
    pub authenticated: Option<Authenticated<'a>>,
}

/// What AuthEnvelopedData has besides.
pub(super) struct Authenticated<'a> {
    /// Contents of authAttrs.
    pub attributes: Option<&'a [u8]>,
    pub mac: Cow<'a, [u8]>,
}

/// SignedData (RFC 5652, 5.1).
pub(super) struct Signed<'a> {
    pub content_type: &'a [u8],
    pub content: Option<Octets>,
    /// Those of X.509 only, each in DER.
    pub certificates: Vec<&'a [u8]>,
    pub signers: Vec<Element<'a>>,
}

/// CompressedData (RFC 3274, 1.1).
pub(super) struct Compressed<'a> {
    pub algorithm: Algorithm<'a>,
    pub content_type: &'a [u8],
    pub content: Octets,
}

/// AlgorithmIdentifier (RFC 5280, 4.1.1.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Algorithm<'a> {
    /// Contents octets of its identifier.
    pub oid: &'a [u8],
    pub parameters: Option<Element<'a>>,
    /// The whole of it.
    pub raw: &'a [u8],
}

/// An attribute (RFC 5652, 5.3).
pub(super) struct Attribute<'a> {
    /// Contents octets of its type.
    pub oid: &'a [u8],
    pub values: Vec<Element<'a>>,
}

/// By what a message names a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identifier<'a> {
    /// IssuerAndSerialNumber: a Name in DER, and the contents octets of the number.
    Issuer(&'a [u8], &'a [u8]),
    /// SubjectKeyIdentifier.
    KeyId(Cow<'a, [u8]>),
}

/// Whether bytes begin as a ContentInfo of one of these types, be it damaged or cut off.
pub(super) fn begins_as(bytes: &[u8], types: &[::der::asn1::ObjectIdentifier]) -> bool {
    let content_type = Cursor::begun(bytes, tag::SEQUENCE).and_then(|mut info| info.next());
    let content_type = content_type.and_then(|content_type| content_type.primitive(tag::OID));
    content_type.is_ok_and(|content_type| types.iter().any(|oid| oid.as_bytes() == content_type))
}

impl<'a> Message<'a> {
    /// Reads a ContentInfo (RFC 5652, 3).
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut info = Element::only(bytes)?.inside(tag::SEQUENCE)?;
        let content_type = info.next()?.primitive(tag::OID)?;
        let mut content = info.inside(tag::context(0))?;
        info.end()?;
        let body = content.next()?;
        content.end()?;
        let is = |oid: &::der::asn1::ObjectIdentifier| content_type == oid.as_bytes();
        if is(&oid::ENVELOPED_DATA) {
            Enveloped::read(body, false).map(Self::Enveloped)
        } else if is(&oid::AUTH_ENVELOPED_DATA) {
            Enveloped::read(body, true).map(Self::Enveloped)
        } else if is(&oid::SIGNED_DATA) {
            Signed::read(body).map(Self::Signed)
        } else if is(&oid::COMPRESSED_DATA) {
            Compressed::read(body).map(Self::Compressed)
        } else {
            Ok(Self::Other)
        }
    }
}

impl<'a> Enveloped<'a> {
    fn read(element: Element<'a>, authenticated: bool) -> Result<Self> {
        let mut fields = element.inside(tag::SEQUENCE)?;
        fields.next()?.primitive(tag::INTEGER)?;
        fields.next_if(&[tag::context(0)])?;
        let recipients = fields.inside(tag::SET)?.all(MOST_RECIPIENTS)?;
        let recipients = recipients.ok_or(Fault::Limit("it has too many recipients"))?;
        let mut content = fields.inside(tag::SEQUENCE)?;
        let content_type = content.next()?.primitive(tag::OID)?;
        let algorithm = Algorithm::read(content.next()?)?;
        let ciphertext = Octets::of(&content.next()?, CONTENT)?;
        content.end()?;
        let authenticated = if authenticated { Some(Authenticated::read(&mut fields)?) } else { None };
        fields.next_if(&[if authenticated.is_some() { tag::context(2) } else { tag::context(1) }])?;
        fields.end()?;
        Ok(Self { recipients, content_type, algorithm, content: ciphertext, authenticated })
    }
}

/// `[0] IMPLICIT OCTET STRING`, primitive.
const CONTENT: u8 = 0x80;

impl<'a> Authenticated<'a> {
    fn read(fields: &mut Cursor<'a>) -> Result<Self> {
        let attributes = fields.next_if(&[tag::context(1)])?.map(|attributes| attributes.contents);
        let mac = fields.next()?.octets(tag::OCTET_STRING)?;
        Ok(Self { attributes, mac })
    }
}

impl<'a> Signed<'a> {
    fn read(element: Element<'a>) -> Result<Self> {
        let mut fields = element.inside(tag::SEQUENCE)?;
        fields.next()?.primitive(tag::INTEGER)?;
        // The algorithms that count are those of the signers.
        fields.inside(tag::SET)?;
        let (content_type, content) = encapsulated(&mut fields)?;
        let certificates = match fields.next_if(&[tag::context(0)])? {
            Some(set) => set.inside(tag::context(0))?.all(MOST_CERTIFICATES)?,
            None => Some(Vec::new()),
        };
        let certificates = certificates.ok_or(Fault::Limit("it has too many certificates"))?;
        let certificates = certificates.iter().filter(|one| one.tag == tag::SEQUENCE).map(|one| one.raw).collect();
        fields.next_if(&[tag::context(1)])?;
        let signers = fields.inside(tag::SET)?.all(MOST_SIGNERS)?.ok_or(Fault::Limit("it has too many signers"))?;
        fields.end()?;
        Ok(Self { content_type, content, certificates, signers })
    }
}

/// EncapsulatedContentInfo (RFC 5652, 5.2).
fn encapsulated<'a>(fields: &mut Cursor<'a>) -> Result<(&'a [u8], Option<Octets>)> {
    let mut info = fields.inside(tag::SEQUENCE)?;
    let content_type = info.next()?.primitive(tag::OID)?;
    let content = match info.next_if(&[tag::context(0)])? {
        Some(content) => {
            let mut inside = content.inside(tag::context(0))?;
            let octets = Octets::of(&inside.next()?, tag::OCTET_STRING)?;
            inside.end()?;
            Some(octets)
        }
        None => None,
    };
    info.end()?;
    Ok((content_type, content))
}

impl<'a> Compressed<'a> {
    fn read(element: Element<'a>) -> Result<Self> {
        let mut fields = element.inside(tag::SEQUENCE)?;
        fields.next()?.primitive(tag::INTEGER)?;
        let algorithm = Algorithm::read(fields.next()?)?;
        let (content_type, content) = encapsulated(&mut fields)?;
        fields.end()?;
        Ok(Self { algorithm, content_type, content: content.ok_or(Fault::Malformed)? })
    }
}

impl<'a> Algorithm<'a> {
    pub(super) fn read(element: Element<'a>) -> Result<Self> {
        Self::fields(element.inside(tag::SEQUENCE)?, element.raw)
    }

    /// Its fields, where its own tag is another.
    pub(super) fn fields(mut fields: Cursor<'a>, raw: &'a [u8]) -> Result<Self> {
        let oid = fields.next()?.primitive(tag::OID)?;
        let parameters = if fields.is_empty() { None } else { Some(fields.next()?) };
        fields.end()?;
        Ok(Self { oid, parameters, raw })
    }

    pub(super) fn is(&self, oid: &::der::asn1::ObjectIdentifier) -> bool {
        self.oid == oid.as_bytes()
    }
}

impl<'a> Attribute<'a> {
    /// Reads the contents of a SET OF Attribute.
    pub(super) fn read_all(contents: &'a [u8]) -> Result<Vec<Self>> {
        let all = Cursor::new(contents).all(MOST_ATTRIBUTES)?;
        let all = all.ok_or(Fault::Limit("a signature has too many attributes"))?;
        all.into_iter().map(Self::read).collect()
    }

    fn read(element: Element<'a>) -> Result<Self> {
        let mut fields = element.inside(tag::SEQUENCE)?;
        let oid = fields.next()?.primitive(tag::OID)?;
        let values = fields.inside(tag::SET)?.all(MOST_ATTRIBUTES)?;
        fields.end()?;
        Ok(Self { oid, values: values.ok_or(Fault::Limit("an attribute has too many values"))? })
    }

    /// Its value, if it has just one.
    pub(super) fn single(&self) -> Option<Element<'a>> {
        match self.values[..] {
            [one] => Some(one),
            _ => None,
        }
    }
}

impl<'a> Identifier<'a> {
    /// Reads a RecipientIdentifier or SignerIdentifier (RFC 5652, 5.3 and 6.2.1).
    pub(super) fn read(element: &Element<'a>) -> Result<Self> {
        if element.tag != tag::SEQUENCE {
            return Ok(Self::KeyId(element.octets(0x80)?));
        }
        let mut fields = element.inside(tag::SEQUENCE)?;
        let issuer = fields.next()?;
        issuer.inside(tag::SEQUENCE)?;
        let serial = fields.next()?.primitive(tag::INTEGER)?;
        fields.end()?;
        Ok(Self::Issuer(issuer.raw, serial))
    }
}
