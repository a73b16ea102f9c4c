//! `sealpost send`: against a real Postfix by every door, and against servers that lie.

use serde_json::Value;

use crate::support::{
    Ca, Door, Flaw, Home, Identity, MailServer, Outcome,
    lying_server::{Face, LyingServer, Step, answer, closed_port, opening, say},
    people::{alice, open_as},
};

const FROM: [&str; 6] = ["send", "--json", "--from", "alice@example.test", "--passphrase", "file:pw"];

fn face(identity: &Identity) -> Face {
    Face::new(identity.certificate.clone(), identity.key.clone())
}

/// Alice's home with the authority's certificate and the login's password beside.
fn sender(ca: &Ca) -> Home {
    let home = alice();
    home.file("ca.pem", ca.pem());
    home.file("smtp-pw", MailServer::PASSWORD);
    home
}

fn send(home: &Home, ports: &str, more: &[&str]) -> Outcome {
    let server = ["--host", "localhost", "--ports", ports, "--ca-file", "ca.pem", "--timeout", "8"];
    home.sealpost(FROM.iter().chain(&server).chain(more)).stdin("hello\n").run()
}

#[test]
fn postfix_takes_it_by_every_door_and_login_and_the_reader_reads_it() {
    let (server, ca) = MailServer::with_ca();
    let home = sender(&ca);
    home.file("token", server.token());
    let login = ["--user", MailServer::USER, "--password", "file:smtp-pw"];
    let doors = [(Door::StartTls, "starttls"), (Door::Implicit, "tls"), (Door::Third, "starttls")];
    let mut count = 0;
    for (door, kind) in doors {
        for auth in ["auto", "scram-sha-256", "plain", "login"] {
            let ports = format!("{}/{kind}", server.port(door));
            let more = ["-t", "bob@example.test", "-s", "Secret plans", "--auth", auth];
            let sent = send(&home, &ports, &[&more[..], &login[..]].concat()).expect(0).json();
            assert_eq!(sent["status"], "accepted", "{sent}");
            assert_eq!(sent["messages"][0]["endpoint"]["protocol"], "TLSv1.3");
            assert!(sent["messages"][0]["reply"].as_str().unwrap().contains("queued"), "{sent}");
            count += 1;
        }
    }
    for auth in ["oauthbearer", "xoauth2", "auto"] {
        let more = ["-t", "bob@example.test", "--auth", auth, "--user", MailServer::USER, "--token", "file:token"];
        send(&home, &server.ports(), &more).expect(0);
        count += 1;
    }
    let wire = server.delivered("bob", count);
    for message in server.mailbox("bob") {
        let text = String::from_utf8_lossy(&message).into_owned();
        assert!(!text.contains("Secret plans") && !text.contains("hello\n"), "{text}");
    }
    let read = open_as("bob", &wire, &["--signed-by", "alice@example.test"]).expect(0).json();
    assert_eq!(read["body"]["text"], "hello\n");

    let wrong = ["-t", "bob@example.test", "--user", MailServer::USER, "--password", "file:pw"];
    let error = send(&home, &server.ports(), &wrong).expect(77).error();
    assert_eq!(error["attempts"][0]["outcome"], "bad-login", "{error}");
    let stranger = [&["-t", "bob@example.test,carol@example.test"][..], &login[..]].concat();
    send(&home, &server.ports(), &stranger).expect(0);
}

#[test]
fn a_message_apart_goes_to_each_bcc_recipient_and_the_others_see_no_trace() {
    let (server, ca) = MailServer::with_ca();
    let home = sender(&ca);
    let more = ["-t", "bob@example.test", "--bcc", "carol@example.test", "-s", "x"];
    let login = ["--user", MailServer::USER, "--password", "file:smtp-pw"];
    let sent = send(&home, &server.ports(), &[&more[..], &login[..]].concat()).expect(0).json();
    assert_eq!(sent["messages"].as_array().unwrap().len(), 2, "{sent}");
    let (bob, carol) = (server.delivered("bob", 1), server.delivered("carol", 1));
    let text = String::from_utf8_lossy(&bob).to_ascii_lowercase();
    // In Base64 "bcc" may stand by chance, a field's name and colon may not.
    for trace in ["carol@", "bcc:"] {
        assert!(!text.contains(trace), "{trace} in Bob's message");
    }
    open_as("carol", &carol, &[]).expect(0);
    open_as("bob", &carol, &[]).expect(65);
    open_as("carol", &bob, &[]).expect(65);
    let read = open_as("bob", &bob, &[]).expect(0).json();
    assert!(!read.to_string().contains("carol"));
}

