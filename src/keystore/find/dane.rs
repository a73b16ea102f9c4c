//! DANE: certificates in the DNS of an address's own domain (RFC 7929), where DNSSEC proves that they are the domain's.

use openssl::sha::sha256;
use tokio::time::{Instant, timeout_at};

use super::{FindError, Finding, Finds, MOST, Question, Source};
use crate::{
    crypt::pgp::Certificate,
    mail::Address,
    net::{
        dnssec::{Dnssec, DnssecError},
        http::HttpError,
    },
};

/// Asks the DNS.
pub struct Dane {
    dnssec: Option<Dnssec>,
}

impl Dane {
    /// One that asks so.
    pub fn new(dnssec: Dnssec) -> Self {
        Self { dnssec: Some(dnssec) }
    }

    /// One that asks nobody, and says why: what a proxy is to hide, the DNS would tell.
    pub fn past_proxy() -> Self {
        Self { dnssec: None }
    }

    async fn ask(&self, question: &Question) -> Result<Vec<Certificate>, FindError> {
        let dnssec = self.dnssec.as_ref().ok_or(FindError::PastProxy)?;
        let domain = question.address.domain();
        if domain.starts_with('[') {
            return Err(FindError::Domain(domain.to_owned()));
        }
        let host = || format!("the DNS of {domain}");
        let records = match dnssec.openpgp_keys(&name(&question.address, "_openpgpkey")).await {
            Ok(records) => records,
            Err(DnssecError::Nothing(_)) => return Err(FindError::Nothing(host())),
            Err(error) => return Err(error.into()),
        };
        let mut given = Vec::new();
        for record in records {
            given.extend(Certificate::parse_all(&record).map_err(|error| FindError::Broken { host: host(), error })?);
            if given.len() > MOST {
                return Err(FindError::TooMany(host()));
            }
        }
        let limited: Vec<_> = given.into_iter().filter_map(|certificate| question.limit(certificate)).collect();
        if limited.is_empty() { Err(FindError::Foreign(host())) } else { Ok(limited) }
    }
}

impl Finds for Dane {
    fn source(&self) -> Source {
        Source::Dane
    }

    fn find<'a>(&'a self, question: &'a Question, deadline: Instant) -> Finding<'a> {
        let late = || FindError::Http(HttpError::Deadline("the resolver".to_owned()));
        Box::pin(async move { timeout_at(deadline, self.ask(question)).await.unwrap_or_else(|_| Err(late())) })
    }
}

/// The name of an address below a label (RFC 7929, 3): the first 28 octets of SHA-256 of its local part, as it is
/// written but without quotes, in UTF-8, in hexadecimal. Upper and lower case are not the same here: only the domain
/// knows whether they are to it, and it publishes both names then.
fn name(address: &Address, label: &str) -> String {
    let hash = sha256(unquoted(address.local()).as_bytes());
    let hash: String = hash[..28].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}.{label}.{}", address.domain())
}

/// A local part without the quotes and backslashes that carry it through a header field (RFC 5322, 3.2.4).
fn unquoted(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return local.to_owned() };
    let mut characters = inner.chars();
    let mut out = String::with_capacity(inner.len());
    while let Some(character) = characters.next() {
        out.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The example of RFC 7929, 3, and others that `sha256sum` gave.
    #[test]
    fn names_are_hashed_as_the_rfc_does() {
        let named = |address: &str| name(&Address::parse(address).unwrap(), "_openpgpkey");
        let hugh = "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey.example.com";
        assert_eq!(named("hugh@example.com"), hugh);
        assert_eq!(named("hugh@Example.COM"), hugh);
        assert_ne!(named("Hugh@example.com"), hugh);
        assert!(
            named("j\u{fc}rgen@example.com")
                .starts_with("19b720a911fced55aecd96bf4ddcada1c69be5a96dc523d5be336b8e._openpgpkey")
        );
        assert!(
            named("\"a b\"@example.com")
                .starts_with("c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e._openpgpkey")
        );
    }
}
