//! The life of a key: extended, rotated, revoked, locked anew, backed up, published; and what gpg sees of it.

use crate::support::{Authority, Gpg, Home, Outcome, run};

/// Kim's key, made long ago, its passphrase in `pw` and in the account.
fn kim(made: &str) -> Home {
    let home = Home::new();
    let make = ["key", "make", "Kim <kim@example.test>", "--new-passphrase", "file:pw", "--at", made];
    home.sealpost(make).run().expect(0);
    let config = "[account.kim]\nfrom = \"kim@example.test\"\npassphrase = \"file:pw\"\n";
    std::fs::write(home.state().join("config.toml"), config).unwrap();
    home
}

/// What `gpg --with-colons` says of a certificate, line by line.
fn colons(gpg: &Gpg, certificate: &[u8]) -> Vec<Vec<String>> {
    gpg.import(certificate).expect(0);
    let listed = run(gpg.command(["--with-colons", "--with-fingerprint", "--with-fingerprint", "--list-keys"]), b"");
    let split = |line: &str| line.split(':').map(str::to_owned).collect();
    listed.expect(0).text().lines().map(split).collect()
}

fn export(home: &Home) -> Vec<u8> {
    home.sealpost(["cert", "export", "kim@example.test"]).run().expect(0).stdout
}

fn seal(home: &Home) -> Outcome {
    let message = "From: kim@example.test\nTo: kim@example.test\nSubject: s\n\nhello\n";
    home.sealpost(["seal"]).stdin(message).run()
}

#[test]
fn an_extended_key_seals_again_and_gpg_sees_the_new_end() {
    let home = kim("2020-01-01T00:00:00Z");
    seal(&home).expect(67);
    let gpg = Gpg::new();
    let before = colons(&gpg, &export(&home));
    let expired = |line: &Vec<String>| ["pub", "sub"].contains(&line[0].as_str()) && line[1] == "e";
    assert_eq!(before.iter().filter(|line| expired(line)).count(), 3, "{before:?}");

    let extended =
        home.sealpost(["key", "extend", "kim@example.test", "--for", "2040-01-31", "--json"]).run().expect(0);
    assert_eq!(extended.json()["key"]["outcome"], "extended");
    assert_eq!(extended.json()["key"]["expires"], "2040-01-31T00:00:00Z");
    let again = home.sealpost(["key", "extend", "kim@example.test", "--for", "2041-01-31"]).run().expect(0);
    assert!(again.words().contains("until 2041-01-31") && again.words().contains("hint: sealpost cert export"));
    let after = colons(&gpg, &export(&home));
    let end = "2243203200"; // 2041-01-31
    for kind in ["pub", "sub", "sub"] {
        assert!(after.iter().any(|line| line[0] == kind && line[1] != "e" && line[6] == end), "{after:?}");
    }
    assert_eq!(after.iter().filter(|line| expired(line)).count(), 0);
    let sealed = seal(&home).expect(0).stdout;
    home.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(sealed).run().expect(0);
}

#[test]
fn what_cannot_be_extended_is_refused_and_left_as_it_was() {
    let home = kim("2026-01-01T00:00:00Z");
    let before = home.sealpost(["key", "export", "kim@example.test"]).run().expect(0).stdout;
    home.file("wrong", "wrong\n");
    let extend = |more: &[&str]| home.sealpost(["key", "extend"].iter().chain(more).chain(&["--json"])).run();
    extend(&["kim@example.test", "--passphrase", "file:wrong"]).expect(77);
    extend(&["kim@example.test", "--passphrase", "hunter2"]).expect(64);
    extend(&["kim@example.test", "--for", "yesterday"]).expect(64);
    extend(&["kim@example.test", "--for", "2001-01-01"]).expect(64);
    let sooner = extend(&["kim@example.test", "--for", "1d"]).expect(64).error();
    assert!(sooner["text"].as_str().unwrap().contains("would shorten its life"), "{sooner}");
    extend(&["kim@example.test", "--request", "x.csr"]).expect(64);
    let unknown = extend(&["lee@example.test"]).expect(66).error();
    assert_eq!(unknown["hints"][0], serde_json::json!(["sealpost", "key", "list"]));
    assert_eq!(home.sealpost(["key", "export", "kim@example.test"]).run().expect(0).stdout, before);
}

