#![allow(clippy::unwrap_used)]

//! Messages that GnuPG wrote, opened with the keys that it made.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use jiff::Timestamp;

use super::super::*;
use crate::crypt::{
    BadReason, UnknownReason,
    pgp::{Certificate, Key, Reader},
};

/// When GnuPG made its signatures, by its own faked clock.
const SIGNED_AT: &str = "20261124T100000";
const OUTER: &str = "From: Alice <alice@example.org>\r\nTo: bob@example.org\r\nSubject: [...]\r\nDate: Tue, 24 Nov 2026 10:00:30 +0000\r\n";
const PAYLOAD: &str = "From: Alice <alice@example.org>\r\nSubject: Dinner plans\r\nHP-Outer: Subject: [...]\r\nHP-Outer: From: Alice <alice@example.org>\r\nContent-Type: text/plain; charset=utf-8; hp=\"cipher\"\r\n\r\nLet's eat at Zoë's\r\n";

/// A home of GnuPG with keys of Alice and Bob, and its agent; both go with it.
struct Gpg {
    home: tempfile::TempDir,
    alice: Vec<u8>,
    bob: Vec<u8>,
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).status();
    }
}

fn gpg() -> Gpg {
    // The path of the agent's socket must be short.
    let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
    for name in ["alice", "bob"] {
        let user = format!("{name} <{name}@example.org>");
        run(home.path(), &["--quick-gen-key", &user, "future-default", "default", "5y"], b"");
    }
    let export = |name: &str| run(home.path(), &["--export-secret-keys", &format!("{name}@example.org")], b"");
    Gpg { alice: export("alice"), bob: export("bob"), home }
}

fn run(home: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gpg")
        .arg("--homedir")
        .arg(home)
        .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--always-trust"])
        .args(["--faked-system-time", SIGNED_AT])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "gpg {arguments:?}");
    output.stdout
}

impl Gpg {
    fn run(&self, arguments: &[&str], input: &str) -> String {
        String::from_utf8(run(self.home.path(), arguments, input.as_bytes())).unwrap()
    }

    fn encrypt(&self, sign: bool, payload: &str) -> String {
        let sign = if sign { "--sign" } else { "--no-comments" };
        self.run(&["--armor", sign, "-u", "alice@example.org", "-r", "bob@example.org", "--encrypt"], payload)
    }

    fn sign(&self, payload: &str) -> String {
        self.run(&["--armor", "-u", "alice@example.org", "--detach-sign"], payload)
    }

    /// Opens with Bob's key, Alice's certificate at hand or not.
    fn try_open(&self, message: &str, with_alice: bool) -> Result<Opened, OpenError> {
        let keys = Key::parse_all(&self.bob).unwrap();
        let mut certificates: Vec<Certificate> = keys.iter().map(Key::certificate).collect();
        if with_alice {
            certificates.extend(Key::parse_all(&self.alice).unwrap().iter().map(Key::certificate));
        }
        let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let reader = Reader { keys: &keys, lent: &[], certificates: &certificates, at, limit: 1 << 20 };
        open(message.as_bytes().to_vec(), &super::pgp_only(reader), at)
    }

    fn open(&self, message: &str) -> Released {
        self.try_open(message, true).unwrap().release(&Requirement::None).unwrap()
    }
}

fn encrypted(outer: &str, armor: &str) -> String {
    format!(
        "{outer}Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=e\r\n\r\n--e\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--e\r\nContent-Type: application/octet-stream\r\n\r\n{armor}\r\n--e--\r\n"
    )
}

fn signed(outer: &str, payload: &str, signature: &str) -> String {
    format!(
        "{outer}Content-Type: multipart/signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n--s\r\n{payload}\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\n{signature}\r\n--s--\r\n"
    )
}

fn state(released: &Released) -> (State, Covers, Option<Reason>) {
    let signature = &released.summary().signature;
    (signature.state, signature.covers, signature.reason)
}

#[test]
fn signed_and_encrypted() {
    let gpg = gpg();
    let message = encrypted(OUTER, &gpg.encrypt(true, PAYLOAD));
    for message in [message.clone(), message.replace("\r\n", "\n")] {
        let released = gpg.open(&message);
        assert_eq!(state(&released), (State::Good, Covers::Message, None));
        assert_eq!(released.text(), "Let's eat at Zoë's\n");
        assert!(released.summary().warnings.is_empty(), "{:?}", released.summary().warnings);
    }
    let unknown = gpg.try_open(&message, false).unwrap();
    let signature = &unknown.summary().signature;
    assert_eq!(
        (signature.state, signature.reason),
        (State::Unknown, Some(Reason::Unknown(UnknownReason::NoCertificate)))
    );
    assert!(!signature.signers[0].fingerprint.is_empty() && signature.signers[0].address.is_none());
}

