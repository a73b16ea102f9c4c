//! DANE: certificates in the DNS, by a name server with zones that are signed well, badly or not at all.

use std::{
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
};

use openssl::{sha::sha256, x509::X509};

use super::made;
use crate::support::{
    Authority, Gpg, Home, Mailbox, Outcome, Wish,
    name_server::{Fault, NameServer, Zone, hashed},
    people::{alice, alice_of_both},
    run,
};

/// A home that asks a server, and the DNS alone.
fn asking(server: SocketAddr, anchors: &std::path::Path, more: &str) -> Home {
    let home = alice();
    let config =
        format!("[find]\norder = [\"dane\"]\nresolver = \"{server}\"\ndns_anchors = \"{}\"\n{more}", anchors.display());
    fs::write(home.state().join("config.toml"), config).unwrap();
    home
}

fn home(server: &NameServer) -> Home {
    asking(server.address(), &server.anchors(), "")
}

fn find(home: &Home, address: &str) -> Outcome {
    home.sealpost(["cert", "find", address, "--import", "--json"]).run()
}

fn known(home: &Home) -> usize {
    home.sealpost(["cert", "list", "--json"]).run().expect(0).json()["certificates"].as_array().unwrap().len()
}

#[test]
fn what_is_proven_is_found_and_kept_and_used() {
    let (kim, fingerprint) = made("kim@example.test", &[]);
    let (lee, _) = made("lee@hashed.test", &["--profile", "pqc"]);
    assert!(lee.len() > 4096, "so much goes by TCP alone");
    let server = NameServer::start(&[
        Zone::new("example.test").openpgp("kim", &dearmored(&kim)),
        Zone::new("hashed.test").hashed().openpgp("lee", &dearmored(&lee)),
    ]);
    let home = home(&server);
    let found = home.sealpost(["cert", "find", "kim@Example.TEST", "--json"]).run().expect(0).json();
    let result = &found["results"][0];
    assert_eq!(
        (&result["status"], &result["source"], &result["trust"]),
        (&"found".into(), &"dane".into(), &"found".into())
    );
    assert_eq!(result["certificates"][0]["fingerprint"], fingerprint.as_str());
    let words = home.sealpost(["cert", "find", "--source", "dane", "kim@example.test"]).run().expect(0);
    assert!(words.words().contains("--import --source dane kim@example.test"), "{words:?}");
    assert_eq!(find(&home, "kim@example.test").expect(0).json()["results"][0]["status"], "kept");
    let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
    let plan = home.sealpost(plan).run().expect(0).json();
    assert_eq!(plan["messages"][0]["recipients"][0]["trust"], "found");
    let refreshed = home.sealpost(["cert", "refresh", "kim@example.test", "--json"]).run().expect(0).json();
    assert_eq!(
        (&refreshed["results"][0]["status"], &refreshed["results"][0]["source"]),
        (&"unchanged".into(), &"dane".into())
    );
    assert_eq!(find(&home, "lee@hashed.test").expect(0).json()["results"][0]["status"], "kept");
    // Upper and lower case are two names, and neither is taken for the other.
    find(&home, "Lee@hashed.test").expect(0);
    let other = asking(server.address(), &server.anchors(), "");
    find(&other, "Lee@hashed.test").expect(67);
    // A record for all counts for whom it names. Where a zone denies by NSEC, hickory proves no wildcard: it is refused.
    let wild = NameServer::start(&[Zone::new("hashed.test").hashed().wildcard(&dearmored(&lee))]);
    let other = self::home(&wild);
    assert_eq!(find(&other, "lee@hashed.test").expect(0).json()["results"][0]["status"], "kept");
    let foreign = find(&other, "max@hashed.test").expect(67);
    assert!(foreign.error()["recipients"][0]["reason"].as_str().unwrap().contains("does not name"), "{foreign:?}");
    // That there is none is proven too, of a name and of a kind.
    for nobody in ["nobody@example.test", "nobody@hashed.test"] {
        let none = find(&home, nobody).expect(67);
        assert!(none.error()["recipients"][0]["reason"].as_str().unwrap().contains("has no certificate"), "{none:?}");
    }
}

