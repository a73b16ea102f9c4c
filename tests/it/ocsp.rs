//! Whether a certificate was revoked, by its authority's responder (`smime.ocsp`): revoked is 67, no answer a warning.

use std::time::{Duration, Instant};

use crate::support::{
    Authority, Books, Home, How, Mailbox, Outcome, Purpose, Responder, Wish, lying_server::closed_port,
};

/// An authority, its responder, Alice who writes and Bob who reads; the responder stands in Bob's certificate.
struct Setting {
    authority: Authority,
    responder: Responder,
    alice: Mailbox,
    bob: Mailbox,
}

const BOTH: &str = "ocsp = true\nocsp_private = true\n";

impl Setting {
    fn new() -> Self {
        let (authority, responder) = (Authority::new(), Responder::new());
        let alice = authority.mailbox("alice@example.test");
        let bob = authority.issue(&Wish::new("bob@example.test").responder(&responder.url()));
        Self { authority, responder, alice, bob }
    }

    /// A home with what stands in config.toml below `[smime]`.
    fn home(&self, more: &str) -> Home {
        let home = Home::new();
        home.file("pw", "specimen\n");
        let anchor = home.file("ca.pem", self.authority.pem());
        let config = format!("[smime]\ntrust_anchors = [\"{}\"]\n{more}", anchor.display());
        std::fs::write(home.state().join("config.toml"), config).unwrap();
        home.file("own.p12", self.alice.p12("specimen"));
        home.sealpost(["key", "import", "own.p12", "--passphrase", "file:pw"]).run().expect(0);
        import(&home, &self.bob);
        home
    }

    fn books(&self) -> Books {
        Books::new(self.authority.issuer(), &[&self.alice, &self.bob], &[])
    }

    fn books_without_bob(&self) -> Books {
        Books::new(self.authority.issuer(), &[&self.alice], &[&self.bob])
    }
}

fn import(home: &Home, other: &Mailbox) {
    home.file("other.pem", other.pem());
    home.sealpost(["cert", "import", "other.pem"]).run().expect(0);
}

/// Seals to Bob, and whom else.
fn seal(home: &Home, more: &[&str]) -> Outcome {
    let message = "From: alice@example.test\nTo: bob@example.test\nSubject: Secret plans\n\nhello\n";
    let arguments = ["seal", "--json", "--output", "out", "--passphrase", "file:pw"];
    home.sealpost(arguments.iter().chain(more)).stdin(message).run()
}

/// The kinds and texts of the warnings of a receipt.
fn warnings(outcome: Outcome) -> Vec<(String, String)> {
    let receipt = outcome.expect(0).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    receipt["warnings"].as_array().unwrap().iter().map(|one| (text(&one["kind"]), text(&one["text"]))).collect()
}

/// The one warning that nobody knows.
#[track_caller]
fn doubt(outcome: Outcome) -> String {
    let mut warnings = warnings(outcome);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let (kind, text) = warnings.remove(0);
    assert_eq!(kind, "revocation-unknown");
    assert!(text.starts_with("whether the certificate of bob@example.test was revoked is not known: "), "{text}");
    text
}

fn show(home: &Home) -> serde_json::Value {
    home.sealpost(["cert", "show", "--json", "bob@example.test"]).run().expect(0).json()["certificate"].clone()
}

#[test]
fn good_is_sealed_and_revoked_is_refused_with_its_date() {
    let setting = Setting::new();
    let home = setting.home(BOTH);
    setting.responder.will(How::Answer(setting.books()));
    assert_eq!(warnings(seal(&home, &[])), []);
    assert_eq!(setting.responder.asked(), 1);
    let shown = show(&home);
    assert_eq!((&shown["usable"], &shown["revocation"]["state"]), (&true.into(), &"good".into()));

    setting.responder.will(How::Answer(setting.books_without_bob()));
    let day = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - 24 * 60 * 60).unwrap();
    let expected = format!("certificate {} was revoked on {}", setting.bob.fingerprint(), day.strftime("%Y-%m-%d"));
    for more in [&[][..], &["-n"]] {
        let refused = seal(&home, more).expect(67).error();
        assert_eq!(refused["recipients"][0]["address"], "bob@example.test");
        assert_eq!(refused["recipients"][0]["reason"], expected);
    }
    // Nothing is tried once it is known: the port is closed.
    let sent = ["send", "--json", "-t", "bob@example.test", "--from", "alice@example.test", "--passphrase", "file:pw"];
    let server = ["--host", "127.0.0.1", "--ports", "1", "--body", "-"];
    let refused = home.sealpost(sent.iter().chain(&server)).stdin("hello\n").run().expect(67).error();
    assert_eq!(refused["recipients"][0]["reason"], expected);
    let shown = show(&home);
    assert_eq!((&shown["usable"], &shown["reason"]), (&false.into(), &expected.clone().into()));
    let words = home.sealpost(["cert", "show", "bob@example.test"]).run().expect(0).text();
    assert!(words.contains("revocation   revoked\n") && words.contains(&format!("no: {expected}")), "{words}");
}

