//! What a certificate says of itself, read once, by a reader of its own beside libcrypto's: what the two do not both
//! read is no certificate.

use der::{AnyRef, Decode, Tag, Tagged, asn1::ObjectIdentifier};
use jiff::{SignedDuration, Timestamp};
use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    x509::X509,
};

use super::{
    key::{self, KeyFacts},
    limits::Limits,
    name::{self, EMAIL_ADDRESS},
    parse::children,
};
use crate::{crypt::smime::Capabilities, mail::Address};

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// `smimeCapabilities` (RFC 4262, 2).
const CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.15");
/// `id-on-SmtpUTF8Mailbox` (RFC 9598, 3).
const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");

/// `id-kp-emailProtection` and `anyExtendedKeyUsage` (RFC 5280, 4.2.1.12).
const FOR_MAIL: [ObjectIdentifier; 2] =
    [ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4"), ObjectIdentifier::new_unwrap("2.5.29.37.0")];

/// Larger than any certificate in use; post-quantum ones have some 40 KiB.
const LARGEST: usize = 1 << 20;
/// The most names of one kind.
const MOST: usize = 10_000;

pub(super) struct Facts {
    pub addresses: Vec<Address>,
    pub subject: String,
    pub issuer: String,
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub key: KeyFacts,
    pub authority: bool,
    pub key_usage: Option<KeyUsage>,
    /// Whether its extended key usages, where it has some, let it be used for mail.
    pub for_mail: bool,
    pub capabilities: Option<Capabilities>,
    pub limits: Limits,
}

/// The bits of KeyUsage (RFC 5280, 4.2.1.3), the first the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::crypt::smime) struct KeyUsage(u8);

impl KeyUsage {
    /// digitalSignature or nonRepudiation.
    pub fn signs(self) -> bool {
        self.0 & 0b1100_0000 != 0
    }

    /// keyEncipherment.
    pub fn enciphers_keys(self) -> bool {
        self.0 & 0b0010_0000 != 0
    }

    /// keyAgreement.
    pub fn agrees_on_keys(self) -> bool {
        self.0 & 0b0000_1000 != 0
    }

    /// keyCertSign.
    pub fn certifies(self) -> bool {
        self.0 & 0b0000_0100 != 0
    }
}

/// TBSCertificate (RFC 5280, 4.1), as far as it is looked at.
struct Fields<'a> {
    serial: AnyRef<'a>,
    issuer: AnyRef<'a>,
    subject: AnyRef<'a>,
    key: AnyRef<'a>,
    extensions: Vec<(ObjectIdentifier, &'a [u8])>,
}

/// Reads a certificate; none if it is not one that both readers understand.
pub(super) fn read(der: &[u8], x509: &X509) -> Option<Facts> {
    if der.len() > LARGEST {
        return None;
    }
    let fields = fields(der)?;
    let subject = name::attributes(fields.subject)?;
    let extension = |id| fields.extensions.iter().find(|(kind, _)| *kind == id).map(|(_, value)| *value);
    let alternatives = extension(SUBJECT_ALT_NAME).map(sequence_in);
    let usages = extension(EXTENDED_KEY_USAGE).map(|value| {
        sequence_in(value)?.into_iter().map(|usage| usage.decode_as().ok()).collect::<Option<Vec<ObjectIdentifier>>>()
    });
    let constraints = extension(BASIC_CONSTRAINTS).map(sequence_in);
    Some(Facts {
        addresses: addresses(flatten(alternatives)?.unwrap_or_default(), &subject),
        subject: name::in_words(&subject),
        issuer: name::in_words(&name::attributes(fields.issuer)?),
        serial: serial_in_words(fields.serial.value()),
        not_before: timestamp(x509.not_before())?,
        not_after: timestamp(x509.not_after())?,
        key: key::describe(fields.key, x509),
        authority: flatten(constraints)?
            .and_then(|fields| fields.first().copied())
            .is_some_and(|first| first.tag() == Tag::Boolean && first.value() != [0]),
        key_usage: flatten(extension(KEY_USAGE).map(key_usage))?,
        for_mail: flatten(usages)?.is_none_or(|usages| usages.iter().any(|usage| FOR_MAIL.contains(usage))),
        capabilities: extension(CAPABILITIES).and_then(Capabilities::from_der),
        limits: flatten(extension(NAME_CONSTRAINTS).map(Limits::read))?.unwrap_or_default(),
    })
}

/// What is there must be readable.
fn flatten<T>(found: Option<Option<T>>) -> Option<Option<T>> {
    match found {
        Some(None) => None,
        Some(some) => Some(some),
        None => Some(None),
    }
}

fn fields(der: &[u8]) -> Option<Fields<'_>> {
    let [signed, algorithm, _signature] = sequence_in(der)?.try_into().ok()?;
    let mut rest = sequence(signed)?.into_iter().peekable();
    rest.next_if(|first| is_tagged(first, 0));
    let serial = rest.next()?;
    // RFC 5280, 4.1.1.2: both are the same.
    if rest.next()? != algorithm {
        return None;
    }
    let (issuer, _validity, subject, key) = (rest.next()?, rest.next()?, rest.next()?, rest.next()?);
    let extensions = match rest.find(|field| is_tagged(field, 3)) {
        Some(field) => extensions(AnyRef::from_der(field.value()).ok()?)?,
        None => Vec::new(),
    };
    (serial.tag() == Tag::Integer).then_some(Fields { serial, issuer, subject, key, extensions })
}

