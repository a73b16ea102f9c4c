//! What `cert check` found, as JSON and in words.

use serde::Serialize;

use super::Checked;
use crate::{
    cli::printable::Printable,
    crypt::SuiteName,
    flow::check::{Finding, State},
};

/// The whole report.
#[derive(Serialize)]
pub struct Report {
    version: u8,
    /// How many recipients.
    checked: usize,
    recipients: Vec<RecipientJson>,
    keys: Vec<KeyJson>,
}

/// One recipient.
#[derive(Serialize)]
pub struct RecipientJson {
    address: String,
    #[serde(flatten)]
    found: FoundJson,
    /// How the certificate is known; null if it is not usable.
    trust: Option<&'static str>,
    reason: Option<String>,
}

/// One own key.
#[derive(Serialize)]
struct KeyJson {
    addresses: Vec<String>,
    #[serde(flatten)]
    found: FoundJson,
    reason: Option<String>,
    /// Where its secret half is: `store`, or `agent`.
    home: &'static str,
}

#[derive(Serialize)]
struct FoundJson {
    suite: Option<SuiteName>,
    fingerprint: Option<String>,
    state: &'static str,
    days_left: Option<i64>,
}

impl Report {
    pub fn new(checked: &Checked) -> Self {
        let key = |(addresses, finding): &(Vec<_>, Finding)| KeyJson {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            found: FoundJson::of(finding),
            reason: finding.reason.clone(),
            home: match &finding.fingerprint {
                Some(fingerprint) if checked.homes.contains_key(fingerprint) => "agent",
                _ => "store",
            },
        };
        Self {
            version: 1,
            checked: checked.recipients.len(),
            recipients: checked.recipients.iter().map(|(name, finding)| RecipientJson::new(name, finding)).collect(),
            keys: checked.keys.iter().map(key).collect(),
        }
    }

    /// A line for each.
    pub fn words(&self) -> String {
        let recipients = self.recipients.iter().map(RecipientJson::words);
        let keys = self.keys.iter().map(|key| {
            let addresses = key.addresses.join(", ");
            let home = if key.home == "agent" { " (in gpg-agent)" } else { "" };
            line(&format!("own key of {addresses}{home}"), &key.found, None, key.reason.as_deref())
        });
        recipients.chain(keys).collect()
    }
}

impl RecipientJson {
    pub fn new(name: &str, finding: &Finding) -> Self {
        Self {
            address: name.to_owned(),
            found: FoundJson::of(finding),
            trust: finding.trust.map(|trust| trust.word()),
            reason: finding.reason.clone(),
        }
    }

    /// As a line.
    pub fn words(&self) -> String {
        line(&self.address, &self.found, self.trust, self.reason.as_deref())
    }
}

impl FoundJson {
    fn of(finding: &Finding) -> Self {
        Self {
            suite: finding.suite,
            fingerprint: finding.fingerprint.as_ref().map(ToString::to_string),
            state: finding.state.word(),
            days_left: finding.days_left,
        }
    }
}

fn line(name: &str, found: &FoundJson, trust: Option<&str>, reason: Option<&str>) -> String {
    let mut facts: Vec<String> = Vec::new();
    if found.state == State::Ok.word() {
        facts.extend(found.fingerprint.iter().map(|fingerprint| format!("certificate {fingerprint}")));
        facts.extend(trust.map(str::to_owned));
        facts.push(found.days_left.map_or("no expiry".to_owned(), |days| format!("{days} days left")));
    } else {
        facts.extend(reason.map(str::to_owned));
    }
    format!("{:13}  {}  {}\n", found.state, Printable(name), Printable(&facts.join(", ")))
}
