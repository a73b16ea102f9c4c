//! The store on a real disk, with damage, onlookers, rivals and kills.

#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::{
    crypt::{
        PublicCertificate, Strength,
        pgp::{Certificate, Key, Profile},
    },
    mail::{Address, Mailbox},
};

const AT: &str = "2026-11-01T12:00:00Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn make(text: &str) -> (Key, String) {
    Key::make(&Mailbox::parse(text).unwrap(), Profile::Rfc4880, at()).unwrap()
}

fn locked(key: &Key) -> Key {
    key.lock(&Zeroizing::new("correct horse".to_owned()), Strength::Generated).unwrap()
}

fn certificate(text: &str) -> Certificate {
    make(text).0.certificate()
}

fn store() -> (TempDir, Keystore) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    (folder, store)
}

fn open(folder: &Path) -> Keystore {
    let [certificates, keys, x509, state] =
        ["pgp.cert.d", "keys", "x509", "state"].map(|name| folder.join("new").join(name));
    Keystore::open(&certificates, &keys, &x509, &state)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn file_of(store: &Keystore, certificate: &Certificate) -> PathBuf {
    let name = certificate.fingerprint().as_str().to_lowercase();
    let (folder, name) = name.split_at(2);
    store.certificates.join(folder).join(name)
}

#[test]
fn an_empty_store_is_no_error_and_makes_nothing() {
    let (folder, store) = store();
    let kim = certificate("kim@example.org");
    assert!(store.all_certificates().unwrap().is_empty());
    assert!(store.keys().unwrap().is_empty());
    assert!(store.certificate(&kim.fingerprint()).unwrap().is_none());
    assert!(!store.remove(&kim.fingerprint()).unwrap());
    assert!(!folder.path().join("new").exists());
}

#[test]
fn certificates_are_found_by_address_and_fingerprint() {
    let (folder, store) = store();
    let (kim, lee) = (certificate("Kim <Kim@Example.org>"), certificate("lee@example.org"));
    assert_eq!(store.insert(&kim).unwrap(), Outcome::New);
    assert_eq!(store.insert(&kim).unwrap(), Outcome::Unchanged);
    store.insert(&lee).unwrap();
    let found = store.certificates_for(&address("kim@example.ORG"), at()).unwrap();
    assert_eq!(found.iter().map(Certificate::fingerprint).collect::<Vec<_>>(), [kim.fingerprint()]);
    assert!(store.certificates_for(&address("max@example.org"), at()).unwrap().is_empty());
    assert_eq!(store.all_certificates().unwrap().len(), 2);
    let path = file_of(&store, &kim);
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&folder.path().join("new"))), (0o600, 0o700, 0o700));
    assert!(store.remove(&kim.fingerprint()).unwrap());
    assert!(store.certificate(&kim.fingerprint()).unwrap().is_none());
    assert!(store.certificate(&lee.fingerprint()).unwrap().is_some());
}

#[test]
fn a_second_copy_is_joined_to_the_first() {
    let (_folder, store) = store();
    let (key, revocation) = make("kim@example.org");
    store.insert(&key.certificate()).unwrap();
    let revoked = Certificate::parse_all(revocation.as_bytes()).unwrap().remove(0);
    assert_eq!(store.insert(&revoked).unwrap(), Outcome::Merged);
    let stored = store.certificate(&key.fingerprint()).unwrap().unwrap();
    assert!(stored.revoked(at()).is_some());
    assert_eq!(store.insert(&key.certificate()).unwrap(), Outcome::Unchanged, "nothing is lost to an older copy");
    assert!(store.certificate(&key.fingerprint()).unwrap().unwrap().revoked(at()).is_some());
}

