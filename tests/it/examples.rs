//! The examples of help and man pages, each run as it stands.

use std::fs;

use crate::support::{
    Ca, Gpg, Home, Publisher, Reply,
    lying_server::{Face, LyingServer, Step, answer, opening, say},
};

/// Verbs whose help has examples.
const VERBS: [&[&str]; 17] = [
    &["send"],
    &["seal"],
    &["open"],
    &["key", "make"],
    &["key", "export"],
    &["key", "extend"],
    &["key", "rotate"],
    &["key", "change-passphrase"],
    &["key", "publish"],
    &["key", "backup"],
    &["key", "import"],
    &["cert", "import"],
    &["cert", "find"],
    &["cert", "refresh"],
    &["cert", "export"],
    &["cert", "check"],
    // Last: what is revoked is not well.
    &["key", "revoke"],
];

#[test]
fn each_example_of_help_does_what_it_says() {
    let ca = Ca::new();
    let identity = ca.server();
    let mut script = opening(&[]);
    script.extend(["250 ok", "250 ok", "354 go"].into_iter().flat_map(answer));
    script.extend([Step::Message, say("250 taken"), Step::Line, say("221 bye")]);
    let server = LyingServer::start(&Face::new(identity.certificate.clone(), identity.key.clone()), script);

    let home = Home::new();
    let bob = Home::new();
    bob.sealpost(["key", "make", "bob@example.org", "--new-passphrase", "file:pw"]).run().expect(0);
    home.file("bob.asc", bob.sealpost(["cert", "export", "bob@example.org"]).run().expect(0).stdout);
    home.sealpost(["cert", "import", "bob.asc"]).run().expect(0);
    home.sealpost(["key", "make", "alice@example.org", "--new-passphrase", "file:pw"]).run().expect(0);
    fs::write(home.state().join("ca.pem"), ca.pem()).unwrap();
    let publisher = Publisher::new(&ca, &["openpgpkey.example.org", "keys.example.org"]);
    let path = "openpgpkey.example.org/.well-known/openpgpkey/example.org/hu/k31uggh5ogpcgsysm6gdtfap3dd75pd7?l=mary";
    let mary = Home::new();
    mary.sealpost(["key", "make", "mary@example.org", "--new-passphrase", "file:pw"]).run().expect(0);
    publisher.will(path, Reply::Body(mary.sealpost(["cert", "export", "mary@example.org"]).run().expect(0).stdout));
    let shown = home.sealpost(["key", "show", "alice@example.org", "--json"]).run().expect(0).json();
    let told = |status: &str| {
        let (fingerprint, status) = (&shown["key"]["fingerprint"], serde_json::json!({ "alice@example.org": status }));
        let told = serde_json::json!({ "key_fpr": fingerprint, "token": "t", "status": status });
        Reply::Body(told.to_string().into_bytes())
    };
    publisher.will("keys.example.org/vks/v1/upload", told("unpublished"));
    publisher.will("keys.example.org/vks/v1/request-verify", told("pending"));
    let config = format!(
        "[find]\nvks = \"https://keys.example.org\"\nca_file = \"ca.pem\"\n[find.hosts]\n\
         \"openpgpkey.example.org\" = \"127.0.0.1:{0}\"\n\"keys.example.org\" = \"127.0.0.1:{0}\"\n\
         [account.work]\nfrom = \"alice@example.org\"\npassphrase = \"file:pw\"\n\
         [account.work.submission]\nhost = \"localhost\"\nports = [\"{1}/starttls\"]\nca_file = \"ca.pem\"\n",
        publisher.port(),
        server.port()
    );
    fs::write(home.state().join("config.toml"), config).unwrap();
    let message = "From: alice@example.org\nTo: bob@example.org\nSubject: s\n\nhello\n";
    home.file("message.eml", message);
    home.file("in.eml", message);
    home.file("note.txt", "see the report\n");
    fs::create_dir(home.path("report")).unwrap();
    let own = home.sealpost(["seal", "-t", "alice@example.org"]).stdin(message).run().expect(0).stdout;
    home.file("sealed.eml", own);

    let gpg = Gpg::new();
    gpg.make_locked_key("ruth@example.org", "future-default", "right");
    home.file("gnupg-passphrase", "right\n");

    for verb in VERBS {
        let help = home.sealpost(verb.iter().chain(&["--help"])).run().expect(0).text();
        let shown = help.split("\nExamples:\n").nth(1).unwrap_or_else(|| panic!("no examples: {help}"));
        let lines: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("sealpost")), "{lines:?}");
        for line in lines {
            home.sealpost([""; 0]).env("GNUPGHOME", gpg.home()).shell(line).expect(0);
        }
    }
    assert_eq!(server.records().len(), 3, "what is to be sent is sent");
}
