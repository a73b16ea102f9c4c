//! Recipients with ML-KEM keys: KEMRecipientInfo, written and read (RFC 9629, RFC 9936).

use std::borrow::Cow;

use der::asn1::ObjectIdentifier;
use openssl::{
    error::ErrorStack,
    md::Md,
    pkey::{HasPublic, KeyType, PKeyRef, Private, Public},
};
use zeroize::Zeroizing;

use super::{
    asn1::{
        Algorithm, Fault, Identifier,
        ber::{Element, tag},
        der::{self as write, OCTET_STRING, algorithm, context, element, sequence, small},
        oid,
    },
    derivation::Derivation,
    read::unwrap::{unwrapped, wrapping},
    seal::wrap::{ContentKey, Wrapped, aes_wrap},
};
use crate::ffi;

/// The tag of OtherRecipientInfo (RFC 5652, 6.2.5).
pub(super) const OTHER: u8 = context(4);

/// The algorithm of a key; none if it is not ML-KEM.
fn named(key: &PKeyRef<impl HasPublic>) -> Option<ObjectIdentifier> {
    let known = [
        (KeyType::ML_KEM_512, oid::ML_KEM_512),
        (KeyType::ML_KEM_768, oid::ML_KEM_768),
        (KeyType::ML_KEM_1024, oid::ML_KEM_1024),
    ];
    known.into_iter().find(|(kind, _)| key.is_a(*kind)).map(|(_, name)| name)
}

/// Wraps a content key; none if the key is not ML-KEM.
pub(super) fn wrap(key: &ContentKey, name: &[u8], theirs: &PKeyRef<Public>) -> Result<Option<Wrapped>, ErrorStack> {
    let Some(kem) = named(theirs) else { return Ok(None) };
    let (ciphertext, shared) = ffi::encapsulate(theirs)?;
    let wrapping = algorithm(oid::AES256_WRAP, &[]);
    let wrapping_key = derive(&Derivation::Hkdf(Md::sha256()), &shared, &wrapping, 32, None)?;
    let info = sequence(&[
        &small(0),
        name,
        &algorithm(kem, &[]),
        &element(OCTET_STRING, &[&ciphertext]),
        &algorithm(oid::HKDF_SHA256, &[]),
        &small(32),
        &wrapping,
        &element(OCTET_STRING, &[&aes_wrap(&wrapping_key, key)?]),
    ]);
    Ok(Some(Wrapped { der: element(OTHER, &[&write::oid(oid::KEM_RECIPIENT), &info]), version: 4 }))
}

/// With CMSORIforKEMOtherInfo (RFC 9629, 5); the length is that of the wrapping key in bytes.
fn derive(
    derivation: &Derivation,
    shared: &[u8],
    wrapping: &[u8],
    length: u8,
    material: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let material = material.map(|material| element(context(0), &[&element(OCTET_STRING, &[material])]));
    let info = sequence(&[wrapping, &small(length), &material.unwrap_or_default()]);
    derivation.derive(shared, &info, length.into())
}

/// How a key that was read is wrapped.
#[derive(Clone, Copy)]
pub(super) struct Encapsulated<'a> {
    kem: Algorithm<'a>,
    ciphertext: Element<'a>,
    derivation: Algorithm<'a>,
    length: &'a [u8],
    material: Option<Element<'a>>,
    wrapping: Algorithm<'a>,
}

/// For whom, how, and the wrapped key.
type Recipient<'a> = (Identifier<'a>, Encapsulated<'a>, Cow<'a, [u8]>);

/// Reads OtherRecipientInfo; none if it is of another kind.
pub(super) fn read<'a>(recipient: &Element<'a>) -> Result<Option<Recipient<'a>>, Fault> {
    let mut other = recipient.inside(OTHER)?;
    if other.next()?.primitive(tag::OID)? != oid::KEM_RECIPIENT.as_bytes() {
        return Ok(None);
    }
    let mut fields = other.inside(tag::SEQUENCE)?;
    other.end()?;
    fields.next()?.primitive(tag::INTEGER)?;
    let identifier = Identifier::read(&fields.next()?)?;
    let kem = Algorithm::read(fields.next()?)?;
    let ciphertext = fields.next()?;
    let derivation = Algorithm::read(fields.next()?)?;
    let length = fields.next()?.primitive(tag::INTEGER)?;
    let material = match fields.next_if(&[context(0)])? {
        Some(material) => Some(material.inside(context(0))?.next()?),
        None => None,
    };
    let wrapping = Algorithm::read(fields.next()?)?;
    let key = fields.next()?.octets(tag::OCTET_STRING)?;
    fields.end()?;
    Ok(Some((identifier, Encapsulated { kem, ciphertext, derivation, length, material, wrapping }, key)))
}

impl Encapsulated<'_> {
    /// Unwraps a key; none if that does not work, for whatever reason.
    pub(super) fn open(&self, secret: &PKeyRef<Private>, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let known =
            [(oid::HKDF_SHA256, Md::sha256()), (oid::HKDF_SHA384, Md::sha384()), (oid::HKDF_SHA512, Md::sha512())];
        let (_, digest) = known.into_iter().find(|(name, _)| self.derivation.is(name))?;
        named(secret).filter(|name| self.kem.is(name))?;
        let cipher = wrapping(&self.wrapping)?;
        let [length] = *self.length else { return None };
        if cipher.key_length() != usize::from(length) {
            return None;
        }
        let shared = ffi::decapsulate(secret, &self.ciphertext.octets(tag::OCTET_STRING).ok()?).ok()?;
        let material = self.material.map(|material| material.octets(tag::OCTET_STRING)).transpose().ok()?;
        let derivation = Derivation::Hkdf(digest);
        let key = derive(&derivation, &shared, self.wrapping.raw, length, material.as_deref()).ok()?;
        unwrapped(cipher, &key, wrapped).ok()
    }
}
