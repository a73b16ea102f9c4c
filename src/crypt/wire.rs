//! The wire form of a message, whatever its suite: written once, in pieces, and read again from them.

use std::io::{self, BufRead, Read, Write};

use base64::Engine;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::{Simd, general_purpose::PAD};
use zeroize::Zeroizing;

use crate::ffi;

/// Base64 for whole messages, by vectors where the processor has them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in crate::crypt) static BASE64: std::sync::LazyLock<Simd> = std::sync::LazyLock::new(|| Simd::standard(PAD));
/// Base64 for whole messages.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(in crate::crypt) static BASE64: GeneralPurpose = BASE64_STANDARD;

/// Bytes that make one line of base64, the line's digits, and its length with its CRLF.
const LINE: usize = 48;
pub(in crate::crypt) const DIGITS: usize = 64;
pub(in crate::crypt) const FULL_LINE: usize = DIGITS + 2;

/// How many lines are encoded at a time.
const BLOCK: usize = 64;

/// The most wire bytes that one piece holds: small for the first one, then so large that the system gives its memory
/// in large pages.
const PIECE: usize = FULL_LINE * BLOCK * 15;
const LARGE_PIECE: usize = PIECE * 256;

/// Writes one field, folded before a word that would pass column 78 (RFC 5322, 2.1.1).
pub(in crate::crypt) fn fold(head: &mut String, name: &str, value: &str) {
    head.push_str(name);
    head.push(':');
    let mut column = name.len() + 1;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        if column + 1 + word.len() > 78 && column > name.len() + 1 {
            head.push_str("\r\n");
            column = 0;
        }
        head.push(' ');
        head.push_str(word);
        column += 1 + word.len();
    }
    head.push_str("\r\n");
}

/// Wire bytes that grow piece by piece, so that a large message never moves.
pub(in crate::crypt) struct Pieces {
    full: Vec<Vec<u8>>,
    current: Vec<u8>,
}

impl Pieces {
    /// Begins with the header, which is a piece of its own.
    pub(in crate::crypt) fn new(head: Vec<u8>) -> Self {
        Self { full: vec![head], current: Vec::with_capacity(PIECE) }
    }

