//! Header protection, the reading side (RFC 9788, 4): which fields count, and how each was protected.
//!
//! What a field's state is follows from the payload alone where `hp` is there (4.3.1); the older
//! `protected-headers="v1"` and the message/rfc822 wrapping (4.10) tell nothing of the outside, so that the outer
//! header section is compared.

use std::{collections::HashSet, fmt};

use super::{
    Address, Mailbox,
    character::decode_words,
    parse::{MediaType, Part, Tree, fields, harmless},
};

/// The fields that are shown, in the order shown.
const SHOWN: [&str; 10] =
    ["from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"];
/// Those that hold addresses.
const ADDRESSES: [&str; 5] = ["from", "sender", "reply-to", "to", "cc"];

/// The fields of one header section: name and unfolded value, as they stand.
#[derive(Clone, Debug, Default)]
pub struct HeaderSection {
    fields: Vec<(String, String)>,
}

/// How the payload protects its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// `hp="cipher"`.
    Cipher,
    /// `hp="clear"`, or an `hp` of an unknown value.
    Clear,
    /// `protected-headers="v1"`, or the message/rfc822 wrapping.
    Older,
}

/// How one field was protected (RFC 9788, 4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// Anybody on the way may have written or read it.
    Unprotected,
    /// It was signed, and stood outside too, or the message was not encrypted.
    Signed,
    /// It was encrypted, and nobody vouches for it.
    Encrypted,
    /// Both.
    SignedAndEncrypted,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unprotected => "unprotected",
            Self::Signed => "signed",
            Self::Encrypted => "encrypted",
            Self::SignedAndEncrypted => "signed and encrypted",
        })
    }
}

/// The outer header section, and the protected one where there is one.
#[derive(Clone, Debug)]
pub struct Headers {
    outer: HeaderSection,
    inner: Option<(Scheme, HeaderSection)>,
}

/// Who a message says it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// No From field, or none that can be read.
    None,
    /// One From field with one mailbox.
    One(Mailbox),
    /// Several fields or mailboxes.
    Several,
}

/// One field as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownField {
    /// Its name in lower case.
    pub name: &'static str,
    /// Its value, decoded, in one line, without control characters.
    pub value: String,
    /// How it was protected.
    pub protection: Protection,
}

impl HeaderSection {
    /// Reads one.
    pub fn read(header: &[u8]) -> Self {
        Self { fields: fields(header).map(|field| (field.name.to_owned(), field.text().into_owned())).collect() }
    }

    /// The values of a field, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether no field is there.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}

impl Headers {
    /// Those of a message whose payload's root is `root`. Without a layer around it, `enveloped` is false, and
    /// nothing is protected.
    pub fn read(outer: HeaderSection, root: &Part, bytes: &[u8], enveloped: bool) -> Self {
        let scheme = if enveloped { Scheme::of(&root.media) } else { None };
        let inner = scheme.map(|scheme| (scheme, HeaderSection::read(&bytes[root.header.clone()])));
        Self { outer, inner }
    }

    /// Those of a message whose payload is a wrapped message (RFC 9788, 4.10), `root` being that message's root.
    pub fn read_wrapped(outer: HeaderSection, root: &Part, bytes: &[u8]) -> Self {
        Self { outer, inner: Some((Scheme::Older, HeaderSection::read(&bytes[root.header.clone()]))) }
    }

    /// Those of a message whose payload is a mere text.
    pub fn outer(outer: HeaderSection) -> Self {
        Self { outer, inner: None }
    }

    /// Whether the payload protects its header.
    pub fn is_protected(&self) -> bool {
        self.inner.is_some()
    }

    /// Whether the field counts from inside.
    fn inside(&self, name: &str) -> bool {
        self.inner.as_ref().is_some_and(|(_, inner)| inner.has(name))
    }

    /// The values that count: the protected ones, else the outer ones.
    fn values<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match &self.inner {
            Some((_, inner)) if inner.has(name) => inner.all(name).collect(),
            _ => self.outer.all(name).collect(),
        }
    }

