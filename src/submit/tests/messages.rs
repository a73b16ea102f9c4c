//! From MAIL to the final dot and behind it.

use proptest::prelude::*;

use super::*;

const OK: &str = "250 ok";

fn mail_and(rest: Vec<S>) -> Vec<S> {
    join([opening(&[]), answer(OK), rest])
}

#[test]
fn refusals_before_the_dot_have_their_outcomes() {
    for (script, outcome, step) in [
        (join([opening(&[]), answer("451 later")]), Outcome::Temporary, Step::Mail),
        (join([opening(&[]), answer("550 no")]), Outcome::Rejected, Step::Mail),
        (join([opening(&[]), answer("354 what")]), Outcome::Protocol, Step::Mail),
        (mail_and(join([answer(OK), answer("451 later")])), Outcome::Temporary, Step::Data),
        (mail_and(join([answer(OK), answer("554 no")])), Outcome::Rejected, Step::Data),
        (mail_and(join([answer(OK), answer("250 what")])), Outcome::Protocol, Step::Data),
        (join([opening(&[]), envelope_taken(), vec![S::Message, say("451 later")]]), Outcome::Temporary, Step::Dot),
        (join([opening(&[]), envelope_taken(), vec![S::Message, say("554 spam")]]), Outcome::Rejected, Step::Dot),
    ] {
        let (failure, server) = failure(join([script, answer("250 reset"), answer("221 bye")]));
        assert_eq!(server.record().secured_text().contains("RSET"), step != Step::Dot);
        assert_eq!(outcomes(&failure.attempts), [outcome], "{failure}");
        let at = match &*failure.cause {
            Cause::Deferred { step, .. } | Cause::Rejected { step, .. } | Cause::Protocol { step, .. } => *step,
            other => panic!("{other}"),
        };
        assert_eq!(at, step);
    }
}

#[test]
fn broken_and_silent_connections_before_the_dot_are_temporary() {
    let mut settings_scripts = Vec::new();
    for end in [vec![], vec![S::Listen], vec![S::Reset]] {
        settings_scripts.push(join([opening(&[]), vec![S::Line], end.clone()]));
        settings_scripts.push(join([opening(&[]), answer(OK), vec![S::Line], end.clone()]));
        settings_scripts.push(join([opening(&[]), answer(OK), answer(OK), vec![S::Line], end]));
    }
    for script in settings_scripts {
        let server = LyingServer::start(&face(), script);
        let mut settings = starttls(&server);
        settings.timeout = Duration::from_millis(700);
        let failure = send(&settings, &mut Given::default()).unwrap_err();
        assert_eq!(outcomes(&failure.attempts), [Outcome::Temporary], "{failure}");
        assert!(!server.record().secured_text().contains("ciphertext"));
    }
}

