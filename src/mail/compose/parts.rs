//! Text, its HTML alternative and attachments become MIME (RFC 2045, 2046, 2183, 2231) by mail-builder.

use std::borrow::Cow;

use mail_builder::{
    headers::{content_type::ContentType, raw::Raw},
    mime::{BodyPart, MimePart},
};
use zeroize::Zeroizing;

use super::{Sink, Uniques, legacy, marked};
use crate::mail::{Attachment, protect::Protected};

/// The most bytes in a line (RFC 5322, 2.1.1).
pub(super) const LONGEST_LINE: usize = 998;

/// Writes the Content fields of the root, which carry the mark of header protection, and the body.
pub(super) fn write(
    text: &str,
    html: Option<&str>,
    attachments: &[Attachment],
    hidden: &[&Protected],
    uniques: &mut Uniques,
    payload: &mut Sink,
) {
    let display = legacy::in_text(hidden);
    let copy = (!display.is_empty() || !is_canonical(text)).then(|| canonical(&[&display, text]));
    let text = copy.as_ref().map_or(text, |copy| copy.as_str());
    let html = html.map(|html| {
        let (before, behind) = html.split_at(legacy::place_in_html(html));
        canonical(&[before, &legacy::in_html(hidden), behind])
    });
    let displays = !hidden.is_empty();
    let mark = |content_type: ContentType<'static>, root: bool| if root { marked(content_type) } else { content_type };
    let mut multipart = |subtype: &'static str, root: bool| {
        mark(ContentType::new(subtype).attribute("boundary", uniques.boundary()), root)
    };
    let plain = attachments.is_empty();
    let mixed = (!plain).then(|| multipart("multipart/mixed", true));
    let body = match &html {
        None => text_part("text/plain", text, displays, |content_type| mark(content_type, plain)),
        Some(html) => MimePart::new(
            multipart("multipart/alternative", plain),
            vec![
                text_part("text/plain", text, displays, |content_type| content_type),
                text_part("text/html", html, displays, |content_type| content_type),
            ],
        ),
    };
    match mixed {
        None => body.write_part(payload),
        Some(mixed) => {
            let parts = std::iter::once(body).chain(attachments.iter().map(attachment_part)).collect::<Vec<_>>();
            MimePart::new(mixed, parts).write_part(payload);
        }
    }
}

fn text_part<'a>(
    media_type: &'static str,
    text: &'a str,
    displays: bool,
    mark: impl FnOnce(ContentType<'static>) -> ContentType<'static>,
) -> MimePart<'a> {
    let mut content_type = ContentType::new(media_type).attribute("charset", "utf-8");
    if displays {
        content_type = content_type.attribute("hp-legacy-display", "1");
    }
    let content_type = mark(content_type);
    // mail-builder would send control characters as they are: those go as base64.
    if text.as_bytes().chunks(4096).any(holds_control) {
        return encoded_part(written(&content_type), text.as_bytes());
    }
    MimePart::new(content_type, BodyPart::Text(Cow::Borrowed(text)))
}

/// Without a branch for each byte: this runs over the whole text.
fn holds_control(text: &[u8]) -> bool {
    text.iter()
        .fold(false, |found, &byte| found | ((byte < b' ') & (byte != b'\t') & (byte != b'\r') & (byte != b'\n')))
}

fn attachment_part(attachment: &Attachment) -> MimePart<'_> {
    let bytes = attachment.bytes.as_slice();
    let guessed = mime_guess::from_path(&attachment.name).first_raw();
    let media_type = attachment.media_type.as_deref().or(guessed).unwrap_or("application/octet-stream");
    let lower = media_type.to_ascii_lowercase();
    // Neither may be encoded (RFC 2046, 5.2.1): a message that is 7-bit as it stands goes as one, all others as bytes.
    if lower.starts_with("message/") && is_seven_bit(bytes) {
        let part = MimePart::new(media_type, BodyPart::Binary(bytes.into())).transfer_encoding("7bit");
        return named(part, &attachment.name);
    }
    let content_type = match lower.as_str() {
        _ if lower.starts_with("message/") || lower.starts_with("multipart/") => "application/octet-stream".to_owned(),
        _ if lower.starts_with("text/") && !bytes.is_ascii() && str::from_utf8(bytes).is_ok() => {
            format!("{media_type}; charset=\"utf-8\"")
        }
        _ => media_type.to_owned(),
    };
    named(encoded_part(content_type, bytes), &attachment.name)
}

/// Names a file. Readers decode encoded words in file names too, so that a name that looks like one is given in
/// RFC 2231's form, all of it in hexadecimal.
fn named<'a>(part: MimePart<'a>, name: &'a str) -> MimePart<'a> {
    if !name.contains("=?") {
        return part.attachment(name);
    }
    let octets: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    part.header("Content-Disposition", Raw::new(format!("attachment; filename*=utf-8''{octets}")))
}

/// A part in base64, whatever its type: to mail-builder a Content-Type given as raw text is not text.
fn encoded_part(content_type: String, bytes: &[u8]) -> MimePart<'_> {
    MimePart::raw(BodyPart::Binary(bytes.into())).header("Content-Type", Raw::new(content_type))
}

fn written(content_type: &ContentType<'_>) -> String {
    let mut text = content_type.c_type.clone().into_owned();
    for (name, value) in &content_type.attributes {
        text.push_str(&format!("; {name}=\"{value}\""));
    }
    text
}

/// Whether bytes are 7bit in the sense of RFC 2045, 2.7, as they stand.
fn is_seven_bit(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&byte| byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let line = if lines.peek().is_some() { line.strip_suffix(b"\r") } else { Some(line) };
        if line.is_none_or(|line| line.len() > LONGEST_LINE || line.contains(&b'\r')) {
            return false;
        }
    }
    bytes.is_ascii() && !bytes.contains(&0)
}

/// Whether every line break of a text is CRLF.
pub(super) fn is_canonical(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
        let [b'\r', b'\n', later @ ..] = &rest[end..] else { return false };
        rest = later;
    }
    true
}

/// Pieces of text joined, with every line break, LF or a lone CR among them, as CRLF.
pub(super) fn canonical(pieces: &[&str]) -> Zeroizing<String> {
    let breaks = |piece: &&str| piece.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    let room = pieces.iter().map(|piece| piece.len() + breaks(piece)).sum();
    let mut canonical = Zeroizing::new(String::with_capacity(room));
    for piece in pieces {
        let mut rest = *piece;
        while let Some(end) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) {
            canonical.push_str(&rest[..end]);
            canonical.push_str("\r\n");
            rest = &rest[end..];
            rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
        }
        canonical.push_str(rest);
    }
    canonical
}
