//! `sealpost cert import --from-mail`: what an Autocrypt header brings is a candidate, and takes nobody's place.

use crate::support::{
    Gpg, Home, Outcome,
    people::{alice, open_as},
};

/// A key of Kim's: the Autocrypt header field, and the fingerprint.
fn kim() -> (Home, String, String) {
    let home = Home::new();
    home.sealpost(["key", "make", "kim@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
    let armored = home.sealpost(["cert", "export", "kim@example.test"]).run().expect(0).text();
    let shown = home.sealpost(["key", "show", "kim@example.test", "--json"]).run().expect(0).json();
    let fingerprint = shown["key"]["fingerprint"].as_str().unwrap().to_owned();
    (home, autocrypt(&armored), fingerprint)
}

/// The header field that says a certificate is Kim's.
fn autocrypt(armored: &str) -> String {
    let lines = armored.lines().skip_while(|line| !line.is_empty()).skip(1);
    let digits: String = lines.take_while(|line| !line.starts_with(['=', '-'])).collect();
    format!("Autocrypt: addr=kim@example.test; keydata={digits}\n")
}

fn import(home: &Home, from: &str, field: &str) -> Outcome {
    let message = format!("From: {from}\n{field}Subject: s\n\nhello\n");
    home.sealpost(["cert", "import", "--from-mail", "-", "--json"]).stdin(message).run()
}

fn plan(home: &Home) -> Outcome {
    let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
    home.sealpost(plan).run()
}

#[test]
fn it_is_a_candidate_until_it_is_verified() {
    let home = alice();
    let (_, field, fingerprint) = kim();
    let kept = import(&home, "Kim <kim@example.test>", &field).expect(0).json();
    let result = &kept["results"][0];
    assert_eq!((&result["status"], &result["source"]), (&"kept".into(), &"autocrypt".into()), "{kept}");
    assert_eq!(result["trust"], "candidate");
    assert_eq!(result["certificates"][0]["fingerprint"], fingerprint.as_str());
    assert_eq!(import(&home, "kim@example.test", &field).expect(0).json()["results"][0]["status"], "known");
    let little = plan(&home).expect(67).error();
    assert_eq!(little["hints"][0], serde_json::json!(["sealpost", "cert", "verify", fingerprint, "kim@example.test"]));
    home.sealpost(["cert", "verify", &fingerprint]).run().expect(0);
    plan(&home).expect(0);
}

#[test]
fn another_one_than_the_known_one_is_a_conflict_and_not_kept() {
    let home = alice();
    let (owner, field, fingerprint) = kim();
    let certificate = owner.sealpost(["cert", "export", "kim@example.test"]).run().expect(0).stdout;
    home.sealpost(["cert", "import", "-"]).stdin(certificate).run().expect(0);
    let (_, forged, other) = kim();
    let refused = import(&home, "kim@example.test", &forged).expect(67);
    assert_eq!(refused.json()["results"][0]["status"], "conflict");
    let reason = refused.error()["recipients"][0]["reason"].to_string();
    assert!(reason.contains(&other) && reason.contains(&fingerprint), "{reason}");
    home.sealpost(["cert", "show", &other]).run().expect(66);
    assert_eq!(plan(&home).expect(0).json()["messages"][0]["recipients"][0]["fingerprint"], fingerprint.as_str());
    // One who is known by hand is known by hand still.
    import(&home, "kim@example.test", &field).expect(0);
    assert_eq!(plan(&home).expect(0).json()["messages"][0]["recipients"][0]["trust"], "imported");
}

/// Whoever is known for one address cannot make others of it: her certificate was imported by hand, and later it, or
/// a message in Kim's name, says that she is Kim too.
#[test]
fn an_address_that_was_added_later_is_known_no_better_than_what_brought_it() {
    let gpg = Gpg::new();
    gpg.make_key("mallory@example.test", "default");
    let before = gpg.export("mallory@example.test");
    let add = ["--passphrase", "", "--quick-add-uid", "mallory@example.test", "kim@example.test"];
    assert!(gpg.command(add).status().unwrap().success());
    let field = autocrypt(&String::from_utf8(gpg.export("kim@example.test")).unwrap());
    for import_first in [true, false] {
        let home = alice();
        let by_hand = || home.sealpost(["cert", "import", "-"]).stdin(before.clone()).run().expect(0);
        if import_first {
            by_hand();
        }
        import(&home, "Kim <kim@example.test>", &field).expect(0);
        if !import_first {
            by_hand();
        }
        let refused = plan(&home).expect(67).error()["recipients"][0]["reason"].to_string();
        assert!(refused.contains("candidate"), "{refused}");
        let mallory =
            ["send", "--from", "alice@example.test", "-t", "mallory@example.test", "-n", "--json", "--host", "h"];
        let planned = home.sealpost(mallory).run().expect(0).json();
        assert_eq!(planned["messages"][0]["recipients"][0]["trust"], "imported", "{import_first}");
        let shown = home.sealpost(["cert", "show", "kim@example.test", "--json"]).run().expect(0).json();
        let trust = |address: &str| {
            let levels = shown["certificate"]["levels"].as_array().unwrap();
            levels.iter().find(|level| level["address"] == address).unwrap()["trust"].clone()
        };
        assert_eq!((trust("mallory@example.test"), trust("kim@example.test")), ("imported".into(), "candidate".into()));
    }
    // What is imported by hand under the name counts for it.
    let home = alice();
    import(&home, "Kim <kim@example.test>", &field).expect(0);
    let named = gpg.export("kim@example.test");
    home.sealpost(["cert", "import", "-"]).stdin(named).run().expect(0);
    assert_eq!(plan(&home).expect(0).json()["messages"][0]["recipients"][0]["trust"], "imported");
}

#[test]
fn what_brings_none_says_why() {
    let home = alice();
    let (_, field, _) = kim();
    for (from, field, why) in [
        ("lee@example.test", field.clone(), "not for its author"),
        ("kim@example.test", String::new(), "no Autocrypt header field"),
        ("kim@example.test", field.repeat(2), "several Autocrypt header fields"),
        ("lee@example.test", field.replace("addr=kim", "addr=lee"), "does not name lee@example.test"),
        ("kim@example.test", "Autocrypt: addr=kim@example.test; keydata=AAECAw==\n".to_owned(), "brings no OpenPGP"),
    ] {
        let error = import(&home, from, &field).expect(65).error();
        assert!(error["text"].as_str().unwrap().contains(why), "{why}: {error}");
    }
    home.sealpost(["cert", "import", "--from-mail", "nothing.eml"]).run().expect(66);
}

#[test]
fn what_a_setting_writes_is_taken_by_whoever_reads_it() {
    let home = alice();
    let config = |autocrypt| {
        let text = format!("[account.work]\nfrom = \"alice@example.test\"\nautocrypt = {autocrypt}\n");
        std::fs::write(home.state().join("config.toml"), text).unwrap();
    };
    let seal = || {
        let message = "From: alice@example.test\nTo: bob@example.test\nSubject: Secret plans\n\nhello\n";
        home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(0).text()
    };
    config(false);
    assert!(!seal().contains("Autocrypt"));
    config(true);
    let sealed = seal();
    assert!(sealed.lines().all(|line| line.len() <= 78) && !sealed.contains("Secret plans"), "{sealed}");
    let opened = open_as("bob", sealed.as_bytes(), &["--signed-by", "alice@example.test"]).expect(0).json();
    assert_eq!(opened["warnings"], serde_json::json!([]), "{opened}");
    let shown = home.sealpost(["key", "show", "alice@example.test", "--json"]).run().expect(0).json();
    let other = Home::new();
    let kept = other.sealpost(["cert", "import", "--from-mail", "-", "--json"]).stdin(sealed).run().expect(0).json();
    assert_eq!(kept["results"][0]["status"], "kept");
    assert_eq!(kept["results"][0]["certificates"][0]["fingerprint"], shown["key"]["fingerprint"]);
    other.sealpost(["cert", "show", "alice@example.test"]).run().expect(0);
}
