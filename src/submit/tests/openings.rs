//! Up to the login: which endpoint, and how TLS begins.

use openssl::ssl::SslVersion;

use super::*;

fn refusing() -> (u16, Tls) {
    (closed_port(), Tls::StartTls)
}

fn silent() -> LyingServer {
    LyingServer::start(&face(), vec![S::Silence])
}

#[test]
fn refused_silent_and_reset_ports_give_way_to_the_next() {
    let quiet = silent();
    let closing = LyingServer::start(&face(), vec![]);
    let resetting = LyingServer::start(&face(), vec![S::Reset]);
    let half = LyingServer::start(&face(), vec![S::Say(b"220 half a gree".to_vec())]);
    let good = LyingServer::start(&face(), honest(&[]));
    let mut settings = settings(&[
        refusing(),
        (quiet.port(), Tls::StartTls),
        (closing.port(), Tls::StartTls),
        (resetting.port(), Tls::StartTls),
        (half.port(), Tls::StartTls),
        (closing.port(), Tls::Implicit),
        (good.port(), Tls::StartTls),
    ]);
    settings.head_start = Some(Duration::from_millis(100));
    let accepted = send(&settings, &mut Given::default()).unwrap();
    assert_eq!(accepted.endpoint.port, good.port());
    use Outcome::{Refused, Silent};
    assert_eq!(outcomes(&accepted.attempts), [Refused, Silent, Refused, Refused, Refused, Refused]);
}

