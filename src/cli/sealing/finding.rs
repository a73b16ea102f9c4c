//! Recipients of whom no certificate is known well enough, looked up before `send` refuses them, and only where the
//! settings say so: it tells a third party whom one writes to.

use jiff::Timestamp;

use super::{Certificates, refreshing::PATIENCE};
use crate::{
    cli::{
        cert::{Finding, Judging, known_for},
        composition::Place,
        failure::Failure,
        progress::Progress,
        receipt::WarningJson,
        responders, sources,
    },
    crypt::SuiteName,
    flow::{
        find::Patience,
        known::Known,
        send::{self, MissingReason, Terms},
    },
    keystore::find::Question,
    mail::Address,
};

/// What looking up came to.
#[derive(Default)]
pub struct Looking {
    /// What was found and kept.
    pub found: Vec<WarningJson>,
    /// For whom nothing was, and why.
    pub in_vain: Vec<(Address, String)>,
}

/// Asks, and keeps what is found. Whether what is found is known well enough is decided as for any other.
pub fn find_missing(
    recipients: &[Address],
    source: &mut Certificates<'_>,
    terms: Terms,
    place: &Place,
    at: Timestamp,
) -> Result<Looking, Failure> {
    let config = place.config()?;
    let settings = config.find();
    if !settings.missing_on_send || responders::is_past(at) {
        return Ok(Looking::default());
    }
    let able = settings.order.iter().any(|source| source.has_smime());
    let mut whom: Vec<(&Address, Known, Option<SuiteName>)> = Vec::new();
    for missing in send::assign(recipients, source, terms, at).err().into_iter().flatten() {
        let wanted = match missing.reason {
            MissingReason::NoCertificate(suite) => able || suite != Some(SuiteName::Smime),
            MissingReason::LittleKnown { suite, .. } => able || suite != SuiteName::Smime,
            MissingReason::PinnedAbsent(_) => true,
            _ => false,
        };
        if let Some(address) = recipients.iter().find(|address| wanted && **address == missing.address) {
            whom.push((address, known_for(address, place, at)?, terms.only));
        }
    }
    if whom.is_empty() {
        return Ok(Looking::default());
    }
    let patience = Patience { each: settings.timeout, all: Some(PATIENCE) };
    let question =
        |(address, _, suite): &(&Address, _, _)| Question { address: (*address).clone(), known: None, suite: *suite };
    let questions = whom.iter().map(question).collect();
    let answers = sources::ask(questions, settings, None, patience, &Progress::none())?;

    let judging = Judging::new(place, at)?;
    let mut looking = Looking::default();
    for (index, looked) in answers {
        let (address, known, _) = &whom[index];
        let finding = Finding { address, known, place, judging: &judging };
        let (result, wrong) = finding.result(looked, true)?;
        if let Some((_, why)) = wrong {
            looking.in_vain.push(((*address).clone(), why));
            continue;
        }
        for one in &result.certificates {
            let source = result.source.unwrap_or_default();
            let text = format!("certificate {} of {address} was found by {source}, and is kept", one.fingerprint);
            looking.found.push(WarningJson { kind: "looked-up", text });
        }
    }
    Ok(looking)
}
