//! What a backup holds, and how it comes back where something is already.

use std::sync::mpsc;

use super::*;

#[test]
fn nobody_writes_while_a_backup_is_read() {
    let (folder, store) = store();
    store.insert(&certificate("kim@example.org")).unwrap();
    fs::create_dir(folder.path().join("new/x509")).unwrap();
    for take in [Keystore::lock, Keystore::lock_x509] {
        let lock = take(&store).unwrap();
        let (done, is_done) = mpsc::channel();
        let reader = thread::spawn({
            let store = open(folder.path());
            move || {
                let files = store.contents().unwrap();
                done.send(()).unwrap();
                files.iter().filter(|(name, _)| name.starts_with("pgp.cert.d/")).count()
            }
        });
        assert!(is_done.recv_timeout(Duration::from_millis(300)).is_err(), "it waits for who writes");
        drop(lock);
        assert_eq!(reader.join().unwrap(), 1);
    }
}

#[test]
fn a_key_that_is_linked_is_in_the_backup() {
    let (folder, store) = store();
    let (key, revocation) = make("kim@example.org");
    store.store_key(&locked(&key), Some(&revocation)).unwrap();
    let (elsewhere, path) = (folder.path().join("elsewhere"), store.keys.join(format!("{}.pgp", key.fingerprint())));
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let files = store.contents().unwrap();
    assert!(files.iter().any(|(name, _)| name.ends_with(".rev.asc")));
    assert!(files.iter().any(|(name, bytes)| name.ends_with(".pgp") && **bytes == fs::read(&elsewhere).unwrap()));
    fs::remove_file(&elsewhere).unwrap();
    assert!(
        matches!(store.contents(), Err(StoreError::Read { path: named, .. }) if named == path),
        "it is not left out"
    );
}

#[test]
fn since_when_one_is_known_comes_back_and_the_earlier_time_counts() {
    let (folder, here) = store();
    let kim = certificate("kim@example.org");
    here.insert(&kim).unwrap();
    let lines = |store: &Keystore| fs::read_to_string(store.x509.with_file_name("known")).unwrap();
    let since = |store: &Keystore| store.known_since(&kim.fingerprint(), &address("kim@example.org")).unwrap().unwrap();
    let known = |time: &str| format!("{time} {} kim@example.org\n", kim.fingerprint());
    let restored = |store: &Keystore, text: &str| {
        let piece = Piece::read("known", text.as_bytes()).unwrap();
        store.restore(&piece).unwrap().unwrap()
    };
    let early = known("2020-01-01T00:00:00Z");
    assert_eq!(restored(&here, &format!("rubbish\n{early}{}", early.trim_end())), Outcome::Merged);
    assert_eq!(since(&here), "2020-01-01T00:00:00Z".parse().unwrap());
    let (name, bytes) = here.contents().unwrap().pop().unwrap();
    assert_eq!((name.as_str(), bytes.as_slice()), ("known", lines(&here).as_bytes()));
    let there = open(&folder.path().join("there"));
    assert_eq!(restored(&there, &lines(&here)), Outcome::New);
    there.insert(&kim).unwrap();
    assert_eq!(lines(&there), lines(&here), "an import adds nothing to what is known since then");
    assert_eq!(restored(&there, &known("2021-01-01T00:00:00Z")), Outcome::Unchanged);
    assert!(Piece::read("known", b"rubbish").is_none());
}