/// None if one stands there twice (RFC 5280, 4.2).
fn extensions(value: AnyRef<'_>) -> Option<Vec<(ObjectIdentifier, &[u8])>> {
    let mut found: Vec<(ObjectIdentifier, &[u8])> = Vec::new();
    for extension in sequence(value)? {
        let parts = sequence(extension)?;
        let id = parts.first()?.decode_as().ok()?;
        let octets = parts.last().filter(|last| last.tag() == Tag::OctetString)?;
        if found.len() > 1000 || found.iter().any(|(other, _)| *other == id) {
            return None;
        }
        found.push((id, octets.value()));
    }
    Some(found)
}

/// Those in SubjectAltName, then emailAddress of the subject; each once.
fn addresses(alternatives: Vec<AnyRef<'_>>, subject: &[name::Attribute<'_>]) -> Vec<Address> {
    let named = alternatives.iter().take(MOST).filter_map(alternative);
    let emails = subject.iter().filter(|attribute| attribute.kind == EMAIL_ADDRESS).take(MOST);
    let mut found: Vec<Address> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for address in named.chain(emails.filter_map(|attribute| ascii_address(attribute.value.value()))) {
        if seen.insert(address.clone()) {
            found.push(address);
        }
    }
    found
}

/// rfc822Name `[1]`, or SmtpUTF8Mailbox in otherName `[0]`.
fn alternative(name: &AnyRef<'_>) -> Option<Address> {
    if is_tagged(name, 1) {
        return ascii_address(name.value());
    }
    let [kind, value] = is_tagged(name, 0).then(|| children(name.value()))??.try_into().ok()?;
    if kind.decode_as::<ObjectIdentifier>() != Ok(SMTP_UTF8_MAILBOX) {
        return None;
    }
    let text = AnyRef::from_der(value.value()).ok().filter(|text| text.tag() == Tag::Utf8String)?;
    // RFC 9598, 3: for local parts that ASCII cannot write, and for these alone.
    address(std::str::from_utf8(text.value()).ok()?).filter(Address::needs_smtputf8)
}

fn ascii_address(bytes: &[u8]) -> Option<Address> {
    address(std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())?)
}

/// An address that is written as it is meant: were it only made equal to one, name constraints, which libcrypto
/// compares byte for byte, would not see it.
fn address(text: &str) -> Option<Address> {
    let address = Address::parse(text).ok()?;
    let (local, domain) = text.rsplit_once('@')?;
    (address.local() == local && address.domain().eq_ignore_ascii_case(domain)).then_some(address)
}

fn key_usage(der: &[u8]) -> Option<KeyUsage> {
    let value = AnyRef::from_der(der).ok()?;
    let [_unused, bits @ ..] = (value.tag() == Tag::BitString).then(|| value.value())? else { return None };
    Some(KeyUsage(bits.first().copied().unwrap_or_default()))
}

pub(super) fn serial_in_words(contents: &[u8]) -> String {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    match contents {
        [0, rest @ ..] if !rest.is_empty() => digits(rest),
        bytes => digits(bytes),
    }
}

/// A time of ASN.1; one that is too late for us is our last.
pub(in crate::crypt::smime) fn timestamp(time: &Asn1TimeRef) -> Option<Timestamp> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Some(Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
}

pub(super) fn sequence_in(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    sequence(AnyRef::from_der(der).ok()?)
}

fn sequence(value: AnyRef<'_>) -> Option<Vec<AnyRef<'_>>> {
    (value.tag() == Tag::Sequence).then(|| children(value.value()))?
}

pub(super) fn is_tagged(value: &AnyRef<'_>, number: u8) -> bool {
    matches!(value.tag(), Tag::ContextSpecific { number: found, .. } if found.value() == u32::from(number))
}
