//! `sealpost seal`: what others open, and what passes unchanged.

use crate::support::{
    Gpg, Home, Sqop,
    people::{alice, open_as, specimen},
    run,
};

const IN: &str = "From: Alice <alice@example.test>\nTo: bob@example.test\nSubject: Secret plans\n\
                  Message-ID: <1@laptop.lan>\nX-Mailer: Leaky 1.0\n\nhello\n";

fn armor(message: &str) -> &str {
    let start = message.find("-----BEGIN").unwrap();
    let end = message.find("-----END").unwrap();
    &message[start..message[end..].find('\n').unwrap() + end + 1]
}

#[test]
fn gpg_and_sqop_open_it_and_the_signature_holds_there() {
    let home = alice();
    let sealed = home.sealpost(["seal", "--passphrase", "file:pw", "--quiet"]).stdin(IN).run().expect(0).text();
    assert!(sealed.contains("Subject: [...]") && !sealed.contains("Leaky") && !sealed.contains("laptop"), "{sealed}");

    let gpg = Gpg::new();
    let mut import = gpg.command(["--passphrase", "specimen", "--import"]);
    import.arg(crate::support::package().join("keys/bob.key"));
    crate::support::run(import, b"").expect(0);
    gpg.import(&specimen("alice.asc")).expect(0);
    let mut open = gpg.command(["--passphrase", "specimen", "--decrypt"]);
    open.arg("--status-fd=2");
    let opened = crate::support::run(open, armor(&sealed).as_bytes()).expect(0);
    assert!(opened.text().contains("Subject: Secret plans") && opened.text().contains("hello"), "{opened:?}");
    assert!(opened.words().contains("GOODSIG"), "{opened:?}");

    let read = open_as("bob", sealed.as_bytes(), &[]).expect(0).json();
    assert_eq!(read["headers"]["subject"]["value"], "Secret plans");
    assert_eq!(read["headers"]["subject"]["protection"], "signed-and-encrypted");
}

#[test]
fn for_a_key_of_sqop_and_back() {
    let home = alice();
    let sqop = Sqop::new();
    let key = sqop.make_key("Erin <erin@example.test>");
    home.file("erin.asc", sqop.certificate(&key));
    let arguments = ["seal", "-t", "erin@example.test", "--cert", "erin.asc", "--passphrase", "file:pw", "--quiet"];
    let sealed = home.sealpost(arguments).stdin(IN).run().expect(0).text();
    let (opened, _) = sqop.open(&key, &specimen("alice.asc"), armor(&sealed).as_bytes());
    assert!(opened.expect(0).text().contains("hello"));
}

#[test]
fn what_is_sealed_already_passes_unchanged_and_only_to_its_recipients() {
    let home = alice();
    let sealed = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(IN).run().expect(0).stdout;
    let again = home.sealpost(["seal", "-t", "bob@example.test"]).stdin(sealed.clone()).run().expect(0).stdout;
    assert_eq!(again, sealed);
    let other =
        String::from_utf8(sealed.clone()).unwrap().replacen("Message-ID: <", "Message-ID: <1@laptop.test>\r\nX: <", 1);
    let passed = home.sealpost(["seal", "--output", "out", "--json"]).stdin(other).run().expect(0).json();
    assert_eq!(passed["message_id"], "<1@laptop.test>");
    for others in ["carol@example.test", "bob@example.test,carol@example.test"] {
        let refused = home.sealpost(["seal", "-t", others]).stdin(sealed.clone()).run().expect(65);
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn several_messages_need_a_folder_and_bring_their_envelopes() {
    let home = alice();
    let to = ["seal", "-t", "bob@example.test", "--bcc", "carol@example.test", "--passphrase", "file:pw"];
    assert!(home.sealpost(to).stdin(IN).run().expect(64).stdout.is_empty());
    let sealed = home.sealpost(to.iter().chain(&["--output", "out", "--json"])).stdin(IN).run().expect(0).json();
    assert_eq!(sealed["status"], "sealed");
    for (message, recipient) in sealed["messages"].as_array().unwrap().iter().zip(["bob", "carol"]) {
        let file = home.path(message["file"].as_str().unwrap());
        let envelope: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file.with_extension("json")).unwrap()).unwrap();
        assert_eq!(envelope["recipients"][0], format!("{recipient}@example.test"));
        open_as(recipient, &std::fs::read(file).unwrap(), &[]).expect(0);
    }
}

