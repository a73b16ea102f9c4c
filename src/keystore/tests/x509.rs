//! X.509 certificates and keys for S/MIME.

use std::path::Path;

use super::*;
use crate::crypt::{
    Keygrip,
    smime::{AgentKey, Algorithm, Certificate, Key, Waiting},
};

fn pass() -> Zeroizing<String> {
    Zeroizing::new("correct horse".to_owned())
}

fn make(text: &str) -> Key {
    Key::make_self_signed(&Mailbox::parse(text).unwrap(), Algorithm::P256, at()).unwrap()
}

fn locked(key: &Key) -> Key {
    key.lock(&pass(), Strength::Generated).unwrap()
}

pub(super) fn certificate(text: &str) -> Certificate {
    make(text).certificate().unwrap().clone()
}

fn found(store: &Keystore, name: &str) -> Vec<(String, Origin)> {
    let found = store.x509_for(&address(name), at()).unwrap();
    found.iter().map(|(one, origin)| (one.fingerprint().to_string(), *origin)).collect()
}

#[test]
fn a_candidate_is_promoted_by_hand_and_replaces_nothing() {
    let (folder, store) = store();
    let kim = certificate("Kim <Kim@Example.org>");
    let name = kim.fingerprint().to_string();
    assert!(store.all_x509().unwrap().is_empty() && !store.remove_x509(&kim.fingerprint()).unwrap());
    assert!(!folder.path().join("new").exists());

    assert_eq!(store.insert_x509(&kim, Origin::Candidate).unwrap(), Outcome::New);
    assert_eq!(store.insert_x509(&kim, Origin::Candidate).unwrap(), Outcome::Unchanged);
    assert_eq!(found(&store, "kim@example.org"), [(name.clone(), Origin::Candidate)]);
    assert_eq!(store.x509(&kim.fingerprint()).unwrap().unwrap().fingerprint(), kim.fingerprint());
    assert_eq!(store.insert_x509(&kim, Origin::Imported).unwrap(), Outcome::Merged);
    assert_eq!(store.insert_x509(&kim, Origin::Candidate).unwrap(), Outcome::Unchanged);
    assert_eq!(found(&store, "kim@example.org"), [(name.clone(), Origin::Imported)]);

    let other = certificate("kim@example.org");
    store.insert_x509(&other, Origin::Candidate).unwrap();
    assert_eq!(found(&store, "kim@example.org")[0], (name, Origin::Imported), "what was imported comes first");
    assert!(store.authorities().unwrap().is_empty());
    let path = store.x509.join(format!("{}.pem", kim.fingerprint()));
    assert_eq!((mode(&path), mode(&store.x509)), (0o600, 0o700));
    assert_eq!(mode(&store.x509.join("candidates")), 0o700);
    assert!(store.remove_x509(&kim.fingerprint()).unwrap() && store.remove_x509(&other.fingerprint()).unwrap());
    assert!(store.all_x509().unwrap().is_empty());
}

#[test]
fn damage_is_named_and_not_written_over() {
    let (_folder, store) = store();
    let (kim, lee) = (certificate("kim@example.org"), certificate("lee@example.org"));
    store.insert_x509(&kim, Origin::Imported).unwrap();
    store.insert_x509(&lee, Origin::Candidate).unwrap();
    let path = store.x509.join(format!("{}.pem", kim.fingerprint()));
    for bytes in ["", "garbage", &lee.to_pem(), &(kim.to_pem() + &lee.to_pem())] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.all_x509().unwrap().len(), 1);
        assert_eq!(store.damaged().len(), 1);
        assert!(store.x509(&kim.fingerprint()).is_err());
        assert!(store.insert_x509(&kim, Origin::Imported).is_err());
        assert_eq!(fs::read(&path).unwrap(), bytes.as_bytes());
    }
    assert!(store.remove_x509(&kim.fingerprint()).unwrap());
}

