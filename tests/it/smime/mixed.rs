//! One `send` to people of both suites.

use serde_json::Value;

use crate::support::{
    Ca, Home, MailServer, Outcome,
    lying_server::{Face, LyingServer, Step, answer, opening, say},
    people::{alice_of_both, open_as, open_smime_as, specimen},
    run,
};

const COMPOSE: [&str; 8] =
    ["send", "--json", "--from", "alice@example.test", "--passphrase", "file:pw", "-s", "Secret plans"];

/// Alice's home, with the login and the server's authority beside.
fn sender(ca: &Ca) -> Home {
    let home = alice_of_both();
    home.file("server.pem", ca.pem());
    home.file("smtp-pw", MailServer::PASSWORD);
    home
}

fn send(home: &Home, ports: &str, more: &[&str]) -> Outcome {
    let server = ["--host", "localhost", "--ports", ports, "--ca-file", "server.pem", "--timeout", "8"];
    home.sealpost(COMPOSE.iter().chain(&server).chain(more)).stdin("hello\n").run()
}

/// The value of a header field on the wire.
fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(start.as_str())).unwrap_or_else(|| panic!("no {name}: {message}"))
}

fn text(message: &[u8]) -> String {
    String::from_utf8(message.to_vec()).unwrap().replace("\r\n", "\n")
}

#[test]
fn two_messages_one_receipt_and_each_names_all() {
    let (server, ca) = MailServer::with_ca();
    let home = sender(&ca);
    let login = ["--user", MailServer::USER, "--password", "file:smtp-pw"];
    let to = ["-t", "bob@example.test,carol@example.test", "--cc", "dave@example.test"];
    let plan = send(&home, &server.ports(), &[&to[..], &login, &["-n"]].concat()).expect(0).json();
    let sent = send(&home, &server.ports(), &[&to[..], &login].concat()).expect(0).json();
    assert_eq!((&plan["status"], &sent["status"]), (&"planned".into(), &"accepted".into()));
    for receipt in [&plan, &sent] {
        let groups: Vec<(&str, Vec<&str>)> = receipt["messages"].as_array().unwrap().iter().map(of_group).collect();
        let expected =
            [("openpgp", vec!["carol@example.test"]), ("smime", vec!["bob@example.test", "dave@example.test"])];
        assert_eq!(groups, expected, "{receipt}");
    }
    // Specimens never expire.
    assert_eq!(sent["messages"][1]["recipients"][0]["days_left"], Value::Null);

    let [bob, carol, dave] = ["bob", "carol", "dave"].map(|who| server.delivered(who, 1));
    let id = sent["message_id"].as_str().unwrap();
    for message in [&bob, &carol, &dave] {
        assert_eq!(field(&text(message), "Message-ID"), id);
        assert_eq!(field(&text(message), "Subject"), "[...]");
    }
    assert!(text(&bob).contains("smime-type=enveloped-data") && text(&carol).contains("BEGIN PGP MESSAGE"));
    for read in [
        open_smime_as("bob", &bob, &["--signed-by", "alice@example.test"]),
        open_smime_as("dave", &dave, &["--signed-by", "alice@example.test"]),
        open_as("carol", &carol, &["--signed-by", "alice@example.test"]),
    ] {
        let read = read.expect(0).json();
        assert_eq!(read["body"]["text"], "hello\n");
        let headers = &read["headers"];
        assert_eq!(headers["to"]["value"], "bob@example.test, carol@example.test", "{read}");
        assert_eq!(headers["cc"]["value"], "dave@example.test");
        assert_eq!(
            (&headers["subject"]["value"], &headers["message-id"]["value"]),
            (&"Secret plans".into(), &id.into())
        );
    }
    open_smime_as("bob", &carol, &[]).expect(65);
    open_as("carol", &bob, &[]).expect(65);
    openssl_reads(&bob);
}

/// Suite and recipients of one message of a receipt.
fn of_group(message: &Value) -> (&str, Vec<&str>) {
    let recipients = message["recipients"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap());
    (message["suite"].as_str().unwrap(), recipients.collect())
}

/// `openssl cms -decrypt | openssl cms -verify`, with Bob's key out of the PKCS#12 file.
fn openssl_reads(message: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bob.p12"), specimen("bob.p12")).unwrap();
    std::fs::write(folder.path().join("ca.pem"), specimen("ca.pem")).unwrap();
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(folder.path()).args([
        "-c",
        "openssl pkcs12 -in bob.p12 -passin pass:specimen -nodes -out bob.pem &&
         openssl cms -decrypt -recip bob.pem -inkey bob.pem | openssl cms -verify -CAfile ca.pem -purpose smimesign",
    ]);
    let opened = run(shell, message).expect(0);
    assert!(opened.text().contains("Subject: Secret plans") && opened.text().contains("hello"), "{opened:?}");
}

