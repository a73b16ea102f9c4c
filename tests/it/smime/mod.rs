//! S/MIME from the shell: the program against OpenSSL, GnuPG, notmuch, neomutt and s-nail, both ways.

mod peers;

use crate::support::{Authority, OpensslCms};

/// A MIME entity with a text.
const ENTITY: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n";

/// Header fields that `openssl cms` is to write.
const HEAD: [&str; 6] = ["-from", "alice@example.test", "-to", "bob@example.test", "-subject", "[...]"];

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
