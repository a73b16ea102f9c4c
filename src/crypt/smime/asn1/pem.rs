//! PEM (RFC 7468): the blocks of a text, whatever stands between them.

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

/// More blocks than any file has.
const MOST: usize = 200_000;

/// One block.
pub(in crate::crypt::smime) struct Block<'a> {
    /// What it says to be: `CERTIFICATE`, `PRIVATE KEY` and so on.
    pub label: &'a str,
    /// Fields before the body (RFC 1421): `DEK-Info` and the like.
    pub fields: Vec<(&'a str, &'a str)>,
    /// The body; none if it is no base64.
    pub der: Option<Zeroizing<Vec<u8>>>,
    /// All of it.
    pub text: &'a str,
}

/// Whether there is a block in some bytes.
pub(in crate::crypt::smime) fn is_pem(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"-----BEGIN ").is_some()
}

/// The blocks of a text; what has no end is none. No dashes stand in a body, so that each byte is looked at once.
pub(in crate::crypt::smime) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        if found.len() == MOST {
            break;
        }
        let begin = text.len() - after.len() - "-----BEGIN ".len();
        let Some((label, body)) = after.split_once("-----") else { break };
        let Some((inner, _)) = body.split_once("-----") else { break };
        let end = body.get(inner.len()..).unwrap_or_default();
        rest = end;
        let next = end.strip_prefix("-----END ").and_then(|end| end.strip_prefix(label)?.strip_prefix("-----"));
        if let Some(next) = next.filter(|_| !label.contains(['\n', '\r'])) {
            let whole = text.get(begin..text.len() - next.len()).unwrap_or_default();
            found.push(block(label, inner, whole));
            rest = next;
        }
    }
    found
}

fn block<'a>(label: &'a str, body: &'a str, text: &'a str) -> Block<'a> {
    let (fields, base64): (Vec<&str>, Vec<&str>) = body.lines().map(str::trim).partition(|line| line.contains(':'));
    let fields = fields.iter().filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.trim(), value.trim())).collect();
    let base64 = Zeroizing::new(base64.concat());
    let der = BASE64_STANDARD.decode(base64.as_bytes()).ok().map(Zeroizing::new);
    Block { label, fields, der, text }
}

/// Writes a block.
pub(in crate::crypt::smime) fn write(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out + &format!("-----END {label}-----\n")
}
