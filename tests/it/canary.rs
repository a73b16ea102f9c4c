//! No cleartext leaves the process: canaries in body, subject, attachment, Bcc and secrets, looked for in all that
//! crossed the wire, in every file that the program may write, and in what a command that it runs can see.

use std::{fs, path::Path};

use crate::support::{
    Ca, Home,
    lying_server::{Face, LyingServer, Step, answer, opening, say},
    people::{alice, alice_of_both, specimen},
};

const CANARIES: [&str; 6] =
    ["canary-body", "canary-subject", "canary-header", "canary-file", "canary-password", "canary-attached"];

fn files(folder: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
        }
    }
}

fn assert_clean(home: &Home, given: &[&str]) {
    let mut all = Vec::new();
    files(home.root(), &mut all);
    for (path, bytes) in all.iter().filter(|(path, _)| !given.iter().any(|name| path.ends_with(name))) {
        let text = String::from_utf8_lossy(bytes);
        assert!(!CANARIES.iter().any(|canary| text.contains(canary)), "a canary in {path}");
    }
}

#[test]
fn nothing_sings() {
    // Bob reads OpenPGP in the one, S/MIME in the other.
    for (home, ciphertext) in [(alice(), "-----BEGIN PGP MESSAGE-----"), (alice_of_both(), "smime-type=enveloped-data")]
    {
        nothing_sings_in(&home, ciphertext);
    }
}

fn nothing_sings_in(home: &Home, ciphertext: &str) {
    let ca = Ca::new();
    let identity = ca.server();
    home.file("server.pem", ca.pem());
    home.file("canary-file.txt", "canary-attached\n");
    // The command that gives the password notes all that it can see.
    let spy = home.file(
        "spy",
        "#!/bin/sh\nenv > seen-env\ntr '\\0' ' ' < /proc/$PPID/cmdline > seen-arguments\necho canary-password\n",
    );
    fs::set_permissions(&spy, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut script = opening(&["AUTH PLAIN"]);
    script.extend(answer("235 ok"));
    for line in ["250 ok", "250 ok", "354 go"] {
        script.extend(answer(line));
    }
    script.extend([Step::Message, say("250 taken"), Step::Line, say("221 bye")]);
    let server = LyingServer::start(&Face::new(identity.certificate.clone(), identity.key.clone()), script);
    let ports = format!("{}/starttls", server.port());
    let arguments = [
        "send",
        "--from",
        "alice@example.test",
        "-t",
        "bob@example.test",
        "-s",
        "canary-subject",
        "--header",
        "X-Case: canary-header",
        "-a",
        "canary-file.txt",
        "--host",
        "localhost",
        "--ports",
        &ports,
        "--user",
        "alice",
        "--password",
        "command:./spy",
        "--ca-file",
        "server.pem",
        "--passphrase",
        "file:pw",
    ];
    home.sealpost(arguments).stdin("canary-body\n").run().expect(0);
    let record = server.record();
    for wire in [&record.clear, &record.secured] {
        let text = String::from_utf8_lossy(wire);
        assert!(!CANARIES.iter().any(|canary| text.contains(canary)), "{text}");
    }
    assert!(record.secured_text().contains(ciphertext));
    let seen = fs::read_to_string(home.path("seen-env")).unwrap();
    assert!(!seen.contains("specimen") && !seen.contains("canary"), "{seen}");
    assert!(!fs::read_to_string(home.path("seen-arguments")).unwrap().contains("specimen"));
    assert_clean(home, &["spy", "canary-file.txt", "seen-arguments"]);
}

#[test]
fn a_kill_at_any_step_leaves_no_cleartext() {
    let ca = Ca::new();
    let identity = ca.server();
    let full: Vec<Step> = {
        let mut steps = opening(&[]);
        for line in ["250 ok", "250 ok", "354 go"] {
            steps.extend(answer(line));
        }
        steps.push(Step::Message);
        steps
    };
    for length in (0..=full.len()).step_by(2) {
        let mut script = full[..length].to_vec();
        script.push(Step::Listen);
        let server = LyingServer::start(&Face::new(identity.certificate.clone(), identity.key.clone()), script);
        let home = if length % 4 == 0 { alice() } else { alice_of_both() };
        home.file("server.pem", ca.pem());
        home.file("body", "canary-body\n");
        let ports = format!("{}/starttls", server.port());
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(["send", "--from", "alice@example.test", "-t", "bob@example.test", "-s", "canary-subject"])
            .args(["--body", "body", "--host", "localhost", "--ports", &ports, "--ca-file", "server.pem"])
            .args(["--passphrase", "file:pw"])
            .env_clear()
            .env("SEALPOST_HOME", home.state())
            .env("HOME", home.root().join("home"))
            .env("TMPDIR", home.root().join("tmp"))
            .current_dir(home.path(""))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_clean(&home, &["work/body"]);
    }
}

#[test]
fn reading_leaves_nothing_behind() {
    let compose = ["seal", "--from", "alice@example.test", "-t", "bob@example.test", "-s", "canary-subject"];
    for (home, key, more) in
        [(alice(), "bob.key", ["--cert", "alice.asc"]), (alice_of_both(), "bob.p12", ["--trust-anchor", "mail-ca.pem"])]
    {
        home.file("canary-file.txt", "canary-attached\n");
        home.file("body", "canary-body\n");
        let text = ["--body", "body", "-a", "canary-file.txt", "--passphrase", "file:pw"];
        let sealed = home.sealpost(compose.iter().chain(&text)).run().expect(0).stdout;
        assert_clean(&home, &["canary-file.txt", "work/body"]);
        let reader = Home::new();
        reader.file("pw", "specimen\n");
        reader.file("own", specimen(key));
        reader.file("alice.asc", specimen("alice.asc"));
        reader.file("mail-ca.pem", specimen("ca.pem"));
        reader.file("m.eml", sealed);
        let open = ["open", "--json", "--key", "own", "--passphrase", "file:pw", "m.eml"];
        let read = reader.sealpost(open.iter().chain(&more)).run().expect(0);
        assert_eq!(read.json()["body"]["text"], "canary-body\n");
        assert_clean(&reader, &[]);
    }
}
