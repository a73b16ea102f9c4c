//! Reading of BER (X.690, 8), borrowed from the input: definite and indefinite lengths, constructed strings.
//!
//! The `der` crate refuses some of BER (strings in pieces of definite length, lengths that are not minimal) and
//! copies every content. Here a content is a range of the input, however large, so that it can be decrypted where
//! it stands. No recursion; depth is bounded.

use std::{borrow::Cow, ops::Range};

/// Universal tags, the constructed bit set where the type is always constructed.
pub(in crate::crypt::smime) mod tag {
    pub(in crate::crypt::smime) const INTEGER: u8 = 0x02;
    pub(in crate::crypt::smime) const BIT_STRING: u8 = 0x03;
    pub(in crate::crypt::smime) const OCTET_STRING: u8 = 0x04;
    pub(in crate::crypt::smime) const OID: u8 = 0x06;
    pub(in crate::crypt::smime) const UTC_TIME: u8 = 0x17;
    pub(in crate::crypt::smime) const GENERALIZED_TIME: u8 = 0x18;
    pub(in crate::crypt::smime) const SEQUENCE: u8 = 0x30;
    pub(in crate::crypt::smime) const SET: u8 = 0x31;

    /// Context-specific and constructed (X.690, 8.1.2).
    pub(in crate::crypt::smime) const fn context(number: u8) -> u8 {
        0xa0 | number
    }
}

const CONSTRUCTED: u8 = 0x20;
const CONSTRUCTED_STRING: u8 = tag::OCTET_STRING | CONSTRUCTED;

/// The deepest nesting of elements with indefinite lengths, and of strings in pieces of pieces.
const MAX_DEPTH: usize = 32;

/// What is no BER, or not the element that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::crypt::smime) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(in crate::crypt::smime) struct Element<'a> {
    /// Class, constructed bit and number, which is below 31.
    pub tag: u8,
    /// Its contents, without the end marker of an indefinite length.
    pub contents: &'a [u8],
    /// The whole of it as it stood.
    pub raw: &'a [u8],
    /// Where the contents stand in what was read.
    at: usize,
}

/// Elements one behind the other.
#[derive(Clone, Copy, Debug)]
pub(in crate::crypt::smime) struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
}

/// The first octets of an element.
struct Header {
    tag: u8,
    /// Of these first octets.
    len: usize,
    /// Of the contents; none if indefinite.
    contents: Option<usize>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self> {
        let (&tag, rest) = bytes.split_first().ok_or(Malformed)?;
        // Nothing in CMS or X.509 has a tag number of several octets.
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        if first == 0x80 {
            return if tag & CONSTRUCTED == 0 { Err(Malformed) } else { Ok(Self { tag, len: 2, contents: None }) };
        }
        if first < 0x80 {
            return Ok(Self { tag, len: 2, contents: Some(usize::from(first)) });
        }
        let octets = rest.get(..usize::from(first & 0x7f)).ok_or(Malformed)?;
        let mut contents = 0usize;
        for &octet in octets {
            contents =
                contents.checked_mul(256).and_then(|high| high.checked_add(usize::from(octet))).ok_or(Malformed)?;
        }
        Ok(Self { tag, len: 2 + octets.len(), contents: Some(contents) })
    }
}

/// How long contents of indefinite length are, without their end marker.
fn indefinite(bytes: &[u8]) -> Result<usize> {
    let (mut at, mut depth) = (0, 1);
    loop {
        let rest = bytes.get(at..).ok_or(Malformed)?;
        if rest.starts_with(&[0, 0]) {
            depth -= 1;
            if depth == 0 {
                return Ok(at);
            }
            at += 2;
            continue;
        }
        let header = Header::read(rest)?;
        at += header.len;
        match header.contents {
            Some(len) => at = at.checked_add(len).ok_or(Malformed)?,
            None if depth == MAX_DEPTH => return Err(Malformed),
            None => depth += 1,
        }
    }
}

impl<'a> Element<'a> {
    /// The one element that some bytes are; an end of line behind it is allowed.
    pub(in crate::crypt::smime) fn only(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let element = cursor.next()?;
        if cursor.rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')) { Ok(element) } else { Err(Malformed) }
    }

    /// The elements in it, if it has a tag.
    pub(in crate::crypt::smime) fn inside(&self, tag: u8) -> Result<Cursor<'a>> {
        if self.tag == tag { Ok(Cursor { rest: self.contents, at: self.at }) } else { Err(Malformed) }
    }

    /// The contents of a primitive element, if it has a tag.
    pub(in crate::crypt::smime) fn primitive(&self, tag: u8) -> Result<&'a [u8]> {
        if self.tag == tag { Ok(self.contents) } else { Err(Malformed) }
    }

    /// The octets of a string, in one piece or in several, if it has a tag in its primitive form.
    pub(in crate::crypt::smime) fn octets(&self, tag: u8) -> Result<Cow<'a, [u8]>> {
        if self.tag == tag {
            return Ok(Cow::Borrowed(self.contents));
        }
        if self.tag != tag | CONSTRUCTED {
            return Err(Malformed);
        }
        let (mut pieces, mut all) = (Pieces::new(self.contents), Vec::new());
        while let Some(piece) = pieces.next(self.contents)? {
            all.extend_from_slice(self.contents.get(piece).ok_or(Malformed)?);
        }
        Ok(Cow::Owned(all))
    }
}

