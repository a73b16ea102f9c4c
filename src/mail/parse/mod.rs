//! A message taken apart into a flat, bounded list of parts (RFC 5322, RFC 2045, RFC 2046).
//!
//! Structure is found here in one pass over the lines, with a list of open containers instead of recursion, so
//! that neither depth nor number of parts costs stack or copies: a part is two ranges of the input. mail-parser
//! decodes single values (parameters, encoded words, character sets); its own tree is not used, because it
//! decodes every body at once, ends a part at a boundary in mid-line, and drops nested messages recursively.

mod fields;
mod media;
mod transfer;

use std::{borrow::Cow, collections::HashMap, io::BufRead, ops::Range};

pub use fields::{RawField, fields, harmless, unfold};
pub use media::MediaType;
pub use transfer::TransferEncoding;

/// The most parts that a message may have, the root among them.
pub const MAX_PARTS: usize = 9_999;
/// The deepest nesting of multiparts and messages.
pub const MAX_DEPTH: usize = 100;
/// The most bytes in one header section.
pub const MAX_HEADER: usize = 512 * 1024;
/// The most lines in one header section.
pub const MAX_HEADER_LINES: usize = 20_000;
/// The longest boundary that is taken for one; RFC 2046, 5.1.1 allows 70.
const MAX_BOUNDARY: usize = 200;

/// A limit that a message exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// More than [`MAX_PARTS`].
    #[error("more than {MAX_PARTS} parts")]
    Parts,
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested more than {MAX_DEPTH} deep")]
    Depth,
    /// A header section larger than [`MAX_HEADER`] or longer than [`MAX_HEADER_LINES`].
    #[error("a header section of more than {MAX_HEADER} bytes or {MAX_HEADER_LINES} lines")]
    Header,
}

/// The parts of an entity, the root first, each parent before its children.
#[derive(Debug)]
pub struct Tree {
    parts: Vec<Part>,
}

/// One part: where it stands, and what its MIME fields say.
#[derive(Debug)]
pub struct Part {
    /// The part that holds it; none for the root.
    pub parent: Option<usize>,
    /// The parts that it holds, in order: of a multipart any number, of a message one.
    pub children: Vec<usize>,
    /// Its header section in the input, without the empty line.
    pub header: Range<usize>,
    /// Its body in the input, without the line break that belongs to the next delimiter (RFC 2046, 5.1.1).
    pub body: Range<usize>,
    /// Its media type, the default of its place where it says none.
    pub media: MediaType,
    /// Its disposition, where it says one; the type is in [`MediaType::essence`].
    pub disposition: Option<MediaType>,
    /// How its body is encoded.
    pub encoding: TransferEncoding,
    /// Whether it has several Content-Type or Content-Transfer-Encoding fields, or one parameter twice: readers
    /// disagree on what such a part is.
    pub ambiguous: bool,
    depth: usize,
}

impl Tree {
    /// Takes an entity apart. Lines end in LF or CRLF.
    pub fn parse(bytes: &[u8]) -> Result<Self, Limit> {
        let mut builder = Builder { bytes, at: 0, parts: Vec::new(), open: Vec::new(), delimiters: HashMap::new() };
        builder.run()?;
        Ok(Self { parts: builder.parts })
    }

    /// The parts, the root at 0.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// One part.
    pub fn part(&self, index: usize) -> &Part {
        &self.parts[index]
    }

    /// A part and all below it, in the order of the input. Parts stand parent before child, so that a subtree is
    /// one run.
    pub fn subtree(&self, root: usize) -> Range<usize> {
        let depth = self.parts[root].depth;
        let end = self.parts[root + 1..].iter().position(|part| part.depth <= depth);
        root..end.map_or(self.parts.len(), |offset| root + 1 + offset)
    }

    /// Whether a part lies in a message/rfc822 below `root`.
    pub fn inside_message(&self, root: usize, index: usize) -> bool {
        let mut at = index;
        while at != root {
            let Some(parent) = self.parts[at].parent else { return false };
            if self.parts[parent].media.is_message() {
                return true;
            }
            at = parent;
        }
        false
    }
}

