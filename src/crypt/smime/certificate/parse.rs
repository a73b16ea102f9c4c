//! Finding certificates in bytes: PEM (RFC 7468), DER, PKCS#7 bundles (RFC 8551, 3.8); and saying what else it is.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use der::{AnyRef, Decode, Reader, SliceReader, Tag};
use openssl::{pkcs7::Pkcs7, x509::X509Crl};

use super::{Certificate, CertificateError};

/// The most bytes that are read.
const LARGEST: usize = 64 << 20;
/// The most certificates of one input.
const MOST: usize = 100_000;

const CERTIFICATE: &str = "an X.509 certificate";
const CMS: &str = "a CMS message";
const REVOCATIONS: &str = "a revocation list";

/// One block of PEM.
struct Block<'a> {
    /// What stands behind BEGIN.
    label: &'a str,
    /// The DER form; none if it is no base64, or locked in the old way.
    der: Option<Vec<u8>>,
}

/// Every certificate in some bytes.
pub(super) fn parse_all(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let bytes = within_bounds(bytes)?;
    if bytes.first() == Some(&0x30) {
        return from_binary(bytes);
    }
    let mut found = Vec::new();
    let mut other = None;
    for block in blocks(bytes) {
        let der = || block.der.as_deref().ok_or(CertificateError::Broken);
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => found.push(Certificate::from_der(der()?)?),
            // What OpenSSL adds behind such a certificate are settings of its own.
            "TRUSTED CERTIFICATE" => found.push(Certificate::from_der(first_element(der()?))?),
            "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => found.extend(from_bundle(der()?)?),
            label => other = other.or(Some(kind_of_label(label))),
        }
        if found.len() > MOST {
            return Err(CertificateError::TooMany(MOST));
        }
    }
    if found.is_empty() {
        return Err(CertificateError::SomethingElse(other.unwrap_or_else(|| kind_of_bytes(bytes))));
    }
    Ok(found)
}

/// Every list of revoked certificates in some bytes, PEM or DER; PEM of other kinds is passed over.
pub(in crate::crypt::smime) fn parse_revocations(bytes: &[u8]) -> Result<Vec<X509Crl>, CertificateError> {
    let bytes = within_bounds(bytes)?;
    let read = |der: &[u8]| X509Crl::from_der(der).map_err(|_| CertificateError::Broken);
    if bytes.first() == Some(&0x30) {
        return match kind_of_der(bytes) {
            REVOCATIONS => Ok(vec![read(bytes)?]),
            other => Err(CertificateError::NoRevocations(other)),
        };
    }
    let mut found = Vec::new();
    let mut other = None;
    for block in blocks(bytes) {
        match block.label {
            "X509 CRL" => found.push(read(&block.der.ok_or(CertificateError::Broken)?)?),
            label => other = other.or(Some(kind_of_label(label))),
        }
        if found.len() > MOST {
            return Err(CertificateError::TooMany(MOST));
        }
    }
    if found.is_empty() {
        return Err(CertificateError::NoRevocations(other.unwrap_or_else(|| kind_of_bytes(bytes))));
    }
    Ok(found)
}

/// The bytes without a byte order mark, if there are any and not too many.
fn within_bounds(bytes: &[u8]) -> Result<&[u8], CertificateError> {
    if bytes.len() > LARGEST {
        return Err(CertificateError::TooLarge(LARGEST));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() { Err(CertificateError::Empty) } else { Ok(bytes) }
}

fn from_binary(der: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    match kind_of_der(der) {
        CERTIFICATE => Ok(vec![Certificate::from_der(der)?]),
        CMS => from_bundle(der),
        other => Err(CertificateError::SomethingElse(other)),
    }
}

/// The certificates of SignedData, DER or BER.
fn from_bundle(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let bundle = Pkcs7::from_der(bytes).map_err(|_| CertificateError::Broken)?;
    let signed = bundle.signed().ok_or(CertificateError::SomethingElse("a CMS message without certificates"))?;
    let mut found = Vec::new();
    for x509 in signed.certificates().into_iter().flatten() {
        if found.len() == MOST {
            return Err(CertificateError::TooMany(MOST));
        }
        found.push(Certificate::from_x509(x509.to_owned())?);
    }
    if found.is_empty() {
        return Err(CertificateError::SomethingElse("a CMS message without certificates"));
    }
    Ok(found)
}

/// The blocks of PEM in some bytes; what stands around them is passed over.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memmem::find(rest, b"-----BEGIN ")?;
            let behind = rest.get(start + 11..)?;
            let end = memchr::memmem::find(behind, b"-----")?;
            let label = behind.get(..end)?;
            let body = behind.get(end + 5..)?;
            rest = body;
            let Ok(label) = std::str::from_utf8(label) else { continue };
            if label.len() > 64 || label.contains(['\n', '\r']) {
                continue;
            }
            let Some(last) = memchr::memmem::find(body, b"-----END ") else {
                return Some(Block { label, der: None });
            };
            rest = body.get(last..)?;
            return Some(Block { label, der: decode(body.get(..last)?) });
        }
    })
}

fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let digits: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(digits).ok()
}

/// The first element of some DER, with its header.
fn first_element(der: &[u8]) -> &[u8] {
    let length = SliceReader::new(der).ok().and_then(|mut reader| {
        AnyRef::decode(&mut reader).ok()?;
        usize::try_from(reader.position()).ok()
    });
    length.and_then(|length| der.get(..length)).unwrap_or(der)
}

fn kind_of_label(label: &str) -> &'static str {
    match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => CERTIFICATE,
        "X509 CRL" => REVOCATIONS,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => "a certificate request",
        "PGP PUBLIC KEY BLOCK" => "an OpenPGP certificate",
        "PGP PRIVATE KEY BLOCK" => "an OpenPGP key",
        label if label.starts_with("PGP ") => "an OpenPGP message",
        label if label.ends_with("PRIVATE KEY") => "a private key",
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "a bare public key",
        _ => "PEM of another kind",
    }
}

fn kind_of_bytes(bytes: &[u8]) -> &'static str {
    match bytes.first() {
        // A packet of a public or a secret key (RFC 9580, 4.2).
        Some(0x98 | 0x99 | 0xc6) => "an OpenPGP certificate",
        Some(0x94 | 0x95 | 0xc5) => "an OpenPGP key",
        _ if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) => "text",
        _ => "something unknown",
    }
}

/// What a SEQUENCE is, by the tags within.
fn kind_of_der(der: &[u8]) -> &'static str {
    // Of indefinite length nothing is but a CMS message.
    if der.get(1) == Some(&0x80) {
        return CMS;
    }
    let Some(outer) = AnyRef::from_der(first_element(der)).ok().and_then(|outer| children(outer.value())) else {
        return CERTIFICATE;
    };
    let tags: Vec<Tag> = outer.iter().map(der::Tagged::tag).collect();
    match *tags.as_slice() {
        [Tag::ObjectIdentifier, ..] => CMS,
        [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => "a private key",
        [Tag::Integer, Tag::Integer, ..] | [Tag::Integer, Tag::OctetString, ..] => "a private key",
        [Tag::Integer, Tag::Sequence, ..] => "a PKCS#12 file",
        [Tag::Sequence, Tag::OctetString] => "a locked private key",
        [Tag::Sequence, Tag::BitString] => "a bare public key",
        [Tag::Sequence, Tag::Sequence, Tag::BitString] => kind_of_signed(outer.first()),
        _ => CERTIFICATE,
    }
}

/// Certificate, request, or list: all are signed in the same frame (RFC 5280, 4.1, 5.1; RFC 2986, 4).
fn kind_of_signed(inner: Option<&AnyRef<'_>>) -> &'static str {
    let fields = inner.and_then(|inner| children(inner.value())).unwrap_or_default();
    let tags: Vec<Tag> = fields.iter().map(der::Tagged::tag).collect();
    match *tags.as_slice() {
        [Tag::Integer, Tag::Sequence, Tag::Sequence, Tag::ContextSpecific { .. }] => "a certificate request",
        [Tag::Integer, Tag::Sequence, Tag::Sequence, Tag::UtcTime | Tag::GeneralizedTime, ..]
        | [Tag::Sequence, Tag::Sequence, Tag::UtcTime | Tag::GeneralizedTime, ..] => REVOCATIONS,
        _ => CERTIFICATE,
    }
}

/// The elements within the value of a constructed one; none if it is no DER.
pub(in crate::crypt::smime) fn children(value: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(value).ok()?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(found)
}