#[test]
fn what_is_not_proven_is_refused_with_the_reason_and_never_kept() {
    let (kim, _) = made("kim@example.test", &[]);
    let cases = [
        (Fault::Unsigned, 67, "are not signed"),
        (Fault::NoDs, 67, "are not signed"),
        (Fault::Lost, 76, "is not what its zone signed"),
        (Fault::OtherKey, 76, "is not what its zone signed"),
        (Fault::Changed, 76, "is not what its zone signed"),
        (Fault::Stripped, 76, "is not what its zone signed"),
        (Fault::Expired, 76, "is not what its zone signed"),
        (Fault::Early, 76, "is not what its zone signed"),
        (Fault::Withheld, 76, "is not what its zone signed"),
    ];
    for (hashed, (fault, exit, said)) in cases.into_iter().flat_map(|case| [(false, case), (true, case)]) {
        if hashed && fault == Fault::Withheld {
            // nsd does not answer for such a zone.
            continue;
        }
        let zone = Zone::new("example.test").openpgp("kim", &dearmored(&kim)).faulty(fault);
        let server = NameServer::start(&[if hashed { zone.hashed() } else { zone }]);
        let home = home(&server);
        let before = known(&home);
        let refused = find(&home, "kim@example.test");
        let reason = refused.error()["recipients"][0]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains(said), "{fault:?} {hashed}: {refused:?}");
        refused.expect(exit);
        assert_eq!(known(&home), before, "{fault:?}");
    }
}

#[test]
fn an_alias_is_followed_as_far_as_it_is_proven() {
    let (kim, fingerprint) = made("kim@example.test", &[]);
    let alias = format!("{}._openpgpkey", hashed("kim"));
    let zones = |fault| {
        let target = format!("{alias}.other.test");
        let zone = Zone::new("example.test").alias(&alias, &target);
        let endless = format!("{}._openpgpkey", hashed("endless"));
        [
            zone.alias(&endless, &format!("{endless}.other.test")),
            Zone::new("other.test")
                .openpgp("kim", &dearmored(&kim))
                .alias(&endless, &format!("{endless}.example.test"))
                .faulty(fault),
        ]
    };
    let server = NameServer::start(&zones(Fault::None));
    let found = find(&home(&server), "kim@example.test").expect(0).json();
    assert_eq!(found["results"][0]["certificates"][0]["fingerprint"], fingerprint.as_str());
    find(&home(&server), "endless@example.test").expect(67);
    for (fault, exit) in [(Fault::Unsigned, 67), (Fault::NoDs, 67), (Fault::Changed, 76), (Fault::Stripped, 76)] {
        let server = NameServer::start(&zones(fault));
        find(&home(&server), "kim@example.test").expect(exit);
    }
    // The alias itself is what nobody signed.
    let [first, second] = zones(Fault::None);
    let server = NameServer::start(&[first.faulty(Fault::Stripped), second]);
    find(&home(&server), "kim@example.test").expect(76);
}

#[test]
fn only_what_names_the_address_counts() {
    let (lee, _) = made("lee@example.test", &[]);
    let (kim, known) = made("kim@example.test", &[]);
    let (other, fingerprint) = made("kim@example.test", &[]);
    let (lee, other) = (dearmored(&lee), dearmored(&other));
    let server = NameServer::start(&[Zone::new("example.test")
        .openpgp("kim", &other)
        .openpgp("max", &lee)
        .openpgp("broken", b"certificate")]);
    let home = home(&server);
    let foreign = find(&home, "max@example.test").expect(67);
    assert!(foreign.error()["recipients"][0]["reason"].as_str().unwrap().contains("does not name"), "{foreign:?}");
    let broken = find(&home, "broken@example.test").expect(76);
    assert!(broken.error()["recipients"][0]["reason"].as_str().unwrap().contains("gave something else"), "{broken:?}");
    // Another fingerprint than the known one is a conflict.
    home.sealpost(["cert", "import", "-"]).stdin(kim).run().expect(0);
    let conflict = home.sealpost(["cert", "find", "--source", "dane", "--import", "kim@example.test", "--json"]).run();
    let reason = conflict.expect(67).error()["recipients"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&known) && reason.contains(&fingerprint), "{reason}");
}