impl Part {
    /// The bytes that a multipart/signed signature covers (RFC 3156, 5): header and body with CRLF line breaks,
    /// without the last one before the delimiter.
    pub fn canonical<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        canonical(&bytes[self.header.start..self.body.end])
    }

    /// The whole part, header and body.
    pub fn range(&self) -> Range<usize> {
        self.header.start..self.body.end
    }

    /// The decoded body.
    pub fn decoded<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let body = &bytes[self.body.clone()];
        match self.encoding {
            TransferEncoding::Identity => Cow::Borrowed(body),
            encoding => {
                let mut out = Vec::with_capacity(encoding.estimate(body.len()));
                encoding.decode(body, &mut |piece| out.extend_from_slice(piece));
                Cow::Owned(out)
            }
        }
    }

    /// Makes a message into the decoded body of this part of it, without a second copy.
    pub fn decode_in_place(&self, message: &mut Vec<u8>) {
        self.encoding.decode_in_place(message, self.body.clone());
    }

    /// Gives the decoded body piece by piece.
    pub fn decode_into(&self, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        self.encoding.decode(&bytes[self.body.clone()], sink);
    }

    /// How many bytes the decoded body has.
    pub fn decoded_len(&self, bytes: &[u8]) -> usize {
        let mut len = 0;
        self.decode_into(bytes, &mut |piece| len += piece.len());
        len
    }

    /// The file name that it suggests (RFC 2183, RFC 2231), decoded, not yet safe.
    pub fn file_name(&self) -> Option<&str> {
        let named = self.disposition.as_ref().and_then(|disposition| disposition.parameter("filename"));
        named.or_else(|| self.media.parameter("name"))
    }

    /// Whether it says that it is an attachment.
    pub fn is_attachment(&self) -> bool {
        self.disposition.as_ref().is_some_and(|disposition| disposition.essence() == "attachment")
    }
}

/// Text with CRLF for each LF; borrowed where all are CRLF already.
pub fn canonical(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut bare = 0;
    let mut before = 0;
    for &byte in bytes {
        bare += usize::from(byte == b'\n' && before != b'\r');
        before = byte;
    }
    if bare == 0 {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + bare);
    before = 0;
    for &byte in bytes {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    Cow::Owned(out)
}

/// The pass over the lines.
struct Builder<'a> {
    bytes: &'a [u8],
    at: usize,
    parts: Vec<Part>,
    /// The parts that have not ended, from the root inwards, each with its boundary while that counts.
    open: Vec<(usize, Option<Vec<u8>>)>,
    /// The boundaries that count, each with its place in `open`.
    delimiters: HashMap<Vec<u8>, usize>,
}

/// A delimiter line.
struct Delimiter {
    /// Its container's place in `open`.
    place: usize,
    /// Whether it closes the container.
    closes: bool,
    /// Where the part before it ends.
    end: usize,
}