#[test]
fn a_silent_port_of_implicit_tls_gives_way_too() {
    let (quiet, good) = (silent(), LyingServer::start(&face(), honest(&[])));
    let settings = settings(&[refusing(), (quiet.port(), Tls::Implicit), (good.port(), Tls::StartTls)]);
    let start = Instant::now();
    let accepted = send(&settings, &mut Given::default()).unwrap();
    assert_eq!(outcomes(&accepted.attempts), [Outcome::Refused, Outcome::Silent]);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn all_refused_says_so() {
    let start = Instant::now();
    let failure = send(&settings(&[refusing(), refusing()]), &mut Given::default()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(outcomes(&failure.attempts), [Outcome::Refused, Outcome::Refused]);
    assert!(matches!(*failure.cause, Cause::Refused { .. }));
}

#[test]
fn silence_ends_at_the_deadline() {
    let quiet = silent();
    let mut settings = starttls(&quiet);
    settings.timeout = Duration::from_millis(400);
    let start = Instant::now();
    let failure = send(&settings, &mut Given::default()).unwrap_err();
    assert_eq!(outcomes(&failure.attempts), [Outcome::Silent]);
    assert!(start.elapsed() < Duration::from_millis(900));
}

#[test]
fn a_dripping_greeting_ends_at_the_deadline() {
    let dripping = LyingServer::start(&face(), vec![S::Drip(b"220 ".repeat(1000), Duration::from_millis(20))]);
    let mut settings = starttls(&dripping);
    settings.timeout = Duration::from_millis(400);
    let failure = send(&settings, &mut Given::default()).unwrap_err();
    assert_eq!(outcomes(&failure.attempts), [Outcome::Silent]);
}

#[test]
fn a_late_greeting_wins_over_a_later_one_and_only_one_session_goes_on() {
    let late = LyingServer::start(&face(), join([vec![S::Pause(Duration::from_millis(300))], honest(&[])]));
    let never = silent();
    let mut settings = settings(&[(late.port(), Tls::StartTls), (never.port(), Tls::StartTls)]);
    settings.head_start = Some(Duration::from_millis(100));
    let accepted = send(&settings, &mut Given::default()).unwrap();
    assert_eq!((accepted.endpoint.port, accepted.attempts), (late.port(), vec![]));
    assert_eq!(never.record().clear, b"");
}

#[test]
fn a_name_that_does_not_resolve_is_told() {
    let mut settings = settings(&[(587, Tls::StartTls), (465, Tls::Implicit)]);
    settings.host = Some("no-such-host.invalid".to_owned());
    let failure = send(&settings, &mut Given::default()).unwrap_err();
    assert_eq!(outcomes(&failure.attempts), [Outcome::Unresolved, Outcome::Unresolved]);
}

#[test]
fn the_remembered_endpoint_goes_first() {
    let (quiet, good) = (silent(), LyingServer::start(&face(), honest(&[])));
    let mut settings = settings(&[(quiet.port(), Tls::StartTls), (good.port(), Tls::StartTls)]);
    settings.remembered = Some(Endpoint { host: "localhost".to_owned(), port: good.port(), tls: Tls::StartTls });
    let accepted = send(&settings, &mut Given::default()).unwrap();
    assert_eq!(accepted.attempts, []);
    assert_eq!(quiet.records(), []);
}

/// The outcome of a script on the first port, when the second would take the message: it must not be asked.
#[track_caller]
fn ends_at_the_first(tls: Tls, face: Face, script: Vec<S>) -> Failure {
    let good = LyingServer::start(&super::face(), honest(&[]));
    let bad = LyingServer::start(&face, script);
    let mut settings = settings(&[(bad.port(), tls), (good.port(), Tls::StartTls)]);
    settings.timeout = Duration::from_secs(2);
    let failure = send(&settings, &mut Given::default()).unwrap_err();
    assert_eq!(failure.attempts.len(), 1, "{failure:?}");
    assert_eq!(good.records(), [], "{failure:?}");
    let said = bad.record();
    for line in said.clear_text().split("\r\n").take(3) {
        assert!(
            ["EHLO [127.0.0.1]", "STARTTLS", "QUIT", ""].contains(&line)
                || !line.is_ascii()
                || line.starts_with('\u{16}')
        );
    }
    assert!(!said.secured_text().contains("MAIL") && !said.secured_text().contains("AUTH"), "{said:?}");
    failure
}

#[test]
fn starttls_that_is_not_offered_or_refused_is_stripped() {
    let greeting = || vec![say("220 hello")];
    let offer = || answer("250-hello\r\n250 STARTTLS");
    for script in [
        join([greeting(), answer("250-hello\r\n250 AUTH PLAIN"), answer("221 bye")]),
        join([greeting(), answer("502 what?")]),
        join([greeting(), offer(), answer("454 not now")]),
        join([greeting(), offer(), answer("502 no")]),
    ] {
        assert_eq!(outcomes(&ends_at_the_first(Tls::StartTls, face(), script).attempts), [Outcome::Stripped]);
    }
}

#[test]
fn only_220_begins_tls_and_no_byte_may_follow_it() {
    let before = || join([vec![say("220 hello")], answer("250-hello\r\n250 STARTTLS")]);
    for reply in
        ["250 go", "221 go", "354 go", "220 go\r\n250-mine\r\n250 AUTH PLAIN", "220-a\r\n220 b\r\n220 c", "hello"]
    {
        let failure = ends_at_the_first(Tls::StartTls, face(), join([before(), answer(reply), vec![S::Tls]]));
        let outcome = if reply.len() == 6 { Outcome::Stripped } else { Outcome::Protocol };
        assert_eq!(outcomes(&failure.attempts), [outcome], "{reply}");
    }
    // The same in a packet of its own.
    let later = vec![S::Pause(Duration::from_millis(100)), say("250 mine")];
    let failure = ends_at_the_first(Tls::StartTls, face(), join([before(), answer("220 go"), later, vec![S::Tls]]));
    assert_eq!(outcomes(&failure.attempts), [Outcome::Protocol]);
}

#[test]
fn what_comes_out_of_turn_in_clear_ends_it() {
    for script in [
        vec![say("220 hello\r\n250-mine\r\n250 STARTTLS"), S::Line],
        join([vec![say("220 hello")], answer("250-hello\r\n250 STARTTLS\r\n220 go"), vec![S::Tls]]),
    ] {
        assert_eq!(outcomes(&ends_at_the_first(Tls::StartTls, face(), script).attempts), [Outcome::Protocol]);
    }
}

#[test]
fn a_greeting_that_says_no_ends_it() {
    for (greeting, outcome) in [
        ("421 later", Outcome::Temporary),
        ("554 never", Outcome::Rejected),
        ("250 what", Outcome::Protocol),
        ("HTTP/1.1 400 Bad Request", Outcome::Protocol),
        ("SSH-2.0-OpenSSH", Outcome::Protocol),
    ] {
        let failure = ends_at_the_first(Tls::StartTls, face(), vec![say(greeting)]);
        assert_eq!(outcomes(&failure.attempts), [outcome], "{greeting}");
    }
}

#[test]
fn endless_greetings_are_cut() {
    for piece in [&b"2"[..], b"220-x\r\n"] {
        let start = Instant::now();
        let failure = ends_at_the_first(Tls::StartTls, face(), vec![S::Flood(piece, 300 << 20)]);
        assert_eq!(outcomes(&failure.attempts), [Outcome::Protocol]);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_certificate_that_does_not_prove_the_host_ends_it() {
    for (flaw, words) in
        [(Flaw::Expired, "has expired"), (Flaw::WrongHost, "another host"), (Flaw::SelfSigned, "self-signed")]
    {
        let failure = ends_at_the_first(Tls::StartTls, face_of(AUTHORITY.0.flawed(flaw)), opening(&[]));
        assert_eq!(outcomes(&failure.attempts), [Outcome::BadCertificate]);
        assert!(failure.to_string().contains(words), "{failure}");
        let script = vec![S::Tls, say("220 hello")];
        let failure = ends_at_the_first(Tls::Implicit, face_of(AUTHORITY.0.flawed(flaw)), script);
        assert_eq!(outcomes(&failure.attempts), [Outcome::BadCertificate]);
    }
    let failure = ends_at_the_first(Tls::StartTls, face_of(Ca::new().server()), opening(&[]));
    assert!(failure.to_string().contains("unknown certificate authority"), "{failure}");
}

#[test]
fn an_address_is_checked_as_a_host() {
    let server = LyingServer::start(&face(), honest(&[]));
    let mut settings = starttls(&server);
    settings.host = Some("127.0.0.1".to_owned());
    assert!(send(&settings, &mut Given::default()).is_ok());
    settings.host = Some("127.0.0.2".to_owned());
    let elsewhere = send(&settings, &mut Given::default());
    assert!(elsewhere.is_err());
}

#[test]
fn tls_that_fails_or_hangs_ends_it() {
    let old = face().up_to(SslVersion::TLS1_1);
    let failure = ends_at_the_first(Tls::StartTls, old, opening(&[]));
    assert_eq!(outcomes(&failure.attempts), [Outcome::BadTls], "{failure}");
    let before = || opening(&[])[..5].to_vec();
    for end in [vec![S::Listen], vec![S::Bytes(5)]] {
        let failure = ends_at_the_first(Tls::StartTls, face(), join([before(), end]));
        assert_eq!(outcomes(&failure.attempts), [Outcome::BadTls], "{failure}");
    }
    // The beginning of a server's hello, and nothing more.
    let half = vec![S::Bytes(5), S::Say(vec![22, 3, 3, 0, 122, 2, 0]), S::Silence];
    let failure = ends_at_the_first(Tls::Implicit, face(), half);
    assert_eq!(outcomes(&failure.attempts), [Outcome::BadTls]);
    // No TLS where TLS is to be.
    let failure = ends_at_the_first(Tls::Implicit, face(), vec![say("220 hello"), S::Listen]);
    assert_eq!(outcomes(&failure.attempts), [Outcome::BadTls]);
}

#[test]
fn tls_1_2_and_other_groups_are_taken() {
    for (face, protocol, group) in [
        (face().up_to(SslVersion::TLS1_2), "TLSv1.2", None),
        (face().groups("P-384"), "TLSv1.3", Some("secp384r1")),
        (face().groups("X25519"), "TLSv1.3", Some("x25519")),
    ] {
        let server = LyingServer::start(&face, honest(&[]));
        let accepted = send(&starttls(&server), &mut Given::default()).unwrap();
        assert_eq!(accepted.endpoint.protocol, protocol);
        if let Some(group) = group {
            assert_eq!(accepted.endpoint.group.as_deref(), Some(group));
        }
    }
}

#[test]
fn a_dialogue_that_breaks_after_the_greeting_is_temporary() {
    let greeted = || vec![say("220 hello")];
    let offered = || answer("250-hello\r\n250 STARTTLS");
    for script in [
        greeted(),
        join([greeted(), vec![S::Line]]),
        join([greeted(), vec![S::Line, S::Reset]]),
        join([greeted(), vec![S::Listen]]),
        join([greeted(), offered(), vec![S::Line]]),
        join([greeted(), answer("421 closing")]),
        opening(&[])[..6].to_vec(),
        join([opening(&[])[..6].to_vec(), vec![S::Line]]),
        join([opening(&[])[..6].to_vec(), vec![S::Listen]]),
        join([opening(&[])[..6].to_vec(), answer("421 closing")]),
    ] {
        let failure = ends_at_the_first(Tls::StartTls, face(), script);
        assert_eq!(outcomes(&failure.attempts), [Outcome::Temporary], "{failure}");
    }
}

#[test]
fn what_is_offered_in_clear_counts_for_nothing() {
    let script = join([
        vec![say("220 hello")],
        answer("250-hello\r\n250-SIZE 1\r\n250-PIPELINING\r\n250 STARTTLS"),
        answer("220 go"),
        vec![S::Tls],
        hello(&[]),
        envelope_taken(),
        taken(),
    ]);
    let server = LyingServer::start(&face(), script);
    send(&starttls(&server), &mut Given::default()).unwrap();
}

#[test]
fn nothing_is_asked_when_settings_are_unsafe() {
    let mut settings = settings(&[(1, Tls::StartTls)]);
    settings.user = Some("al\r\nice".to_owned());
    assert!(matches!(*send(&settings, &mut Given::default()).unwrap_err().cause, Cause::User(_)));
    settings.user = None;
    for host in ["a\r\nb", "a b", "", "a/b", "@"] {
        settings.host = Some(host.to_owned());
        assert!(matches!(*send(&settings, &mut Given::default()).unwrap_err().cause, Cause::Host(_)));
    }
    settings.host = Some("localhost".to_owned());
    settings.ca_file = Some("/nowhere/ca.pem".into());
    assert!(matches!(*send(&settings, &mut Given::default()).unwrap_err().cause, Cause::Tls(_)));
}