    /// Who the message says it is from. Two From fields in either section are several authors: readers disagree
    /// on which one they show.
    pub fn author(&self) -> Author {
        let inner = self.inner.as_ref().map_or(0, |(_, inner)| inner.all("from").count());
        if inner > 1 || self.outer.all("from").count() > 1 {
            return Author::Several;
        }
        author(&self.values("from"))
    }

    /// Whom the message names as those that it and the answers to it go to: To, Cc and Reply-To.
    pub fn readers(&self) -> Vec<Address> {
        let values = ["to", "cc", "reply-to"].into_iter().flat_map(|name| self.values(name));
        values.filter_map(mailboxes).flatten().map(|mailbox| mailbox.address).collect()
    }

    /// The one author outside, where he is not the one inside (RFC 9788, 4.4.2).
    pub fn from_mismatch(&self) -> Option<String> {
        let (_, inner) = self.inner.as_ref()?;
        let outside = self.outer.all("from").collect::<Vec<_>>();
        if outside.is_empty() || !inner.has("from") {
            return None;
        }
        let same = match (author(&inner.all("from").collect::<Vec<_>>()), author(&outside)) {
            (Author::One(inside), Author::One(outside)) => inside.address == outside.address,
            _ => inner.all("from").eq(outside.iter().copied()),
        };
        (!same).then(|| shown("from", &outside))
    }

    /// The Date that counts, as it stands.
    pub fn date(&self) -> Option<&str> {
        self.values("date").first().copied()
    }

    /// The fields that are shown. `encrypted`: the payload lay in an encrypting envelope; `signed`: a good
    /// signature covers it.
    pub fn shown(&self, encrypted: bool, signed: bool) -> Vec<ShownField> {
        let mut all = Vec::new();
        for name in SHOWN {
            let values = self.values(name);
            if values.is_empty() {
                continue;
            }
            let inside = self.inside(name);
            let confidential = inside && encrypted && self.is_confidential(name, &values);
            let protection = match (inside && signed, confidential) {
                (true, true) => Protection::SignedAndEncrypted,
                (true, false) => Protection::Signed,
                (false, true) => Protection::Encrypted,
                (false, false) => Protection::Unprotected,
            };
            all.push(ShownField { name, value: shown(name, &values), protection });
        }
        all
    }

    /// Whether the outside showed none of the protected values of a field.
    fn is_confidential(&self, name: &str, values: &[&str]) -> bool {
        let Some((scheme, inner)) = &self.inner else { return false };
        let exposed: HashSet<String> = match scheme {
            Scheme::Clear => return false,
            Scheme::Older => self.outer.all(name).map(reading).collect(),
            Scheme::Cipher => {
                let fields = inner.all("hp-outer").filter_map(|field| field.split_once(':'));
                fields
                    .filter(|(known, _)| known.trim().eq_ignore_ascii_case(name))
                    .map(|(_, value)| reading(value))
                    .collect()
            }
        };
        !values.iter().any(|value| exposed.contains(&reading(value)))
    }

