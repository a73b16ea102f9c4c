//! What a reader sees of a Cryptographic Payload: the one Main Body Part as text, and the rest as attachments
//! (RFC 9787, 7.1; RFC 9788, 4.5.3). Parts are never joined, nothing is fetched.

mod file_name;
mod flowed;
mod html;

use std::collections::HashSet;

use mail_parser::decoders::charsets::map::charset_decoder;

use super::{
    character::decode_words,
    parse::{Part, RawField, Tree, fields},
};

pub use file_name::safe_file_name;

/// A part that shows the protected fields once more, to readers that know of none: the first one below an encrypted root
/// (draft-autocrypt-lamps-protected-headers, 5.2, before RFC 9788). It is one only if it holds nothing else, so that
/// nothing is left out that stands nowhere else.
pub fn legacy_display(tree: &Tree, root: usize, bytes: &[u8]) -> Option<usize> {
    let marked = |part: &Part| part.media.says("protected-headers", "v1");
    let whole = tree.part(root);
    let [first, _, ..] = whole.children[..] else { return None };
    let part = tree.part(first);
    let text = matches!(part.media.essence(), "text/plain" | "text/rfc822-headers");
    let is_one = whole.media.essence() == "multipart/mixed" && marked(whole) && text && marked(part);
    if !is_one || part.is_attachment() {
        return None;
    }
    let shown = decode(&part.decoded(bytes), part.media.parameter("charset"));
    let shown = shown.trim_ascii().as_bytes();
    // Some write a field as it is read, others as it stands in a header.
    let mut protected = HashSet::new();
    for field in fields(&bytes[whole.header.clone()]) {
        let text = field.text();
        protected.insert((field.name.to_ascii_lowercase(), decode_words(&text).trim().to_owned()));
        protected.insert((field.name.to_ascii_lowercase(), text.trim().to_owned()));
    }
    let known =
        |field: &RawField<'_>| protected.contains(&(field.name.to_ascii_lowercase(), field.text().trim().to_owned()));
    let mut covered = 0;
    let all = fields(shown).all(|field| {
        covered += field.line.len();
        known(&field)
    });
    (all && covered == shown.len() && covered > 0).then_some(first)
}

/// The Main Body Part below a root: the first text/plain or text/html that is not an attachment; of alternatives
/// the plain one. Neither encrypted parts nor messages are looked into, nor is the part that is left out.
pub fn main_body(tree: &Tree, root: usize, left_out: Option<usize>) -> Option<usize> {
    // As deep as the tree, which is bounded.
    let part = tree.part(root);
    if part.is_attachment() || Some(root) == left_out {
        return None;
    }
    match part.media.essence() {
        "text/plain" | "text/html" => Some(root),
        "multipart/encrypted" => None,
        "multipart/alternative" => {
            let found: Vec<usize> =
                part.children.iter().filter_map(|child| main_body(tree, *child, left_out)).collect();
            let plain = found.iter().find(|index| tree.part(**index).media.essence() == "text/plain");
            plain.or(found.first()).copied()
        }
        _ if part.media.is_multipart() => part.children.iter().find_map(|child| main_body(tree, *child, left_out)),
        _ => None,
    }
}

/// The attachments below a root, in order: every leaf and every message but the body, its HTML alternative, and the part
/// that is left out.
pub fn attachments(tree: &Tree, root: usize, body: Option<usize>, left_out: Option<usize>) -> Vec<usize> {
    let alternatives = body.and_then(|body| enclosing_alternative(tree, root, body));
    let mut found = Vec::new();
    let mut below_message = root..root;
    for index in tree.subtree(root) {
        if below_message.contains(&index) || [body, left_out].contains(&Some(index)) {
            continue;
        }
        let part = tree.part(index);
        if part.media.is_message() && !part.children.is_empty() {
            below_message = tree.subtree(index);
        } else if part.media.is_multipart() && !part.children.is_empty() {
            continue;
        }
        let alternative =
            alternatives.as_ref().is_some_and(|range| range.contains(&index) && !below_layer(tree, range.start, index));
        if alternative && matches!(part.media.essence(), "text/html" | "text/plain") && !part.is_attachment() {
            continue;
        }
        found.push(index);
    }
    found
}

/// Whether a cryptographic layer stands between a part and one above it: what it holds is the layer's, and no
/// alternative to the body.
fn below_layer(tree: &Tree, above: usize, index: usize) -> bool {
    let mut at = index;
    while at != above {
        let Some(parent) = tree.part(at).parent else { return false };
        if matches!(tree.part(parent).media.essence(), "multipart/signed" | "multipart/encrypted") {
            return true;
        }
        at = parent;
    }
    false
}

/// The innermost multipart/alternative around the body.
fn enclosing_alternative(tree: &Tree, root: usize, body: usize) -> Option<std::ops::Range<usize>> {
    let mut at = body;
    while at != root {
        at = tree.part(at).parent?;
        if tree.part(at).media.essence() == "multipart/alternative" {
            return Some(tree.subtree(at));
        }
    }
    None
}

/// A text part as text with LF line breaks.
///
/// `encrypted` says whether it stands inside an encrypting envelope: only there a legacy display element is left
/// out, where the part says that it has one.
pub fn text(part: &Part, bytes: &[u8], encrypted: bool) -> String {
    let legacy = encrypted && part.media.says("hp-legacy-display", "1");
    let text = decode(&part.decoded(bytes), part.media.parameter("charset"));
    if part.media.essence() == "text/html" {
        return html::to_text(&text, legacy);
    }
    let text = line_breaks(text);
    let text = if legacy { without_first_paragraph(&text).to_owned() } else { text };
    if part.media.says("format", "flowed") { flowed::unwrap(&text, part.media.says("delsp", "yes")) } else { text }
}

/// Bytes in a character set as text; UTF-8 where none or an unknown one is named. What cannot be read becomes
/// U+FFFD.
pub fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    let charset = charset.unwrap_or_default().trim().to_ascii_lowercase();
    match charset.as_str() {
        "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => String::from_utf8_lossy(bytes).into_owned(),
        other => match charset_decoder(other.as_bytes()) {
            Some(decoder) => decoder(bytes),
            None => String::from_utf8_lossy(bytes).into_owned(),
        },
    }
}

/// LF for CRLF and for a lone CR.
pub fn line_breaks(text: String) -> String {
    if !text.contains('\r') {
        return text;
    }
    // In place: a text may be large.
    let mut bytes = text.into_bytes();
    let mut end = 0;
    for at in 0..bytes.len() {
        match bytes[at] {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => continue,
            b'\r' => bytes[end] = b'\n',
            byte => bytes[end] = byte,
        }
        end += 1;
    }
    bytes.truncate(end);
    String::from_utf8(bytes).unwrap_or_default()
}

/// Without everything through the first empty line (RFC 9788, 4.5.3.2).
fn without_first_paragraph(text: &str) -> &str {
    match text.find("\n\n") {
        _ if text.starts_with('\n') => &text[1..],
        Some(at) => &text[at + 2..],
        None => text,
    }
}

#[cfg(test)]
mod tests;