#[test]
fn a_certificate_for_smime_is_asked_for_again_with_the_same_key() {
    let authority = Authority::new();
    let home = Home::new();
    home.file("pw", "specimen\n");
    let lee = authority.mailbox("lee@example.test");
    home.file("lee.p12", lee.p12("specimen"));
    home.sealpost(["key", "import", "lee.p12", "--passphrase", "file:pw"]).run().expect(0);
    let extend = |more: &[&str]| {
        let extend = ["key", "extend", "lee@example.test", "--passphrase", "file:pw", "--json"];
        home.sealpost(extend.iter().chain(more)).run()
    };
    let refused = extend(&[]).expect(64).error();
    assert!(refused["text"].as_str().unwrap().contains("cannot be extended"), "{refused}");
    assert_eq!(refused["hints"][0][4], "--request");
    let asked = extend(&["--request", "lee.csr"]).expect(0).json();
    assert_eq!(asked["request_file"], "lee.csr");
    assert_eq!(asked["key"]["fingerprint"], lee.fingerprint());
    extend(&["--request", "lee.csr"]).expect(73);
    let request = std::fs::read(home.path("lee.csr")).unwrap();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-verify", "-noout", "-text", "-pubkey"]);
    let shown = run(openssl, &request).expect(0).text();
    assert!(shown.contains("email:lee@example.test"), "{shown}");
    assert!(shown.contains(&String::from_utf8(lee.key.public_key_to_pem().unwrap()).unwrap()));
    home.sealpost(["key", "import", "-"]).stdin(authority.answer(&request)).run().expect(0);
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2, "{listed}");
}

#[test]
fn a_rotated_key_opens_old_mail_and_gpg_does_too() {
    for old in [&[][..], &["--revoke-old"]] {
        let home = kim("2026-01-01T00:00:00Z");
        let before = seal(&home).expect(0).stdout;
        let rotate = ["key", "rotate", "kim@example.test", "--json"];
        let rotated = home.sealpost(rotate.iter().chain(old)).run().expect(0).json();
        assert_eq!(rotated["key"]["outcome"], "rotated");
        let after = seal(&home).expect(0).stdout;
        let open = |sealed: &[u8]| {
            let opened = home.sealpost(["open", "-", "--json", "--passphrase", "file:pw"]).stdin(sealed).run();
            opened.expect(0).json()
        };
        assert_eq!(open(&after)["signature"]["state"], "good");
        // `open` takes a signature for good only if its key counts today.
        let (state, reason) = (&open(&before)["signature"]["state"], &open(&before)["signature"]["reason"]);
        assert_eq!((state == "good", reason == "revoked"), (old.is_empty(), !old.is_empty()));
        let gpg = Gpg::new();
        let seen = colons(&gpg, &export(&home));
        let subkeys: Vec<_> = seen.iter().filter(|line| line[0] == "sub").collect();
        let revoked = subkeys.iter().filter(|line| line[1] == "r").count();
        assert_eq!((subkeys.len(), revoked), (4, if old.is_empty() { 0 } else { 2 }), "{seen:?}");

        // gpg opens both with the secret half, and what it seals now opens here.
        // In one word: it is random, and may begin as an option does.
        let passphrase = format!("--passphrase={}", std::fs::read_to_string(home.path("pw")).unwrap().trim_end());
        let secret = home.sealpost(["key", "export", "kim@example.test"]).run().expect(0).stdout;
        let mut import = gpg.command([&*passphrase, "--import"]);
        import.arg("-");
        run(import, &secret).expect(0);
        for sealed in [&before, &after] {
            let text = String::from_utf8(sealed.clone()).unwrap();
            let (from, to) = (text.find("-----BEGIN PGP").unwrap(), text.find("-----END PGP MESSAGE-----").unwrap());
            let armor = format!("{}-----END PGP MESSAGE-----\n", text[from..to].replace('\r', ""));
            let opened = run(gpg.command([&*passphrase, "--decrypt"]), armor.as_bytes());
            assert!(opened.clone().expect(0).text().contains("hello"), "{opened:?}");
        }
        let sealed = run(gpg.command(["--armor", "--recipient", "kim@example.test", "--encrypt"]), b"of gpg").expect(0);
        let message = format!(
            "From: x@example.test\r\nTo: kim@example.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/encrypted; \
             protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n--b\r\nContent-Type: \
             application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: \
             application/octet-stream\r\n\r\n{}\r\n--b--\r\n",
            sealed.text().replace('\n', "\r\n")
        );
        home.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(message).run().expect(0);
    }
}

