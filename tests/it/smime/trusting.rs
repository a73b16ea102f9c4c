//! Which certificates are written to, and why not the others: exit 67, each with its reason.

use super::{authority, day, home, read, seal};
use crate::support::{Algorithm, Home, Mailbox, Purpose, Wish};

/// Why Bob is not written to.
fn reason(home: &Home, more: &[&str]) -> String {
    let refused = seal(home, &[&["--json", "--output", "out"], more].concat()).expect(67);
    assert!(refused.stdout.is_empty() && !home.path("out").exists());
    let error = refused.error();
    assert_eq!(error["recipients"][0]["address"], "bob@example.test", "{error}");
    error["recipients"][0]["reason"].as_str().unwrap().to_owned()
}

#[test]
fn each_fault_has_its_reason_here_and_in_cert_show() {
    let (authority, _openssl) = authority();
    let alice = authority.mailbox("alice@example.test");
    let wish = Wish::new("bob@example.test");
    let strangers = crate::support::Authority::new();
    let faulty: [(Mailbox, &str); 6] = [
        (wish.self_signed(), "trust anchor"),
        (strangers.issue(&wish), "trust anchor"),
        (authority.issue(&wish.clone().days(-20..-2)), "expired on"),
        (authority.issue(&wish.clone().days(2..20)), "valid from"),
        (authority.issue(&wish.clone().purpose(Purpose::Server)), "mail"),
        (authority.issue(&wish.clone().algorithm(Algorithm::Rsa(1024))), "weak"),
    ];
    for (bob, words) in faulty {
        let home = home(&authority.pem(), Some(&alice), &[&bob], "");
        let reason = reason(&home, &[]);
        assert!(reason.contains(words), "{words}: {reason}");
        let shown = home.sealpost(["cert", "show", "bob@example.test"]).run().expect(0).text();
        assert!(shown.contains("usable       no: ") && shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_revoked_certificate_is_refused_and_other_times_are_other_times() {
    let (authority, _openssl) = authority();
    let own = |address| authority.mailbox(address);
    let (alice, bob) = (own("alice@example.test"), own("bob@example.test"));
    let lists = authority.revocations(&[&bob]);
    let home = home(&authority.pem(), Some(&alice), &[&bob], "");
    seal(&home, &[]).expect(0);
    let late = ["--at", &day(40)];
    assert!(reason(&home, &late).contains("expired on"));
    let shown = home.sealpost(["cert", "show", "bob@example.test"].iter().chain(&late)).run().expect(0).text();
    assert!(shown.contains("expired"), "{shown}");
    let early = ["--at", &day(-11)];
    assert!(reason(&home, &early).contains("valid from"));

    let list = home.file("crl.pem", lists);
    let config = home.state().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap() + &format!("crl = [\"{}\"]\n", list.display());
    std::fs::write(config, text).unwrap();
    assert!(reason(&home, &[]).contains("revoked"));
    // A pin stands for the chain, and does not hide that it was revoked.
    home.sealpost(["cert", "verify", &bob.fingerprint()]).run().expect(0);
    assert!(reason(&home, &[]).contains("revoked"));
    let shown = home.sealpost(["cert", "show", "bob@example.test"]).run().expect(0).text();
    assert!(shown.contains("usable       no: ") && shown.contains("revoked"), "{shown}");
}

#[test]
fn a_pin_by_full_fingerprint_stands_for_the_chain_and_nothing_weaker_does() {
    let (authority, _openssl) = authority();
    let alice = authority.mailbox("alice@example.test");
    let bob = Wish::new("bob@example.test").self_signed();
    let home = home(&authority.pem(), Some(&alice), &[&bob], "");
    assert!(reason(&home, &[]).contains("trust anchor"));
    let pin = bob.fingerprint();
    let recipients = |pin: &str| {
        let text = format!("[recipient.\"bob@example.test\"]\npin = [\"{pin}\"]\n");
        std::fs::write(home.state().join("recipients.toml"), text).unwrap();
    };
    recipients(&pin);
    let plan = seal(&home, &["--plan", "--json"]).expect(0).json();
    assert_eq!(plan["messages"][0]["recipients"][0]["trust"], "pinned");
    assert_eq!(plan["messages"][0]["recipients"][0]["fingerprint"], pin);
    assert_eq!(plan["messages"][0]["suite"], "smime");
    let sealed = seal(&home, &[]).expect(0).stdout;
    read(&bob, &authority.pem(), &sealed, &[]).expect(0);
    let shown = home.sealpost(["cert", "show", "bob@example.test"]).run().expect(0).text();
    assert!(shown.contains("pinned"), "{shown}");
    recipients(&pin[32..]);
    seal(&home, &[]).expect(78);

    // The same for one run, and for an address that it does not name.
    std::fs::remove_file(home.state().join("recipients.toml")).unwrap();
    let cert = format!("other-0.pem#{pin}");
    seal(&home, &["-t", "bob@example.test", "--cert", &cert]).expect(0);
    seal(&home, &["-t", "gateway@example.test", "--cert", &cert]).expect(0);
    seal(&home, &["-t", "gateway@example.test", "--cert", "other-0.pem"]).expect(67);
}

#[test]
fn the_systems_roots_count_only_where_they_are_asked_for() {
    let (authority, _openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    let home = home(&authority.pem(), Some(&alice), &[&bob], "");
    let config = home.state().join("config.toml");
    let roots = home.path("ca.pem");
    for (setting, exit) in [("", 67), ("[smime]\n", 67), ("[smime]\nsystem_roots = true\n", 0)] {
        std::fs::write(&config, setting).unwrap();
        let arguments = ["seal", "--passphrase", "file:pw", "--quiet"];
        home.sealpost(arguments).env("SSL_CERT_FILE", &roots).stdin(super::IN).run().expect(exit);
    }
}

#[test]
fn each_reason_has_a_hint_that_works_or_none() {
    let (authority, _openssl) = authority();
    let bob = authority.mailbox("bob@example.test");
    let home = Home::new();
    home.file("bob.pem", bob.pem());
    let plan = |more: &[&str]| {
        let plan = ["send", "-n", "--json", "--from", "alice@example.test", "--host", "h", "-t", "bob@example.test"];
        home.sealpost(plan.iter().chain(more)).run()
    };
    let import = serde_json::json!(["sealpost", "cert", "import", "-"]);
    let find = |whom| serde_json::json!(["sealpost", "cert", "find", "--import", whom]);
    assert_eq!(plan(&[]).expect(67).error()["hints"], serde_json::json!([import, find("bob@example.test")]));
    // Nothing vouches for it, and it is not in the store: there is nothing to be shown.
    assert_eq!(plan(&["--cert", "bob.pem"]).expect(67).error()["hints"], serde_json::json!([import]));
    home.sealpost(["cert", "import", "bob.pem"]).run().expect(0);
    let error = plan(&["-t", "erin@example.test"]).expect(67).error();
    assert_eq!(
        error["hints"],
        serde_json::json!([["sealpost", "cert", "show", bob.fingerprint()], import, find("erin@example.test")]),
        "{error}"
    );
    let shown = home.sealpost(["cert", "show", &bob.fingerprint()]).run().expect(0).text();
    assert!(shown.contains("usable       no"), "{shown}");
    // A setting is at fault: it is named, and no certificate would help.
    for (setting, value, exit) in
        [("trust_anchors", "[\"none.pem\"]", 67), ("crl", "[\"none.crl\"]", 67), ("trust_anchors", "[3]", 78)]
    {
        std::fs::write(home.state().join("config.toml"), format!("[smime]\n{setting} = {value}\n")).unwrap();
        let error = plan(&[]).expect(exit).error();
        assert_eq!(error["hints"], serde_json::json!([["sealpost", "send", "--help"]]), "{error}");
        assert!(error.to_string().contains(&format!("smime.{setting}")), "{error}");
    }
    std::fs::write(home.state().join("config.toml"), "").unwrap();
    let recipients = "[recipient.\"bob@example.test\"]\ngcm = 1\n";
    std::fs::write(home.state().join("recipients.toml"), recipients).unwrap();
    let error = plan(&[]).expect(78).error();
    assert!(error["text"].as_str().unwrap().contains("recipient.\"bob@example.test\".gcm"), "{error}");
}

#[test]
fn another_certificate_is_the_owners_own_if_the_same_authority_names_the_same_person() {
    let (one, _openssl) = authority();
    let another = crate::support::Authority::new();
    assert_eq!(
        one.issuer().certificate.subject_name().to_der().unwrap(),
        another.issuer().certificate.subject_name().to_der().unwrap()
    );
    let wish = Wish::new("bob@example.test").days(-5..20);
    let renewed = wish.clone().days(-4..25);
    let first = one.issue(&wish);
    let same_key = Mailbox {
        certificate: another.certify(&renewed, &first.key),
        key: first.key.clone(),
        chain: another.issue(&wish).chain,
    };
    let mailbox_alone = "bob@example.test";
    for (first, second, exit) in [
        (one.issue(&wish), one.issue(&renewed), 0),
        (first, same_key, 0),
        (one.issue(&wish), another.issue(&renewed), 67),
        (one.issue(&wish), one.issue(&renewed.clone().name("rob")), 67),
        (one.issue(&wish.clone().name(mailbox_alone)), one.issue(&renewed.clone().name(mailbox_alone)), 67),
    ] {
        let alice = one.mailbox("alice@example.test");
        let home = home(&[one.pem(), another.pem()].concat(), Some(&alice), &[&first, &second], "");
        let sealed = seal(&home, &["--json", "--output", "out"]).expect(exit);
        match exit {
            0 => assert_eq!(sealed.json()["messages"][0]["recipients"][0]["fingerprint"], second.fingerprint()),
            _ => assert!(sealed.words().contains("different owners"), "{sealed:?}"),
        }
    }
}
