//! Look-ups by the index find what a look at all files finds, whoever wrote those, and whatever became of it.

use std::{os::unix::fs::symlink, sync::LazyLock};

use proptest::{prelude::*, sample::Index as Which};

use super::*;
use crate::crypt::smime;

/// Three addresses among six OpenPGP certificates; one of these has two.
static OPENPGP: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    let mut all: Vec<_> = [
        "kim@example.org",
        "Kim <KIM@example.org>",
        "lee@example.org",
        "lee@example.org",
        "j\u{fc}rgen@b\u{fc}cher.example",
    ]
    .map(certificate)
    .into();
    // A user ID that nobody vouches for (RFC 9580, 5.11).
    let bytes = [&certificate("kim@example.org").to_bytes()[..], &[0xcd, 15], b"lee@example.org"].concat();
    all.extend(Certificate::parse_all(&bytes).unwrap());
    assert_eq!((all.len(), all[5].user_ids().len()), (6, 2));
    all
});

static X509: LazyLock<Vec<smime::Certificate>> =
    LazyLock::new(|| ["kim@example.org", "kim@example.org", "lee@example.org"].map(x509::certificate).into());

const NAMES: [&str; 4] = ["kim@example.org", "Lee@Example.org", "J\u{dc}RGEN@xn--bcher-kva.example", "max@example.org"];

/// A store that asks its index, however few certificates there are, and one that never does.
fn both(folder: &Path) -> [Keystore; 2] {
    [0, usize::MAX].map(|few| {
        let mut store = open(folder);
        store.index.few = few;
        store
    })
}

/// All that look-ups find and say.
fn answers(store: &Keystore) -> Vec<String> {
    let mut answers = Vec::new();
    for name in NAMES.map(address) {
        let openpgp = store.certificates_for(&name, at()).unwrap();
        answers.extend(openpgp.iter().map(|one| format!("{name} {}", one.fingerprint())));
        answers.extend(store.damaged().iter().map(ToString::to_string));
        let x509 = store.x509_for(&name, at()).unwrap();
        answers.extend(x509.iter().map(|(one, origin)| format!("{name} {} {origin:?}", one.fingerprint())));
        answers.extend(store.damaged().iter().map(ToString::to_string));
    }
    answers.extend(store.authorities().unwrap().iter().map(|one| one.fingerprint().to_string()));
    answers
}

#[track_caller]
fn agree(folder: &Path) {
    let [indexed, scanned] = both(folder).map(|store| answers(&store));
    assert_eq!(indexed, scanned);
}

fn index_of(folder: &Path) -> PathBuf {
    folder.join("new/state/certificates.sqlite")
}

/// Writes a file as other programs do.
fn write_as_others(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let aside = path.with_file_name(".aside");
    fs::write(&aside, bytes).unwrap();
    fs::rename(aside, path).unwrap();
}

/// Of the first file, and how many times it was changed.
fn changes(folder: &Path) -> i64 {
    let index = rusqlite::Connection::open(index_of(folder)).unwrap();
    index.query_row("SELECT generation FROM head", [], |row| row.get(0)).unwrap()
}

/// Later than anything that was just written.
fn settle() {
    thread::sleep(Duration::from_millis(40));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Which),
    InsertX509(Which, bool),
    Remove(Which),
    RemoveX509(Which),
    /// By another program: whole, or not; under its own name, or another's.
    Written(Which, Which, usize),
    /// In place, under a name that is not there.
    Put(Which),
    Linked(Which),
    Deleted(Which),
    FolderMoved(Which),
    /// A byte of the index becomes another.
    Flipped(Which, u8),
    Cut(Which),
    IndexGone,
    Settled,
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<Which>;
    prop_oneof![
        4 => which().prop_map(Step::Insert),
        3 => (which(), any::<bool>()).prop_map(|(which, taken)| Step::InsertX509(which, taken)),
        2 => which().prop_map(Step::Remove),
        2 => which().prop_map(Step::RemoveX509),
        3 => (which(), which(), prop_oneof![Just(usize::MAX), 0..200usize])
            .prop_map(|(whose, holds, length)| Step::Written(whose, holds, length)),
        2 => which().prop_map(Step::Put),
        1 => which().prop_map(Step::Linked),
        2 => which().prop_map(Step::Deleted),
        1 => which().prop_map(Step::FolderMoved),
        4 => (which(), any::<u8>()).prop_map(|(which, byte)| Step::Flipped(which, byte)),
        1 => which().prop_map(Step::Cut),
        1 => Just(Step::IndexGone),
        2 => Just(Step::Settled),
    ]
}

