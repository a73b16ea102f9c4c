#![allow(clippy::unwrap_used)]

use super::*;
use crate::crypt::{pgp, smime};

/// A store in which nothing is known.
struct Nobody;

impl CertificateSource for Nobody {
    fn candidates(&mut self, _address: &Address) -> Result<Candidates, MissingReason> {
        Ok(Candidates::default())
    }

    fn known_since(&self, _fingerprint: &Fingerprint, _address: &Address) -> Option<Timestamp> {
        Some(at())
    }

    fn is_own(&self, _fingerprint: &Fingerprint) -> bool {
        false
    }
}

fn at() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn openpgp(trust: Trust) -> Candidate<Pgp> {
    let certificate = pgp::Certificate::parse_all(include_bytes!("../../../../keys/bob.asc")).unwrap().remove(0);
    Candidate { certificate, grounds: (), binding: Binding::Pinned, trust }
}

fn smime(trust: Trust) -> Candidate<Smime> {
    let certificate = smime::Certificate::parse_all(include_bytes!("../../../../keys/bob.pem")).unwrap().remove(0);
    Candidate {
        certificate,
        grounds: smime::Grounds::Pinned(smime::Authorities::default()),
        binding: Binding::Pinned,
        trust,
    }
}

/// A certificate that does not name Bob.
fn useless() -> Candidate<Pgp> {
    let certificate = pgp::Certificate::parse_all(include_bytes!("../../../../keys/carol.asc")).unwrap().remove(0);
    Candidate { certificate, grounds: (), binding: Binding::Named, trust: Trust::Pinned }
}

fn chosen(candidates: Candidates, only: Option<SuiteName>) -> Result<SuiteName, MissingReason> {
    let bob = Address::parse("bob@example.test").unwrap();
    choose(&bob, candidates, &Nobody, Terms { only, lowest: Some(Trust::Candidate) }, at()).map(|addressee| {
        match addressee {
            Addressee::OpenPgp(_) => SuiteName::OpenPgp,
            Addressee::Smime(_) => SuiteName::Smime,
        }
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
    use Trust::{Candidate as Came, Found, Given, Imported, Keyserver, Pinned};
    let bob = Address::parse("bob@example.test").unwrap();
    for (index, lowest) in Trust::SETTINGS.into_iter().enumerate() {
        for known in [Keyserver, Came, Imported, Found, Given, Pinned] {
            let chosen = |candidates| {
                choose(&bob, candidates, &Nobody, Terms { only: None, lowest: Some(lowest) }, at()).map(|_| ())
            };
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
    assert!(Keyserver < Came && Came < Imported && Imported < Found && Found < Given && Given < Pinned);
    for word in ["given", "Pinned"] {
        assert_eq!(Trust::parse(word), None);
    }
    let by_itself = |candidates| choose(&bob, candidates, &Nobody, Terms::default(), at()).is_ok();
    assert!(!by_itself(Candidates { openpgp: vec![openpgp(Came)], ..Candidates::default() }));
    assert!(by_itself(Candidates { openpgp: vec![openpgp(Imported)], ..Candidates::default() }));
    assert!(by_itself(Candidates { smime: vec![smime(Came)], ..Candidates::default() }));
}

/// Carol's certificate, as if it stood for Bob too.
fn another(trust: Trust) -> Candidate<Pgp> {
    Candidate { trust, binding: Binding::Pinned, ..useless() }
}

#[test]
fn two_owners_are_a_conflict_at_every_pair_of_levels_but_where_the_user_chose_or_one_is_known_worse() {
    use Trust::{Candidate as Came, Found, Given, Imported, Keyserver, Pinned};
    let bob = Address::parse("bob@example.test").unwrap();
    let chosen = |candidates| choose(&bob, candidates, &Nobody, Terms { only: None, lowest: Some(Keyserver) }, at());
    // One by a row, the other by a column of the same order: whether the two stop.
    let table = [
        (Keyserver, "yes no no no no no"),
        (Came, "no yes no no no no"),
        (Imported, "no no yes yes no no"),
        (Found, "no no yes yes no no"),
        (Given, "no no no no no no"),
        (Pinned, "no no no no no no"),
    ];
    let levels = table.map(|(level, _)| level);
    let pairs = table.into_iter().flat_map(|(one, row)| {
        let stops = row.split(' ').map(|cell| cell == "yes");
        levels.into_iter().zip(stops).map(move |(other, stops)| (one, other, stops))
    });
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(pairs.len(), levels.len() * levels.len());
    for (one, other, conflict) in pairs {
        for (bobs, others) in [(one, other), (other, one)] {
            let (mine, theirs) = (openpgp(bobs), another(others));
            let both = [&mine, &theirs].map(|one| one.certificate.fingerprint());
            match chosen(Candidates { openpgp: vec![mine, theirs], ..Candidates::default() }) {
                Err(MissingReason::Conflict(SuiteName::OpenPgp, rivals)) if conflict => {
                    assert!(rivals.iter().all(|rival| both.contains(&rival.fingerprint) && rival.since == Some(at())));
                    assert_eq!(rivals.len(), 2);
                }
                Ok(Addressee::OpenPgp(assigned)) if !conflict => assert_eq!(assigned.trust, bobs.max(others)),
                _ => unreachable!("{bobs:?} {others:?}"),
            }
        }
    }
}

#[test]
fn a_conflict_stops_unless_the_other_suite_is_preferred_or_alone_is_wanted() {
    use SuiteName::{OpenPgp, Smime};
    use Trust::Imported;
    let bob = Address::parse("bob@example.test").unwrap();
    for (preferred, only, stops) in [
        (None, None, true),
        (Some(OpenPgp), None, true),
        (Some(Smime), None, false),
        (None, Some(Smime), false),
        (Some(Smime), Some(OpenPgp), true),
    ] {
        let openpgp = vec![openpgp(Imported), another(Imported)];
        let candidates = Candidates { openpgp, smime: vec![smime(Imported)], preferred };
        let chosen = choose(&bob, candidates, &Nobody, Terms { only, lowest: Some(Imported) }, at());
        assert_eq!(matches!(chosen, Err(MissingReason::Conflict(OpenPgp, _))), stops, "{preferred:?} {only:?}");
        assert_eq!(chosen.is_ok(), !stops);
    }
    // What is not usable, or known too little, stands in nobody's way.
    for (mine, theirs, lowest) in [(Imported, useless(), Imported), (Trust::Found, another(Imported), Trust::Found)] {
        let candidates = Candidates { openpgp: vec![openpgp(mine), theirs], ..Candidates::default() };
        assert!(choose(&bob, candidates, &Nobody, Terms { only: None, lowest: Some(lowest) }, at()).is_ok());
    }
}