#[test]
fn the_daemon_of_openssl_and_a_delegate_are_believed() {
    let setting = Setting::new();
    let home = setting.home(BOTH);
    let daemon = setting.books().daemon();
    setting.responder.will(How::Relay(daemon.port));
    assert_eq!(warnings(seal(&home, &["-n"])), []);
    let delegate = setting.authority.issue(&Wish::new("responder@example.test").purpose(Purpose::Responder));
    for flags in [&["-ndays", "1"][..], &["-nmin", "5"], &["-resp_key_id"]] {
        setting.responder.will(How::Answer(setting.books().signed_by(&delegate).flags(flags)));
        assert_eq!(warnings(seal(&home, &["-n"])), [], "{flags:?}");
    }
    setting.responder.will(How::Answer(setting.books_without_bob().signed_by(&delegate)));
    seal(&home, &["-n"]).expect(67);
}

#[test]
fn an_answer_that_does_not_count_is_a_warning() {
    let setting = Setting::new();
    let home = setting.home(BOTH);
    let carol = setting.authority.mailbox("carol@example.test");
    let stranger = Authority::new();
    let (bad, good) = (setting.books_without_bob(), setting.books());
    let unknown = Books::new(setting.authority.issuer(), &[&setting.alice], &[]);
    let others = Books::new(setting.authority.issuer(), &[&carol, &setting.bob], &[]);
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n".to_vec();
    let cases = [
        (How::Answer(unknown), "does not know it"),
        (How::Answer(good.clone().signed_by(&carol)), "not signed by the issuer"),
        (How::Answer(bad.clone().signed_by(stranger.issuer())), "not signed by the issuer"),
        (How::Answer(bad.clone().signed_by(&setting.bob)), "not signed by the issuer"),
        (How::Answer(good.clone().flags(&["-ndays", "1", "-badsig"])), "not signed by the issuer"),
        (How::Answer(good.flags(&["-ndays", "1", "-rmd", "sha1"])), "too weak"),
        (How::Answer(others.about(&carol)), "about another certificate"),
        (How::Flood(1 << 30), "larger than"),
        (How::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html".to_vec()), "cannot be read"),
        (How::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n0\x03\x0a\x01\x03".to_vec()), "refused to answer"),
        (How::Say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()), "status 503"),
        (How::Say(b"220 mail.example.test ESMTP\r\n".to_vec()), "broke HTTP"),
        (How::Say(redirect), "is not a URL that is asked"),
    ];
    for (how, words) in cases {
        setting.responder.will(how);
        let text = doubt(seal(&home, &["-n"]));
        assert!(text.contains(words) && text.contains(&setting.responder.url()), "{words}: {text}");
    }
    let shown = show(&home);
    assert_eq!((&shown["usable"], &shown["revocation"]["state"]), (&true.into(), &"unknown".into()));
    assert!(shown["revocation"]["detail"].as_str().unwrap().contains("not a URL"), "{shown}");

    // An answer of today says nothing of a time to come.
    setting.responder.will(How::Answer(setting.books()));
    let ahead = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 3 * 24 * 60 * 60).unwrap();
    assert!(doubt(seal(&home, &["-n", "--at", &ahead.to_string()])).contains("not of this time"));
}

