//! What a reader should know besides the signature: names and dates that do not fit, keys that are past.

use jiff::Timestamp;
use mail_parser::DateTime;

use super::{
    layers::SignatureLayer,
    summary::{Warning, WarningKind},
};
use crate::{
    crypt::{BadReason, Fingerprint, SignatureFact, Unusable, Verdict},
    mail::{
        Address, Mailbox,
        lookalike::is_lookalike,
        parse::harmless,
        protected::{Author, Headers},
    },
};

/// How far Date may be from the time of signing, in seconds.
const DATE_TOLERANCE: i64 = 3600;

/// What is looked at.
pub(super) struct Cautions<'a> {
    pub headers: &'a Headers,
    pub author: &'a Author,
    pub signatures: &'a [SignatureLayer],
    /// The time of judging.
    pub at: Timestamp,
}

impl Cautions<'_> {
    /// Adds what there is to warn of.
    pub(super) fn add(&self, warnings: &mut Vec<Warning>) {
        if *self.author == Author::Several {
            warn(warnings, WarningKind::SeveralFrom, "the message names several authors".to_owned());
        }
        if let Some(outside) = self.headers.from_mismatch() {
            warn(warnings, WarningKind::FromMismatch, format!("outside, the message says it is from {outside}"));
        }
        if let Author::One(mailbox) = self.author {
            if let Some(named) = misleading_name(mailbox) {
                let text = format!("the display name {named:?} looks like an address other than {}", mailbox.address);
                warn(warnings, WarningKind::DisplayName, text);
            }
            if is_lookalike(&mailbox.address) {
                let text = format!("the address {} may be taken for another", mailbox.address);
                warn(warnings, WarningKind::Lookalike, text);
            }
        }
        let facts = || self.signatures.iter().flat_map(|layer| layer.facts.iter().flatten());
        if let Some(date) = self.headers.date().and_then(timestamp)
            && let Some(created) = facts().filter_map(signing_time).find(|created| distant(*created, date))
        {
            let text = format!("the message is dated {date}, its signature was made {created}");
            warn(warnings, WarningKind::DateMismatch, text);
        }
        if let Some(detail) = facts().filter(|fact| fact.verdict == Verdict::Good).find_map(|fact| fact.detail.as_ref())
        {
            warn(warnings, WarningKind::Limit, detail.clone());
        }
        if facts().any(|fact| fact.verdict == Verdict::Bad(BadReason::Weak)) {
            warn(
                warnings,
                WarningKind::WeakKey,
                "a signature rests on an algorithm or a key that is too weak".to_owned(),
            );
        }
        if facts().any(|fact| fact.verdict == Verdict::Bad(BadReason::Expired)) {
            let text = format!("a signature or its key had expired by {}", self.at);
            warn(warnings, WarningKind::ExpiredKey, text);
        }
    }
}

/// Warns of the key that opened a message, if it is past.
pub(super) fn complaint(complaint: Option<Unusable>, warnings: &mut Vec<Warning>) {
    match complaint {
        Some(weak @ Unusable::Weak { .. }) => warn(warnings, WarningKind::WeakKey, weak.to_string()),
        Some(expired @ Unusable::Expired { .. }) => warn(warnings, WarningKind::ExpiredKey, expired.to_string()),
        _ => {}
    }
}

/// Warns of an encryption that does not tell whether somebody changed it.
pub(super) fn unauthenticated(warnings: &mut Vec<Warning>) {
    let text = "nothing proves that the encrypted message was not changed on its way (S/MIME in CBC mode)".to_owned();
    warn(warnings, WarningKind::UnauthenticatedEncryption, text);
}

/// Warns of a certificate that is weaker than is advised.
pub(super) fn weak(certificate: &Fingerprint, warnings: &mut Vec<Warning>) {
    warn(warnings, WarningKind::WeakKey, format!("the key of certificate {certificate} is weaker than is advised"));
}

fn warn(warnings: &mut Vec<Warning>, kind: WarningKind, text: String) {
    if !warnings.iter().any(|warning| warning.kind == kind) {
        warnings.push(Warning { kind, text });
    }
}

/// The display name, if it holds an address that is not the mailbox's own.
fn misleading_name(mailbox: &Mailbox) -> Option<&str> {
    let name = mailbox.name.as_deref()?;
    // Full-width and small forms of the sign look like it, and what stands for it in links.
    let plain = harmless(name).replace(['\u{ff20}', '\u{fe6b}'], "@").replace("%40", "@");
    let foreign = |word: &str| {
        let word = word.trim_matches('.');
        word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
            && Address::parse(word).map_or(true, |address| address != mailbox.address)
    };
    // Set apart it still looks like one, where what follows looks like a domain.
    let joined = plain.split('@').map(str::trim).collect::<Vec<_>>().join("@");
    let dotted = |word: &str| word.split_once('@').is_some_and(|(_, domain)| domain.trim_matches('.').contains('.'));
    let looks = words(&plain).any(foreign) || words(&joined).any(|word| dotted(word) && foreign(word));
    (looks || spells_another(&plain, &mailbox.address)).then_some(name)
}

/// Whether a name spells an address out, `kim at example.org`, in another domain than that of an address.
fn spells_another(name: &str, address: &Address) -> bool {
    let words: Vec<String> = words(name).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let (own, mut threes) = (address.domain().to_lowercase(), words.windows(3));
    threes.any(|three| {
        let domain = three[2].trim_matches('.');
        let below = |one: &str, other: &str| one.strip_suffix(other).is_some_and(|rest| rest.ends_with('.'));
        let related = domain == own || below(domain, &own) || below(&own, domain);
        three[1] == "at" && domain.contains('.') && !related && Address::parse(&format!("x@{domain}")).is_ok()
    })
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c))
}

fn timestamp(date: &str) -> Option<Timestamp> {
    let read = DateTime::parse_rfc822(&format!("{date}\n")).filter(DateTime::is_valid)?;
    Timestamp::from_second(read.to_timestamp()).ok()
}

fn signing_time(fact: &SignatureFact) -> Option<Timestamp> {
    fact.created.filter(|_| fact.verdict != Verdict::Bad(BadReason::Invalid))
}

fn distant(one: Timestamp, other: Timestamp) -> bool {
    (one.as_second() - other.as_second()).abs() > DATE_TOLERANCE
}
