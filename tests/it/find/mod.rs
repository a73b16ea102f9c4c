//! `sealpost cert find`: Web Key Directories and keyservers on loopback, honest ones and others.

#[cfg(feature = "dane")]
mod dane;
mod ldap;
mod pinned;
mod progress;
mod proxied;
mod refreshing;
mod uploading;

use std::fs;

use crate::support::{
    Ca, Flaw, Home, Outcome, Publisher, Reply,
    people::{alice, specimen},
};
use refreshing::Kim;

/// The name of `kim` in a directory.
const KIM: &str = "waa1nexbm1zcq1nfs67fihtugdk141sy";

/// The hosts of the domain of Kim and of two keyservers.
const ADVANCED: &str = "openpgpkey.example.test";
const VKS: &str = "vks.example.test";
const HKPS: &str = "hkps.example.test";

/// An authority, a server for all hosts, and a home that asks it.
struct Scene {
    ca: Ca,
    server: Publisher,
    home: Home,
}

impl Scene {
    fn new() -> Self {
        let ca = Ca::new();
        let server = Publisher::new(&ca, &[ADVANCED, "example.test", VKS, HKPS]);
        let scene = Self { ca, server, home: alice() };
        scene.set("", &[ADVANCED, VKS, HKPS]);
        scene
    }

    /// Writes the settings: these hosts are where the server is.
    fn set(&self, more: &str, hosts: &[&str]) {
        let ca = self.home.file("ca.pem", self.ca.pem());
        let hosts: String =
            hosts.iter().map(|host| format!("\"{host}\" = \"127.0.0.1:{}\"\n", self.server.port())).collect();
        let order = if more.contains("order = ") { "" } else { "order = [\"wkd\", \"vks\"]\n" };
        let config = format!(
            "[find]\n{order}vks = \"https://{VKS}\"\nhkps = \"https://{HKPS}\"\nca_file = \"{}\"\ntimeout = \"2s\"\n{more}\
             \n[find.hosts]\n{hosts}",
            ca.display()
        );
        fs::write(self.home.state().join("config.toml"), config).unwrap();
    }

    fn find(&self, more: &[&str]) -> Outcome {
        self.home.sealpost(["cert", "find", "kim@example.test", "--json"].iter().chain(more)).run()
    }

    fn known(&self) -> usize {
        self.home.sealpost(["cert", "list", "--json"]).run().expect(0).json()["certificates"].as_array().unwrap().len()
    }
}

fn wkd(host: &str) -> String {
    let domain = if host == ADVANCED { "example.test/" } else { "" };
    format!("{host}/.well-known/openpgpkey/{domain}hu/{KIM}?l=kim")
}

fn vks() -> String {
    format!("{VKS}/vks/v1/by-email/kim%40example.test")
}

fn hkps() -> String {
    format!("{HKPS}/pks/lookup?op=get&options=mr&exact=on&search=kim%40example.test")
}

/// A certificate for an address, made at a time, and its fingerprint.
fn made(address: &str, more: &[&str]) -> (Vec<u8>, String) {
    let home = Home::new();
    let make = ["key", "make", address, "--new-passphrase", "file:pw"];
    home.sealpost(make.iter().chain(more)).run().expect(0);
    let armored = home.sealpost(["cert", "export", address]).run().expect(0).stdout;
    let shown = home.sealpost(["key", "show", address, "--json"]).run().expect(0).json();
    (armored, shown["key"]["fingerprint"].as_str().unwrap().to_owned())
}

