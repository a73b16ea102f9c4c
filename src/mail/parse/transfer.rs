//! Content-Transfer-Encoding undone (RFC 2045, 6), piece by piece and whatever the input.

use std::ops::Range;

use super::unfold;

/// How much is decoded before it is handed on, in bytes.
const PIECE: usize = 48 * 1024;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary, and whatever is not known.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
}

impl TransferEncoding {
    /// Reads the field's value.
    pub fn parse(value: &[u8]) -> Self {
        let text = unfold(value);
        let token = text.split(|c: char| c == ';' || c == '(' || c.is_whitespace()).next().unwrap_or_default();
        if token.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if token.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }

    /// About how many bytes come out of so many.
    pub fn estimate(self, len: usize) -> usize {
        match self {
            Self::Base64 => len / 4 * 3 + 3,
            _ => len,
        }
    }

    /// Decodes a body and gives it piece by piece. Characters outside the base64 alphabet are passed over
    /// (RFC 2045, 6.8); what is not quoted-printable stands as it is (6.7).
    pub fn decode(self, body: &[u8], sink: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Identity => sink(body),
            Self::Base64 => base64(body, sink),
            Self::QuotedPrintable => quoted_printable(body, sink),
        }
    }

    /// Decodes a body where it stands in a buffer, which holds what came out alone then.
    pub fn decode_in_place(self, buffer: &mut Vec<u8>, body: Range<usize>) {
        let written = match self {
            Self::Identity => {
                buffer.copy_within(body.clone(), 0);
                body.len()
            }
            Self::Base64 => {
                let (mut run, mut written) = (Base64::default(), 0);
                for at in body {
                    if let Some(octet) = run.take(buffer[at]) {
                        buffer[written] = octet;
                        written += 1;
                    }
                }
                written
            }
            Self::QuotedPrintable => {
                let (mut start, end) = (0, body.len());
                // What comes out is never longer than what goes in.
                let encoded = buffer[body].to_vec();
                quoted_printable(&encoded, &mut |piece| {
                    let to = (start + piece.len()).min(end);
                    buffer[start..to].copy_from_slice(&piece[..to - start]);
                    start = to;
                });
                start
            }
        };
        buffer.truncate(written);
    }
}

fn base64(body: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let mut out = Vec::with_capacity(PIECE + 3);
    let mut run = Base64::default();
    for &digit in body {
        let Some(octet) = run.take(digit) else { continue };
        out.push(octet);
        if out.len() >= PIECE {
            sink(&out);
            out.clear();
        }
    }
    sink(&out);
}

/// A run of base64 digits, of which each four give three octets.
#[derive(Default)]
struct Base64 {
    bits: u32,
    held: u32,
}

impl Base64 {
    #[inline]
    fn take(&mut self, digit: u8) -> Option<u8> {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            // Padding: what follows is another run.
            b'=' => {
                *self = Self::default();
                return None;
            }
            _ => return None,
        };
        self.bits = (self.bits << 6 | u32::from(value)) & 0xfff;
        self.held += 6;
        if self.held < 8 {
            return None;
        }
        self.held -= 8;
        Some((self.bits >> self.held & 0xff) as u8)
    }
}

fn quoted_printable(body: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let mut out = Vec::with_capacity(PIECE + 1024);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let ending = &line[text.len()..];
        let text = text.trim_ascii_end();
        let (text, soft) = text.strip_suffix(b"=").map_or((text, false), |text| (text, true));
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            let escaped = match after {
                [high, low, ..] if byte == b'=' => hexadecimal(*high).zip(hexadecimal(*low)),
                _ => None,
            };
            match escaped {
                Some((high, low)) => {
                    out.push(high << 4 | low);
                    rest = &after[2..];
                }
                None => {
                    out.push(byte);
                    rest = after;
                }
            }
            if out.len() >= PIECE {
                sink(&out);
                out.clear();
            }
        }
        if !soft {
            out.extend_from_slice(ending);
        }
    }
    sink(&out);
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
