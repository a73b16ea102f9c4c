//! The notice that goes to `alert_to` when a message had to be refused: sealed, and without the message.

use std::fs;

use crate::support::{
    Ca, Home, MailServer,
    people::{alice, open_as},
};

fn sender(server: &MailServer, ca: &Ca, operator: &str) -> Home {
    let home = alice();
    home.file("smtp-pw", MailServer::PASSWORD);
    let password = home.path("smtp-pw");
    let config = format!(
        "[account.work]\nfrom = \"alice@example.test\"\npassphrase = \"file:pw\"\nalert_to = \"{operator}\"\n\
         [account.work.submission]\nhost = \"localhost\"\nports = [{}]\nca_file = \"ca.pem\"\nuser = \"{}\"\n\
         password = \"file:{}\"\n",
        server.ports().split(',').map(|port| format!("\"{port}\"")).collect::<Vec<_>>().join(", "),
        MailServer::USER,
        password.display()
    );
    fs::write(home.state().join("ca.pem"), ca.pem()).unwrap();
    fs::write(home.state().join("config.toml"), config).unwrap();
    home
}

#[test]
fn the_operator_is_told_of_a_refusal_and_of_nothing_that_was_to_be_sent() {
    let (server, ca) = MailServer::with_ca();
    let home = sender(&server, &ca, "Operator <bob@example.test>");
    let refused = ["send", "-t", "nobody@example.test,carol@example.test", "-s", "Secret plans"];
    // What is merely looked at tells nobody.
    home.sealpost(refused.iter().chain(&["-n"])).run().expect(67);
    let ended = home.sealpost(refused).stdin("hello\n").run().expect(67);
    assert!(ended.words().contains("a notice went to bob@example.test"), "{ended:?}");
    let wire = server.delivered("bob", 1);
    assert!(!String::from_utf8_lossy(&wire).contains("nobody"));
    let read = open_as("bob", &wire, &["--signed-by", "alice@example.test"]).expect(0).json();
    assert_eq!(read["headers"]["subject"]["value"], "sealpost send refused a message");
    let text = read["body"]["text"].as_str().unwrap();
    assert!(text.contains("ended with 67") && text.contains("nobody@example.test: no certificate"), "{text}");
    assert!(!text.contains("Secret plans") && !text.contains("hello"), "{text}");

    let message = "From: alice@example.test\nTo: nobody@example.test\nSubject: Secret plans\n\nhello\n";
    let ended = home.sealpost(["seal"]).stdin(message).run().expect(67);
    assert!(ended.stdout.is_empty());
    let read = open_as("bob", &server.delivered("bob", 2), &[]).expect(0).json();
    assert_eq!(read["headers"]["subject"]["value"], "sealpost seal refused a message");

    // The key of the account is what is missing: the notice goes out unsigned.
    home.file("wrong", "wrong\n");
    let locked = ["send", "-t", "carol@example.test", "--passphrase", "file:wrong"];
    home.sealpost(locked).stdin("hello\n").run().expect(77);
    let read = open_as("bob", &server.delivered("bob", 3), &[]).expect(0).json();
    assert_eq!(read["signature"]["state"], "none");
    assert!(read["body"]["text"].as_str().unwrap().contains("wrong passphrase"), "{read}");

    // A command that does not fit, and what went well, tell nobody.
    home.sealpost(["send", "-t", "carol@example.test", "--message-id", "?"]).stdin("hello\n").run().expect(64);
    home.sealpost(["send", "-t", "carol@example.test"]).stdin("hello\n").run().expect(0);
    server.delivered("carol", 1);
    assert_eq!(server.mailbox("bob").len(), 3);
}

#[test]
fn a_notice_that_cannot_be_sealed_is_not_sent_and_changes_no_exit_code() {
    let (server, ca) = MailServer::with_ca();
    let home = sender(&server, &ca, "operator@example.test");
    let ended = home.sealpost(["send", "-t", "nobody@example.test", "--json"]).stdin("hello\n").run().expect(67);
    let text = ended.error()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("no notice could be sent to operator@example.test"), "{text}");
    assert_eq!(ended.error()["recipients"][0]["address"], "nobody@example.test");
}