#[test]
fn a_message_that_breaks_in_its_middle_is_temporary() {
    // More than the buffers of the loopback hold.
    let big = [&b"x".repeat(70)[..], b"\r\n"].concat().repeat(300_000);
    for (end, outcome) in [
        (vec![], Outcome::Temporary),
        (vec![S::Silence], Outcome::Temporary),
        (vec![say("552 too much"), S::Listen], Outcome::Rejected),
        (vec![say("421 too much"), S::Listen], Outcome::Temporary),
        (vec![say("250 taken already"), S::Listen], Outcome::Protocol),
    ] {
        let server = LyingServer::start(&face(), join([opening(&[]), envelope_taken(), vec![S::Bytes(100_000)], end]));
        let mut settings = starttls(&server);
        settings.timeout = Duration::from_secs(2);
        let start = Instant::now();
        let failure = deliver(&settings, &mut Given::default(), &message(&["bob@example.test"], &big)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(outcomes(&failure.attempts), [outcome], "{failure}");
        assert!(!failure.unknown());
        assert!(!server.record().secured_text().ends_with("\r\n.\r\n"));
    }
}

#[test]
fn what_happens_after_the_dot_without_a_reply_is_unknown() {
    for end in [
        vec![],
        vec![S::Reset],
        vec![S::Listen],
        vec![S::Flood(b"2", 1 << 20)],
        vec![S::Flood(b"250-x\r\n", 1 << 20)],
        vec![say("nonsense")],
        vec![say("354 more")],
        vec![S::Say(b"250 half".to_vec())],
        vec![S::Drip(b"250-".repeat(500), Duration::from_millis(10))],
    ] {
        let server = LyingServer::start(&face(), join([opening(&[]), envelope_taken(), vec![S::Message], end]));
        let mut settings = starttls(&server);
        settings.timeout = Duration::from_millis(700);
        let failure = send(&settings, &mut Given::default()).unwrap_err();
        assert!(failure.unknown(), "{failure}");
        assert_eq!(failure.attempts[0].outcome, None);
        assert_eq!(server.record().secured_text().matches("MAIL FROM").count(), 1);
    }
}

#[test]
fn a_latin_1_reply_to_the_dot_is_a_reply() {
    let end = vec![S::Message, S::Say(b"250 angenommen f\xfcr Sie\r\n".to_vec())];
    let server = LyingServer::start(&face(), join([opening(&[]), envelope_taken(), end]));
    let accepted = send(&starttls(&server), &mut Given::default()).unwrap();
    assert_eq!(accepted.reply, "angenommen f\u{fffd}r Sie");
}

#[test]
fn refused_recipients_are_all_named_and_nobody_gets_it() {
    let to = ["a@example.test", "b@example.test", "c@example.test", "d@example.test"];
    for offers in [&[][..], &["PIPELINING"]] {
        let replies = [OK, OK, "550 unknown b", "450 busy c", "551 unknown d", "250 reset", "221 bye"].map(answer);
        let server = LyingServer::start(&face(), join([opening(offers), join(replies)]));
        let failure = deliver(&starttls(&server), &mut Given::default(), &message(&to, MESSAGE)).unwrap_err();
        let refused: Vec<String> = failure.refused().iter().map(|refusal| refusal.address.to_string()).collect();
        assert_eq!(refused, ["b@example.test", "d@example.test"]);
        assert!(matches!(*failure.cause, Cause::RecipientsRefused { .. }));
        assert_eq!(outcomes(&failure.attempts), [Outcome::Rejected]);
        let said = server.record().secured_text();
        assert!(said.ends_with("RSET\r\nQUIT\r\n") && !said.contains("DATA"), "{said}");
    }
}

#[test]
fn recipients_deferred_are_temporary() {
    let script = mail_and(join([answer("452 too many"), answer("250 reset"), answer("221 bye")]));
    let (failure, _) = failure(script);
    assert!(matches!(*failure.cause, Cause::RecipientsDeferred { .. }));
    assert_eq!(outcomes(&failure.attempts), [Outcome::Temporary]);
}

#[test]
fn a_session_goes_on_after_a_refusal() {
    let refused = join([answer(OK), answer("550 no"), answer("250 reset")]);
    let server = LyingServer::start(&face(), join([opening(&[]), refused, envelope_taken(), taken()]));
    run(async {
        let mut session = Session::connect(&starttls(&server), &mut Given::default()).await.unwrap();
        let sealed = message(&["bob@example.test"], MESSAGE);
        assert!(session.submit(&sealed).await.is_err());
        session.submit(&sealed).await.unwrap();
        session.quit().await;
    });
}

#[test]
fn a_server_that_shuts_down_in_the_session_is_temporary() {
    let script = join([opening(&[]), answer(OK), vec![S::Line, say("421 shutting down")]]);
    let (failure, _) = failure(script);
    assert_eq!(outcomes(&failure.attempts), [Outcome::Temporary]);
    let script = join([opening(&["PIPELINING"]), vec![S::Line, say("421 shutting down")]]);
    let server = LyingServer::start(&face(), script);
    let failure = send(&starttls(&server), &mut Given::default()).unwrap_err();
    assert_eq!(outcomes(&failure.attempts), [Outcome::Temporary]);
}

#[test]
fn replies_out_of_turn_are_not_taken_for_the_next() {
    for script in [
        join([opening(&[]), answer("250 ok\r\n250 ok"), vec![S::Listen]]),
        join([opening(&[]), answer(OK), answer(OK), answer("354 go\r\n250 taken"), vec![S::Listen]]),
        join([opening(&[])[..6].to_vec(), answer("250 hello\r\n250 ok"), vec![S::Listen]]),
    ] {
        let (failure, server) = failure(script);
        assert_eq!(outcomes(&failure.attempts), [Outcome::Protocol], "{failure}");
        assert!(!server.record().secured_text().contains("\r\n.\r\n"));
    }
}

#[test]
fn size_is_declared_and_kept() {
    let server = LyingServer::start(&face(), honest(&["SIZE 1000"]));
    send(&starttls(&server), &mut Given::default()).unwrap();
    let size = MESSAGE.len();
    assert!(server.record().secured_text().contains(&format!("MAIL FROM:<alice@example.test> SIZE={size}\r\n")));

    let server = LyingServer::start(&face(), join([opening(&["SIZE 20"]), answer("221 bye")]));
    let failure = send(&starttls(&server), &mut Given::default()).unwrap_err();
    assert!(matches!(*failure.cause, Cause::TooLarge { limit: 20, .. }));
    assert_eq!(outcomes(&failure.attempts), [Outcome::Rejected]);
    assert!(!server.record().secured_text().contains("MAIL"));
}

#[test]
fn notices_are_asked_for_where_they_are_offered() {
    let dsn = Dsn {
        notify: vec![Notify::Failure, Notify::Delay],
        headers_only: true,
        envelope_id: Some("a+b=c d".to_owned()),
    };
    for (offers, mail, rcpt) in
        [(&["DSN"][..], " RET=HDRS ENVID=a+2Bb+3Dc+20d", " NOTIFY=FAILURE,DELAY"), (&[], "", "")]
    {
        let server = LyingServer::start(&face(), honest(offers));
        let mut settings = starttls(&server);
        settings.dsn = Some(dsn.clone());
        send(&settings, &mut Given::default()).unwrap();
        let said = server.record().secured_text();
        assert!(
            said.contains(&format!("MAIL FROM:<alice@example.test>{mail}\r\nRCPT TO:<bob@example.test>{rcpt}\r\n"))
        );
    }
}

#[test]
fn addresses_beyond_ascii_need_smtputf8() {
    let sealed = message(&["grün@example.test"], MESSAGE);
    let server = LyingServer::start(&face(), honest(&["SMTPUTF8", "8BITMIME"]));
    deliver(&starttls(&server), &mut Given::default(), &sealed).unwrap();
    assert!(server.record().secured_text().contains("SMTPUTF8\r\nRCPT TO:<grün@example.test>\r\n"));

    let server = LyingServer::start(&face(), join([opening(&[]), answer("221 bye")]));
    let failure = deliver(&starttls(&server), &mut Given::default(), &sealed).unwrap_err();
    let Cause::NeedsSmtputf8 { addresses, .. } = &*failure.cause else { panic!("{failure}") };
    assert_eq!(addresses[0].to_string(), "grün@example.test");
    assert!(!server.record().secured_text().contains("MAIL"));
}

#[test]
fn what_would_smuggle_never_reaches_mail() {
    for bytes in [&b"a: b\r\n\r\na\n.\nMAIL FROM:<x@y>\r\n"[..], b"a: b\r\n\r\na\r.\r\r\n", b"a\0b\r\n", b"no end"] {
        let server = LyingServer::start(&face(), join([opening(&[]), answer("221 bye")]));
        let failure = deliver(&starttls(&server), &mut Given::default(), &message(&["bob@example.test"], bytes));
        assert!(matches!(*failure.unwrap_err().cause, Cause::Unsendable(_)));
        assert!(!server.record().secured_text().contains("MAIL"));
    }
}

#[test]
fn many_recipients_neither_hang_nor_fill_the_memory() {
    const COUNT: usize = 20_000;
    let to: Vec<String> = (0..COUNT).map(|number| format!("recipient-{number}@example.test")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let serve = S::Do(std::sync::Arc::new(|conversation| {
        let reply = format!("250 {}\r\n", "wordy ".repeat(80));
        while conversation.line()? != "DATA" {
            conversation.say(reply.as_bytes())?;
        }
        conversation.say(b"354 go\r\n")
    }));
    let server = LyingServer::start(&face(), join([opening(&["PIPELINING"]), vec![serve], taken()]));
    let mut settings = starttls(&server);
    settings.timeout = Duration::from_secs(25);
    deliver(&settings, &mut Given::default(), &message(&to, MESSAGE)).unwrap();
    assert_eq!(server.record().secured_text().matches("RCPT TO").count(), COUNT);
}

#[test]
fn pipelining_sends_the_envelope_at_once_but_not_data() {
    let read = S::Do(std::sync::Arc::new(|conversation| {
        for _ in 0..3 {
            conversation.line()?;
        }
        conversation.say(b"250 ok\r\n250 ok\r\n250 ok\r\n")
    }));
    let script = join([opening(&["PIPELINING"]), vec![read], answer("354 go"), taken()]);
    let server = LyingServer::start(&face(), script);
    let sealed = message(&["bob@example.test", "carol@example.test"], MESSAGE);
    deliver(&starttls(&server), &mut Given::default(), &sealed).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_message_arrives_as_it_is(lines in proptest::collection::vec("[.a]{0,3}[ -~]{0,60}", 1..60), times in 1usize..80) {
        let bytes = format!("{}\r\n", lines.join("\r\n")).repeat(times);
        let server = LyingServer::start(&face(), honest(&[]));
        deliver(&starttls(&server), &mut Given::default(), &message(&["bob@example.test"], bytes.as_bytes())).unwrap();
        let said = server.record().secured_text();
        let data = said.split_once("DATA\r\n").unwrap().1.strip_suffix("\r\n.\r\nQUIT\r\n").unwrap();
        let read: String = data.split("\r\n").map(|line| format!("{}\r\n", line.strip_prefix('.').unwrap_or(line))).collect();
        prop_assert_eq!(read, bytes);
        prop_assert!(!data.split("\r\n").any(|line| line == "."));
    }
}
