//! S/MIME from the shell: the program against OpenSSL, GnuPG, notmuch, neomutt and s-nail, both ways.

mod agent;
mod judging;
mod keys;
mod mixed;
mod opening;
mod peers;
mod sealing;
mod token;
mod trusting;

use std::fmt::Write;

use crate::support::{Authority, Home, Mailbox, OpensslCms, Outcome, days_from_now as day};

/// A MIME entity with a text.
const ENTITY: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n";

/// Header fields that `openssl cms` is to write.
const HEAD: [&str; 6] = ["-from", "alice@example.test", "-to", "bob@example.test", "-subject", "[...]"];

/// What Alice writes.
const IN: &str = "From: Alice <alice@example.test>\nTo: bob@example.test\nSubject: Secret plans\n\
                  Message-ID: <1@laptop.lan>\nX-Mailer: Leaky 1.0\n\nhello\n";

/// An authority, and `openssl cms` with its anchor.
fn authority() -> (Authority, OpensslCms) {
    let authority = Authority::new();
    let openssl = OpensslCms::new(&authority.pem());
    (authority, openssl)
}

/// The body of a message that is one Base64 entity, decoded.
fn der(message: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    let body: String = text.split_once("\n\n").unwrap().1.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

/// A message that is one entity of CMS, as RFC 8551, 3.2 writes it.
fn message(kind: &str, cms: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(cms);
    let mut out = format!(
        "From: alice@example.test\r\nTo: bob@example.test\r\nSubject: [...]\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/pkcs7-mime; smime-type={kind}; name=smime.p7m\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    for line in text.as_bytes().chunks(64) {
        write!(out, "{}\r\n", String::from_utf8_lossy(line)).unwrap();
    }
    out.into_bytes()
}

/// A home that trusts an anchor, with a key in the store and certificates of others; `more` stands in config.toml
/// below `[smime]`.
fn home(anchor: &[u8], own: Option<&Mailbox>, others: &[&Mailbox], more: &str) -> Home {
    let home = Home::new();
    home.file("pw", "specimen\n");
    let anchor = home.file("ca.pem", anchor);
    let config = format!("[smime]\ntrust_anchors = [\"{}\"]\n{more}", anchor.display());
    std::fs::write(home.state().join("config.toml"), config).unwrap();
    if let Some(own) = own {
        home.file("own.p12", own.p12("specimen"));
        home.sealpost(["key", "import", "own.p12", "--passphrase", "file:pw"]).run().expect(0);
    }
    for (number, other) in others.iter().enumerate() {
        let name = format!("other-{number}.pem");
        home.file(&name, other.pem());
        home.sealpost(["cert", "import", &name]).run().expect(0);
    }
    home
}

/// Seals what Alice writes.
fn seal(home: &Home, more: &[&str]) -> Outcome {
    home.sealpost(["seal", "--passphrase", "file:pw", "--quiet"].iter().chain(more)).stdin(IN).run()
}

/// Opens a message with a key file and an anchor.
fn read(own: &Mailbox, anchor: &[u8], message: &[u8], more: &[&str]) -> Outcome {
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("own.p12", own.p12("specimen"));
    home.file("ca.pem", anchor);
    home.file("m.eml", message);
    let arguments = ["open", "--json", "--key", "own.p12", "--passphrase", "file:pw", "--trust-anchor", "ca.pem"];
    home.sealpost(arguments.iter().chain(more).chain(&["m.eml"])).run()
}
