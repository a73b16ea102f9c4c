//! `sealpost cert check`: one look at everybody who is written to, and at one's own keys.

mod metrics;
mod report;

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;

use crate::{
    cli::{
        agent,
        composition::Place,
        draft,
        exit::Kind,
        failure::{Failure, RecipientReason},
        grammar::{CertCheck, Global},
        sealing::{Certificates, cures, reason},
        voice::Voice,
    },
    config::{self, Overrides, SmimeSettings},
    crypt::{
        Fingerprint, PublicCertificate, Suite, SuiteName, Unusable, pgp,
        pgp::Pgp,
        smime,
        smime::{Grounds, Smime},
    },
    flow::{
        check::{self, Finding, State},
        known,
        send::{Terms, Trust},
    },
    keystore,
    mail::Address,
};
use report::{RecipientJson, Report};

/// What was found of everybody, under the names that reports give them.
pub struct Checked {
    /// `kim@example.org`, or `@partner.example` for a certificate that is pinned for a domain.
    pub recipients: Vec<(String, Finding)>,
    /// Own keys, each with its addresses.
    pub keys: Vec<(Vec<Address>, Finding)>,
    /// The GnuPG homes of those that agents have.
    pub homes: BTreeMap<Fingerprint, PathBuf>,
}

pub fn run(arguments: &CertCheck, place: &Place, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let within = days(&arguments.within)?;
    let known = place.recipients()?;
    let whom = if arguments.addresses.is_empty() {
        everybody(place, &known, place.settle(global, Overrides::default())?.trust, at)?
    } else {
        let named = draft::mailboxes(&arguments.addresses, "cert check", &known)?;
        let named: std::collections::BTreeSet<_> = named.into_iter().map(|mailbox| mailbox.address).collect();
        named.into_iter().map(|address| (address.to_string(), address)).collect()
    };
    let checked = Checked {
        recipients: recipients(whom, place, &known, place.settle(global, Overrides::default())?.trust, within, at)?,
        keys: keys(place, place.config()?.smime(), within, at)?,
        homes: homes(place)?,
    };
    let damaged = place.warn(voice);
    if let Some(path) = &arguments.prometheus {
        // Whoever collects it is another user.
        keystore::write_public(path, metrics::text(&checked, at).as_bytes())?;
    }
    let report = Report::new(&checked);
    if voice.json {
        voice.object(&report)?;
    } else if !voice.quiet {
        voice.data(report.words().as_bytes())?;
    }
    // What cannot be read is not well, whoever's it is.
    match failure(&checked, place).or_else(|| damaged.into_iter().next().map(Failure::from)) {
        None => Ok(0),
        Some(failure) => Err(failure),
    }
}

/// `sealpost cert list --missing`: whom of recipients.toml `send` would refuse now.
pub fn missing(place: &Place, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let known = place.recipients()?;
    let mut found =
        recipients(listed(&known), place, &known, place.settle(global, Overrides::default())?.trust, 0, at)?;
    place.warn(voice);
    found.retain(|(_, finding)| finding.missing.is_some());
    let missing: Vec<_> = found.iter().map(|(name, finding)| RecipientJson::new(name, finding)).collect();
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "missing": missing }))?;
    } else {
        voice.data(missing.iter().map(RecipientJson::words).collect::<String>().as_bytes())?;
    }
    Ok(0)
}

/// Judges recipients as `send` would.
fn recipients(
    whom: Vec<(String, Address)>,
    place: &Place,
    known: &config::Recipients,
    lowest: Option<Trust>,
    within: i64,
    at: Timestamp,
) -> Result<Vec<(String, Finding)>, Failure> {
    let config = place.config()?;
    let mut source = Certificates::read(&[], place, known, config.smime(), &[], at)?;
    let terms = Terms { only: None, lowest };
    let mut judge = |address| check::recipient(&address, &mut source, terms, within, at);
    Ok(whom.into_iter().map(|(name, address)| (name, judge(address))).collect())
}

/// Everybody of recipients.toml; where that names nobody, of whomever the store has a certificate that the account takes,
/// or that a person took by hand.
fn everybody(
    place: &Place,
    known: &config::Recipients,
    lowest: Option<Trust>,
    at: Timestamp,
) -> Result<Vec<(String, Address)>, Failure> {
    let listed = listed(known);
    if !listed.is_empty() {
        return Ok(listed);
    }
    let all = known::addresses(&place.keystore, lowest.unwrap_or(Trust::Imported).min(Trust::Imported), at)?;
    Ok(all.into_iter().map(|address| (address.to_string(), address)).collect())
}

/// Everybody of recipients.toml, and the domains that have a certificate of their own.
fn listed(known: &config::Recipients) -> Vec<(String, Address)> {
    let domains = known.pinned_domains().into_iter().map(|(domain, anybody)| (format!("@{domain}"), anybody));
    known.everybody().into_iter().map(|address| (address.to_string(), address)).chain(domains).collect()
}

