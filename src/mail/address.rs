//! Addresses and mailboxes (RFC 5321 4.1.2, RFC 5322 3.4, RFC 6531, RFC 5890).

mod list;
#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering,
    fmt, hash,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::character::is_unseen;

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
    ///
    /// The local part is a dot-atom or a quoted string, of any Unicode text (RFC 6531); the domain is a host name,
    /// turned into A-labels (UTS 46), or an address literal. At most 64 and 255 bytes, 254 in all (RFC 5321, 4.5.3.1).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.chars().any(is_unseen) {
            return Err(AddressError::Control(text.to_owned()));
        }
        let malformed = || AddressError::Malformed(text.to_owned());
        let (local, domain) = text.rsplit_once('@').ok_or_else(malformed)?;
        let local_holds = if local.starts_with('"') { is_quoted_string(local) } else { is_dot_atom(local) };
        let domain = if domain.starts_with('[') { address_literal(domain) } else { host_name(domain) };
        let domain = domain.ok_or_else(malformed)?;
        let short = local.len() <= 64 && domain.len() <= 255 && local.len() + 1 + domain.len() <= 254;
        if local_holds && short { Ok(Self { local: local.to_owned(), domain }) } else { Err(malformed()) }
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

/// RFC 5322, 3.2.3 with RFC 6532: atoms of visible characters, joined by single dots.
fn is_dot_atom(text: &str) -> bool {
    let atom = |c: char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_whitespace())
    };
    text.split('.').all(|word| !word.is_empty() && word.chars().all(atom))
}

/// RFC 5322, 3.2.4 without folding: printable text in quotes, backslashes in pairs with what they quote.
fn is_quoted_string(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return false,
            '\\' if chars.next().is_none() => return false,
            _ => {}
        }
    }
    text.len() > 2
}

/// A host name in lower-case A-labels; underscores pass, since they occur.
fn host_name(text: &str) -> Option<String> {
    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
    let ascii = Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Verify).ok()?;
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    ascii.split('.').all(label).then(|| ascii.to_ascii_lowercase())
}

/// RFC 5321, 4.1.3.
fn address_literal(text: &str) -> Option<String> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let holds = match inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")) {
        Some(_) => inner[5..].parse::<Ipv6Addr>().is_ok(),
        None => inner.parse::<Ipv4Addr>().is_ok(),
    };
    holds.then(|| text.to_ascii_lowercase())
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
        let mut all = Self::parse_list(text)?;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(AddressError::Malformed(text.to_owned())),
        }
    }

    /// Reads a comma-separated list of mailboxes and groups as they stand in To, Cc or Bcc (RFC 5322, 3.4), unfolded;
    /// encoded words in display names are decoded. An empty list is an empty vector; what was read is listed in order.
    ///
    /// # Errors
    /// The one mailbox of the list that is malformed; obsolete routes are.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        list::parse(text)
    }
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Self { name: None, address }
    }
}
