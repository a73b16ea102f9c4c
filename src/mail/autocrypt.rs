//! The Autocrypt header field: an OpenPGP certificate that comes with a message (Autocrypt Level 1, 1.1.0).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Address, Field,
    parse::{Tree, fields},
    protected::{Author, HeaderSection, Headers},
};

/// Digits on a line of what is written.
const LINE: usize = 72;

/// The longest value that is read, in bytes.
const LONGEST: usize = 1 << 18;

/// Of more readers of one message gossip is not read.
const MOST_GOSSIP: usize = 256;

/// Whose certificate a message brings, and what is said to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autocrypt {
    /// Whom the field names: the author of the message, or, by gossip, a reader.
    pub address: Address,
    /// What should be an OpenPGP certificate in binary form.
    pub certificate: Vec<u8>,
}

/// The field for messages of an author who reads what is encrypted, as servers and readers see it (Autocrypt Level 1,
/// 2.1); `certificate` in binary form.
pub fn field(author: &Address, certificate: &[u8]) -> Field {
    let digits = STANDARD.encode(certificate);
    let mut value = format!("addr={author}; prefer-encrypt=mutual; keydata=");
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, later) = rest.split_at(rest.len().min(LINE));
        value += " ";
        value += line;
        rest = later;
    }
    Field::encoded("Autocrypt", value)
}

/// Why a message brings none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAutocrypt {
    /// It has no such field, or none that can be read.
    #[error("it has no Autocrypt header field that can be read")]
    Absent,
    /// It has several that can be read, of which none counts.
    #[error("it has several Autocrypt header fields, so none counts")]
    Several,
    /// Its author is not one.
    #[error("it does not have one author")]
    NoAuthor,
    /// The field is for somebody else than the author.
    #[error("its Autocrypt header field is not for its author")]
    Foreign,
    /// A report of a mail server is nobody's message.
    #[error("it is a report of a mail server")]
    Report,
    /// It has too many parts to be looked at.
    #[error("it has too many parts")]
    TooLarge,
}

/// Reads the field of a whole RFC 5322 message (Autocrypt Level 1, 2.1 and 2.3).
///
/// # Errors
/// [`NoAutocrypt`].
pub fn read(message: &[u8]) -> Result<Autocrypt, NoAutocrypt> {
    let tree = Tree::parse(message).map_err(|_| NoAutocrypt::TooLarge)?;
    let root = tree.part(0);
    if root.media.essence() == "multipart/report" {
        return Err(NoAutocrypt::Report);
    }
    let header = &message[root.header.clone()];
    let Author::One(author) = Headers::outer(HeaderSection::read(header)).author() else {
        return Err(NoAutocrypt::NoAuthor);
    };
    let named = fields(header).filter(|field| field.is("Autocrypt") && field.value.len() <= LONGEST);
    let mut read = named.filter_map(|field| attributes(&field.text()));
    match (read.next(), read.next()) {
        (None, _) => Err(NoAutocrypt::Absent),
        (Some(_), Some(_)) => Err(NoAutocrypt::Several),
        (Some(one), None) if one.address != author.address => Err(NoAutocrypt::Foreign),
        (Some(one), None) => Ok(one),
    }
}

/// Reads what the author of an encrypted message says of its other readers: from the header of what was decrypted,
/// within which alone it counts (Autocrypt Level 1, 4.3). It counts for those whom the message goes to, and not for the
/// author; of several for one address none does.
pub fn gossip(header: &[u8], author: &Address, readers: &[Address]) -> Vec<Autocrypt> {
    let named = fields(header).filter(|field| field.is("Autocrypt-Gossip") && field.value.len() <= LONGEST);
    let all: Vec<_> = named
        .filter_map(|field| attributes(&field.text()))
        .filter(|one| one.address != *author && readers.contains(&one.address))
        .take(MOST_GOSSIP)
        .collect();
    let alone = |one: &&Autocrypt| all.iter().filter(|other| other.address == one.address).count() == 1;
    all.iter().filter(alone).cloned().collect()
}

/// Whether a message looks encrypted from outside, so that there may be gossip in it.
pub fn may_gossip(message: &[u8]) -> bool {
    Tree::parse(message).is_ok_and(|tree| {
        let essence = tree.part(0).media.essence();
        matches!(essence, "multipart/encrypted" | "application/pkcs7-mime" | "application/x-pkcs7-mime")
    })
}