#[test]
fn found_in_a_directory_shown_and_kept_when_asked() {
    let scene = Scene::new();
    let (kim, fingerprint) = made("kim@example.test", &[]);
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim));
    let before = scene.known();
    let found = scene.find(&[]).expect(0).json();
    let result = &found["results"][0];
    assert_eq!((result["status"].as_str(), result["source"].as_str()), (Some("found"), Some("wkd")), "{found}");
    assert_eq!(result["trust"], "found");
    assert_eq!(result["certificates"][0]["fingerprint"], fingerprint.as_str());
    assert_eq!(scene.known(), before, "nothing is kept unasked");
    let words = scene.home.sealpost(["cert", "find", "kim@example.test"]).run().expect(0);
    assert!(words.text().contains(&fingerprint) && words.text().contains("Ed25519"), "{words:?}");
    assert!(words.words().contains("sealpost cert find --import kim@example.test"), "{words:?}");

    let kept = scene.find(&["--import"]).expect(0).json();
    assert_eq!(kept["results"][0]["status"], "kept");
    assert_eq!(kept["results"][0]["certificates"][0]["outcome"], "new");
    let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
    let plan = scene.home.sealpost(plan).run().expect(0).json();
    assert_eq!(plan["messages"][0]["recipients"][0]["trust"], "found");
    let level = |name: &str| {
        let shown = scene.home.sealpost(["cert", "show", name, "--json"]).run().expect(0).json();
        shown["certificate"]["levels"][0].clone()
    };
    let found = serde_json::json!({ "address": "kim@example.test", "trust": "found", "sources": ["wkd"] });
    assert_eq!(level("kim@example.test"), found);
    let listed = scene.home.sealpost(["cert", "list"]).run().expect(0).text();
    assert!(listed.contains(&format!("{fingerprint}  kim@example.test (found, wkd)  usable")), "{listed}");
    // The store comes first, and then nobody is told.
    let asked = scene.server.asked();
    assert_eq!(scene.find(&[]).expect(0).json()["results"][0]["status"], "stored");
    assert_eq!(scene.server.asked(), asked);
    let again = scene.find(&["--source", "wkd", "--import"]).expect(0).json();
    assert_eq!(again["results"][0]["status"], "known");
    assert_eq!(again["results"][0]["certificates"][0]["outcome"], "unchanged");
    assert!(!scene.server.heard().to_lowercase().contains("user-agent"));
}

#[test]
fn each_source_in_its_turn() {
    let scene = Scene::new();
    let (kim, fingerprint) = made("kim@example.test", &[]);
    for (source, target) in [("vks", vks()), ("hkps", hkps())] {
        scene.server.will(&target, Reply::Body(kim.clone()));
        let found = scene.find(&["--source", source]).expect(0).json();
        assert_eq!(found["results"][0]["certificates"][0]["fingerprint"], fingerprint.as_str());
        assert_eq!(found["results"][0]["trust"], "keyserver");
    }
    // The directory has nothing; the keyserver is the next by the order.
    let found = scene.find(&["--import"]).expect(0).json();
    assert_eq!(found["results"][0]["source"], "vks");
    assert_eq!(found["results"][0]["tried"][0]["outcome"], "nothing");
    let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
    let little = scene.home.sealpost(plan).run().expect(67).error();
    assert_eq!(little["hints"][0], serde_json::json!(["sealpost", "cert", "verify", fingerprint, "kim@example.test"]));
    // An account may ask for less.
    scene.set("[account.work]\nfrom = \"alice@example.test\"\ntrust = \"keyserver\"\n", &[ADVANCED, VKS, HKPS]);
    let trust = || {
        let plan = scene.home.sealpost(plan).run().expect(0).json();
        plan["messages"][0]["recipients"][0]["trust"].as_str().unwrap().to_owned()
    };
    assert_eq!(trust(), "keyserver");
    // Taken by hand it is known better, and its keyserver does not make it less.
    scene.home.sealpost(["cert", "import", "-"]).stdin(kim.clone()).run().expect(0);
    assert_eq!(trust(), "imported");
    scene.find(&["--source", "hkps", "--import"]).expect(0);
    assert_eq!(trust(), "imported");
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim));
    scene.find(&["--source", "wkd", "--import"]).expect(0);
    assert_eq!(trust(), "found");
    scene.home.sealpost(["cert", "remove", "kim@example.test"]).run().expect(0);
    assert!(!scene.home.state().join(format!("origins/{fingerprint}.json")).exists());
}