#[test]
fn a_message_that_cannot_be_understood_is_refused() {
    let home = alice();
    let arguments = ["seal", "-t", "bob@example.test", "--passphrase", "file:pw", "--json", "--output", "out"];
    for (message, exit) in [
        ("To: bob@example.test\n\nx\n", 65),
        ("From: a@b.test\nFrom: c@d.test\n\nx\n", 65),
        ("From: a@b.test\nSubject: x\u{1}y\n\nx\n", 65),
        ("From: stranger@example.test\n\nx\n", 77),
    ] {
        let refused = home.sealpost(arguments).stdin(message).run().expect(exit);
        assert!(refused.stdout.is_empty(), "{refused:?}");
        assert!(refused.error()["text"].as_str().unwrap().len() > 5);
    }
    home.sealpost(["seal", "--from", "carol@example.test", "--passphrase", "file:pw"]).stdin(IN).run().expect(64);
    assert!(!home.path("out").exists());
}

#[test]
fn an_input_beyond_all_bounds_is_refused_before_it_is_read() {
    let home = alice();
    std::fs::File::create(home.path("huge")).unwrap().set_len(400 << 20).unwrap();
    for arguments in [["seal", "--message", "huge"], ["seal", "--body", "huge"]] {
        let more = ["-t", "bob@example.test", "--from", "alice@example.test", "--json", "--output", "out"];
        let refused = home.sealpost(arguments.iter().chain(&more)).run().expect(65);
        assert_eq!(refused.error()["kind"], "limit", "{refused:?}");
    }
}

#[test]
fn names_attachments_and_other_scripts_come_through() {
    let home = alice();
    let name = "R\u{e9}sum\u{e9} \u{65e5}\u{672c} (1).pdf";
    home.file(name, vec![7_u8; 100_000]);
    home.file("body", "Gr\u{fc}\u{df}e\n.\nMAIL FROM:<x@y.z>\n");
    let to = "J\u{fc}rgen <bob@example.test>";
    let subject = "\u{20ac}5 \u{1f600}";
    let arguments = [
        "seal",
        "--from",
        "alice@example.test",
        "-t",
        to,
        "-s",
        subject,
        "--body",
        "body",
        "-a",
        name,
        "--passphrase",
        "file:pw",
    ];
    let sealed = home.sealpost(arguments).run().expect(0).stdout;
    assert!(sealed.is_ascii());
    let read = open_as("bob", &sealed, &[]).expect(0).json();
    assert_eq!(read["headers"]["subject"]["value"], subject);
    assert_eq!(read["headers"]["to"]["value"], to);
    assert_eq!(read["body"]["text"], "Gr\u{fc}\u{df}e\n.\nMAIL FROM:<x@y.z>\n");
    assert_eq!(read["attachments"][0]["name"], name);
    assert_eq!(read["attachments"][0]["size"], 100_000);
}

#[test]
fn an_attachment_from_stdin_gets_its_name_and_a_subject_may_begin_with_a_hyphen() {
    let home = alice();
    home.file("body", "see the dump\n");
    let arguments = ["seal", "--from", "alice@example.test", "-t", "bob@example.test", "-s", "-x", "--body", "body"];
    let more = ["-a", "-:shop.sql", "--passphrase", "file:pw", "--quiet"];
    let sealed = home.sealpost(arguments.iter().chain(&more)).stdin("select 1;\n").run().expect(0).stdout;
    let read = open_as("bob", &sealed, &[]).expect(0).json();
    assert_eq!(read["attachments"][0]["name"], "shop.sql");
    assert_eq!(read["headers"]["subject"]["value"], "-x");
}

