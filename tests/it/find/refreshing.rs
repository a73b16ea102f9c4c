//! What is new of certificates that are known: `cert refresh`, and `send` where it may.

use std::fs;

use super::{ADVANCED, Scene, VKS, made, wkd};
use crate::support::{Home, Outcome, Reply};

/// A key of Kim's that ends in ten days, to be changed and published anew.
pub(super) struct Kim {
    pub(super) home: Home,
    pub(super) fingerprint: String,
}

impl Kim {
    pub(super) fn new() -> Self {
        let home = Home::new();
        home.sealpost(["key", "make", "kim@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
        let kim = Self { fingerprint: String::new(), home };
        kim.change(&["extend", "kim@example.test", "--for", "10d", "--shorten", "--passphrase", "file:pw"]);
        let shown = kim.home.sealpost(["key", "show", "kim@example.test", "--json"]).run().expect(0).json();
        Self { fingerprint: shown["key"]["fingerprint"].as_str().unwrap().to_owned(), ..kim }
    }

    fn change(&self, arguments: &[&str]) {
        // Signatures of one second count in no order.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        self.home.sealpost(["key"].iter().chain(arguments)).run().expect(0);
    }

    pub(super) fn certificate(&self) -> Vec<u8> {
        self.home.sealpost(["cert", "export", "kim@example.test"]).run().expect(0).stdout
    }
}

pub(super) fn by_fingerprint(fingerprint: &str) -> String {
    format!("{VKS}/vks/v1/by-fingerprint/{fingerprint}")
}

#[test]
fn refreshed_extended_revoked() {
    let scene = Scene::new();
    let kim = Kim::new();
    let refresh = |more: &[&str]| scene.home.sealpost(["cert", "refresh", "--json"].iter().chain(more)).run();
    let status = |outcome: Outcome| outcome.json()["results"][0]["status"].as_str().unwrap().to_owned();
    // Whom nobody knows is not asked for.
    let stranger = refresh(&["kim@example.test"]).expect(67).error();
    assert_eq!(stranger["hints"][0], serde_json::json!(["sealpost", "cert", "find", "kim@example.test"]));
    assert_eq!(scene.server.asked(), 0);
    refresh(&[]).expect(64);
    refresh(&["--all", "kim@example.test"]).expect(64);

    scene.home.sealpost(["cert", "import", "-"]).stdin(kim.certificate()).run().expect(0);
    assert_eq!(status(refresh(&["kim@example.test"]).expect(0)), "not-found");
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim.certificate()));
    assert_eq!(status(refresh(&["kim@example.test"]).expect(0)), "unchanged");
    kim.change(&["extend", "kim@example.test", "--for", "400d", "--passphrase", "file:pw"]);
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim.certificate()));
    let extended = refresh(&["--all"]).expect(0).json();
    let result = extended["results"].as_array().unwrap().iter().find(|one| one["address"] == "kim@example.test");
    assert_eq!(result.unwrap()["status"], "extended", "{extended}");
    let words = scene.home.sealpost(["cert", "refresh", "kim@example.test"]).run().expect(0).text();
    assert!(words.starts_with("kim@example.test: unchanged, by wkd"), "{words}");

    // A source that fails loses nothing.
    scene.server.will(&wkd(ADVANCED), Reply::Status(503));
    assert_eq!(refresh(&["kim@example.test"]).expect(75).error()["kind"], "temporary");
    scene.server.will(&wkd(ADVANCED), Reply::Status(404));
    // A keyserver is asked by fingerprint.
    kim.change(&["revoke", "kim@example.test", "--reason", "retired", "--passphrase", "file:pw"]);
    scene.server.will(&by_fingerprint(&kim.fingerprint), Reply::Body(kim.certificate()));
    assert_eq!(status(refresh(&["kim@example.test"]).expect(0)), "revoked");
    let shown = scene.home.sealpost(["cert", "show", "kim@example.test"]).run().expect(0).text();
    assert!(shown.contains("revoked on"), "{shown}");
}

#[test]
fn what_one_source_does_not_say_another_may() {
    let scene = Scene::new();
    let kim = Kim::new();
    let published = kim.certificate();
    scene.home.sealpost(["cert", "import", "-"]).stdin(published.clone()).run().expect(0);
    scene.server.will(&wkd(ADVANCED), Reply::Body(published));
    kim.change(&["revoke", "kim@example.test", "--reason", "compromised", "--passphrase", "file:pw"]);
    scene.server.will(&by_fingerprint(&kim.fingerprint), Reply::Body(kim.certificate()));
    // The directory goes on to give out the one that is not revoked.
    let refreshed = scene.home.sealpost(["cert", "refresh", "--json", "kim@example.test"]).run().expect(0).json();
    assert_eq!(refreshed["results"][0]["status"], "revoked", "{refreshed}");
    assert_eq!(refreshed["results"][0]["source"], "vks");
    let again = scene.home.sealpost(["cert", "refresh", "--json", "kim@example.test"]).run().expect(0).json();
    assert_eq!((&again["results"][0]["status"], &again["results"][0]["source"]), (&"unchanged".into(), &"wkd".into()));
    // One that fails is told of, and takes nothing from the other.
    scene.server.will(&by_fingerprint(&kim.fingerprint), Reply::Status(503));
    let half = scene.home.sealpost(["cert", "refresh", "--json", "kim@example.test"]).run().expect(0).json();
    assert_eq!(half["results"][0]["status"], "unchanged", "{half}");
    assert_eq!(half["results"][0]["tried"][0]["outcome"], "failed");
}

