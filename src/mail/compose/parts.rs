//! Text, its HTML alternative and attachments become MIME (RFC 2045, 2046, 2183, 2231) by mail-builder.

use std::borrow::Cow;

use mail_builder::{
    headers::{content_type::ContentType, raw::Raw},
    mime::{BodyPart, MimePart},
};
use zeroize::Zeroizing;

use super::{Sink, Uniques, legacy, marked};
use crate::{
    mail::{Attachment, protect::Protected},
    threads::{WORTHWHILE, both},
};

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
    all_lines(bytes, |line| {
        line.iter().fold(true, |good, &byte| good & byte.is_ascii() & (byte != 0) & (byte != b'\r'))
    })
}

/// Whether a text is 7bit as it stands (RFC 2045, 2.7), without control characters, and without white space before line
/// breaks, which some would take away.
fn stands(text: &[u8]) -> bool {
    let printable = |byte: u8| (byte.wrapping_sub(b' ') <= b'~' - b' ') | (byte == b'\t');
    all_lines(text, |line| {
        !matches!(line.last(), Some(b' ' | b'\t')) && line.iter().fold(true, |good, &byte| good & printable(byte))
    })
}

/// Whether all lines of a text end in CRLF, the last or not at all, are no longer than a line may be, and are good. What
/// says so does it best without a branch for each byte: this runs over the whole text.
fn all_lines(text: &[u8], good: impl Fn(&[u8]) -> bool + Sync) -> bool {
    in_halves(text, |mut text| {
        while let Some(end) = memchr::memchr(b'\n', text) {
            match &text[..end] {
                [line @ .., b'\r'] if line.len() <= LONGEST_LINE && good(line) => text = &text[end + 1..],
                _ => return false,
            }
        }
        text.len() <= LONGEST_LINE && good(text)
    })
}

/// Whether every line break of a text is CRLF.
pub(super) fn is_canonical(text: &[u8]) -> bool {
    const BLOCK: usize = 4096;
    in_halves(text, |text| {
        let lone = |(before, byte): (&u8, &u8)| (*before == b'\r') ^ (*byte == b'\n');
        let mut blocks = text.chunks(BLOCK).zip(text.get(1..).unwrap_or_default().chunks(BLOCK));
        // In blocks without a branch for each byte.
        let any = blocks.any(|(before, bytes)| before.iter().zip(bytes).fold(false, |any, pair| any | lone(pair)));
        !any && !text.starts_with(b"\n") && !text.ends_with(b"\r")
    })
}

/// Whether a text is good. Of a large one two threads look at about half each, which meet at a line break.
fn in_halves(text: &[u8], good: impl Fn(&[u8]) -> bool + Sync) -> bool {
    let middle = if text.len() < WORTHWHILE { 0 } else { text.len() / 2 };
    match memchr::memrchr(b'\n', &text[..middle]) {
        None => good(text),
        Some(end) => {
            let (one, other) = text.split_at(end + 1);
            both(|| good(one), || good(other)) == (true, true)
        }
    }
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
        }
    }

    #[test]
    fn what_is_bad_is_seen_wherever_it_stands_in_a_large_text() {
        let good = "0123456789 abcdef\r\n".repeat(WORTHWHILE / 16);
        assert!(stands(good.as_bytes()) && is_canonical(good.as_bytes()) && is_seven_bit(good.as_bytes()));
        let middle = good.len() / 2;
        for at in [0, 17, 18].into_iter().chain(middle - 20..middle + 2).chain([good.len() - 1]) {
            for byte in [b'\r', b'\n', b' '] {
                let mut text = good.clone().into_bytes();
                text[at] = byte;
                let changed = text != good.as_bytes();
                let blank = byte == b' ' && at % 19 < 16;
                assert_eq!(!stands(&text), changed && !blank, "{at} {byte}");
                let unbroken = matches!(byte, b'\r' | b'\n') || at % 19 >= 17;
                assert_eq!(!is_canonical(&text), changed && unbroken, "{at} {byte}");
                assert_eq!(!is_seven_bit(&text), changed && unbroken, "{at} {byte}");
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
