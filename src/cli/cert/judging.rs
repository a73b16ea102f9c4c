//! Whether a certificate is usable, by all that the settings say: shown, not decided here.

use std::sync::Arc;

use jiff::Timestamp;

use super::CertificateJson;
use crate::{
    cli::{
        composition::{AnyCertificate, Place},
        failure::Failure,
    },
    config::Recipients,
    crypt::{
        PublicCertificate, Suite, pgp,
        pgp::Pgp,
        smime,
        smime::{Authorities, Grounds, Smime},
    },
};

/// By what certificates are judged.
pub struct Judging {
    authorities: Arc<Authorities>,
    recipients: Recipients,
    at: Timestamp,
}

impl Judging {
    pub fn new(place: &Place, at: Timestamp) -> Result<Self, Failure> {
        let authorities = Arc::new(place.authorities(place.config()?.smime())?);
        Ok(Self { authorities, recipients: place.recipients()?, at })
    }

    pub fn show(&self, certificate: &AnyCertificate) -> CertificateJson {
        match certificate {
            AnyCertificate::OpenPgp(certificate) => self.openpgp(certificate),
            AnyCertificate::Smime(certificate) => self.smime(certificate),
        }
    }

    pub fn openpgp(&self, certificate: &pgp::Certificate) -> CertificateJson {
        let refused = Pgp::check(certificate, &(), self.at).err();
        CertificateJson {
            user_ids: certificate.user_ids(),
            keys: certificate.keys(self.at),
            ..CertificateJson::new("openpgp", certificate, refused, self.at)
        }
    }

    /// A pin stands for the chain.
    pub fn smime(&self, certificate: &smime::Certificate) -> CertificateJson {
        let pinned = self.recipients.pins(&certificate.fingerprint());
        let grounds = if pinned { Grounds::Pinned } else { Grounds::Chain(self.authorities.clone()) };
        let refused = Smime::check(certificate, &grounds, self.at).err();
        CertificateJson {
            user_ids: vec![certificate.subject()],
            issuer: Some(certificate.issuer()),
            serial: Some(certificate.serial()),
            usages: Some(certificate.usages()),
            trust: Some(if pinned { "pinned" } else { "chain" }).filter(|_| refused.is_none()),
            ..CertificateJson::new("smime", certificate, refused, self.at)
        }
    }
}
