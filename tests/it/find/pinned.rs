//! No sequence of imports, finds, refreshes, messages and gossip changes whom a pinned address is written to.

use std::fs;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{ADVANCED, Scene, VKS, hkps, made, refreshing::by_fingerprint, vks, wkd};
use crate::support::{Home, Reply, people::alice};

/// What befalls the store; a number says which of the certificates it is about.
#[derive(Clone, Debug)]
enum Step {
    Import(usize),
    FromMail(usize),
    Gossip(usize),
    Find(&'static str, usize),
    Refresh(usize),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop::sample::select(vec!["wkd", "vks", "hkps"]);
    prop_oneof![
        (0..3_usize).prop_map(Step::Import),
        (0..3_usize).prop_map(Step::FromMail),
        (0..3_usize).prop_map(Step::Gossip),
        (source, 0..3_usize).prop_map(|(source, which)| Step::Find(source, which)),
        (0..3_usize).prop_map(Step::Refresh),
        (0..3_usize).prop_map(Step::Remove),
    ]
}

/// Certificates of one address, armored and by fingerprint, in binary form as an Autocrypt header has them.
struct Rival {
    armored: Vec<u8>,
    fingerprint: String,
    message: String,
    /// What Lee writes to Alice and Kim, and says of Kim.
    gossip: Vec<u8>,
}

fn rival(lee: &Home) -> Rival {
    let (armored, fingerprint) = made("kim@example.test", &[]);
    let text = String::from_utf8(armored.clone()).unwrap();
    let body = text.split("\n\n").nth(1).unwrap();
    let digits: String = body.lines().take_while(|line| !line.starts_with(['=', '-'])).collect();
    let message =
        format!("From: kim@example.test\nAutocrypt: addr=kim@example.test; keydata={digits}\nSubject: s\n\nhello\n");
    let lines: Vec<_> = body.lines().take_while(|line| !line.starts_with(['=', '-'])).collect();
    let gossip = format!(
        "From: lee@example.test\nTo: alice@example.test, kim@example.test\n\
         Autocrypt-Gossip: addr=kim@example.test; keydata=\n {}\n\nhello\n",
        lines.join("\n ")
    );
    lee.file("kim.asc", &armored);
    let seal = ["seal", "--passphrase", "file:pw", "--cert", "kim.asc"];
    let gossip = lee.sealpost(seal).stdin(gossip).run().expect(0).stdout;
    Rival { armored, fingerprint, message, gossip }
}

/// Who writes to Alice and Kim.
fn lee() -> Home {
    let lee = Home::new();
    lee.sealpost(["key", "make", "lee@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
    lee.file("alice.asc", alice().sealpost(["cert", "export", "alice@example.test"]).run().expect(0).stdout);
    lee.sealpost(["cert", "import", "alice.asc"]).run().expect(0);
    lee
}

fn take(scene: &Scene, rivals: &[Rival], step: &Step) {
    let run = |arguments: &[&str], stdin: &[u8]| scene.home.sealpost(arguments).stdin(stdin.to_vec()).run();
    match step {
        Step::Import(which) => {
            run(&["cert", "import", "-"], &rivals[*which].armored);
        }
        Step::FromMail(which) => {
            run(&["cert", "import", "--from-mail", "-"], rivals[*which].message.as_bytes());
        }
        Step::Gossip(which) => {
            let read = ["cert", "import", "--from-mail", "-", "--passphrase", "file:pw", "--json"];
            let read = scene.home.sealpost(read).stdin(rivals[*which].gossip.clone()).run();
            assert_eq!(read.json()["results"][0]["source"], "gossip", "{read:?}");
        }
        Step::Find(source, which) => {
            for target in [wkd(ADVANCED), vks(), hkps()] {
                scene.server.will(&target, Reply::Body(rivals[*which].armored.clone()));
            }
            run(&["cert", "find", "kim@example.test", "--import", "--source", source], b"");
        }
        Step::Refresh(which) => {
            for rival in rivals {
                scene.server.will(&by_fingerprint(&rival.fingerprint), Reply::Body(rivals[*which].armored.clone()));
            }
            scene.server.will(&wkd(ADVANCED), Reply::Body(rivals[*which].armored.clone()));
            run(&["cert", "refresh", "--all"], b"");
        }
        Step::Remove(which) => {
            run(&["cert", "remove", &rivals[*which].fingerprint], b"");
        }
    }
}

#[test]
fn nothing_that_comes_changes_whom_a_pinned_address_is_written_to() {
    let lee = lee();
    let rivals = [rival(&lee), rival(&lee), rival(&lee)];
    let mut runner = TestRunner::new(Config { cases: 6, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..12);
    let outcome = runner.run(&steps, |steps| {
        let scene = Scene::new();
        scene.set("on_send = true\nmissing_on_send = true\n", &[ADVANCED, VKS]);
        let pin = format!("[recipient.\"kim@example.test\"]\npin = [\"{}\"]\n", rivals[0].fingerprint);
        fs::write(scene.home.state().join("recipients.toml"), pin).unwrap();
        for step in &steps {
            take(&scene, &rivals, step);
            let plan =
                ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
            let planned = scene.home.sealpost(plan).run();
            if planned.exit == 0 {
                let written = planned.json()["messages"][0]["recipients"][0]["fingerprint"].clone();
                prop_assert_eq!(written, rivals[0].fingerprint.as_str());
            } else {
                prop_assert_eq!(planned.exit, 67, "{:?}", planned);
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// A stranger's word, in a mail to Alice, keeps nobody's certificate from being found, looked at and refreshed.
#[test]
fn gossip_hides_nobody_from_those_who_look() {
    let scene = Scene::new();
    let lee = lee();
    let [forged, true_one] = [rival(&lee), rival(&lee)];
    scene.set("missing_on_send = true\non_send = true\n", &[ADVANCED, VKS]);
    let read = |gossip: &[u8]| {
        let read = ["cert", "import", "--from-mail", "-", "--passphrase", "file:pw", "--json"];
        scene.home.sealpost(read).stdin(gossip.to_vec()).run().expect(0).json()["results"][0]["status"].clone()
    };
    assert_eq!(read(&forged.gossip), "kept");
    // Nobody is asked about it.
    let refreshed = scene.home.sealpost(["cert", "refresh", "--all", "--json"]).run();
    assert!(!refreshed.json().to_string().contains("kim@"), "{refreshed:?}");
    assert!(!scene.server.heard().contains(&forged.fingerprint));
    let stranger = scene.home.sealpost(["cert", "refresh", "kim@example.test"]).run().expect(67);
    assert!(stranger.words().contains("no certificate is known"), "{stranger:?}");
    // The owner's own is found, shown as the one, and refreshed without a conflict.
    scene.server.will(&wkd(ADVANCED), Reply::Body(true_one.armored.clone()));
    assert_eq!(scene.find(&[]).expect(0).json()["results"][0]["status"], "found");
    let plan = ["send", "--from", "alice@example.test", "-t", "kim@example.test", "-n", "--json", "--host", "h"];
    let planned = scene.home.sealpost(plan).run().expect(0).json();
    let recipient = &planned["messages"][0]["recipients"][0];
    assert_eq!(
        (&recipient["fingerprint"], &recipient["trust"]),
        (&true_one.fingerprint.as_str().into(), &"found".into())
    );
    let refreshed = scene.home.sealpost(["cert", "refresh", "kim@example.test", "--json"]).run().expect(0).json();
    assert_eq!(refreshed["results"].as_array().unwrap().len(), 1, "{refreshed}");
    assert_eq!(read(&forged.gossip), "conflict");
    scene.home.sealpost(["cert", "check", "kim@example.test"]).run().expect(0);
    assert_eq!(scene.find(&[]).expect(0).json()["results"][0]["status"], "stored");
}