#[test]
fn a_resolver_that_proves_nothing_or_says_nothing() {
    let (kim, _) = made("kim@example.test", &[]);
    let server = NameServer::start(&[Zone::new("example.test").openpgp("kim", &dearmored(&kim))]);
    let reason = |outcome: &Outcome| outcome.error()["recipients"][0]["reason"].as_str().unwrap().to_owned();
    // Another root: nothing begins at a trust anchor.
    let other = NameServer::start(&[]);
    let stranger = asking(server.address(), &other.anchors(), "");
    let unproven = find(&stranger, "kim@example.test").expect(67);
    assert!(reason(&unproven).contains("no signatures of DNSSEC that begin at a trust anchor"), "{unproven:?}");
    // The built-in keys of the root are not this one's.
    let home = alice();
    let config = format!("[find]\norder = [\"dane\"]\nresolver = \"{}\"\n", server.address());
    fs::write(home.state().join("config.toml"), config).unwrap();
    find(&home, "kim@example.test").expect(67);
    // A silent one.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let _listener = TcpListener::bind(address);
    let quiet = asking(address, &server.anchors(), "timeout = \"1s\"\n");
    let late = find(&quiet, "kim@example.test").expect(75);
    assert!(reason(&late).contains("did not answer in time"), "{late:?}");
    // Files that are no anchors.
    let missing = asking(server.address(), std::path::Path::new("/nowhere/root.key"), "");
    assert!(find(&missing, "kim@example.test").expect(66).words().contains("/nowhere/root.key"));
    fs::write(missing.path("root.key"), "nothing\n").unwrap();
    let empty = asking(server.address(), &missing.path("root.key"), "");
    assert!(find(&empty, "kim@example.test").expect(78).words().contains("no trust anchors"));
    // Behind a proxy the system's resolver is not asked, one that is named is.
    let proxied = asking(server.address(), &server.anchors(), "proxy = \"socks5h://127.0.0.1:1\"\n");
    find(&proxied, "kim@example.test").expect(0);
    fs::write(proxied.state().join("config.toml"), "[find]\norder = [\"dane\"]\nproxy = \"socks5h://127.0.0.1:1\"\n")
        .unwrap();
    let past = find(&proxied, "lee@example.test").expect(67);
    assert!(reason(&past).contains("past the proxy"), "{past:?}");
}

/// A certificate's binary form.
fn dearmored(armored: &[u8]) -> Vec<u8> {
    run(Gpg::new().command(["--dearmor"]), armored).expect(0).stdout
}

