//! A finished MIME entity goes inside as it is, but for the mark on its Content-Type (RFC 9788, 2.1.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use mail_builder::writer::Writer;
use zeroize::Zeroizing;

use super::{
    ComposeError, Sink, Uniques,
    parts::{LONGEST_LINE, is_canonical},
};
use crate::mail::{DraftError, Field};

/// Parameters of the root's Content-Type that only the one who seals may set.
const MARKS: &[&str] = &["hp", "protected-headers"];

/// How many bytes one line of base64 carries (RFC 2045, 6.8).
const BASE64_LINE: usize = 57;

/// Writes the Content fields of the root and the body. What is a cryptographic layer itself is put into a multipart:
/// as the root it would belong to the envelope, where its fields protect nothing (RFC 9787, 4.2), and its signature
/// would stand beside ours.
pub(super) fn write(
    fields: &[Field],
    body: &mut Zeroizing<Vec<u8>>,
    uniques: &mut Uniques,
    payload: &mut Sink,
) -> Result<(), ComposeError> {
    if !one(fields, "Content-Type")?.is_some_and(|field| is_layer(field.value())) {
        return write_part(fields, body, marked, payload);
    }
    let boundary = uniques.boundary();
    let root = marked(&format!("multipart/mixed; boundary=\"{boundary}\""));
    payload.write(Field::encoded("Content-Type", root).folded().as_bytes());
    payload.write(format!("\r\n--{boundary}\r\n").as_bytes());
    write_part(fields, body, str::to_owned, payload)?;
    payload.write(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(())
}

/// Whether a Content-Type is that of a layer: signed or encrypted in either suite.
fn is_layer(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let layers = ["multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"];
    layers.contains(&essence.as_str())
}

/// Writes the Content fields and the body of an entity, its Content-Type changed.
fn write_part(
    fields: &[Field],
    body: &mut Zeroizing<Vec<u8>>,
    content_type_of: impl FnOnce(&str) -> String,
    payload: &mut Sink,
) -> Result<(), ComposeError> {
    let content_type = one(fields, "Content-Type")?.map_or("text/plain", Field::value);
    let encoding = one(fields, "Content-Transfer-Encoding")?.map_or("7bit", Field::value).to_ascii_lowercase();
    let media_type = content_type.trim_start().to_ascii_lowercase();
    let composite = media_type.starts_with("multipart/") || media_type.starts_with("message/");
    let identity = matches!(encoding.as_str(), "7bit" | "8bit" | "binary");
    let encode = identity && !composite && needs_encoding(body);
    if let Some(at) = memchr::memchr(0, body).filter(|_| !encode) {
        return Err(ComposeError::Nul(at));
    }
    payload.write(Field::encoded("Content-Type", content_type_of(content_type)).folded().as_bytes());
    for field in fields.iter().filter(|field| !field.is("Content-Type")) {
        if !(encode && field.is("Content-Transfer-Encoding")) {
            payload.write(field.folded().as_bytes());
        }
    }
    if !encode {
        payload.write(b"\r\n");
        if is_canonical(body) {
            payload.0.take(std::mem::take(body));
        } else {
            for_each_run(body, |run| payload.write(run));
        }
        return Ok(());
    }
    payload.write(b"Content-Transfer-Encoding: base64\r\n\r\n");
    // Of these an octet like a line break may be half of a letter, whatever the encoding says.
    let wide = ["utf-16", "utf-32", "ucs-2", "ucs-4"].iter().any(|charset| media_type.contains(charset));
    if encoding == "binary" || wide {
        write_base64(body, payload);
    } else {
        let breaks = body.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut canonical = Zeroizing::new(Vec::with_capacity(body.len() + breaks));
        for_each_run(body, |run| canonical.extend_from_slice(run));
        write_base64(&canonical, payload);
    }
    Ok(())
}

fn one<'a>(fields: &'a [Field], name: &'static str) -> Result<Option<&'a Field>, DraftError> {
    let mut found = fields.iter().filter(|field| field.is(name));
    match (found.next(), found.count()) {
        (first, 0) => Ok(first),
        (_, more) => Err(DraftError::Count { name, count: more + 1 }),
    }
}

/// Whether a body is no 7bit data (RFC 2045, 2.7), whatever its line breaks.
fn needs_encoding(body: &[u8]) -> bool {
    !body.is_ascii()
        || body.contains(&0)
        || body.split(|byte| matches!(byte, b'\r' | b'\n')).any(|line| line.len() > LONGEST_LINE)
}

/// A Content-Type with the mark of an encrypted message, and none of another's; all else byte for byte.
fn marked(content_type: &str) -> String {
    let mut marked = String::with_capacity(content_type.len() + 40);
    for part in split_parameters(content_type) {
        let name = part.split(['=', '*']).next().unwrap_or_default().trim();
        if part.trim().is_empty() || MARKS.iter().any(|mark| name.eq_ignore_ascii_case(mark)) {
            continue;
        }
        if !marked.is_empty() {
            marked.push(';');
        }
        marked.push_str(part);
    }
    marked.truncate(marked.trim_end().len());
    marked.push_str("; hp=\"cipher\"; protected-headers=\"v1\"");
    marked
}

/// Splits at semicolons outside of quotes and comments (RFC 2045, 5.1).
fn split_parameters(value: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    value
        .split(|c| {
            if escaped {
                escaped = false;
                return false;
            }
            match c {
                '\\' if quoted || depth > 0 => escaped = true,
                '"' if depth == 0 => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ';' && !quoted && depth == 0
        })
        .collect()
}

/// Gives the bytes on in runs, with every line break, LF or a lone CR among them, as CRLF; nothing is copied.
fn for_each_run(body: &[u8], mut give: impl FnMut(&[u8])) {
    let (mut start, mut at) = (0, 0);
    while let Some(offset) = memchr::memchr2(b'\r', b'\n', &body[at..]) {
        let found = at + offset;
        if body[found..].starts_with(b"\r\n") {
            at = found + 2;
        } else {
            give(&body[start..found]);
            give(b"\r\n");
            at = found + 1;
            start = at;
        }
    }
    give(&body[start..]);
}

fn write_base64(bytes: &[u8], payload: &mut Sink) {
    let mut line = Zeroizing::new([0; BASE64_LINE.div_ceil(3) * 4]);
    for chunk in bytes.chunks(BASE64_LINE) {
        if let Ok(length) = STANDARD.encode_slice(chunk, &mut *line) {
            payload.write(&line[..length]);
            payload.write(b"\r\n");
        }
    }
}
