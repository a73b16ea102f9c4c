//! `sealpost cert check`: one look at everybody, and at one's own keys.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use serde_json::Value;

use crate::support::{
    Algorithm, Authority, Home, Purpose, Wish,
    people::{alice, specimen},
};

/// `state` of each recipient of a report.
fn states(report: &Value) -> BTreeMap<String, String> {
    let all = report["recipients"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|one| (text(&one["address"]), text(&one["state"]))).collect()
}

fn recipients(home: &Home, text: &str) {
    fs::write(home.state().join("recipients.toml"), text).unwrap();
}

/// In an hour, when every full day has begun.
fn soon() -> String {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 3600).unwrap().to_string()
}

/// A home of nobody with a certificate, made by the program, that expires so many days from now.
fn with_days_left(address: &str, days: i64) -> Vec<u8> {
    let home = Home::new();
    let made = crate::support::days_from_now(days - 730);
    home.sealpost(["key", "make", address, "--new-passphrase", "file:pw", "--at", &made]).run().expect(0);
    home.sealpost(["cert", "export", address, "--at", &made]).run().expect(0).stdout
}

#[test]
fn all_is_well_or_the_exit_code_says_so() {
    let home = alice();
    let well = home.sealpost(["cert", "check", "--json"]).run().expect(0);
    let report = well.json();
    assert_eq!(report["version"], 1);
    assert_eq!(report["checked"], 3, "whoever is in the store: {report}");
    assert!(states(&report).values().all(|state| state == "ok"), "{report}");
    assert_eq!(report["keys"][0]["addresses"][0], "alice@example.test");
    assert!(well.stderr.is_empty());

    recipients(
        &home,
        "[group.ops]\nmembers = [\"bob@example.test\", \"@night\"]\n[group.night]\nmembers = [\"erin@example.test\"]\n",
    );
    let unwell = home.sealpost(["cert", "check", "--json"]).run().expect(67);
    let states = states(&unwell.json());
    assert_eq!(
        states.into_iter().collect::<Vec<_>>(),
        [("bob@example.test".into(), "ok".into()), ("erin@example.test".into(), "missing".into())]
    );
    let error = unwell.error();
    assert_eq!((&error["kind"], &error["exit"]), (&"recipients".into(), &67.into()));
    assert_eq!(error["recipients"][0]["address"], "erin@example.test");
    assert_eq!(error["recipients"][0]["reason"], "no certificate");
    assert_eq!(error["hints"][0], serde_json::json!(["sealpost", "cert", "import", "-"]));

    home.sealpost(["cert", "check", "bob@example.test"]).run().expect(0);
    home.sealpost(["cert", "check", "@ops"]).run().expect(67);
    home.sealpost(["cert", "check", "@opps"]).run().expect(64);
    home.sealpost(["cert", "check", "bob"]).run().expect(64);
    for within in ["30", "d", "-1d", "30h", "", "99999999999999999999d"] {
        home.sealpost(["cert", "check", &format!("--within={within}")]).run().expect(64);
    }
    let words = home.sealpost(["cert", "check"]).run().expect(67);
    assert!(words.text().contains("ok             bob@example.test") && words.text().contains("missing"), "{words:?}");
    assert!(words.words().contains("erin@example.test: no certificate"), "{words:?}");
    assert!(home.sealpost(["cert", "check", "--quiet"]).run().expect(67).stdout.is_empty());
}

