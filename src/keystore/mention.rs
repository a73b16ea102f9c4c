//! Whether the bytes of a certificate can name an address, found out without parsing them.

use crate::mail::Address;

/// What to look for. It never misses a certificate that names the address; one that it lets through may not.
pub(super) struct Mention {
    /// None where case or spelling of the local part cannot be told from bytes.
    local: Option<String>,
    /// None for a domain that a user ID may spell as U-labels.
    domain: Option<String>,
}

impl Mention {
    pub(super) fn of(address: &Address) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
        let domain = address.domain();
        Self {
            local: Some(address.local()).filter(|local| local.bytes().all(plain)).map(str::to_owned),
            domain: (!domain.split('.').any(|label| label.starts_with("xn--"))).then(|| domain.to_owned()),
        }
    }

    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        let local = self.local.as_deref().unwrap_or_default().as_bytes();
        let domain = self.domain.as_deref().unwrap_or_default().as_bytes();
        let signs = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'@').map(|(index, _)| index);
        signs.into_iter().any(|sign| {
            let before = sign.checked_sub(local.len()).and_then(|start| bytes.get(start..sign));
            let after = bytes.get(sign + 1..sign + 1 + domain.len());
            before.is_some_and(|before| before.eq_ignore_ascii_case(local))
                && after.is_some_and(|after| after.eq_ignore_ascii_case(domain))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn case_and_spelling_hide_nothing() {
        let is_in = |address: &str, text: &str| Mention::of(&Address::parse(address).unwrap()).is_in(text.as_bytes());
        assert!(is_in("kim@example.org", "\u{1}\u{2}Kim <KIM@Example.ORG>\u{3}"));
        assert!(is_in("kim@example.org", "kim@example.org"));
        assert!(is_in("KIM@example.org", "lee@example.org kim@example.org"));
        assert!(is_in("kim@b\u{fc}cher.example", "Kim <kim@b\u{fc}cher.example>"));
        assert!(is_in("kim@b\u{fc}cher.example", "kim@xn--bcher-kva.example"));
        assert!(is_in("J\u{fc}rgen@example.org", "j\u{dc}RGEN@example.org"));
        assert!(!is_in("kim@example.org", "lee@example.org, kim@example.or"));
        assert!(!is_in("kim@example.org", "@"));
        assert!(!is_in("kim@example.org", ""));
    }
}
