//! LDAP: certificates in a directory that the user names, by slapd behind TLS.

use std::{fs, net::TcpListener};

use openssl::{
    pkcs7::{Pkcs7, Pkcs7Flags},
    stack::Stack,
};

use super::dane::der;
use crate::support::{
    Authority, Ca, Flaw, Home, Mailbox, Outcome, Wish,
    directory::{BASE, Directory, Entries},
    people::alice_of_both,
};

const HOST: &str = "ldap.example.test";

/// A home that asks a directory at a port, and it alone.
fn asking(ca: &Ca, authority: &Authority, port: u16, more: &str) -> Home {
    let home = alice_of_both();
    let (server, anchors) = (home.file("server.pem", ca.pem()), home.file("anchors.pem", authority.pem()));
    let config = format!(
        "[find]\norder = [\"ldap\"]\nldap = \"ldaps://{HOST}/{BASE}\"\nca_file = \"{}\"\n{more}\
         [find.hosts]\n\"{HOST}\" = \"127.0.0.1:{port}\"\n[smime]\ntrust_anchors = [\"{}\"]\n",
        server.display(),
        anchors.display()
    );
    fs::write(home.state().join("config.toml"), config).unwrap();
    home.sealpost(["cert", "import", "-"]).stdin(authority.issuer().certificate_pem()).run().expect(0);
    home
}

fn find(home: &Home, address: &str) -> Outcome {
    home.sealpost(["cert", "find", address, "--import", "--json"]).run()
}

fn reason(outcome: &Outcome) -> String {
    outcome.error()["recipients"][0]["reason"].as_str().unwrap_or_default().to_owned()
}

fn known(home: &Home) -> usize {
    home.sealpost(["cert", "list", "--json"]).run().expect(0).json()["certificates"].as_array().unwrap().len()
}

/// A certificate as mail programs publish it: with its chain in a message that is signed with it.
fn bundle(mailbox: &Mailbox) -> Vec<u8> {
    let mut chain = Stack::new().unwrap();
    for one in &mailbox.chain {
        chain.push(one.clone()).unwrap();
    }
    let signed = Pkcs7::sign(&mailbox.certificate, &mailbox.key, &chain, b"", Pkcs7Flags::BINARY).unwrap();
    signed.to_der().unwrap()
}

#[test]
fn certificates_are_found_by_address_and_used_as_far_as_they_have_a_chain() {
    let (ca, authority, stranger) = (Ca::new(), Authority::new(), Authority::new());
    let (kim, lee, max) = ("kim@example.test", "lee@example.test", "max@example.test");
    let (of_kim, of_lee) = (authority.mailbox(kim), authority.mailbox(lee));
    let old = authority.issue(&Wish::new(kim).days(-20..-2));
    let entries = Entries::new()
        .person(kim, "userCertificate;binary", &[&der(&of_kim), &der(&old)])
        .person(lee, "userSMIMECertificate", &[&bundle(&of_lee)])
        .person(max, "userCertificate;binary", &[&der(&stranger.mailbox(max))])
        .person("other@example.test", "userCertificate;binary", &[&der(&of_kim)])
        .person("empty@example.test", "userCertificate;binary", &[])
        .person("broken@example.test", "userSMIMECertificate", &[b"0broken"])
        .person(
            "half@example.test",
            "userSMIMECertificate",
            &[b"0broken", &der(&authority.mailbox("half@example.test"))],
        )
        .referral("ldap://127.0.0.1:1/dc=elsewhere");
    let server = Directory::start(&ca.serving(&[HOST]), &entries);
    let home = asking(&ca, &authority, server.port(), "");
    let found = home.sealpost(["cert", "find", kim, "--json"]).run().expect(0).json();
    let result = &found["results"][0];
    assert_eq!(
        (&result["status"], &result["source"], &result["trust"]),
        (&"found".into(), &"ldap".into(), &"candidate".into())
    );
    assert_eq!(result["certificates"][0]["fingerprint"], of_kim.fingerprint().as_str());
    assert_eq!(result["certificates"].as_array().unwrap().len(), 1, "the old one is of no use");
    for address in [kim, lee, "half@example.test"] {
        assert_eq!(find(&home, address).expect(0).json()["results"][0]["status"], "kept", "{address}");
    }
    let plan = ["send", "--from", "alice@example.test", "-t", lee, "-n", "--json", "--host", "h"];
    let planned = home.sealpost(plan).run().expect(0).json();
    let recipient = &planned["messages"][0]["recipients"][0];
    assert_eq!((&recipient["fingerprint"], &recipient["trust"]), (&of_lee.fingerprint().into(), &"candidate".into()));
    // The store comes first, unless what it has is known less well than the account asks.
    let status = || find(&home, lee).expect(0).json()["results"][0]["status"].clone();
    assert_eq!(status(), "stored");
    let config = home.state().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.clone() + "[account.work]\nfrom = \"alice@example.test\"\ntrust = \"imported\"\n").unwrap();
    assert_eq!(status(), "known");
    fs::write(&config, text).unwrap();
    let before = known(&home);
    for (address, exit, said) in [
        (max, 67, "trust anchor"),
        ("other@example.test", 67, "does not name"),
        ("empty@example.test", 67, "has no certificate"),
        ("nobody@example.test", 67, "has no certificate"),
        ("broken@example.test", 76, "gave something else"),
        // What means something in a filter's text means nothing here.
        ("a*)(uid=*@example.test", 64, ""),
        ("\"a*)(uid=*\"@example.test", 67, "has no certificate"),
        ("*@example.test", 67, "has no certificate"),
    ] {
        let refused = find(&home, address);
        assert!(reason(&refused).contains(said), "{address}: {refused:?}");
        refused.expect(exit);
        assert_eq!(known(&home), before, "{address}");
    }
    // Of OpenPGP a directory has nothing: it is not asked.
    let refreshed = home.sealpost(["cert", "refresh", "carol@example.test", "--json"]).run().expect(0).json();
    assert_eq!(refreshed["results"][0]["status"], "not-found");
}