#[test]
fn each_state_has_its_word_and_its_reason() {
    let authority = Authority::new();
    let home = Home::new();
    let anchor = home.file("ca.pem", authority.pem());
    let issue = |address, days: std::ops::Range<i64>| authority.issue(&Wish::new(address).days(days));
    let revoked = issue("revoked@example.test", -10..40);
    let lists = home.file("crl.pem", authority.revocations(&[&revoked]));
    let config = format!("[smime]\ntrust_anchors = [\"{}\"]\ncrl = [\"{}\"]\n", anchor.display(), lists.display());
    fs::write(home.state().join("config.toml"), config).unwrap();
    let stranger = Wish::new("untrusted@example.test").self_signed();
    let gateway = Wish::new("gateway@partner.example").days(-10..100).self_signed();
    let all = [
        issue("ok@example.test", -10..40),
        issue("expiring@example.test", -10..20),
        issue("expired@example.test", -20..-2),
        revoked,
        authority.issue(&Wish::new("weak@example.test").algorithm(Algorithm::Rsa(1024))),
        authority.issue(&Wish::new("unusable@example.test").purpose(Purpose::Server)),
        stranger,
        gateway.clone(),
    ];
    for certificate in &all {
        home.sealpost(["cert", "import", "-"]).stdin(certificate.pem()).run().expect(0);
    }
    let names = ["ok", "expiring", "expired", "revoked", "weak", "unusable", "untrusted", "missing", "pinned-absent"];
    let mut text: String = names.iter().map(|name| format!("[recipient.\"{name}@example.test\"]\n")).collect();
    text += &format!(
        "pin = [\"{}\"]\n[recipient.\"@partner.example\"]\npin = \"{}\"\n",
        "AB".repeat(32),
        gateway.fingerprint()
    );
    recipients(&home, &text);

    let unwell = home.sealpost(["cert", "check", "--json", "--at", &soon()]).run().expect(67);
    let report = unwell.json();
    assert_eq!(report["checked"], 10);
    for (address, state) in states(&report) {
        assert_eq!(address.split('@').next().filter(|name| !name.is_empty()).unwrap_or("ok"), state, "{report}");
    }
    let of = |name: &str| {
        let address = format!("{name}@example.test");
        report["recipients"].as_array().unwrap().iter().find(|one| one["address"] == *address).unwrap().clone()
    };
    assert_eq!(of("ok")["days_left"], 39);
    assert_eq!(of("ok")["trust"], "imported");
    assert_eq!(of("expired")["days_left"], -3);
    assert!(of("expiring")["reason"].as_str().unwrap().contains("19 days left"), "{report}");
    assert!(of("revoked")["reason"].as_str().unwrap().contains("was revoked"), "{report}");
    assert_eq!(of("expired")["suite"], "smime");
    assert_eq!(unwell.error()["recipients"].as_array().unwrap().len(), 8, "all but two: {unwell:?}");

    // Within less time nothing runs out, and at another time all is otherwise.
    home.sealpost(["cert", "check", "--within", "5d", "expiring@example.test"]).run().expect(0);
    let later = crate::support::days_from_now(30);
    home.sealpost(["cert", "check", "--within", "5d", "expiring@example.test", "--at", &later]).run().expect(67);
}

