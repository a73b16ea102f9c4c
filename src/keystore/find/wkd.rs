//! Web Key Directory (draft-koch-openpgp-webkey-service, 3.1): the domain of an address publishes its certificates.

use tokio::time::Instant;

use super::{FindError, Finding, Finds, Found, Question, Source, ask, escaped};
use crate::{
    mail::Address,
    net::http::{Client, HttpError},
};

/// Asks the domain of an address.
pub struct Wkd {
    client: Client,
}

impl Wkd {
    /// One that asks so.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn ask(&self, question: &Question, deadline: Instant) -> Result<Found, FindError> {
        let domain = question.address.domain();
        if domain.starts_with('[') {
            return Err(FindError::Domain(domain.to_owned()));
        }
        let advanced = format!("openpgpkey.{domain}");
        match ask(&self.client, &url(&question.address, true), &advanced, question, deadline).await {
            // The direct method is for domains without such a host, and for no other failure.
            Err(FindError::Http(HttpError::Unresolved { host, .. })) if host == advanced => {
                ask(&self.client, &url(&question.address, false), domain, question, deadline).await
            }
            answer => answer,
        }
    }
}

impl Finds for Wkd {
    fn source(&self) -> Source {
        Source::Wkd
    }

    fn find<'a>(&'a self, question: &'a Question, deadline: Instant) -> Finding<'a> {
        Box::pin(self.ask(question, deadline))
    }
}

/// The URL of an address by the advanced or the direct method.
pub(in crate::keystore) fn url(address: &Address, advanced: bool) -> String {
    let (domain, local) = (address.domain(), address.local());
    // The name is kept as it is written, the hash is that of its lower-case form.
    let (hash, local) = (hash(local), escaped(local));
    if advanced {
        format!("https://openpgpkey.{domain}/.well-known/openpgpkey/{domain}/hu/{hash}?l={local}")
    } else {
        format!("https://{domain}/.well-known/openpgpkey/hu/{hash}?l={local}")
    }
}

/// The name of a local part in a directory: SHA-1 of its form with ASCII in lower case, in z-base-32. That it is
/// SHA-1 weakens nothing: it is a file's name.
pub(in crate::keystore) fn hash(local: &str) -> String {
    z_base_32(&openssl::sha::sha1(local.to_ascii_lowercase().as_bytes()))
}

/// z-base-32 (RFC 6189, 5.1.6) of 160 bits, which need no filling.
fn z_base_32(bits: &[u8; 20]) -> String {
    const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let mut out = String::with_capacity(32);
    for group in bits.chunks(5) {
        let number = group.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            out.push(char::from(ALPHABET[(number >> (5 * place)) as usize & 31]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The example of the draft, 3.1.
    #[test]
    fn names_are_hashed_as_the_draft_does() {
        assert_eq!(hash("Joe.Doe"), "iy9q119eutrkn8s1mk4r39qejnbu3n5q");
        let joe = Address::parse("Joe.Doe@Example.ORG").unwrap();
        assert_eq!(
            url(&joe, true),
            "https://openpgpkey.example.org/.well-known/openpgpkey/example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe"
        );
        assert_eq!(
            url(&joe, false),
            "https://example.org/.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe"
        );
    }

    #[test]
    fn no_local_part_leaves_its_place_in_the_url() {
        let address = Address::parse("a/b?c=d#e&f%+@example.org").unwrap();
        assert!(url(&address, true).ends_with("?l=a%2Fb%3Fc%3Dd%23e%26f%25%2B"), "{}", url(&address, true));
        assert!(url(&Address::parse("j\u{fc}rgen@example.org").unwrap(), false).ends_with("?l=j%C3%BCrgen"));
    }
}