#[test]
fn an_update_stores_nothing_new() {
    let (folder, store) = store();
    let (key, revocation) = make("kim@example.org");
    let revoked = Certificate::parse_all(revocation.as_bytes()).unwrap().remove(0);
    assert!(store.update(&revoked).unwrap().is_none());
    assert!(!folder.path().join("new").exists());
    store.insert(&key.certificate()).unwrap();
    assert!(store.update(&revoked).unwrap().unwrap().revoked(at()).is_some());
    assert!(store.certificate(&key.fingerprint()).unwrap().unwrap().revoked(at()).is_some());
    store.remove(&key.fingerprint()).unwrap();
    assert!(store.update(&revoked).unwrap().is_none());
    assert!(store.certificate(&key.fingerprint()).unwrap().is_none());
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_found() {
    let (_folder, store) = store();
    let (kim, lee) = (certificate("kim@example.org"), certificate("lee@example.org"));
    store.insert(&kim).unwrap();
    store.insert(&lee).unwrap();
    let path = file_of(&store, &kim);
    for bytes in [&b""[..], b"garbage kim@example.org", &lee.to_bytes(), &kim.to_bytes()[..40]] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.all_certificates().unwrap().len(), 1);
        let damaged = store.damaged();
        let [StoreError::Damaged { path: named, .. } | StoreError::Misfiled { path: named, .. }] = damaged.as_slice()
        else {
            unreachable!("{damaged:?}")
        };
        assert_eq!(*named, path);
        assert!(store.certificate(&kim.fingerprint()).is_err());
        assert!(store.insert(&kim).is_err(), "a damaged file is not written over");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert!(store.remove(&kim.fingerprint()).unwrap());
    assert_eq!(store.insert(&kim).unwrap(), Outcome::New);
}

