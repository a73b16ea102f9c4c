//! SMIMECapabilities (RFC 8551, 2.5.2), also as a certificate shows them (RFC 4262): what somebody can read.

use std::fmt;

use der::{AnyRef, Decode, Tag, Tagged, asn1::ObjectIdentifier};
use jiff::Timestamp;

use super::{
    asn1::{
        der::{algorithm, sequence},
        oid,
    },
    certificate::children,
    seal::wrap,
};

/// The most that are read.
const MOST: usize = 200;

/// Of all that can be announced, what matters here. No hash, no curve: these stand in keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// AES-128-GCM in AuthEnvelopedData (RFC 5084).
    pub gcm128: bool,
    /// AES-256-GCM in AuthEnvelopedData (RFC 5084).
    pub gcm256: bool,
    /// AES-128-CBC (RFC 3565).
    pub cbc128: bool,
    /// AES-256-CBC (RFC 3565).
    pub cbc256: bool,
    /// RSAES-OAEP (RFC 3560; RFC 8551, 2.3).
    pub oaep: bool,
}

/// What the maker of a good signature said there that he reads (RFC 8551, 2.7.1), and when he signed. Its text is one
/// line: the time, and a word for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// What he reads.
    pub capabilities: Capabilities,
    /// The signing time.
    pub at: Timestamp,
}

impl Announced {
    /// Reads the text; words that are not known are passed over.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let at = words.next()?.parse().ok()?;
        let mut capabilities = Capabilities::default();
        for word in words {
            if let Some((_, flag)) = capabilities.flags_mut().into_iter().find(|(name, _)| *name == word) {
                *flag = true;
            }
        }
        Some(Self { capabilities, at })
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        let mut capabilities = self.capabilities;
        capabilities.flags_mut().into_iter().filter(|(_, flag)| **flag).try_for_each(|(name, _)| write!(f, " {name}"))
    }
}

impl Capabilities {
    fn flags_mut(&mut self) -> [(&'static str, &mut bool); 5] {
        [
            ("aes128-gcm", &mut self.gcm128),
            ("aes256-gcm", &mut self.gcm256),
            ("aes128-cbc", &mut self.cbc128),
            ("aes256-cbc", &mut self.cbc256),
            ("rsa-oaep", &mut self.oaep),
        ]
    }

    /// Reads `SEQUENCE OF SMIMECapability`; none if it is not one. What is not known is passed over.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let list = AnyRef::from_der(der).ok().filter(|list| list.tag() == Tag::Sequence)?;
        let mut found = Self::default();
        for capability in children(list.value())?.into_iter().take(MOST) {
            let id = children(capability.value())?.first()?.decode_as::<ObjectIdentifier>().ok()?;
            match id.to_string().as_str() {
                "2.16.840.1.101.3.4.1.2" => found.cbc128 = true,
                "2.16.840.1.101.3.4.1.6" => found.gcm128 = true,
                "2.16.840.1.101.3.4.1.42" => found.cbc256 = true,
                "2.16.840.1.101.3.4.1.46" => found.gcm256 = true,
                "1.2.840.113549.1.1.7" => found.oaep = true,
                _ => {}
            }
        }
        Some(found)
    }

    /// The SMIMECapabilities of this program, the best first. Those of an RSA key's holder are said to take OAEP.
    pub(super) fn ours() -> Vec<u8> {
        sequence(&[&contents(), &wrap::oaep_sha256()])
    }

    /// The same of a key that an agent has.
    pub(super) fn of_agents() -> Vec<u8> {
        sequence(&[&contents()])
    }
}

fn contents() -> Vec<u8> {
    let ciphers = [oid::AES256_GCM, oid::AES128_GCM, oid::AES256_CBC, oid::AES128_CBC];
    ciphers.map(|cipher| algorithm(cipher, &[])).concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_announced_reads_back() {
        let capabilities = Capabilities { gcm256: true, oaep: true, ..Capabilities::default() };
        let announced = Announced { capabilities, at: "2026-11-24T12:00:00Z".parse().unwrap() };
        assert_eq!(announced.to_string(), "2026-11-24T12:00:00Z aes256-gcm rsa-oaep");
        assert_eq!(Announced::parse(&announced.to_string()), Some(announced));
        assert_eq!(Announced::parse("2026-11-24T12:00:00Z aes256-gcm later rsa-oaep"), Some(announced));
        assert_eq!(Announced::parse("aes256-gcm"), None);
    }
}