#[test]
fn keys_that_an_agent_has_are_noted_without_a_secret() {
    let (_folder, store) = store();
    let open_key = make("kim@example.org");
    let certificate = open_key.certificate().unwrap();
    let grip = |digit: &str| Keygrip::parse(&digit.repeat(40)).unwrap();
    let note = |home: &str, digit| AgentKey::new(certificate.clone(), &[], Path::new(home), grip(digit)).unwrap();
    assert_eq!(store.store_smime_agent_key(&note("/a", "A")).unwrap(), Outcome::New);
    assert_eq!(store.store_smime_agent_key(&note("/a", "A")).unwrap(), Outcome::Unchanged);
    assert_eq!(store.store_smime_agent_key(&note("/b", "B")).unwrap(), Outcome::Merged);
    let fingerprint = certificate.fingerprint();
    let there = store.smime_agent_key(&fingerprint).unwrap().unwrap();
    assert_eq!(there, note("/b", "B"));
    assert_eq!(store.smime_agent_keys_for(&address("kim@example.org"), at()).unwrap().len(), 1);
    assert!(store.smime_agent_keys_for(&address("lee@example.org"), at()).unwrap().is_empty());
    assert!(store.agent_keys().unwrap().is_empty() && store.smime_keys().unwrap().is_empty(), "nothing else is there");
    let path = store.keys.join(format!("{fingerprint}.smime.agent"));
    assert_eq!(mode(&path), 0o600);

    // A backup brings it back, and does not move it.
    let bytes = fs::read(&path).unwrap();
    let name = format!("keys/{fingerprint}.smime.agent");
    let piece = Piece::read(&name, &bytes).unwrap();
    assert_eq!(store.restore(&piece).unwrap(), Some(Outcome::Unchanged));
    assert_eq!(store.store_smime_agent_key(&note("/c", "C")).unwrap(), Outcome::Merged);
    assert_eq!(store.restore(&piece).unwrap(), None);
    assert!(Piece::read(&format!("keys/{fingerprint}.agent"), &bytes).is_none(), "it is of the other suite");
    assert!(Piece::read(&format!("keys/{}.smime.agent", "A".repeat(64)), &bytes).is_none());

    // What is none of ours is told, and asked for nothing.
    let text = String::from_utf8(bytes).unwrap();
    for damaged in [
        String::new(),
        "{}".to_owned(),
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("/b", "b"),
        text.replace(fingerprint.as_str(), &"A".repeat(64)),
        text.replace(&"B".repeat(40), "B"),
        text.replace("CERTIFICATE", "PUBLIC KEY"),
    ] {
        fs::write(&path, &damaged).unwrap();
        assert!(matches!(store.smime_agent_key(&fingerprint), Err(StoreError::DamagedAgentKey { .. })), "{damaged}");
        assert!(store.smime_agent_keys().unwrap().is_empty() && store.damaged().len() == 1);
    }

    // The secret half takes its place, and not the other way.
    fs::write(&path, &text).unwrap();
    assert_eq!(store.store_smime_key(&locked(&open_key)).unwrap(), Outcome::New);
    assert!(!path.exists() && store.smime_agent_key(&fingerprint).unwrap().is_none());
    assert!(matches!(store.store_smime_agent_key(&note("/a", "A")), Err(StoreError::KeyExists { .. })));
    fs::write(&path, &text).unwrap();
    assert!(store.smime_agent_keys().unwrap().is_empty(), "a kill between the two leaves both");
}

#[test]
fn keys_are_stored_locked_with_their_certificates() {
    let (folder, store) = store();
    let open_key = make("kim@example.org");
    assert!(matches!(store.store_smime_key(&open_key), Err(StoreError::SmimeKey(_))));
    assert!(!folder.path().join("new").exists());
    let key = locked(&open_key);
    assert_eq!(store.store_smime_key(&key).unwrap(), Outcome::New);
    assert_eq!(store.store_smime_key(&key).unwrap(), Outcome::Unchanged);
    assert!(matches!(store.store_smime_key(&locked(&open_key)), Err(StoreError::KeyExists { .. })));
    assert!(store.keys().unwrap().is_empty(), "the suites do not meet");
    let fingerprint = key.fingerprint().unwrap();
    let path = store.keys.join(format!("{fingerprint}.pem"));
    assert_eq!((mode(&path), mode(&store.keys)), (0o600, 0o700));
    assert_eq!(store.smime_keys_for(&address("KIM@example.org"), at()).unwrap().len(), 1);
    assert!(store.smime_keys_for(&address("lee@example.org"), at()).unwrap().is_empty());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(store.smime_key(&fingerprint), Err(StoreError::Exposed { mode: 0o640, .. })));
    assert!(store.smime_keys().unwrap().is_empty() && store.damaged().len() == 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "garbage").unwrap();
    assert!(matches!(store.smime_key(&fingerprint), Err(StoreError::DamagedX509 { .. })));
}

/// A certificate for a request's key, that the request's own key did not make: the key is opened for the test.
fn answer(key: &Key) -> Certificate {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("key.pem"), locked(key).to_pem().unwrap()).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-key",
        "key.pem",
        "-passin",
        "pass:correct horse",
        "-subj",
        "/CN=kim",
        "-days",
        "9",
    ]);
    openssl.args(["-addext", "subjectAltName=email:kim@example.org", "-out", "out.pem"]).current_dir(folder.path());
    assert!(openssl.output().unwrap().status.success());
    Certificate::parse_all(&fs::read(path("out.pem")).unwrap()).unwrap().remove(0)
}