#[test]
fn refreshing_replaces_nothing() {
    let scene = Scene::new();
    let (first, known) = made("kim@example.test", &[]);
    let (second, other) = made("kim@example.test", &[]);
    scene.home.sealpost(["cert", "import", "-"]).stdin(first).run().expect(0);
    scene.server.will(&wkd(ADVANCED), Reply::Body(second.clone()));
    scene.server.will(&by_fingerprint(&known), Reply::Body(second));
    for pinned in [false, true] {
        if pinned {
            let text = format!("[recipient.\"kim@example.test\"]\npin = [\"{known}\"]\n");
            fs::write(scene.home.state().join("recipients.toml"), text).unwrap();
        }
        for more in [&["kim@example.test"][..], &["kim@example.test", "--source", "vks"], &["--all"]] {
            let refused = scene.home.sealpost(["cert", "refresh", "--json"].iter().chain(more)).run().expect(67);
            let results = refused.json()["results"].clone();
            let result = results.as_array().unwrap().iter().find(|one| one["address"] == "kim@example.test").unwrap();
            assert_eq!(result["status"], "conflict", "{more:?}: {results}");
            assert_eq!(result["fingerprint"], known.as_str());
            assert_eq!(result["found"][0], other.as_str());
            assert_eq!(result["known"][0]["pinned"], pinned);
            let verb = if pinned { "show" } else { "remove" };
            assert_eq!(refused.error()["hints"][0], serde_json::json!(["sealpost", "cert", verb, known]));
            scene.home.sealpost(["cert", "show", &other]).run().expect(66);
            scene.home.sealpost(["cert", "show", &known]).run().expect(0);
        }
    }
}

#[test]
fn send_refreshes_what_runs_out_where_it_may() {
    let scene = Scene::new();
    let kim = Kim::new();
    scene.home.sealpost(["cert", "import", "-"]).stdin(kim.certificate()).run().expect(0);
    kim.change(&["extend", "kim@example.test", "--for", "400d", "--passphrase", "file:pw"]);
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim.certificate()));
    let plan = || {
        let to = ["send", "--from", "alice@example.test", "-t", "kim@example.test,carol@example.test"];
        scene.home.sealpost(to.iter().chain(&["-n", "--json", "--host", "h"])).run()
    };
    let left = |plan: &serde_json::Value| {
        let messages = plan["messages"].as_array().unwrap();
        let all = messages.iter().flat_map(|message| message["recipients"].as_array().unwrap());
        all.clone().find(|one| one["address"] == "kim@example.test").unwrap()["days_left"].as_i64().unwrap()
    };
    // Nobody is told unless it is set.
    assert!(left(&plan().expect(0).json()) < 30);
    assert_eq!(scene.server.asked(), 0);
    // A source that fails does not stop what can go out.
    scene.set("on_send = true\norder = [\"wkd\"]\n", &[VKS]);
    let failed = plan().expect(0).json();
    assert_eq!(failed["warnings"][0]["kind"], "refreshed");
    scene.set("on_send = true\n", &[ADVANCED, VKS]);
    let refreshed = plan().expect(0).json();
    assert!(left(&refreshed) > 300, "{refreshed}");
    assert!(refreshed["warnings"][0]["text"].as_str().unwrap().ends_with("extended"), "{refreshed}");
    // What lasts is not asked for.
    let asked = scene.server.asked();
    plan().expect(0);
    assert_eq!(scene.server.asked(), asked);
    assert!(!scene.server.heard().contains("carol"));
}

#[test]
fn send_stops_where_a_source_has_another_one() {
    let scene = Scene::new();
    let kim = Kim::new();
    let (second, other) = made("kim@example.test", &[]);
    scene.home.sealpost(["cert", "import", "-"]).stdin(kim.certificate()).run().expect(0);
    scene.server.will(&wkd(ADVANCED), Reply::Body(second));
    scene.set("on_send = true\n", &[ADVANCED, VKS]);
    let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
    let refused = scene.home.sealpost(plan).run().expect(67).error();
    let reason = refused["recipients"][0]["reason"].as_str().unwrap();
    assert!(reason.contains(&other) && reason.contains(&kim.fingerprint), "{refused}");
    // A pin has decided.
    let text = format!("[recipient.\"kim@example.test\"]\npin = [\"{}\"]\n", kim.fingerprint);
    fs::write(scene.home.state().join("recipients.toml"), text).unwrap();
    let planned = scene.home.sealpost(plan).run().expect(0).json();
    assert_eq!(planned["messages"][0]["recipients"][0]["fingerprint"], kim.fingerprint.as_str());
    assert!(planned["warnings"][0]["text"].as_str().unwrap().contains(&other), "{planned}");
}
