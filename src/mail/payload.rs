//! The Cryptographic Payload (RFC 9787): the cleartext MIME entity, which only a suite may read.

use std::{fmt, io};

use zeroize::Zeroizing;

use crate::ffi;

/// The least and the most that a chunk holds that is not the last, in bytes; one that is taken may hold more.
const CHUNK: usize = 64 << 10;
const LARGE_CHUNK: usize = 8 << 20;

/// A cleartext MIME entity with CRLF line breaks, in chunks that can be wiped one by one. It is 7-bit, but for a
/// multipart that came as a whole message, which is kept, and addresses that need SMTPUTF8.
///
/// It is wiped when dropped, shows nothing in `Debug`, has no `Display` and no serde, so that it can reach
/// neither a log nor a file:
///
/// ```compile_fail
/// # use sealpost::mail::Payload;
/// fn leak(payload: &Payload) -> String { payload.to_string() }
/// ```
///
/// ```
/// # use sealpost::mail::Payload;
/// fn measure(payload: &Payload) -> usize { payload.len() }
/// ```
#[derive(Default)]
pub struct Payload {
    chunks: Vec<Zeroizing<Vec<u8>>>,
    len: usize,
    /// How much of that was written, not taken.
    written: usize,
}

impl Payload {
    /// An empty payload to write into.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes bytes behind those it has. Each chunk is as large as all that was written before, so that
    /// few hold much and nothing moves.
    pub(in crate::mail) fn append(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = match self.chunks.last_mut() {
                Some(chunk) if chunk.len() < chunk.capacity() => chunk.capacity() - chunk.len(),
                Some(chunk) if chunk.capacity() < CHUNK => grow(chunk, rest.len()),
                _ => {
                    let least = if self.chunks.is_empty() { rest.len().clamp(4096, CHUNK) } else { CHUNK };
                    let capacity = self.written.clamp(least, LARGE_CHUNK);
                    self.chunks.push(Zeroizing::new(ffi::in_large_pages(Vec::with_capacity(capacity))));
                    capacity
                }
            };
            let (now, later) = rest.split_at(room.min(rest.len()));
            if let Some(chunk) = self.chunks.last_mut() {
                chunk.extend_from_slice(now);
            }
            self.len += now.len();
            self.written += now.len();
            rest = later;
        }
    }

    /// Takes bytes behind those it has, without a copy where they are many.
    pub(in crate::mail) fn take(&mut self, bytes: Zeroizing<Vec<u8>>) {
        if bytes.len() < CHUNK {
            self.append(&bytes);
            return;
        }
        self.len += bytes.len();
        self.chunks.push(bytes);
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| chunk.as_slice())
    }

    /// Gives its bytes away chunk by chunk, so that each can be wiped as soon as it is sealed.
    pub fn into_chunks(self) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
        self.chunks.into_iter()
    }
}

impl io::Write for Payload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes room in a full chunk without leaving an unwiped copy behind, which a plain reallocation would.
fn grow(chunk: &mut Zeroizing<Vec<u8>>, more: usize) -> usize {
    let capacity = (chunk.len() + more).next_power_of_two().min(CHUNK);
    let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
    larger.extend_from_slice(chunk);
    *chunk = larger;
    capacity - chunk.len()
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len)
    }
}
