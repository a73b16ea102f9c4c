//! DANE: certificates in the DNS of an address's own domain (RFC 7929, RFC 8162), where DNSSEC proves that they are the domain's.

use openssl::sha::sha256;
use tokio::time::{Instant, timeout_at};

use super::{FindError, Finding, Finds, Found, MOST, Question, Source};
use crate::{
    crypt::{SuiteName, pgp, smime},
    mail::Address,
    net::{
        dnssec::{Association, Dnssec, DnssecError},
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

    async fn ask(&self, question: &Question) -> Result<Found, FindError> {
        let dnssec = self.dnssec.as_ref().ok_or(FindError::PastProxy)?;
        let domain = question.address.domain();
        if domain.starts_with('[') {
            return Err(FindError::Domain(domain.to_owned()));
        }
        let asks = |suite| question.asks_for(suite);
        let openpgp = async { if asks(SuiteName::OpenPgp) { Some(openpgp(dnssec, question).await) } else { None } };
        let smime = async { if asks(SuiteName::Smime) { Some(smime(dnssec, question).await) } else { None } };
        let (openpgp, smime) = tokio::join!(openpgp, smime);
        match (openpgp, smime) {
            // Where there is something of the one, the other is missed by nobody.
            (Some(Ok(openpgp)), other) => Ok(Found { openpgp, smime: other.and_then(Result::ok).unwrap_or_default() }),
            (_, Some(Ok(smime))) => Ok(Found { openpgp: Vec::new(), smime }),
            (Some(Err(FindError::Nothing(_))), Some(Err(error))) | (Some(Err(error)), _) | (None, Some(Err(error))) => {
                Err(error)
            }
            (None, None) => Err(FindError::Nothing(host(question))),
        }
    }
}

async fn openpgp(dnssec: &Dnssec, question: &Question) -> Result<Vec<pgp::Certificate>, FindError> {
    let records = dnssec.openpgp_keys(&name(&question.address, "_openpgpkey")).await;
    let mut given = Vec::new();
    for record in records.map_err(|error| unproven(error, question))? {
        let broken = |error| FindError::Broken { host: host(question), error };
        given.extend(pgp::Certificate::parse_all(&record).map_err(broken)?);
        if given.len() > MOST {
            return Err(FindError::TooMany(host(question)));
        }
    }
    let limited: Vec<_> = given.into_iter().filter_map(|certificate| question.limit(certificate)).collect();
    if limited.is_empty() { Err(FindError::Foreign(host(question))) } else { Ok(limited) }
}

/// Of the records those that hold the holder's own certificate, and all of it (RFC 6698, 2.1): a hash says which one
/// somebody else's is, and an authority's is an authority's.
async fn smime(dnssec: &Dnssec, question: &Question) -> Result<Vec<smime::Certificate>, FindError> {
    let records = dnssec.smime_associations(&name(&question.address, "_smimecert")).await;
    let records = records.map_err(|error| unproven(error, question))?;
    if records.len() > MOST {
        return Err(FindError::TooMany(host(question)));
    }
    let is_whole = |record: &Association| matches!(record.usage, 1 | 3) && (record.selector, record.matching) == (0, 0);
    let (whole, others): (Vec<_>, Vec<_>) = records.into_iter().partition(is_whole);
    if whole.is_empty() {
        let kind = |record: &Association| {
            format!("usage {} selector {} matching {}", record.usage, record.selector, record.matching)
        };
        let kinds = others.iter().map(kind).collect::<Vec<_>>().join(", ");
        return Err(FindError::NotWhole { host: host(question), kinds });
    }
    let mut given = Vec::new();
    for record in whole {
        let read = smime::Certificate::from_der(&record.data);
        let certificate = read.map_err(|error| FindError::BrokenX509 { host: host(question), error })?;
        if question.is_named_by(&certificate) {
            given.push(certificate);
        }
    }
    if given.is_empty() { Err(FindError::Foreign(host(question))) } else { Ok(given) }
}

fn unproven(error: DnssecError, question: &Question) -> FindError {
    match error {
        DnssecError::Nothing(_) => FindError::Nothing(host(question)),
        error => error.into(),
    }
}

/// Who is asked, for words.
fn host(question: &Question) -> String {
    format!("the DNS of {}", question.address.domain())
}

impl Finds for Dane {
    fn source(&self) -> Source {
        Source::Dane
    }

    fn suites(&self) -> &'static [SuiteName] {
        &[SuiteName::OpenPgp, SuiteName::Smime]
    }

    fn find<'a>(&'a self, question: &'a Question, deadline: Instant) -> Finding<'a> {
        let late = || FindError::Http(HttpError::Deadline("the resolver".to_owned()));
        Box::pin(async move { timeout_at(deadline, self.ask(question)).await.unwrap_or_else(|_| Err(late())) })
    }
}

/// The name of an address below a label (RFC 7929, 3; RFC 8162, 3): the first 28 octets of SHA-256 of its local part, as it is
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