#[test]
fn one_recipient_without_a_certificate_and_nothing_is_on_the_wire() {
    let ca = Ca::new();
    let home = sender(&ca);
    let server = LyingServer::start(&face(&ca.server()), vec![Step::Listen]);
    let ports = format!("{}/starttls", server.port());
    let error = send(&home, &ports, &["-t", "bob@example.test,dave@example.test", "-t", "erin@example.test"])
        .expect(67)
        .error();
    let named: Vec<_> = error["recipients"].as_array().unwrap().iter().map(|one| one["address"].clone()).collect();
    assert_eq!(named, ["dave@example.test", "erin@example.test"]);
    assert!(server.records().is_empty());
}

/// One failure of a submission: what the server does, the outcome, the exit.
struct Row {
    name: &'static str,
    script: Vec<Step>,
    tls: &'static str,
    outcome: &'static str,
    exit: i32,
}

fn row(name: &'static str, script: Vec<Step>, outcome: &'static str, exit: i32) -> Row {
    Row { name, script, tls: "starttls", outcome, exit }
}

/// An honest session up to some answers.
fn after(answers: &[&str]) -> Vec<Step> {
    let mut steps = opening(&["8BITMIME"]);
    steps.extend(answers.iter().flat_map(|line| answer(line)));
    steps
}

#[test]
fn each_failure_has_its_outcome_and_exit_and_no_other_port_is_tried() {
    let ca = Ca::new();
    let home = sender(&ca);
    let message = |end: Vec<Step>| {
        let mut steps = after(&["250 ok", "250 ok", "354 go"]);
        steps.push(Step::Message);
        steps.extend(end);
        steps
    };
    let rows = [
        row("not offered", vec![say("220 x"), Step::Line, say("250 x"), Step::Line], "stripped", 76),
        row(
            "refused",
            vec![say("220 x"), Step::Line, say("250-x\r\n250 STARTTLS"), Step::Line, say("454 no"), Step::Line],
            "stripped",
            76,
        ),
        row(
            "354",
            vec![say("220 x"), Step::Line, say("250-x\r\n250 STARTTLS"), Step::Line, say("354 go"), Step::Line],
            "stripped",
            76,
        ),
        row(
            "injected",
            vec![
                say("220 x"),
                Step::Line,
                say("250-x\r\n250 STARTTLS"),
                Step::Line,
                say("220 go\r\n250 evil"),
                Step::Tls,
            ],
            "protocol",
            76,
        ),
        row("4xx greeting", vec![say("421 later"), Step::Listen], "temporary", 75),
        row("5xx greeting", vec![say("554 never"), Step::Listen], "rejected", 69),
        row("no reply", vec![say("hello"), Step::Listen], "protocol", 76),
        row("4xx to MAIL", after(&["450 later"]), "temporary", 75),
        row("5xx to MAIL", after(&["550 never"]), "rejected", 69),
        row("5xx to RCPT", after(&["250 ok", "550 nobody", "250 reset"]), "rejected", 67),
        row("4xx to RCPT", after(&["250 ok", "450 full", "250 reset"]), "temporary", 75),
        row("5xx to DATA", after(&["250 ok", "250 ok", "554 no"]), "rejected", 69),
        row("closed at DATA", after(&["250 ok", "250 ok"]), "temporary", 75),
        row("5xx to the dot", message(vec![say("554 spam")]), "rejected", 69),
        row("4xx to the dot", message(vec![say("451 later")]), "temporary", 75),
    ];
    for Row { name, script, tls, outcome, exit } in rows {
        let server = LyingServer::start(&face(&ca.server()), script);
        let second = LyingServer::start(&face(&ca.server()), vec![Step::Listen]);
        let ports = format!("{}/{tls},{}/starttls", server.port(), second.port());
        let ended = send(&home, &ports, &["-t", "bob@example.test"]);
        assert_eq!(ended.exit, exit, "{name}: {ended:?}");
        let error = ended.error();
        assert_eq!(error["attempts"].as_array().unwrap().last().unwrap()["outcome"], outcome, "{name}: {error}");
        assert!(second.records().is_empty(), "{name}: another port was tried");
        assert!(!server.record().clear_text().contains("MAIL"), "{name}: {}", server.record().clear_text());
    }
}

