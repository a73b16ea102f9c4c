#![allow(clippy::unwrap_used)]

use super::*;
use crate::crypt::{pgp, smime};

fn at() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn openpgp(trust: Trust) -> Candidate<Pgp> {
    let certificate = pgp::Certificate::parse_all(include_bytes!("../../../../keys/bob.asc")).unwrap().remove(0);
    Candidate { certificate, grounds: (), binding: Binding::Pinned, trust }
}

fn smime(trust: Trust) -> Candidate<Smime> {
    let certificate = smime::Certificate::parse_all(include_bytes!("../../../../keys/bob.pem")).unwrap().remove(0);
    Candidate { certificate, grounds: smime::Grounds::Pinned, binding: Binding::Pinned, trust }
}

/// A certificate that does not name Bob.
fn useless() -> Candidate<Pgp> {
    let certificate = pgp::Certificate::parse_all(include_bytes!("../../../../keys/carol.asc")).unwrap().remove(0);
    Candidate { certificate, grounds: (), binding: Binding::Named, trust: Trust::Pinned }
}

fn chosen(candidates: Candidates, only: Option<SuiteName>) -> Result<SuiteName, MissingReason> {
    let bob = Address::parse("bob@example.test").unwrap();
    choose(&bob, candidates, Terms { only, lowest: Some(Trust::Candidate) }, at()).map(|addressee| match addressee {
        Addressee::OpenPgp(_) => SuiteName::OpenPgp,
        Addressee::Smime(_) => SuiteName::Smime,
    })
}

#[test]
fn the_suite_is_the_preferred_one_then_the_better_known_one_then_openpgp() {
    use SuiteName::{OpenPgp, Smime};
    use Trust::{Candidate as Found, Imported, Pinned};
    for (pgp_trust, smime_trust, preferred, expected) in [
        (Imported, Imported, None, OpenPgp),
        (Imported, Pinned, None, Smime),
        (Pinned, Imported, None, OpenPgp),
        (Imported, Found, None, OpenPgp),
        (Imported, Imported, Some(Smime), Smime),
        (Pinned, Imported, Some(Smime), Smime),
        (Imported, Pinned, Some(OpenPgp), OpenPgp),
    ] {
        let candidates = Candidates { openpgp: vec![openpgp(pgp_trust)], smime: vec![smime(smime_trust)], preferred };
        assert_eq!(chosen(candidates, None), Ok(expected), "{pgp_trust:?} {smime_trust:?} {preferred:?}");
    }
}

#[test]
fn what_is_not_usable_is_passed_over_and_what_is_not_wanted_is_not_used() {
    use SuiteName::{OpenPgp, Smime};
    let mixed =
        || Candidates { openpgp: vec![useless()], smime: vec![smime(Trust::Imported)], preferred: Some(OpenPgp) };
    assert_eq!(chosen(mixed(), None), Ok(Smime));
    assert!(matches!(chosen(mixed(), Some(OpenPgp)), Err(MissingReason::Unusable(reasons)) if reasons.len() == 1));
    let only_smime = || Candidates { smime: vec![smime(Trust::Imported)], ..Candidates::default() };
    assert_eq!(chosen(only_smime(), Some(OpenPgp)), Err(MissingReason::NoCertificate(Some(OpenPgp))));
    assert_eq!(chosen(Candidates::default(), None), Err(MissingReason::NoCertificate(None)));
}

#[test]
fn what_is_known_too_little_is_refused_with_its_level() {
    use Trust::{Candidate as Came, Found, Given, Imported, Pinned};
    let bob = Address::parse("bob@example.test").unwrap();
    for (index, lowest) in Trust::SETTINGS.into_iter().enumerate() {
        for known in [Came, Imported, Found, Given, Pinned] {
            let chosen =
                |candidates| choose(&bob, candidates, Terms { only: None, lowest: Some(lowest) }, at()).map(|_| ());
            let expected = |suite, fingerprint| match known >= lowest {
                true => Ok(()),
                false => Err(MissingReason::LittleKnown { fingerprint, suite, trust: known, lowest }),
            };
            let one = openpgp(known);
            let fingerprint = one.certificate.fingerprint();
            let openpgp = Candidates { openpgp: vec![one, useless()], ..Candidates::default() };
            assert_eq!(chosen(openpgp), expected(SuiteName::OpenPgp, fingerprint), "{lowest:?} {known:?}");
            let one = smime(known);
            let fingerprint = one.certificate.fingerprint();
            let smime = Candidates { smime: vec![one], ..Candidates::default() };
            assert_eq!(chosen(smime), expected(SuiteName::Smime, fingerprint), "{lowest:?} {known:?}");
        }
        assert_eq!(Trust::parse(lowest.word()), Some(Trust::SETTINGS[index]));
    }
    assert!(Came < Imported && Imported < Found && Found < Given && Given < Pinned);
    assert_eq!((Trust::parse("given"), Trust::parse("Pinned")), (None, None));
    let by_itself = |candidates| choose(&bob, candidates, Terms::default(), at()).is_ok();
    assert!(!by_itself(Candidates { openpgp: vec![openpgp(Came)], ..Candidates::default() }));
    assert!(by_itself(Candidates { openpgp: vec![openpgp(Imported)], ..Candidates::default() }));
    assert!(by_itself(Candidates { smime: vec![smime(Came)], ..Candidates::default() }));
}