#[test]
fn what_a_keyserver_gave_proves_no_sender_until_it_is_verified() {
    let scene = Scene::new();
    let kim = Kim::new();
    scene.server.will(&vks(), Reply::Body(kim.certificate()));
    let alice = scene.home.sealpost(["cert", "export", "alice@example.test"]).run().expect(0).stdout;
    kim.home.sealpost(["cert", "import", "-"]).stdin(alice).run().expect(0);
    let seal = ["seal", "--passphrase", "file:pw", "-t", "alice@example.test"];
    let message = kim.home.sealpost(seal).stdin("From: kim@example.test\n\nhello\n").run().expect(0).stdout;
    let open = |exit| {
        let open = ["open", "-", "--json", "--passphrase", "file:pw", "--signed-by", "kim@example.test"];
        scene.home.sealpost(open).stdin(message.clone()).run().expect(exit).json()["signature"].clone()
    };
    assert_eq!(open(3)["reason"], "no-certificate");
    scene.find(&["--source", "vks", "--import"]).expect(0);
    let untrusted = open(3);
    assert_eq!((&untrusted["state"], &untrusted["reason"]), (&"unknown".into(), &"untrusted".into()));
    assert!(untrusted["detail"].as_str().unwrap().contains("known as keyserver"), "{untrusted}");
    scene.home.sealpost(["cert", "verify", &kim.fingerprint]).run().expect(0);
    assert_eq!(open(0)["state"], "good");
    // Where another one is pinned, it proves nothing, though it was imported.
    scene.home.sealpost(["cert", "import", "-"]).stdin(kim.certificate()).run().expect(0);
    let pin = format!("[recipient.\"kim@example.test\"]\npin = [\"{}\"]\n", "A".repeat(40));
    fs::write(scene.home.state().join("recipients.toml"), pin).unwrap();
    assert!(open(3)["detail"].as_str().unwrap().contains("another certificate is pinned"));
    fs::remove_file(scene.home.state().join("recipients.toml")).unwrap();
    assert_eq!(open(0)["state"], "good");
}

#[test]
fn the_direct_method_is_for_domains_without_the_host() {
    let scene = Scene::new();
    let (kim, _) = made("kim@example.test", &[]);
    scene.set("", &["example.test"]);
    scene.server.will(&wkd("example.test"), Reply::Body(kim.clone()));
    assert_eq!(scene.find(&["--source", "wkd"]).expect(0).json()["results"][0]["status"], "found");
    // Where the host is there and has nothing, or fails, the domain itself is not asked.
    scene.set("", &[ADVANCED, "example.test"]);
    scene.find(&["--source", "wkd"]).expect(67);
    scene.server.will(&wkd(ADVANCED), Reply::Status(500));
    let failed = scene.find(&["--source", "wkd"]).expect(75);
    assert_eq!(failed.error()["kind"], "temporary");
    assert_eq!(failed.json()["results"][0]["tried"][0]["outcome"], "failed");
    let asked = scene.server.heard();
    assert_eq!(asked.matches("\r\nhost: example.test\r\n").count(), 1, "{asked}");
    // Neither resolves.
    scene.set("", &[]);
    scene.find(&["--source", "wkd"]).expect(75);
}

#[test]
fn only_what_was_asked_for_counts() {
    let scene = Scene::new();
    let (lee, _) = made("lee@example.test", &[]);
    for target in [wkd(ADVANCED), vks(), hkps()] {
        scene.server.will(&target, Reply::Body(lee.clone()));
    }
    for source in ["wkd", "vks", "hkps"] {
        let refused = scene.find(&["--source", source, "--import"]).expect(67);
        assert!(refused.error()["recipients"][0]["reason"].as_str().unwrap().contains("does not name"), "{refused:?}");
    }
    // Of two user IDs only that of the address is kept.
    let gpg = crate::support::Gpg::new();
    let mut make = gpg.command(["--passphrase", "", "--quick-generate-key"]);
    make.args(["Kim <kim@example.test>", "ed25519", "default", "1y"]);
    crate::support::run(make, b"").expect(0);
    let mut add = gpg.command(["--passphrase", "", "--quick-add-uid"]);
    add.args(["kim@example.test", "Chief <chief@example.test>"]);
    crate::support::run(add, b"").expect(0);
    scene.server.will(&wkd(ADVANCED), Reply::Body(gpg.export("kim@example.test")));
    let found = scene.find(&["--source", "wkd"]).json();
    assert_eq!(found["results"][0]["certificates"][0]["user_ids"], serde_json::json!(["Kim <kim@example.test>"]));
}

