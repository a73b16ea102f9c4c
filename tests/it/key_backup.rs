//! `sealpost key backup` and what brings it back: `key import`, and gpg with tar.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::{
    cert_from_mail::autocrypt,
    support::{Authority, Gpg, Home, Outcome, people, run},
};

/// A home with something of everything.
fn full() -> Home {
    let home = people::alice_of_both();
    let waiting =
        ["key", "make", "kim@example.test", "--suite", "smime", "--algorithm", "p256", "--request", "kim.csr"];
    home.sealpost(waiting.iter().chain(&["--passphrase", "file:pw"])).run().expect(0);
    home.sealpost(["key", "make", "kim@example.test", "--profile", "pqc", "--passphrase", "file:pw"]).run().expect(0);
    let authority = Authority::new();
    let signed = authority.mailbox("lee@example.test");
    home.sealpost(["cert", "import", "-"]).stdin(signed.pem()).run().expect(0);
    fs::write(home.state().join("recipients.toml"), "[group.ops]\nmembers = [\"bob@example.test\"]\n").unwrap();
    home
}

/// The files below a folder but locks, each with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else if !name.starts_with('.') && !name.contains("lock") {
            all.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    all
}

fn backup(home: &Home) -> Vec<u8> {
    home.sealpost(["key", "backup", "--output", "b", "--passphrase", "file:pw"]).run().expect(0);
    fs::read(home.path("b")).unwrap()
}

fn restore(home: &Home, backup: &[u8]) -> Outcome {
    home.file("b", backup);
    home.file("pw", "specimen\n");
    home.sealpost(["key", "import", "b", "--passphrase", "file:pw", "--json"]).run()
}

fn outcomes(restored: &Outcome) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let json = restored.json();
    json["restored"].as_array().unwrap().iter().map(|one| (text(&one["file"]), text(&one["outcome"]))).collect()
}

