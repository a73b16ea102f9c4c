//! What the sender meant: the only home of Bcc.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Address, AddressError, Mailbox};

/// A message before it is composed. Every text in it is free of control characters: the types refuse them.
#[derive(Debug)]
pub struct Draft {
    /// The one author.
    pub from: Mailbox,
    /// To, Cc and Bcc.
    pub to: Vec<Mailbox>,
    /// Copies that everybody sees.
    pub cc: Vec<Mailbox>,
    /// Copies that nobody sees; never a header field.
    pub bcc: Vec<Mailbox>,
    /// The true subject; none leaves the field out.
    pub subject: Option<String>,
    /// The Date field, written in UTC.
    pub date: Timestamp,
    /// The Message-ID field.
    pub message_id: MessageId,
    /// In-Reply-To.
    pub in_reply_to: Vec<MessageId>,
    /// References.
    pub references: Vec<MessageId>,
    /// Further fields in order.
    pub fields: Vec<Field>,
    /// Text and attachments, or a finished MIME entity.
    pub content: Content,
}

/// What a draft carries.
pub enum Content {
    /// To be built.
    Parts {
        /// The text, any line breaks.
        text: Zeroizing<String>,
        /// The same as HTML, offered as multipart/alternative.
        html: Option<Zeroizing<String>>,
        /// Files that go along, in order.
        attachments: Vec<Attachment>,
    },
    /// A finished MIME entity: its MIME fields (`Content-*`) and its body, kept byte for byte but for line
    /// breaks, which become CRLF.
    Entity {
        /// `Content-Type` and the other `Content-*` fields as they stood.
        fields: Vec<Field>,
        /// The body's bytes.
        body: Zeroizing<Vec<u8>>,
    },
}

/// A file that goes along.
pub struct Attachment {
    /// A base name, any Unicode but control characters and separators.
    pub name: String,
    /// The media type, `type/subtype`; none guesses it from the name.
    pub media_type: Option<String>,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// A header field whose name is an RFC 5322 field name and whose value is unfolded Unicode without control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    value: String,
}

/// A Message-ID with its angle brackets (RFC 5322, 3.6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

/// Why something cannot be part of a draft.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// A control, bidi or line-breaking character where none may be.
    #[error("{what} holds a control character: {text:?}")]
    Control {
        /// Which part: `subject`, `header name`, `attachment name` and so on.
        what: &'static str,
        /// The offending text, for `{:?}` only.
        text: String,
    },
    /// Not of the form that its place asks for.
    #[error("{what} is malformed: {text:?}")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// The offending text.
        text: String,
    },
    /// A field that sealpost sets itself, or that must not be given.
    #[error("the field {0} cannot be given: it is set by sealpost")]
    Reserved(String),
    /// A field that must stand once stands there twice or never.
    #[error("the message has {count} {name} fields, not one")]
    Count {
        /// The field's name.
        name: &'static str,
        /// How often it stands there.
        count: usize,
    },
    /// An address in one of its fields.
    #[error("in {field}: {error}")]
    Address {
        /// The field's name.
        field: String,
        /// What is wrong with it.
        error: AddressError,
    },
}

impl Draft {
    /// All recipients, visible ones first, each once.
    pub fn recipients(&self) -> Vec<Address> {
        let mut all: Vec<Address> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for mailbox in self.to.iter().chain(&self.cc).chain(&self.bcc) {
            if seen.insert(mailbox.address.clone()) {
                all.push(mailbox.address.clone());
            }
        }
        all
    }

    /// Takes a whole RFC 5322 message apart: its To, Cc and Bcc are the recipients, its structure is kept.
    /// Date and Message-ID are its own where it has valid ones, else those given.
    ///
    /// # Errors
    /// Two From fields or none, control characters, a malformed address.
    pub fn from_message(bytes: Zeroizing<Vec<u8>>, date: Timestamp, message_id: MessageId) -> Result<Self, DraftError> {
        let _ = (bytes, date, message_id);
        Err(DraftError::Count { name: "From", count: 0 })
    }
}

impl Field {
    /// Checks a name and a value.
    pub fn new(name: &str, value: &str) -> Result<Self, DraftError> {
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// Reads `Name: value`, as given by `--header`; reserved names are refused.
    pub fn parse(line: &str) -> Result<Self, DraftError> {
        Err(DraftError::Malformed { what: "header", text: line.to_owned() })
    }

    /// The name as written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, unfolded and decoded.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl MessageId {
    /// Reads one, with or without angle brackets.
    pub fn parse(text: &str) -> Result<Self, DraftError> {
        Err(DraftError::Malformed { what: "Message-ID", text: text.to_owned() })
    }

    /// Makes one from random bytes and the domain of the author, so that nothing tells the machine.
    pub fn from_random(random: [u8; 16], from: &Address) -> Self {
        Self(format!("<{:032x}@{}>", u128::from_be_bytes(random), from.domain()))
    }

    /// With its angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Attachment {
    /// Checks the name: a base name of at most 255 bytes without control characters or separators.
    pub fn new(name: &str, bytes: Zeroizing<Vec<u8>>) -> Result<Self, DraftError> {
        Ok(Self { name: name.to_owned(), media_type: None, bytes })
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parts { .. } => "Parts(..)",
            Self::Entity { .. } => "Entity(..)",
        })
    }
}