/// One that is held by hand, and one that its authority issued since for another key.
fn renewal(authority: &Authority, address: &str, days: std::ops::Range<i64>) -> (Mailbox, Mailbox) {
    (authority.issue(&Wish::new(address).days(days)), authority.issue(&Wish::new(address).days(-1..400)))
}

fn refresh(home: &Home, arguments: &[&str]) -> Outcome {
    home.sealpost(["cert", "refresh", "--json"].iter().chain(arguments)).run()
}

#[test]
fn refreshing_brings_what_renews_and_nothing_else() {
    let (ca, authority) = (Ca::new(), Authority::new());
    let (kim, lee, max, ann) = ("kim@example.test", "lee@example.test", "max@example.test", "ann@example.test");
    let (of_kim, next) = renewal(&authority, kim, -40..5);
    let (of_lee, after) = renewal(&authority, lee, -40..-2);
    let of_max = authority.mailbox(max);
    let (other, of_ann) = (Wish::new(max).days(-5..500).self_signed(), authority.mailbox(ann));
    let entries = Entries::new()
        .person(kim, "userCertificate;binary", &[&der(&of_kim), &der(&next)])
        .person(lee, "userCertificate;binary", &[&der(&after)])
        .person(max, "userCertificate;binary", &[&der(&other)])
        .person(ann, "userCertificate;binary", &[&der(&of_ann)]);
    let server = Directory::start(&ca.serving(&[HOST]), &entries);
    let home = asking(&ca, &authority, server.port(), "on_send = true\n");
    home.file("anchors.pem", [authority.pem(), other.certificate_pem()].concat());
    for one in [&of_kim, &of_lee, &of_max, &of_ann] {
        home.sealpost(["cert", "import", "-"]).stdin(one.certificate_pem()).run().expect(0);
    }
    let result = |outcome: &Outcome, address: &str| {
        let results = outcome.json()["results"].clone();
        results
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["address"] == address && one["suite"] == "smime")
            .cloned()
            .unwrap()
    };
    // A pin stands, and another certificate is another one, whoever issued it.
    let pins = home.state().join("recipients.toml");
    fs::write(&pins, format!("[recipient.\"{kim}\"]\npin = [\"{}\"]\n", of_kim.fingerprint())).unwrap();
    let before = known(&home);
    let pinned = result(&refresh(&home, &[kim]).expect(67), kim);
    assert_eq!((&pinned["status"], &pinned["known"][0]["pinned"]), (&"conflict".into(), &true.into()), "{pinned}");
    let stranger = refresh(&home, &[max]).expect(67);
    let conflict = result(&stranger, max);
    assert_eq!((&conflict["status"], &conflict["found"][0]), (&"conflict".into(), &other.fingerprint().into()));
    assert!(reason(&stranger).contains(&of_max.fingerprint()), "{stranger:?}");
    assert_eq!(known(&home), before, "nothing is kept");
    // Its authority's next one is kept beside the known one, known no better than its source makes it.
    fs::remove_file(&pins).unwrap();
    let all = refresh(&home, &["--all"]).expect(67);
    for (address, status) in [(kim, "renewed"), (lee, "renewed"), (max, "conflict"), (ann, "unchanged")] {
        assert_eq!(result(&all, address)["status"], status, "{}", all.json());
    }
    let renewed = result(&all, kim);
    assert_eq!((&renewed["source"], &renewed["found"]), (&"ldap".into(), &serde_json::json!([next.fingerprint()])));
    assert!(renewed["expires"].as_str().unwrap() > "2027", "{renewed}");
    assert_eq!(known(&home), before + 2);
    let levels = home.sealpost(["cert", "show", &next.fingerprint(), "--json"]).run().expect(0).json();
    assert_eq!(levels["certificate"]["levels"][0]["trust"], "candidate");
    assert_eq!(result(&refresh(&home, &[kim]).expect(0), kim)["status"], "unchanged");
    let plan = |to: &str, exit| {
        let plan = ["send", "--from", "alice@example.test", "-t", to, "-n", "--json", "--host", "h"];
        home.sealpost(plan).run().expect(exit)
    };
    assert_eq!(plan(kim, 0).json()["messages"][0]["recipients"][0]["fingerprint"], of_kim.fingerprint());
    assert_eq!(plan(lee, 0).json()["messages"][0]["recipients"][0]["fingerprint"], after.fingerprint());
    // On sending what ran out is asked for, once.
    home.sealpost(["cert", "remove", &after.fingerprint()]).run().expect(0);
    let planned = plan(lee, 0).json();
    let said = planned["warnings"][0]["text"].as_str().unwrap();
    assert!(said.ends_with(&format!("renewed, by certificate {}", after.fingerprint())), "{planned}");
    assert_eq!(planned["messages"][0]["recipients"][0]["fingerprint"], after.fingerprint());
    assert_eq!(plan(lee, 0).json()["warnings"], serde_json::json!([]));
    // Where no source has S/MIME that is said, and nobody is asked; whom nobody knows is told of.
    drop(server);
    let none = result(&refresh(&home, &[ann, "--source", "wkd"]).expect(0), ann);
    assert_eq!((&none["status"], &none["tried"][0]["outcome"]), (&"not-found".into(), &"nothing".into()));
    assert!(none["tried"][0]["detail"].as_str().unwrap().contains("another suite"), "{none}");
    assert_eq!(result(&refresh(&home, &[ann]).expect(75), ann)["status"], "failed");
    assert!(reason(&refresh(&home, &["nobody@example.test"]).expect(67)).contains("no certificate is known"));
    // What nobody vouches for is nobody's: who sent it to whom is asked for no news of it.
    let forged = Wish::new("eve@example.test").self_signed();
    home.sealpost(["cert", "import", "-"]).stdin(forged.certificate_pem()).run().expect(0);
    assert_eq!(reason(&refresh(&home, &["eve@example.test"]).expect(67)), "nothing vouches for what is known");
}

