//! A certificate as JSON and in words, with whether and why it is usable.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::printable::Printable,
    crypt::{
        PublicCertificate, Suite,
        pgp::{Certificate, Pgp},
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
    pub subkeys: Vec<SubkeyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

/// A key of a certificate, its primary key first.
#[derive(Serialize)]
pub struct SubkeyJson {
    pub fingerprint: String,
    pub algorithm: String,
    pub uses: Vec<&'static str>,
    pub created: String,
    pub expires: Option<String>,
    pub revoked: bool,
}

impl CertificateJson {
    pub fn new(certificate: &Certificate, at: Timestamp) -> Self {
        let refused = Pgp::check(certificate, at).err();
        Self {
            suite: "openpgp",
            fingerprint: certificate.fingerprint().to_string(),
            user_ids: certificate.user_ids(),
            addresses: certificate.addresses(at).iter().map(ToString::to_string).collect(),
            algorithm: certificate.algorithm(),
            created: certificate.created().to_string(),
            expires: certificate.expires(at).map(|expiry| expiry.to_string()),
            usable: refused.is_none(),
            reason: refused.map(|reason| reason.to_string()),
            subkeys: certificate
                .subkeys(at)
                .into_iter()
                .map(|key| SubkeyJson {
                    fingerprint: key.fingerprint.to_string(),
                    algorithm: key.algorithm,
                    uses: key.uses,
                    created: key.created.to_string(),
                    expires: key.expires.map(|expiry| expiry.to_string()),
                    revoked: key.revoked,
                })
                .collect(),
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
        for key in &self.subkeys {
            let revoked = if key.revoked { ", revoked" } else { "" };
            out += &format!("key          {} {} ({}{revoked})\n", key.fingerprint, key.algorithm, key.uses.join(", "));
        }
        match &self.reason {
            None => out + "usable       yes\n",
            Some(reason) => out + &format!("usable       no: {}\n", Printable(reason)),
        }
    }
}