#[test]
fn keys_are_stored_locked_and_private() {
    let (folder, store) = store();
    let (open_key, revocation) = make("kim@example.org");
    assert!(matches!(store.store_key(&open_key, None), Err(StoreError::Key(_))));
    assert!(!folder.path().join("new").exists(), "nothing is written for an unlocked key");
    let key = locked(&open_key);
    assert_eq!(store.store_key(&key, Some(&revocation)).unwrap(), Outcome::New);
    assert_eq!(store.store_key(&key, None).unwrap(), Outcome::Unchanged);
    assert!(matches!(store.store_key(&locked(&open_key), None), Err(StoreError::KeyExists { .. })));
    let path = store.keys.join(format!("{}.pgp", key.fingerprint()));
    assert_eq!((mode(&path), mode(&store.keys)), (0o600, 0o700));
    let beside = store.keys.join(format!("{}.rev.asc", key.fingerprint()));
    assert_eq!((fs::read_to_string(&beside).unwrap(), mode(&beside)), (revocation, 0o600));
    let found = store.keys_for(&address("KIM@example.org"), at()).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].is_locked());
    assert!(store.keys_for(&address("lee@example.org"), at()).unwrap().is_empty());
    for loose in [0o640, 0o604, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
        let error = store.key(&key.fingerprint()).err().unwrap();
        assert!(matches!(error, StoreError::Exposed { mode, .. } if mode == loose), "{error}");
        assert!(store.keys().unwrap().is_empty());
        assert!(matches!(store.damaged().as_slice(), [StoreError::Exposed { .. }]));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "garbage").unwrap();
    assert!(matches!(store.key(&key.fingerprint()), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_key_can_be_locked_anew() {
    let (_folder, store) = store();
    let (open_key, _) = make("kim@example.org");
    let fingerprint = open_key.fingerprint();
    let to = |key: &Key| {
        let key = key.clone();
        store.change::<StoreError>(&fingerprint, |_| Ok(key))
    };
    assert!(matches!(to(&locked(&open_key)), Err(StoreError::NoKey(_))));
    store.store_key(&locked(&open_key), None).unwrap();
    let other = Zeroizing::new("another".to_owned());
    to(&open_key.lock(&other, Strength::Generated).unwrap()).unwrap();
    assert!(matches!(to(&open_key), Err(StoreError::Key(_))));
    assert!(matches!(to(&locked(&make("lee@example.org").0)), Err(StoreError::NoKey(_))));
    assert!(store.key(&open_key.fingerprint()).unwrap().unwrap().unlock(&other).is_ok());
}

#[test]
fn addresses_beyond_ascii_are_found() {
    let (_folder, store) = store();
    store.insert(&certificate("J\u{fc}rgen <j\u{fc}rgen@b\u{fc}cher.example>")).unwrap();
    let found = store.certificates_for(&address("J\u{dc}RGEN@xn--bcher-kva.example"), at()).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn a_new_file_is_private_and_never_replaces_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealed.eml");
    write_new(&path, [&b"one "[..], b"two"]).unwrap();
    assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"one two"[..], 0o600));
    assert!(matches!(write_new(&path, [&b"other"[..]]), Err(StoreError::Exists { .. })));
    let (link, target) = (folder.path().join("link"), folder.path().join("target"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert!(matches!(write_new(&link, [&b"other"[..]]), Err(StoreError::Exists { .. })));
    assert!(!target.exists() && fs::read(&path).unwrap() == b"one two");
    assert!(matches!(write_new(&folder.path().join("no/such"), [&b""[..]]), Err(StoreError::Write { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing stays aside");
}

fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--ignored", &format!("keystore::tests::{test}")]).stdout(Stdio::null());
    command.env("SEALPOST_TEST_FOLDER", folder);
    command
}

#[test]
fn two_processes_lose_nothing_to_each_other() {
    let (folder, store) = store();
    let (key, revocation) = make("kim@example.org");
    fs::write(folder.path().join("one"), key.certificate().to_bytes()).unwrap();
    fs::write(folder.path().join("two"), revocation).unwrap();
    let mut children: Vec<_> =
        (0..4).map(|_| child("child_inserts_both_many_times", folder.path()).spawn().unwrap()).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let stored = store.certificate(&key.fingerprint()).unwrap().unwrap();
    assert!(stored.revoked(at()).is_some());
    assert_eq!(stored.user_ids().len(), 1);
}

#[test]
#[ignore = "run by two_processes_lose_nothing_to_each_other"]
fn child_inserts_both_many_times() {
    let folder = PathBuf::from(env::var_os("SEALPOST_TEST_FOLDER").unwrap());
    let store = open(&folder);
    let read = |name| Certificate::parse_all(&fs::read(folder.join(name)).unwrap()).unwrap().remove(0);
    let (one, two) = (read("one"), read("two"));
    for _ in 0..25 {
        store.insert(&two).unwrap();
        store.insert(&one).unwrap();
    }
}

#[test]
fn a_kill_leaves_whole_files() {
    let (folder, store) = store();
    let (key, _) = make("kim@example.org");
    store.store_key(&locked(&key), None).unwrap();
    store.insert(&key.certificate()).unwrap();
    fs::write(folder.path().join("one"), key.certificate().to_bytes()).unwrap();
    for delay in 0..8 {
        let mut child = child("child_rewrites_for_ever", folder.path()).spawn().unwrap();
        thread::sleep(Duration::from_millis(60 + delay * 7));
        assert!(child.try_wait().unwrap().is_none(), "it is killed in mid-work");
        child.kill().unwrap();
        child.wait().unwrap();
        let (certificates, keys) = (store.all_certificates().unwrap(), store.keys().unwrap());
        let damaged = store.damaged();
        assert!(damaged.is_empty(), "{damaged:?}");
        assert!(certificates.len() <= 1 && keys.len() == 1);
        store.insert(&key.certificate()).unwrap();
    }
}

#[test]
#[ignore = "run by a_kill_leaves_whole_files"]
fn child_rewrites_for_ever() {
    let folder = PathBuf::from(env::var_os("SEALPOST_TEST_FOLDER").unwrap());
    let store = open(&folder);
    let certificate = Certificate::parse_all(&fs::read(folder.join("one")).unwrap()).unwrap().remove(0);
    let key = store.key(&certificate.fingerprint()).unwrap().unwrap();
    let open_key = key.unlock(&Zeroizing::new("correct horse".to_owned())).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        store.remove(&certificate.fingerprint()).unwrap();
        store.insert(&certificate).unwrap();
        store.change::<StoreError>(&open_key.fingerprint(), |_| Ok(locked(&open_key))).unwrap();
    }
}

mod backup;
mod index;
mod origins;
mod x509;
