//! `sealpost open`: exit codes, JSON, what is released and what is not. Its rules one by one are held
//! beside the reader itself (src/crypt/open/tests.rs).

use std::os::unix::fs::{MetadataExt, symlink};

use crate::support::{
    Gpg, Home,
    people::{alice, open_as, specimen},
    run,
};

const IN: &str = "From: alice@example.test\nTo: bob@example.test\nSubject: s\n\nhello\n";

fn sealed(more: &[&str], message: &str) -> Vec<u8> {
    let arguments = ["seal", "--passphrase", "file:pw", "--quiet"];
    alice().sealpost(arguments.iter().chain(more)).stdin(message).run().expect(0).stdout
}

fn bob() -> Home {
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("own.key", specimen("bob.key"));
    home.file("alice.asc", specimen("alice.asc"));
    home
}

#[test]
fn a_required_signature_that_is_not_there_releases_nothing() {
    let unsigned = sealed(&["--no-sign"], IN);
    let read = open_as("bob", &unsigned, &[]).expect(0).json();
    assert_eq!(read["signature"]["state"], "none");
    assert_eq!(read["headers"]["subject"]["protection"], "encrypted");
    let withheld = open_as("bob", &unsigned, &["--signed-by", "alice@example.test"]).expect(3);
    assert_eq!(
        (&withheld.json()["body"], &withheld.json()["attachments"]),
        (&serde_json::Value::Null, &serde_json::json!([]))
    );
    assert_eq!(withheld.error()["kind"], "signature-required");
    assert!(!withheld.text().contains("hello"));
    open_as("bob", &sealed(&[], IN), &["--signed-by", "bob@example.test"]).expect(3);
    open_as("bob", &sealed(&[], IN), &["--signed-by", "ALICE@example.test"]).expect(0);
}

#[test]
fn what_cannot_be_opened_leaves_stdout_empty_and_tells_no_more_than_it_must() {
    let message = sealed(&[], IN);
    let other = open_as("carol", &message, &[]).expect(65);
    assert_eq!((other.error()["kind"].as_str(), other.stdout.len()), (Some("no-key"), 0));
    let text = String::from_utf8(message.clone()).unwrap();
    let middle = text.find("-----END").unwrap() - 300;
    let mut texts = std::collections::BTreeSet::new();
    for at in (middle..middle + 200).step_by(17) {
        let mut bytes = message.clone();
        if !bytes[at].is_ascii_alphanumeric() {
            continue;
        }
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let broken = open_as("bob", &bytes, &[]).expect(65);
        assert!(broken.stdout.is_empty());
        assert_eq!(broken.error()["kind"], "undecryptable");
        texts.insert(broken.error()["text"].to_string());
    }
    assert_eq!(texts.len(), 1, "one text for all: {texts:?}");
}

#[test]
fn several_files_give_a_line_each_and_the_first_exit_that_is_not_0() {
    let home = bob();
    home.file("a.eml", sealed(&[], IN));
    home.file("b.eml", "no message");
    home.file("c.eml", sealed(&[], &IN.replace("hello", "again")));
    let arguments = ["open", "--json", "--key", "own.key", "--cert", "alice.asc", "--passphrase", "file:pw"];
    let opened = home.sealpost(arguments.iter().chain(&["a.eml", "b.eml", "c.eml", "none.eml"])).run().expect(65);
    let lines: Vec<serde_json::Value> = opened.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["file"].as_str(), lines[1]["file"].as_str()), (Some("a.eml"), Some("c.eml")));
    let errors: Vec<serde_json::Value> =
        opened.words().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((errors[0]["file"].as_str(), errors[1]["error"]["exit"].as_i64()), (Some("b.eml"), Some(66)));
}