#[test]
fn a_revoked_key_signs_no_more_and_gpg_sees_why() {
    for (reason, code) in [("compromised", "02"), ("superseded", "01"), ("retired", "03"), ("unspecified", "00")] {
        let home = kim("2026-01-01T00:00:00Z");
        let before = seal(&home).expect(0).stdout;
        let revoke = ["key", "revoke", "kim@example.test", "--reason", reason, "--text", "lost in Kiel"];
        let revoked = home.sealpost(revoke).run().expect(0);
        assert!(revoked.words().contains("hint: sealpost cert export"), "{revoked:?}");
        seal(&home).expect(67);
        let other = Home::new();
        other.file("kim.asc", export(&home));
        other.sealpost(["cert", "import", "kim.asc"]).run().expect(0);
        let message = "From: lee@example.test\nTo: kim@example.test\n\nhello\n";
        let refused = other
            .sealpost(["seal", "--no-sign", "--json", "--output", "sealed"])
            .stdin(message)
            .run()
            .expect(67)
            .error();
        assert!(refused["recipients"][0]["reason"].as_str().unwrap().contains("was revoked"), "{refused}");
        let to_lee = "From: kim@example.test\nTo: lee@example.test\n\nhello\n";
        let lee = Home::new();
        lee.sealpost(["key", "make", "lee@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
        home.file("lee.asc", lee.sealpost(["cert", "export", "lee@example.test"]).run().expect(0).stdout);
        home.sealpost(["cert", "import", "lee.asc"]).run().expect(0);
        let unsigned = home.sealpost(["seal"]).stdin(to_lee).run().expect(77);
        assert!(unsigned.words().contains("was revoked"), "{unsigned:?}");
        // It still opens what it got.
        home.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(before).run().expect(0);

        let gpg = Gpg::new();
        let seen = colons(&gpg, &export(&home));
        assert!(seen.iter().any(|line| line[0] == "pub" && line[1] == "r"), "{seen:?}");
        let listed = run(gpg.command(["--with-colons", "--list-sigs"]), b"").expect(0).text();
        assert!(listed.lines().any(|line| line.starts_with("rev:") && line.contains(&format!(",{code}:"))), "{listed}");
        home.sealpost(["key", "extend", "kim@example.test"]).run().expect(77);
        home.sealpost(["key", "rotate", "kim@example.test"]).run().expect(77);
        let again = home.sealpost(["key", "revoke", "kim@example.test", "--json"]).run().expect(0).json();
        assert_eq!(again["key"]["outcome"], "revoked already");
    }
}

#[test]
fn a_lost_passphrase_does_not_keep_a_key_from_being_revoked() {
    let home = kim("2026-01-01T00:00:00Z");
    std::fs::remove_file(home.path("pw")).unwrap();
    let revoke = ["key", "revoke", "kim@example.test", "--json"];
    let refused = home.sealpost(revoke.iter().chain(&["--reason", "retired"])).run().expect(66).error();
    assert_eq!(refused["hints"][0], serde_json::json!(["sealpost", "key", "revoke", "kim@example.test"]));
    assert_eq!(home.sealpost(revoke).run().expect(0).json()["key"]["outcome"], "revoked");
    let gpg = Gpg::new();
    assert!(colons(&gpg, &export(&home)).iter().any(|line| line[0] == "pub" && line[1] == "r"));
}

#[test]
fn two_rotations_at_once_lose_no_subkey() {
    let home = kim("2026-01-01T00:00:00Z");
    let rotate = || home.sealpost(["key", "rotate", "kim@example.test"]).run().expect(0);
    std::thread::scope(|scope| {
        (0..3).map(|_| scope.spawn(rotate)).collect::<Vec<_>>().into_iter().for_each(|one| drop(one.join().unwrap()))
    });
    let shown = home.sealpost(["key", "show", "kim@example.test", "--json"]).run().expect(0).json();
    assert_eq!(shown["key"]["keys"].as_array().unwrap().len(), 9, "{shown}");
    let sealed = seal(&home).expect(0).stdout;
    home.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(sealed).run().expect(0);
}

#[test]
fn a_passphrase_is_changed_for_keys_of_either_suite_and_waiting_ones() {
    let home = Home::new();
    let make = |more: &[&str]| {
        let make = ["key", "make", "kim@example.test", "--passphrase", "file:old", "--json"];
        let made = home.sealpost(make.iter().chain(more)).run().expect(0).json();
        made["key"]["fingerprint"].as_str().unwrap().to_owned()
    };
    home.file("old", "correct horse\n");
    home.file("new", "battery staple\n");
    let smime = ["--suite", "smime", "--algorithm", "p256"];
    let keys =
        [make(&[]), make(&["--profile", "rfc9580"]), make(&[&smime[..], &["--self-signed"]].concat()), make(&smime)];
    let change =
        |key: &str, more: &[&str]| home.sealpost(["key", "change-passphrase", key, "--json"].iter().chain(more)).run();
    let export = |key: &str| home.sealpost(["key", "export", key]).run().expect(0).stdout;
    for key in &keys {
        let before = export(key);
        change(key, &["--passphrase", "file:old"]).expect(64);
        change(key, &["--passphrase", "file:old", "--to-passphrase", "hunter2"]).expect(64);
        change(key, &["--passphrase", "file:old", "--to-passphrase", "file:missing"]).expect(66);
        change(key, &["--passphrase", "file:new", "--new-passphrase", "file:other"]).expect(77);
        assert!(!home.path("other").exists(), "it must open first");
        change(key, &["--passphrase", "file:old", "--new-passphrase", "file:old"]).expect(73);
        assert_eq!(export(key), before);
        let changed = change(key, &["--passphrase", "file:old", "--to-passphrase", "file:new"]).expect(0).json();
        assert_eq!(changed["key"]["outcome"], "locked anew");
        assert_eq!(changed["key"]["fingerprint"], **key);
        change(key, &["--passphrase", "file:old", "--to-passphrase", "file:new"]).expect(77);
        let random = format!("file:{key}");
        change(key, &["--passphrase", "file:new", "--new-passphrase", &random]).expect(0);
        change(key, &["--passphrase", &random, "--to-passphrase", "file:new"]).expect(0);
    }
    let gpg = Gpg::new();
    let mut import = gpg.command(["--passphrase", "battery staple", "--import"]);
    import.arg("-");
    run(import, &export(&keys[0])).expect(0);
    home.file("own.pem", export(&keys[2]));
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["pkey", "-noout", "-passin", "file:new", "-in", "own.pem"]).current_dir(home.path(""));
    run(openssl, b"").expect(0);
}

#[test]
fn a_directory_for_the_web_has_both_layouts_and_is_open_to_all() {
    use std::os::unix::fs::PermissionsExt;
    let home = kim("2026-01-01T00:00:00Z");
    let publish = || home.sealpost(["key", "publish", "Kim@example.test", "--wkd", "web", "--json"]).run();
    let published = publish().expect(0).json();
    let files = &published["published"][0]["files"];
    let gpg = Gpg::new();
    gpg.import(&export(&home)).expect(0);
    let hashes = run(gpg.command(["--with-wkd-hash", "--list-keys"]), b"").expect(0).text();
    let name = hashes.lines().map(str::trim).find_map(|line| line.strip_suffix("@example.test")).unwrap();
    assert_eq!(files[0], format!("web/.well-known/openpgpkey/example.test/hu/{name}"));
    assert_eq!(files[1], format!("web/.well-known/openpgpkey/hu/{name}"));
    let url = &published["published"][0]["urls"][0];
    assert_eq!(*url, format!("https://openpgpkey.example.test/.well-known/openpgpkey/example.test/hu/{name}?l=Kim"));
    let mode = |path: &str| std::fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
    for file in ["example.test/policy", "policy", &format!("hu/{name}"), &format!("example.test/hu/{name}")] {
        assert_eq!(mode(&format!("web/.well-known/openpgpkey/{file}")), 0o644, "{file}");
    }
    assert_eq!(mode("web/.well-known/openpgpkey/example.test/hu"), 0o755);
    let other = Gpg::new();
    let taken = std::fs::read(home.path(files[0].as_str().unwrap())).unwrap();
    assert!(colons(&other, &taken).iter().any(|line| line[0] == "uid" && line[9] == "Kim <kim@example.test>"));

    // A change is given out by the next run; somebody else's certificate is not overwritten.
    home.sealpost(["key", "rotate", "kim@example.test"]).run().expect(0);
    publish().expect(0);
    let taken = std::fs::read(home.path(files[1].as_str().unwrap())).unwrap();
    assert_eq!(colons(&other, &taken).iter().filter(|line| line[0] == "sub").count(), 4);
    let stranger = kim("2026-01-01T00:00:00Z");
    std::fs::write(home.path(files[1].as_str().unwrap()), export(&stranger)).unwrap();
    let refused = publish().expect(73).error();
    assert_eq!(refused["hints"][0], serde_json::json!(["rm", files[1]]));
}

#[test]
fn only_the_address_that_is_looked_up_is_given_out() {
    let gpg = Gpg::new();
    gpg.make_key("kim@example.test", "default");
    for more in ["<kim@other.test>", "Kim at home <kim.private@example.test>"] {
        run(gpg.command(["--passphrase", "", "--quick-add-uid", "kim@example.test", more]), b"").expect(0);
    }
    let home = Home::new();
    home.file("pw", "specimen\n");
    let secret = gpg.export_secret("kim@example.test");
    let imported = home.sealpost(["key", "import", "-", "--passphrase", "file:pw", "--json"]).stdin(secret).run();
    let fingerprint = imported.expect(0).json()["keys"][0]["fingerprint"].as_str().unwrap().to_owned();
    let publish = |name: &str| home.sealpost(["key", "publish", name, "--wkd", "web", "--json"]).run().expect(0).json();
    let one = publish("kim@other.test");
    let bytes = std::fs::read(home.path(one["published"][0]["files"][0].as_str().unwrap())).unwrap();
    let uids: Vec<_> = colons(&Gpg::new(), &bytes).into_iter().filter(|line| line[0] == "uid").collect();
    assert!(uids.len() == 1 && uids[0][9].contains("kim@other.test"), "{uids:?}");
    assert_eq!(publish(&fingerprint)["published"].as_array().unwrap().len(), 3);
}