#[test]
fn which_suite_is_chosen() {
    let home = alice_of_both();
    home.file("bob.asc", specimen("bob.asc"));
    home.sealpost(["cert", "import", "bob.asc"]).run().expect(0);
    let plan = |more: &[&str]| home.sealpost(COMPOSE.iter().chain(&["-n", "--host", "h"]).chain(more)).run();
    let suites = |more: &[&str]| -> Vec<String> {
        let plan = plan(more).expect(0).json();
        let all = plan["messages"].as_array().unwrap().iter();
        all.map(|one| one["suite"].as_str().unwrap().to_owned()).collect()
    };
    let bob = ["-t", "bob@example.test"];
    // Both usable: the one that always authenticates.
    assert_eq!(suites(&bob), ["openpgp"]);
    assert_eq!(suites(&[&bob[..], &["--suite", "smime"]].concat()), ["smime"]);
    assert_eq!(suites(&["-t", "dave@example.test"]), ["smime"]);
    assert_eq!(suites(&["-t", "bob@example.test,dave@example.test"]), ["openpgp", "smime"]);
    let recipients = home.state().join("recipients.toml");
    std::fs::write(&recipients, "[recipient.\"bob@example.test\"]\nsuite = \"smime\"\n").unwrap();
    assert_eq!(suites(&bob), ["smime"]);
    assert_eq!(suites(&["-t", "bob@example.test,dave@example.test"]), ["smime"]);
    assert_eq!(suites(&[&bob[..], &["--suite", "openpgp"]].concat()), ["openpgp"]);
    // A suite that somebody does not read: nobody gets anything.
    for (suite, without) in [("smime", "carol@example.test"), ("openpgp", "dave@example.test")] {
        let to = format!("bob@example.test,{without}");
        let refused = plan(&["-t", &to, "--suite", suite]).expect(67).error();
        assert_eq!(refused["recipients"][0]["address"], without, "{refused}");
    }
}

#[test]
fn two_keys_with_two_passphrases() {
    let (server, ca) = MailServer::with_ca();
    let home = sender(&ca);
    std::fs::remove_dir_all(home.state().join("keys")).unwrap();
    home.sealpost(["key", "import", "alice.key", "--passphrase", "file:pw"]).run().expect(0);
    let import = ["key", "import", "alice.p12", "--passphrase", "file:pw", "--new-passphrase", "file:other"];
    home.sealpost(import).run().expect(0);
    let login = ["--user", MailServer::USER, "--password", "file:smtp-pw"];
    let to = ["-t", "bob@example.test,carol@example.test"];
    // The flag is for all keys: it says what would help.
    let error = send(&home, &server.ports(), &[&to[..], &login].concat()).expect(77).error();
    let text = error["text"].as_str().unwrap();
    assert!(text.contains("wrong passphrase") && text.contains("smime_passphrase"), "{error}");

    let config = home.state().join("config.toml");
    let both =
        "[account.a]\nfrom = \"alice@example.test\"\npassphrase = \"file:pw\"\nsmime_passphrase = \"file:other\"\n";
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + both).unwrap();
    let configured = |more: &[&str]| {
        let server = ["send", "--json", "--host", "localhost", "--ports", &server.ports(), "--ca-file", "server.pem"];
        home.sealpost(server.iter().chain(&to).chain(&login).chain(more)).stdin("hello\n").run()
    };
    let sent = configured(&[]).expect(0).json();
    assert_eq!(sent["messages"].as_array().unwrap().len(), 2, "{sent}");
    open_smime_as("bob", &server.delivered("bob", 1), &["--signed-by", "alice@example.test"]).expect(0);
    open_as("carol", &server.delivered("carol", 1), &["--signed-by", "alice@example.test"]).expect(0);
    // A flag wins over the file.
    configured(&["--passphrase", "file:pw"]).expect(77);
    // What comes is opened with either.
    for suite in ["smime", "openpgp"] {
        let seal = ["seal", "--quiet", "-t", "alice@example.test", "--suite", suite];
        let sealed = home.sealpost(seal).stdin("From: alice@example.test\n\nhello\n").run().expect(0).stdout;
        home.file("m.eml", sealed);
        for file in ["m.eml", "-"] {
            let message = std::fs::read(home.path("m.eml")).unwrap();
            let read = home.sealpost(["open", "--json", file]).stdin(message).run().expect(0).json();
            assert_eq!((&read["suite"], &read["signature"]["state"]), (&suite.into(), &"good".into()), "{read}");
        }
    }
    // The passphrase for S/MIME is none for OpenPGP.
    let other = "[account.a]\nfrom = \"alice@example.test\"\nsmime_passphrase = \"file:other\"\n";
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap().replace(both, other)).unwrap();
    let error = home.sealpost(["open", "--json", "m.eml"]).run().expect(77).error();
    assert!(error["text"].as_str().unwrap().contains("no passphrase is given for OpenPGP keys"), "{error}");
}

