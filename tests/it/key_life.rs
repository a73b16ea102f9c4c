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
