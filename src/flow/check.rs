//! One look at recipients and own keys: would `send` write to them now, and for how long still. The choice is that of
//! [`super::send`]; nothing is decided here a second time.

use jiff::Timestamp;

use super::send::{Addressee, Assigned, CertificateSource, MissingReason, Terms, Trust, assign};
use crate::{
    crypt::{Fingerprint, PublicCertificate, Suite, SuiteName, Unusable},
    mail::Address,
};

/// How it stands with a recipient, or with an own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// All is well.
    Ok,
    /// Usable now, and not for long.
    Expiring,
    /// It expired.
    Expired,
    /// It was revoked.
    Revoked,
    /// An algorithm or a size that no longer protects.
    Weak,
    /// Nothing that counts says that it is genuine.
    Untrusted,
    /// Not valid yet, not made for this, without a key for it, or for somebody else.
    Unusable,
    /// There is none, or it could not be looked up.
    Missing,
    /// It is pinned, and not in the store.
    PinnedAbsent,
    /// Another certificate than the one that is known.
    Conflicting,
    /// An own key that is not well, and need not be: another one serves its addresses.
    Superseded,
}

/// What was found of a recipient, or of an own key.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How it stands.
    pub state: State,
    /// Of the certificate that `send` takes, or else would have taken first.
    pub suite: Option<SuiteName>,
    /// Of the same.
    pub fingerprint: Option<Fingerprint>,
    /// Whole days until it expires, negative since; none without an expiry.
    pub days_left: Option<i64>,
    /// How it is known, if it is usable.
    pub trust: Option<Trust>,
    /// What is wrong; none if nothing is.
    pub reason: Option<String>,
    /// Why `send` refuses, if it does.
    pub missing: Option<MissingReason>,
}

impl State {
    /// All that a recipient can be in.
    pub const OF_RECIPIENTS: [Self; 10] = [
        Self::Ok,
        Self::Expiring,
        Self::Expired,
        Self::Revoked,
        Self::Weak,
        Self::Untrusted,
        Self::Unusable,
        Self::Missing,
        Self::PinnedAbsent,
        Self::Conflicting,
    ];

    /// All that an own key can be in.
    pub const OF_KEYS: [Self; 7] =
        [Self::Ok, Self::Expiring, Self::Expired, Self::Revoked, Self::Weak, Self::Unusable, Self::Superseded];

    /// The word of reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Weak => "weak",
            Self::Untrusted => "untrusted",
            Self::Unusable => "unusable",
            Self::Missing => "missing",
            Self::PinnedAbsent => "pinned-absent",
            Self::Conflicting => "conflicting",
            Self::Superseded => "superseded",
        }
    }

    /// Whether nobody need do anything.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Ok | Self::Superseded)
    }

    fn of(reason: &Unusable) -> Self {
        match reason {
            Unusable::Expired { .. } => Self::Expired,
            Unusable::Revoked { .. } => Self::Revoked,
            Unusable::Weak { .. } => Self::Weak,
            Unusable::Untrusted { .. } => Self::Untrusted,
            Unusable::NotYetValid { .. }
            | Unusable::CannotEncrypt { .. }
            | Unusable::CannotSign { .. }
            | Unusable::WrongUsage { .. }
            | Unusable::Misnamed { .. } => Self::Unusable,
        }
    }
}

/// Judges a recipient as `send` would, and whether that holds for `within` days.
pub fn recipient(
    address: &Address,
    source: &mut impl CertificateSource,
    terms: Terms,
    within: i64,
    at: Timestamp,
) -> Finding {
    match assign(std::slice::from_ref(address), source, terms, at) {
        Ok(assigned) => match assigned.into_iter().next() {
            Some(Addressee::OpenPgp(assigned)) => Finding::of_assigned(&assigned, within, at),
            Some(Addressee::Smime(assigned)) => Finding::of_assigned(&assigned, within, at),
            None => Finding::of_missing(MissingReason::NoCertificate(None), at),
        },
        Err(missing) => {
            let reason = missing.into_iter().next().map_or(MissingReason::NoCertificate(None), |one| one.reason);
            Finding::of_missing(reason, at)
        }
    }
}

