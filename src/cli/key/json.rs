//! A key as JSON and in words.

use jiff::Timestamp;
use serde::Serialize;

use crate::crypt::{Fingerprint, PublicCertificate, SuiteName, pgp, smime};

/// One key in lists and after making or importing it.
#[derive(Serialize)]
pub struct KeyJson {
    suite: SuiteName,
    /// Of the certificate; of the public key where there is none yet.
    fingerprint: String,
    addresses: Vec<String>,
    /// None while the certificate is missing.
    created: Option<String>,
    expires: Option<String>,
    algorithm: String,
    /// Where its secret half is: `store`, or `agent`; none of a key that was not imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<&'static str>,
    /// Of a key in an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    gnupg_home: Option<String>,
    /// Whether it waits for its certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waiting: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    /// Why it was not imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl KeyJson {
    pub fn openpgp(key: &pgp::Key, at: Timestamp) -> Self {
        Self::new(SuiteName::OpenPgp, &key.certificate(), at)
    }

    /// One that an agent has.
    pub fn agent(key: &pgp::AgentKey, at: Timestamp) -> Self {
        let gnupg_home = Some(key.home().display().to_string());
        Self { home: Some("agent"), gnupg_home, ..Self::new(SuiteName::OpenPgp, &key.certificate(), at) }
    }

    /// The same for S/MIME.
    pub fn smime_agent(key: &smime::AgentKey, at: Timestamp) -> Self {
        let gnupg_home = Some(key.home().display().to_string());
        Self { home: Some("agent"), gnupg_home, ..Self::new(SuiteName::Smime, key.certificate(), at) }
    }

    /// None of a key without a certificate, which is never stored.
    pub fn smime(key: &smime::Key, at: Timestamp) -> Option<Self> {
        key.certificate().map(|certificate| Self::new(SuiteName::Smime, certificate, at))
    }

    pub fn waiting(waiting: &smime::Waiting) -> Self {
        Self {
            suite: SuiteName::Smime,
            fingerprint: waiting.id().to_string(),
            addresses: waiting.addresses().iter().map(ToString::to_string).collect(),
            created: None,
            expires: None,
            algorithm: waiting.algorithms(),
            home: Some("store"),
            gnupg_home: None,
            waiting: true,
            outcome: None,
            reason: None,
        }
    }

    /// One whose certificate cannot be read: nothing but its name.
    pub fn unread(suite: SuiteName, fingerprint: &Fingerprint) -> Self {
        Self {
            suite,
            fingerprint: fingerprint.to_string(),
            addresses: Vec::new(),
            created: None,
            expires: None,
            algorithm: "unknown".to_owned(),
            home: None,
            gnupg_home: None,
            waiting: false,
            outcome: None,
            reason: None,
        }
    }

    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub fn outcome(&self) -> Option<&'static str> {
        self.outcome
    }

    pub fn new(suite: SuiteName, certificate: &impl PublicCertificate, at: Timestamp) -> Self {
        Self {
            suite,
            fingerprint: certificate.fingerprint().to_string(),
            addresses: certificate.addresses(at).iter().map(ToString::to_string).collect(),
            created: Some(certificate.created().to_string()),
            expires: certificate.expires(at).map(|expiry| expiry.to_string()),
            algorithm: certificate.algorithms(),
            home: Some("store"),
            gnupg_home: None,
            waiting: false,
            outcome: None,
            reason: None,
        }
    }

    /// The same, with what was done.
    pub fn done(self, outcome: &'static str) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    /// The same, with why it was not imported.
    pub fn left(self, outcome: &'static str, reason: impl Into<String>) -> Self {
        Self { outcome: Some(outcome), reason: Some(reason.into()), home: None, ..self }
    }

    /// What was done with it, and why.
    pub fn told(&self) -> String {
        let done = match self.outcome {
            Some("unchanged") => "stored already:",
            Some("refused") => "refused",
            Some("on-card" | "no-secret") => "not imported:",
            Some("merged") => "taken again:",
            _ => "imported",
        };
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{done} {}{reason}", self.words())
    }

    pub fn words(&self) -> String {
        let state = match &self.expires {
            _ if self.waiting => "waits for its certificate".to_owned(),
            Some(expires) => format!("until {}", &expires[..10]),
            None => "no expiry".to_owned(),
        };
        let home = self.gnupg_home.as_ref().map(|home| format!("  in gpg-agent of {home}")).unwrap_or_default();
        format!("{}  {}  {}  {state}{home}", self.fingerprint, self.addresses.join(", "), self.algorithm)
    }
}
