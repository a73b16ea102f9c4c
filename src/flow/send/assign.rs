//! A certificate for every recipient, or none for anybody.

use jiff::Timestamp;

use crate::{
    crypt::{Binding, Fingerprint, PublicCertificate, Recipient, Suite, SuiteName, Unusable, pgp::Pgp, smime::Smime},
    keystore::{Provenance, find::Source},
    mail::Address,
};

/// Where certificates are looked up.
pub trait CertificateSource {
    /// All certificates that may stand for an address.
    fn candidates(&mut self, address: &Address) -> Result<Candidates, MissingReason>;
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

/// How a certificate is known; a later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Found on a keyserver.
    Keyserver,
    /// It came with a signed message, and nobody looked at it since.
    Candidate,
    /// Imported by hand into the store.
    Imported,
    /// Found for its very address where the address's domain publishes it.
    Found,
    /// Given on the command line for this run.
    Given,
    /// By its full fingerprint.
    Pinned,
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

/// Why a recipient cannot be encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingReason {
    /// No certificate names it; of this suite, if one was asked for.
    NoCertificate(Option<SuiteName>),
    /// There are certificates, each refused for its reason; at least one.
    Unusable(Vec<Unusable>),
    /// The pinned certificates are not in the store.
    PinnedAbsent(Vec<Fingerprint>),
    /// This certificate was given, and it is none of those that are pinned.
    NotPinned(Fingerprint),
    /// The look-up failed, in its own words.
    LookUp(String),
}

impl Trust {
    /// That of a source which has a certificate for an address.
    pub fn of(source: Source) -> Self {
        match source {
            Source::Wkd => Self::Found,
            Source::Vks | Source::Hkps => Self::Keyserver,
        }
    }

    /// That of an OpenPGP certificate of the store: the strongest of how it is known for the address; what was never
    /// found was imported.
    pub fn known(origins: &[Provenance], address: &Address) -> Self {
        let of_address = origins.iter().filter(|one| one.address.as_ref().is_none_or(|named| named == address));
        of_address.map(|one| one.source.map_or(Self::Imported, Self::of)).max().unwrap_or(Self::Imported)
    }

    /// The word of the receipt.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyserver => "keyserver",
            Self::Candidate => "candidate",
            Self::Imported => "imported",
            Self::Found => "found",
            Self::Given => "given",
            Self::Pinned => "pinned",
        }
    }
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

/// Finds a usable certificate for every recipient, or names all that have none. `only` allows one suite alone.
///
/// Of several usable ones of a suite the strongest known wins, then the newest. Of both suites the preferred one
/// wins, then the one whose certificate is known better, then OpenPGP: it always authenticates what it encrypts.
///
/// # Errors
/// Every recipient without a usable certificate; a failed look-up counts as none.
pub fn assign(
    recipients: &[Address],
    source: &mut impl CertificateSource,
    only: Option<SuiteName>,
    at: Timestamp,
) -> Result<Vec<Addressee>, Vec<Missing>> {
    let mut assigned = Vec::with_capacity(recipients.len());
    let mut missing = Vec::new();
    for address in recipients {
        let choice = source.candidates(address).and_then(|candidates| choose(address, candidates, only, at));
        match choice {
            Ok(addressee) => assigned.push(addressee),
            Err(reason) => missing.push(Missing { address: address.clone(), reason }),
        }
    }
    if missing.is_empty() { Ok(assigned) } else { Err(missing) }
}

fn choose(
    address: &Address,
    candidates: Candidates,
    only: Option<SuiteName>,
    at: Timestamp,
) -> Result<Addressee, MissingReason> {
    let wanted = |suite| only.is_none_or(|only| only == suite);
    let mut refused = Vec::new();
    let Candidates { openpgp, smime, preferred } = candidates;
    let openpgp = wanted(SuiteName::OpenPgp).then(|| best(address, openpgp, at, &mut refused)).flatten();
    let smime = wanted(SuiteName::Smime).then(|| best(address, smime, at, &mut refused)).flatten();
    match (openpgp, smime) {
        (Some(openpgp), Some(smime)) => Ok(match preferred {
            Some(SuiteName::Smime) => Addressee::Smime(smime),
            None if smime.trust > openpgp.trust => Addressee::Smime(smime),
            _ => Addressee::OpenPgp(Box::new(openpgp)),
        }),
        (Some(openpgp), None) => Ok(Addressee::OpenPgp(Box::new(openpgp))),
        (None, Some(smime)) => Ok(Addressee::Smime(smime)),
        (None, None) if refused.is_empty() => Err(MissingReason::NoCertificate(only)),
        (None, None) => Err(MissingReason::Unusable(refused)),
    }
}

fn best<S: Suite>(
    address: &Address,
    mut candidates: Vec<Candidate<S>>,
    at: Timestamp,
    refused: &mut Vec<Unusable>,
) -> Option<Assigned<S>> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse((candidate.trust, candidate.certificate.created())));
    candidates.into_iter().find_map(|Candidate { certificate, grounds, binding, trust }| {
        let usable = S::check(&certificate, &grounds, at);
        match usable.and_then(|usable| Recipient::new(address.clone(), usable, binding)) {
            Ok(recipient) => Some(Assigned { recipient, trust }),
            Err(reason) => {
                refused.push(reason);
                None
            }
        }
    })
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
                let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                f.write_str(&reasons.join("; "))
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
