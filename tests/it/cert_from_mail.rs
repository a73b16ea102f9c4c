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
pub fn autocrypt(armored: &str) -> String {
    let lines = armored.lines().skip_while(|line| !line.is_empty()).skip(1);
    let digits: String = lines.take_while(|line| !line.starts_with(['=', '-'])).collect();
    format!("Autocrypt: addr=kim@example.test; keydata={digits}\n")
}

/// A certificate as a field names it, folded so that no word is longer than what `seal` takes over as it is.
fn field(name: &str, address: &str, certificate: &[u8]) -> String {
    let text = String::from_utf8(certificate.to_vec()).unwrap();
    let body = text.split("\n\n").nth(1).unwrap();
    let digits = body.lines().take_while(|line| !line.starts_with(['=', '-'])).collect::<Vec<_>>().join("\n ");
    format!("{name}: addr={address};\n keydata=\n {digits}\n")
}

/// A home with a key for an address, its certificate, and the fingerprint.
fn person(address: &str) -> (Home, Vec<u8>, String) {
    let home = Home::new();
    home.sealpost(["key", "make", address, "--new-passphrase", "file:pw"]).run().expect(0);
    let certificate = home.sealpost(["cert", "export", address]).run().expect(0).stdout;
    let shown = home.sealpost(["key", "show", address, "--json"]).run().expect(0).json();
    let fingerprint = shown["key"]["fingerprint"].as_str().unwrap().to_owned();
    (home, certificate, fingerprint)
}

/// What Kim writes to Alice and Lee, with fields in the payload, as Alice gets it.
fn written(kim: &Home, alice: &Home, lee: &[u8], fields: &str) -> Vec<u8> {
    for certificate in [alice.sealpost(["cert", "export", "alice@example.test"]).run().expect(0).stdout, lee.to_vec()] {
        kim.sealpost(["cert", "import", "-"]).stdin(certificate).run().expect(0);
    }
    let message = format!(
        "From: kim@example.test\nTo: alice@example.test\nCc: Lee <lee@example.test>\n{fields}Subject: s\n\nhello\n"
    );
    kim.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(0).stdout
}

