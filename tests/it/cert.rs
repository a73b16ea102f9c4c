//! `sealpost cert`: certificates of others.

use crate::support::{
    Gpg, Home, days_from_now,
    people::{alice, alice_of_both, specimen},
    run,
};

#[test]
fn imported_listed_shown_exported_removed() {
    let home = Home::new();
    let import = || home.sealpost(["cert", "import", "-", "--json"]).stdin(specimen("bob.asc")).run().expect(0).json();
    assert_eq!(import()["certificates"][0]["outcome"], "new");
    assert_eq!(import()["certificates"][0]["outcome"], "unchanged");
    let listed = home.sealpost(["cert", "list", "--json"]).run().expect(0).json();
    assert_eq!(listed["certificates"][0]["addresses"][0], "bob@example.test");
    let shown = home.sealpost(["cert", "show", "BOB@example.test"]).run().expect(0).text();
    assert!(shown.contains("usable       yes"), "{shown}");
    let exported = home.sealpost(["cert", "export", "bob@example.test"]).run().expect(0).stdout;
    let gpg = Gpg::new();
    gpg.import(&exported).expect(0);
    home.sealpost(["cert", "remove", "bob@example.test"]).run().expect(0);
    home.sealpost(["cert", "remove", "bob@example.test"]).run().expect(66);
    home.sealpost(["cert", "show", "1234"]).run().expect(64);
    home.sealpost(["cert", "import", "none.asc"]).run().expect(66);
    home.sealpost(["cert", "import", "-"]).stdin("rubbish").run().expect(65);
}

#[test]
fn levels_are_of_a_certificate_and_an_address() {
    let home = alice_of_both();
    let show =
        |name: &str| home.sealpost(["cert", "show", name, "--json"]).run().expect(0).json()["certificate"].clone();
    let level = |name: &str, address: &str| {
        let shown = show(name);
        let levels = shown["levels"].as_array().unwrap();
        levels.iter().find(|level| level["address"] == address).cloned().unwrap_or_default()
    };
    for who in ["carol@example.test", "dave@example.test"] {
        let imported = serde_json::json!({ "address": who, "trust": "imported", "sources": ["import"] });
        assert_eq!(level(who, who), imported);
    }
    let (carol, dave) = (show("carol@example.test"), show("dave@example.test"));
    let (carol, dave) = (carol["fingerprint"].as_str().unwrap(), dave["fingerprint"].as_str().unwrap());
    // Pinned for her address, for one that it does not name, for a domain; and another one than Dave's for his.
    let pins = format!(
        "[recipient.\"carol@example.test\"]\npin = [\"{carol}\"]\n[recipient.\"gate@example.test\"]\npin = [\"{carol}\"]\n\
         [recipient.\"@partner.example\"]\npin = [\"{carol}\"]\n[recipient.\"dave@example.test\"]\npin = [\"{carol}\"]\n"
    );
    std::fs::write(home.state().join("recipients.toml"), pins).unwrap();
    for address in ["carol@example.test", "gate@example.test", "@partner.example", "dave@example.test"] {
        assert_eq!(level(carol, address)["trust"], "pinned", "{address}");
    }
    assert_eq!(level(carol, "carol@example.test")["sources"], serde_json::json!(["import"]));
    assert_eq!(level(carol, "gate@example.test")["sources"], serde_json::json!([]));
    let of_dave = level(dave, "dave@example.test");
    assert_eq!((&of_dave["trust"], &of_dave["other_pinned"]), (&"imported".into(), &true.into()));
    let words = home.sealpost(["cert", "show", dave]).run().expect(0).text();
    assert!(words.contains("known as     imported for dave@example.test, by hand; another one is pinned"), "{words}");
    let lines = home.sealpost(["cert", "list"]).run().expect(0).text();
    assert!(lines.contains("carol@example.test (pinned), @partner.example (pinned)"), "{lines}");
    assert!(lines.contains("dave@example.test (imported, another one is pinned)"), "{lines}");
    // Where nobody can tell where it came from, it is listed without.
    let origins = home.state().join("origins");
    std::fs::create_dir_all(&origins).unwrap();
    std::fs::write(origins.join(format!("{dave}.json")), "rubbish").unwrap();
    let listed = home.sealpost(["cert", "list"]).run().expect(0);
    assert!(listed.text().contains(&format!("{dave}  dave@example.test  usable")), "{listed:?}");
    assert!(listed.words().contains(&format!("warning: {}", origins.display())), "{listed:?}");
    let shown = home.sealpost(["cert", "show", dave]).run().expect(0);
    assert!(shown.words().contains("warning: ") && !shown.text().contains("known as"), "{shown:?}");
}

