//! Message identifiers (RFC 5322, 3.6.4).

use super::DraftError;
use crate::mail::{Address, character::holds_control};

/// A Message-ID with its angle brackets (RFC 5322, 3.6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    /// Reads one, with or without angle brackets: printable ASCII, one `@`, at most 250 bytes.
    ///
    /// # Errors
    /// [`DraftError::Control`] and [`DraftError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, DraftError> {
        let malformed = || DraftError::Malformed { what: "Message-ID", text: text.to_owned() };
        if holds_control(text) {
            return Err(DraftError::Control { what: "Message-ID", text: text.to_owned() });
        }
        let trimmed = text.trim();
        let id = match trimmed.strip_prefix('<') {
            Some(rest) => rest.strip_suffix('>').ok_or_else(malformed)?,
            None => trimmed,
        };
        let (left, right) = id.split_once('@').ok_or_else(malformed)?;
        let allowed =
            |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'<' | b'>' | b'(' | b')' | b',' | b'@');
        let well = |side: &str| !side.is_empty() && side.bytes().all(allowed);
        if well(left) && well(right) && id.len() <= 250 { Ok(Self(format!("<{id}>"))) } else { Err(malformed()) }
    }

    /// Reads all that a References or In-Reply-To field names; what is none, words of old programs among it, is
    /// passed over.
    pub(super) fn find_all(value: &str) -> Vec<Self> {
        value.split('<').skip(1).filter_map(|id| Self::parse(id.split_once('>')?.0).ok()).collect()
    }

    /// Makes one from random bytes and the domain of the author, so that nothing tells the machine.
    pub fn from_random(random: [u8; 16], from: &Address) -> Self {
        Self(format!("<{:032x}@{}>", u128::from_be_bytes(random), from.domain()))
    }

    /// What stands behind the last `@`.
    pub fn domain(&self) -> &str {
        self.0.trim_end_matches('>').rsplit('@').next().unwrap_or_default()
    }

    /// With its angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
