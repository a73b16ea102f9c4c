//! What the sender meant: the only home of Bcc.

mod attachment;
mod field;
mod message_id;
mod received;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Address, AddressError, Mailbox, character::holds_control};

pub use attachment::Attachment;
pub use field::Field;
pub(in crate::mail) use field::Syntax;
pub use message_id::MessageId;
pub use received::Message;

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
    /// breaks, which become CRLF. A root that is no multipart and holds 8-bit bytes, NUL or lines of over 998
    /// bytes is encoded as base64; below a multipart they stay, since inside the encryption no line is limited.
    Entity {
        /// `Content-Type` and the other `Content-*` fields as they stood.
        fields: Vec<Field>,
        /// The body's bytes.
        body: Zeroizing<Vec<u8>>,
    },
}

impl Content {
    /// Gives it up. Room that holds nothing is wiped at once when it is dropped, what holds bytes byte by byte.
    pub(crate) fn wipe(self) {
        match self {
            Self::Parts { mut text, html, attachments } => {
                text.clear();
                html.into_iter().for_each(|mut html| html.clear());
                attachments.into_iter().for_each(|mut attachment| attachment.bytes.clear());
            }
            Self::Entity { mut body, .. } => body.clear(),
        }
    }
}

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
    /// A body of which no Content-Type says what it is, and which is no text.
    #[error("the body is not UTF-8 text, at byte {0} of it, and the message has no Content-Type that says what it is")]
    NoText(usize),
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

    /// Checks a subject, and gives it back without white space around it.
    ///
    /// # Errors
    /// [`DraftError::Control`] for a control character, also within an encoded word.
    pub fn checked_subject(text: &str) -> Result<String, DraftError> {
        if holds_control(text) {
            return Err(DraftError::Control { what: "subject", text: text.to_owned() });
        }
        Ok(text.trim().to_owned())
    }

    /// Checks all texts once more, for the fields are open: nothing that breaks a line is ever composed.
    pub(in crate::mail) fn check(&self) -> Result<(), DraftError> {
        if let Some(subject) = &self.subject {
            Self::checked_subject(subject)?;
        }
        for mailbox in std::iter::once(&self.from).chain(&self.to).chain(&self.cc) {
            if let Some(name) = mailbox.name.as_ref().filter(|name| holds_control(name)) {
                return Err(DraftError::Control { what: "display name", text: name.clone() });
            }
        }
        match &self.content {
            Content::Parts { attachments, .. } => attachments.iter().try_for_each(Attachment::check),
            Content::Entity { .. } => Ok(()),
        }
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