/// Judges an own key by what is wrong with its certificate, if anything is. One that only signs, or that nobody but
/// its owner vouches for, is none the worse.
pub fn key<C: PublicCertificate>(
    certificate: &C,
    suite: SuiteName,
    judged: Result<(), Unusable>,
    within: i64,
    at: Timestamp,
) -> Finding {
    let days_left = match &judged {
        Err(Unusable::Expired { at: end, .. }) => Some(whole_days(*end, at)),
        _ => days_left(certificate, at),
    };
    let (state, reason) = match judged {
        Err(
            Unusable::CannotEncrypt { .. }
            | Unusable::WrongUsage { .. }
            | Unusable::Misnamed { .. }
            | Unusable::Untrusted { .. },
        )
        | Ok(()) => expiring(days_left, certificate.expires(at), within),
        Err(reason) => (State::of(&reason), Some(reason.to_string())),
    };
    let fingerprint = Some(certificate.fingerprint());
    Finding { state, suite: Some(suite), fingerprint, days_left, trust: None, reason, missing: None }
}

/// Lets keys that are not well pass where another one, which is, serves each of their addresses.
pub fn supersede(keys: &mut [(Vec<Address>, Finding)]) {
    let well: Vec<_> = keys
        .iter()
        .filter(|(_, finding)| finding.state == State::Ok)
        .flat_map(|(addresses, finding)| addresses.iter().map(|address| (finding.suite, address.clone())))
        .collect();
    for (addresses, finding) in keys.iter_mut().filter(|(_, finding)| finding.state != State::Ok) {
        let served = |address: &Address| well.iter().any(|(suite, other)| *suite == finding.suite && other == address);
        if !addresses.is_empty() && addresses.iter().all(served) {
            finding.state = State::Superseded;
        }
    }
}

impl Finding {
    fn of_assigned<S: Suite>(assigned: &Assigned<S>, within: i64, at: Timestamp) -> Self {
        let certificate = assigned.recipient.usable().certificate();
        let days_left = days_left(certificate, at);
        let (state, reason) = expiring(days_left, certificate.expires(at), within);
        Self {
            state,
            suite: Some(S::NAME),
            fingerprint: Some(certificate.fingerprint()),
            days_left,
            trust: Some(assigned.trust),
            reason,
            missing: None,
        }
    }

    fn of_missing(missing: MissingReason, at: Timestamp) -> Self {
        let (state, suite, fingerprint) = match &missing {
            MissingReason::NoCertificate(_) | MissingReason::LookUp(_) => (State::Missing, None, None),
            MissingReason::PinnedAbsent(_) => (State::PinnedAbsent, None, None),
            MissingReason::Conflict(suite, rivals) => {
                (State::Conflicting, Some(*suite), rivals.first().map(|rival| &rival.fingerprint))
            }
            MissingReason::NotPinned(_) => (State::Conflicting, None, None),
            MissingReason::LittleKnown { fingerprint, suite, .. } => {
                (State::Untrusted, Some(*suite), Some(fingerprint))
            }
            MissingReason::Unusable(reasons) => match reasons.first() {
                Some((suite, reason)) => (State::of(reason), Some(*suite), Some(reason.fingerprint())),
                None => (State::Missing, None, None),
            },
        };
        let expired = match &missing {
            MissingReason::Unusable(reasons) => match reasons.first() {
                Some((_, Unusable::Expired { at: end, .. })) => Some(whole_days(*end, at)),
                _ => None,
            },
            _ => None,
        };
        let (fingerprint, reason) = (fingerprint.cloned(), Some(missing.to_string()));
        Self { state, suite, fingerprint, days_left: expired, trust: None, reason, missing: Some(missing) }
    }
}

fn expiring(days_left: Option<i64>, expires: Option<Timestamp>, within: i64) -> (State, Option<String>) {
    match (days_left, expires) {
        (Some(days), Some(end)) if days < within => {
            (State::Expiring, Some(format!("expires on {}, {days} days left", end.strftime("%Y-%m-%d"))))
        }
        _ => (State::Ok, None),
    }
}

/// Whole days until a certificate expires, as seen at a time; none without an expiry.
pub fn days_left(certificate: &impl PublicCertificate, at: Timestamp) -> Option<i64> {
    certificate.expires(at).map(|end| whole_days(end, at))
}

fn whole_days(end: Timestamp, at: Timestamp) -> i64 {
    (end.as_second() - at.as_second()).div_euclid(86_400)
}
