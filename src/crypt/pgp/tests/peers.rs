//! Round trips with gpg 2.2 and sqop, which `.ci/needs` installs.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};

use super::*;
use crate::crypt::{Strength, Verdict};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nLet's eat\r\n";

/// A GnuPG home of its own, whose agent ends with it.
struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    fn new() -> Self {
        Self { home: tempfile::Builder::new().prefix("gpg").tempdir().unwrap() }
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: &[S], input: &[u8]) -> (Vec<u8>, String, bool) {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--no-tty", "--yes", "--trust-model", "always", "--pinentry-mode", "loopback"]);
        // The fixed time of the tests, so that neither depends on the day.
        command.args(["--passphrase", "x", "--faked-system-time", "20261124T120000!"]).args(arguments);
        command.env("GNUPGHOME", self.home.path());
        pipe(&mut command, input)
    }

    fn good<S: AsRef<OsStr>>(&self, arguments: &[S], input: &[u8]) -> Vec<u8> {
        let (out, words, ok) = self.run(arguments, input);
        assert!(ok, "{words}");
        out
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.home.path()).status();
    }
}

fn pipe(command: &mut Command, input: &[u8]) -> (Vec<u8>, String, bool) {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the peer is installed");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success())
}

fn verdict(decrypted: &Decrypted) -> Verdict {
    assert_eq!(decrypted.signatures.len(), 1);
    decrypted.signatures[0][0].verdict
}

#[test]
fn gpg_opens_what_we_write() {
    let gpg = Gpg::new();
    let (alice, bob) = (make("alice", Profile::Rfc4880), make("bob", Profile::Rfc4880));
    for strength in [Strength::Human, Strength::Generated] {
        let key = bob.lock(&secret("x"), strength).unwrap().to_armored().unwrap();
        gpg.good(&["--import"], key.as_bytes());
    }
    gpg.good(&["--import"], alice.certificate().to_armored().as_bytes());
    // Each length of the last base64 group: GnuPG 2.2 tells the end of an armor differently for each.
    let large = "0123456789\r\n".repeat(200_000);
    for more in ["", "a", "ab", &large] {
        let text = [TEXT, more.as_bytes()].concat();
        let message = armor_of(&wire(&seal_bytes(&text, Some(&alice), &[("bob", &bob)])));
        let (out, words, ok) = gpg.run(&["--decrypt"], &message);
        assert!(ok, "{words}");
        assert_eq!(out, text);
        assert!(words.contains("Good signature from \"alice@example.org\""), "{words}");
    }
}

