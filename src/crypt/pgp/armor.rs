//! ASCII armor (RFC 9580, 6.2): finding its blocks, forgiving what mail systems do to its header, writing it
//! without a word about the program.

use std::io::Read;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::crypt::wire::Decoder;

/// What an armor says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    PublicKey,
    SecretKey,
    Signature,
    Signed,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Message, Self::PublicKey, Self::SecretKey, Self::Signature, Self::Signed];

    fn label(self) -> &'static str {
        match self {
            Self::Message => "PGP MESSAGE",
            Self::PublicKey => "PGP PUBLIC KEY BLOCK",
            Self::SecretKey => "PGP PRIVATE KEY BLOCK",
            Self::Signature => "PGP SIGNATURE",
            Self::Signed => "PGP SIGNED MESSAGE",
        }
    }
}

/// Writes one block with LF line breaks and no header; with a checksum for older readers, which RFC 9580, 6.1
/// forbids for what only newer ones read.
pub(super) fn write(kind: Kind, bytes: &[u8], checksum: bool) -> String {
    let label = kind.label();
    let mut text = format!("-----BEGIN {label}-----\n\n");
    for line in bytes.chunks(48) {
        BASE64_STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    if checksum {
        let mut crc = Crc::new();
        crc.update(bytes);
        text += &format!("={}\n", crc.encode());
    }
    text + &format!("-----END {label}-----\n")
}

/// The kind of a block.
pub(super) fn kind(block: &[u8]) -> Option<Kind> {
    let line = block.strip_prefix(b"-----BEGIN ")?;
    Kind::ALL.into_iter().find(|kind| line.starts_with(kind.label().as_bytes()))
}

/// All blocks, each from its BEGIN line through its END line, or to the next BEGIN line or the end.
pub(super) fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = lines(bytes).filter(|(_, line)| kind(line).is_some()).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &bytes[start..end]).collect()
}

/// The one message in some bytes.
pub(super) enum Input<'a> {
    /// Packets as they are.
    Binary(&'a [u8]),
    /// An armored block of this kind, and what stands between its header and its END line.
    Armored(Kind, &'a [u8]),
}

impl<'a> Input<'a> {
    /// Takes bytes for armored if their first line with anything in it is a BEGIN line, else for packets.
    ///
    /// # Errors
    /// An END line that is missing or of another kind, or anything but white space behind it.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let Some((start, first)) = lines(bytes).find(|(_, line)| !is_blank(line)) else { return Err("it is empty") };
        let Some(kind) = kind(first) else { return Ok(Self::Binary(bytes)) };
        let rest = &bytes[start + first.len()..];
        let end = format!("-----END {}-----", kind.label());
        let Some(body_end) = rfind(rest, end.as_bytes()) else { return Err("its armor has no end") };
        if !is_blank(&rest[body_end + end.len()..]) {
            return Err("something stands behind its armor");
        }
        let body = behind_header(&rest[..body_end]);
        // No digit of base64: another block, which would be passed over.
        if body.contains(&b'-') {
            return Err("something stands within its armor");
        }
        Ok(Self::Armored(kind, body))
    }

    /// About how many bytes the packets take.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Binary(bytes) => bytes.len(),
            Self::Armored(_, body) => body.len() / 4 * 3,
        }
    }

    /// The packets.
    pub(super) fn reader(&self) -> Box<dyn Read + Send + Sync + 'a> {
        match self {
            Self::Binary(bytes) => Box::new(*bytes),
            Self::Armored(_, body) => Box::new(Decoder::new(*body)),
        }
    }
}

/// Whether a cleartext-signed message (RFC 9580, 7) is the only one there and ends with its signature.
pub(super) fn is_one_clear_signed(message: &[u8]) -> bool {
    const END: &[u8] = b"-----END PGP SIGNATURE-----";
    let begins = lines(message).filter(|(_, line)| kind(line) == Some(Kind::Signed)).count();
    let mut ends = lines(message).filter(|(_, line)| line.starts_with(END));
    match (begins, ends.next(), ends.next()) {
        (1, Some((at, _)), None) => is_blank(&message[at + END.len()..]),
        _ => false,
    }
}

/// Skips the armor's header: everything to the first blank line, whatever it says. Without a blank line there is
/// no header.
fn behind_header(body: &[u8]) -> &[u8] {
    lines(body).find(|(_, line)| is_blank(line)).map_or(body, |(at, line)| &body[at + line.len()..])
}

/// White space only, a no-break space in UTF-8 or Latin-1 among it.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| byte.is_ascii_whitespace() || matches!(byte, 0xa0 | 0xc2 | 0x0b))
}

/// Lines with their offsets and line breaks.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        at += line.len();
        (at - line.len(), line)
    })
}

fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).rposition(|window| window == needle)
}

/// The checksum of an armor (RFC 4880, 6.1), kept in the upper 24 bits. GnuPG 2.2 does not find the end of an armor
/// without it unless its base64 happens to end in padding.
pub(super) struct Crc(u32);

/// For each of eight bytes in a row, what it adds to the checksum of all eight.
const CRC_TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0u32; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut row = 0;
        while row < 8 {
            let mut bit = 0;
            while bit < 8 {
                value = (value << 1) ^ (if value >> 31 == 1 { 0x864c_fb00 } else { 0 });
                bit += 1;
            }
            tables[row][index] = value;
            row += 1;
        }
        index += 1;
    }
    tables
};

impl Crc {
    pub(super) fn new() -> Self {
        Self(0xb704_ce00)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let table = |row: usize, byte: u8| CRC_TABLES[row][usize::from(byte)];
        let mut eights = bytes.chunks_exact(8);
        for eight in &mut eights {
            let head = self.0.to_be_bytes();
            let first = (0..4).fold(0, |crc, at| crc ^ table(7 - at, eight[at] ^ head[at]));
            self.0 = (4..8).fold(first, |crc, at| crc ^ table(7 - at, eight[at]));
        }
        for byte in eights.remainder() {
            self.0 = (self.0 << 8) ^ table(0, (self.0 >> 24) as u8 ^ byte);
        }
    }

    /// Its four digits of base64.
    pub(super) fn encode(&self) -> String {
        BASE64_STANDARD.encode(&self.0.to_be_bytes()[..3])
    }
}
