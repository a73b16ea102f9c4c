//! What holds for every verb: help, usage errors, JSON, configuration, man pages, completions.

use crate::support::{Home, people::alice};

#[test]
fn help_and_version_are_data_and_usage_errors_are_not() {
    let home = Home::new();
    for verb in ["send", "seal", "open", "key", "cert", "completions", "man"] {
        assert!(home.sealpost([verb, "--help"]).run().expect(0).text().contains("Usage: sealpost"), "{verb}");
    }
    // A message as of the past would go to certificates that expired since.
    for (verb, shown) in [("send", false), ("seal", false), ("open", true), ("cert", true)] {
        assert_eq!(home.sealpost([verb, "--help"]).run().expect(0).text().contains("--at "), shown, "{verb}");
    }
    assert!(home.sealpost(["send", "--at", "yesterday"]).run().expect(64).words().contains("--at"));
    let version = home.sealpost(["--version"]).run().expect(0).text();
    assert_eq!(version, format!("sealpost {}\n", env!("CARGO_PKG_VERSION")));
    for wrong in
        [&["--nonsense"][..], &["nonsense"], &[], &["open"], &["key"], &["send", "--queue", "always", "-t", "a@b.c"]]
    {
        let refused = home.sealpost(wrong).run().expect(64);
        assert!(refused.stdout.is_empty() && refused.words().starts_with("sealpost: "), "{refused:?}");
    }
    for none in [&[][..], &["key"], &["cert"]] {
        assert!(home.sealpost(none).run().expect(64).words().contains("no verb is given"));
        let json = home.sealpost(none.iter().chain(&["--json"])).run().expect(64);
        assert_eq!(json.error()["text"], "no verb is given");
    }
    let refused = home.sealpost(["send", "--json", "--nonsense"]).run().expect(64);
    assert_eq!(refused.error()["hints"][0], serde_json::json!(["sealpost", "send", "--help"]));
}

#[test]
fn each_hint_is_a_command_that_runs() {
    let home = Home::new();
    let failures = [
        home.sealpost(["send", "--json"]).run(),
        home.sealpost(["send", "--json", "-t", "bob@example.test", "--from", "a@example.test", "--host", "h"]).run(),
        home.sealpost(["cert", "show", "bob@example.test", "--json"]).run(),
        home.sealpost(["key", "export", "bob@example.test", "--json"]).run(),
        home.sealpost(["key", "make", "bob@example.test", "--json"]).run(),
        alice()
            .sealpost(["send", "--json", "-t", "bob@example.test", "--from", "kim@example.test", "--host", "h"])
            .run(),
    ];
    for failure in failures {
        for hint in failure.error()["hints"].as_array().unwrap() {
            let words: Vec<_> = hint.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            assert_eq!(words[0], "sealpost", "{failure:?}");
            let outcome = home.sealpost(&words[1..]).run();
            assert_ne!(outcome.exit, 64, "{words:?}: {outcome:?}");
        }
    }
}

#[test]
fn the_configuration_is_exact() {
    let home = Home::new();
    let config = |text: &str| std::fs::write(home.state().join("config.toml"), text).unwrap();
    config("[account.work]\nform = \"a@example.test\"\n");
    let refused = home.sealpost(["send", "--json", "-t", "b@example.test"]).run().expect(78);
    let text = refused.error()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("config.toml") && text.contains("line 2") && text.contains("from"), "{text}");
    config("[account.work]\npassphrase = \"hunter2\"\n");
    let refused = home.sealpost(["send", "-t", "b@example.test"]).run().expect(78);
    assert!(!refused.words().contains("hunter2"));
    config("[account.work]\nfrom = \"a@example.test\"\n[account.work.submission]\nports = [\"25\"]\n");
    home.sealpost(["send", "-t", "b@example.test"]).run().expect(78);
    config("");
    home.sealpost(["send", "-t", "b@example.test"]).env("SEALPOST_PORTS", "x").run().expect(78);
    home.sealpost(["send", "-t", "b@example.test", "--account", "none"]).run().expect(64);
    home.sealpost(["send", "-t", "b@example.test"]).run().expect(78);
}

#[test]
fn man_pages_and_completions() {
    let home = Home::new();
    home.sealpost(["man", "pages"]).run().expect(0);
    let page = std::fs::read_to_string(home.path("pages/sealpost-send.1")).unwrap();
    assert!(page.contains("sealpost") && page.contains("recipient"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.sealpost(["completions", shell]).run().expect(0).text().contains("sealpost"));
    }
    home.sealpost(["man", "/dev/null/x"]).run().expect(73);
}

#[test]
fn output_that_cannot_be_written_is_said() {
    let home = Home::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(["completions", "bash"])
        .env("SEALPOST_HOME", home.state())
        .stdout(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(74));
}
