//! Header protection (RFC 9788): which fields servers see.
//!
//! A policy knows fields as they are written inside, and says how they stand outside; it never sees Bcc.

use super::{
    Draft, Field,
    character::decode_words,
    header::{encode_addresses, encode_mailboxes, encode_text},
};

/// What stands outside instead of a subject (RFC 9788, 3.2.1).
const OBSCURED: &str = "[...]";

/// Fields that people see in a message (RFC 9788, 1.1.2): legacy display repeats those that the outside lacks.
const USER_FACING: &[&str] =
    &["Subject", "From", "To", "Cc", "Date", "Reply-To", "Followup-To", "Sender", "Keywords", "Comments"];

/// A header confidentiality policy (RFC 9788, 3).
///
/// Both let servers see what they need, and nothing else of what the sender gave: From, To, Cc, Date, Message-ID,
/// In-Reply-To, References, Auto-Submitted, List-*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderPolicy {
    /// `hcp_baseline` (3.2.1): Subject becomes `[...]`, Comments and Keywords go.
    #[default]
    Baseline,
    /// `hcp_shy` (3.2.2): besides, addr-specs only and Date in UTC.
    Shy,
}

/// A field as it stands inside, and what becomes of it outside.
pub(in crate::mail) struct Protected {
    /// Its value decoded, for people.
    pub shown: String,
    /// On the root of the payload.
    pub inner: Field,
    /// Outside; none if it is removed.
    pub outer: Option<Field>,
}

impl HeaderPolicy {
    /// All fields of a draft, in the order in which they are written. Date is in UTC under both policies.
    pub(in crate::mail) fn protect(self, draft: &Draft) -> Vec<Protected> {
        let mut protected = Vec::new();
        let from = std::slice::from_ref(&draft.from);
        for (name, mailboxes) in [("From", from), ("To", &draft.to), ("Cc", &draft.cc)] {
            if mailboxes.is_empty() {
                continue;
            }
            let inner = encode_mailboxes(mailboxes);
            let outer = match self {
                Self::Baseline => inner.clone(),
                Self::Shy => encode_addresses(mailboxes.iter().map(|mailbox| &mailbox.address)),
            };
            let shown = mailboxes.iter().map(|mailbox| match &mailbox.name {
                Some(name) => format!("{name} <{}>", mailbox.address),
                None => mailbox.address.to_string(),
            });
            protected.push(Protected {
                shown: shown.collect::<Vec<_>>().join(", "),
                inner: Field::encoded(name, inner),
                outer: Some(Field::encoded(name, outer)),
            });
        }
        if let Some(subject) = &draft.subject {
            protected.push(Protected {
                shown: subject.clone(),
                inner: Field::encoded("Subject", encode_text(subject)),
                outer: (!subject.is_empty()).then(|| Field::encoded("Subject", OBSCURED.to_owned())),
            });
        }
        let ids = |ids: &[super::MessageId]| ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" ");
        for (name, value) in [
            ("Date", draft.date.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()),
            ("Message-ID", draft.message_id.as_str().to_owned()),
            ("In-Reply-To", ids(&draft.in_reply_to)),
            ("References", ids(&draft.references)),
        ] {
            if !value.is_empty() {
                let field = Field::encoded(name, value.clone());
                protected.push(Protected { shown: value, outer: Some(field.clone()), inner: field });
            }
        }
        for field in &draft.fields {
            protected.push(Protected {
                shown: decode_words(field.value()).into_owned(),
                inner: field.to_encoded(),
                outer: needed_by_servers(field.name()).then(|| field.clone()),
            });
        }
        protected
    }
}

impl Protected {
    /// Whether people would miss it in a reader that knows no header protection (RFC 9788, 5.2.1).
    pub fn is_hidden_from_people(&self) -> bool {
        let user_facing = USER_FACING.iter().any(|name| self.inner.is(name));
        user_facing && !self.shown.is_empty() && self.outer.as_ref() != Some(&self.inner)
    }
}

/// Whether a field that the sender gave goes outside too.
fn needed_by_servers(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "auto-submitted" || name.starts_with("list-")
}