impl Builder<'_> {
    fn run(&mut self) -> Result<(), Limit> {
        loop {
            let mut delimiter = self.header()?;
            let whole = delimiter.is_none();
            if whole && self.opens_message() {
                continue;
            }
            // A body, a preamble or an epilogue: on to the next delimiter that begins a part.
            loop {
                let Some(found) = delimiter.take().or_else(|| self.seek()) else {
                    self.close(0, self.bytes.len());
                    return Ok(());
                };
                self.close(found.place + 1, found.end);
                if !found.closes {
                    break;
                }
                if let Some(boundary) = self.open[found.place].1.take() {
                    self.delimiters.remove(&boundary);
                }
            }
        }
    }

    /// Reads one header section and adds its part. Gives the delimiter that cut it short, if any.
    fn header(&mut self) -> Result<Option<Delimiter>, Limit> {
        let parent = self.open.last().map(|(parent, _)| *parent);
        if self.open.len() > MAX_DEPTH {
            return Err(Limit::Depth);
        }
        if self.parts.len() >= MAX_PARTS {
            return Err(Limit::Parts);
        }
        let start = self.at;
        let (mut end, mut cut, mut lines) = (self.bytes.len(), None, 0);
        while let Some(line) = self.line() {
            lines += 1;
            let text = trim_break(&self.bytes[line.clone()]);
            if text.is_empty() {
                end = line.start;
                break;
            }
            if let Some((place, closes)) = self.delimiter(text) {
                end = line.start;
                cut = Some(Delimiter { place, closes, end });
                break;
            }
            if self.at - start > MAX_HEADER || lines > MAX_HEADER_LINES {
                return Err(Limit::Header);
            }
        }
        let body = if cut.is_some() { end } else { self.at };
        let digest = parent.is_some_and(|parent| self.parts[parent].media.essence() == "multipart/digest");
        let mut part = Part::read(&self.bytes[start..end], digest);
        part.header = start..end;
        part.body = body..body;
        part.parent = parent;
        part.depth = self.open.len();
        let index = self.parts.len();
        if let Some(parent) = parent {
            self.parts[parent].children.push(index);
        }
        let boundary = if cut.is_none() { self.boundary(&part) } else { None };
        if let Some(boundary) = &boundary {
            self.delimiters.insert(boundary.clone(), self.open.len());
        }
        self.parts.push(part);
        self.open.push((index, boundary));
        Ok(cut)
    }

    /// The boundary of a multipart. One that an outer container has already is none: its lines end the outer parts.
    fn boundary(&self, part: &Part) -> Option<Vec<u8>> {
        let boundary = part.media.parameter("boundary")?.trim_end().as_bytes();
        let counts = part.media.is_multipart()
            && !boundary.is_empty()
            && boundary.len() <= MAX_BOUNDARY
            && !self.delimiters.contains_key(boundary);
        counts.then(|| boundary.to_vec())
    }

    /// Whether the part just read is a message whose header section begins here.
    fn opens_message(&self) -> bool {
        let part = self.parts.last();
        part.is_some_and(|part| part.media.is_message() && part.encoding == TransferEncoding::Identity)
    }

    /// Ends the open parts from a place on, and forgets their boundaries.
    fn close(&mut self, from: usize, end: usize) {
        for (index, boundary) in self.open.drain(from.min(self.open.len())..) {
            let body = &mut self.parts[index].body;
            body.end = end.max(body.start);
            if let Some(boundary) = boundary {
                self.delimiters.remove(&boundary);
            }
        }
    }

    /// The next delimiter line of an open container.
    fn seek(&mut self) -> Option<Delimiter> {
        if self.delimiters.is_empty() {
            return None;
        }
        while let Some(line) = self.line() {
            if !self.bytes[line.start..].starts_with(b"--") {
                continue;
            }
            if let Some((place, closes)) = self.delimiter(trim_break(&self.bytes[line.clone()])) {
                let end = line.start - break_before(self.bytes, line.start);
                return Some(Delimiter { place, closes, end });
            }
        }
        None
    }

    /// Whether a line is a delimiter (RFC 2046, 5.1.1): `--`, a boundary, `--` if it closes, white space. Where a
    /// line can be read both ways the outer container wins.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        if text.len() > MAX_BOUNDARY + 2 {
            return None;
        }
        let plain = self.delimiters.get(text).map(|place| (*place, false));
        let closing = text.strip_suffix(b"--").and_then(|text| self.delimiters.get(text)).map(|place| (*place, true));
        match (plain, closing) {
            (Some(plain), Some(closing)) => Some(if plain.0 < closing.0 { plain } else { closing }),
            (one, other) => one.or(other),
        }
    }

    /// The next line with its line break.
    fn line(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let mut rest = &self.bytes[start..];
        let length = rest.skip_until(b'\n').unwrap_or_default();
        self.at += length;
        (length > 0).then_some(start..self.at)
    }
}

impl Part {
    /// Reads the MIME fields of a header section; where the part stands is filled in by the caller.
    fn read(header: &[u8], digest: bool) -> Self {
        let (mut media, mut disposition, mut encoding) = (None, None, None);
        let mut ambiguous = false;
        for field in fields(header) {
            if field.is("Content-Type") {
                ambiguous |= media.is_some();
                media.get_or_insert_with(|| MediaType::parse(field.value));
            } else if field.is("Content-Disposition") {
                disposition.get_or_insert_with(|| MediaType::parse(field.value));
            } else if field.is("Content-Transfer-Encoding") {
                ambiguous |= encoding.is_some();
                encoding.get_or_insert_with(|| TransferEncoding::parse(field.value));
            }
        }
        let media = media.unwrap_or_else(|| MediaType::plain(if digest { "message/rfc822" } else { "text/plain" }));
        ambiguous |= media.repeats();
        let encoding = match encoding.unwrap_or(TransferEncoding::Identity) {
            // A multipart is never encoded (RFC 2045, 6.4); what says so is read as it stands.
            _ if media.is_multipart() => TransferEncoding::Identity,
            encoding => encoding,
        };
        Self {
            parent: None,
            children: Vec::new(),
            header: 0..0,
            body: 0..0,
            media,
            disposition,
            encoding,
            ambiguous,
            depth: 0,
        }
    }
}

fn trim_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The length of the line break that ends just before a place.
fn break_before(bytes: &[u8], at: usize) -> usize {
    match &bytes[..at] {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
