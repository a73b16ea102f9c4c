//! Header fields that a sender gives (RFC 5322, 3.6 and 3.6.8).

use super::DraftError;
use crate::mail::{
    Mailbox,
    character::holds_control,
    header::{encode_mailboxes, encode_text, fold},
};

/// The most bytes in a line (RFC 5322, 2.1.1), with room for `HP-Outer: `.
const LONGEST_LINE: usize = 998 - 10;

/// What `--header` may not give: fields that sealpost sets, fields that a flag gives, fields of transport.
const RESERVED: &[&str] = &[
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "hp-outer",
    "received",
    "return-path",
    "delivered-to",
    "dkim-signature",
    "authentication-results",
    "received-spf",
];
const RESERVED_PREFIXES: &[&str] = &["content-", "resent-", "arc-"];

/// Fields that hold mailboxes.
const MAILBOXES: &[&str] = &[
    "from",
    "to",
    "cc",
    "sender",
    "reply-to",
    "followup-to",
    "mail-followup-to",
    "mail-reply-to",
    "errors-to",
    "disposition-notification-to",
    "return-receipt-to",
];

/// Fields of a syntax of their own, in which encoded words mean nothing.
const STRUCTURED: &[&str] =
    &["date", "message-id", "in-reply-to", "references", "auto-submitted", "precedence", "autocrypt", "openpgp"];
const STRUCTURED_PREFIXES: &[&str] = &["list-", "content-"];

/// A header field whose name is an RFC 5322 field name and whose value is unfolded Unicode without control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    value: String,
}

/// How the value of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mail) enum Syntax {
    /// A list of mailboxes; display names may be encoded.
    Mailboxes,
    /// Printable ASCII as it is.
    Structured,
    /// Text; all of it may be encoded.
    Text,
}

impl Field {
    /// Checks a name and a value.
    ///
    /// # Errors
    /// [`DraftError::Control`] for a control character, also within an encoded word; [`DraftError::Malformed`] for a
    /// name that is none, and for non-ASCII or a line that is too long and cannot fold where nothing may be encoded;
    /// [`DraftError::Address`] in fields that hold mailboxes.
    pub fn new(name: &str, value: &str) -> Result<Self, DraftError> {
        let value = value.trim_matches([' ', '\t']);
        if holds_control(name) {
            return Err(DraftError::Control { what: "header name", text: name.to_owned() });
        }
        if name.is_empty() || name.len() > 76 || !name.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b':') {
            return Err(DraftError::Malformed { what: "header name", text: name.to_owned() });
        }
        if holds_control(value) {
            return Err(DraftError::Control { what: "header value", text: value.to_owned() });
        }
        match Syntax::of(name) {
            Syntax::Mailboxes => {
                Mailbox::parse_list(value).map_err(|error| DraftError::Address { field: name.to_owned(), error })?;
            }
            Syntax::Structured => {
                if !value.is_ascii() || fold(name, value).lines().any(|line| line.len() > LONGEST_LINE) {
                    return Err(DraftError::Malformed { what: "header value", text: value.to_owned() });
                }
            }
            Syntax::Text => {}
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// Reads `Name: value`, as given by `--header`; reserved names are refused.
    ///
    /// Reserved are From, To, Cc, Bcc, Subject, Date, Message-ID, In-Reply-To, References, MIME-Version, Content-*,
    /// HP-Outer, Resent-*, and those that servers set (Received, Return-Path, Delivered-To, DKIM-Signature, ARC-*,
    /// Authentication-Results, Received-SPF). Sender and Reply-To may be given; they go inside.
    ///
    /// # Errors
    /// [`DraftError::Reserved`], and as [`Field::new`].
    pub fn parse(line: &str) -> Result<Self, DraftError> {
        let (name, value) =
            line.split_once(':').ok_or_else(|| DraftError::Malformed { what: "header", text: line.to_owned() })?;
        let lower = name.trim().to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            return Err(DraftError::Reserved(name.trim().to_owned()));
        }
        Self::new(name, value)
    }

    /// A field whose value is known to be encoded already and free of control characters.
    pub(in crate::mail) fn encoded(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value }
    }

    /// The name as written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, unfolded and decoded; of fields that hold mailboxes, as it was given.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it goes under this name, which has no case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The line or lines of a field whose value is encoded already, as those of [`Composed::outer`] are: folded at
    /// 78, with CRLF behind each.
    ///
    /// [`Composed::outer`]: crate::mail::Composed::outer
    pub fn folded(&self) -> String {
        fold(&self.name, &self.value)
    }

    /// The same field with its value as it goes on the wire.
    pub(in crate::mail) fn to_encoded(&self) -> Self {
        let value = match Syntax::of(&self.name) {
            Syntax::Structured => self.value.clone(),
            Syntax::Text => encode_text(&self.value),
            // `new` has read it once.
            Syntax::Mailboxes => encode_mailboxes(&Mailbox::parse_list(&self.value).unwrap_or_default()),
        };
        Self { name: self.name.clone(), value }
    }
}

impl Syntax {
    pub(in crate::mail) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        if MAILBOXES.contains(&name.as_str()) {
            Self::Mailboxes
        } else if STRUCTURED.contains(&name.as_str())
            || STRUCTURED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        {
            Self::Structured
        } else {
            Self::Text
        }
    }
}
