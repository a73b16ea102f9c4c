//! Distinguished names in words (RFC 4514), whatever their encodings claim.

use der::{AnyRef, Tag, Tagged, asn1::ObjectIdentifier};

use super::parse::children;

/// `emailAddress` (RFC 2985, 5.2.1).
pub(super) const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// One attribute of a name, and whether it belongs to the same relative name as the one before.
pub(super) struct Attribute<'a> {
    pub kind: ObjectIdentifier,
    pub value: AnyRef<'a>,
    joined: bool,
}

/// The attributes of a Name in the order of its encoding; none if it is no name.
pub(super) fn attributes<'a>(name: AnyRef<'a>) -> Option<Vec<Attribute<'a>>> {
    let mut found = Vec::new();
    for relative in children(name.value())? {
        for (index, attribute) in children(relative.value())?.into_iter().enumerate() {
            let [kind, value] = children(attribute.value())?.try_into().ok()?;
            found.push(Attribute { kind: kind.decode_as().ok()?, value, joined: index > 0 });
        }
    }
    Some(found)
}

/// A name as RFC 4514 writes it, the most telling part first. Control characters are as they are.
pub(super) fn in_words(attributes: &[Attribute<'_>]) -> String {
    let mut words = String::new();
    for attribute in attributes.iter().rev() {
        words.push_str(&label(attribute.kind));
        words.push('=');
        match text(attribute.value) {
            Some(text) => escape(&text, &mut words),
            None => {
                words.push('#');
                attribute.value.value().iter().for_each(|byte| words.push_str(&format!("{byte:02X}")));
            }
        }
        words.push(if attribute.joined { '+' } else { ',' });
    }
    words.pop();
    words
}

/// A string of any of ASN.1's kinds as text; what is not of its kind is replaced.
pub(super) fn text(value: AnyRef<'_>) -> Option<String> {
    let bytes = value.value();
    let wide = |unit: usize| bytes.len().is_multiple_of(unit);
    Some(match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString | Tag::NumericString => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        // In practice it is ISO 8859-1.
        Tag::TeletexString => bytes.iter().copied().map(char::from).collect(),
        Tag::BmpString if wide(2) => {
            let units =
                bytes.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => return None,
    })
}

fn label(kind: ObjectIdentifier) -> String {
    let known = match kind.to_string().as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "2.5.4.65" => "pseudonym",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => return other.to_owned(),
    };
    known.to_owned()
}

/// RFC 4514, 2.4.
fn escape(text: &str, words: &mut String) {
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        let at_edge = (c == ' ' && (index == 0 || index == last)) || (c == '#' && index == 0);
        if at_edge || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            words.push('\\');
        }
        match c {
            '\0' => words.push_str("\\00"),
            c => words.push(c),
        }
    }
}