#[test]
fn faults_keep_nothing() {
    let scene = Scene::new();
    let (kim, _) = made("kim@example.test", &[]);
    let (other, _) = made("kim@example.test", &[]);
    let before = scene.known();
    let plain = format!("http://{ADVANCED}/x");
    let faults: Vec<(Reply, u8, &str)> = vec![
        (Reply::Status(404), 67, "has no certificate"),
        (Reply::Body(Vec::new()), 67, "has no certificate"),
        (Reply::Status(503), 75, "status 503"),
        (Reply::Status(403), 76, "status 403"),
        (Reply::Body(b"<html>not found</html>".to_vec()), 76, "gave something else"),
        (Reply::Body(specimen("ca.pem")), 76, "gave something else"),
        (Reply::Flood(1 << 30), 76, "larger than 1048576 bytes"),
        (Reply::Drip(kim.clone()), 75, "in time"),
        (Reply::Redirect(plain), 76, "out of TLS"),
        (Reply::Redirect("https://127.0.0.1:1/x".to_owned()), 76, "not on the public network"),
        (Reply::Redirect("https://10.0.0.1/x".to_owned()), 76, "not on the public network"),
        (Reply::Redirect(format!("https://{}", wkd(ADVANCED))), 76, "without end"),
        (Reply::Body([kim.clone(), other.clone()].concat()), 67, "several certificates"),
        (Reply::Body(other.repeat(17)), 76, "more than 16"),
    ];
    for (reply, exit, said) in faults {
        scene.server.will(&wkd(ADVANCED), reply);
        let failed = scene.find(&["--source", "wkd", "--import"]).expect(exit.into());
        assert!(failed.error()["recipients"][0]["reason"].as_str().unwrap().contains(said), "{said}: {failed:?}");
        assert_eq!(scene.known(), before, "{said}");
    }
    // A redirect that leads to where the user said is followed.
    scene.server.will(&wkd(ADVANCED), Reply::Redirect(format!("https://{VKS}/moved")));
    scene.server.will(&format!("{VKS}/moved"), Reply::Body(kim.clone()));
    scene.find(&["--source", "wkd"]).expect(0);
    // A server that cannot prove its name is not heard.
    for flaw in [Flaw::Expired, Flaw::WrongHost, Flaw::SelfSigned] {
        let liar = Publisher::showing(scene.ca.flawed(flaw));
        liar.will(&wkd(ADVANCED), Reply::Body(kim.clone()));
        let liar = Scene { ca: Ca::new(), server: liar, home: alice() };
        liar.set("", &[ADVANCED]);
        liar.find(&["--source", "wkd"]).expect(76);
        assert_eq!(liar.server.heard(), "");
    }
    // What is in one's own network is not asked, unless it is allowed.
    let server = Publisher::new(&scene.ca, &["localhost"]);
    server.will(&vks().replace(VKS, &format!("localhost:{}", server.port())), Reply::Body(kim));
    for (private, exit) in [(false, 76), (true, 0)] {
        let config = format!(
            "[find]\nvks = \"https://localhost:{}\"\nca_file = \"{}\"\nprivate = {private}\n",
            server.port(),
            scene.home.path("ca.pem").display()
        );
        fs::write(scene.home.state().join("config.toml"), config).unwrap();
        scene.find(&["--source", "vks"]).expect(exit);
    }
}

#[test]
fn another_fingerprint_is_a_conflict() {
    let scene = Scene::new();
    let (first, known) = made("kim@example.test", &[]);
    let (second, other) = made("kim@example.test", &[]);
    scene.home.sealpost(["cert", "import", "-"]).stdin(first).run().expect(0);
    for (source, target) in [("wkd", wkd(ADVANCED)), ("vks", vks()), ("hkps", hkps())] {
        scene.server.will(&target, Reply::Body(second.clone()));
        let refused = scene.find(&["--source", source, "--import"]).expect(67);
        let reason = refused.error()["recipients"][0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(&known) && reason.contains(&other) && reason.contains("known since 20"), "{reason}");
        let result = refused.json()["results"][0].clone();
        assert_eq!(result["status"], "conflict");
        assert_eq!(result["known"][0]["fingerprint"], known.as_str());
        assert_eq!(result["certificates"][0]["fingerprint"], other.as_str());
        scene.home.sealpost(["cert", "show", &other]).run().expect(66);
    }
    // A pin stands above what is found, also where it is not in the store.
    scene.home.sealpost(["cert", "remove", &known]).run().expect(0);
    let pin = |fingerprint: &str| {
        let text = format!("[recipient.\"kim@example.test\"]\npin = [\"{fingerprint}\"]\n");
        fs::write(scene.home.state().join("recipients.toml"), text).unwrap();
    };
    pin(&known);
    let refused = scene.find(&["--import"]).expect(67);
    assert_eq!(refused.json()["results"][0]["known"][0]["pinned"], true);
    pin(&other);
    scene.find(&["--import"]).expect(0);
    scene.home.sealpost(["cert", "show", &other]).run().expect(0);
}

