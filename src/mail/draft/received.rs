//! A whole RFC 5322 message as a draft: what `seal` and `--message` take in.

use std::fmt;

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use zeroize::Zeroizing;

use super::{Content, Draft, DraftError, Field, MessageId};
use crate::mail::{
    Mailbox,
    character::{decode_words, is_control},
};

/// Fields that tell of the way a message took, of the machine, or of the program that made it: they go nowhere.
const DROPPED: &[&str] = &[
    "mime-version",
    "hp-outer",
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "fcc",
    "dkim-signature",
    "domainkey-signature",
    "authentication-results",
    "received-spf",
    "user-agent",
    "x-mailer",
    "x-newsreader",
    "x-mimeole",
    "x-originating-ip",
    "x-originating-host",
    "x-sender-ip",
    "x-sender",
    "x-x-sender",
    "x-authenticated-sender",
    "x-authentication-warning",
    "x-identity-key",
    "x-account-key",
    "status",
    "x-status",
    "x-keywords",
    "x-uid",
    "apparently-to",
];
const DROPPED_PREFIXES: &[&str] =
    &["resent-", "arc-", "x-mozilla-", "x-php-", "x-envelope-", "x-spam-", "x-virus-", "x-enigmail-"];

/// A whole RFC 5322 message, its header section apart, so that the body can go inside without a copy.
pub struct Message {
    /// The header section, with the empty line behind it if there is one.
    pub header: Zeroizing<Vec<u8>>,
    /// All that follows.
    pub body: Zeroizing<Vec<u8>>,
}

impl Message {
    /// Where the body starts: behind the first empty line, if one ends at an index or later.
    pub fn body_start(bytes: &[u8], from: usize) -> Option<usize> {
        let mut ends = memchr::memchr_iter(b'\n', &bytes[from..]).map(|end| from + end);
        let empty = |end: &usize| matches!(bytes[..*end], [] | [b'\r'] | [.., b'\n'] | [.., b'\n', b'\r']);
        ends.find(empty).map(|end| end + 1)
    }
}

impl From<Zeroizing<Vec<u8>>> for Message {
    fn from(mut header: Zeroizing<Vec<u8>>) -> Self {
        let start = Self::body_start(&header, 0).unwrap_or(header.len());
        let body = Zeroizing::new(header[start..].to_vec());
        header.truncate(start);
        Self { header, body }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message(..)")
    }
}

/// The fields of a message before they are a draft.
struct Header {
    fields: Vec<(String, String)>,
}