#[test]
fn a_reader_who_needs_legacy_display_gets_it_and_a_hidden_one_changes_nothing() {
    let home = alice();
    let setting = "[recipient.\"carol@example.test\"]\nlegacy_display = true\n";
    std::fs::write(home.state().join("recipients.toml"), setting).unwrap();
    home.file("body", "hello\n");
    let sealed = |flag: &str, folder: &str| {
        let compose =
            ["seal", "--from", "alice@example.test", "-s", "plans", "--body", "body", "--passphrase", "file:pw"];
        let to = ["-t", "bob@example.test", flag, "carol@example.test", "--output", folder, "--json"];
        home.sealpost(compose.iter().chain(&to)).run().expect(0)
    };
    let inside = |folder: &str| {
        let mut eml = std::fs::read_dir(home.path(folder)).unwrap().map(|file| file.unwrap().path());
        let first = eml.find(|path| path.to_str().unwrap().ends_with("-1.eml")).unwrap();
        let reader = crate::support::people::reader("bob");
        reader.file("m.eml", std::fs::read(first).unwrap());
        reader
            .sealpost(["open", "--key", "own.key", "--passphrase", "file:pw", "--output", "plain", "m.eml"])
            .run()
            .expect(0);
        std::fs::read_to_string(reader.path("plain")).unwrap()
    };
    sealed("--cc", "visible");
    assert!(inside("visible").contains("hp-legacy-display"));
    sealed("--bcc", "hidden");
    assert!(!inside("hidden").contains("hp-legacy-display"));
}

#[test]
fn what_a_key_of_version_6_signs_is_not_for_every_reader() {
    let home = Home::new();
    home.file("pw", "specimen\n");
    let make = |profile| {
        let make = ["key", "make", "alice@example.test", "--passphrase", "file:pw", "--profile", profile, "--json"];
        let made = home.sealpost(make).run().expect(0).json();
        made["key"]["fingerprint"].as_str().unwrap().to_owned()
    };
    for name in ["bob.asc", "carol.asc"] {
        home.sealpost(["cert", "import", "-"]).stdin(specimen(name)).run().expect(0);
    }
    let new = make("rfc9580");
    let seal = |to: &str| {
        let message = format!("From: alice@example.test\nTo: {to}\n\nhello\n");
        let line = ["seal", "--json", "--output", "out", "--passphrase", "file:pw"];
        home.sealpost(line).stdin(message).run().expect(0).json()["warnings"].clone()
    };
    // Carol's program reads it, Bob's may not.
    assert_eq!(seal("carol@example.test"), serde_json::json!([]));
    let warned = seal("bob@example.test, carol@example.test");
    let text = warned[0]["text"].as_str().unwrap();
    assert_eq!(warned[0]["kind"], "new-signature");
    assert!(text.contains(&new) && text.contains("bob@example.test") && !text.contains("carol"), "{text}");
    // One that does not sign is none to sign with.
    let gpg = Gpg::new();
    let gen_key = ["--passphrase", "", "--quick-gen-key", "alice@example.test", "ed25519", "cert", "1y"];
    run(gpg.command(gen_key), b"").expect(0);
    home.file("cert-only.key", gpg.export_secret("alice@example.test"));
    home.sealpost(["key", "import", "cert-only.key", "--passphrase", "file:pw"]).run().expect(0);
    assert_eq!(seal("bob@example.test")[0]["kind"], "new-signature");
    // The one that everybody reads is taken, be it the older one.
    make("rfc4880");
    let old = make("rfc9580");
    assert_ne!(old, new);
    assert_eq!(seal("bob@example.test"), serde_json::json!([]));
}