impl<'a> Cursor<'a> {
    pub(in crate::crypt::smime) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// What is left.
    pub(in crate::crypt::smime) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    pub(in crate::crypt::smime) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The elements of the first element, whether or not all of it is there.
    pub(in crate::crypt::smime) fn begun(bytes: &'a [u8], tag: u8) -> Result<Self> {
        let header = Header::read(bytes)?;
        let rest = bytes.get(header.len..).filter(|_| header.tag == tag).ok_or(Malformed)?;
        Ok(Self { rest, at: header.len })
    }

    /// The next element.
    pub(in crate::crypt::smime) fn next(&mut self) -> Result<Element<'a>> {
        let header = Header::read(self.rest)?;
        let behind = self.rest.get(header.len..).ok_or(Malformed)?;
        let (len, marker) = match header.contents {
            Some(len) => (len, 0),
            None => (indefinite(behind)?, 2),
        };
        let contents = behind.get(..len).ok_or(Malformed)?;
        let (raw, rest) = self.rest.split_at_checked(header.len + len + marker).ok_or(Malformed)?;
        let at = self.at + header.len;
        self.rest = rest;
        self.at += raw.len();
        Ok(Element { tag: header.tag, contents, raw, at })
    }

    /// The next element, if it has one of the tags.
    pub(in crate::crypt::smime) fn next_if(&mut self, tags: &[u8]) -> Result<Option<Element<'a>>> {
        match self.rest.first() {
            Some(tag) if tags.contains(tag) => self.next().map(Some),
            _ => Ok(None),
        }
    }

    /// The next element, which has a tag and elements in it.
    pub(in crate::crypt::smime) fn inside(&mut self, tag: u8) -> Result<Cursor<'a>> {
        self.next()?.inside(tag)
    }

    /// All the elements that are left, not more than a number of them.
    pub(in crate::crypt::smime) fn all(mut self, most: usize) -> Result<Option<Vec<Element<'a>>>> {
        let mut elements = Vec::new();
        while !self.is_empty() {
            if elements.len() == most {
                return Ok(None);
            }
            elements.push(self.next()?);
        }
        Ok(Some(elements))
    }

    /// Nothing may be left.
    pub(in crate::crypt::smime) fn end(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// The primitive pieces of a constructed octet string (X.690, 8.7.3), in order. It does not hold the string, so that
/// what lies behind may be moved while it goes on.
struct Pieces {
    at: usize,
    /// Where the open strings end, the outermost first; none where a marker tells.
    open: Vec<Option<usize>>,
}

impl Pieces {
    fn new(contents: &[u8]) -> Self {
        Self { at: 0, open: vec![Some(contents.len())] }
    }

    /// Where the next piece stands in the contents.
    fn next(&mut self, contents: &[u8]) -> Result<Option<Range<usize>>> {
        while let Some(end) = self.open.last().copied() {
            let rest = contents.get(self.at..).ok_or(Malformed)?;
            match end {
                Some(end) if self.at == end => {
                    self.open.pop();
                    continue;
                }
                None if rest.starts_with(&[0, 0]) => {
                    self.open.pop();
                    self.at += 2;
                    continue;
                }
                _ => {}
            }
            let header = Header::read(rest)?;
            self.at += header.len;
            let end = header.contents.map(|len| self.at.checked_add(len).ok_or(Malformed)).transpose()?;
            let bound = self.open.iter().rev().flatten().next().copied().unwrap_or(contents.len());
            if end.unwrap_or(self.at) > bound {
                return Err(Malformed);
            }
            match (header.tag, end) {
                (tag::OCTET_STRING, Some(end)) => {
                    let piece = self.at..end;
                    self.at = end;
                    return Ok(Some(piece));
                }
                (CONSTRUCTED_STRING, end) if self.open.len() < MAX_DEPTH => self.open.push(end),
                _ => return Err(Malformed),
            }
        }
        Ok(None)
    }
}

/// A string of octets that may be large: where it stands in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::crypt::smime) struct Octets {
    contents: Range<usize>,
    constructed: bool,
}

impl Octets {
    /// The place of an element's octets, if it has a tag in its primitive form.
    pub(in crate::crypt::smime) fn of(element: &Element<'_>, tag: u8) -> Result<Self> {
        let constructed = element.tag == tag | CONSTRUCTED;
        if element.tag != tag && !constructed {
            return Err(Malformed);
        }
        if constructed {
            let mut pieces = Pieces::new(element.contents);
            while pieces.next(element.contents)?.is_some() {}
        }
        Ok(Self { contents: element.at..element.at + element.contents.len(), constructed })
    }

    /// Joins the octets where they stand in the buffer that was read, and gives the range that they have then.
    pub(in crate::crypt::smime) fn join(&self, buffer: &mut [u8]) -> Result<Range<usize>> {
        let contents = buffer.get_mut(self.contents.clone()).ok_or(Malformed)?;
        if !self.constructed {
            return Ok(self.contents.clone());
        }
        let (mut pieces, mut joined) = (Pieces::new(contents), 0);
        while let Some(piece) = pieces.next(contents)? {
            let len = piece.len();
            contents.copy_within(piece, joined);
            joined += len;
        }
        Ok(self.contents.start..self.contents.start + joined)
    }
}
