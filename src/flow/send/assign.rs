//! A certificate for every recipient, or none for anybody.

use jiff::Timestamp;

use crate::{
    crypt::{
        Binding, Fingerprint, PublicCertificate, Recipient, Suite, SuiteName, Trust, Unusable, pgp::Pgp, smime::Smime,
    },
    mail::Address,
};

/// Where certificates are looked up.
pub trait CertificateSource {
    /// All certificates that may stand for an address.
    fn candidates(&mut self, address: &Address) -> Result<Candidates, MissingReason>;

    /// Since when a certificate is known for an address, if that can be told.
    fn known_since(&self, fingerprint: &Fingerprint, address: &Address) -> Option<Timestamp>;

    /// Whether a certificate is of a key of one's own.
    fn is_own(&self, fingerprint: &Fingerprint) -> bool;
}

/// All certificates that may stand for an address, and which suite is wanted.
#[derive(Default)]
pub struct Candidates {
    /// Of OpenPGP.
    pub openpgp: Vec<Candidate<Pgp>>,
    /// Of S/MIME.
    pub smime: Vec<Candidate<Smime>>,
    /// The suite that is preferred where certificates of both are usable.
    pub preferred: Option<SuiteName>,
}

/// A certificate that may stand for an address.
pub struct Candidate<S: Suite> {
    /// The certificate, not yet judged.
    pub certificate: S::Certificate,
    /// What makes it genuine.
    pub grounds: S::Grounds,
    /// What ties it to the address.
    pub binding: Binding,
    /// How it is known.
    pub trust: Trust,
}

/// A recipient with the certificate that was chosen.
#[derive(Clone)]
pub struct Assigned<S: Suite> {
    /// Address and usable certificate.
    pub recipient: Recipient<S>,
    /// How the certificate is known.
    pub trust: Trust,
}

/// A recipient of one suite or the other.
#[derive(Clone)]
pub enum Addressee {
    /// Reads OpenPGP.
    OpenPgp(Box<Assigned<Pgp>>),
    /// Reads S/MIME.
    Smime(Assigned<Smime>),
}

/// A recipient that cannot be encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Whom.
    pub address: Address,
    /// Why.
    pub reason: MissingReason,
}

/// One of several certificates that cannot all be an address's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Which.
    pub fingerprint: Fingerprint,
    /// How it is known.
    pub trust: Trust,
    /// Since when it is known for the address, if that can be told.
    pub since: Option<Timestamp>,
}

/// Why a recipient cannot be encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingReason {
    /// No certificate names it; of this suite, if one was asked for.
    NoCertificate(Option<SuiteName>),
    /// There are certificates, each refused for its reason; at least one, the best known first.
    Unusable(Vec<(SuiteName, Unusable)>),
    /// The best known of the usable ones is known too little.
    LittleKnown {
        /// Which.
        fingerprint: Fingerprint,
        /// Of which suite.
        suite: SuiteName,
        /// How it is known.
        trust: Trust,
        /// How it is to be known at least.
        lowest: Trust,
    },
    /// There are usable certificates of different owners, and nothing says which is right; at least two.
    Conflict(SuiteName, Vec<Rival>),
    /// The pinned certificates are not in the store.
    PinnedAbsent(Vec<Fingerprint>),
    /// This certificate was given, and it is none of those that are pinned.
    NotPinned(Fingerprint),
    /// The look-up failed, in its own words.
    LookUp(String),
}

impl Addressee {
    /// Whom.
    pub fn address(&self) -> &Address {
        match self {
            Self::OpenPgp(assigned) => assigned.recipient.address(),
            Self::Smime(assigned) => assigned.recipient.address(),
        }
    }
}

/// Which certificates count at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Those of this suite alone.
    pub only: Option<SuiteName>,
    /// Those that are known at least so well; none leaves it to the suite.
    pub lowest: Option<Trust>,
}