fn harvest(home: &Home, message: &[u8], more: &[&str]) -> Outcome {
    let harvest = ["cert", "import", "--from-mail", "-", "--json"];
    home.sealpost(harvest.iter().chain(more)).stdin(message).run()
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

/// What Kim says of Lee to Alice, whom the account of hers trusts as little as it can, and Lee's certificate.
fn gossip_of_lee(alice: &Home, kim: &Home) -> (Vec<u8>, Vec<u8>, String) {
    let config = "[account.work]\nfrom = \"alice@example.test\"\ntrust = \"keyserver\"\npassphrase = \"file:pw\"\n";
    std::fs::write(alice.state().join("config.toml"), config).unwrap();
    let (_, lee, fingerprint) = person("lee@example.test");
    (written(kim, alice, &lee, &field("Autocrypt-Gossip", "lee@example.test", &lee)), lee, fingerprint)
}

fn plan_for(home: &Home, whom: &str) -> Outcome {
    home.sealpost(["send", "--from", "alice@example.test", "-t", whom, "-n", "--json", "--host", "h"]).run()
}

#[test]
fn gossip_is_read_from_what_was_decrypted_and_is_no_knowledge() {
    let alice = alice();
    let ((kim, ..), (_, lee, fingerprint), (_, max, _)) =
        (person("kim@example.test"), person("lee@example.test"), person("max@example.test"));
    let of_lee = field("Autocrypt-Gossip", "lee@example.test", &lee);
    let fields = format!("{of_lee}{}", field("Autocrypt-Gossip", "max@example.test", &max));
    let message = written(&kim, &alice, &lee, &fields);
    assert!(!String::from_utf8_lossy(&message).contains("Gossip"));
    // Without the passphrase it stays closed, and nobody is asked.
    let closed = harvest(&alice, &message, &[]).expect(77).error();
    assert!(closed["text"].as_str().unwrap().contains("is locked, and no passphrase is given"), "{closed}");
    let kept = harvest(&alice, &message, &["--passphrase", "file:pw"]).expect(0).json();
    let result = &kept["results"][0];
    assert_eq!(kept["results"].as_array().unwrap().len(), 1, "Max does not get the message: {kept}");
    assert_eq!((&result["address"], &result["status"]), (&"lee@example.test".into(), &"kept".into()), "{kept}");
    assert_eq!((&result["source"], &result["trust"]), (&"gossip".into(), &"gossip".into()));
    assert_eq!(result["certificates"][0]["fingerprint"], fingerprint.as_str());
    // It comes with the author's own.
    let author = String::from_utf8(message.clone()).unwrap();
    let (_, certificate, _) = person("kim@example.test");
    let both = field("Autocrypt", "kim@example.test", &certificate) + &author;
    let both = harvest(&alice, both.as_bytes(), &["--passphrase", "file:pw"]).expect(0).json();
    let sources: Vec<_> = both["results"].as_array().unwrap().iter().map(|one| one["source"].clone()).collect();
    assert_eq!(sources, ["autocrypt", "gossip"], "{both}");
    assert_eq!(both["results"][1]["status"], "kept", "what is not known is not known the second time");
}

#[test]
fn gossip_counts_for_nobody_until_it_is_verified() {
    let (alice, (kim, ..)) = (alice(), person("kim@example.test"));
    let (message, lee, fingerprint) = gossip_of_lee(&alice, &kim);
    harvest(&alice, &message, &[]).expect(0);
    // No setting makes it count, and no name means it.
    assert!(plan_for(&alice, "lee@example.test").expect(67).words().contains("no certificate"));
    let unknown = alice.sealpost(["cert", "show", "lee@example.test", "--json"]).run().expect(66).error();
    assert_eq!(unknown["hints"][0], serde_json::json!(["sealpost", "cert", "show", fingerprint]), "{unknown}");
    alice.sealpost(["cert", "export", "lee@example.test"]).run().expect(66);
    let listed = alice.sealpost(["cert", "list"]).run().expect(0).text();
    assert!(listed.contains(&format!("{fingerprint}  lee@example.test (gossip)")), "{listed}");
    let shown = alice.sealpost(["cert", "show", &fingerprint]).run().expect(0).text();
    assert!(shown.contains("known as     gossip for lee@example.test: it counts for nothing"), "{shown}");
    let checked = alice.sealpost(["cert", "check", "--json"]).run().json();
    assert!(!checked["recipients"].to_string().contains("lee@"), "{checked}");
    // Nor does it prove who wrote.
    let (lees, ..) = person("lee@example.test");
    let own = alice.sealpost(["cert", "export", "alice@example.test"]).run().expect(0).stdout;
    lees.sealpost(["cert", "import", "-"]).stdin(own).run().expect(0);
    let of_other = lees.sealpost(["cert", "export", "lee@example.test"]).run().expect(0).stdout;
    let said = field("Autocrypt-Gossip", "lee@example.test", &of_other);
    harvest(&alice, &written(&kim, &alice, &lee, &said), &[]).expect(0);
    let seal = ["seal", "--passphrase", "file:pw", "-t", "alice@example.test"];
    let signed = lees.sealpost(seal).stdin("From: lee@example.test\n\nhello\n").run().expect(0).stdout;
    let open = ["open", "--json", "-"];
    let opened = alice.sealpost(open).stdin(signed).run().expect(0).json();
    assert_eq!(opened["signature"]["state"], "unknown", "{opened}");
    assert!(opened.to_string().contains("known as gossip"), "{opened}");
    // A person makes it count, for good.
    alice.sealpost(["cert", "verify", &fingerprint]).run().expect(0);
    let planned = plan_for(&alice, "lee@example.test").expect(0).json();
    assert_eq!(planned["messages"][0]["recipients"][0]["fingerprint"], fingerprint.as_str());
    harvest(&alice, &written(&kim, &alice, &lee, &said), &[]).expect(0);
    let planned = plan_for(&alice, "lee@example.test").expect(0).json();
    assert_eq!(planned["messages"][0]["recipients"][0]["fingerprint"], fingerprint.as_str());
}

#[test]
fn gossip_stands_in_nobody_s_way() {
    let (alice, (kim, ..)) = (alice(), person("kim@example.test"));
    let (message, lee, fingerprint) = gossip_of_lee(&alice, &kim);
    harvest(&alice, &message, &[]).expect(0);
    // The owner's own word is taken, though gossip was first.
    let (_, other, own) = person("lee@example.test");
    let brought =
        format!("From: lee@example.test\n{}Subject: s\n\nhello\n", field("Autocrypt", "lee@example.test", &other));
    assert_eq!(harvest(&alice, brought.as_bytes(), &[]).expect(0).json()["results"][0]["status"], "kept");
    let recipient = || plan_for(&alice, "lee@example.test").expect(0).json()["messages"][0]["recipients"][0].clone();
    assert_eq!((&recipient()["fingerprint"], &recipient()["trust"]), (&own.as_str().into(), &"candidate".into()));
    let shown = alice.sealpost(["cert", "show", "lee@example.test", "--json"]).run().expect(0).json();
    assert_eq!(shown["certificate"]["fingerprint"], own.as_str());
    // From then on the gossip is told to be in conflict, and that is no failure.
    for _ in 0..2 {
        let again = harvest(&alice, &message, &[]).expect(0).json();
        let result = &again["results"][0];
        assert_eq!((&result["status"], &result["source"]), (&"conflict".into(), &"gossip".into()), "{again}");
        assert_eq!(result["known"][0]["fingerprint"], own.as_str(), "{again}");
    }
    let words = alice.sealpost(["cert", "import", "--from-mail", "-"]).stdin(message.clone()).run().expect(0).text();
    assert!(words.starts_with("lee@example.test: conflict, by gossip (gossip)\n"), "{words}");
    assert_eq!(recipient()["fingerprint"], own.as_str());
    // Imported by hand, the one of the gossip is known by that, from then on.
    alice.sealpost(["cert", "remove", &own]).run().expect(0);
    let before = jiff::Timestamp::now();
    alice.sealpost(["cert", "import", "-"]).stdin(lee).run().expect(0);
    assert_eq!(
        (&recipient()["fingerprint"], &recipient()["trust"]),
        (&fingerprint.as_str().into(), &"imported".into())
    );
    let conflict = harvest(&alice, brought.as_bytes(), &[]).expect(67).json();
    let since: jiff::Timestamp = conflict["results"][0]["known"][0]["since"].as_str().unwrap().parse().unwrap();
    assert!(since >= before, "the time of gossip is none");
}

#[test]
fn gossip_outside_of_what_is_encrypted_is_none() {
    let alice = alice();
    let ((kim, ..), (_, lee, _)) = (person("kim@example.test"), person("lee@example.test"));
    let gossip = field("Autocrypt-Gossip", "lee@example.test", &lee);
    let clear = format!("From: kim@example.test\nTo: lee@example.test\n{gossip}Subject: s\n\nhello\n");
    harvest(&alice, clear.as_bytes(), &["--passphrase", "file:pw"]).expect(65);
    // On the way somebody puts it in front, or names himself in To.
    let sealed = String::from_utf8(written(&kim, &alice, &lee, "")).unwrap();
    harvest(&alice, (gossip.clone() + &sealed).as_bytes(), &["--passphrase", "file:pw"]).expect(65);
    let inside = written(&kim, &alice, &lee, &field("Autocrypt-Gossip", "kim@example.test", &lee));
    harvest(&alice, &inside, &["--passphrase", "file:pw"]).expect(65);
    alice.sealpost(["cert", "import", "-", "--passphrase", "file:pw"]).run().expect(64);
}

#[test]
fn the_author_s_own_is_kept_though_the_gossip_is_not_read() {
    let alice = alice();
    let ((kim, ..), (_, lee, _)) = (person("kim@example.test"), person("lee@example.test"));
    let gossip = field("Autocrypt-Gossip", "lee@example.test", &lee);
    let (_, certificate, fingerprint) = person("kim@example.test");
    let message = written(&kim, &alice, &lee, &gossip);
    let outside = field("Autocrypt", "kim@example.test", &certificate) + &String::from_utf8(message.clone()).unwrap();
    let left = |home: &Home, more: &[&str], why: &str| {
        let kept = harvest(home, outside.as_bytes(), more).expect(0).json();
        assert_eq!(kept["results"].as_array().unwrap().len(), 1, "{kept}");
        assert_eq!(kept["results"][0]["certificates"][0]["fingerprint"], fingerprint.as_str());
        assert_eq!(kept["warnings"][0]["kind"], "gossip-unread", "{kept}");
        assert!(kept["warnings"][0]["text"].as_str().unwrap().contains(why), "{kept}");
    };
    // One who cannot open it, has not the passphrase, has a wrong one, or none where it should be.
    left(&Home::new(), &[], "no key at hand opens");
    left(&alice, &[], "is locked, and no passphrase is given");
    alice.file("wrong", "wrong\n");
    left(&alice, &["--passphrase", "file:wrong"], "passphrase");
    left(&alice, &["--passphrase", "file:nothing"], "nothing");
    let words = alice.sealpost(["cert", "import", "--from-mail", "-"]).stdin(outside.clone()).run().expect(0).words();
    assert!(words.contains("warning: what it says of its other readers was not read: key "), "{words}");
    // Where there is nothing else, that is a failure.
    harvest(&alice, &message, &["--passphrase", "file:wrong"]).expect(77);
    harvest(&alice, &message, &["--passphrase", "file:nothing"]).expect(66);
    harvest(&Home::new(), &message, &[]).expect(65);
}
