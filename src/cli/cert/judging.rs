//! Whether a certificate is usable, by all that the settings say: shown, not decided here.

use std::cell::OnceCell;

use jiff::{SignedDuration, Timestamp};

use super::{CertificateJson, json::RevocationJson};
use crate::{
    cli::{composition::Place, failure::Failure, named::AnyCertificate, responders},
    config::{Recipients, SmimeSettings},
    crypt::{
        PublicCertificate, Suite, Trust, Unusable, pgp,
        pgp::Pgp,
        smime,
        smime::{Authorities, Grounds, Smime},
    },
    flow::revocation::Standing,
};

/// By what certificates are judged.
pub struct Judging<'p> {
    place: &'p Place,
    // Read for the first S/MIME certificate. Where that fails, this is what such certificates want; the rest is shown.
    authorities: OnceCell<Result<Authorities, Failure>>,
    recipients: Recipients,
    settings: SmimeSettings,
    at: Timestamp,
}

impl<'p> Judging<'p> {
    pub fn new(place: &'p Place, at: Timestamp) -> Result<Self, Failure> {
        let settings = place.config()?.smime().clone();
        Ok(Self { place, authorities: OnceCell::new(), recipients: place.recipients()?, settings, at })
    }

    fn authorities(&self) -> Result<Authorities, Failure> {
        self.authorities.get_or_init(|| self.place.authorities(&self.settings)).clone()
    }

    pub fn show(&self, certificate: &AnyCertificate) -> CertificateJson {
        match certificate {
            AnyCertificate::OpenPgp(certificate) => self.openpgp(certificate),
            AnyCertificate::Smime(certificate) => self.smime(certificate),
        }
    }

    /// The same, with what the authority of a usable one says on request.
    pub fn show_asking(&self, certificate: &AnyCertificate) -> Result<CertificateJson, Failure> {
        let mut shown = self.show(certificate);
        let AnyCertificate::Smime(certificate) = certificate else { return Ok(shown) };
        let asked = if shown.usable { std::slice::from_ref(certificate) } else { &[] };
        let standings = responders::ask(asked, || self.authorities(), &self.settings, self.at)?;
        match standings.and_then(|mut all| all.pop()) {
            None => {}
            Some(Standing::Good) => shown.revocation = Some(RevocationJson { state: "good", detail: None }),
            Some(Standing::Unknown(doubt)) => {
                shown.revocation = Some(RevocationJson { state: "unknown", detail: Some(doubt.to_string()) });
            }
            Some(Standing::Revoked(at)) => {
                let reason = Unusable::Revoked { fingerprint: certificate.fingerprint(), at };
                shown.refuse(reason.to_string());
                shown.revocation = Some(RevocationJson { state: "revoked", detail: None });
            }
        }
        Ok(shown)
    }

    /// Whether an S/MIME certificate has a chain, or is pinned, as one who signs.
    pub fn vouched(&self, certificate: &smime::Certificate) -> bool {
        let pinned = self.recipients.pins(&certificate.fingerprint());
        pinned || self.authorities().is_ok_and(|authorities| authorities.vouch_for(certificate, self.at))
    }

    /// Whether an S/MIME certificate can be encrypted to, or could as long as it lasted or until it was revoked.
    ///
    /// # Errors
    /// The settings say whom to believe, and that cannot be read.
    pub fn held(&self, certificate: &smime::Certificate, trust: Trust) -> Result<bool, Failure> {
        let authorities = self.authorities()?;
        let grounds = if trust == Trust::Pinned { Grounds::Pinned(authorities) } else { Grounds::Chain(authorities) };
        // Its last second is over for libcrypto.
        let end = certificate.expires(self.at).and_then(|end| end.checked_sub(SignedDuration::from_secs(1)).ok());
        let held = Smime::check(certificate, &grounds, end.map_or(self.at, |end| end.min(self.at)));
        Ok(matches!(held, Ok(_) | Err(Unusable::Revoked { .. })))
    }

    pub fn openpgp(&self, certificate: &pgp::Certificate) -> CertificateJson {
        openpgp(certificate, self.at)
    }

    /// A pin stands for the chain, and for nothing else.
    pub fn smime(&self, certificate: &smime::Certificate) -> CertificateJson {
        self.smime_as(certificate, self.recipients.pins(&certificate.fingerprint()))
    }

    /// The same for an address that it is pinned for, or is not.
    pub fn smime_as(&self, certificate: &smime::Certificate, pinned: bool) -> CertificateJson {
        let grounds = self.authorities().map(if pinned { Grounds::Pinned } else { Grounds::Chain });
        let check = |grounds: &_| Smime::check(certificate, grounds, self.at).err();
        let refused = grounds.as_ref().ok().and_then(check);
        let mut shown = CertificateJson {
            user_ids: vec![certificate.subject()],
            issuer: Some(certificate.issuer()),
            serial: Some(certificate.serial()),
            usages: Some(certificate.usages()),
            trust: Some(if pinned { "pinned" } else { "chain" }).filter(|_| refused.is_none()),
            ..CertificateJson::new("smime", certificate, refused, self.at)
        };
        if let Err(unread) = grounds {
            shown.refuse(unread.text);
        }
        shown
    }
}

/// An OpenPGP certificate, which is judged by itself alone.
pub fn openpgp(certificate: &pgp::Certificate, at: Timestamp) -> CertificateJson {
    let refused = Pgp::check(certificate, &(), at).err();
    CertificateJson {
        user_ids: certificate.user_ids(),
        keys: certificate.keys(at),
        ..CertificateJson::new("openpgp", certificate, refused, at)
    }
}