fn keys(
    place: &Place,
    smime: &SmimeSettings,
    within: i64,
    at: Timestamp,
) -> Result<Vec<(Vec<Address>, Finding)>, Failure> {
    let mut keys = Vec::new();
    let (here, lent) = (place.keystore.keys()?, place.keystore.agent_keys()?);
    let certificates = here.iter().map(pgp::Key::certificate).chain(lent.iter().map(pgp::AgentKey::certificate));
    for certificate in certificates {
        let judged = Pgp::check(&certificate, &(), at).map(drop);
        let finding = check::key(&certificate, SuiteName::OpenPgp, judged, within, at);
        keys.push((certificate.addresses(at), finding));
    }
    let (own, lent) = (place.keystore.smime_keys()?, place.keystore.smime_agent_keys()?);
    if !own.is_empty() || !lent.is_empty() {
        let grounds = Grounds::Chain(place.authorities(smime)?);
        let lent = lent.iter().map(smime::AgentKey::certificate);
        for certificate in own.iter().filter_map(smime::Key::certificate).chain(lent) {
            let judged: Result<(), Unusable> = Smime::check(certificate, &grounds, at).map(drop);
            let finding = check::key(certificate, SuiteName::Smime, judged, within, at);
            keys.push((certificate.addresses(at), finding));
        }
    }
    check::supersede(&mut keys);
    Ok(keys)
}

/// The GnuPG homes of own keys that agents have.
fn homes(place: &Place) -> Result<BTreeMap<Fingerprint, PathBuf>, Failure> {
    let (openpgp, smime) = (place.keystore.agent_keys()?, place.keystore.smime_agent_keys()?);
    let openpgp = openpgp.iter().map(|key| (key.fingerprint(), key.home().to_owned()));
    Ok(openpgp.chain(smime.iter().map(|key| (key.fingerprint(), key.home().to_owned()))).collect())
}

fn days(text: &str) -> Result<i64, Failure> {
    let number = text.trim().strip_suffix('d').and_then(|digits| digits.parse::<u16>().ok());
    number.map(i64::from).ok_or_else(|| {
        let text = format!("--within {text:?} is not a number of days such as 30d");
        Failure::new(Kind::Usage, text).hint(["sealpost", "cert", "check", "--within", "30d"])
    })
}

/// What is not well, each with its reason and what helps.
fn failure(checked: &Checked, place: &Place) -> Option<Failure> {
    let mut reasons = Vec::new();
    let recipients: Vec<_> = checked.recipients.iter().filter(|(_, finding)| !finding.state.is_well()).collect();
    let mut hints = cures(recipients.iter().map(|(name, finding)| (name.clone(), finding.missing.as_ref())), place);
    let mut hint = |words: Vec<String>| {
        if !hints.contains(&words) {
            hints.push(words);
        }
    };
    for (name, finding) in recipients {
        let fact = finding.reason.clone().unwrap_or_default();
        let reason = match (&finding.missing, &finding.fingerprint) {
            (Some(missing), _) => reason(missing),
            (None, Some(fingerprint)) => format!("certificate {fingerprint} {fact}"),
            (None, None) => fact,
        };
        reasons.push(RecipientReason { address: name.clone(), reason });
    }
    for (addresses, finding) in checked.keys.iter().filter(|(_, finding)| !finding.state.is_well()) {
        let fingerprint = finding.fingerprint.as_ref().map(ToString::to_string).unwrap_or_default();
        let reason = finding.reason.clone().unwrap_or_default();
        let reason = if reason.contains(&fingerprint) {
            format!("own key: {reason}")
        } else {
            format!("own key {fingerprint} {reason}")
        };
        let address = addresses.first().map_or_else(|| fingerprint.clone(), ToString::to_string);
        let passphrase = format!("file:{address}.passphrase");
        let home = finding.fingerprint.as_ref().and_then(|fingerprint| checked.homes.get(fingerprint));
        let words: &[&str] = match (finding.state, finding.suite) {
            (State::Expiring | State::Expired, Some(SuiteName::Smime)) => {
                &["key", "extend", &fingerprint, "--request", "request.pem"]
            }
            (State::Expiring | State::Expired, _) => &["key", "extend", &fingerprint],
            (_, Some(SuiteName::Smime)) => {
                &["key", "make", &address, "--suite", "smime", "--new-passphrase", &passphrase]
            }
            _ => &["key", "make", &address, "--new-passphrase", &passphrase],
        };
        match home {
            Some(home) if matches!(finding.state, State::Expiring | State::Expired) => {
                let hints = match finding.suite {
                    Some(SuiteName::Smime) => agent::request(home),
                    _ => agent::extend(home, &fingerprint, agent::TWO_YEARS),
                };
                hints.into_iter().for_each(&mut hint);
            }
            _ => hint(["sealpost"].iter().chain(words).map(|word| (*word).to_owned()).collect()),
        }
        reasons.push(RecipientReason { address, reason });
    }
    if reasons.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for one in &reasons {
        if !names.contains(&one.address.as_str()) {
            names.push(&one.address);
        }
    }
    let mut failure = Failure::new(Kind::Recipients, format!("not all is well with {}", names.join(", ")));
    failure.recipients = reasons;
    failure.hints = hints;
    Some(failure)
}