#[test]
fn silence_ends_for_all_together_and_the_message_is_sealed() {
    let setting = Setting::new();
    let home = setting.home(BOTH);
    let others = ["dave@example.test", "erin@example.test", "frank@example.test"];
    for address in others {
        import(&home, &setting.authority.issue(&Wish::new(address).responder(&setting.responder.url())));
    }
    let before = Instant::now();
    let outcome = seal(&home, &["-t", &format!("bob@example.test,{}", others.join(","))]);
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
    let warnings = warnings(outcome);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(
        warnings.iter().all(|(kind, text)| kind == "revocation-unknown" && text.contains("in time")),
        "{warnings:?}"
    );
    assert_eq!(setting.responder.asked(), 4);
    assert!(home.path("out").exists());
}

#[test]
fn the_next_responder_is_asked_where_one_fails() {
    let setting = Setting::new();
    let (refusing, silent) = (format!("http://127.0.0.1:{}/", closed_port()), Responder::new());
    let urls = [refusing, silent.url(), setting.responder.url()].join(",OCSP;URI:");
    let bob = setting.authority.issue(&Wish::new("bob@example.test").responder(&urls));
    let setting = Setting { bob, ..setting };
    setting.responder.will(How::Answer(setting.books_without_bob()));
    seal(&setting.home(BOTH), &["-n"]).expect(67);
    assert_eq!((silent.asked(), setting.responder.asked()), (1, 1));
}

#[test]
fn nobody_is_asked_unless_the_settings_say_so() {
    let setting = Setting::new();
    setting.responder.will(How::Answer(setting.books_without_bob()));
    for more in ["", "ocsp = false\nocsp_private = true\n", "ocsp_private = true\n"] {
        let home = setting.home(more);
        assert_eq!(warnings(seal(&home, &[])), []);
        assert_eq!(show(&home)["revocation"], serde_json::Value::Null);
    }
    let home = setting.home(BOTH);
    let past = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - 60 * 60).unwrap().to_string();
    assert_eq!(warnings(seal(&home, &["--at", &past])), []);
    home.sealpost(["cert", "list"]).run().expect(0);
    // Reading never asks, though the reader's certificate names the responder.
    home.file("bob.p12", setting.bob.p12("specimen"));
    let sealed = home.path("out");
    let mut sealed = std::fs::read_dir(sealed).unwrap().map(|entry| entry.unwrap().path());
    let sealed = sealed.find(|path| path.extension().is_some_and(|end| end == "eml")).unwrap();
    let arguments = ["open", "--json", "--key", "bob.p12", "--passphrase", "file:pw"];
    let sealed = sealed.display().to_string();
    home.sealpost(arguments.iter().copied().chain([sealed.as_str()])).run().expect(0);
    assert_eq!(setting.responder.asked(), 0);
}

#[test]
fn one_s_own_network_is_not_asked_for_strangers() {
    let setting = Setting::new();
    setting.responder.will(How::Answer(setting.books_without_bob()));
    let home = setting.home("ocsp = true\n");
    assert!(doubt(seal(&home, &["-n"])).contains("127.0.0.1 is not on the public network"));
    assert_eq!(setting.responder.asked(), 0);
}

#[test]
fn a_pin_does_not_hide_what_an_authority_says() {
    let setting = Setting::new();
    let home = setting.home(BOTH);
    let pins = format!("[recipient.\"bob@example.test\"]\npin = [\"{}\"]\n", setting.bob.fingerprint());
    std::fs::write(home.state().join("recipients.toml"), pins).unwrap();
    setting.responder.will(How::Answer(setting.books_without_bob()));
    seal(&home, &["-n"]).expect(67);
    // Without an anchor nobody's answer counts.
    std::fs::write(home.state().join("config.toml"), format!("[smime]\n{BOTH}")).unwrap();
    assert!(doubt(seal(&home, &["-n"])).contains("no issuer"));
    // In a closed group there is nobody to ask, and nothing to warn of.
    let own = Wish::new("bob@example.test").self_signed();
    let home = setting.home(BOTH);
    import(&home, &own);
    let pins = format!("[recipient.\"bob@example.test\"]\npin = [\"{}\"]\n", own.fingerprint());
    std::fs::write(home.state().join("recipients.toml"), pins).unwrap();
    assert_eq!(warnings(seal(&home, &["-n"])), []);
}