#[test]
fn a_damaged_one_is_removed_by_its_fingerprint() {
    let home = Home::new();
    for (specimen_of, folder) in [("bob.asc", "pgp.cert.d"), ("dave.pem", "x509")] {
        let import =
            home.sealpost(["cert", "import", "-", "--json"]).stdin(specimen(specimen_of)).run().expect(0).json();
        let fingerprint = import["certificates"][0]["fingerprint"].as_str().unwrap().to_owned();
        let path = match folder {
            "x509" => home.state().join(format!("x509/{fingerprint}.pem")),
            _ => {
                let name = fingerprint.to_lowercase();
                home.state().join(folder).join(&name[..2]).join(&name[2..])
            }
        };
        std::fs::write(&path, "rubbish").unwrap();
        home.sealpost(["cert", "show", &fingerprint]).run().expect(65);
        let removed = home.sealpost(["cert", "remove", &fingerprint, "--json"]).run().expect(0).json();
        assert_eq!(removed["certificate"]["fingerprint"], fingerprint.as_str());
        assert_eq!(removed["certificate"]["outcome"], "removed");
        assert!(removed["certificate"]["reason"].as_str().unwrap().contains("is damaged"), "{removed}");
        assert!(!path.exists());
        home.sealpost(["cert", "remove", &fingerprint]).run().expect(66);
        home.sealpost(["cert", "import", "-"]).stdin(specimen(specimen_of)).run().expect(0);
    }
}

#[test]
fn the_secret_half_of_a_key_is_not_kept_as_a_certificate() {
    let home = Home::new();
    home.sealpost(["cert", "import", "-"]).stdin(specimen("bob.key")).run().expect(0);
    let exported = home.sealpost(["cert", "export", "bob@example.test"]).run().expect(0).text();
    assert!(exported.contains("PUBLIC KEY BLOCK") && !exported.contains("PRIVATE"));
}

#[test]
fn refusals_say_the_reason_and_the_date() {
    let home = alice();
    let gpg = Gpg::new();
    for (address, algorithm) in [("weak@example.test", "rsa1024"), ("dsa@example.test", "dsa2048")] {
        let mut make =
            gpg.command(["--passphrase", "", "--faked-system-time", "20260101T000000!", "--quick-generate-key"]);
        make.args([address, algorithm, "default", "1y"]);
        if crate::support::run(make, b"").exit != 0 {
            continue;
        }
        home.file("x.asc", gpg.export(address));
        home.sealpost(["cert", "import", "x.asc"]).run().expect(0);
        let message = format!("From: alice@example.test\nTo: {address}\n\nx\n");
        let refused = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(67);
        assert!(refused.words().contains(address), "{refused:?}");
        assert!(refused.words().contains("weak") || refused.words().contains("cannot encrypt"), "{refused:?}");
    }
    let message = "From: alice@example.test\nTo: erin@example.test\n\nx\n";
    let made = Home::new();
    made.sealpost(["key", "make", "erin@example.test", "--new-passphrase", "file:pw", "--at", "2020-01-01T00:00:00Z"])
        .run()
        .expect(0);
    home.file(
        "erin.asc",
        made.sealpost(["cert", "export", "--at", "2020-06-01T00:00:00Z", "erin@example.test"]).run().expect(0).stdout,
    );
    home.sealpost(["cert", "import", "erin.asc"]).run().expect(0);
    let refused = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(67);
    assert!(refused.words().contains("expired on 2021-12-31"), "{refused:?}");
}