#[test]
fn everything_comes_back_as_it_was_and_a_second_time_changes_nothing() {
    let home = full();
    let new = Home::new();
    let restored = restore(&new, &backup(&home)).expect(0);
    assert!(outcomes(&restored).values().all(|outcome| outcome == "restored"), "{restored:?}");
    let (before, after) = (files(&home.state()), files(&new.state()));
    assert!(before.keys().any(|name| name.ends_with(".rev.asc")), "{:?}", before.keys());
    assert!(before.keys().any(|name| name.ends_with(".request.pem")) && before.contains_key("known"));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert_eq!(before, after);
    use std::os::unix::fs::PermissionsExt;
    for name in after.keys() {
        assert_eq!(fs::metadata(new.state().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let again = restore(&new, &backup(home_again(&home))).expect(0);
    assert!(outcomes(&again).values().all(|outcome| outcome == "unchanged"), "{again:?}");
    assert_eq!(files(&new.state()), after);
    // It works there.
    new.file("ca.pem", people::specimen("ca.pem"));
    let message = "From: alice@example.test\nTo: carol@example.test\n\nhello\n";
    new.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(0);
}

/// The same home, its last backup out of the way.
fn home_again(home: &Home) -> &Home {
    fs::remove_file(home.path("b")).unwrap();
    home
}

#[test]
fn what_differs_stays_and_is_named() {
    let home = full();
    let first = backup(&home);
    home.file("other", "battery staple\n");
    let change = ["key", "change-passphrase", "alice@example.test", "--passphrase", "file:pw", "--to-passphrase"];
    let several = home.sealpost(change.iter().chain(&["file:other"])).run().expect(64).words();
    let name =
        files(&home.state()).into_keys().find(|name| name.starts_with("keys/") && name.ends_with(".pgp")).unwrap();
    let fingerprint = name.trim_start_matches("keys/").trim_end_matches(".pgp");
    assert!(several.contains("name one by its fingerprint"));
    let change = ["key", "change-passphrase", fingerprint, "--passphrase", "file:pw", "--to-passphrase", "file:other"];
    home.sealpost(change).run().expect(0);
    fs::write(home.state().join("recipients.toml"), "# mine\n").unwrap();
    let before = files(&home.state());
    let restored = restore(&home, &first).expect(73);
    let outcomes = outcomes(&restored);
    assert_eq!((outcomes[&name].as_str(), outcomes["recipients.toml"].as_str()), ("differs", "differs"));
    assert_eq!(outcomes.values().filter(|outcome| *outcome == "unchanged").count(), outcomes.len() - 2, "{outcomes:?}");
    assert!(restored.error()["text"].as_str().unwrap().contains("2 of"), "{restored:?}");
    assert_eq!(files(&home.state()), before);
}

#[test]
fn what_is_damaged_here_stays_and_the_rest_comes_back() {
    let home = full();
    let whole = backup(&home);
    let names = files(&home.state());
    let in_folder = |folder: &str| names.keys().filter(|name| name.starts_with(folder)).cloned().collect::<Vec<_>>();
    let (keys, certificates, x509) = (in_folder("keys/"), in_folder("pgp.cert.d/"), in_folder("x509/"));
    let of = |suffix: &str| keys.iter().find(|name| name.ends_with(suffix)).unwrap();
    let damaged = [of(".pgp"), of(".request.pem"), &certificates[0], &x509[0]].map(Clone::clone);
    for name in &damaged {
        fs::write(home.state().join(name), "rubbish").unwrap();
    }
    std::os::unix::fs::symlink("nowhere", home.state().join("config.toml.new")).unwrap();
    fs::rename(home.state().join("config.toml.new"), home.state().join("config.toml")).unwrap();
    let gone = [of(".rev.asc"), &certificates[1]].map(|name| home.state().join(name));
    for path in &gone {
        fs::remove_file(path).unwrap();
    }
    let restored = restore(&home, &whole).expect(73);
    let outcomes = outcomes(&restored);
    let count = |word: &str| outcomes.values().filter(|outcome| *outcome == word).count();
    assert_eq!((count("differs"), count("restored")), (damaged.len() + 1, gone.len()), "{outcomes:?}");
    assert!(gone.iter().all(|path| path.exists()));
    for name in &damaged {
        assert_eq!(fs::read(home.state().join(name)).unwrap(), b"rubbish");
    }
    let words = home.sealpost(["key", "import", "b", "--passphrase", "file:pw"]).run().expect(73).words();
    assert_eq!(words.matches(" is damaged: ").count(), damaged.len(), "{words}");
}

#[test]
fn a_certificate_that_was_found_comes_back_as_found() {
    let home = full();
    let certificate = home.sealpost(["cert", "list", "--json"]).run().expect(0).json();
    let of_bob = |one: &&serde_json::Value| one["addresses"][0] == "carol@example.test";
    let fingerprint =
        certificate["certificates"].as_array().unwrap().iter().find(of_bob).unwrap()["fingerprint"].clone();
    let fingerprint = fingerprint.as_str().unwrap();
    let origins =
        r#"{"version":1,"known":[{"address":"carol@example.test","source":"wkd","since":"2026-01-01T00:00:00Z"}]}"#;
    fs::write(home.state().join(format!("origins/{fingerprint}.json")), origins).unwrap();
    let trust = |home: &Home| {
        let message = "From: alice@example.test\nTo: carol@example.test\n\nhello\n";
        let plan = home.sealpost(["seal", "-n", "--json", "--passphrase", "file:pw"]).stdin(message).run();
        plan.expect(0).json()["messages"][0]["recipients"][0]["trust"].as_str().unwrap().to_owned()
    };
    assert_ne!(trust(&home), "imported");
    let whole = backup(&home);
    let new = Home::new();
    restore(&new, &whole).expect(0);
    new.file("ca.pem", people::specimen("ca.pem"));
    assert_eq!(trust(&new), trust(&home));
    // Where it was imported by hand it stays so.
    let other = full();
    let restored = restore(&other, &whole).expect(73);
    assert_eq!(outcomes(&restored)[&format!("origins/{fingerprint}.json")], "differs");
    assert_eq!(trust(&other), "imported");
}

#[test]
fn gpg_and_tar_open_it_without_us() {
    let home = full();
    let backup = backup(&home);
    let gpg = Gpg::new();
    let opened = run(gpg.command(["--passphrase", "specimen", "--decrypt"]), &backup).expect(0).stdout;
    fs::create_dir(home.path("out")).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["xf", "-"]).current_dir(home.path("out"));
    run(tar, &opened).expect(0);
    let unpacked = files(&home.path("out"));
    for (name, bytes) in files(&home.state()) {
        // The shared directory files them in folders of its own.
        let same = unpacked.get(&name).is_some_and(|there| *there == bytes);
        assert!(same || (name.starts_with("pgp.cert.d/") && unpacked.values().any(|there| *there == bytes)), "{name}");
    }
    // And what gpg encrypts anew, armored, comes back.
    let mut again = gpg.command(["--armor", "--passphrase", "specimen", "--symmetric"]);
    again.args(["--cipher-algo", "AES256"]);
    let armored = run(again, &opened).expect(0).stdout;
    restore(&Home::new(), &armored).expect(0);
}

#[test]
fn a_backup_is_refused_before_anything_is_written() {
    let empty = Home::new();
    empty.sealpost(["key", "backup", "--output", "b", "--new-passphrase", "file:new"]).run().expect(66);
    let home = full();
    home.sealpost(["key", "backup", "--output", "b"]).run().expect(64);
    home.sealpost(["key", "backup", "--output", "pw", "--new-passphrase", "file:new"]).run().expect(73);
    home.sealpost(["key", "backup", "--output", "no/b", "--passphrase", "file:pw"]).run().expect(73);
    assert!(!home.path("new").exists() && !empty.path("new").exists());
    let whole = backup(&home);
    let new = Home::new();
    new.file("wrong", "wrong\n");
    new.file("b", &whole);
    let import = |more: &[&str]| new.sealpost(["key", "import", "b"].iter().chain(more)).run();
    import(&["--passphrase", "file:wrong"]).expect(77);
    import(&["--passphrase", "file:wrong", "--new-passphrase", "file:new"]).expect(64);
    import(&[]).expect(77);
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    restore(&new, &changed).expect(65);
    restore(&new, &whole[..whole.len() - 10]).expect(65);
    assert_eq!(files(&new.state()).len(), 0);
}

#[test]
fn a_name_in_a_backup_leads_nowhere() {
    let home = Home::new();
    fs::create_dir(home.path("in")).unwrap();
    fs::create_dir_all(home.path("in/keys")).unwrap();
    for name in ["evil", "keys/0000.pgp", &format!("keys/{}.pgp", "A".repeat(40))] {
        fs::write(home.path("in").join(name), "rubbish").unwrap();
    }
    let mut tar = Command::new("tar");
    tar.args(["cPf", "-", "--transform", "s,^evil,../../evil,", "evil", "keys"]).current_dir(home.path("in"));
    let archive = run(tar, b"").expect(0).stdout;
    let mut seal = Gpg::new().command(["--passphrase", "specimen", "--symmetric"]);
    let gpg = Gpg::new();
    seal.env("GNUPGHOME", gpg.home());
    let sealed = run(seal, &archive).expect(0).stdout;
    let restored = restore(&home, &sealed).expect(73);
    let outcomes = outcomes(&restored);
    assert!(outcomes.len() == 3 && outcomes.values().all(|outcome| outcome == "unreadable"), "{outcomes:?}");
    assert_eq!(files(&home.state()).len(), 0);
    assert!(!home.root().join("evil").exists());
}

#[test]
fn nothing_that_comes_back_is_known_better_than_it_was() {
    let gpg = Gpg::new();
    gpg.make_key("mallory@example.test", "future-default");
    let one = gpg.export("mallory@example.test");
    run(gpg.command(["--quick-add-uid", "mallory@example.test", "kim@example.test"]), b"").expect(0);
    let both = gpg.export("mallory@example.test");
    // Somebody's mail says that it is Kim's too.
    let there = people::alice();
    there.sealpost(["cert", "import", "-"]).stdin(one.clone()).run().expect(0);
    let message = autocrypt(std::str::from_utf8(&both).unwrap());
    let message = format!("From: kim@example.test\n{message}\nhello\n");
    there.sealpost(["cert", "import", "--from-mail", "-"]).stdin(message).run().expect(0);
    let whole = backup(&there);
    let here = Home::new();
    here.sealpost(["cert", "import", "-"]).stdin(one).run().expect(0);
    let plan = ["send", "-n", "--no-sign", "--from", "alice@example.test", "--host", "h", "-t"];
    let to = |home: &Home, whom, exit| home.sealpost(plan.iter().chain(&[whom])).run().expect(exit);
    to(&here, "mallory@example.test", 0);
    for home in [&there, &here] {
        to(home, "kim@example.test", 67);
    }
    let told = restore(&here, &whole).expect(73);
    assert_eq!(outcomes(&told).values().filter(|outcome| *outcome == "differs").count(), 2, "{told:?}");
    to(&here, "kim@example.test", 67);
    to(&here, "mallory@example.test", 0);
}

#[test]
fn beside_a_shared_folder_that_survived_everybody_is_known_as_before() {
    let home = full();
    let whole = backup(&home);
    let new = Home::new();
    let copied = Command::new("cp").arg("-r").arg(home.state()).arg(new.state()).status().unwrap();
    assert!(copied.success());
    for name in ["keys", "origins", "x509", "state"] {
        let _ = fs::remove_dir_all(new.state().join(name));
    }
    restore(&new, &whole).expect(0);
    let levels = |home: &Home| {
        let listed = home.sealpost(["cert", "list", "--json"]).run().expect(0).json();
        let all = listed["certificates"].as_array().unwrap().iter();
        all.map(|one| one["levels"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(levels(&new), levels(&home));
}