impl Terms {
    /// What is asked of a suite. A candidate of S/MIME has the word of a trust anchor for its address, where one of
    /// OpenPGP would have nothing but its own.
    pub fn lowest(self, suite: SuiteName) -> Trust {
        self.lowest.unwrap_or(match suite {
            SuiteName::OpenPgp => Trust::Imported,
            SuiteName::Smime => Trust::Candidate,
        })
    }
}

/// Finds a usable certificate for every recipient, or names all that have none.
///
/// Of several usable ones of a suite the strongest known wins, then the newest; but those that were imported or found,
/// or else those that merely came with mail, must be one owner's. Of both suites the preferred one wins, then the one whose certificate is known better, then OpenPGP: it always authenticates what it encrypts.
///
/// # Errors
/// Every recipient without a usable certificate; a failed look-up counts as none.
pub fn assign(
    recipients: &[Address],
    source: &mut impl CertificateSource,
    terms: Terms,
    at: Timestamp,
) -> Result<Vec<Addressee>, Vec<Missing>> {
    let mut assigned = Vec::with_capacity(recipients.len());
    let mut missing = Vec::new();
    for address in recipients {
        let choice = source.candidates(address).and_then(|candidates| choose(address, candidates, source, terms, at));
        match choice {
            Ok(addressee) => assigned.push(addressee),
            Err(reason) => missing.push(Missing { address: address.clone(), reason }),
        }
    }
    if missing.is_empty() { Ok(assigned) } else { Err(missing) }
}

/// What is known of the candidates for an address that are not taken.
#[derive(Default)]
struct Passed {
    refused: Vec<(SuiteName, Unusable)>,
    /// The best known of those that are usable and known too little.
    little_known: Option<(Trust, SuiteName, Fingerprint)>,
}

fn choose(
    address: &Address,
    candidates: Candidates,
    source: &impl CertificateSource,
    terms: Terms,
    at: Timestamp,
) -> Result<Addressee, MissingReason> {
    let wanted = |suite| terms.only.is_none_or(|only| only == suite);
    let mut passed = Passed::default();
    let Candidates { openpgp, smime, preferred } = candidates;
    let (openpgp, smime) = (
        if wanted(SuiteName::OpenPgp) {
            best(address, openpgp, source, terms.lowest(Pgp::NAME), at, &mut passed)
        } else {
            Ok(None)
        },
        if wanted(SuiteName::Smime) {
            best(address, smime, source, terms.lowest(Smime::NAME), at, &mut passed)
        } else {
            Ok(None)
        },
    );
    // What is preferred does not depend on the other; else none is passed over for being in doubt.
    match (preferred, openpgp, smime) {
        (Some(SuiteName::OpenPgp), Ok(Some(openpgp)), _) => Ok(Addressee::OpenPgp(Box::new(openpgp))),
        (Some(SuiteName::Smime), _, Ok(Some(smime))) => Ok(Addressee::Smime(smime)),
        (_, Err(conflict), _) | (_, _, Err(conflict)) => Err(conflict),
        (_, Ok(Some(openpgp)), Ok(Some(smime))) if smime.trust > openpgp.trust => Ok(Addressee::Smime(smime)),
        (_, Ok(Some(openpgp)), _) => Ok(Addressee::OpenPgp(Box::new(openpgp))),
        (_, Ok(None), Ok(Some(smime))) => Ok(Addressee::Smime(smime)),
        (_, Ok(None), Ok(None)) => Err(match passed {
            Passed { little_known: Some((trust, suite, fingerprint)), .. } => {
                MissingReason::LittleKnown { fingerprint, suite, trust, lowest: terms.lowest(suite) }
            }
            Passed { refused, .. } if refused.is_empty() => MissingReason::NoCertificate(terms.only),
            Passed { refused, .. } => MissingReason::Unusable(refused),
        }),
    }
}

