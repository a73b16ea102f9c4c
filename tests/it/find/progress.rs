//! How far a long job is: shown on a terminal alone, and gone when it is done. The terminal is that of `script`.

use super::{ADVANCED, Scene, VKS, made, vks, wkd};
use crate::support::Reply;

/// What takes longer than the second after which a bar is shown: until the two of the setting are over.
fn slow() -> Reply {
    Reply::Drip(vec![b'x'; 1000])
}

#[test]
fn a_bar_is_shown_on_a_terminal_alone() {
    let scene = Scene::new();
    let (kim, fingerprint) = made("kim@example.test", &[]);
    scene.home.sealpost(["cert", "import", "-"]).stdin(kim.clone()).run().expect(0);
    scene.server.will(&wkd(ADVANCED), Reply::Body(kim));
    scene.server.will(&format!("{VKS}/vks/v1/by-fingerprint/{fingerprint}"), slow());
    scene.server.will(&vks(), slow());
    let run = |line: &str| scene.home.sealpost([""; 0]).env("TERM", "xterm").env("SHELL", "/bin/sh").shell(line);
    let watched = |command: &str| run(&format!("script -qec 'exec {command} > out' /dev/null")).text();
    let out = || std::fs::read_to_string(scene.home.path("out")).unwrap();

    let refresh = "sealpost cert refresh kim@example.test";
    let seen = watched(refresh);
    assert!(seen.contains("0 of 1 certificates"), "{seen:?}");
    // Nothing of it is left: the last that happens to its line is that it is cleared.
    let after = seen.rsplit("certificates").next().unwrap();
    assert!(after.contains("\u{1b}[2K") && !after.contains("of 1"), "{seen:?}");
    assert!(out().starts_with("kim@example.test: unchanged, by wkd"), "{}", out());
    let words = out();
    for silent in ["--quiet", "--json"] {
        let seen = watched(&format!("{refresh} {silent}"));
        assert!(!seen.contains("certificates"), "{silent}: {seen:?}");
    }
    // Without a terminal the words are the same, and nothing else.
    let piped = run(refresh);
    assert_eq!((piped.text(), piped.words()), (words, String::new()));

    let seen = watched("sealpost cert find --source vks kim@example.test lee@example.test");
    assert!(seen.contains(" of 2 addresses"), "{seen:?}");
    assert!(seen.find("of 2 addresses") < seen.find("no certificate was found"), "{seen:?}");
    // What is done at once is not watched.
    let seen = watched("sealpost cert find kim@example.test");
    assert!(!seen.contains("addresses"), "{seen:?}");
}
