//! A key as JSON and in words.

use jiff::Timestamp;
use serde::Serialize;

use crate::crypt::{PublicCertificate, pgp, smime};

/// One key in lists and after making or importing it.
#[derive(Serialize)]
pub struct KeyJson {
    suite: &'static str,
    /// Of the certificate; of the public key where there is none yet.
    fingerprint: String,
    addresses: Vec<String>,
    /// None while the certificate is missing.
    created: Option<String>,
    expires: Option<String>,
    algorithm: String,
    /// Whether it waits for its certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waiting: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

impl KeyJson {
    pub fn openpgp(key: &pgp::Key, at: Timestamp) -> Self {
        Self::new("openpgp", &key.certificate(), at)
    }

    /// None of a key without a certificate, which is never stored.
    pub fn smime(key: &smime::Key, at: Timestamp) -> Option<Self> {
        key.certificate().map(|certificate| Self::new("smime", certificate, at))
    }

    pub fn waiting(waiting: &smime::Waiting) -> Self {
        Self {
            suite: "smime",
            fingerprint: waiting.id().to_string(),
            addresses: waiting.addresses().iter().map(ToString::to_string).collect(),
            created: None,
            expires: None,
            algorithm: waiting.algorithms(),
            waiting: true,
            outcome: None,
        }
    }

    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub fn outcome(&self) -> Option<&'static str> {
        self.outcome
    }

    fn new(suite: &'static str, certificate: &impl PublicCertificate, at: Timestamp) -> Self {
        Self {
            suite,
            fingerprint: certificate.fingerprint().to_string(),
            addresses: certificate.addresses(at).iter().map(ToString::to_string).collect(),
            created: Some(certificate.created().to_string()),
            expires: certificate.expires(at).map(|expiry| expiry.to_string()),
            algorithm: certificate.algorithms(),
            waiting: false,
            outcome: None,
        }
    }

    /// The same, with what was done.
    pub fn done(self, outcome: &'static str) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    pub fn words(&self) -> String {
        let state = match &self.expires {
            _ if self.waiting => "waits for its certificate".to_owned(),
            Some(expires) => format!("until {}", &expires[..10]),
            None => "no expiry".to_owned(),
        };
        format!("{}  {}  {}  {state}", self.fingerprint, self.addresses.join(", "), self.algorithm)
    }
}
