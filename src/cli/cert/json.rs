//! A certificate as JSON and in words, with whether and why it is usable.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::printable::Printable,
    crypt::{
        PublicCertificate, Suite,
        pgp::{Certificate, KeyDescription, Pgp},
    },
};

/// All that `cert show` tells.
#[derive(Serialize)]
pub struct CertificateJson {
    pub suite: &'static str,
    pub fingerprint: String,
    pub user_ids: Vec<String>,
    pub addresses: Vec<String>,
    pub algorithm: String,
    pub created: String,
    pub expires: Option<String>,
    pub usable: bool,
    pub reason: Option<String>,
    pub keys: Vec<KeyDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

impl CertificateJson {
    pub fn new(certificate: &Certificate, at: Timestamp) -> Self {
        let refused = Pgp::check(certificate, &(), at).err();
        Self {
            suite: "openpgp",
            fingerprint: certificate.fingerprint().to_string(),
            user_ids: certificate.user_ids(),
            addresses: certificate.addresses(at).iter().map(ToString::to_string).collect(),
            algorithm: certificate.algorithms(),
            created: certificate.created().to_string(),
            expires: certificate.expires(at).map(|expiry| expiry.to_string()),
            usable: refused.is_none(),
            reason: refused.map(|reason| reason.to_string()),
            keys: certificate.keys(at),
            outcome: None,
        }
    }

    /// One line for lists.
    pub fn line(&self) -> String {
        let state = match (&self.reason, &self.expires) {
            (Some(reason), _) => reason.clone(),
            (None, Some(expires)) => format!("usable until {}", &expires[..10]),
            (None, None) => "usable, no expiry".to_owned(),
        };
        Printable(&format!("{}  {}  {state}", self.fingerprint, self.addresses.join(", "))).to_string()
    }

    /// Several lines.
    pub fn words(&self) -> String {
        let mut out = format!("fingerprint  {}\nalgorithm    {}\n", self.fingerprint, self.algorithm);
        for user_id in &self.user_ids {
            out += &format!("user ID      {}\n", Printable(user_id));
        }
        out += &format!("created      {}\n", self.created);
        out += &format!("expires      {}\n", self.expires.as_deref().unwrap_or("never"));
        for key in &self.keys {
            let revoked = if key.revoked { ", revoked" } else { "" };
            out += &format!("key          {} {} ({}{revoked})\n", key.fingerprint, key.algorithm, key.flags.join(", "));
        }
        match &self.reason {
            None => out + "usable       yes\n",
            Some(reason) => out + &format!("usable       no: {}\n", Printable(reason)),
        }
    }
}
