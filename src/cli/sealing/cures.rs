//! What helps recipients who cannot be written to, as commands.

use crate::{
    cli::{composition::Place, failure::Hint},
    crypt::{Fingerprint, SuiteName, Unusable},
    flow::send::MissingReason,
};

/// A command or two for each recipient, each once. No reason is one that is running out.
pub fn cures<'a>(
    recipients: impl IntoIterator<Item = (String, Option<&'a MissingReason>)>,
    place: &Place,
) -> Vec<Hint> {
    let mut hints: Vec<Hint> = Vec::new();
    for (address, reason) in recipients {
        for hint in cure(&address, reason, place) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    hints
}

/// Why a recipient cannot be written to, with what is to be done before the command that the hint names.
pub fn reason(missing: &MissingReason) -> String {
    match missing {
        MissingReason::LittleKnown { .. } => {
            format!(
                "{missing}: compare its fingerprint with its owner first, by telephone or in person, then verify it"
            )
        }
        _ => missing.to_string(),
    }
}

/// To get a certificate, or to look at the one that is there and that nothing vouches for. Where a setting is at fault
/// no command mends it.
fn cure(address: &str, reason: Option<&MissingReason>, place: &Place) -> Vec<Hint> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Hint>();
    match reason {
        Some(MissingReason::LittleKnown { fingerprint, .. }) => {
            vec![words(&["sealpost", "cert", "verify", fingerprint.as_str(), address])]
        }
        Some(MissingReason::Conflict(_, rivals)) => {
            let fingerprints = || rivals.iter().map(|rival| rival.fingerprint.as_str());
            let accept = fingerprints().map(|one| words(&["sealpost", "cert", "verify", one, address]));
            accept.chain(fingerprints().map(|one| words(&["sealpost", "cert", "remove", one]))).collect()
        }
        Some(MissingReason::NotPinned(_) | MissingReason::LookUp(_)) => Vec::new(),
        Some(MissingReason::Unusable(refused)) if refused.iter().any(|one| untrusted(one, place).is_some()) => {
            let untrusted = refused.iter().filter_map(|one| untrusted(one, place));
            untrusted.map(|fingerprint| words(&["sealpost", "cert", "show", fingerprint.as_str()])).collect()
        }
        Some(MissingReason::Unusable(refused)) => {
            let able = place.config().is_ok_and(|config| config.find().order.iter().any(|source| source.has_smime()));
            let renewed = |(suite, refused): &(SuiteName, Unusable)| {
                let over = matches!(refused, Unusable::Expired { .. } | Unusable::Revoked { .. });
                over && (able || *suite == SuiteName::OpenPgp)
            };
            // For a domain nobody is asked, but for the addresses that its certificates name.
            let whom = if address.starts_with('@') { "--all" } else { address };
            let refresh = refused.iter().any(renewed).then(|| words(&["sealpost", "cert", "refresh", whom]));
            refresh.into_iter().chain([words(&["sealpost", "cert", "import", "-"])]).collect()
        }
        Some(MissingReason::NoCertificate(suite)) if *suite != Some(SuiteName::Smime) => {
            vec![words(&["sealpost", "cert", "import", "-"]), words(&["sealpost", "cert", "find", "--import", address])]
        }
        _ => vec![words(&["sealpost", "cert", "import", "-"])],
    }
}

/// A certificate of the store that nothing vouches for.
fn untrusted<'a>((_, refused): &'a (SuiteName, Unusable), place: &Place) -> Option<&'a Fingerprint> {
    let Unusable::Untrusted { fingerprint, .. } = refused else { return None };
    place.keystore.x509(fingerprint).ok()?.map(|_| fingerprint)
}