/// A message taken, up to the next one.
fn taken(reply: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = ["250 ok", "250 ok", "354 go"].into_iter().flat_map(answer).collect();
    steps.extend([Step::Message, say(reply)]);
    steps
}

fn serve(ca: &Ca, script: Vec<Step>) -> (LyingServer, String) {
    let identity = ca.server();
    let server = LyingServer::start(&Face::new(identity.certificate, identity.key), script);
    let ports = format!("{}/starttls", server.port());
    (server, ports)
}

#[test]
fn if_the_second_is_refused_the_receipt_says_partly_and_the_hint_sends_the_rest_once() {
    let ca = Ca::new();
    let home = sender(&ca);
    let to = ["-t", "bob@example.test,carol@example.test"];
    for (second, exit) in [
        (["250 ok", "550 5.1.1 nobody", "250 reset"], 67),
        (["250 ok", "451 4.3.0 later", "250 reset"], 75),
        (["552 5.3.4 too large", "", ""], 69),
    ] {
        let refused = second.into_iter().filter(|line| !line.is_empty()).flat_map(answer).collect();
        let (server, ports) = serve(&ca, [opening(&[]), taken("250 2.0.0 first"), refused].concat());
        let server_words = ["--host", "localhost", "--ports", &ports, "--ca-file", "server.pem", "--timeout", "8"];
        // Without a subject: with one there would be no command to repeat.
        let words = COMPOSE[..6].iter().chain(&server_words).chain(&to);
        let ended = home.sealpost(words).stdin("hello\n").run().expect(exit);
        let (receipt, error) = (ended.json(), ended.error());
        assert_eq!(receipt["status"], "partly");
        assert_eq!(receipt["messages"][0]["suite"], "openpgp");
        assert_eq!(receipt["messages"][0]["reply"], "2.0.0 first");
        assert_eq!(receipt["messages"][1]["suite"], "smime");
        assert_eq!(receipt["messages"][1]["endpoint"], Value::Null);
        assert!(!error["text"].as_str().unwrap().contains("nothing was sent"), "{error}");
        assert!(server.record().secured_text().contains("BEGIN PGP MESSAGE"));

        let (server, ports) = serve(&ca, [opening(&[]), taken("250 2.0.0 second")].concat());
        let hint: Vec<_> = error["hints"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let words = hint[1..].iter().map(|word| if word.ends_with("/starttls") { ports.as_str() } else { word });
        let rest = home.sealpost(words).stdin("hello\n").run().expect(0).json();
        assert_eq!((&rest["status"], &rest["message_id"]), (&"accepted".into(), &receipt["message_id"]));
        assert_eq!(
            rest["messages"].as_array().unwrap().iter().map(of_group).collect::<Vec<_>>(),
            [("smime", vec!["bob@example.test"])]
        );
        // It names Carol, who has hers already, and does not go to her.
        let wire = server.record().secured_text();
        assert!(!wire.contains("RCPT TO:<carol@example.test>"), "{wire}");
        let message = wire.split_once("DATA\r\n").unwrap().1.split("\r\n.\r\n").next().unwrap();
        let read = open_smime_as("bob", message.as_bytes(), &[]).expect(0).json();
        assert_eq!(read["headers"]["to"]["value"], "bob@example.test, carol@example.test");
        assert_eq!(read["signature"]["state"], "good");
    }
}

#[test]
fn one_who_cannot_be_sealed_for_and_nothing_is_on_the_wire() {
    let ca = Ca::new();
    let home = sender(&ca);
    let (server, ports) = serve(&ca, vec![Step::Listen]);
    let to = ["-t", "bob@example.test,carol@example.test,erin@example.test"];
    let error = send(&home, &ports, &to).expect(67).error();
    assert_eq!(error["recipients"].as_array().unwrap().len(), 1);
    assert_eq!(error["recipients"][0]["address"], "erin@example.test");
    assert!(server.records().is_empty());
    // Nor if the one suite cannot be signed for.
    let key = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!(key["keys"].as_array().unwrap().len(), 2, "{key}");
    let unsigned = sender(&ca);
    std::fs::remove_dir_all(unsigned.state().join("keys")).unwrap();
    unsigned.sealpost(["key", "import", "alice.key", "--passphrase", "file:pw"]).run().expect(0);
    let error = send(&unsigned, &ports, &["-t", "bob@example.test,carol@example.test"]).expect(77).error();
    assert!(error["text"].as_str().unwrap().contains("S/MIME"), "{error}");
    assert!(server.records().is_empty());
}
