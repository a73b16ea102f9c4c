//! The last look at finished wire bytes, as far as it is the same for every suite: their lines (RFC 5321, 4.5.3.1.6;
//! RFC 5322, 2.1.1), their header, and what must not stand in it. Everything doubtful is an error.

use super::wire::{DIGITS, FULL_LINE, is_digit};
use crate::{
    mail::Address,
    threads::{WORTHWHILE, both},
};

/// The most bytes that an outer header may have.
const MOST_HEADER: usize = 1 << 20;

/// The longest line, without its CRLF.
const LONGEST_LINE: usize = 998;

/// What must not be read from the outside.
#[derive(Clone, Copy, Default)]
pub(in crate::crypt) struct Hidden<'a> {
    /// The true subject.
    pub subject: Option<&'a str>,
    /// Addresses of recipients whom nobody is to see.
    pub addresses: &'a [Address],
}

/// The outer header, unfolded.
pub struct Header {
    fields: Vec<(String, String)>,
    raw: Vec<u8>,
}

/// Calls `see` with each line and the offset of its first byte, the CRLF cut off. Of full lines of base64 with which a
/// piece begins, it sees the first and the last: no reader tells those between from them.
///
/// # Errors
/// A lone CR or LF, a NUL, a line over 998 bytes, a last line without CRLF; what `see` says.
pub(in crate::crypt) fn each_line(
    pieces: &[Vec<u8>],
    mut see: impl FnMut(usize, &[u8]) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let mut begun: Vec<u8> = Vec::new();
    let mut offset = 0;
    for (piece, full) in pieces.iter().zip(full_lines(pieces)) {
        let mut rest = piece.as_slice();
        let (full, behind) = piece.split_at(full);
        if let (true, [first, .., last]) = (begun.is_empty(), full.as_chunks::<FULL_LINE>().0) {
            see(offset, &first[..DIGITS])?;
            see(offset + full.len() - FULL_LINE, &last[..DIGITS])?;
            offset += full.len();
            rest = behind;
        }
        while !rest.is_empty() {
            // One search for both breaks: a line ends at the first of either, which must be CR and LF after it.
            let end = match memchr::memchr2(b'\r', b'\n', rest) {
                Some(at) if rest[at] == b'\r' && at + 1 < rest.len() => Some(at + 1),
                Some(at) if rest[at] == b'\n' => Some(at),
                _ => None,
            };
            let (part, later) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            rest = later;
            if end.is_none() || !begun.is_empty() {
                begun.extend_from_slice(part);
                if begun.len() > LONGEST_LINE + 2 {
                    return Err("a line has more than 998 bytes");
                }
                if end.is_none() {
                    continue;
                }
            }
            let line = if begun.is_empty() { part } else { begun.as_slice() };
            if memchr::memchr(0, line).is_some() {
                return Err("it holds a NUL");
            }
            let text = match line {
                [text @ .., b'\r', b'\n'] => text,
                [.., b'\n'] => return Err("it holds a lone LF"),
                _ => return Err("it holds a lone CR"),
            };
            if text.len() > LONGEST_LINE {
                return Err("a line has more than 998 bytes");
            }
            // Only what was cut in two can hold one.
            if line.len() != part.len() && memchr::memchr(b'\r', text).is_some() {
                return Err("it holds a lone CR");
            }
            see(offset, text)?;
            offset += line.len();
            begun.clear();
        }
    }
    if begun.is_empty() { Ok(()) } else { Err("its last line has no CRLF") }
}

/// How many bytes of each piece, from its beginning, are full lines of base64 without padding. Of a large message two
/// threads look at about half each.
fn full_lines(pieces: &[Vec<u8>]) -> Vec<usize> {
    let look = |pieces: &[Vec<u8>]| -> Vec<usize> { pieces.iter().map(|piece| full_lines_of(piece)).collect() };
    let half = pieces.iter().map(Vec::len).sum::<usize>() / 2;
    let ends = pieces.iter().scan(0, |end, piece| {
        *end += piece.len();
        Some(*end)
    });
    let middle = ends.take_while(|end| *end <= half).count();
    let (some, others) = pieces.split_at(middle);
    if half < WORTHWHILE || some.is_empty() {
        return look(pieces);
    }
    let (some, others) = both(|| look(some), || look(others));
    [some, others].concat()
}

/// Without a branch for each byte: this runs over the whole message.
fn full_lines_of(piece: &[u8]) -> usize {
    let digits = |line: &[u8; FULL_LINE]| line[..DIGITS].iter().fold(true, |all, byte| all & is_digit(*byte));
    let full = |line: &&[u8; FULL_LINE]| line[DIGITS] == b'\r' && line[DIGITS + 1] == b'\n' && digits(line);
    piece.as_chunks().0.iter().take_while(full).count() * FULL_LINE
}