fn best<S: Suite>(
    address: &Address,
    mut candidates: Vec<Candidate<S>>,
    source: &impl CertificateSource,
    lowest: Trust,
    at: Timestamp,
    passed: &mut Passed,
) -> Result<Option<Assigned<S>>, MissingReason> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse((candidate.trust, candidate.certificate.created())));
    let mut usable: Vec<Assigned<S>> = Vec::new();
    for Candidate { certificate, grounds, binding, trust } in candidates {
        // What the user named is theirs to choose, and what is known worse stands in nobody's way.
        if usable.first().is_some_and(|best| best.trust > Trust::Found || trust < best.trust.min(Trust::Imported)) {
            break;
        }
        let judged = S::check(&certificate, &grounds, at);
        match judged.and_then(|usable| Recipient::new(address.clone(), usable, binding)) {
            Ok(recipient) if trust >= lowest => usable.push(Assigned { recipient, trust }),
            Ok(_) if passed.little_known.as_ref().is_some_and(|(known, ..)| *known >= trust) => {}
            Ok(_) => passed.little_known = Some((trust, S::NAME, certificate.fingerprint())),
            Err(reason) => passed.refused.push((S::NAME, reason)),
        }
    }
    if are_of_one_owner(&usable, source) {
        return Ok(usable.into_iter().next());
    }
    let rivals = usable.iter().map(|one| {
        let fingerprint = one.fingerprint();
        let since = source.known_since(&fingerprint, address);
        Rival { fingerprint, trust: one.trust, since }
    });
    Err(MissingReason::Conflict(S::NAME, rivals.collect()))
}

/// Whether each renews, or is renewed by, one that is tied to the first in the same way; keys of one's own are tied.
fn are_of_one_owner<S: Suite>(usable: &[Assigned<S>], source: &impl CertificateSource) -> bool {
    let Some((first, mut waiting)) = usable.split_first().map(|(first, rest)| (first, rest.iter().collect::<Vec<_>>()))
    else {
        return true;
    };
    let mut tied = vec![first];
    let ties = |one: &Assigned<S>, other: &Assigned<S>| {
        one.certificate().renews_or_is_renewed_by(other.certificate())
            || (source.is_own(&one.fingerprint()) && source.is_own(&other.fingerprint()))
    };
    while let Some(next) = waiting.iter().position(|other| tied.iter().any(|one| ties(one, other))) {
        tied.push(waiting.swap_remove(next));
    }
    waiting.is_empty()
}

impl<S: Suite> Assigned<S> {
    fn certificate(&self) -> &S::Certificate {
        self.recipient.usable().certificate()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.certificate().fingerprint()
    }
}

impl std::fmt::Display for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.fingerprint, self.trust.word())?;
        match self.since {
            Some(since) => write!(f, ", known since {})", since.strftime("%Y-%m-%d %H:%M:%S UTC")),
            None => f.write_str(")"),
        }
    }
}

impl<S: Suite> Clone for Candidate<S>
where
    S::Grounds: Clone,
{
    fn clone(&self) -> Self {
        let Self { certificate, grounds, binding, trust } = self;
        Self { certificate: certificate.clone(), grounds: grounds.clone(), binding: *binding, trust: *trust }
    }
}

impl std::fmt::Display for MissingReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoCertificate(None) => f.write_str("no certificate"),
            Self::NoCertificate(Some(suite)) => write!(f, "no certificate of {}", suite.words()),
            Self::Unusable(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(|(_, reason)| reason.to_string()).collect();
                f.write_str(&reasons.join("; "))
            }
            Self::LittleKnown { fingerprint, trust, lowest, .. } => write!(
                f,
                "certificate {fingerprint} is known as {} only, and is to be {} at least",
                trust.word(),
                lowest.word()
            ),
            Self::Conflict(_, rivals) => {
                let rivals: Vec<_> = rivals.iter().map(ToString::to_string).collect();
                write!(f, "certificates of different owners name it, and none is pinned: {}", rivals.join("; "))
            }
            Self::PinnedAbsent(pins) => {
                let pins: Vec<_> = pins.iter().map(Fingerprint::as_str).collect();
                write!(f, "the pinned certificate {} is not in the store", pins.join(" or "))
            }
            Self::NotPinned(other) => write!(f, "certificate {other} is not the one that is pinned"),
            Self::LookUp(why) => write!(f, "the look-up failed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
