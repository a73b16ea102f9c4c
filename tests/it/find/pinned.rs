//! No sequence of imports, finds, refreshes and messages changes whom a pinned address is written to.

use std::fs;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{ADVANCED, Scene, VKS, hkps, made, refreshing::by_fingerprint, vks, wkd};
use crate::support::Reply;

/// What befalls the store; a number says which of the certificates it is about.
#[derive(Clone, Debug)]
enum Step {
    Import(usize),
    FromMail(usize),
    Find(&'static str, usize),
    Refresh(usize),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop::sample::select(vec!["wkd", "vks", "hkps"]);
    prop_oneof![
        (0..3_usize).prop_map(Step::Import),
        (0..3_usize).prop_map(Step::FromMail),
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
}

fn rival() -> Rival {
    let (armored, fingerprint) = made("kim@example.test", &[]);
    let text = String::from_utf8(armored.clone()).unwrap();
    let body = text.split("\n\n").nth(1).unwrap();
    let digits: String = body.lines().take_while(|line| !line.starts_with(['=', '-'])).collect();
    let message =
        format!("From: kim@example.test\nAutocrypt: addr=kim@example.test; keydata={digits}\nSubject: s\n\nhello\n");
    Rival { armored, fingerprint, message }
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
    let rivals = [rival(), rival(), rival()];
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