#[test]
fn a_directory_that_lies_floods_or_says_nothing() {
    let (ca, authority) = (Ca::new(), Authority::new());
    let kim = "kim@example.test";
    let of_kim = der(&authority.mailbox(kim));
    let many = (0..17).fold(Entries::new(), |entries, _| entries.person(kim, "userCertificate;binary", &[&of_kim]));
    let huge = Entries::new().person(kim, "userSMIMECertificate", &[&vec![b'x'; 2 << 20]]);
    let good = Entries::new().person(kim, "userCertificate;binary", &[&of_kim]);
    for (entries, said) in [(&many, "too many entries"), (&huge, "too large")] {
        let server = Directory::start(&ca.serving(&[HOST]), entries);
        let refused = find(&asking(&ca, &authority, server.port(), ""), kim).expect(76);
        assert!(reason(&refused).contains(said), "{refused:?}");
    }
    // A server that cannot prove its name is not asked.
    for flaw in [Flaw::Expired, Flaw::WrongHost, Flaw::SelfSigned] {
        let server = Directory::start(&ca.flawed(flaw), &good);
        let refused = find(&asking(&ca, &authority, server.port(), ""), kim).expect(76);
        assert_eq!(refused.error()["kind"], "tls");
    }
    // A base that is not there, and an entry of the root that leads elsewhere.
    let server = Directory::start(&ca.serving(&[HOST]), &good);
    let home = asking(&ca, &authority, server.port(), "");
    let config = fs::read_to_string(home.state().join("config.toml")).unwrap();
    fs::write(home.state().join("config.toml"), config.replace(BASE, "dc=elsewhere,dc=test")).unwrap();
    assert!(reason(&find(&home, kim).expect(76)).contains("refused with code 32"));
    // In clear nothing is asked.
    let plain = config.replace("ldaps://", "ldap://");
    fs::write(home.state().join("config.toml"), plain).unwrap();
    assert!(find(&home, kim).expect(78).words().contains("ldaps://HOST/BASE"));
    // In one's own network nobody is, unless it is allowed.
    let own = config.replace(HOST, &format!("localhost:{}", server.port()));
    let own = own.replace(&format!("\"localhost:{}\" =", server.port()), "\"elsewhere.test\" =");
    fs::write(home.state().join("config.toml"), &own).unwrap();
    assert!(reason(&find(&home, kim).expect(76)).contains("not on the public network"));
    drop(server);
    // A silent one, and none.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = asking(&ca, &authority, silent.local_addr().unwrap().port(), "timeout = \"1s\"\n");
    assert!(reason(&find(&home, kim).expect(75)).contains("in time"));
    drop(silent);
    find(&home, kim).expect(75);
    // A source by itself that no setting names.
    fs::write(home.state().join("config.toml"), "").unwrap();
    home.sealpost(["cert", "find", kim, "--source", "ldap"]).run().expect(78);
}
