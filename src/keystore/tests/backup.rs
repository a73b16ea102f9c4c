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
