//! `sealpost key`: keys of one's own, always locked.

use std::os::unix::fs::MetadataExt;

use crate::support::{
    Gpg, Home,
    people::{alice, specimen},
};

#[test]
fn every_profile_is_made_locked_listed_and_exported() {
    for profile in ["rfc4880", "rfc9580", "pqc"] {
        let home = Home::new();
        let make =
            ["key", "make", "Kim <kim@example.test>", "--profile", profile, "--new-passphrase", "file:pw", "--json"];
        let made = home.sealpost(make).run().expect(0).json();
        let fingerprint = made["key"]["fingerprint"].as_str().unwrap().to_owned();
        assert_eq!(fingerprint.len(), if profile == "rfc4880" { 40 } else { 64 });
        assert_eq!(std::fs::metadata(home.path("pw")).unwrap().mode() & 0o777, 0o600);
        let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
        assert_eq!(listed["keys"][0]["fingerprint"], fingerprint);
        let exported = home.sealpost(["key", "export", "kim@example.test"]).run().expect(0).text();
        assert!(exported.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----"));
        let shown = home.sealpost(["key", "show", &fingerprint, "--json"]).run().expect(0).json();
        assert_eq!(shown["key"]["usable"], true);
        for entry in std::fs::read_dir(home.state().join("keys")).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::metadata(home.state().join("keys")).unwrap().mode() & 0o777, 0o700);
        // A second key of the same place does not overwrite the passphrase of the first.
        home.sealpost(make).run().expect(73);
        // What was made seals and opens.
        let message = "From: kim@example.test\nTo: kim@example.test\nSubject: s\n\nhello\n";
        let sealed = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(0).stdout;
        let opened = home.sealpost(["open", "-", "--json", "--passphrase", "file:pw"]).stdin(sealed).run().expect(0);
        assert_eq!(opened.json()["signature"]["state"], "good", "{profile}");
    }
}

#[test]
fn a_key_needs_a_passphrase_and_a_bare_one_is_not_repeated() {
    let home = Home::new();
    home.sealpost(["key", "make", "kim@example.test"]).run().expect(64);
    let bare = home.sealpost(["key", "make", "kim@example.test", "--passphrase", "hunter2"]).run().expect(64);
    assert!(!bare.words().contains("hunter2"));
    home.file("open-pw", "x");
    std::fs::set_permissions(home.path("open-pw"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    home.sealpost(["key", "make", "kim@example.test", "--passphrase", "file:open-pw"]).run().expect(77);
    home.file("empty", "");
    home.sealpost(["key", "make", "kim@example.test", "--passphrase", "file:empty"]).run().expect(78);
    home.sealpost(["key", "make", "not an address", "--passphrase", "file:empty"]).run().expect(64);
    assert!(!home.state().join("keys").exists());
}

#[test]
fn keys_of_gpg_are_imported_and_gpg_imports_ours() {
    let gpg = Gpg::new();
    gpg.make_key("erin@example.test", "ed25519");
    let home = Home::new();
    home.file("pw", "correct horse\n");
    let import = ["key", "import", "-", "--passphrase", "file:pw", "--json"];
    let secret = gpg.export_secret("erin@example.test");
    home.sealpost(["key", "import", "-"]).stdin(secret.clone()).run().expect(64);
    let imported = home.sealpost(import).stdin(secret).run().expect(0).json();
    assert_eq!(imported["keys"][0]["addresses"][0], "erin@example.test");
    let ours = home.sealpost(["key", "export", "erin@example.test"]).run().expect(0).stdout;
    let other = Gpg::new();
    let mut command = other.command(["--passphrase", "correct horse", "--import"]);
    command.arg("-");
    crate::support::run(command, &ours).expect(0);
    home.sealpost(["key", "import", "-"]).stdin("rubbish").run().expect(65);
    // One of two is stored already: the other one is taken.
    gpg.make_key("frank@example.test", "ed25519");
    let both = [gpg.export_secret("erin@example.test"), gpg.export_secret("frank@example.test")].concat();
    let imported = home.sealpost(import).stdin(both.clone()).run().expect(0).json();
    let outcomes: Vec<_> = imported["keys"].as_array().unwrap().iter().map(|key| &key["outcome"]).collect();
    assert_eq!(outcomes, ["unchanged", "imported"]);
    let refused = home.sealpost(import).stdin(both).run().expect(73).error();
    assert!(refused["text"].as_str().unwrap().contains("stored already"), "{refused}");
}

#[test]
fn a_locked_key_is_opened_by_a_passphrase_that_is_read_once_and_a_wrong_one_leaves_nothing() {
    let home = Home::new();
    home.file("bob.key", specimen("bob.key"));
    // A command that gives the passphrase once, as a pipe does.
    home.file("pw", "specimen\n");
    let once = "command:sh -c 'cat pw; rm pw'";
    home.sealpost(["key", "import", "bob.key", "--passphrase", once]).run().expect(0);
    home.file("wrong", "wrong\n");
    home.file("pw", "specimen\n");
    let import = |passphrase: &str| {
        home.sealpost(["key", "import", "bob.key", "--passphrase", passphrase, "--new-passphrase", "file:new"]).run()
    };
    import("file:wrong").expect(73);
    assert!(!home.path("new").exists());
    std::fs::remove_dir_all(home.state().join("keys")).unwrap();
    import("file:wrong").expect(77);
    assert!(!home.path("new").exists());
    import("file:pw").expect(0);
    assert!(home.path("new").exists());
}

#[test]
fn a_key_that_cannot_be_read_is_told_wherever_it_is_wanted() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let home = alice();
    home.file("pw", "specimen\n");
    let message = "From: alice@example.test\nTo: alice@example.test\nSubject: x\n\nhello\n";
    let seal = || home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run();
    home.file("own.eml", seal().expect(0).stdout);
    let open = || home.sealpost(["open", "own.eml", "--passphrase", "file:pw"]).run();
    let keys = fs::read_dir(home.state().join("keys")).unwrap().flatten();
    let path = keys.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "pgp")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let check = || home.sealpost(["cert", "check", "--quiet"]).run();
    for (told, exit) in [(seal(), 77), (open(), 65), (check(), 77)] {
        let words = told.expect(exit).words();
        assert!(words.contains("hint: chmod 600 ") && !words.contains("key make"), "{words}");
    }
    assert_eq!(home.sealpost(["open", "own.eml", "--json"]).run().expect(65).error()["kind"], "no-key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "rubbish").unwrap();
    for told in [seal(), open(), check()] {
        let words = told.expect(65).words();
        assert!(words.contains("is damaged") && !words.contains("key make"), "{words}");
    }
    let backup = home.sealpost(["key", "backup", "--output", "b", "--passphrase", "file:pw"]).run().expect(65).words();
    assert!(backup.contains("the backup is written, and keys/"), "{backup}");
    // Another one signs, and it is told all the same; what is none of ours is no key.
    home.sealpost(["key", "make", "alice@example.test", "--passphrase", "file:pw"]).run().expect(0);
    let to_bob = message.replace("To: alice", "To: bob");
    let sealed = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(to_bob).run().expect(0);
    assert!(sealed.words().contains("is damaged"), "{sealed:?}");
    fs::remove_file(&path).unwrap();
    fs::write(home.state().join("keys/README"), "mine\n").unwrap();
    home.sealpost(["key", "backup", "--output", "c", "--passphrase", "file:pw"]).run().expect(0);
}