/// The attributes of a field; none where one is missing, comes twice, or is not known and may not be passed over.
fn attributes(value: &str) -> Option<Autocrypt> {
    let (mut address, mut certificate) = (None, None);
    for attribute in value.split(';').filter(|attribute| !attribute.trim().is_empty()) {
        let (name, value) = attribute.split_once('=')?;
        let fresh = match name.trim() {
            "addr" => address.replace(Address::parse(value.trim()).ok()?).is_none(),
            "keydata" => {
                let digits: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                certificate.replace(STANDARD.decode(digits).ok()?).is_none()
            }
            "prefer-encrypt" => true,
            name => name.starts_with('_'),
        };
        if !fresh {
            return None;
        }
    }
    Some(Autocrypt { address: address?, certificate: certificate? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn message(from: &str, fields: &[&str]) -> Result<Autocrypt, NoAutocrypt> {
        let fields: String = fields.iter().map(|field| format!("Autocrypt: {field}\n")).collect();
        read(format!("From: {from}\n{fields}Subject: s\n\nhello\n").as_bytes())
    }

    #[test]
    fn one_field_for_the_one_author() {
        let kim = "addr=kim@example.org; prefer-encrypt=mutual; _x=1; keydata=AAEC\n Aw==";
        let read = message("Kim <kim@example.org>", &[kim]).unwrap();
        assert_eq!((read.address.to_string().as_str(), read.certificate), ("kim@example.org", vec![0, 1, 2, 3]));
        assert_eq!(message("lee@example.org", &[kim]), Err(NoAutocrypt::Foreign));
        assert_eq!(message("kim@example.org, lee@example.org", &[kim]), Err(NoAutocrypt::NoAuthor));
        assert_eq!(message("kim@example.org\nFrom: lee@example.org", &[kim]), Err(NoAutocrypt::NoAuthor));
        assert_eq!(message("kim@example.org", &[kim, kim]), Err(NoAutocrypt::Several));
        assert_eq!(message("kim@example.org\nContent-Type: multipart/report", &[kim]), Err(NoAutocrypt::Report));
        // One that cannot be read is as none.
        assert!(message("kim@example.org", &["addr=kim@example.org", kim]).is_ok());
    }

    #[test]
    fn gossip_is_of_readers_alone() {
        let [kim, lee, max] =
            ["kim@example.org", "lee@example.org", "max@example.org"].map(|address| Address::parse(address).unwrap());
        let read = |fields: &[&str], readers: &[&Address]| {
            let header: String = fields.iter().map(|field| format!("Autocrypt-Gossip: {field}\r\n")).collect();
            let readers: Vec<_> = readers.iter().map(|&reader| reader.clone()).collect();
            let read = gossip(header.as_bytes(), &kim, &readers);
            read.into_iter().map(|one| one.address.to_string()).collect::<Vec<_>>()
        };
        let (of_lee, of_max) = ("addr=Lee@example.org; keydata=AAEC", "addr=max@example.org;\r\n keydata=AA\r\n EC");
        assert_eq!(read(&[of_lee, of_max], &[&lee, &max]), ["Lee@example.org", "max@example.org"]);
        assert_eq!(read(&[of_lee, of_max], &[&max]), ["max@example.org"]);
        assert_eq!(read(&["addr=kim@example.org; keydata=AAEC"], &[&kim, &lee]), [""; 0], "the author");
        assert_eq!(read(&[of_lee, of_lee, of_max], &[&lee, &max]), ["max@example.org"], "several");
        assert_eq!(read(&["addr=lee@example.org; type=1; keydata=AAEC", "keydata=AAEC", ""], &[&lee]), [""; 0]);
        assert_eq!(gossip(b"Autocrypt: addr=lee@example.org; keydata=AAEC\r\n", &kim, &[lee]), []);
    }

    #[test]
    fn a_field_that_cannot_be_read_is_none() {
        for field in [
            "",
            "addr=kim@example.org",
            "keydata=AAEC",
            "addr=kim@example.org; keydata=?",
            "addr=kim@example.org; type=2; keydata=AAEC",
            "addr=kim@example.org; addr=lee@example.org; keydata=AAEC",
            "addr=kim; keydata=AAEC",
        ] {
            assert_eq!(message("kim@example.org", &[field]), Err(NoAutocrypt::Absent), "{field}");
        }
        assert_eq!(read(b""), Err(NoAutocrypt::NoAuthor));
    }
}
