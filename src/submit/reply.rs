//! Replies of a server (RFC 5321, 4.2), read strictly and within bounds before anything else sees them.

use std::fmt;

/// The longest line: a challenge of SASL (RFC 4954, 4) with its code.
const LONGEST_LINE: usize = 12_288 + 6;

/// The most bytes of one reply.
const LONGEST_REPLY: usize = 65_536;

/// The most characters of a reply that are shown.
const LONGEST_TEXT: usize = 1_000;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    lines: Vec<String>,
}

/// What is not a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// A line or the whole is longer than any honest one.
    #[error("the reply is too long")]
    TooLong,
    /// No code, an unknown code, two codes, no CR LF; the beginning of the line.
    #[error("the reply is malformed: {0:?}")]
    Malformed(String),
}

/// Bytes from a server, until they make replies.
#[derive(Debug, Default)]
pub(super) struct Replies {
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no LF.
    searched: usize,
    lines: Vec<String>,
    code: Option<u16>,
    taken: usize,
}

impl Reply {
    /// Reads all whole replies that some bytes hold.
    ///
    /// # Errors
    /// [`ReplyFault`] for the first that is none.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, ReplyFault> {
        let mut replies = Replies::default();
        replies.push(bytes);
        std::iter::from_fn(|| replies.next().transpose()).collect()
    }

    /// Its three digits, 200 to 559.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Its lines without codes and line breaks.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// All of it on one line, without the code, at most 1,000 characters. Control characters became U+FFFD.
    pub fn text(&self) -> String {
        let joined = self.lines.join(" ");
        match joined.char_indices().nth(LONGEST_TEXT) {
            Some((end, _)) => format!("{} ...", &joined[..end]),
            None => joined,
        }
    }

    /// The same with a secret taken out; one of fewer than four characters is left, as it stands everywhere.
    pub(super) fn without(mut self, secret: &str) -> Self {
        if secret.chars().count() >= 4 {
            for line in &mut self.lines {
                *line = line.replace(secret, "***");
            }
        }
        self
    }

    /// The digit that counts: 2, 3, 4 or 5.
    pub(super) fn class(&self) -> u16 {
        self.code / 100
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text())
    }
}

impl Replies {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether bytes came that belong to no reply taken out.
    pub(super) fn has_begun(&self) -> bool {
        !self.buffer.is_empty() || !self.lines.is_empty()
    }

    /// What came behind the last reply.
    pub(super) fn behind(&self) -> &[u8] {
        &self.buffer
    }

    /// The next whole reply; none if more must be read.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, ReplyFault> {
        loop {
            let Some(found) = self.buffer[self.searched..].iter().position(|&b| b == b'\n') else {
                self.searched = self.buffer.len();
                return if self.searched >= LONGEST_LINE { Err(ReplyFault::TooLong) } else { Ok(None) };
            };
            let end = self.searched + found + 1;
            let line: Vec<u8> = self.buffer.drain(..end).collect();
            self.searched = 0;
            self.taken += end;
            if end > LONGEST_LINE || self.taken > LONGEST_REPLY {
                return Err(ReplyFault::TooLong);
            }
            if let Some(reply) = self.take(&line)? {
                return Ok(Some(reply));
            }
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyFault> {
        let malformed = || ReplyFault::Malformed(shown(&line[..line.len().min(60)]).trim_end().to_owned());
        let content = line.strip_suffix(b"\r\n").ok_or_else(malformed)?;
        let [a @ b'2'..=b'5', b @ b'0'..=b'5', c @ b'0'..=b'9', rest @ ..] = content else { return Err(malformed()) };
        let code = [a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(*digit - b'0'));
        let (last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(malformed()),
        };
        if self.code.is_some_and(|before| before != code) {
            return Err(malformed());
        }
        self.lines.push(shown(text));
        if !last {
            self.code = Some(code);
            return Ok(None);
        }
        self.code = None;
        self.taken = 0;
        Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }))
    }
}

/// Text of a server: UTF-8 as far as it is any, and no control characters.
pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Reply>, ReplyFault> {
        let mut replies = Replies::default();
        replies.push(bytes);
        replies.next()
    }

    #[test]
    fn lines_of_one_reply_are_put_together() {
        let reply = read(b"250-mail.example\r\n250-SIZE 100\r\n250 OK\r\n").unwrap().unwrap();
        assert_eq!((reply.code(), reply.text().as_str()), (250, "mail.example SIZE 100 OK"));
        assert_eq!(read(b"250\r\n").unwrap().unwrap().lines(), [""]);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in [
            &b"hello\r\n"[..],
            b"250 lone LF\n",
            b"199 no\r\n",
            b"290 no\r\n",
            b"600 no\r\n",
            b"25 no\r\n",
            b"2500 no\r\n",
            b"250-one\r\n251 two\r\n",
            b"\r\n",
        ] {
            assert!(matches!(read(bytes), Err(ReplyFault::Malformed(_))), "{bytes:?}");
        }
    }

    #[test]
    fn endless_lines_and_endless_replies_are_cut() {
        assert_eq!(read(&[b'2'; LONGEST_LINE]), Err(ReplyFault::TooLong));
        assert_eq!(read(&b"250-x\r\n".repeat(10_000)), Err(ReplyFault::TooLong));
    }

    #[test]
    fn other_charsets_and_control_characters_do_no_harm() {
        assert_eq!(read(b"250 gr\xfc\xdfe \x1b[31m\r\n").unwrap().unwrap().text(), "gr\u{fffd}\u{fffd}e \u{fffd}[31m");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_replies(texts in proptest::collection::vec("[ -~]{0,80}", 1..6), cut in 1usize..40) {
            let wire: String = texts.iter().map(|text| format!("250 {text}\r\n")).collect();
            let mut replies = Replies::default();
            let mut read = Vec::new();
            for part in wire.as_bytes().chunks(cut) {
                replies.push(part);
                while let Some(reply) = replies.next().unwrap() {
                    read.push(reply.lines()[0].clone());
                }
            }
            prop_assert_eq!(read, texts);
            prop_assert!(!replies.has_begun());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