    /// The outer fields that still count once the payload stands alone: neither MIME fields nor those that the
    /// payload has itself. Of an encrypted message nor those that turn replies: anybody on the way could have a reply
    /// with the decrypted text sent to himself.
    pub fn outer_rest(&self, encrypted: bool) -> impl Iterator<Item = (&str, &str)> {
        let rest = self.outer.fields.iter().filter(move |(name, _)| {
            let lower = name.to_ascii_lowercase();
            let turns_replies = matches!(lower.as_str(), "reply-to" | "mail-reply-to" | "mail-followup-to");
            !(lower.starts_with("content-")
                || lower == "mime-version"
                || self.inside(name)
                || encrypted && turns_replies)
        });
        rest.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Scheme {
    fn of(media: &MediaType) -> Option<Self> {
        match media.parameter("hp") {
            Some(value) if value.trim().eq_ignore_ascii_case("cipher") => Some(Self::Cipher),
            Some(value) if value.trim().eq_ignore_ascii_case("clear") => Some(Self::Clear),
            Some(_) if media.says("protected-headers", "v1") => Some(Self::Clear),
            None if media.says("protected-headers", "v1") => Some(Self::Older),
            _ => None,
        }
    }
}

/// The root of a wrapped message (RFC 9788, 4.10.1), if the payload is one: a message/rfc822 that is not said to be
/// forwarded and has no `hp`, whose own root is no cryptographic layer and has no header protection of its own.
/// That it has the one From of the outside keeps forwarded mail from passing for one.
pub fn wrapped(tree: &Tree, root: usize, outer: &HeaderSection, bytes: &[u8]) -> Option<usize> {
    let wrapper = tree.part(root);
    let unmarked = wrapper.media.parameter("hp").is_none() && !wrapper.media.says("forwarded", "yes");
    let [child] = wrapper.children[..] else { return None };
    if !wrapper.media.is_message() || !unmarked || wrapper.ambiguous || wrapper.is_attachment() {
        return None;
    }
    let inner = tree.part(child);
    let layer = matches!(
        inner.media.essence(),
        "multipart/signed" | "multipart/encrypted" | "application/pkcs7-mime" | "application/x-pkcs7-mime"
    );
    if layer || Scheme::of(&inner.media).is_some() {
        return None;
    }
    let section = HeaderSection::read(&bytes[inner.header.clone()]);
    let inside = author(&section.all("from").collect::<Vec<_>>());
    let outside = author(&outer.all("from").collect::<Vec<_>>());
    match (inside, outside) {
        (Author::One(inside), Author::One(outside)) if inside.address == outside.address => Some(child),
        _ => None,
    }
}

fn author(values: &[&str]) -> Author {
    let [value] = values else {
        return if values.is_empty() { Author::None } else { Author::Several };
    };
    let mut list = mailboxes(value).unwrap_or_default();
    match list.len() {
        0 => Author::None,
        1 => list.pop().map_or(Author::None, Author::One),
        _ => Author::Several,
    }
}

/// Reads a list of mailboxes. Strangers write display names that no draft may have, bare addresses and controls
/// among them: of one such mailbox the name is made harmless, and the address is still read strictly.
fn mailboxes(value: &str) -> Option<Vec<Mailbox>> {
    if let Ok(list) = Mailbox::parse_list(value) {
        return Some(list);
    }
    let (name, address) = value.trim().strip_suffix('>')?.split_once('<')?;
    let name = name.trim();
    let quoted = name.len() > 1 && name.starts_with('"') && name.ends_with('"');
    let inner = if quoted { &name[1..name.len() - 1] } else { name };
    let apart = |c: char| matches!(c, '"' | '<' | '>' | '\\') || !quoted && matches!(c, ',' | ';' | ':');
    if inner.contains(apart) {
        return None;
    }
    let name = Some(harmless(&decode_words(inner))).filter(|name| !name.is_empty());
    Some(vec![Mailbox { name, address: Address::parse(address.trim()).ok()? }])
}

/// A value as it reads: two that read the same are the same.
fn reading(value: &str) -> String {
    harmless(&decode_words(value))
}

/// A value as it is shown. Addresses are taken apart before encoded words are decoded, so that no word can pass
/// for an address; a list that cannot be read stays as it stands.
fn shown(name: &str, values: &[&str]) -> String {
    if ADDRESSES.contains(&name) {
        let lists = values.iter().map(|value| match mailboxes(value) {
            Some(list) => list.iter().map(mailbox).collect::<Vec<_>>().join(", "),
            None => harmless(value),
        });
        return lists.collect::<Vec<_>>().join(", ");
    }
    let value = values.first().copied().unwrap_or_default();
    if name == "subject" { reading(value) } else { harmless(value) }
}

fn mailbox(mailbox: &Mailbox) -> String {
    let Some(name) = mailbox.name.as_deref().map(harmless).filter(|name| !name.is_empty()) else {
        return mailbox.address.to_string();
    };
    if name.contains(|c: char| "()<>[]:;@\\,\"".contains(c)) {
        format!("\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), mailbox.address)
    } else {
        format!("{name} <{}>", mailbox.address)
    }
}