    /// All pieces.
    pub(in crate::crypt) fn finish(mut self) -> Vec<Vec<u8>> {
        self.current.shrink_to_fit();
        self.full.push(self.current);
        self.full
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.current.len() == self.current.capacity() {
            let next = ffi::in_large_pages(Vec::with_capacity(LARGE_PIECE));
            self.full.push(std::mem::replace(&mut self.current, next));
        }
        let count = bytes.len().min(self.current.capacity() - self.current.len());
        self.current.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands on what is written to it as lines of base64 with CRLF line breaks (RFC 2045, 6.8). It wipes what it held,
/// which may be cleartext.
pub(in crate::crypt) struct Base64Lines<W> {
    sink: W,
    pending: Zeroizing<Vec<u8>>,
    digits: Zeroizing<Vec<u8>>,
    lines: Zeroizing<Vec<u8>>,
}

impl<W: Write> Base64Lines<W> {
    /// Begins with a line.
    pub(in crate::crypt) fn new(sink: W) -> Self {
        Self {
            sink,
            pending: Zeroizing::new(Vec::with_capacity(LINE)),
            digits: Zeroizing::new(vec![0; DIGITS * BLOCK]),
            lines: Zeroizing::new(vec![0; FULL_LINE * BLOCK]),
        }
    }

    /// Ends the last line.
    pub(in crate::crypt) fn finish(mut self) -> io::Result<W> {
        if !self.pending.is_empty() {
            let last = std::mem::take(&mut self.pending);
            self.block(&last)?;
        }
        Ok(self.sink)
    }

    /// Writes at most [`BLOCK`] lines, of which the last may be short.
    fn block(&mut self, bytes: &[u8]) -> io::Result<()> {
        let count = BASE64.encode_slice(bytes, &mut self.digits).map_err(io::Error::other)?;
        let (full, last) = self.digits[..count].as_chunks::<DIGITS>();
        let (lines, room) = self.lines.split_at_mut(full.len() * FULL_LINE);
        for (line, digits) in lines.as_chunks_mut::<FULL_LINE>().0.iter_mut().zip(full) {
            line[..DIGITS].copy_from_slice(digits);
            line[DIGITS..].copy_from_slice(b"\r\n");
        }
        let mut length = lines.len();
        if !last.is_empty() {
            room[..last.len()].copy_from_slice(last);
            room[last.len()..last.len() + 2].copy_from_slice(b"\r\n");
            length += last.len() + 2;
        }
        self.sink.write_all(&self.lines[..length])
    }
}

impl<W: Write> Write for Base64Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        if !self.pending.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(LINE - self.pending.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if self.pending.len() < LINE {
                return Ok(bytes.len());
            }
            let line = std::mem::take(&mut self.pending);
            self.block(&line)?;
            self.pending = line;
            self.pending.clear();
        }
        let whole = rest.len() - rest.len() % LINE;
        rest[..whole].chunks(LINE * BLOCK).try_for_each(|block| self.block(block))?;
        self.pending.extend_from_slice(&rest[whole..]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many wire bytes some bytes make in lines of base64.
pub(in crate::crypt) fn base64_lines_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4 + bytes.div_ceil(LINE) * 2
}

/// Whether a line holds base64 only, padding anywhere. Without a branch for each byte: this runs over the whole message.
pub(in crate::crypt) fn is_base64(line: &[u8]) -> bool {
    line.iter().fold(true, |all, byte| all & (is_digit(*byte) | (*byte == b'=')))
}

/// Whether a byte is a digit of base64; without a branch.
pub(in crate::crypt) fn is_digit(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    letter | digit | (byte == b'+') | (byte == b'/')
}

/// Decodes lines of base64 piece by piece, so that a large one is never in memory twice.
pub(in crate::crypt) struct Decoder<R> {
    lines: R,
    line_begins: bool,
    done: bool,
    digits: Vec<u8>,
    decoded: Vec<u8>,
    position: usize,
}

/// Base64 digits decoded at once, a multiple of four.
const WINDOW: usize = 1 << 16;

impl<R: BufRead> Decoder<R> {
    /// Decodes to the end, or to the checksum of an armor.
    pub(in crate::crypt) fn new(lines: R) -> Self {
        let (digits, decoded) = (Vec::with_capacity(WINDOW), Vec::with_capacity(WINDOW));
        Self { lines, line_begins: true, done: false, digits, decoded, position: 0 }
    }

    /// Decodes the next piece; an empty piece is the end.
    fn refill(&mut self) -> io::Result<()> {
        self.position = 0;
        self.decoded.clear();
        self.digits.clear();
        while self.digits.len() < WINDOW && !self.done {
            let available = self.lines.fill_buf()?;
            if available.is_empty() {
                self.done = true;
                break;
            }
            // A line that begins with `=` is the checksum, which proves nothing (RFC 9580, 6.1), and the end.
            if self.line_begins && available[0] == b'=' && self.digits.len().is_multiple_of(4) {
                self.done = true;
                break;
            }
            let window = &available[..available.len().min(WINDOW - self.digits.len())];
            let line = window.iter().position(|byte| *byte == b'\n').map_or(window, |at| &window[..=at]);
            self.line_begins = line.ends_with(b"\n");
            let text = line.trim_ascii();
            if text.iter().any(u8::is_ascii_whitespace) {
                self.digits.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
            } else {
                self.digits.extend_from_slice(text);
            }
            let count = line.len();
            self.lines.consume(count);
        }
        BASE64
            .decode_vec(&self.digits, &mut self.decoded)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not base64"))
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.decoded.len() {
            self.refill()?;
        }
        let count = buffer.len().min(self.decoded.len() - self.position);
        buffer[..count].copy_from_slice(&self.decoded[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}

/// Some of the bytes of a message in pieces.
pub(in crate::crypt) struct Span<'a> {
    pub pieces: &'a [Vec<u8>],
    pub at: usize,
    pub end: usize,
}

impl BufRead for Span<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while let Some((piece, rest)) = self.pieces.split_first() {
            if self.at < piece.len() {
                return Ok(&piece[self.at..self.end.clamp(self.at, piece.len())]);
            }
            (self.at, self.end) = (self.at - piece.len(), self.end - piece.len().min(self.end));
            self.pieces = rest;
        }
        Ok(&[])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Base64Lines::new(Pieces::new(Vec::new()));
        parts.iter().for_each(|part| lines.write_all(part).unwrap());
        lines.finish().unwrap().finish()
    }

    #[test]
    fn long_words_stand_alone_and_others_are_folded() {
        let mut head = String::new();
        fold(&mut head, "To", &["word"; 20].join(" "));
        fold(&mut head, "References", &"x".repeat(100));
        let folded =
            format!("To:{}\r\n{}\r\nReferences: {}\r\n", " word".repeat(15), " word".repeat(5), "x".repeat(100));
        assert_eq!(head, folded);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_written(
            bytes in prop::collection::vec(any::<u8>(), 0..20_000),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let parts: Vec<&[u8]> = std::iter::once(0).chain(cuts.iter().copied()).zip(ends).map(|(a, b)| &bytes[a..b]).collect();
            let pieces = lines(&parts);
            let text = pieces.concat();
            prop_assert_eq!(text.len(), base64_lines_len(bytes.len()));
            let expected: String = bytes.chunks(48).map(|line| BASE64_STANDARD.encode(line) + "\r\n").collect();
            prop_assert!(text == expected.as_bytes());
            let mut decoded = Vec::new();
            let span = Span { pieces: &pieces, at: 0, end: text.len() };
            Decoder::new(span).read_to_end(&mut decoded).unwrap();
            prop_assert!(decoded == bytes);
        }
    }
}