impl Header {
    /// An empty header to add lines to.
    pub(in crate::crypt) fn new() -> Self {
        Self { fields: Vec::new(), raw: Vec::new() }
    }

    /// Adds a line of the header.
    pub(in crate::crypt) fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.raw.extend_from_slice(line);
        self.raw.extend_from_slice(b"\r\n");
        if self.raw.len() > MOST_HEADER {
            return Err("its header is too long");
        }
        let Ok(text) = std::str::from_utf8(line) else { return Err("its header is not UTF-8") };
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err("its header holds a control character");
        }
        if text.starts_with([' ', '\t']) {
            let Some((_, value)) = self.fields.last_mut() else { return Err("its header begins with a fold") };
            value.push_str(text);
        } else {
            let field = text
                .split_once(':')
                .filter(|(name, _)| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
            let Some((name, value)) = field else { return Err("its header holds a line that is no field") };
            self.fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        // Addresses alone may be other text (RFC 6532, 3.2).
        let address = self.fields.last().is_some_and(|(name, _)| matches!(name.as_str(), "from" | "to" | "cc"));
        if !text.is_ascii() && !address {
            return Err("it is not 7-bit");
        }
        Ok(())
    }

    /// Whether it holds addresses that need SMTPUTF8 (RFC 6531, 3.6).
    pub(in crate::crypt) fn needs_smtputf8(&self) -> bool {
        !self.raw.is_ascii()
    }

    /// The one field of a name, given in lower case; none, or several, is an error.
    pub(in crate::crypt) fn one(&self, name: &str) -> Result<&str, &'static str> {
        let mut found = self.fields.iter().filter(|(n, _)| n == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value.trim()),
            _ => Err("a field of its header is missing or stands there twice"),
        }
    }

    /// The names of all fields in lower case.
    pub(in crate::crypt) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// Looks for what a server must not see.
    pub(in crate::crypt) fn look(&self, hidden: Hidden<'_>) -> Result<(), &'static str> {
        if self.names().any(|name| matches!(name, "bcc" | "resent-bcc")) {
            return Err("its header holds a Bcc field");
        }
        if self.one("mime-version")? != "1.0" {
            return Err("its MIME-Version is not 1.0");
        }
        if hidden.subject.is_some_and(|subject| self.shows_subject(subject)) {
            return Err("its header shows the true subject");
        }
        let text = self.fields.iter().map(|(_, value)| value.to_lowercase()).collect::<Vec<_>>().join("\n");
        if hidden.addresses.iter().any(|address| names(&text, &address.to_string().to_lowercase())) {
            return Err("its header names a hidden recipient");
        }
        Ok(())
    }

    fn shows_subject(&self, subject: &str) -> bool {
        let subject = squeeze(subject);
        if subject.is_empty() || subject == "[...]" {
            return false;
        }
        // Addresses, dates and ids are there for servers and may be what a subject consists of.
        let open = |name: &str| {
            matches!(
                name,
                "from" | "to" | "cc" | "sender" | "reply-to" | "date" | "message-id" | "in-reply-to" | "references"
            )
        };
        let shown = |value: &str| {
            let value = squeeze(value);
            value == subject || (subject.chars().count() >= 6 && value.contains(&subject))
        };
        let plain = self.fields.iter().filter(|(name, _)| !open(name)).any(|(_, value)| shown(value));
        // An encoded word hides nothing.
        let decoded = mail_parser::MessageParser::new()
            .parse_headers(&self.raw)
            .and_then(|message| message.subject().map(shown))
            .unwrap_or(false);
        plain || decoded
    }
}

/// One blank between words, none around.
fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text holds an address as a word of its own.
fn names(text: &str, address: &str) -> bool {
    let part_of_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let bytes = text.as_bytes();
    text.match_indices(address).any(|(start, found)| {
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        let after = &bytes[start + found.len()..];
        let goes_on = match after {
            [b'.', next, ..] => next.is_ascii_alphanumeric(),
            [next, ..] => next.is_ascii_alphanumeric() || *next == b'-',
            [] => false,
        };
        !before.is_some_and(|byte| part_of_one(*byte)) && !goes_on
    })
}