#[test]
fn keys_passphrases_and_files_that_are_wrong() {
    let home = bob();
    home.file("m.eml", sealed(&[], IN));
    home.file("wrong", "other\n");
    let open = |arguments: &[&str]| home.sealpost(["open", "--json", "m.eml"].iter().chain(arguments)).run();
    open(&["--key", "own.key", "--passphrase", "file:wrong"]).expect(77);
    open(&["--key", "own.key", "--passphrase", "specimen"]).expect(64);
    open(&["--key", "own.key", "--passphrase", "file:none"]).expect(66);
    open(&["--key", "none.key", "--passphrase", "file:pw"]).expect(66);
    open(&["--trust-anchor", "none.pem"]).expect(66);
    open(&["--crl", "none.pem"]).expect(66);
    open(&["--key", "m.eml", "--passphrase", "file:pw"]).expect(65);
    std::fs::set_permissions(home.path("own.key"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    open(&["--key", "own.key", "--passphrase", "file:pw"]).expect(77);
    home.sealpost(["open", "--json", "none.eml"]).run().expect(66);
    home.sealpost(["open", "--json"]).run().expect(64);
    assert_eq!(open(&["--at", "yesterday"]).expect(64).error()["kind"], "usage");
}

#[test]
fn a_key_that_the_passphrase_does_not_unlock_is_told_where_it_is_wanted() {
    let (home, gpg) = (bob(), Gpg::new());
    gpg.make_key("erin@example.test", "default");
    home.file("erin.key", gpg.export_secret("erin@example.test"));
    home.file("erin.pw", "other\n");
    home.sealpost(["key", "import", "erin.key", "--passphrase", "file:erin.pw"]).run().expect(0);
    let export = ["key", "export", "erin@example.test"];
    home.file("erin.key", home.sealpost(export).run().expect(0).stdout);
    let text = String::from_utf8(gpg.seal("erin@example.test", &["erin@example.test"], b"x\n")).unwrap();
    home.file("m.eml", format!("From: erin@example.test\n\n{text}"));
    home.file("bob.eml", sealed(&[], IN));
    gpg.import(&specimen("bob.asc"));
    let text = String::from_utf8(gpg.seal("erin@example.test", &["bob@example.test"], b"x\n")).unwrap();
    home.file("by-erin.eml", format!("From: erin@example.test\n\n{text}"));
    let keys = ["open", "--json", "--key", "own.key", "--key", "erin.key", "--passphrase", "file:pw"];
    // Its public half is at hand all the same.
    let signed = home.sealpost(keys.iter().chain(&["by-erin.eml"])).run().expect(0).json();
    assert_eq!(signed["signature"]["signers"][0]["address"], "erin@example.test");
    home.sealpost(keys.iter().chain(&["bob.eml"])).run().expect(0);
    let refused = home.sealpost(keys.iter().chain(&["m.eml", "m.eml"])).run().expect(77);
    assert_eq!(refused.words().matches(r#""kind":"permission""#).count(), 2, "{refused:?}");
}

#[test]
fn attachments_are_saved_under_safe_names_and_never_over_anything() {
    let home = bob();
    let mime = "From: alice@example.test\nTo: bob@example.test\nSubject: s\nMIME-Version: 1.0\n\
                Content-Type: multipart/mixed; boundary=bb-bb\n\n--bb-bb\nContent-Type: text/plain\n\nhello\n";
    let names = ["../../x", "/etc/x", "C:\\\\x", "..", ".bashrc", "plan.txt"];
    let parts: String = names
        .iter()
        .map(|name| {
            format!(
                "--bb-bb\nContent-Type: application/x\nContent-Disposition: attachment; filename=\"{name}\"\n\n{name}\n"
            )
        })
        .collect();
    home.file("m.eml", sealed(&[], &format!("{mime}{parts}--bb-bb--\n")));
    let folder = home.path("out");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("plan.txt"), "mine").unwrap();
    symlink(home.path("target"), folder.join("x")).unwrap();
    let arguments =
        ["open", "--key", "own.key", "--cert", "alice.asc", "--passphrase", "file:pw", "--save", "out", "m.eml"];
    let opened = home.sealpost(arguments).run().expect(0);
    assert_eq!(opened.text(), "hello");
    // Whoever reads the JSON alone learns which file is this message's.
    let again = arguments.map(|word| if word == "out" { "more" } else { word });
    std::fs::create_dir(home.path("more")).unwrap();
    std::fs::write(home.path("more/plan.txt"), "mine").unwrap();
    let told = home.sealpost(again.iter().chain(&["--json"])).run().expect(0).json();
    assert_eq!(
        (&told["attachments"][5]["name"], &told["attachments"][5]["saved"]),
        (&"plan.txt".into(), &"more/plan-1.txt".into())
    );
    assert_eq!(std::fs::read_to_string(folder.join("plan.txt")).unwrap(), "mine");
    assert!(!home.path("target").exists());
    let saved: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(saved.len(), names.len() + 2);
    for entry in saved.iter().filter(|entry| entry.file_name() != "plan.txt" && entry.file_name() != "x") {
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{entry:?}");
        assert!(!entry.file_name().to_string_lossy().starts_with('.'));
    }
}

#[test]
fn the_whole_message_is_written_for_its_owner_alone_and_never_over_another() {
    let home = bob();
    home.file("m.eml", sealed(&[], IN));
    let arguments = ["open", "--key", "own.key", "--passphrase", "file:pw", "--output", "clear.eml", "m.eml"];
    home.sealpost(arguments).run().expect(0);
    let clear = home.path("clear.eml");
    assert_eq!(std::fs::metadata(&clear).unwrap().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&clear).unwrap().contains("Subject: s"));
    home.sealpost(arguments).run().expect(73);
}

#[test]
fn a_message_that_gpg_wrote_is_opened_with_the_keys_of_gpg() {
    let gpg = Gpg::new();
    gpg.make_key("erin@example.test", "default");
    let armored =
        gpg.seal("erin@example.test", &["erin@example.test"], b"Content-Type: text/plain\r\n\r\nfrom gpg\r\n");
    let message = format!(
        "From: erin@example.test\nTo: erin@example.test\nSubject: x\nMIME-Version: 1.0\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=bb-bb\n\n\
         --bb-bb\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n\
         --bb-bb\nContent-Type: application/octet-stream\n\n{}\n--bb-bb--\n",
        String::from_utf8(armored).unwrap()
    );
    let home = Home::new();
    home.file("erin.key", gpg.export_secret("erin@example.test"));
    home.file("m.eml", &message);
    let opened = home.sealpost(["open", "--json", "--key", "erin.key", "m.eml"]).run().expect(0).json();
    assert_eq!((&opened["body"]["text"], &opened["signature"]["state"]), (&"from gpg\n".into(), &"good".into()));
    // The same from the store, after an import.
    home.file("pw", "x\n");
    home.sealpost(["key", "import", "erin.key", "--passphrase", "file:pw"]).run().expect(0);
    let opened = home.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(message).run().expect(0);
    assert_eq!(opened.text(), "from gpg\n");
    assert!(opened.words().contains("good signature by erin@example.test"), "{opened:?}");
}

#[test]
fn what_steers_a_terminal_is_shown_and_not_done() {
    let hostile = "From: alice@example.test\nTo: bob@example.test\nSubject: =?utf-8?q?a=1B]52;c;x=07b?=\n\nhello\n";
    let home = bob();
    home.file("m.eml", hostile);
    let opened = home.sealpost(["open", "m.eml"]).run().expect(0);
    assert!(!opened.words().contains(['\u{1b}', '\u{7}']), "{opened:?}");
    let missing = home.sealpost(["open", "no\u{1b}[2J\u{202e}file"]).run().expect(66);
    assert!(!missing.words().contains(['\u{1b}', '\u{202e}']) && missing.words().contains("u{1b}"), "{missing:?}");
}

#[test]
fn want_of_memory_has_an_exit_code() {
    let home = Home::new();
    home.file("m.eml", "Subject: s\n\n");
    std::fs::OpenOptions::new().append(true).open(home.path("m.eml")).unwrap().set_len(300 << 20).unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 262144; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sealpost"), "open", "--json"]);
    command.arg(home.path("m.eml")).env("SEALPOST_HOME", home.root());
    let refused = run(command, b"").expect(71);
    assert_eq!((refused.error()["kind"].as_str(), refused.stdout.len()), (Some("system"), 0));
}