impl Draft {
    /// Takes a whole RFC 5322 message apart: its To, Cc and Bcc are the recipients, its structure is kept.
    /// Date and Message-ID are its own where it has valid ones, else the date given and an ID from the random bytes;
    /// an ID of another domain than From's would tell the machine, and is replaced too.
    ///
    /// Line breaks may be LF; a first line `From ` of an mbox is passed over. Several To, Cc or Bcc fields count as
    /// one. Left out are Resent-*, trace fields (Received, Return-Path, Delivered-To, DKIM-Signature, ARC-* ...) and
    /// those of machine and program (User-Agent, X-Mailer, X-Originating-IP, X-PHP-* ...); all others go inside.
    /// A body without Content-Type is text.
    ///
    /// # Errors
    /// [`DraftError::Count`] for two From fields or none, or two of another field that stands once;
    /// [`DraftError::Control`] for control characters in the header; [`DraftError::Address`];
    /// [`DraftError::Malformed`] for a line that is no field, and a header that is not UTF-8; and [`DraftError::NoText`]
    /// for a body that is neither UTF-8 nor has a Content-Type.
    pub fn from_message(message: Message, date: Timestamp, random: [u8; 16]) -> Result<Self, DraftError> {
        let header = Header::read(&message.header)?;
        let mut from = header.mailboxes("From")?;
        let count = header.all("From").count();
        if count != 1 {
            return Err(DraftError::Count { name: "From", count });
        }
        let (Some(author), true) = (from.pop(), from.is_empty()) else {
            let text = header.all("From").collect();
            return Err(DraftError::Malformed { what: "From", text });
        };
        let subject = header.one("Subject")?.map(decode_words);
        let references = |name| Ok(header.one(name)?.map(MessageId::find_all).unwrap_or_default());
        let stated =
            header.one("Date")?.and_then(|text| DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok());
        let stated_id = header.one("Message-ID")?.and_then(|id| MessageId::parse(id).ok());
        Ok(Self {
            to: header.mailboxes("To")?,
            cc: header.mailboxes("Cc")?,
            bcc: header.mailboxes("Bcc")?,
            subject: subject.map(|subject| Self::checked_subject(&subject)).transpose()?,
            date: stated.unwrap_or(date),
            message_id: stated_id
                .filter(|id| id.domain().eq_ignore_ascii_case(author.address.domain()))
                .unwrap_or_else(|| MessageId::from_random(random, &author.address)),
            in_reply_to: references("In-Reply-To")?,
            references: references("References")?,
            from: author,
            fields: header.further(|name| !name.starts_with("content-"))?,
            content: Content::of(header.further(|name| name.starts_with("content-"))?, message.body)?,
        })
    }
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, DraftError> {
        let mut header = Self { fields: Vec::new() };
        let mut current: Vec<u8> = Vec::new();
        for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let envelope = number == 0 && line.starts_with(b"From ");
            match line {
                [] => break,
                [b' ' | b'\t', folded @ ..] if !current.is_empty() => {
                    current.push(b' ');
                    current.extend_from_slice(folded);
                }
                _ if envelope => {}
                _ => {
                    header.take(&std::mem::replace(&mut current, line.to_vec()))?;
                }
            }
        }
        header.take(&current)?;
        Ok(header)
    }

    /// Takes in one unfolded field; an empty one is none.
    fn take(&mut self, field: &[u8]) -> Result<(), DraftError> {
        if field.is_empty() {
            return Ok(());
        }
        let malformed = || DraftError::Malformed { what: "header", text: String::from_utf8_lossy(field).into_owned() };
        let colon = field.iter().position(|&byte| byte == b':').ok_or_else(malformed)?;
        let name = str::from_utf8(&field[..colon]).map_err(|_| malformed())?.trim_end_matches([' ', '\t']);
        let lower = name.to_ascii_lowercase();
        let dropped =
            DROPPED.contains(&lower.as_str()) || DROPPED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
        if dropped {
            return Ok(());
        }
        let value = str::from_utf8(&field[colon + 1..]).map_err(|_| malformed())?.replace('\t', " ");
        if value.contains(is_control) {
            return Err(DraftError::Control { what: "header value", text: value });
        }
        self.fields.push((name.to_owned(), value.trim().to_owned()));
        Ok(())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.as_str())
    }

    fn one(&self, name: &'static str) -> Result<Option<&str>, DraftError> {
        match self.all(name).count() {
            0 | 1 => Ok(self.all(name).next()),
            count => Err(DraftError::Count { name, count }),
        }
    }

    fn mailboxes(&self, name: &'static str) -> Result<Vec<Mailbox>, DraftError> {
        let mut mailboxes = Vec::new();
        for value in self.all(name) {
            let list =
                Mailbox::parse_list(value).map_err(|error| DraftError::Address { field: name.to_owned(), error })?;
            mailboxes.extend(list);
        }
        Ok(mailboxes)
    }

    /// The fields that the draft has no place of its own for, those among them whose lower-case name is wanted.
    fn further(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Field>, DraftError> {
        const PLACED: &[&str] =
            &["from", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references"];
        let mut further = Vec::new();
        for (name, value) in &self.fields {
            let lower = name.to_ascii_lowercase();
            if !PLACED.contains(&lower.as_str()) && wanted(&lower) {
                let value = match super::Syntax::of(name) {
                    super::Syntax::Text => decode_words(value),
                    _ => value.as_str().into(),
                };
                further.push(Field::new(name, &value)?);
            }
        }
        Ok(further)
    }
}

impl Content {
    /// That of a body with these fields; without a Content-Type it is text.
    fn of(fields: Vec<Field>, mut body: Zeroizing<Vec<u8>>) -> Result<Self, DraftError> {
        if fields.iter().any(|field| field.is("Content-Type") || field.is("Content-Transfer-Encoding")) {
            return Ok(Self::Entity { fields, body });
        }
        match String::from_utf8(std::mem::take(&mut *body)) {
            Ok(text) => Ok(Self::Parts { text: Zeroizing::new(text), html: None, attachments: Vec::new() }),
            Err(refused) => {
                let at = refused.utf8_error().valid_up_to();
                drop(Zeroizing::new(refused.into_bytes()));
                Err(DraftError::NoText(at))
            }
        }
    }
}