/// A MIME type in lower case and its parameters, names in lower case (RFC 2045, 5.1).
pub(in crate::crypt) fn media_type(value: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut parts = Vec::new();
    let (mut part, mut quoted, mut escaped) = (String::new(), false, false);
    for c in value.chars() {
        match c {
            _ if escaped => {
                part.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => parts.push(std::mem::take(&mut part)),
            // A comment could hide a second reading.
            '(' | ')' if !quoted => return None,
            _ => part.push(c),
        }
    }
    if quoted || escaped {
        return None;
    }
    parts.push(part);
    let mut parts = parts.into_iter();
    let media_type = parts.next()?.trim().to_ascii_lowercase();
    let mut parameters: Vec<(String, String)> = Vec::new();
    for parameter in parts.filter(|part| !part.trim().is_empty()) {
        let (name, value) = parameter.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        // Twice is two readings; an asterisk is RFC 2231, which may say anything.
        if name.contains('*') || parameters.iter().any(|(n, _)| *n == name) {
            return None;
        }
        parameters.push((name, value.trim().to_owned()));
    }
    Some((media_type, parameters))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Result<Vec<(usize, Vec<u8>)>, &'static str> {
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let mut seen = Vec::new();
        each_line(&pieces, |offset, line| {
            seen.push((offset, line.to_vec()));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn lines_run_over_pieces() {
        let whole = lines(&[b"ab\r\ncd\r\n\r\nefg\r\n"]);
        let expected: Vec<(usize, Vec<u8>)> =
            [(0, "ab"), (4, "cd"), (8, ""), (10, "efg")].map(|(at, line)| (at, line.as_bytes().to_vec())).to_vec();
        assert_eq!(whole, Ok(expected.clone()));
        let text = b"ab\r\ncd\r\n\r\nefg\r\n";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(lines(&pieces), Ok(expected.clone()), "{first} {second}");
            }
        }
    }

    #[test]
    fn what_breaks_a_line_is_refused_wherever_it_stands() {
        let good = b"abcd\r\nabcd\r\nabcd\r\n";
        for at in 0..good.len() {
            for bad in [0, b'\r', b'\n'] {
                let mut text = good.to_vec();
                text[at] = bad;
                if text != good {
                    assert!(lines(&[&text]).is_err(), "{at} {bad}");
                }
            }
        }
        let long = |count: usize| [vec![b'x'; count], b"\r\n".to_vec()].concat();
        assert!(lines(&[&long(998)]).is_ok());
        assert!(lines(&[&long(999)]).is_err());
        assert!(lines(&[&long(998)[..500], &long(999)[500..]]).is_err());
    }

    #[test]
    fn of_full_lines_the_first_and_the_last_are_seen() {
        let head = b"Subject: x\r\n\r\n".to_vec();
        let body: Vec<u8> = (0..5).flat_map(|line| [&[b'a' + line; DIGITS][..], b"\r\n"].concat()).collect();
        let seen = |body: &[u8]| lines(&[&head, body, b"x\r\n"]);
        let first = (head.len(), body[..DIGITS].to_vec());
        let last = (head.len() + 4 * FULL_LINE, body[4 * FULL_LINE..][..DIGITS].to_vec());
        let all = seen(&body).unwrap();
        assert_eq!(all[2..], [first, last, (head.len() + body.len(), b"x".to_vec())]);
        // Whatever else stands there is seen, or refused.
        for at in 0..body.len() {
            for other in [b'=', b'-', b' ', 0, b'\r', b'\n', 0x80] {
                let mut changed = body.clone();
                changed[at] = other;
                if changed != body {
                    let line = changed[at / FULL_LINE * FULL_LINE..][..DIGITS].to_vec();
                    let seen = seen(&changed);
                    assert!(seen.is_err() || seen.unwrap().iter().any(|(_, text)| *text == line), "{at} {other}");
                }
            }
        }
        assert_eq!(seen(&body[..FULL_LINE]).unwrap().len(), 4);
        assert_eq!(seen(&[&body[..], b"ab==\r\n--x\r\n"].concat()).unwrap().len(), 7);
        assert_eq!(seen(&body[1..]).unwrap().len(), 8);
        // Many are looked at by two.
        let large = body.repeat(4000);
        assert_eq!(lines(&[&head, &large, &large[1..], &large]).unwrap().len(), 2 + 2 + 20_000 + 2);
    }

    #[test]
    fn media_types_have_one_reading_or_none() {
        let read = |value| media_type(value).map(|(kind, parameters)| (kind, parameters.len()));
        assert_eq!(read("Text/Plain; a=b; c=\"d;e\\\"f\""), Some(("text/plain".to_owned(), 2)));
        for doubtful in ["a/b; c", "a/b; c=d; C=e", "a/b; c*0=d", "a/b (x); c=d", "a/b; c=\"d"] {
            assert_eq!(media_type(doubtful), None, "{doubtful}");
        }
    }

    #[test]
    fn addresses_are_found_as_words_of_their_own() {
        for held in ["kim@x.org", "<kim@x.org>", "a, kim@x.org.", "\"kim@x.org\"", "kim@x.org,b@y"] {
            assert!(names(held, "kim@x.org"), "{held}");
        }
        for other in ["joakim@x.org", "kim@x.org.uk", "a.kim@x.org", "kim@x.organic", "kim@x.org-a.net"] {
            assert!(!names(other, "kim@x.org"), "{other}");
        }
    }
}
