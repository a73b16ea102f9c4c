//! Addresses and mailboxes (RFC 5321 4.1.2, RFC 5322 3.4, RFC 6531, RFC 5890).

use std::{cmp::Ordering, fmt, hash, str::FromStr};

/// A mail address: an addr-spec whose domain is kept as lower-case A-labels.
///
/// Two addresses are equal when their domains are, and their local parts are without regard to case
/// (RFC 9788, 4.4.5). The spelling of the local part is kept for the wire.
#[derive(Clone, Debug)]
pub struct Address {
    local: String,
    domain: String,
}

/// Why a text is not an address or a list of mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an addr-spec; the text as given.
    #[error("{0:?} is not a mail address")]
    Malformed(String),
    /// A CR, LF, NUL or another control or format character, also one hidden in an encoded word.
    #[error("{0:?} holds a control character")]
    Control(String),
}

impl Address {
    /// Reads one bare addr-spec, for instance `kim@example.org`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let _ = text;
        Err(AddressError::Malformed(text.to_owned()))
    }

    /// The local part as written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain in lower-case A-labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether SMTPUTF8 (RFC 6531) is needed to carry it: the local part is not ASCII.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    fn key(&self) -> (&str, String) {
        (&self.domain, self.local.to_lowercase())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl hash::Hash for Address {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// An address with the display name it goes under (RFC 5322, 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, decoded, without control characters.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Mailbox {
    /// Reads one mailbox: `kim@example.org` or `Kim <kim@example.org>`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let _ = text;
        Err(AddressError::Malformed(text.to_owned()))
    }

    /// Reads a comma-separated list of mailboxes and groups as they stand in To, Cc or Bcc; encoded words
    /// in display names are decoded. An empty list is an empty vector.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        Err(AddressError::Malformed(text.to_owned()))
    }
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Self { name: None, address }
    }
}
