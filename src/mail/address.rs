//! Addresses (RFC 5321 4.1.2, RFC 5322 3.4.1, RFC 6531, RFC 5890). It may hold no character that is not seen.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt, hash,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use email_address::{EmailAddress, Options};
use icu_normalizer::ComposingNormalizerBorrowed;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::character::is_invisible;

/// The most bytes in a local part, and in an address without its angle brackets (RFC 5321, 4.5.3.1).
const LONGEST: (usize, usize) = (64, 254);

/// Letters, digits, hyphen and underscore alone stand in a domain.
const NOT_IN_DOMAIN: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// What `email_address` is asked to check: an addr-spec and nothing else, `kim@localhost` too.
const ADDR_SPEC: Options = Options {
    minimum_sub_domains: 1,
    allow_domain_literal: true,
    allow_display_text: false,
    allow_long_local_parts: false,
};

/// A mail address: an addr-spec whose domain is kept as lower-case A-labels.
///
/// Two addresses are equal when their domains are, and their local parts are without regard to case
/// (RFC 9788, 4.4.5). The spelling of the local part is kept for the wire, in NFC, and quoted only where it must
/// be: `"kim"@example.org` is `kim@example.org`.
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
    /// The domain may be Unicode, A-labels, or an address literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`).
    ///
    /// # Errors
    /// [`AddressError::Control`] for any character that is not seen; [`AddressError::Malformed`] for all else that
    /// RFC 5321 does not allow, more than 64 or 254 bytes among it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        if text.contains(is_invisible) {
            return Err(AddressError::Control(text.to_owned()));
        }
        let (local, domain) = text.rsplit_once('@').ok_or_else(malformed)?;
        let local = canonical_local(local).ok_or_else(malformed)?;
        let domain = canonical_domain(domain).ok_or_else(malformed)?;
        let address = format!("{local}@{domain}");
        if local.len() > LONGEST.0 || address.len() > LONGEST.1 {
            return Err(malformed());
        }
        EmailAddress::parse_with_options(&address, ADDR_SPEC).map_err(|_| malformed())?;
        Ok(Self { local, domain })
    }

    /// The local part as written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain in lower-case A-labels, or an address literal in its brackets.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether SMTPUTF8 (RFC 6531) is needed to carry it: the local part is not ASCII.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// One text for all spellings that are equal, and for no other address; it is for comparing, not for the wire.
    pub fn comparable(&self) -> String {
        let (domain, local) = self.key();
        format!("{local}@{domain}")
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

/// A local part in NFC, with quotes only where it needs them; none if a quoted one is not well-formed or white
/// space stands bare. What else may stand in it is `email_address`'s to say.
fn canonical_local(local: &str) -> Option<String> {
    let local = ComposingNormalizerBorrowed::new_nfc().normalize(local);
    let Some(quoted) = local.strip_prefix('"') else {
        return (!local.contains(char::is_whitespace)).then(|| local.into_owned());
    };
    let content = unquote(quoted.strip_suffix('"')?)?;
    let dot_atom = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    if content.split('.').all(|atom| !atom.is_empty() && atom.chars().all(dot_atom)) {
        return Some(content);
    }
    Some(quote(&content))
}

/// The content of a quoted string without its quotes; none if a bare quote or a lone backslash stands in it.
fn unquote(quoted: &str) -> Option<String> {
    let mut content = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return None,
            '\\' => content.push(characters.next()?),
            c => content.push(c),
        }
    }
    Some(content)
}

/// A text as a quoted string (RFC 5322, 3.2.4).
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// A domain in lower-case A-labels by UTS-46 (not transitional), or a canonical address literal (RFC 5321, 4.1.3).
fn canonical_domain(domain: &str) -> Option<String> {
    if let Some(literal) = domain.strip_prefix('[') {
        let literal = literal.strip_suffix(']')?;
        return match literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")) {
            Some(_) => literal[5..].parse::<Ipv6Addr>().ok().map(|address| format!("[IPv6:{address}]")),
            None => literal.parse::<Ipv4Addr>().ok().map(|address| format!("[{address}]")),
        };
    }
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), NOT_IN_DOMAIN, Hyphens::CheckFirstLast, DnsLength::Verify);
    ascii.ok().map(Cow::into_owned)
}
