//! What is new of a certificate of S/MIME: another one that renews it, since what is in one never changes. It is kept
//! beside the known one, as well known as its source makes it, and which of them counts is decided as always.

use jiff::Timestamp;

use super::{ResultJson, Target, Wrong, conflicts};
use crate::{
    cli::{
        cert::{Judging, find::keep_smime},
        composition::Place,
        failure::Failure,
    },
    crypt::{Fingerprint, PublicCertificate, smime::Certificate},
    flow::{
        find::{self, Looked},
        known::Known,
    },
    keystore::find::Source,
};

/// Of those that are known for an address the one that lasts longest, of those that were vouched for while they lasted:
/// what a stranger says is of no concern to who is asked.
pub fn longest(known: &Known, judging: &Judging<'_>) -> Result<Option<Certificate>, Failure> {
    let held = held(known, judging)?;
    Ok(held.into_iter().max_by_key(|one| one.expires(Timestamp::MIN).unwrap_or(Timestamp::MAX)))
}

/// Those that were vouched for while they lasted.
pub fn held(known: &Known, judging: &Judging<'_>) -> Result<Vec<Certificate>, Failure> {
    let mut held = Vec::new();
    for (one, trust) in &known.smime {
        if judging.held(one, *trust)? {
            held.push(one.clone());
        }
    }
    Ok(held)
}

impl Target {
    /// Keeps what renews the known one, unless a pin or another one speaks against it, and says what it is.
    pub(super) fn renewed(
        &self,
        certificate: &Certificate,
        looked: Looked,
        place: &Place,
        judging: &Judging<'_>,
        result: ResultJson,
    ) -> Result<(ResultJson, Wrong), Failure> {
        let mut result = ResultJson { status: "not-found", ..result };
        if place.keystore.x509(&certificate.fingerprint())?.is_none() {
            // Whoever parted with it while it was asked for gets no other in its place.
            return Ok((ResultJson { status: "removed", source: None, ..result }, None));
        }
        // Of those that are held the ones that are tied to it: what renews another's is no renewal of this one.
        let mut waiting = held(&self.known, judging)?;
        waiting.retain(|one| one.fingerprint() != certificate.fingerprint());
        let mut held = vec![certificate.clone()];
        let ties =
            |other: &Certificate, held: &[Certificate]| held.iter().any(|one| one.renews_or_is_renewed_by(other));
        while let Some(next) = waiting.iter().position(|other| ties(other, &held)) {
            held.push(waiting.swap_remove(next));
        }
        let end = |one: &Certificate| one.expires(Timestamp::MIN).unwrap_or(Timestamp::MAX);
        let later = |one: &Certificate| one.created() > certificate.created() || end(one) > end(certificate);
        let mut renewing: Vec<(Source, Certificate)> = Vec::new();
        let mut conflicting: Vec<(Source, Vec<Fingerprint>)> = Vec::new();
        for (source, found) in looked.found {
            let compared =
                find::compare(&held, &self.known.pins, found.smime, |one| judging.smime_as(one, false).usable);
            if !compared.same.is_empty() || !compared.new.is_empty() {
                result.status = "unchanged";
            }
            renewing.extend(compared.new.into_iter().filter(later).map(|one| (source, one)));
            if !compared.conflicting.is_empty() {
                conflicting.push((source, compared.conflicting.iter().map(PublicCertificate::fingerprint).collect()));
            }
        }
        if !conflicting.is_empty() {
            // Where one is in doubt none is kept: it might be the one that is right.
            let known: Vec<_> = held.iter().map(PublicCertificate::fingerprint).collect();
            return conflicts(result, &known, &conflicting, &self.known.pins, &self.address, place);
        }
        for (source, one) in renewing {
            keep_smime(&one, &self.address, source, place, judging)?;
            let fingerprint = one.fingerprint().to_string();
            if !result.found.contains(&fingerprint) {
                result.found.push(fingerprint);
            }
            if result.status != "renewed" {
                (result.status, result.source) = ("renewed", Some(source.word()));
                result.expires = one.expires(Timestamp::MIN).map(|expiry| expiry.to_string());
            }
        }
        Ok((result, None))
    }
}