fn take(step: &Step, folder: &Path) {
    let [store, _] = both(folder);
    let path = |which: &Which| file_of(&store, which.get(&OPENPGP));
    let index = index_of(folder);
    match step {
        // What is damaged is not written over.
        Step::Insert(which) => drop(store.insert(which.get(&OPENPGP))),
        Step::InsertX509(which, taken) => {
            let origin = if *taken { Origin::Imported } else { Origin::Candidate };
            drop(store.insert_x509(which.get(&X509), origin));
        }
        Step::Remove(which) => drop(store.remove(&which.get(&OPENPGP).fingerprint())),
        Step::RemoveX509(which) => drop(store.remove_x509(&which.get(&X509).fingerprint())),
        Step::Written(whose, holds, length) => {
            let bytes = holds.get(&OPENPGP).to_bytes();
            write_as_others(&path(whose), &bytes[..bytes.len().min(*length)]);
        }
        Step::Put(which) if !path(which).exists() => {
            fs::create_dir_all(path(which).parent().unwrap()).unwrap();
            fs::write(path(which), which.get(&OPENPGP).to_bytes()).unwrap();
        }
        Step::Linked(which) if path(which).symlink_metadata().is_err() => {
            let target = folder.join("target");
            fs::write(&target, which.get(&OPENPGP).to_bytes()).unwrap();
            fs::create_dir_all(path(which).parent().unwrap()).unwrap();
            symlink(target, path(which)).unwrap();
        }
        Step::Deleted(which) => drop(fs::remove_file(path(which))),
        Step::FolderMoved(which) => drop(fs::rename(path(which).parent().unwrap(), folder.join("elsewhere"))),
        Step::Flipped(which, byte) => {
            let mut bytes = fs::read(&index).unwrap_or_default();
            if !bytes.is_empty() {
                let at = which.index(bytes.len());
                bytes[at] = *byte;
                fs::write(&index, bytes).unwrap();
            }
        }
        Step::Cut(which) if index.exists() => {
            let bytes = fs::read(&index).unwrap();
            fs::write(&index, &bytes[..which.index(bytes.len() + 1)]).unwrap();
        }
        Step::IndexGone => drop(fs::remove_file(&index)),
        Step::Settled => settle(),
        Step::Put(_) | Step::Linked(_) | Step::Cut(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn look_ups_equal_those_of_a_scan(steps in proptest::collection::vec(step(), 1..16)) {
        let folder = tempfile::tempdir().unwrap();
        let mut flipped = false;
        for step in &steps {
            take(step, folder.path());
            // No byte of the index hides a certificate; one can hide that a file is damaged, which has no place in it.
            flipped |= matches!(step, Step::Flipped(..));
            let told = |all: Vec<String>| all.into_iter().filter(|one| !flipped || !one.starts_with('/')).collect::<Vec<_>>();
            let [indexed, scanned] = both(folder.path()).map(|store| told(answers(&store)));
            prop_assert_eq!(indexed, scanned, "after {:?}", step);
        }
    }
}

#[test]
fn an_import_of_many_stores_each_as_if_alone() {
    let (folder, store) = store();
    let others: Vec<_> = (0..70).map(|number| certificate(&format!("kim{number}@example.org"))).collect();
    let all = [&OPENPGP[..], &others, &OPENPGP[5..], &[OPENPGP[0].clone()]].concat();
    let outcomes = store.insert_all(&all).unwrap();
    let new = outcomes.iter().filter(|outcome| **outcome == Outcome::New).count();
    assert_eq!((outcomes.len(), new), (78, 76));
    assert_eq!(outcomes[76..], [Outcome::Unchanged; 2]);
    for one in &all {
        assert_eq!(fs::read(file_of(&store, one)).unwrap(), one.to_stored_bytes().unwrap());
        assert_eq!(mode(&file_of(&store, one)), 0o600);
        let since = store.known_since(&one.fingerprint(), &one.addresses(at())[0]).unwrap();
        assert!(since.is_some());
    }
    // There, and in the folders nothing else.
    assert_eq!(store.all_certificates().unwrap().len(), 76);
    let files = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let folders = files(&store.certificates).into_iter().filter(|path| path.is_dir());
    assert_eq!(folders.map(|folder| files(&folder).len()).sum::<usize>(), 76);
    agree(folder.path());
    // One that is damaged stops it, and those before it are stored.
    fs::write(file_of(&store, &OPENPGP[2]), "garbage").unwrap();
    for one in &OPENPGP[..2] {
        store.remove(&one.fingerprint()).unwrap();
    }
    assert!(store.insert_all(&OPENPGP).is_err());
    assert_eq!(store.certificates_for(&address("kim@example.org"), at()).unwrap().len(), 3);
    assert_eq!(store.insert_all_x509(&X509, Origin::Candidate).unwrap(), [Outcome::New; 3]);
    let twice = [&X509[..1], &X509[..1]].concat();
    assert_eq!(store.insert_all_x509(&twice, Origin::Imported).unwrap(), [Outcome::Merged, Outcome::Unchanged]);
    agree(folder.path());
}

#[test]
fn what_another_program_did_a_moment_ago_counts() {
    let (folder, store) = store();
    let (kim, lee) = (&OPENPGP[0], &OPENPGP[2]);
    store.insert(kim).unwrap();
    let found = |name: &str| both(folder.path())[0].certificates_for(&address(name), at()).unwrap().len();
    for _ in 0..100 {
        assert_eq!(found("lee@example.org"), 0);
        write_as_others(&file_of(&store, lee), &lee.to_bytes());
        assert_eq!(found("lee@example.org"), 1);
        write_as_others(&file_of(&store, kim), &kim.to_bytes());
        fs::remove_file(file_of(&store, lee)).unwrap();
        assert_eq!((found("lee@example.org"), found("kim@example.org")), (0, 1));
    }
}

#[test]
fn after_an_import_nothing_is_left_to_be_read() {
    let (folder, _) = store();
    let [store, _] = both(folder.path());
    store.insert_all(&OPENPGP).unwrap();
    store.index_stored();
    let before = changes(folder.path());
    store.certificates_for(&address("kim@example.org"), at()).unwrap();
    assert_eq!(changes(folder.path()), before);
}

#[test]
fn what_was_just_changed_is_read_again() {
    let (folder, store) = store();
    store.insert(&OPENPGP[0]).unwrap();
    // The files that are noted, and those of them that need not be read again.
    let noted = || -> [i64; 2] {
        let index = rusqlite::Connection::open(index_of(folder.path())).unwrap();
        ["book", "book WHERE stamp IS NOT NULL"]
            .map(|rows| index.query_row(&format!("SELECT count(*) FROM {rows}"), [], |row| row.get(0)).unwrap())
    };
    settle();
    agree(folder.path());
    let start = Instant::now();
    write_as_others(&file_of(&store, &OPENPGP[1]), &OPENPGP[1].to_bytes());
    assert_eq!(both(folder.path())[0].certificates_for(&address("kim@example.org"), at()).unwrap().len(), 2);
    let just = noted();
    if start.elapsed() < Duration::from_millis(20) {
        assert_eq!(just, [2, 1]);
    }
    settle();
    agree(folder.path());
    assert_eq!(noted(), [2, 2]);
}

#[test]
fn one_value_sees_its_own_writes() {
    let (folder, _) = store();
    let [store, _] = both(folder.path());
    let found = |name: &str| store.certificates_for(&address(name), at()).unwrap().len();
    store.insert(&OPENPGP[0]).unwrap();
    assert_eq!(found("kim@example.org"), 1);
    store.insert(&OPENPGP[1]).unwrap();
    assert_eq!(found("kim@example.org"), 2);
    store.remove(&OPENPGP[0].fingerprint()).unwrap();
    assert_eq!(found("kim@example.org"), 1);
    store.insert_x509(&X509[0], Origin::Candidate).unwrap();
    let x509 = || {
        store
            .x509_for(&address("kim@example.org"), at())
            .unwrap()
            .into_iter()
            .map(|(_, origin)| origin)
            .collect::<Vec<_>>()
    };
    assert_eq!(x509(), [Origin::Candidate]);
    store.insert_x509(&X509[0], Origin::Imported).unwrap();
    assert_eq!(x509(), [Origin::Imported]);
    store.remove_x509(&X509[0].fingerprint()).unwrap();
    assert_eq!(x509(), []);
}

#[test]
fn what_did_not_change_is_not_read_again() {
    let (folder, store) = store();
    for one in OPENPGP.iter() {
        store.insert(one).unwrap();
    }
    settle();
    agree(folder.path());
    let before = changes(folder.path());
    agree(folder.path());
    assert_eq!(changes(folder.path()), before);
    // Were this file read, it would be found damaged.
    let path = file_of(&store, &OPENPGP[2]);
    let stamp = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "lee@example.org").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(stamp).unwrap();
    let [indexed, _] = both(folder.path());
    indexed.certificates_for(&address("kim@example.org"), at()).unwrap();
    assert_eq!(changes(folder.path()), before);
    // What names a certificate in the index proves nothing of it.
    assert_eq!(indexed.certificates_for(&address("lee@example.org"), at()).unwrap().len(), 2);
    assert_eq!(indexed.damaged().len(), 1);
}

#[test]
fn the_index_is_private_and_small_stores_have_none() {
    let (folder, store) = store();
    store.insert(&OPENPGP[0]).unwrap();
    assert_eq!(store.certificates_for(&address("kim@example.org"), at()).unwrap().len(), 1);
    assert!(!folder.path().join("new/state").exists());
    agree(folder.path());
    assert_eq!((mode(&index_of(folder.path())), mode(&folder.path().join("new/state"))), (0o600, 0o700));
    let names: Vec<_> = fs::read_dir(folder.path().join("new/state")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn an_index_that_cannot_be_had_is_done_without() {
    let (folder, store) = store();
    store.insert(&OPENPGP[0]).unwrap();
    let state = folder.path().join("new/state");
    fs::write(&state, "").unwrap();
    agree(folder.path());
    fs::remove_file(&state).unwrap();
    fs::create_dir_all(index_of(folder.path())).unwrap();
    agree(folder.path());
    fs::remove_dir(index_of(folder.path())).unwrap();
    agree(folder.path());
    for lock in ["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"] {
        let other = rusqlite::Connection::open(index_of(folder.path())).unwrap();
        other.execute_batch(lock).unwrap();
        store.insert(&OPENPGP[1]).unwrap();
        agree(folder.path());
        store.remove(&OPENPGP[1].fingerprint()).unwrap();
        agree(folder.path());
    }
    // Nobody can write here, root neither.
    let mut store = open(folder.path());
    store.index = Index::new("/proc/certificates.sqlite".into());
    store.index.few = 0;
    assert_eq!(store.certificates_for(&address("kim@example.org"), at()).unwrap().len(), 1);
}

#[test]
fn a_damaged_index_is_made_anew() {
    let (folder, store) = store();
    for one in OPENPGP.iter() {
        store.insert(one).unwrap();
    }
    settle();
    agree(folder.path());
    let index = index_of(folder.path());
    for damage in [&b"garbage"[..], b"", &[b'x'; 9000]] {
        fs::write(&index, damage).unwrap();
        agree(folder.path());
        agree(folder.path());
        assert_eq!(changes(folder.path()), 1, "it is in use again");
    }
    // Entries that lead nowhere, or to somebody else, are worth nothing; what is wrong is seen by its hash.
    let edited = rusqlite::Connection::open(&index).unwrap();
    for edit in ["UPDATE drawer SET entries = replace(entries, 'kim', 'lee')", "DELETE FROM drawer", "DROP TABLE book"]
    {
        edited.execute_batch(edit).unwrap();
        agree(folder.path());
    }
    drop(edited);
    // Each time another byte, one bit of it or all.
    let whole = fs::read(&index).unwrap();
    for (number, at) in (0..whole.len()).step_by(whole.len() / 97).enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= if number % 2 == 0 { 1 } else { 0xff };
        fs::write(&index, bytes).unwrap();
        agree(folder.path());
    }
    let edited = rusqlite::Connection::open(&index).unwrap();
    edited.execute_batch("UPDATE head SET version = '0'").unwrap();
    agree(folder.path());
    assert_eq!(changes(folder.path()), 1);
}

#[test]
fn processes_that_write_at_once_and_are_killed_hide_nothing() {
    let (folder, store) = store();
    store.insert(&OPENPGP[0]).unwrap();
    for (number, one) in OPENPGP.iter().enumerate() {
        fs::write(folder.path().join(number.to_string()), one.to_bytes()).unwrap();
    }
    for delay in 0..6 {
        let mut children: Vec<_> =
            (0..3).map(|_| child("index::child_changes_for_ever", folder.path()).spawn().unwrap()).collect();
        thread::sleep(Duration::from_millis(150 + delay * 13));
        for child in &mut children {
            assert!(child.try_wait().unwrap().is_none(), "it is killed in mid-work");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        agree(folder.path());
    }
}

#[test]
#[ignore = "run by processes_that_write_at_once_and_are_killed_hide_nothing"]
fn child_changes_for_ever() {
    let folder = PathBuf::from(env::var_os("SEALPOST_TEST_FOLDER").unwrap());
    let read =
        |number: usize| Certificate::parse_all(&fs::read(folder.join(number.to_string())).unwrap()).unwrap().remove(0);
    let all: Vec<_> = (0..6).map(read).collect();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        for one in &all {
            let [store, _] = both(&folder);
            store.insert(one).unwrap();
            store.certificates_for(&address("kim@example.org"), at()).unwrap();
            store.remove(&one.fingerprint()).unwrap();
        }
    }
}
