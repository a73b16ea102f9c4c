//! Whether a recipient's certificate was revoked, by its authority: refused if so, told if nobody knows.

use jiff::Timestamp;

use super::{Certificates, refused};
use crate::{
    cli::{composition::Place, failure::Failure, receipt::WarningJson, responders},
    config::SmimeSettings,
    crypt::{
        PublicCertificate, SuiteName, Unusable,
        smime::{Certificate, Unasked},
    },
    flow::{
        revocation::{Doubt, Standing},
        send::{Addressee, Missing, MissingReason},
    },
    mail::Address,
};

/// Asks for all who read S/MIME, and gives the warnings.
pub fn check(
    assigned: &[Addressee],
    source: &Certificates<'_>,
    settings: &SmimeSettings,
    place: &Place,
    at: Timestamp,
) -> Result<Vec<WarningJson>, Failure> {
    let of_smime = assigned.iter().filter_map(|addressee| match addressee {
        Addressee::OpenPgp(_) => None,
        Addressee::Smime(one) => Some((one.recipient.address(), one.recipient.usable().certificate().clone())),
    });
    let (addresses, certificates): (Vec<&Address>, Vec<Certificate>) = of_smime.unzip();
    let Some(standings) = responders::ask(&certificates, || source.believed(), settings, at)? else {
        return Ok(Vec::new());
    };
    let (mut warnings, mut revoked) = (Vec::new(), Vec::new());
    for ((address, certificate), standing) in addresses.iter().zip(&certificates).zip(standings) {
        match standing {
            // A pin of a closed group: its holder tells the others.
            Standing::Good | Standing::Unknown(Doubt::Unasked(Unasked::SelfSigned)) => {}
            Standing::Revoked(since) => {
                let reason = Unusable::Revoked { fingerprint: certificate.fingerprint(), at: since };
                let reason = MissingReason::Unusable(vec![(SuiteName::Smime, reason)]);
                revoked.push(Missing { address: (*address).clone(), reason });
            }
            Standing::Unknown(doubt) => warnings.push(WarningJson {
                kind: "revocation-unknown",
                text: format!("whether the certificate of {address} was revoked is not known: {doubt}"),
            }),
        }
    }
    if revoked.is_empty() { Ok(warnings) } else { Err(refused(&revoked, &[], place)) }
}
