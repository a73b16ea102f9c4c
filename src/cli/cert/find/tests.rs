//! The rules of conflict: each way in which a certificate may be known, against each source that has another one.
#![allow(clippy::unwrap_used)]

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::{
    config::Home,
    crypt::{
        Fingerprint,
        pgp::{Certificate, Key, Profile},
    },
    flow::known::trust_known,
    keystore::Keystore,
    mail::Mailbox,
};

/// How a certificate is known for the address.
#[derive(Clone, Copy, Debug)]
enum How {
    /// It is not.
    Not,
    /// By a source.
    By(Source),
    /// By hand.
    Imported,
    /// Imported, and pinned.
    Pinned,
    /// Imported, while the other one is pinned.
    OtherPinned,
    /// Imported, while one is pinned that nobody has.
    AbsentPinned,
}

const SOURCES: [Source; 6] = [Source::Gossip, Source::Hkps, Source::Vks, Source::Autocrypt, Source::Wkd, Source::Dane];

/// What becomes of another certificate by each of the sources: `+` it is kept too, `!` it is a conflict, `=` it is the
/// one that is meant.
const TABLE: [(How, &str); 11] = [
    (How::Not, "+ + + + + +"),
    (How::By(Source::Gossip), "+ + + + + +"),
    (How::By(Source::Hkps), "! ! ! + + +"),
    (How::By(Source::Vks), "! ! ! + + +"),
    (How::By(Source::Autocrypt), "! ! ! ! + +"),
    (How::Imported, "! ! ! ! ! !"),
    (How::By(Source::Wkd), "! ! ! ! ! !"),
    (How::By(Source::Dane), "! ! ! ! ! !"),
    (How::Pinned, "! ! ! ! ! !"),
    (How::OtherPinned, "= = = = = ="),
    (How::AbsentPinned, "! ! ! ! ! !"),
];

fn at() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

struct Scene {
    place: Place,
    address: Address,
    _folder: TempDir,
}

impl Scene {
    /// One in which a certificate is known so.
    fn new(how: How, mine: &Certificate, other: &Certificate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path()), &|_| None).unwrap();
        let keystore = Keystore::open(&home.certificates, &home.keys, &home.x509, &home.state);
        let scene = Self {
            place: Place { home, keystore },
            address: Address::parse("kim@example.org").unwrap(),
            _folder: folder,
        };
        let store = &scene.place.keystore;
        match how {
            How::Not => {}
            How::By(source) => drop(store.insert_found(mine, &scene.address, source, at()).unwrap()),
            _ => drop(store.insert(mine).unwrap()),
        }
        match how {
            How::Pinned => scene.pin(mine.fingerprint().as_str()),
            How::OtherPinned => scene.pin(other.fingerprint().as_str()),
            How::AbsentPinned => scene.pin(&"A".repeat(40)),
            How::Not | How::By(_) | How::Imported => {}
        }
        scene
    }

    fn pin(&self, fingerprint: &str) {
        let text = format!("[recipient.\"kim@example.org\"]\npin = [\"{fingerprint}\"]\n");
        fs::write(&self.place.home.recipients, text).unwrap();
    }

    /// What becomes of what a source has.
    fn comes(&self, certificate: &Certificate, source: Source) -> (&'static str, bool) {
        let known = known_for(&self.address, &self.place, at()).unwrap();
        let judging = Judging::new(&self.place, at()).unwrap();
        let finding = Finding { address: &self.address, known: &known, place: &self.place, judging: &judging };
        let looked = Looked { found: vec![(source, vec![certificate.clone()].into())], tried: Vec::new() };
        let (result, wrong) = finding.result(looked, true).unwrap();
        (result.status, wrong.is_some_and(|(kind, _)| kind == Kind::Recipients))
    }

    /// How well a certificate is known; none if it is not there.
    fn trust(&self, fingerprint: &Fingerprint) -> Option<Option<Trust>> {
        let store = &self.place.keystore;
        store.certificate(fingerprint).unwrap()?;
        Some(trust_known(&store.origins(fingerprint).unwrap(), &self.address))
    }
}

#[test]
fn another_certificate_takes_no_better_known_one_s_place() {
    let mailbox = Mailbox::parse("kim@example.org").unwrap();
    let [mine, other] = [(); 2].map(|()| Key::make(&mailbox, Profile::Rfc4880, at()).unwrap().0.certificate());
    for (how, row) in TABLE {
        let cells: Vec<_> = row.split(' ').collect();
        assert_eq!(cells.len(), SOURCES.len());
        for (source, cell) in SOURCES.into_iter().zip(cells) {
            let scene = Scene::new(how, &mine, &other);
            let before = scene.trust(&mine.fingerprint());
            let (status, refused) = scene.comes(&other, source);
            let expected = match cell {
                "+" => ("kept", false, Some(trust_of(source))),
                "=" => ("known", false, Some(trust_of(source))),
                _ => ("conflict", true, None),
            };
            let after = scene.trust(&other.fingerprint());
            assert_eq!((status, refused, after), expected, "{how:?}, {source}");
            assert_eq!(scene.trust(&mine.fingerprint()), before, "{how:?}, {source}: what is known stays as it is");
        }
    }
}

#[test]
fn more_of_the_same_is_no_conflict_and_makes_nothing_less() {
    let mailbox = Mailbox::parse("kim@example.org").unwrap();
    let [mine, other] = [(); 2].map(|()| Key::make(&mailbox, Profile::Rfc4880, at()).unwrap().0.certificate());
    for how in [How::Imported, How::Pinned].into_iter().chain(SOURCES.map(How::By)) {
        for source in SOURCES {
            let scene = Scene::new(how, &mine, &other);
            let before = scene.trust(&mine.fingerprint()).unwrap();
            // What is known by gossip alone is not known.
            let status = if before.is_none() { "kept" } else { "known" };
            assert_eq!(scene.comes(&mine, source), (status, false), "{how:?}, {source}");
            assert_eq!(scene.trust(&mine.fingerprint()), Some(before.max(trust_of(source))), "{how:?}, {source}");
        }
    }
}