#[test]
fn smime_certificates_are_found_where_they_are_whole_and_have_a_chain() {
    let (authority, own) = (Authority::new(), Authority::new());
    let kim = authority.mailbox("kim@example.test");
    let (lee, max) = (own.mailbox("lee@example.test"), Wish::new("max@example.test").self_signed());
    let (der, issuer) = (der(&kim), der(authority.issuer()));
    let (both, fingerprint) = made("both@example.test", &[]);
    let [(mine, _), (theirs, _)] = [(); 2].map(|()| made("doubt@example.test", &[]));
    let server = NameServer::start(&[
        Zone::new("example.test")
            .smimea("kim", [3, 0, 0], &der)
            .smimea("kim", [2, 0, 0], &issuer)
            .smimea("lee", [1, 0, 0], &self::der(&lee))
            .smimea("max", [3, 0, 0], &self::der(&max))
            .smimea("other", [3, 0, 0], &der)
            .smimea("broken", [3, 0, 0], b"0certificate")
            .smimea("hash", [3, 0, 1], &sha256(&der))
            .smimea("key", [3, 1, 0], &der)
            .smimea("anchor", [2, 0, 0], &issuer)
            .smimea("both", [3, 0, 0], &self::der(&authority.mailbox("both@example.test")))
            .openpgp("both", &dearmored(&both))
            .smimea("doubt", [3, 0, 0], &self::der(&authority.mailbox("doubt@example.test")))
            .openpgp("doubt", &dearmored(&theirs)),
        Zone::new("bad.test")
            .smimea("kim", [3, 0, 0], &self::der(&authority.mailbox("kim@bad.test")))
            .faulty(Fault::Changed),
        Zone::new("plain.test")
            .smimea("kim", [3, 0, 0], &self::der(&authority.mailbox("kim@plain.test")))
            .faulty(Fault::Unsigned),
    ]);
    let home = alice_of_both();
    let anchors = home.file("ca.pem", authority.pem());
    let set = |more: &str| {
        let config = format!(
            "[find]\norder = [\"dane\"]\nresolver = \"{}\"\ndns_anchors = \"{}\"\n{more}[smime]\ntrust_anchors = [\"{}\"]\n",
            server.address(),
            server.anchors().display(),
            anchors.display()
        );
        fs::write(home.state().join("config.toml"), config).unwrap();
    };
    set("");
    home.sealpost(["cert", "import", "-"]).stdin(authority.issuer().certificate_pem()).run().expect(0);
    let before = known(&home);
    for (address, exit, said) in [
        ("lee@example.test", 67, "trust anchor"),
        ("max@example.test", 67, "trust anchor"),
        ("other@example.test", 67, "does not name"),
        ("broken@example.test", 76, "gave something else"),
        ("hash@example.test", 67, "usage 3 selector 0 matching 1"),
        ("key@example.test", 67, "usage 3 selector 1 matching 0"),
        ("anchor@example.test", 67, "usage 2 selector 0 matching 0"),
        ("kim@bad.test", 76, "is not what its zone signed"),
        ("kim@plain.test", 67, "are not signed"),
    ] {
        let refused = find(&home, address);
        let reason = refused.error()["recipients"][0]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains(said), "{address}: {refused:?}");
        refused.expect(exit);
        assert_eq!(known(&home), before, "{address}");
    }
    let plan = |to: &str, more: &[&str], exit| {
        let plan = ["send", "--from", "alice@example.test", "-t", to, "-n", "--json", "--host", "h"];
        home.sealpost(plan.iter().chain(more)).run().expect(exit)
    };
    plan("kim@example.test", &["--suite", "smime"], 67);
    set("missing_on_send = true\n");
    let planned = plan("kim@example.test", &["--suite", "smime"], 0).json();
    let recipient = &planned["messages"][0]["recipients"][0];
    assert_eq!((&recipient["fingerprint"], &recipient["trust"]), (&kim.fingerprint().into(), &"found".into()));
    assert_eq!(planned["warnings"][0]["kind"], "looked-up");
    set("");
    let again =
        home.sealpost(["cert", "find", "kim@example.test", "--source", "dane", "--json"]).run().expect(0).json();
    assert_eq!(
        (&again["results"][0]["status"], &again["results"][0]["certificates"][0]["suite"]),
        (&"known".into(), &"smime".into())
    );
    // Both suites at once.
    let kept = find(&home, "both@example.test").expect(0).json();
    let suites =
        kept["results"][0]["certificates"].as_array().unwrap().iter().map(|one| one["suite"].as_str().unwrap());
    assert_eq!(suites.collect::<Vec<_>>(), ["openpgp", "smime"]);
    // The pin of the one does not quarrel with the other, which stands beside it.
    home.sealpost(["cert", "verify", &fingerprint]).run().expect(0);
    let pinned = ["cert", "find", "--source", "dane", "both@example.test", "--json"];
    assert_eq!(home.sealpost(pinned).run().expect(0).json()["results"][0]["status"], "known");
    // Where the one is in doubt the other, which vouches for itself, is not kept to take its place.
    home.sealpost(["cert", "import", "-"]).stdin(mine).run().expect(0);
    let before = known(&home);
    let doubt = ["cert", "find", "--source", "dane", "doubt@example.test", "--import", "--json"];
    let conflict = home.sealpost(doubt).run().expect(67).json();
    assert_eq!(conflict["results"][0]["status"], "conflict");
    assert_eq!(known(&home), before);
    assert_eq!(plan("doubt@example.test", &[], 0).json()["messages"][0]["suite"], "openpgp");
    // Removed and brought by anybody, it is known no better than that.
    home.sealpost(["cert", "remove", &kim.fingerprint()]).run().expect(0);
    plan("kim@example.test", &["--suite", "smime"], 67);
}

