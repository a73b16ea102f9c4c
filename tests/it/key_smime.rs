//! `sealpost key` for S/MIME: made with a request or a certificate of its own, imported, refused.

use std::{collections::BTreeSet, process::Command};

use crate::support::{Authority, Home, package, people::specimen, run};

/// Runs `openssl` in the folder of a home.
fn openssl(home: &Home, arguments: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(arguments.split_whitespace()).current_dir(home.path(""));
    run(command, b"").expect(0).text()
}

/// An authority of `openssl`'s own, `ca.pem` and `ca.key`, and extensions for Kim.
fn authority(home: &Home) {
    openssl(home, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=root -days 30");
    home.file("ext", "subjectAltName=email:kim@example.test\nextendedKeyUsage=emailProtection\n");
}

#[test]
fn a_key_is_requested_answered_and_used() {
    let home = Home::new();
    authority(&home);
    let make = ["key", "make", "Kim <kim@example.test>", "--suite", "smime", "--algorithm", "p256"];
    let lock = ["--new-passphrase", "file:pw"];
    let made = home.sealpost(make.iter().chain(&lock)).run().expect(0);
    assert!(made.text().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
    assert!(made.words().contains("waits for its certificate") && made.words().contains("hint: sealpost key import"));
    home.file("kim.csr", made.stdout);

    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    let waiting = &listed["keys"][0];
    assert_eq!(waiting["suite"], "smime");
    assert_eq!(waiting["waiting"], true);
    assert_eq!(waiting["addresses"][0], "kim@example.test");
    assert_eq!(waiting["algorithm"], "EC P-256");
    let shown = home.sealpost(["key", "show", "kim@example.test", "--json"]).run().expect(0).json();
    assert!(shown["request"].as_str().unwrap().contains("CERTIFICATE REQUEST"));
    let exported = home.sealpost(["key", "export", waiting["fingerprint"].as_str().unwrap()]).run().expect(0).text();
    assert!(exported.contains("BEGIN ENCRYPTED PRIVATE KEY") && exported.contains("CERTIFICATE REQUEST"));

    openssl(&home, "x509 -req -in kim.csr -CA ca.pem -CAkey ca.key -days 30 -extfile ext -out kim.pem");
    home.sealpost(["key", "import", "ca.pem"]).run().expect(65);
    let joined = home.sealpost(["key", "import", "kim.pem", "--json"]).run().expect(0).json();
    assert_eq!(joined["keys"][0]["outcome"], "joined");
    assert_eq!(joined["keys"][0]["addresses"][0], "kim@example.test");
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    assert!(listed["keys"][0]["waiting"].is_null());
    let again = home.sealpost(["key", "import", "kim.pem", "--json"]).run().expect(65);
    assert_eq!(again.error()["hints"][0][1], "cert");
    home.sealpost(["cert", "show", "kim@example.test"]).run().expect(0);
    home.file("own.pem", home.sealpost(["key", "export", "kim@example.test"]).run().expect(0).stdout);
    let public = openssl(&home, "pkey -in own.pem -passin file:pw -pubout");
    assert_eq!(public, openssl(&home, "x509 -in kim.pem -noout -pubkey"));
}

#[test]
fn a_key_with_two_certificates_has_one_passphrase() {
    let home = Home::new();
    authority(&home);
    let make = ["key", "make", "kim@example.test", "--suite", "smime", "--algorithm", "p256", "--request", "kim.csr"];
    home.sealpost(make.iter().chain(&["--new-passphrase", "file:pw"])).run().expect(0);
    for days in [30, 60] {
        let sign = format!("x509 -req -in kim.csr -CA ca.pem -CAkey ca.key -days {days} -extfile ext -out {days}.pem");
        openssl(&home, &sign);
        home.sealpost(["key", "import", &format!("{days}.pem")]).run().expect(0);
    }
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    let [one, other] = [0, 1].map(|at: usize| listed["keys"][at]["fingerprint"].as_str().unwrap().to_owned());
    let change = |name: &str, from: &str, to: &str| {
        let change = ["key", "change-passphrase", name, "--passphrase", from, "--new-passphrase", to];
        home.sealpost(change).run()
    };
    change(&one, "file:pw", "file:second").expect(0);
    change(&other, "file:pw", "file:third").expect(77);
    change(&other, "file:second", "file:third").expect(0);
}

#[test]
fn a_waiting_key_takes_a_certificate_that_is_imported_as_such_if_it_has_a_chain() {
    let home = Home::new();
    authority(&home);
    let make = ["key", "make", "kim@example.test", "--suite", "smime", "--algorithm", "p256", "--request", "kim.csr"];
    home.sealpost(make.iter().chain(&["--new-passphrase", "file:pw"])).run().expect(0);
    openssl(&home, "x509 -req -in kim.csr -CA ca.pem -CAkey ca.key -days 30 -extfile ext -out kim.pem");
    // Anybody can have another's public key certified.
    let stranger = home.sealpost(["cert", "import", "kim.pem"]).run().expect(0).words();
    assert!(
        stranger.contains("nothing vouches") && stranger.contains("hint: sealpost key import kim.pem"),
        "{stranger}"
    );
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!(listed["keys"][0]["waiting"], true);
    let anchor = format!("[smime]\ntrust_anchors = [\"{}\"]\n", home.path("ca.pem").display());
    std::fs::write(home.state().join("config.toml"), anchor).unwrap();
    let taken = home.sealpost(["cert", "import", "kim.pem"]).run().expect(0);
    assert!(taken.words().contains("can be used with it now"), "{taken:?}");
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    assert!(listed["keys"][0]["waiting"].is_null());
}

#[test]
fn a_request_goes_to_a_file_or_into_the_json_and_never_over_another() {
    let home = Home::new();
    let make = |more: &[&str]| {
        let make = ["key", "make", "kim@example.test", "--suite", "smime", "--algorithm", "p384"];
        home.sealpost(make.iter().chain(more)).run()
    };
    let made = make(&["--new-passphrase", "file:one", "--request", "kim.csr", "--json"]).expect(0).json();
    assert_eq!(made["request_file"], "kim.csr");
    assert!(openssl(&home, "req -in kim.csr -noout -verify -text").contains("email:kim@example.test"));
    make(&["--new-passphrase", "file:two", "--request", "kim.csr"]).expect(73);
    assert!(!home.path("two").exists(), "refused before a passphrase is put anywhere");
    let made = make(&["--new-passphrase", "file:two", "--json"]).expect(0).json();
    assert!(made["request"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST"));
    assert_eq!(made["key"]["waiting"], true);
    home.sealpost(["key", "show", "kim@example.test"]).run().expect(64);

    for wrong in [
        &["--profile", "rfc4880", "--new-passphrase", "file:x"][..],
        &["--self-signed", "--request", "x.csr", "--new-passphrase", "file:x"],
        &[],
    ] {
        make(wrong).expect(64);
    }
    let openpgp = ["key", "make", "kim@example.test", "--new-passphrase", "file:x"];
    for wrong in [&["--algorithm", "p256"][..], &["--self-signed"], &["--request", "x.csr"]] {
        home.sealpost(openpgp.iter().chain(wrong)).run().expect(64);
    }
    assert!(!home.path("x").exists());
}

#[test]
fn a_certificate_of_its_own_is_trusted_only_where_it_is_pinned() {
    let home = Home::new();
    let make = ["key", "make", "kim@example.test", "--suite", "smime", "--self-signed", "--new-passphrase", "file:pw"];
    let made = home.sealpost(make.iter().chain(&["--json"])).run().expect(0).json();
    let fingerprint = made["key"]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(made["key"]["algorithm"], "RSA 3072");
    let show = || home.sealpost(["cert", "show", &fingerprint, "--json"]).run().expect(0).json();
    assert_eq!(show()["certificate"]["usable"], false);
    let pinned = format!("[recipient.\"kim@example.test\"]\npin = [\"{fingerprint}\"]\n");
    std::fs::write(home.state().join("recipients.toml"), pinned).unwrap();
    assert_eq!(show()["certificate"]["usable"], true);
    assert_eq!(show()["certificate"]["trust"], "pinned");
    let message = "From: kim@example.test\nTo: kim@example.test\nSubject: s\n\nhello\n";
    let sealed = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(0).stdout;
    let opened = home.sealpost(["open", "-", "--json", "--passphrase", "file:pw"]).stdin(sealed).run().expect(0).json();
    assert_eq!(opened["signature"]["state"], "good", "{opened}");
}

#[test]
fn each_reason_not_to_import_has_its_own_exit() {
    let authority = Authority::new();
    let (kim, lee) = (authority.mailbox("kim@example.test"), authority.mailbox("lee@example.test"));
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("wrong", "wrong\n");
    home.file("kim.p12", kim.p12("specimen"));
    let import = |more: &[&str]| home.sealpost(["key", "import"].iter().chain(more).chain(&["--json"])).run();
    let locked = import(&["kim.p12"]).expect(77).error();
    assert_eq!(locked["hints"][0][4], "--passphrase", "{locked}");
    let wrong = import(&["kim.p12", "--passphrase", "file:wrong", "--new-passphrase", "file:new"]).expect(77).error();
    assert!(wrong["text"].as_str().unwrap().contains("wrong passphrase for the PKCS#12 file"), "{wrong}");
    assert!(!home.path("new").exists());

    // a cipher that nobody here reads, by name
    home.file("kim.key", kim.key_pem());
    openssl(&home, "pkcs8 -topk8 -in kim.key -v2 aria-256-cbc -passout file:pw -out aria.pem");
    let unread = import(&["aria.pem", "--passphrase", "file:pw"]).expect(65).error();
    assert!(unread["text"].as_str().unwrap().contains("aria-256-cbc"), "{unread}");
    assert!(!unread["hints"][0].is_null());

    // a key without its certificate; with that of somebody else; with its own, that came before
    home.file("other.pem", [kim.key_pem(), lee.pem()].concat());
    for file in ["kim.key", "other.pem"] {
        let alone = import(&[file, "--passphrase", "file:pw", "--new-passphrase", "file:new"]).expect(65).error();
        assert!(alone["text"].as_str().unwrap().contains("fits the key"), "{alone}");
    }
    assert!(!home.path("new").exists());
    home.file("kim.crt", kim.certificate_pem());
    home.sealpost(["cert", "import", "kim.crt"]).run().expect(0);
    let taken = import(&["kim.key", "--new-passphrase", "file:new"]).expect(0).json();
    assert_eq!(taken["keys"][0]["fingerprint"], kim.fingerprint());
    assert_eq!(taken["keys"][0]["suite"], "smime");
    import(&["kim.p12", "--passphrase", "file:pw"]).expect(73);

    home.file("empty.p12", lee.p12(""));
    home.file("none", "");
    import(&["empty.p12", "--passphrase", "file:none"]).expect(78);
    import(&["empty.p12", "--passphrase", "file:none", "--new-passphrase", "file:lee"]).expect(0);
    import(&["missing.p12"]).expect(66);
    // two keys in one file, each with its certificate
    let both = Home::new();
    both.file("pw", "specimen\n");
    both.file("both.pem", [lee.pem(), kim.key_pem(), kim.pem(), lee.key_pem()].concat());
    let two = both.sealpost(["key", "import", "both.pem", "--passphrase", "file:pw", "--json"]).run().expect(0).json();
    let named: Vec<_> = two["keys"].as_array().unwrap().iter().map(|key| key["addresses"][0].clone()).collect();
    assert_eq!(named, ["kim@example.test", "lee@example.test"]);
    // one of them is stored already: the other one is taken
    home.sealpost(["cert", "remove", &lee.fingerprint()]).run().expect(0);
    std::fs::remove_dir_all(home.state().join("keys")).unwrap();
    import(&["kim.p12", "--passphrase", "file:pw"]).expect(0);
    home.file("both.pem", [lee.pem(), kim.key_pem(), kim.pem(), lee.key_pem()].concat());
    let two = import(&["both.pem", "--passphrase", "file:pw"]).expect(0).json();
    let of = |key: &serde_json::Value| (key["addresses"][0].clone(), key["outcome"].clone());
    let kept: Vec<_> = two["keys"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(kept, [("kim@example.test".into(), "unchanged".into()), ("lee@example.test".into(), "imported".into())]);
    import(&["both.pem", "--passphrase", "file:pw"]).expect(73);
}

#[test]
fn a_key_file_that_others_can_read_is_refused_and_an_authoritys_answer_is_not() {
    use std::os::unix::fs::PermissionsExt;
    let authority = Authority::new();
    let kim = authority.mailbox("kim@example.test");
    let home = Home::new();
    home.file("pw", "specimen\n");
    for (name, bytes) in [("kim.p12", kim.p12("specimen")), ("alice.key", specimen("alice.key"))] {
        let path = home.file(name, bytes);
        let import = || home.sealpost(["key", "import", name, "--passphrase", "file:pw", "--json"]).run();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = import().expect(77).error();
        assert_eq!(error["hints"][0], serde_json::json!(["chmod", "600", name]), "{error}");
        assert!(!home.state().join("keys").exists());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        import().expect(0);
        let again = import().expect(73).error();
        assert_eq!(again["hints"][0][2], "show", "{again}");
        std::fs::remove_dir_all(home.state().join("keys")).unwrap();
    }
    let make =
        ["key", "make", "lee@example.test", "--suite", "smime", "--algorithm", "p256", "--passphrase", "file:pw"];
    let made = home.sealpost(make).run().expect(0);
    let answer = home.file("lee.pem", authority.answer(&made.stdout));
    std::fs::set_permissions(&answer, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.sealpost(["key", "import", "lee.pem"]).run().expect(0);
    // A certificate where a key is due.
    home.file("bob.asc", specimen("bob.asc"));
    let error = home.sealpost(["key", "import", "bob.asc", "--json"]).run().expect(65).error();
    assert_eq!(error["hints"][0], serde_json::json!(["sealpost", "cert", "import", "bob.asc"]), "{error}");
}

#[test]
fn where_an_address_has_several_the_hints_name_each() {
    let home = crate::support::people::alice_of_both();
    for noun in ["key", "cert"] {
        let error = home.sealpost([noun, "show", "alice@example.test", "--json"]).run().expect(64).error();
        let hints = error["hints"].as_array().unwrap();
        assert_eq!(hints.len(), 2, "{error}");
        for hint in hints {
            home.sealpost(hint.as_array().unwrap()[1..].iter().map(|word| word.as_str().unwrap())).run().expect(0);
        }
    }
}

#[test]
fn a_file_with_a_key_for_signing_and_one_for_encryption_gives_both() {
    let home = Home::new();
    let vectors = package().join("tests/vectors/smime/rfc9216");
    for name in ["alice", "carlos"] {
        let text = std::fs::read_to_string(vectors.join(format!("{name}.p12.pem"))).unwrap();
        let lines: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        home.file(&format!("{name}.p12"), openssl::base64::decode_block(&lines).unwrap());
        home.file(&format!("{name}.pw"), format!("{name}\n"));
    }
    let anchors = ["ca.rsa.crt", "ca.25519.crt"].map(|name| std::fs::read_to_string(vectors.join(name)).unwrap());
    let anchors = home.file("ca.pem", anchors.concat());
    let config = format!("[smime]\ntrust_anchors = [\"{}\"]\n", anchors.display());
    std::fs::write(home.state().join("config.toml"), config).unwrap();
    let imported = home.sealpost(["key", "import", "carlos.p12", "--passphrase", "file:carlos.pw", "--json"]);
    let imported = imported.run().expect(0).json();
    let algorithms: BTreeSet<_> =
        imported["keys"].as_array().unwrap().iter().map(|key| key["algorithm"].as_str().unwrap()).collect();
    assert_eq!(algorithms, BTreeSet::from(["Ed25519", "X25519"]));

    // From the file and from the store, Alice and Carlos sign with one key and read with the other.
    let message = "From: alice@smime.example\nTo: carlos@smime.example\nSubject: lunch\n\nLet's eat\n";
    let sign = ["seal", "-t", "carlos@smime.example", "--key", "alice.p12", "--passphrase", "file:alice.pw"];
    home.file("out.eml", home.sealpost(sign).stdin(message).run().expect(0).stdout);
    let file = ["--key", "carlos.p12", "--trust-anchor", "ca.pem"];
    for given in [&file[..], &[]] {
        let open = ["open", "--json", "--passphrase", "file:carlos.pw", "out.eml"];
        let opened = home.sealpost(open.iter().chain(given)).run().expect(0).json();
        assert_eq!(opened["signature"]["state"], "good", "{opened}");
    }
    let answer = "From: carlos@smime.example\nTo: carlos@smime.example\nSubject: lunch\n\nYes\n";
    let sign = ["seal", "-t", "carlos@smime.example", "--passphrase", "file:carlos.pw"];
    home.sealpost(sign).stdin(answer).run().expect(0);
}
