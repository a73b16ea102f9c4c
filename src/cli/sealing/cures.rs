//! What helps recipients who cannot be written to, as commands.

use crate::{cli::failure::Hint, flow::send::MissingReason};

/// A command or two for each recipient, each once. No reason is one that is running out.
pub fn cures<'a>(recipients: impl IntoIterator<Item = (String, Option<&'a MissingReason>)>) -> Vec<Hint> {
    let mut hints: Vec<Hint> = Vec::new();
    for (address, reason) in recipients {
        for hint in cure(&address, reason) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    hints
}

fn cure(address: &str, reason: Option<&MissingReason>) -> Vec<Hint> {
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
        _ => vec![words(&["sealpost", "cert", "import", "-"])],
    }
}