#[test]
fn a_candidate_ends_no_search() {
    let scene = Scene::new();
    let (kim, fingerprint) = made("kim@example.test", &[]);
    let text = String::from_utf8(kim.clone()).unwrap();
    let lines = text.split("\n\n").nth(1).unwrap().lines();
    let digits: String = lines.take_while(|line| !line.starts_with(['=', '-'])).collect();
    let message = format!("From: kim@example.test\nAutocrypt: addr=kim@example.test; keydata={digits}\n\nhello\n");
    scene.home.sealpost(["cert", "import", "--from-mail", "-"]).stdin(message).run().expect(0);
    let status = |exit| scene.find(&[]).expect(exit).json()["results"][0]["status"].clone();
    assert_eq!(status(67), "not-found");
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim));
    assert_eq!(status(0), "known");
    // It does where the account is content with it, or where it is pinned.
    let asked = scene.server.asked();
    let account = "[account.work]\nfrom = \"alice@example.test\"\ntrust = \"candidate\"\n";
    scene.set(account, &[ADVANCED, VKS]);
    assert_eq!(status(0), "stored");
    scene.set("", &[ADVANCED, VKS]);
    scene.home.sealpost(["cert", "verify", &fingerprint]).run().expect(0);
    assert_eq!(status(0), "stored");
    assert_eq!(scene.server.asked(), asked);
}

#[test]
fn one_question_of_many_fails_alone() {
    let scene = Scene::new();
    let (kim, _) = made("kim@example.test", &[]);
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim));
    let many: Vec<_> = (0..20).map(|number| format!("nobody{number}@example.test")).collect();
    let mut arguments = vec!["cert", "find", "--json", "--import", "--source", "wkd", "kim@example.test"];
    arguments.extend(many.iter().map(String::as_str));
    let outcome = scene.home.sealpost(&arguments).run().expect(67);
    let results = outcome.json()["results"].clone();
    assert_eq!(results[0]["status"], "kept");
    assert!((1..=20).all(|number| results[number]["status"] == "not-found"), "{results}");
    assert_eq!(outcome.error()["recipients"].as_array().unwrap().len(), 20);
    scene.home.sealpost(["cert", "find", "nobody"]).run().expect(64);
    scene.home.sealpost(["cert", "find"]).run().expect(64);
    scene.home.sealpost(["cert", "find", "k@example.test", "--source", "dns"]).run().expect(64);
}

#[test]
fn send_looks_up_whom_it_does_not_know_where_it_may() {
    let scene = Scene::new();
    let (kim, fingerprint) = made("kim@example.test", &[]);
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim.clone()));
    let plan = |more: &[&str]| {
        let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
        scene.home.sealpost(plan.iter().chain(more)).run()
    };
    // Nobody is told unless it is set, nor where the certificate would be of no use.
    plan(&[]).expect(67);
    scene.set("missing_on_send = true\n", &[ADVANCED, VKS]);
    plan(&["--suite", "smime"]).expect(67);
    assert_eq!(scene.server.asked(), 0);
    // What one source lacks, and another one has, is not enough by itself.
    scene.server.will(&wkd(ADVANCED), Reply::Status(404));
    let refused = plan(&[]).expect(67).error();
    let reason = refused["recipients"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("it was looked for: ") && reason.contains("has no certificate"), "{refused}");
    scene.server.will(&vks(), Reply::Body(kim.clone()));
    let little = plan(&[]).expect(67).error();
    assert_eq!(little["hints"][0], serde_json::json!(["sealpost", "cert", "verify", fingerprint, "kim@example.test"]));
    scene.home.sealpost(["cert", "remove", "kim@example.test"]).run().expect(0);
    // The owner's domain is.
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim));
    let planned = plan(&[]).expect(0).json();
    assert_eq!(planned["messages"][0]["recipients"][0]["fingerprint"], fingerprint.as_str());
    assert_eq!(planned["messages"][0]["recipients"][0]["trust"], "found");
    assert_eq!(planned["warnings"][0]["kind"], "looked-up");
    // It is kept, and nobody is asked again.
    let asked = scene.server.asked();
    assert_eq!(plan(&[]).expect(0).json()["warnings"], serde_json::json!([]));
    assert_eq!(scene.server.asked(), asked);
    // Another one than the pinned one is none.
    scene.home.sealpost(["cert", "remove", "kim@example.test"]).run().expect(0);
    let pin = format!("[recipient.\"kim@example.test\"]\npin = [\"{}\"]\n", "A".repeat(40));
    fs::write(scene.home.state().join("recipients.toml"), pin).unwrap();
    let refused = plan(&[]).expect(67).error();
    assert!(refused["recipients"][0]["reason"].as_str().unwrap().contains("is pinned"), "{refused}");
}
