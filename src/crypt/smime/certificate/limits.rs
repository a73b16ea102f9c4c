//! Name constraints on mail addresses (RFC 5280, 4.2.1.10), judged on the addresses that are read here: libcrypto
//! minds case in excluded mailboxes, and lets an SmtpUTF8Mailbox pass by an excluded domain.

use super::facts::{is_tagged, sequence_in};
use crate::{crypt::smime::certificate::children, mail::Address};

/// What an authority may name.
#[derive(Default)]
pub(in crate::crypt::smime) struct Limits {
    permitted: Vec<String>,
    excluded: Vec<String>,
}

impl Limits {
    /// Reads NameConstraints; none if it is not well-formed.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        for part in sequence_in(der)? {
            let limits = children(part.value())?.into_iter().map(|subtree| {
                let base = children(subtree.value())?.first().copied()?;
                let text = || String::from_utf8_lossy(base.value()).to_ascii_lowercase();
                Some(is_tagged(&base, 1).then(text))
            });
            let limits: Vec<String> = limits.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
            match (is_tagged(&part, 0), is_tagged(&part, 1)) {
                (true, _) => found.permitted.extend(limits),
                (_, true) => found.excluded.extend(limits),
                _ => return None,
            }
        }
        Some(found)
    }

    /// Whether it is among those excluded.
    pub fn excludes(&self, address: &Address) -> bool {
        self.excluded.iter().any(|limit| limit.is_empty() || covers(limit, address))
    }

    /// Whether it is among those permitted, if there are such.
    pub fn permits(&self, address: &Address) -> bool {
        self.permitted.is_empty() || self.permitted.iter().any(|limit| covers(limit, address))
    }
}

/// A mailbox, a host, or with a dot in front what lies beneath a domain.
fn covers(limit: &str, address: &Address) -> bool {
    let domain = address.domain().to_ascii_lowercase();
    match limit.rsplit_once('@') {
        Some((local, host)) => host == domain && (local.is_empty() || local == address.local().to_lowercase()),
        None if limit.starts_with('.') => domain.ends_with(limit),
        None => limit == domain,
    }
}
