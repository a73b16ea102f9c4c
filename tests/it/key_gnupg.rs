//! `sealpost key import --from-gnupg`: the keys of a real GnuPG home.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use sequoia_openpgp as openpgp;
use serde_json::Value;

use openpgp::{Packet, cert::CertBuilder, serialize::SerializeInto, types::Features};

use crate::support::{Authority, Gpg, Gpgsm, Home, package, run};

/// A home with the passphrases `right`, of `file:pw`, and `other`, of `file:other`.
fn home() -> Home {
    let home = Home::new();
    home.file("pw", "right\n");
    home.file("other", "other\n");
    home
}

fn import<'a>(gpg: &'a Gpg, more: &[&'a str]) -> Vec<&'a str> {
    [&["key", "import", "--from-gnupg", gpg.home().to_str().unwrap()], more].concat()
}

/// Address and outcome of each key.
fn outcomes(json: &Value) -> Vec<(&str, &str)> {
    let keys = json["keys"].as_array().unwrap();
    keys.iter().map(|key| (key["addresses"][0].as_str().unwrap(), key["outcome"].as_str().unwrap())).collect()
}

fn fingerprint(gpg: &Gpg, address: &str) -> String {
    let listed = run(gpg.command(["--with-colons", "--list-keys", address]), b"").expect(0).text();
    listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned()
}

#[test]
fn what_opens_is_imported_what_does_not_is_refused_and_another_passphrase_brings_it() {
    let gpg = Gpg::new();
    gpg.make_locked_key("rsa@example.test", "rsa2048", "right");
    gpg.make_locked_key("erin@example.test", "future-default", "right");
    gpg.make_locked_key("frank@example.test", "ed25519", "other");
    let home = home();

    let ran = home.sealpost(import(&gpg, &["--passphrase", "file:pw", "--json"])).run().expect(77);
    let refused = ("frank@example.test", "refused");
    let told = ran.json();
    assert_eq!(outcomes(&told), [("rsa@example.test", "imported"), ("erin@example.test", "imported"), refused]);
    assert_eq!(told["keys"][2]["reason"], "wrong passphrase");
    assert_eq!(told["keys"][2]["fingerprint"], fingerprint(&gpg, "frank@example.test"));
    assert_eq!(told["keys"][0]["reason"], Value::Null);
    let error = ran.error();
    assert!(error["text"].as_str().unwrap().contains("1 of 3 keys"), "{error}");
    let hint = error["hints"][0].as_array().unwrap();
    assert_eq!(hint[3..5], ["--from-gnupg", gpg.home().to_str().unwrap()]);

    let words = home.sealpost(import(&gpg, &["--passphrase", "file:other"])).run().expect(0).words();
    assert_eq!(words.lines().filter(|line| line.starts_with("stored already: ")).count(), 2, "{words}");
    assert!(words.contains(&format!("imported {}", fingerprint(&gpg, "frank@example.test"))), "{words}");

    // Nothing is left to be opened, so no passphrase is asked for.
    let again = home.sealpost(import(&gpg, &["--json"])).run().expect(0).json();
    assert!(outcomes(&again).iter().all(|(_, outcome)| *outcome == "unchanged"), "{again}");
    let anew = home.sealpost(import(&gpg, &["--new-passphrase", "file:new"])).run().expect(73).words();
    assert!(anew.contains("it is not locked anew") && !home.path("new").exists(), "{anew}");
}

#[test]
fn an_imported_key_opens_what_gpg_encrypted_and_signs_what_gpg_verifies() {
    let gpg = Gpg::new();
    gpg.make_locked_key("rsa@example.test", "rsa2048", "right");
    gpg.make_locked_key("erin@example.test", "future-default", "right");
    let add = ["--passphrase", "right", "--quick-add-key", &fingerprint(&gpg, "rsa@example.test"), "rsa2048", "encr"];
    run(gpg.command(add), b"").expect(0);
    let home = home();
    home.sealpost(import(&gpg, &["--passphrase", "file:pw"])).run().expect(0);

    for address in ["rsa@example.test", "erin@example.test"] {
        let sealed = run(
            gpg.command(["--armor", "--recipient", address, "--encrypt"]),
            b"Content-Type: text/plain\r\n\r\nfrom gpg\r\n",
        )
        .expect(0)
        .stdout;
        let message = format!(
            "From: {address}\r\nTo: {address}\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/encrypted; \
             protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\
             \r\n\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n{}\r\n--b--\r\n",
            String::from_utf8(sealed).unwrap()
        );
        let opened = home.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(message).run().expect(0).text();
        assert!(opened.contains("from gpg"), "{opened}");

        let message = format!("From: {address}\nTo: {address}\nSubject: s\n\nfrom us\n");
        let seal = ["seal", "--from", address, "--passphrase", "file:pw"];
        let sealed = home.sealpost(seal).stdin(message).run().expect(0).text();
        let (start, end) =
            (sealed.find("-----BEGIN PGP MESSAGE").unwrap(), sealed.find("-----END PGP MESSAGE").unwrap());
        let file = home.file("sealed.asc", format!("{}-----END PGP MESSAGE-----\n", &sealed[start..end]));
        let decrypt = ["--passphrase", "right", "--status-fd", "2", "--decrypt", file.to_str().unwrap()];
        let opened = run(gpg.command(decrypt), b"").expect(0);
        assert!(opened.words().contains("GOODSIG") && opened.text().contains("from us"), "{}", opened.words());
    }
}

#[test]
fn a_new_passphrase_takes_the_place_of_that_of_gnupg_and_is_not_made_in_vain() {
    let gpg = Gpg::new();
    gpg.make_locked_key("erin@example.test", "future-default", "right");
    // Here it has none: what is stored is locked all the same.
    gpg.make_key("frank@example.test", "future-default");
    let home = home();
    home.file("wrong", "wrong\n");
    let locked_by = |source: &'static str| import(&gpg, &["--passphrase", source, "--new-passphrase", "file:new"]);
    let other = Gpg::new();
    other.make_locked_key("kim@example.test", "ed25519", "right");
    home.sealpost(import(&other, &["--passphrase", "file:wrong", "--new-passphrase", "file:new"])).run().expect(77);
    assert!(!home.path("new").exists());

    home.sealpost(locked_by("file:pw")).run().expect(0);
    for address in ["erin@example.test", "frank@example.test"] {
        let message = format!("From: {address}\nTo: {address}\nSubject: s\n\nhello\n");
        let seal = |source: &'static str| ["seal", "--passphrase", source];
        home.sealpost(seal("file:pw")).stdin(message.clone()).run().expect(77);
        home.sealpost(seal("file:new")).stdin(message).run().expect(0);
    }
}

#[test]
fn a_key_of_which_a_part_is_elsewhere_stays_and_is_told_what_that_means() {
    let gpg = Gpg::new();
    gpg.make_locked_key("erin@example.test", "future-default", "right");
    let subkeys = run(gpg.command(["--passphrase", "right", "--export-secret-subkeys"]), b"").expect(0).stdout;
    let laptop = Gpg::new();
    run(laptop.command(["--passphrase", "right", "--import"]), &subkeys).expect(0);
    let home = home();

    // Nothing of it is asked for, so it needs no passphrase.
    let ran = home.sealpost(import(&laptop, &["--json"])).run().expect(66);
    assert_eq!(outcomes(&ran.json()), [("erin@example.test", "no-secret")]);
    let words = home.sealpost(import(&laptop, &["--passphrase", "file:pw"])).run().expect(66).words();
    assert!(words.contains("not imported: ") && words.contains("kept elsewhere"), "{words}");
    assert!(!home.state().join("keys").exists());

    // Others are taken, and that is a success.
    laptop.make_locked_key("frank@example.test", "ed25519", "right");
    let told = home.sealpost(import(&laptop, &["--passphrase", "file:pw", "--json"])).run().expect(0).json();
    assert_eq!(outcomes(&told), [("erin@example.test", "no-secret"), ("frank@example.test", "imported")]);

    // What the reason says to do works.
    let erin = fingerprint(&laptop, "erin@example.test");
    let parts = run(laptop.command(["--passphrase", "right", "--export-secret-keys", &erin]), b"").expect(0).stdout;
    home.sealpost(["key", "import", "-", "--passphrase", "file:pw"]).stdin(parts).run().expect(0);
}

#[test]
fn the_flag_of_packets_that_only_gnupg_reads_is_cleared_and_said() {
    let features = Features::empty().set_seipdv1().set(1);
    let builder = CertBuilder::new().add_userid("<erin@example.test>").set_features(features).unwrap();
    let (cert, _) = builder.add_signing_subkey().add_transport_encryption_subkey().generate().unwrap();
    let gpg = Gpg::new();
    gpg.import(&cert.as_tsk().to_vec().unwrap()).expect(0);
    let home = home();
    let words = home.sealpost(import(&gpg, &["--passphrase", "file:pw"])).run().expect(0).words();
    assert!(words.contains("(OCB); that flag was cleared"), "{words}");
    home.sealpost(["key", "show", "erin@example.test"]).run().expect(0);
    let other = Home::new();
    other.file("pw", "right\n");
    let told = other.sealpost(import(&gpg, &["--passphrase", "file:pw", "--json"])).run().expect(0).json();
    assert_eq!(outcomes(&told), [("erin@example.test", "imported-ocb-cleared")]);
}

#[test]
fn without_a_passphrase_and_a_terminal_it_says_what_is_missing() {
    let gpg = Gpg::new();
    gpg.make_locked_key("erin@example.test", "ed25519", "right");
    let home = home();
    let error = home.sealpost(import(&gpg, &["--json"])).run().expect(77).error();
    assert!(error["text"].as_str().unwrap().contains("give --passphrase"), "{error}");
    assert_eq!(error["hints"][0][5], "--passphrase");
    // The passphrase is read once, and of an empty one there is no key.
    home.file("empty", "");
    home.sealpost(import(&gpg, &["--passphrase", "file:empty"])).run().expect(77);
    home.sealpost(import(&gpg, &["--passphrase", "right"])).run().expect(64);
    home.sealpost(import(&gpg, &["--passphrase", "command:sh -c 'cat pw; rm pw'"])).run().expect(0);
}

#[test]
fn on_a_terminal_gpg_agent_asks_and_the_key_stays_locked_with_the_answer() {
    let gpg = Gpg::new();
    gpg.make_locked_key("erin@example.test", "future-default", "right");
    // Answers as somebody would who types.
    let pinentry = gpg.home().join("pinentry");
    let answers = "#!/bin/sh\necho OK\nwhile read -r word rest; do\n  \
                   case $word in GETPIN) echo D right ;; esac\n  echo OK\ndone\n";
    fs::write(&pinentry, answers).unwrap();
    fs::set_permissions(&pinentry, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(gpg.home().join("gpg-agent.conf"), format!("pinentry-program {}\n", pinentry.display())).unwrap();
    let _ = Command::new("gpgconf").env("GNUPGHOME", gpg.home()).args(["--kill", "all"]).status().unwrap();

    let home = home();
    let line = format!("sealpost key import --from-gnupg {}", gpg.home().display());
    let asked = home.sealpost([""; 0]).env("TERM", "xterm").env("SHELL", "/bin/sh");
    let told = asked.shell(&format!("script -qec '{line}' /dev/null < /dev/null")).expect(0).text();
    assert!(told.contains("imported "), "{told}");
    let message = "From: erin@example.test\nTo: erin@example.test\nSubject: s\n\nhello\n";
    home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(0);
}

#[test]
fn a_home_or_a_program_that_is_not_there_is_named() {
    let home = home();
    let none = ["key", "import", "--from-gnupg", "nowhere", "--json"];
    let error = home.sealpost(none).run().expect(66).error();
    assert!(error["text"].as_str().unwrap().contains("work/nowhere"), "{error}");
    // Without a name it is that of the environment, else that of the user.
    let bare = ["key", "import", "--from-gnupg", "--json"];
    let error = home.sealpost(bare).run().expect(66).error();
    assert!(error["text"].as_str().unwrap().contains("home/.gnupg"), "{error}");

    let gpg = Gpg::new();
    let set = |path: &str| home.sealpost(bare).env("GNUPGHOME", gpg.home()).env("PATH", path);
    let error = set("/nowhere").run().expect(69).error();
    assert!(error["text"].as_str().unwrap().starts_with("gpg, which alone"), "{error}");
    let error = set("/usr/bin:/bin").run().expect(66).error();
    assert!(error["text"].as_str().unwrap().contains("holds no secret keys"), "{error}");

    home.file("some.key", "");
    home.sealpost(["key", "import", "some.key", "--from-gnupg", gpg.home().to_str().unwrap()]).run().expect(64);
    home.sealpost(["key", "import"]).run().expect(64);
}

/// Puts a shell script in the place of gpg or gpgsm, and gives the `PATH` in which it is found first.
fn instead_of(home: &Home, program: &str, script: &str) -> String {
    let folder = home.path("bin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(program), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(folder.join(program), fs::Permissions::from_mode(0o700)).unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

#[test]
fn a_key_on_a_card_stays_there() {
    let gpg = Gpg::new();
    gpg.make_locked_key("erin@example.test", "future-default", "right");
    let home = home();
    // As gpg lists it once it was moved to a card.
    let moved = "/usr/bin/gpg \"$@\" | sed 's/^\\(ssb.*\\):+:/\\1:D2760001240103040006123456780000:/'";
    let path = instead_of(&home, "gpg", moved);
    let told = home.sealpost(import(&gpg, &["--passphrase", "file:pw", "--json"])).env("PATH", &path).run().expect(66);
    assert_eq!(outcomes(&told.json()), [("erin@example.test", "on-card")]);
    let words = home.sealpost(import(&gpg, &["--passphrase", "file:pw"])).env("PATH", &path).run().expect(66).words();
    assert!(words.contains("not imported: ") && words.contains("smartcard"), "{words}");
    // What cannot be had of it is left out.
    let nameless = format!("case \"$*\" in *--export*) exit 2 ;; esac\n{moved}");
    let path = instead_of(&home, "gpg", &nameless);
    let told = home.sealpost(import(&gpg, &["--json"])).env("PATH", path).run().expect(66).json();
    assert_eq!(told["keys"][0]["fingerprint"], fingerprint(&gpg, "erin@example.test"));
    assert_eq!(told["keys"][0]["addresses"], serde_json::json!([]));
}

#[test]
fn gpg_gets_no_secret_but_through_its_pipe_and_few_variables() {
    let gpg = Gpg::new();
    gpg.make_locked_key("erin@example.test", "future-default", "right");
    let home = home();
    let log = home.path("log");
    let script =
        format!("(tr '\\0' '\\n' < /proc/$$/environ; echo \"$@\") >> '{}'; exec /usr/bin/gpg \"$@\"", log.display());
    let path = instead_of(&home, "gpg", &script);
    let run = home.sealpost(import(&gpg, &["--passphrase", "env:SECRET"])).env("PATH", path).env("SECRET", "right");
    run.env("LD_DEBUG", "none").env("DISPLAY", ":9").run().expect(0);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("--passphrase-fd 0") && !log.contains("right"), "{log}");
    for line in log.lines().filter(|line| !line.starts_with("--homedir ")) {
        let name = line.split('=').next().unwrap();
        assert!(["PATH", "HOME", "GNUPGHOME", "LANG"].contains(&name), "{line}");
    }
}

#[test]
fn a_gpg_that_fails_or_does_not_end_is_told_and_nothing_is_stored() {
    let gpg = Gpg::new();
    let home = home();
    for (script, exit, said) in [
        ("echo 'gpg: no agent' >&2; exit 2", 71, "gpg failed (exit status: 2): \"gpg: no agent\""),
        ("exec cat /dev/zero", 65, "gpg gave more than 8 MiB"),
        ("echo 'no listing'", 66, "holds no secret keys"),
    ] {
        let path = instead_of(&home, "gpg", script);
        let words =
            home.sealpost(import(&gpg, &["--passphrase", "file:pw"])).env("PATH", path).run().expect(exit).words();
        assert!(words.contains(said), "{words}");
    }
    assert!(!home.state().join("keys").exists());
}

#[test]
fn a_key_whose_parts_have_several_passphrases_is_not_taken_by_halves() {
    let builder = CertBuilder::new().add_userid("<erin@example.test>").add_transport_encryption_subkey();
    let (cert, _) = builder.generate().unwrap();
    let primary = cert.primary_key().key().clone().parts_into_secret().unwrap();
    let subkey = cert.keys().subkeys().next().unwrap().key().clone().parts_into_secret().unwrap();
    let packets: [Packet; 2] = [
        primary.encrypt_secret(&"right".into()).unwrap().into(),
        subkey.encrypt_secret(&"other".into()).unwrap().into(),
    ];
    let (cert, _) = cert.insert_packets(packets).unwrap();
    let gpg = Gpg::new();
    gpg.import(&cert.as_tsk().to_vec().unwrap()).expect(0);
    let home = home();
    for source in ["file:pw", "file:other"] {
        let told = home.sealpost(import(&gpg, &["--passphrase", source, "--json"])).run().expect(77).json();
        assert_eq!(outcomes(&told), [("erin@example.test", "refused")]);
        assert_eq!(told["keys"][0]["reason"], "wrong passphrase");
    }
    assert!(!home.state().join("keys").exists());
}

#[test]
fn keys_of_gpgsm_come_too() {
    let authority = Authority::new();
    let alice = authority.rsa("alice@example.test");
    let gpgsm = Gpgsm::new(authority.root());
    gpgsm.import_key(&alice);
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("other", "other\n");
    let line = |source: &'static str| {
        ["key", "import", "--from-gnupg", gpgsm.home().to_str().unwrap(), "--passphrase", source, "--json"]
    };
    let refused = home.sealpost(line("file:other")).run().expect(77).json();
    assert_eq!(outcomes(&refused), [("alice@example.test", "refused")]);
    let told = home.sealpost(line("file:pw")).run().expect(0).json();
    assert_eq!(outcomes(&told), [("alice@example.test", "imported")]);
    assert_eq!(told["keys"][0]["suite"], "smime");
    assert_eq!(told["keys"][0]["fingerprint"], refused["keys"][0]["fingerprint"]);
    // Some files that gpgsm writes nobody can read: another is asked for, and not without end.
    let unreadable = package().join("tests/vectors/smime/gpgsm/unreadable.p12");
    for (always, exit) in [(false, 0), (true, 77)] {
        let new = Home::new();
        new.file("pw", "specimen\n");
        let once = new.path("once");
        let script = format!(
            "case \"$*\" in *export-secret-key-p12*) if {always} || mkdir {}; then exec cat {}; fi ;; esac\n\
             exec /usr/bin/gpgsm \"$@\"",
            once.display(),
            unreadable.display()
        );
        let search = instead_of(&new, "gpgsm", &script);
        let told = new.sealpost(line("file:pw")).env("PATH", search).run().expect(exit);
        assert_eq!(told.json()["keys"][0]["outcome"], if always { "refused" } else { "imported" }, "{told:?}");
        assert!(always || once.exists());
    }
    let again = home.sealpost(line("file:pw")).run().expect(0).json();
    assert_eq!(outcomes(&again), [("alice@example.test", "unchanged")]);
}
