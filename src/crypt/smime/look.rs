//! S/MIME's share of the last look: the form of RFC 8551, 3.2, and to whom the content is encrypted.

mod message;
#[cfg(test)]
mod tests;

use super::Smime;
use crate::crypt::{
    Recipients,
    look::{Header, each_line, media_type},
    wire::{Decoder, Span, is_base64},
};

/// The longest line of base64 (RFC 2045, 6.8).
const LONGEST_LINE: usize = 76;

/// Reads the finished message again from its bytes alone.
pub(super) fn look(
    pieces: &[Vec<u8>],
    recipients: &Recipients<Smime>,
    made_here: bool,
) -> Result<Header, &'static str> {
    let mut header = Header::new();
    let mut body: Option<Body> = None;
    each_line(pieces, |offset, line| match &mut body {
        None if line.is_empty() => {
            let begin = offset + 2;
            body = Some(Body { kind: kind(&header)?, start: begin, end: begin, full: None, over: false });
            Ok(())
        }
        None => header.line(line),
        Some(body) => body.line(offset, line),
    })?;
    let Some(Body { kind, start, end, .. }) = body else { return Err("it is not complete") };
    let content = Decoder::new(Span { pieces, at: start, end });
    message::sealed_to(content, kind, recipients.iter().count(), made_here)?.compare(recipients)?;
    Ok(header)
}

/// The lines of base64.
struct Body {
    kind: Kind,
    start: usize,
    end: usize,
    /// The length of every line but the last.
    full: Option<usize>,
    /// The last line was seen.
    over: bool,
}

impl Body {
    fn line(&mut self, offset: usize, line: &[u8]) -> Result<(), &'static str> {
        if line.is_empty() {
            self.over = true;
            return Ok(());
        }
        if self.over {
            return Err("something stands behind its base64");
        }
        let digits = match line {
            [digits @ .., b'=', b'='] | [digits @ .., b'='] => digits,
            digits => digits,
        };
        let full = *self.full.get_or_insert(line.len());
        let fits = line.len() <= full && line.len() <= LONGEST_LINE && line.len().is_multiple_of(4);
        if !fits || !is_base64(digits) || memchr::memchr(b'=', digits).is_some() {
            return Err("its body holds a line that is not base64");
        }
        self.over = line.len() < full || digits.len() < line.len();
        self.end = offset + line.len();
        Ok(())
    }
}

/// What the header says that is within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Enveloped,
    AuthEnveloped,
}

fn kind(header: &Header) -> Result<Kind, &'static str> {
    const NOT_SMIME: &str = "it is not application/pkcs7-mime with encrypted content";
    let (kind, parameters) = media_type(header.one("content-type")?).ok_or(NOT_SMIME)?;
    if kind != "application/pkcs7-mime" {
        return Err(NOT_SMIME);
    }
    if !header.one("content-transfer-encoding")?.eq_ignore_ascii_case("base64") {
        return Err("its body is not base64");
    }
    let known =
        ["content-type", "content-transfer-encoding", "content-disposition", "content-description", "content-id"];
    if header.names().any(|name| name.starts_with("content-") && !known.contains(&name)) {
        return Err("its header describes the content in a way that may say anything");
    }
    let named = parameters.iter().find(|(name, _)| name == "smime-type").map(|(_, value)| value.to_ascii_lowercase());
    match named.as_deref() {
        Some("enveloped-data") => Ok(Kind::Enveloped),
        Some("authenveloped-data") => Ok(Kind::AuthEnveloped),
        _ => Err(NOT_SMIME),
    }
}
