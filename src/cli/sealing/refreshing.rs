//! Whether there is something new of certificates that ran out or soon will, asked once before `send` refuses them, and
//! only where the settings say so: it tells a third party whom one writes to.

use std::time::Duration;

use jiff::Timestamp;

use super::Certificates;
use crate::{
    cli::{
        cert::{Judging, Target},
        composition::Place,
        exit::Kind,
        failure::{Failure, RecipientReason},
        progress::Progress,
        receipt::WarningJson,
        responders, sources,
    },
    crypt::{Fingerprint, PublicCertificate, Suite, SuiteName, Unusable},
    flow::{
        check::days_left,
        find::Patience,
        send::{self, Addressee, Assigned, MissingReason, Terms, Trust},
    },
    mail::Address,
};

/// For all of them together.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Asks, merges what is new, and gives the warnings.
///
/// # Errors
/// A source has another certificate than the known one, which is not pinned.
pub fn refresh(
    recipients: &[Address],
    source: &mut Certificates<'_>,
    terms: Terms,
    place: &Place,
    at: Timestamp,
) -> Result<Vec<WarningJson>, Failure> {
    let config = place.config()?;
    let settings = config.find();
    // A run that is judged as of the past would not have had what is new now.
    if !settings.on_send || responders::is_past(at) {
        return Ok(Vec::new());
    }
    let able = settings.order.iter().any(|source| source.has_smime());
    let judging = Judging::new(place, at)?;
    let mut targets = Vec::new();
    for address in recipients {
        for (suite, fingerprint) in waning(address, source, terms, settings.soon, at) {
            if able || suite == SuiteName::OpenPgp {
                targets.extend(Target::named(address, &fingerprint, place, &judging, at)?);
            }
        }
    }
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let patience = Patience { each: settings.timeout, all: Some(PATIENCE) };
    let answers =
        sources::ask(targets.iter().map(Target::question).collect(), settings, None, patience, &Progress::none())?;

    let (mut warnings, mut conflicts, mut hints) = (Vec::new(), Vec::new(), Vec::new());
    for (index, looked) in answers {
        let target = &targets[index];
        let reason = sources::reason(&looked);
        let (result, wrong) = target.result(looked, place, &judging, at)?;
        let text = match (result.status, wrong) {
            ("conflict", Some((_, reason))) if !target.is_pinned() => {
                hints.push(["sealpost", "cert", "find", &result.address].map(str::to_owned).to_vec());
                // To accept the other one is to part with the one that is known.
                hints.push(["sealpost", "cert", "remove", &result.fingerprint].map(str::to_owned).to_vec());
                conflicts.push(RecipientReason { address: result.address, reason });
                continue;
            }
            ("conflict", Some((_, reason))) => reason,
            ("not-found" | "failed", _) => reason,
            ("renewed", _) => format!("renewed, by certificate {}", result.found.join(" and ")),
            (status, _) => status.to_owned(),
        };
        let text = format!("certificate {} of {} was asked for anew: {text}", result.fingerprint, target.address);
        warnings.push(WarningJson { kind: "refreshed", text });
    }
    if conflicts.is_empty() {
        return Ok(warnings);
    }
    let names: Vec<_> = conflicts.iter().map(|one| one.address.as_str()).collect();
    let text = format!("nothing was sent: another certificate than the known one was found for {}", names.join(", "));
    Err(Failure { recipients: conflicts, hints, ..Failure::new(Kind::Recipients, text) })
}

/// The certificates of a recipient that ran out, were revoked, or have few days left; none that was given for this run.
fn waning(
    address: &Address,
    source: &mut Certificates<'_>,
    terms: Terms,
    few: i64,
    at: Timestamp,
) -> Vec<(SuiteName, Fingerprint)> {
    match send::assign(std::slice::from_ref(address), source, terms, at) {
        Ok(assigned) => match assigned.into_iter().next() {
            Some(Addressee::OpenPgp(one)) => ending(&one, few, at),
            Some(Addressee::Smime(one)) => ending(&one, few, at),
            None => Vec::new(),
        },
        Err(missing) => match missing.into_iter().next().map(|one| one.reason) {
            Some(MissingReason::Unusable(refused)) => {
                let over = refused.into_iter().filter_map(|(suite, reason)| match reason {
                    Unusable::Expired { fingerprint, .. } | Unusable::Revoked { fingerprint, .. } => {
                        Some((suite, fingerprint))
                    }
                    _ => None,
                });
                // The best known of each suite comes first.
                let mut first: Vec<(SuiteName, Fingerprint)> = Vec::new();
                for one in over {
                    if !first.iter().any(|(suite, _)| *suite == one.0) {
                        first.push(one);
                    }
                }
                first
            }
            _ => Vec::new(),
        },
    }
}

fn ending<S: Suite>(one: &Assigned<S>, few: i64, at: Timestamp) -> Vec<(SuiteName, Fingerprint)> {
    let certificate = one.recipient.usable().certificate();
    let soon = one.trust != Trust::Given && days_left(certificate, at).is_some_and(|days| days < few);
    soon.then(|| (S::NAME, certificate.fingerprint())).into_iter().collect()
}
