//! Where certificates came from, while others are at work in the same store.

use std::sync::mpsc;

use super::*;
use crate::keystore::find::Source;

fn found(store: &Keystore, certificate: &Certificate) -> Outcome {
    store.insert_found(certificate, &address("kim@example.org"), Source::Wkd, at()).unwrap()
}

/// The sources of a certificate; none is an import.
fn sources(store: &Keystore, certificate: &Certificate) -> Vec<Option<Source>> {
    store.origins(&certificate.fingerprint()).unwrap().into_iter().map(|one| one.source).collect()
}

#[test]
fn finding_and_removing_do_not_wait_for_each_other() {
    let (folder, _store) = store();
    let kim = certificate("kim@example.org");
    let (done, all_done) = mpsc::channel();
    for finds in [true, false, true, false] {
        let (store, kim, done) = (open(folder.path()), kim.clone(), done.clone());
        thread::spawn(move || {
            for _ in 0..100 {
                if finds {
                    found(&store, &kim);
                } else {
                    store.remove(&kim.fingerprint()).unwrap();
                }
            }
            done.send(()).unwrap();
        });
    }
    for _ in 0..4 {
        all_done.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

#[test]
fn an_import_is_noted_though_the_certificate_was_found_a_moment_before() {
    let (folder, store) = store();
    let kim = certificate("kim@example.org");
    found(&store, &kim);
    let lock = store.lock().unwrap();
    let imports = thread::spawn({
        let (store, kim) = (open(folder.path()), kim.clone());
        move || store.insert(&kim).unwrap()
    });
    thread::sleep(Duration::from_millis(200));
    let known = Provenance { address: address("kim@example.org"), source: Some(Source::Vks), since: at() };
    store.write_origins(&kim.fingerprint(), vec![known]).unwrap();
    drop(lock);
    assert_eq!(imports.join().unwrap(), Outcome::Unchanged);
    assert_eq!(sources(&store, &kim), [Some(Source::Vks), None]);
}

#[test]
fn what_another_program_brings_is_no_import_and_gossip_makes_no_less_of_it() {
    let (folder, store) = store();
    let kim = certificate("kim@example.org");
    let other = folder.path().join("other");
    let another = Keystore::open(&store.certificates, &other.join("keys"), &other.join("x509"), &other.join("state"));
    another.insert(&kim).unwrap();
    assert_eq!(sources(&another, &kim), [None]);
    assert!(sources(&store, &kim).is_empty());
    store.insert_found(&kim, &address("kim@example.org"), Source::Gossip, at()).unwrap();
    assert!(sources(&store, &kim).is_empty());
    found(&store, &kim);
    assert_eq!(sources(&store, &kim), [Some(Source::Wkd)]);
    assert_eq!(store.insert(&kim).unwrap(), Outcome::Unchanged);
    assert_eq!(sources(&store, &kim), [Some(Source::Wkd), None]);
}

#[test]
fn what_a_removal_left_behind_says_nothing_of_what_is_found_later() {
    let (_folder, store) = store();
    let kim = certificate("kim@example.org");
    store.insert(&kim).unwrap();
    found(&store, &kim);
    assert_eq!(sources(&store, &kim), [None, Some(Source::Wkd)], "it was imported before");
    // Killed between the two, or removed by another program.
    fs::remove_file(file_of(&store, &kim)).unwrap();
    assert_eq!(found(&store, &kim), Outcome::New);
    assert_eq!(sources(&store, &kim), [Some(Source::Wkd)]);
    assert!(store.remove(&kim.fingerprint()).unwrap());
    assert!(sources(&store, &kim).is_empty() && !store.origins_path(&kim.fingerprint()).exists());
}

#[test]
fn since_when_one_is_known_is_not_since_when_somebody_gossips_of_it() {
    let (_folder, store) = store();
    let (kim, lee) = (certificate("kim@example.org"), certificate("lee@example.org"));
    let (address_of_kim, address_of_lee) = (address("kim@example.org"), address("lee@example.org"));
    let gossip = |one: &Certificate, whom: &Address| {
        store.insert_found(one, whom, Source::Gossip, Timestamp::now()).unwrap();
    };
    let since = |one: &Certificate, whom: &Address| store.known_since(&one.fingerprint(), whom).unwrap();
    store.insert(&kim).unwrap();
    let known = since(&kim, &address_of_kim);
    thread::sleep(Duration::from_millis(1100));
    gossip(&kim, &address_of_kim);
    assert_eq!(since(&kim, &address_of_kim), known, "it was known before");
    gossip(&lee, &address_of_lee);
    assert_eq!(since(&lee, &address_of_lee), None);
    let imported = Timestamp::now();
    store.insert(&lee).unwrap();
    assert!(since(&lee, &address_of_lee) >= Some(imported));
}

#[test]
fn each_of_many_is_noted_once_however_often_it_stands_there_and_whatever_is_wrong_with_another() {
    let (_folder, store) = store();
    let [kim, lee, max] = ["kim@example.org", "lee@example.org", "max@example.org"].map(certificate);
    store.insert_all(&[kim.clone(), lee.clone(), kim.clone()]).unwrap();
    assert_eq!((sources(&store, &kim), sources(&store, &lee)), (vec![None], vec![None]));
    fs::write(store.origins_path(&lee.fingerprint()), "rubbish").unwrap();
    assert!(matches!(store.insert_all(&[lee, max.clone()]), Err(StoreError::DamagedOrigins { .. })));
    assert_eq!(sources(&store, &max), [None]);
}