#[test]
fn detached_inside_encryption() {
    let gpg = gpg();
    let inside = signed("", PAYLOAD, &gpg.sign(PAYLOAD));
    let released = gpg.open(&encrypted(OUTER, &gpg.encrypt(false, &inside)));
    assert_eq!(state(&released), (State::Good, Covers::Message, None));
    let twice = gpg.open(&encrypted(OUTER, &gpg.encrypt(true, &inside)));
    assert_eq!(state(&twice).2, Some(Reason::Bad(BadReason::SeveralLayers)));
}

#[test]
fn signed_in_clear() {
    let gpg = gpg();
    let message = signed(OUTER, PAYLOAD, &gpg.sign(PAYLOAD));
    for (message, good) in [
        (message.clone(), true),
        (message.replace("\r\n", "\n"), true),
        (message.replacen("--s\r\nFrom", "--s\r\nX: y\r\nFrom", 1), false),
        (message.replace("Let's eat", "Let's fast"), false),
        (message.replace("eat at Zoë's\r\n", "eat at Zoë's\r\n\r\n"), false),
    ] {
        let expected = if good { (State::Good, None) } else { (State::Bad, Some(Reason::Bad(BadReason::Invalid))) };
        let (state, _, reason) = state(&gpg.open(&message));
        assert_eq!((state, reason), expected, "{message}");
    }
    let outside = encrypted("", &gpg.encrypt(false, PAYLOAD));
    let released = gpg.open(&signed(OUTER, &outside, &gpg.sign(&outside)));
    assert_eq!(state(&released).0, State::None);
    assert!(released.summary().warns(WarningKind::OuterSignature) && released.summary().encrypted);
}

#[test]
fn inline_messages() {
    let gpg = gpg();
    let armor = gpg.encrypt(true, "hello\r\n");
    let released = gpg.open(&format!("{OUTER}\r\n{armor}"));
    assert_eq!((released.text(), state(&released)), ("hello\n", (State::None, Covers::Part, None)));
    let mangled = armor.replacen("\n\n", "\n \u{a0}\n", 1);
    assert_eq!(gpg.open(&format!("{OUTER}Content-Type: text/plain; charset=utf-8\r\n\r\n{mangled}")).text(), "hello\n");
    let clear = gpg.run(&["--clear-sign", "-u", "alice@example.org"], "hello\n");
    let released = gpg.open(&format!("{OUTER}\r\n{clear}"));
    assert_eq!(state(&released), (State::None, Covers::Part, None));
    assert!(released.summary().warns(WarningKind::InlineSignature));
    let forged = gpg.open(&format!("{OUTER}\r\n{}", clear.replace("hello", "hallo")));
    assert_eq!(state(&forged), (State::None, Covers::None, None));
    let only_signed = gpg.run(&["--armor", "--sign", "-u", "alice@example.org"], "hello\n");
    let released = gpg.open(&format!("{OUTER}\r\n{only_signed}"));
    assert_eq!((state(&released).0, released.summary().encrypted, released.text()), (State::None, false, "hello\n"));
    let pretended = gpg.try_open(&encrypted(OUTER, &only_signed), true);
    assert!(matches!(pretended, Err(OpenError::Malformed(_))), "{pretended:?}");
}

#[test]
fn a_broken_message_gives_one_error_and_no_text() {
    let gpg = gpg();
    let armor = gpg.encrypt(true, &PAYLOAD.repeat(3));
    let lines: Vec<&str> = armor.lines().collect();
    for at in 2..lines.len() - 3 {
        let mut broken = lines.clone();
        let flipped = lines[at].replacen(|c: char| c.is_ascii_lowercase(), "Z", 1);
        broken[at] = &flipped;
        let result = gpg.try_open(&encrypted(OUTER, &broken.join("\n")), true);
        assert!(
            matches!(result, Err(OpenError::Undecryptable | OpenError::NoKey { .. } | OpenError::Malformed(_))),
            "line {at}: {result:?}"
        );
        let cut = lines[..at].join("\n");
        let result = gpg.try_open(&encrypted(OUTER, &cut), true);
        assert!(
            matches!(result, Err(OpenError::Undecryptable | OpenError::NoKey { .. } | OpenError::Malformed(_))),
            "cut at {at}: {result:?}"
        );
    }
    let for_alice = gpg.run(&["--armor", "-r", "alice@example.org", "--encrypt"], PAYLOAD);
    assert!(matches!(gpg.try_open(&encrypted(OUTER, &for_alice), true), Err(OpenError::NoKey { .. })));
}
