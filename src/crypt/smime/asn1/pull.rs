//! Reading BER (X.690, 8) from a stream: of a large message only as much as is asked for is read, and no content is
//! held that need not be. No recursion; everything kept is bounded.

use std::io::Read;

const BROKEN: &str = "its CMS structure cannot be read";

/// The deepest nesting of elements.
const MOST_DEPTH: usize = 64;

/// The most octets of an element that is kept.
pub(in crate::crypt::smime) const MOST_KEPT: usize = 1 << 16;

/// The first octets of an element.
#[derive(Clone, Copy)]
struct Header {
    tag: u8,
    /// Of its contents; none if indefinite.
    length: Option<usize>,
    octets: [u8; 10],
    used: usize,
}

/// Elements one behind the other.
pub(in crate::crypt::smime) struct Pull<R> {
    source: R,
    /// How many octets were consumed.
    at: usize,
    /// A header that was looked at.
    next: Option<Header>,
    /// Where each element that was entered ends; none if indefinite.
    entered: Vec<Option<usize>>,
}

impl<R: Read> Pull<R> {
    /// Begins to read.
    pub(in crate::crypt::smime) fn new(source: R) -> Self {
        Self { source, at: 0, next: None, entered: Vec::new() }
    }

    /// The tag of the next element; none at the end of the element that was entered.
    pub(in crate::crypt::smime) fn peek(&mut self) -> Result<Option<u8>, &'static str> {
        if matches!(self.entered.last(), Some(Some(end)) if *end == self.at) {
            return Ok(None);
        }
        let header = self.header()?;
        let end = self.entered.last() == Some(&None) && header.tag == 0;
        Ok((!end).then_some(header.tag))
    }

    /// Enters the next element, which has this tag and is constructed; gives the length of its contents unless that
    /// is indefinite.
    pub(in crate::crypt::smime) fn enter(&mut self, tag: u8) -> Result<Option<usize>, &'static str> {
        let header = self.take(tag)?;
        if self.entered.len() == MOST_DEPTH {
            return Err(BROKEN);
        }
        self.entered.push(header.length.map(|length| self.at + length));
        Ok(header.length)
    }

    /// Leaves the element that was entered last, which must be at its end.
    pub(in crate::crypt::smime) fn leave(&mut self) -> Result<(), &'static str> {
        if self.peek()?.is_some() {
            return Err("its CMS structure holds something that is no part of it");
        }
        if self.entered.pop() == Some(None) {
            self.take_end()?;
        }
        Ok(())
    }

    /// The next element as it stands, which has this tag.
    pub(in crate::crypt::smime) fn element(&mut self, tag: u8) -> Result<Vec<u8>, &'static str> {
        let mut kept = Vec::new();
        let mut depth = 0;
        loop {
            let due = if depth == 0 { tag } else { self.header()?.tag };
            let header = if due == 0 { self.take_end()? } else { self.take(due)? };
            kept.extend_from_slice(&header.octets[..header.used]);
            match header.length {
                None => depth += 1,
                Some(_) if due == 0 => depth -= 1,
                Some(length) => self.contents(length, &mut kept)?,
            }
            if kept.len() > MOST_KEPT || depth > MOST_DEPTH {
                return Err(BROKEN);
            }
            if depth == 0 {
                return Ok(kept);
            }
        }
    }

    /// The contents of the next element, which has this tag and a definite length.
    pub(in crate::crypt::smime) fn value(&mut self, tag: u8) -> Result<Vec<u8>, &'static str> {
        let mut kept = Vec::new();
        let length = self.take(tag)?.length.ok_or(BROKEN)?;
        self.contents(length, &mut kept)?;
        Ok(kept)
    }

    /// Whether the next element has this tag and a definite length, which is given; its header is passed, its
    /// contents are left for [`Pull::pass`].
    pub(in crate::crypt::smime) fn open(&mut self, tag: u8) -> Result<usize, &'static str> {
        self.take(tag)?.length.ok_or(BROKEN)
    }

    /// Passes over contents.
    pub(in crate::crypt::smime) fn pass(&mut self, length: usize) -> Result<(), &'static str> {
        let passed = std::io::copy(&mut self.source.by_ref().take(length as u64), &mut std::io::sink());
        if passed.map_err(|_| BROKEN)? != length as u64 {
            return Err(BROKEN);
        }
        self.at += length;
        Ok(())
    }

    /// That nothing follows.
    pub(in crate::crypt::smime) fn end(&mut self) -> Result<(), &'static str> {
        match self.source.read(&mut [0]) {
            Ok(0) if self.next.is_none() && self.entered.is_empty() => Ok(()),
            _ => Err("something stands behind its CMS structure"),
        }
    }

    fn contents(&mut self, length: usize, kept: &mut Vec<u8>) -> Result<(), &'static str> {
        if length > MOST_KEPT {
            return Err(BROKEN);
        }
        let begin = kept.len();
        kept.resize(begin + length, 0);
        self.source.read_exact(&mut kept[begin..]).map_err(|_| BROKEN)?;
        self.at += length;
        Ok(())
    }

    fn take(&mut self, tag: u8) -> Result<Header, &'static str> {
        let header = self.header()?;
        if header.tag != tag || tag == 0 {
            return Err(BROKEN);
        }
        self.consume(header)
    }

    /// The mark behind contents of indefinite length.
    fn take_end(&mut self) -> Result<Header, &'static str> {
        let header = self.header()?;
        if header.octets[..header.used] != [0, 0] {
            return Err(BROKEN);
        }
        self.consume(header)
    }

    fn consume(&mut self, header: Header) -> Result<Header, &'static str> {
        let begin = self.at + header.used;
        let end = begin.checked_add(header.length.unwrap_or(0)).ok_or(BROKEN)?;
        let room = self.entered.iter().rev().find_map(|end| *end).unwrap_or(usize::MAX);
        if end > room {
            return Err(BROKEN);
        }
        self.next = None;
        self.at = begin;
        Ok(header)
    }

    fn header(&mut self) -> Result<Header, &'static str> {
        if let Some(header) = self.next {
            return Ok(header);
        }
        let mut octets = [0; 10];
        self.source.read_exact(&mut octets[..2]).map_err(|_| BROKEN)?;
        let [tag, first] = [octets[0], octets[1]];
        let mut used = 2;
        // Nothing in CMS has a tag number of several octets.
        if tag & 0x1f == 0x1f {
            return Err(BROKEN);
        }
        let length = match first {
            0..=0x7f => Some(usize::from(first)),
            0x80 if tag & 0x20 != 0 => None,
            0x81..=0x88 => {
                used += usize::from(first & 0x7f);
                let long = &mut octets[2..used];
                self.source.read_exact(long).map_err(|_| BROKEN)?;
                let length = long.iter().fold(0u64, |length, octet| (length << 8) | u64::from(*octet));
                Some(usize::try_from(length).map_err(|_| BROKEN)?)
            }
            _ => return Err(BROKEN),
        };
        let header = Header { tag, length, octets, used };
        self.next = Some(header);
        Ok(header)
    }
}