#[test]
fn a_connection_lost_after_the_final_dot_is_unknown() {
    let ca = Ca::new();
    let home = sender(&ca);
    for end in [vec![Step::Reset], vec![], vec![Step::Flood(b"2", 1 << 20)]] {
        let mut script = after(&["250 ok", "250 ok", "354 go"]);
        script.push(Step::Message);
        script.extend(end);
        let server = LyingServer::start(&face(&ca.server()), script);
        let ended = send(&home, &format!("{}/starttls", server.port()), &["-t", "bob@example.test"]).expect(4);
        assert_eq!(ended.json()["status"], "unknown", "{ended:?}");
        assert_eq!(ended.error()["kind"], "unknown", "{ended:?}");
    }
}

/// Takes one message, whatever it is asked first.
fn taken(end: &str) -> Vec<Step> {
    let mut steps: Vec<_> = ["250 ok", "250 ok", "354 go"].into_iter().flat_map(answer).collect();
    steps.extend([Step::Message, say(end)]);
    steps
}

#[test]
fn of_two_messages_the_second_is_refused_and_the_receipt_says_which() {
    let ca = Ca::new();
    let home = sender(&ca);
    let refused: Vec<_> = ["250 ok", "550 5.1.1 nobody", "250 reset"].into_iter().flat_map(answer).collect();
    let lost = [taken("250 x")[..7].to_vec(), vec![Step::Reset]].concat();
    for (second, exit, reply) in [(refused, 67, Some("550 5.1.1 nobody")), (lost, 4, None)] {
        let script = [opening(&[]), taken("250 2.0.0 first"), second].concat();
        let server = LyingServer::start(&face(&ca.server()), script);
        let ports = format!("{}/starttls", server.port());
        let ended = send(&home, &ports, &["-t", "bob@example.test", "--bcc", "carol@example.test"]).expect(exit);
        let (receipt, text) = (ended.json(), ended.error()["text"].to_string());
        assert_eq!(receipt["status"], "partly");
        assert_eq!(receipt["messages"][0]["reply"], "2.0.0 first");
        assert_eq!(receipt["messages"][1]["endpoint"], Value::Null);
        assert_eq!(receipt["messages"][1]["reply"].as_str(), reply);
        assert!(text.contains("1 of 2 messages were accepted") && !text.contains("nothing was sent"), "{text}");
        let hints = ended.error()["hints"].clone();
        if exit == 4 {
            // It may have been taken: there is nothing to be sent unasked.
            assert_eq!(hints, serde_json::json!([["sealpost", "send", "--help"]]));
            continue;
        }
        let id = receipt["message_id"].as_str().unwrap();
        let server = LyingServer::start(&face(&ca.server()), [opening(&[]), taken("250 2.0.0 second")].concat());
        let ports = format!("{}/starttls", server.port());
        let hint: Vec<_> = hints[0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let words = hint[1..].iter().map(|word| if word.ends_with("/starttls") { ports.as_str() } else { word });
        let rest = home.sealpost(words).stdin("hello\n").run().expect(0).json();
        assert_eq!(rest["message_id"], id);
        assert_eq!(rest["messages"].as_array().unwrap().len(), 1);
        assert_eq!(rest["messages"][0]["recipients"][0]["address"], "carol@example.test");
    }
}

#[test]
fn what_is_sent_to_some_of_the_recipients_names_them_all() {
    let ca = Ca::new();
    let home = sender(&ca);
    let refused = |arguments: &[&str]| send(&home, "1/starttls", arguments).expect(64);
    refused(&["-t", "bob@example.test", "--only", "carol@example.test"]);
    refused(&["-t", "bob@example.test", "--message-id", "1@elsewhere.test"]);
    refused(&["-t", "bob@example.test", "--message-id", "no id"]);
    let words = ["-t", "bob@example.test,carol@example.test", "--only", "carol@example.test", "-n"];
    let plan = send(&home, "1/starttls", &words).expect(0).json();
    assert_eq!(plan["messages"][0]["recipients"].as_array().unwrap().len(), 1);
    assert_eq!(plan["messages"][0]["recipients"][0]["address"], "carol@example.test");
}

#[test]
fn a_receipt_that_cannot_be_written_hides_nothing() {
    let ca = Ca::new();
    let home = sender(&ca);
    let lost = [taken("250 x")[..7].to_vec(), vec![Step::Reset]].concat();
    for (end, exit, word) in [(taken("250 ok"), 74, "was accepted"), (lost, 4, "may have taken")] {
        let server = LyingServer::start(&face(&ca.server()), [opening(&[]), end].concat());
        let ports = format!("{}/starttls", server.port());
        let server = ["--host", "localhost", "--ports", &ports, "--ca-file", "ca.pem", "-t", "bob@example.test"];
        let ended = home.sealpost(FROM.iter().chain(&server)).stdout_full().run().expect(exit);
        assert!(ended.error()["text"].as_str().unwrap().contains(word), "{ended:?}");
    }
}

#[test]
fn a_notice_that_will_not_come_is_a_warning() {
    let ca = Ca::new();
    let home = sender(&ca);
    for (offer, warnings) in [("DSN", 0), ("8BITMIME", 1)] {
        let server = LyingServer::start(&face(&ca.server()), [opening(&[offer]), taken("250 ok")].concat());
        let ports = format!("{}/starttls", server.port());
        let sent = send(&home, &ports, &["-t", "bob@example.test", "--notify", "success,failure"]).expect(0).json();
        assert_eq!(sent["warnings"].as_array().unwrap().len(), warnings, "{sent}");
        assert_eq!(server.record().secured_text().contains("NOTIFY=SUCCESS,FAILURE"), warnings == 0);
    }
}

#[test]
fn certificates_are_checked_by_every_door() {
    let ca = Ca::new();
    let home = sender(&ca);
    for flaw in [Flaw::Expired, Flaw::WrongHost, Flaw::SelfSigned] {
        let identity = ca.flawed(flaw);
        let start = LyingServer::start(&face(&identity), opening(&[]));
        let implicit = LyingServer::start(&face(&identity), vec![Step::Tls, say("220 x"), Step::Listen]);
        for ports in [format!("{}/starttls", start.port()), format!("{}/tls", implicit.port())] {
            let error = send(&home, &ports, &["-t", "bob@example.test"]).expect(76).error();
            assert_eq!(error["attempts"][0]["outcome"], "bad-certificate", "{error}");
        }
    }
}

#[test]
fn refused_and_silent_ports_move_on_and_the_one_that_worked_is_remembered() {
    let ca = Ca::new();
    let home = sender(&ca);
    let silent = LyingServer::start(&face(&ca.server()), vec![Step::Silence]);
    let mut script = after(&["250 ok", "250 ok", "354 go"]);
    script.extend([Step::Message, say("250 2.0.0 taken"), Step::Line, say("221 bye")]);
    let good = LyingServer::start(&face(&ca.server()), script);
    let ports = format!("{}/starttls,{}/tls,{}/starttls", closed_port(), silent.port(), good.port());
    let sent = send(&home, &ports, &["-t", "bob@example.test"]).expect(0).json();
    let outcomes: Vec<_> = sent["attempts"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["refused", "silent"]);
    assert_eq!(sent["messages"][0]["endpoint"]["port"], Value::from(good.port()));
    let again = send(&home, &ports, &["-t", "bob@example.test"]).expect(0).json();
    assert_eq!(again["attempts"], serde_json::json!([]));
}

#[test]
fn nothing_open_and_nothing_known() {
    let ca = Ca::new();
    let home = sender(&ca);
    let error = send(&home, &format!("{}/starttls", closed_port()), &["-t", "bob@example.test"]).expect(69).error();
    assert_eq!(error["kind"], "unavailable");
    // A name that no resolver needs to be asked about.
    let unknown = ["--host", "a..b", "-t", "bob@example.test"];
    let error = home.sealpost(FROM.iter().chain(&unknown)).stdin("x").run().expect(68).error();
    assert_eq!(error["attempts"][0]["outcome"], "unresolved", "{error}");
    let silent = LyingServer::start(&face(&ca.server()), vec![Step::Silence]);
    let error = send(&home, &format!("{}/tls", silent.port()), &["-t", "bob@example.test"]).expect(69).error();
    assert_eq!(error["attempts"][0]["outcome"], "silent", "{error}");
}

#[test]
fn the_plan_sends_nothing_and_drift_is_refused() {
    let ca = Ca::new();
    let home = sender(&ca);
    let server = LyingServer::start(&face(&ca.server()), vec![Step::Listen]);
    let ports = format!("{}/starttls", server.port());
    let plan = send(&home, &ports, &["-t", "bob@example.test", "-n"]).expect(0);
    assert_eq!(plan.json()["status"], "planned");
    assert_eq!(plan.json()["messages"][0]["recipients"][0]["trust"], "imported");
    home.file("plan.json", &plan.stdout);
    send(&home, &ports, &["-t", "bob@example.test", "-n", "--expect-plan", "plan.json"]).expect(0);
    let drift = send(&home, &ports, &["-t", "bob@example.test,carol@example.test", "--expect-plan", "plan.json"]);
    assert_eq!(drift.expect(78).error()["kind"], "plan");
    assert!(server.records().is_empty());
}

#[test]
fn what_could_be_injected_is_a_usage_error_and_nothing_is_on_the_wire() {
    let ca = Ca::new();
    let home = sender(&ca);
    let server = LyingServer::start(&face(&ca.server()), vec![Step::Listen]);
    let ports = format!("{}/starttls", server.port());
    let to = ["-t", "bob@example.test"];
    for hidden in
        ["\r\nBcc: eve@example.test", "\n x", "\u{2028}x", "\u{85}", "=?utf-8?q?=0D=0ABcc=3A_x?= <eve@example.test>"]
    {
        let whole = format!("x{hidden}");
        let header = format!("X-A: x{hidden}");
        let named = format!("-:x{hidden}");
        let cases: [&[&str]; 8] = [
            &["-t", &whole],
            &["--cc", &whole],
            &["--bcc", &whole],
            &["-s", &whole],
            &["--header", &header],
            &["--in-reply-to", &whole],
            &["--references", &whole],
            &["--user", &whole, "--password", "file:smtp-pw"],
        ];
        for case in cases {
            let encoded = hidden.starts_with('=');
            if encoded && !matches!(case[0], "-t" | "--cc" | "--bcc") {
                continue;
            }
            let ended = send(&home, &ports, &[&to[..], case].concat());
            assert!(matches!(ended.exit, 64 | 78), "{case:?}: {ended:?}");
        }
        // A colon would part file and name elsewhere.
        if !hidden.contains([':', '=']) {
            send(&home, &ports, &[&to[..], &["-a", &named]].concat()).expect(64);
        }
    }
    assert!(server.records().is_empty());
}

#[test]
fn a_client_key_that_others_can_read_is_refused() {
    let ca = Ca::new();
    let home = sender(&ca);
    let server = LyingServer::start(&face(&ca.server()), vec![Step::Listen]);
    for name in ["client.pem", "client.key"] {
        home.file(name, "");
    }
    std::fs::set_permissions(home.path("client.key"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let more =
        ["-t", "bob@example.test", "--auth", "external", "--client-cert", "client.pem", "--client-key", "client.key"];
    let error = send(&home, &format!("{}/starttls", server.port()), &more).expect(77).error();
    assert_eq!(error["hints"][0], serde_json::json!(["chmod", "600", "client.key"]));
    assert!(server.records().is_empty());
}
