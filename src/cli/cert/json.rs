//! A certificate as JSON and in words, with whether and why it is usable.

use jiff::Timestamp;
use serde::Serialize;

use super::levels::LevelJson;
use crate::{
    cli::printable::Printable,
    crypt::{PublicCertificate, Trust, Unusable, pgp::KeyDescription},
};

/// All that `cert show` tells.
#[derive(Clone, Serialize)]
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
    /// OpenPGP's; an X.509 certificate has the one key.
    pub keys: Vec<KeyDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usages: Option<Vec<&'static str>>,
    /// What an X.509 certificate's use rests on: `chain` or `pinned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<&'static str>,
    /// How it is known for each address, where that is asked of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<LevelJson>>,
    /// What its authority says, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<RevocationJson>,
    /// Of an own key in gpg-agent: `agent`, and the GnuPG home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gnupg_home: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

/// What an authority says on request.
#[derive(Clone, Serialize)]
pub struct RevocationJson {
    /// `good`, `revoked` or `unknown`.
    pub state: &'static str,
    /// Why it is not known.
    pub detail: Option<String>,
}

impl CertificateJson {
    /// What is the same for both suites.
    pub fn new(
        suite: &'static str,
        certificate: &impl PublicCertificate,
        refused: Option<Unusable>,
        at: Timestamp,
    ) -> Self {
        Self {
            suite,
            fingerprint: certificate.fingerprint().to_string(),
            user_ids: Vec::new(),
            addresses: certificate.addresses(at).iter().map(ToString::to_string).collect(),
            algorithm: certificate.algorithms(),
            created: certificate.created().to_string(),
            expires: certificate.expires(at).map(|expiry| expiry.to_string()),
            usable: refused.is_none(),
            reason: refused.map(|reason| reason.to_string()),
            keys: Vec::new(),
            issuer: None,
            serial: None,
            usages: None,
            trust: None,
            levels: None,
            revocation: None,
            home: None,
            gnupg_home: None,
            outcome: None,
        }
    }

    /// Makes one that was usable unusable.
    pub fn refuse(&mut self, reason: String) {
        (self.usable, self.reason, self.trust) = (false, Some(reason), None);
    }

    /// One line for lists.
    pub fn line(&self) -> String {
        let state = match (&self.reason, &self.expires) {
            (Some(reason), _) => reason.clone(),
            (None, Some(expires)) => format!("usable until {}", &expires[..10]),
            (None, None) => "usable, no expiry".to_owned(),
        };
        let addresses = match &self.levels {
            Some(levels) if !levels.is_empty() => levels.iter().map(LevelJson::brief).collect::<Vec<_>>().join(", "),
            _ => self.addresses.join(", "),
        };
        Printable(&format!("{}  {addresses}  {state}", self.fingerprint)).to_string()
    }

    /// For whom it is pinned, unless that is everybody of whom it is known.
    fn pinned_for(&self) -> String {
        let levels = self.levels.iter().flatten();
        let (pinned, others): (Vec<_>, Vec<_>) = levels.partition(|level| level.trust == Trust::Pinned.word());
        if pinned.is_empty() || others.is_empty() {
            return String::new();
        }
        let whom: Vec<_> = pinned.iter().map(|level| level.address.as_str()).collect();
        format!(" for {}, and for nobody else", Printable(&whom.join(", ")))
    }

    /// Several lines.
    pub fn words(&self) -> String {
        let mut out = format!("fingerprint  {}\nalgorithm    {}\n", self.fingerprint, self.algorithm);
        let named = if self.issuer.is_some() { "subject     " } else { "user ID     " };
        for user_id in &self.user_ids {
            out += &format!("{named} {}\n", Printable(user_id));
        }
        if let (Some(issuer), Some(serial), Some(usages)) = (&self.issuer, &self.serial, &self.usages) {
            out += &format!("issuer       {}\nserial       {serial}\n", Printable(issuer));
            out += &format!("addresses    {}\n", Printable(&self.addresses.join(", ")));
            out += &format!("made for     {}\n", usages.join(", "));
        }
        out += &format!("created      {}\n", self.created);
        out += &format!("expires      {}\n", self.expires.as_deref().unwrap_or("never"));
        for key in &self.keys {
            let revoked = if key.revoked { ", revoked" } else { "" };
            out += &format!("key          {} {} ({}{revoked})\n", key.fingerprint, key.algorithm, key.flags.join(", "));
        }
        if let Some(home) = &self.gnupg_home {
            out += &format!("secret half  in gpg-agent of {}\n", Printable(home));
        }
        for level in self.levels.iter().flatten() {
            out += &format!("known as     {}\n", level.words());
        }
        if let Some(RevocationJson { state, detail }) = &self.revocation {
            let detail = detail.as_ref().map(|detail| format!(": {}", Printable(detail))).unwrap_or_default();
            out += &format!("revocation   {state}{detail}\n");
        }
        match &self.reason {
            None => match self.trust {
                Some("pinned") => out + &format!("usable       yes: it is pinned{}\n", self.pinned_for()),
                Some(_) => out + "usable       yes: it has a chain to a trust anchor\n",
                None => out + "usable       yes\n",
            },
            Some(reason) => out + &format!("usable       no: {}\n", Printable(reason)),
        }
    }
}