#[test]
fn we_open_what_gpg_writes() {
    let gpg = Gpg::new();
    let bob = make("bob", Profile::Rfc4880);
    gpg.good(&["--quick-generate-key", "alice@example.org", "future-default", "default", "never"], b"");
    gpg.good(&["--import"], bob.certificate().to_armored().as_bytes());
    let alice = Certificate::parse_all(&gpg.good(&["--export", "alice@example.org"], b"")).unwrap().remove(0);
    assert_eq!(alice.addresses(now()), [address("alice")]);
    assert!(Pgp::check(&alice, &(), now()).is_ok());

    let secret_half = gpg.good(&["--armor", "--export-secret-keys", "alice@example.org"], b"");
    let alice_key = Key::parse_all(&secret_half).unwrap().remove(0);
    assert!(alice_key.is_locked());
    assert!(alice_key.unlock(&secret("y")).is_err());
    let alice_key = alice_key.unlock(&secret("x")).unwrap();

    for more in [vec![], vec!["--armor"], vec!["-z", "0"], vec!["--throw-keyids"], vec!["--textmode"]] {
        let arguments = [more.as_slice(), &["-r", "bob@example.org", "-u", "alice@example.org", "-es"]].concat();
        let message = gpg.good(&arguments, TEXT);
        let opened = open(&message, &[bob.clone()], &[alice.clone()]).unwrap();
        // Text mode is a canonical form of its own; its line breaks are the sender's affair.
        if more != ["--textmode"] {
            assert_eq!(opened.plaintext.as_slice(), TEXT, "{more:?}");
        }
        assert_eq!(verdict(&opened), Verdict::Good, "{more:?}");
    }
    let hidden = gpg.good(&["--throw-keyids", "-r", "bob@example.org", "-e"], TEXT);
    assert_eq!(recipients_of(&hidden).unwrap(), Vec::<String>::new());
    let stranger = make("eve", Profile::Rfc4880);
    assert_eq!(open(&hidden, &[stranger], &[]).err(), Some(OpenError::NoKey { recipients: Vec::new(), hidden: true }));

    let reader = Reader { keys: &[], lent: &[], certificates: &[alice.clone()], at: now(), limit: 1 << 20 };
    let detached = gpg.good(&["--armor", "-u", "alice@example.org", "-b"], TEXT);
    assert_eq!(reader.verify_detached(&detached, TEXT).unwrap()[0].verdict, Verdict::Good);
    let clear = gpg.good(&["-u", "alice@example.org", "--clearsign"], b"- hello\nworld\n");
    let (text, layers) = reader.verify_inline(&clear).unwrap();
    assert_eq!(String::from_utf8_lossy(&text).replace("\r\n", "\n").trim_end(), "- hello\nworld");
    assert_eq!(layers[0][0].verdict, Verdict::Good);
    for broken in [[&clear[..], b"more\n"].concat(), [&clear[..], &clear].concat()] {
        assert!(matches!(reader.verify_inline(&broken), Err(OpenError::Malformed(_))));
    }
    let signed = gpg.good(&["--armor", "-u", "alice@example.org", "-s"], TEXT);
    let (text, layers) = reader.verify_inline(&signed).unwrap();
    assert_eq!((text.as_slice(), layers[0][0].verdict), (TEXT, Verdict::Good));

    let ours = armor_of(&wire(&seal_bytes(TEXT, Some(&alice_key), &[("bob", &bob)])));
    assert_eq!(verdict(&open(&ours, &[bob], &[alice]).unwrap()), Verdict::Good);
}

fn sqop(folder: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("sqop");
    command.args(arguments).current_dir(folder);
    let (out, words, ok) = pipe(&mut command, input);
    assert!(ok, "{arguments:?}: {words}");
    out
}

#[test]
fn sqop_and_we_open_what_the_other_writes() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let bob_key = sqop(folder.path(), &["generate-key", "bob@example.org"], b"");
    put("bob.key", &bob_key);
    let bob = Key::parse_all(&bob_key).unwrap().remove(0);
    put("bob.cert", bob.certificate().to_armored().as_bytes());
    // Its key is as old as today, so everything here happens today.
    let today = Timestamp::now();
    let user = Mailbox::from(address("alice"));
    let alice = Key::make(&user, Profile::Rfc4880, today).unwrap().0;
    put("alice.cert", alice.certificate().to_armored().as_bytes());

    let usable = Pgp::check(&bob.certificate(), &(), today).unwrap();
    let recipient = Recipient::new(address("bob"), usable, Binding::Named).unwrap();
    let sealed = Pgp::seal(Sealing {
        payload: PayloadUse::Owned(payload(TEXT)),
        outer: &[],
        confidential_subject: None,
        unseen: &[],
        envelope: Envelope::new(address("alice"), vec![address("bob")]).unwrap(),
        recipients: &Recipients::new(vec![recipient]).unwrap(),
        signer: Some(&alice.signer(today).unwrap()),
        form: (),
        at: today,
        boundary: "=_b_=",
    });
    let message = armor_of(&wire(&sealed.unwrap()));
    let arguments = ["decrypt", "--verify-with=alice.cert", "--verifications-out=verified", "bob.key"];
    assert_eq!(sqop(folder.path(), &arguments, &message), TEXT);
    assert!(!std::fs::read(folder.path().join("verified")).unwrap().is_empty());

    let theirs = sqop(folder.path(), &["encrypt", "--sign-with=bob.key", "bob.cert"], TEXT);
    let reader = Reader {
        keys: &[bob.clone()],
        lent: &[],
        certificates: &[bob.certificate()],
        at: Timestamp::now(),
        limit: 1 << 20,
    };
    let opened = reader.decrypt(&theirs).unwrap();
    assert_eq!((opened.plaintext.as_slice(), verdict(&opened)), (TEXT, Verdict::Good));
}
