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
    text: &mut Zeroizing<String>,
    html: Option<&str>,
    attachments: &[Attachment],
    hidden: &[&Protected],
    uniques: &mut Uniques,
    payload: &mut Sink,
) {
    let display = legacy::in_text(hidden);
    let alone = html.is_none() && attachments.is_empty() && display.is_empty();
    let mut as_it_stands = alone && stands(text.as_bytes());
    if !as_it_stands && !is_canonical(text.as_bytes()) {
        *text = canonical(&[text]);
        as_it_stands = alone && stands(text.as_bytes());
    }
    if as_it_stands {
        seven_bit(marked(text_type("text/plain", false)), b"").write_part(payload);
        payload.0.take(Zeroizing::new(std::mem::take(&mut **text).into_bytes()));
        return;
    }
    let copy = (!display.is_empty()).then(|| canonical(&[&display, text]));
    let text = copy.as_ref().unwrap_or(text);
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
    let content_type = mark(text_type(media_type, displays));
    if stands(text.as_bytes()) {
        return seven_bit(content_type, text.as_bytes());
    }
    // mail-builder would send control characters as they are: those go as base64.
    if text.as_bytes().chunks(4096).any(holds_control) {
        return encoded_part(written(&content_type), text.as_bytes());
    }
    MimePart::new(content_type, BodyPart::Text(Cow::Borrowed(text)))
}

fn text_type(media_type: &'static str, displays: bool) -> ContentType<'static> {
    let content_type = ContentType::new(media_type).attribute("charset", "utf-8");
    if displays { content_type.attribute("hp-legacy-display", "1") } else { content_type }
}

/// A part whose bytes go as they are.
fn seven_bit<'a>(content_type: ContentType<'a>, bytes: &'a [u8]) -> MimePart<'a> {
    MimePart::new(content_type, BodyPart::Binary(bytes.into())).transfer_encoding("7bit")
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
        return named(seven_bit(ContentType::new(media_type), bytes), &attachment.name);
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
pub(super) fn is_canonical(text: &[u8]) -> bool {
    !any_pair(text, |before, byte| (before == b'\r') ^ (byte == b'\n')) && !text.ends_with(b"\r")
}

/// Whether a text is 7bit as it stands (RFC 2045, 2.7), with CRLF line breaks and no white space before them, which
/// some would take away.
fn stands(text: &[u8]) -> bool {
    let bad = |before: u8, byte: u8| {
        let control = (byte < b' ') & (byte != b'\t') & (byte != b'\r') & (byte != b'\n');
        let trails = (byte == b'\r') & ((before == b' ') | (before == b'\t'));
        control | (byte > b'~') | ((before == b'\r') ^ (byte == b'\n')) | trails
    };
    !any_pair(text, bad) && !matches!(text.last(), Some(b'\r' | b' ' | b'\t')) && lines_fit(text)
}

/// Whether anything is to be said against a byte and the one before it; before the first stands a NUL. In blocks
/// without a branch for each byte: this runs over the whole text.
fn any_pair(text: &[u8], bad: impl Fn(u8, u8) -> bool) -> bool {
    const BLOCK: usize = 4096;
    let Some((&first, rest)) = text.split_first() else { return false };
    let pairs = text.chunks(BLOCK).zip(rest.chunks(BLOCK));
    bad(0, first)
        || pairs.into_iter().any(|(before, bytes)| {
            before.iter().zip(bytes).fold(false, |found, (&before, &byte)| found | bad(before, byte))
        })
}

/// Whether no line is longer than a line may be. It leaps from one line break to the last that the next may have.
fn lines_fit(mut text: &[u8]) -> bool {
    while text.len() > LONGEST_LINE {
        let reach = text.len().min(LONGEST_LINE + 2);
        match memchr::memrchr(b'\n', &text[..reach]) {
            Some(end) => text = &text[end + 1..],
            None => return false,
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stands_is_seven_bit_in_short_lines_without_white_ends() {
        let line = |count: usize| "x".repeat(count) + "\r\n";
        for text in ["", "a", "a\r\n", "\r\n\r\n", "\ta b~\r\n c", &line(998), &(line(998) + &"y".repeat(998))] {
            assert!(stands(text.as_bytes()), "{text:?}");
        }
        let bad =
            ["\n", "a\n", "a\r", "\ra", "a\r\r\n", "a \r\n", "a\t\r\nb", "a ", "a\t", "\0", "\x7f", "ä", "\x1b[m"];
        for text in bad.iter().map(|text| (*text).to_owned()).chain([line(999), line(998) + &"y".repeat(999)]) {
            assert!(!stands(text.as_bytes()), "{text:?}");
            // Wherever it stands, over the blocks that are looked at.
            for before in [4093, 4094, 4095, 4096] {
                assert!(
                    !stands((line(62).repeat(64)[..before].to_owned() + "\r\n" + &text).as_bytes()),
                    "{before} {text:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn canonical_is_what_canonical_makes(text in "[a\r\n]{0,12}", before in 4080..4100_usize) {
            for text in [text.clone(), "a".repeat(before) + &text] {
                let made = canonical(&[&text]);
                prop_assert_eq!(is_canonical(text.as_bytes()), *made == text);
                prop_assert!(is_canonical(made.as_bytes()));
            }
        }
    }
}
