//! Whether a signature speaks for the whole message and its author.
//!
//! The reason that is given is the first of these: `several-layers`; the layer's own form (`missing`,
//! `malformed`); what does not hold (`invalid`, `malformed`, `missing`, `revoked`, `weak`, `expired`,
//! `not-yet-valid`); whom it should speak for (`several-from`, `no-from`, `wrong-signer`); what is not known
//! (`untrusted`, `no-certificate`).

use super::{
    layers::SignatureLayer,
    summary::{Covers, Reason, Signature, Signer, State},
};
use crate::{
    crypt::{BadReason, Fingerprint, SignatureFact, SuiteName, UnknownReason, Verdict},
    mail::{Address, protected::Author},
};

/// What does not hold, the worst first.
const BY_GRAVITY: [BadReason; 11] = [
    BadReason::Invalid,
    BadReason::Malformed,
    BadReason::Missing,
    BadReason::Revoked,
    BadReason::Weak,
    BadReason::Expired,
    BadReason::NotYetValid,
    BadReason::WrongSigner,
    BadReason::SeveralFrom,
    BadReason::NoFrom,
    BadReason::SeveralLayers,
];

/// Judges the signature layers of the envelope. `part` are the signatures that hold over a part of the message
/// only; they name a signer and give no state.
pub(super) fn judge(layers: &[SignatureLayer], author: &Author, part: &[SignatureFact]) -> Signature {
    let facts = layers.iter().flat_map(|layer| layer.facts.iter().flatten());
    let verdict = match layers {
        [] => {
            let covers = if part.is_empty() { Covers::None } else { Covers::Part };
            let signers = signers(part.iter(), author);
            return Signature { state: State::None, covers, reason: None, detail: None, signers };
        }
        [layer] => verdict(layer, author),
        _ => Verdict::Bad(BadReason::SeveralLayers),
    };
    let (state, covers, reason) = match verdict {
        Verdict::Good => (State::Good, Covers::Message, None),
        Verdict::Unknown(reason) => (State::Unknown, Covers::Message, Some(Reason::Unknown(reason))),
        Verdict::Bad(reason) => (State::Bad, Covers::None, Some(Reason::Bad(reason))),
    };
    let detail = facts.clone().find(|fact| fact.verdict == verdict && verdict != Verdict::Good);
    let detail = detail.and_then(|fact| fact.detail.clone());
    Signature { state, covers, reason, detail, signers: signers(facts, author) }
}

/// Makes untrusted what was made by certificates that are not genuine for the author, whom they name.
pub(super) fn doubt(
    layers: &mut [SignatureLayer],
    author: &Author,
    why: impl Fn(SuiteName, &Fingerprint, &Address) -> Option<String>,
) {
    let Author::One(mailbox) = author else { return };
    let facts = layers.iter_mut().flat_map(|layer| {
        let suite = layer.suite;
        layer.facts.iter_mut().flatten().map(move |fact| (suite, fact))
    });
    for (suite, fact) in facts {
        if fact.verdict == Verdict::Good
            && speaks_for(fact, &mailbox.address)
            && let Some(certificate) = &fact.certificate
            && let Some(why) = why(suite, &certificate.fingerprint, &mailbox.address)
        {
            (fact.verdict, fact.detail) = (Verdict::Unknown(UnknownReason::Untrusted), Some(why));
        }
    }
}

fn verdict(layer: &SignatureLayer, author: &Author) -> Verdict {
    let facts = match &layer.facts {
        Err(reason) => return Verdict::Bad(*reason),
        Ok(facts) if facts.is_empty() => return Verdict::Bad(BadReason::Missing),
        Ok(facts) => facts,
    };
    let bad = |reason: &&BadReason| facts.iter().any(|fact| fact.verdict == Verdict::Bad(**reason));
    if let Some(reason) = BY_GRAVITY.iter().find(bad) {
        return Verdict::Bad(*reason);
    }
    let author = match author {
        Author::Several => return Verdict::Bad(BadReason::SeveralFrom),
        Author::None => return Verdict::Bad(BadReason::NoFrom),
        Author::One(mailbox) => &mailbox.address,
    };
    if facts.iter().any(|fact| fact.verdict == Verdict::Good && !speaks_for(fact, author)) {
        return Verdict::Bad(BadReason::WrongSigner);
    }
    let unknown = |reason: UnknownReason| facts.iter().any(|fact| fact.verdict == Verdict::Unknown(reason));
    if unknown(UnknownReason::Untrusted) {
        Verdict::Unknown(UnknownReason::Untrusted)
    } else if unknown(UnknownReason::NoCertificate) {
        Verdict::Unknown(UnknownReason::NoCertificate)
    } else {
        Verdict::Good
    }
}

fn speaks_for(fact: &SignatureFact, author: &Address) -> bool {
    fact.certificate.as_ref().is_some_and(|certificate| certificate.addresses.contains(author))
}

fn signers<'a>(facts: impl Iterator<Item = &'a SignatureFact>, author: &Author) -> Vec<Signer> {
    let mut all: Vec<Signer> = Vec::new();
    for fact in facts {
        let signer = match &fact.certificate {
            Some(certificate) => {
                let address = match author {
                    Author::One(mailbox) if certificate.addresses.contains(&mailbox.address) => Some(&mailbox.address),
                    _ => certificate.addresses.first(),
                };
                Signer { address: address.cloned(), fingerprint: certificate.fingerprint.to_string() }
            }
            None if fact.issuer.is_empty() => continue,
            None => Signer { address: None, fingerprint: fact.issuer.clone() },
        };
        if !all.contains(&signer) {
            all.push(signer);
        }
    }
    all
}