#[test]
fn a_certificate_for_this_run_must_name_the_address_or_come_with_its_full_fingerprint() {
    let home = alice();
    home.file("bob.asc", specimen("bob.asc"));
    let fingerprint = home.sealpost(["cert", "show", "bob@example.test", "--json"]).run().expect(0).json()["certificate"]["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    let message = "From: alice@example.test\nTo: gateway@example.test\n\nx\n";
    let seal = |cert: &str| {
        home.sealpost(["seal", "--passphrase", "file:pw", "--cert", cert, "--plan", "--json"]).stdin(message).run()
    };
    seal("bob.asc").expect(67);
    let plan = seal(&format!("bob.asc#{fingerprint}")).expect(0).json();
    assert_eq!(plan["messages"][0]["recipients"][0]["trust"], "pinned");
    seal(&format!("bob.asc#{}", &fingerprint[24..])).expect(64);
    seal(&format!("bob.asc#{}", fingerprint.chars().rev().collect::<String>())).expect(64);
    std::fs::write(
        home.state().join("recipients.toml"),
        format!("[recipient.\"@example.test\"]\npin = [\"{fingerprint}\"]\n[group.ops]\nmembers = [\"gateway@example.test\"]\n"),
    )
    .unwrap();
    let plan =
        home.sealpost(["send", "--from", "alice@example.test", "-t", "@ops", "-n", "--json", "--host", "localhost"]);
    assert_eq!(plan.run().expect(0).json()["messages"][0]["recipients"][0]["fingerprint"], fingerprint);
    home.sealpost(["send", "--from", "alice@example.test", "-t", "@opps", "-n"]).run().expect(64);
}

#[test]
fn no_certificate_takes_the_place_of_a_pinned_one() {
    let home = alice();
    let other = Home::new();
    other.sealpost(["key", "make", "bob@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
    let other = other.sealpost(["cert", "export", "bob@example.test"]).run().expect(0).stdout;
    home.file("other.asc", &other);
    let known = home.sealpost(["cert", "show", "bob@example.test", "--json"]).run().expect(0).json();
    let pin = known["certificate"]["fingerprint"].as_str().unwrap();
    std::fs::write(
        home.state().join("recipients.toml"),
        format!("[recipient.\"bob@example.test\"]\npin = [\"{pin}\"]\n"),
    )
    .unwrap();
    let plan = |more: &[&str]| {
        let arguments =
            ["send", "--from", "alice@example.test", "-t", "bob@example.test", "-n", "--json", "--host", "h"];
        home.sealpost(arguments.iter().chain(more)).run()
    };
    let refused = plan(&["--cert", "other.asc"]).expect(67).error();
    assert!(refused["recipients"][0]["reason"].as_str().unwrap().contains("not the one that is pinned"), "{refused}");
    home.sealpost(["cert", "import", "other.asc"]).run().expect(0);
    let kept = plan(&[]).expect(0).json();
    assert_eq!(kept["messages"][0]["recipients"][0]["fingerprint"], pin);
    // A pinned certificate counts from --cert too, where the store has none.
    home.sealpost(["cert", "remove", pin]).run().expect(0);
    plan(&[]).expect(67);
    let given = plan(&["--cert", "bob.asc"]).expect(0).json();
    assert_eq!(given["messages"][0]["recipients"][0]["trust"], "pinned");
}

#[test]
fn what_another_program_puts_into_the_shared_folder_is_written_to_once_somebody_looked_at_it() {
    let (one, other) = (Home::new(), Home::new());
    let folder = |home: &Home| home.state().join("pgp.cert.d");
    std::fs::create_dir_all(folder(&one)).unwrap();
    std::fs::create_dir_all(other.state()).unwrap();
    std::os::unix::fs::symlink(folder(&one), folder(&other)).unwrap();
    let at = |home: &Home, line: &[&str]| home.sealpost(line);
    let bob = one.file("bob.asc", specimen("bob.asc"));
    at(&one, &["cert", "import", bob.to_str().unwrap()]).run().expect(0);
    let plan =
        ["send", "-n", "--json", "--no-sign", "--from", "alice@example.test", "-t", "bob@example.test", "--host", "h"];
    assert_eq!(at(&one, &plan).run().expect(0).json()["messages"][0]["recipients"][0]["trust"], "imported");
    let refused = at(&other, &plan).run().expect(67).error();
    assert!(refused.to_string().contains("is known as candidate only"), "{refused}");
    let listed = at(&other, &["cert", "list", "--json"]).run().expect(0).json();
    assert_eq!(listed["certificates"][0]["levels"][0]["sources"], serde_json::json!(["shared"]));
    let words = at(&other, &["cert", "show", "bob@example.test"]).run().expect(0).text();
    assert!(words.contains("candidate for bob@example.test, by another program"), "{words}");
    at(&other, &["cert", "check"]).run().expect(0);
    let verify: Vec<String> = serde_json::from_value(refused["hints"][0].clone()).unwrap();
    at(&other, &verify[1..].iter().map(String::as_str).collect::<Vec<_>>()).run().expect(0);
    assert_eq!(at(&other, &plan).run().expect(0).json()["messages"][0]["recipients"][0]["trust"], "pinned");
}

#[test]
fn an_import_stands_for_the_addresses_that_were_shown() {
    let (gpg, home) = (Gpg::new(), Home::new());
    gpg.make_key("mallory@example.test", "future-default");
    // In three days it names Bob too.
    let later = days_from_now(3).replace(['-', ':'], "");
    let add = ["--faked-system-time", &later[..15], "--quick-add-uid", "mallory@example.test", "bob@example.test"];
    run(gpg.command(add), b"").expect(0);
    let imported = home
        .sealpost(["cert", "import", "-", "--json"])
        .stdin(gpg.export("mallory@example.test"))
        .run()
        .expect(0)
        .json();
    assert_eq!(imported["certificates"][0]["addresses"], serde_json::json!(["mallory@example.test"]));
    let (from, then) = ("alice@example.test", days_from_now(5));
    let plan = ["send", "-n", "--no-sign", "--from", from, "--host", "h", "--at", &then, "-t"];
    home.sealpost(plan.iter().chain(&["mallory@example.test"])).run().expect(0);
    let refused = home.sealpost(plan.iter().chain(&["bob@example.test"])).run().expect(67).words();
    assert!(refused.contains("is known as keyserver only"), "{refused}");
}
