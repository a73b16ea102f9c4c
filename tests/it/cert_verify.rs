//! `sealpost cert verify` and the setting `trust`: how a certificate is known, and how it comes to be known better.

use std::{fs, os::unix::fs::symlink};

use crate::support::{
    Home, Outcome,
    people::{alice, specimen},
};

const MESSAGE: &str = "From: alice@example.test\nTo: bob@example.test\n\nx\n";

fn fingerprint(home: &Home, address: &str) -> String {
    let shown = home.sealpost(["cert", "show", address, "--json"]).run().expect(0).json();
    shown["certificate"]["fingerprint"].as_str().unwrap().to_owned()
}

fn plan(home: &Home) -> Outcome {
    home.sealpost(["seal", "-n", "--json"]).stdin(MESSAGE).run()
}

fn trust(home: &Home, word: &str) {
    let config = format!("[account.work]\nfrom = \"alice@example.test\"\ntrust = \"{word}\"\n");
    fs::write(home.state().join("config.toml"), config).unwrap();
}

#[test]
fn below_the_accounts_level_nobody_is_written_to_and_the_hint_cures_it() {
    let home = alice();
    plan(&home).expect(0);
    trust(&home, "verified");
    let refused = plan(&home).expect(78).error();
    assert!(refused["text"].as_str().unwrap().contains("candidate, imported, found or pinned"), "{refused}");
    for word in ["candidate", "imported"] {
        trust(&home, word);
        plan(&home).expect(0);
    }
    for word in ["found", "pinned"] {
        trust(&home, word);
        let error = plan(&home).expect(67).error();
        let reason = error["recipients"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("known as imported only") && reason.contains(word), "{error}");
    }
    let checked = home.sealpost(["cert", "check", "bob@example.test", "--json"]).run().expect(67);
    assert_eq!(checked.json()["recipients"][0]["state"], "untrusted");
    let error = plan(&home).expect(67).error();
    assert_eq!(checked.error()["hints"][0], error["hints"][0]);
    // Nobody is to verify what nobody compared.
    for error in [&error, &checked.error()] {
        let reason = error["recipients"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("compare its fingerprint with its owner first"), "{error}");
    }
    let hint: Vec<_> = error["hints"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    home.sealpost(&hint[1..]).run().expect(0);
    assert_eq!(plan(&home).expect(0).json()["messages"][0]["recipients"][0]["trust"], "pinned");
    home.sealpost(["cert", "check", "bob@example.test"]).run().expect(0);
}

#[test]
fn it_pins_and_keeps_comments_order_and_links() {
    let home = alice();
    let bob = fingerprint(&home, "bob@example.test");
    let path = home.state().join("recipients.toml");
    let real = home.root().join("home/in-git.toml");
    let before = "# kept in git\n[group.ops]\nmembers = [\"bob@example.test\"] # nights\n\n\
                  [recipient.\"BOB@example.test\"] # met\nnote = 'x'\n";
    fs::write(&real, before).unwrap();
    symlink("../home/in-git.toml", &path).unwrap();
    let verified = home.sealpost(["cert", "verify", &bob.to_lowercase(), "--json"]).run().expect(0).json();
    assert_eq!((&verified["version"], &verified["outcome"]), (&1.into(), &"pinned".into()));
    assert_eq!((&verified["address"], &verified["replaced"]), (&"bob@example.test".into(), &serde_json::json!([])));
    assert_eq!(verified["certificate"]["fingerprint"], *bob);
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), format!("{before}pin = [\"{bob}\"]\n"));
    assert_eq!(fs::read_dir(home.root().join("home")).unwrap().count(), 1, "nothing else is left there");
    let again = home.sealpost(["cert", "verify", &bob]).run().expect(0);
    assert!(again.words().contains("already"), "{again:?}");
}

#[test]
fn nothing_but_a_stored_certificate_by_its_full_fingerprint_and_for_its_address() {
    let home = alice();
    let bob = fingerprint(&home, "bob@example.test");
    let path = home.state().join("recipients.toml");
    let verify = |more: &[&str]| home.sealpost(["cert", "verify"].iter().chain(more)).run();
    verify(&[&bob[24..]]).expect(64);
    verify(&["bob@example.test"]).expect(64);
    verify(&[&"AB".repeat(20)]).expect(66);
    verify(&[&bob, "carol@example.test"]).expect(64);
    verify(&[&bob, "@example.test"]).expect(64);
    assert!(!path.exists());
    fs::write(&path, "[recipient.\"bob@example.test\"]\npins = []\n").unwrap();
    verify(&[&bob]).expect(78);
    assert!(fs::read_to_string(&path).unwrap().contains("pins = []"), "what cannot be read is left as it is");
}

#[test]
fn another_one_that_is_pinned_gives_way_only_when_told() {
    let home = alice();
    let bob = fingerprint(&home, "bob@example.test");
    let other = Home::new();
    other.sealpost(["key", "make", "bob@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
    let other = other.sealpost(["cert", "export", "bob@example.test"]).run().expect(0).stdout;
    let imported = home.sealpost(["cert", "import", "-", "--json"]).stdin(other).run().expect(0).json();
    let other = imported["certificates"][0]["fingerprint"].as_str().unwrap().to_owned();
    let path = home.state().join("recipients.toml");
    home.sealpost(["cert", "verify", &bob]).run().expect(0);
    for text in [
        fs::read_to_string(&path).unwrap(),
        format!("[recipient.\"@example.test\"]\npin = \"{bob}\" # the gateway's\n"),
        format!("[recipient.\"bob@example.test\"]\npin = [\"{}\", \"{bob}\"]\n", "CD".repeat(20)),
    ] {
        fs::write(&path, &text).unwrap();
        let refused = home.sealpost(["cert", "verify", &other, "--json"]).run().expect(67);
        let error = refused.error();
        let reason = error["recipients"][0]["reason"].as_str().unwrap();
        assert!(reason.contains(&bob) && reason.contains(&other), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing was changed");
        let hint: Vec<_> = error["hints"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let replaced = home.sealpost(&hint[1..]).run().expect(0);
        assert!(replaced.words().contains(&format!("takes the place of {bob}")), "{replaced:?}");
        assert_eq!(plan(&home).expect(0).json()["messages"][0]["recipients"][0]["fingerprint"], *other);
        if text.contains("@example.test\"]") && text.contains("gateway") {
            assert!(fs::read_to_string(&path).unwrap().starts_with(&text), "the domain's pin stays for the others");
        }
    }
}

#[test]
fn a_certificate_of_the_other_suite_stands_beside_it_and_none_is_lost_when_many_pin_at_once() {
    let home = alice();
    home.sealpost(["cert", "import", "-"]).stdin(specimen("bob.pem")).run().expect(0);
    let all = home.sealpost(["cert", "list", "--json"]).run().expect(0).json();
    let of_bob: Vec<String> = all["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| ["bob@example.test", "carol@example.test"].iter().any(|who| one["addresses"][0] == *who))
        .map(|one| one["fingerprint"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of_bob.len(), 3, "Bob's two and Carol's");
    std::thread::scope(|scope| {
        for one in &of_bob {
            scope.spawn(|| home.sealpost(["cert", "verify", one]).run().expect(0));
        }
    });
    let text = fs::read_to_string(home.state().join("recipients.toml")).unwrap();
    assert!(of_bob.iter().all(|one| text.contains(one)), "{text}");
    home.sealpost(["cert", "check"]).run().expect(0);
}