#[test]
fn another_smime_certificate_is_a_conflict_unless_it_renews() {
    let authority = Authority::new();
    let old = authority.mailbox("kim@example.test");
    let (renewed, foreign) = (authority.mailbox("kim@example.test"), Wish::new("kim@example.test").self_signed());
    let ask_by = |verb: &[&str], held: &Mailbox, published: &[&Mailbox]| {
        let zone = Zone::new("example.test");
        let zone = published.iter().fold(zone, |zone, one| zone.smimea("kim", [3, 0, 0], &der(one)));
        let server = NameServer::start(&[zone]);
        let home = asking(server.address(), &server.anchors(), "");
        let anchors = home.file("ca.pem", [authority.pem(), foreign.certificate_pem()].concat());
        let config = home.state().join("config.toml");
        let text =
            fs::read_to_string(&config).unwrap() + &format!("[smime]\ntrust_anchors = [\"{}\"]\n", anchors.display());
        fs::write(config, text).unwrap();
        for one in [authority.issuer(), held] {
            home.sealpost(["cert", "import", "-"]).stdin(one.certificate_pem()).run().expect(0);
        }
        let outcome = home.sealpost(["cert"].iter().chain(verb).chain(&["kim@example.test", "--json"])).run();
        let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
        (outcome, home.sealpost(plan).run())
    };
    let ask =
        |held: &Mailbox, published: &[&Mailbox]| ask_by(&["find", "--source", "dane", "--import"], held, published).0;
    assert_eq!(ask(&old, &[&renewed]).expect(0).json()["results"][0]["status"], "kept");
    assert_eq!(ask(&old, &[&old, &renewed]).expect(0).json()["results"][0]["status"], "kept");
    let conflict = ask(&old, &[&foreign]).expect(67);
    let reason = conflict.error()["recipients"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&old.fingerprint()) && reason.contains(&foreign.fingerprint()), "{reason}");
    assert_eq!(ask(authority.issuer(), &[&old, &foreign]).expect(67).json()["results"][0]["status"], "conflict");
    // Refreshing goes by the same rules, and what the domain publishes is known best.
    let refresh = |published: &[&Mailbox]| ask_by(&["refresh"], &old, published);
    let next = authority.issue(&Wish::new("kim@example.test").days(-1..400));
    let (refreshed, plan) = refresh(&[&old, &next]);
    assert_eq!(refreshed.expect(0).json()["results"][0]["status"], "renewed");
    let recipient = plan.expect(0).json()["messages"][0]["recipients"][0].clone();
    assert_eq!((&recipient["fingerprint"], &recipient["trust"]), (&next.fingerprint().into(), &"found".into()));
    let (conflict, plan) = refresh(&[&next, &foreign]);
    assert_eq!(conflict.expect(67).json()["results"][0]["status"], "conflict");
    let recipient = plan.expect(0).json()["messages"][0]["recipients"][0].clone();
    assert_eq!(recipient["fingerprint"], old.fingerprint(), "where one is in doubt none is kept");
}

/// A certificate's DER form.
pub fn der(mailbox: &Mailbox) -> Vec<u8> {
    X509::from_pem(&mailbox.certificate_pem()).unwrap().to_der().unwrap()
}