#[test]
fn a_waiting_key_is_joined_by_its_certificate_and_certified_anew() {
    let (_folder, store) = store();
    let (key, request) = Key::make(&Mailbox::parse("kim@example.org").unwrap(), Algorithm::P256).unwrap();
    let waiting = Waiting::new(locked(&key), &request).unwrap();
    assert_eq!(store.store_waiting(&waiting).unwrap(), Outcome::New);
    assert_eq!(store.store_waiting(&waiting).unwrap(), Outcome::Unchanged);
    assert!(store.store_waiting(&Waiting::new(locked(&key), &request).unwrap()).is_err());
    let path = store.keys.join(format!("{}.request.pem", waiting.id()));
    assert_eq!(mode(&path), 0o600);
    assert!(store.smime_keys().unwrap().is_empty() && store.keys().unwrap().is_empty());
    assert_eq!(store.waiting().unwrap().len(), 1);

    assert!(store.join(&[certificate("kim@example.org")], &[]).unwrap().is_empty());
    let first = answer(&key);
    assert_eq!(store.join(std::slice::from_ref(&first), &[]).unwrap().len(), 1);
    assert!(store.waiting().unwrap().is_empty() && !path.exists());
    let stored = store.smime_key(&first.fingerprint()).unwrap().unwrap();
    assert!(stored.unlock(&pass()).unwrap().signer(Timestamp::now()).is_ok());
    assert!(store.join(std::slice::from_ref(&first), &[]).unwrap().is_empty(), "once is enough");
    let second = answer(&key);
    assert_eq!(store.join(&[second], &[]).unwrap().len(), 1);
    assert_eq!(store.smime_keys().unwrap().len(), 2);

    // killed between the two steps: the rest of the work is done the next time
    fs::write(&path, waiting.to_pem().unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    store.join(&[first], &[]).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_key_that_waits_since_a_moment_is_joined() {
    let (folder, store) = store();
    let (key, request) = Key::make(&Mailbox::parse("kim@example.org").unwrap(), Algorithm::P256).unwrap();
    let waiting = Waiting::new(locked(&key), &request).unwrap();
    let certificate = answer(&key);
    let lock = store.lock_keys().unwrap();
    let joins = thread::spawn({
        let store = open(folder.path());
        move || store.join(&[certificate], &[]).unwrap().len()
    });
    thread::sleep(Duration::from_millis(200));
    disk::write(&store.keys.join(format!("{}.request.pem", waiting.id())), waiting.to_pem().unwrap().as_bytes())
        .unwrap();
    drop(lock);
    assert_eq!(joins.join().unwrap(), 1);
    assert!(store.waiting().unwrap().is_empty());
}

#[test]
fn one_that_waits_is_changed_as_any_other() {
    let (_folder, store) = store();
    let make = || {
        let (key, request) = Key::make(&Mailbox::parse("kim@example.org").unwrap(), Algorithm::P256).unwrap();
        Waiting::new(locked(&key), &request).unwrap()
    };
    let (one, other) = (make(), make());
    assert!(matches!(store.change_waiting::<StoreError>(&one.id(), Ok), Err(StoreError::NoKey(_))));
    store.store_waiting(&one).unwrap();
    store.change_waiting::<StoreError>(&one.id(), Ok).unwrap();
    let to_other = store.change_waiting::<StoreError>(&one.id(), |_| Ok(other));
    assert!(matches!(to_other, Err(StoreError::NoKey(_))));
    assert_eq!(store.waiting().unwrap().len(), 1);
}

#[test]
fn a_kill_leaves_whole_files() {
    let (folder, store) = store();
    let key = locked(&make("kim@example.org"));
    fs::write(folder.path().join("one"), key.to_pem().unwrap()).unwrap();
    for delay in 0..6 {
        let mut child = child("x509::child_rewrites_for_ever", folder.path()).spawn().unwrap();
        thread::sleep(Duration::from_millis(60 + delay * 7));
        assert!(child.try_wait().unwrap().is_none(), "it is killed in mid-work");
        child.kill().unwrap();
        child.wait().unwrap();
        let (certificates, keys) = (store.all_x509().unwrap(), store.smime_keys().unwrap());
        let damaged = store.damaged();
        assert!(damaged.is_empty(), "{damaged:?}");
        assert!(certificates.len() <= 2 && keys.len() <= 1);
    }
}

#[test]
#[ignore = "run by a_kill_leaves_whole_files"]
fn child_rewrites_for_ever() {
    let folder = PathBuf::from(env::var_os("SEALPOST_TEST_FOLDER").unwrap());
    let store = open(&folder);
    let key = Key::parse_all(&fs::read(folder.join("one")).unwrap()).unwrap().remove(0);
    let certificate = key.certificate().unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        store.insert_x509(certificate, Origin::Candidate).unwrap();
        store.insert_x509(certificate, Origin::Imported).unwrap();
        store.remove_x509(&certificate.fingerprint()).unwrap();
        store.store_smime_key(&key).unwrap();
        disk::remove(&store.keys.join(format!("{}.pem", key.fingerprint().unwrap()))).unwrap();
    }
}