#[test]
fn own_keys_count_until_another_serves_their_address() {
    let home = Home::new();
    let made = crate::support::days_from_now(-720);
    let make = |more: &[&str]| {
        let arguments = ["key", "make", "alice@example.test", "--new-passphrase"];
        home.sealpost(arguments.iter().chain(more)).run().expect(0);
    };
    make(&["file:pw", "--at", &made]);
    let unwell = home.sealpost(["cert", "check", "--json", "erin@example.test"]).run().expect(67);
    assert_eq!(unwell.json()["keys"][0]["state"], "expiring");
    let error = unwell.error();
    let own = &error["recipients"][1];
    assert_eq!(own["address"], "alice@example.test");
    assert!(own["reason"].as_str().unwrap().starts_with("own key "), "{error}");
    let hint: Vec<&str> = error["hints"][2].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let fingerprint = unwell.json()["keys"][0]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(hint, ["sealpost", "key", "extend", &fingerprint]);
    make(&["file:pw2"]);
    let report = home.sealpost(["cert", "check", "--json", "alice@example.test"]).run().expect(0).json();
    let states: Vec<_> = report["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert!(states.contains(&"superseded") && states.contains(&"ok"), "{report}");
}

#[test]
fn prometheus_gets_a_file_that_is_there_whole() {
    let home = alice();
    home.sealpost(["cert", "import", "-"]).stdin(with_days_left("kim@example.test", 20)).run().expect(0);
    recipients(
        &home,
        "[group.ops]\nmembers = [\"bob@example.test\", \"kim@example.test\", \"erin@example.test\", '\"a\\\"b\"@example.test']\n",
    );
    let path = home.path("sealpost.prom");
    let at = soon();
    let arguments = ["cert", "check", "--prometheus", "sealpost.prom", "--quiet", "--at", &at];
    let check = || home.sealpost(arguments).run().expect(67);
    check();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    let text = fs::read_to_string(&path).unwrap();
    for line in [
        "# TYPE sealpost_certificate_days_left gauge",
        "sealpost_certificate_days_left{address=\"kim@example.test\",suite=\"openpgp\"} 19",
        "sealpost_recipients{state=\"ok\"} 1",
        "sealpost_recipients{state=\"expiring\"} 1",
        "sealpost_recipients{state=\"missing\"} 2",
        "sealpost_recipients{state=\"conflicting\"} 0",
        "sealpost_keys{state=\"ok\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains("erin"), "what has no certificate has no days");
    assert!(text.ends_with('\n'));

    // A second look takes the place of the first, and nothing else is left in the folder.
    fs::create_dir(home.path("metrics")).unwrap();
    fs::rename(&path, home.path("metrics/sealpost.prom")).unwrap();
    home.sealpost(["cert", "check", "bob@example.test", "--prometheus", "metrics/sealpost.prom"]).run().expect(0);
    assert_ne!(fs::read_to_string(home.path("metrics/sealpost.prom")).unwrap(), text);
    assert_eq!(fs::read_dir(home.path("metrics")).unwrap().count(), 1);
    // Whoever may write to the folder does not choose what is written.
    fs::write(home.path("precious"), "precious").unwrap();
    symlink("precious", &path).unwrap();
    home.sealpost(["cert", "check", "bob@example.test", "--prometheus", "sealpost.prom"]).run().expect(73);
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(home.path("precious")).unwrap(), "precious");
    for bad in ["none/sealpost.prom", "metrics", "/dev/full"] {
        home.sealpost(["cert", "check", "bob@example.test", "--prometheus", bad]).run().expect(73);
    }
}

#[test]
fn a_damaged_store_is_told_and_hides_nobody() {
    let home = alice();
    recipients(&home, "[recipient.\"bob@example.test\"]\n");
    fs::write(home.state().join("config.toml"), "nonsense").unwrap();
    home.sealpost(["cert", "check"]).run().expect(78);
    fs::write(home.state().join("config.toml"), "").unwrap();
    recipients(&home, "[recipient.\"bob@example.test\"]\npins = []\n");
    home.sealpost(["cert", "check"]).run().expect(78);
    recipients(&home, "[recipient.\"bob@example.test\"]\n");
    home.sealpost(["cert", "remove", "bob@example.test"]).run().expect(0);
    home.sealpost(["cert", "check"]).run().expect(67);
    home.sealpost(["cert", "import", "-"]).stdin(specimen("bob.asc")).run().expect(0);
    home.sealpost(["cert", "check"]).run().expect(0);
}

#[test]
fn those_without_a_usable_certificate_are_listed() {
    let home = alice();
    let list = || home.sealpost(["cert", "list", "--missing", "--json"]).run().expect(0).json()["missing"].clone();
    assert_eq!(list(), serde_json::json!([]), "nobody is listed in recipients.toml");
    home.sealpost(["cert", "import", "-"]).stdin(with_days_left("kim@example.test", 2)).run().expect(0);
    let pin = "AB".repeat(20);
    let text = format!(
        "[recipient.\"@partner.example\"]\npin = \"{pin}\"\n[recipient.\"kim@example.test\"]\n\
         [group.ops]\nmembers = [\"bob@example.test\", \"erin@example.test\"]\n"
    );
    recipients(&home, &text);
    let missing = list();
    let told: Vec<_> = missing.as_array().unwrap().iter().map(|one| (&one["address"], &one["state"])).collect();
    assert_eq!(
        told,
        [(&"erin@example.test".into(), &"missing".into()), (&"@partner.example".into(), &"pinned-absent".into())]
    );
    assert!(missing[1]["reason"].as_str().unwrap().contains(&pin), "{missing}");
    let words = home.sealpost(["cert", "list", "--missing"]).run().expect(0).text();
    assert_eq!(words.lines().count(), 2, "{words}");
    // The hint of what is missing, followed, makes it shorter.
    home.sealpost(["cert", "import", "-"]).stdin(with_days_left("erin@example.test", 300)).run().expect(0);
    assert_eq!(list().as_array().unwrap().len(), 1);
}
