//! Layer 4: where received mail comes from: a file or stdin.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::{fd::AsFd, unix::fs::FileExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    ffi,
    mail::Message,
    threads::{WORTHWHILE, both},
};

/// The largest message that is read, in bytes.
pub const LIMIT: usize = 384 << 20;

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input, to its end.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// There is no such file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It cannot be opened, say for want of permission.
    #[error("{} cannot be opened: {error}", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// Reading broke off.
    #[error("{input} cannot be read: {error}")]
    Read {
        /// From where.
        input: Input,
        /// The system's word.
        error: io::Error,
    },
    /// More than [`LIMIT`].
    #[error("{0} holds more than 384 MiB")]
    TooLarge(Input),
}

/// Reads a message whole from a file, or from stdin for `-`.
pub fn read(name: &Path) -> Result<Zeroizing<Vec<u8>>, ReceiveError> {
    Input::new(name).read()
}

impl Input {
    /// `-` is stdin, all else the name of a file.
    pub fn new(name: &Path) -> Self {
        if name == Path::new("-") { Self::Stdin } else { Self::File(name.to_owned()) }
    }

    /// Reads the message whole. It may be cleartext, so it is wiped when dropped and no copy stays behind.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, ReceiveError> {
        let mut source = self.open()?;
        let bytes = source.rest(&[], LIMIT).map_err(|error| self.failed(error))?;
        bytes.ok_or_else(|| ReceiveError::TooLarge(self.clone()))
    }

    /// Reads the message with its header section apart.
    pub fn read_message(&self) -> Result<Message, ReceiveError> {
        let mut source = self.open()?;
        let message = source.message(LIMIT).map_err(|error| self.failed(error))?;
        message.ok_or_else(|| ReceiveError::TooLarge(self.clone()))
    }

    fn open(&self) -> Result<Source, ReceiveError> {
        let mut file = match self {
            Self::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(|error| self.failed(error))?),
            Self::File(path) => File::open(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReceiveError::Missing(path.clone()),
                _ => ReceiveError::Open { path: path.clone(), error },
            })?,
        };
        let data = file.metadata().map_err(|error| self.failed(error))?;
        let size = if data.is_file() { data.len() } else { 0 };
        let position = if data.is_file() { file.stream_position().map_err(|error| self.failed(error))? } else { 0 };
        let expected = usize::try_from(size.saturating_sub(position)).unwrap_or(usize::MAX);
        if expected > LIMIT {
            return Err(ReceiveError::TooLarge(self.clone()));
        }
        Ok(Source { file, expected })
    }

    fn failed(&self, error: io::Error) -> ReceiveError {
        ReceiveError::Read { input: self.clone(), error }
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How much is read at first.
const HEAD: usize = 64 << 10;

/// An open file.
struct Source {
    file: File,
    /// How much it is said to hold still, in bytes; nothing where nobody knows.
    expected: usize,
}

impl Source {
    /// Reads to the end, with the header section apart; none if that is beyond the limit.
    fn message(&mut self, limit: usize) -> io::Result<Option<Message>> {
        let mut header = Zeroizing::new(vec![0; HEAD]);
        let mut filled = 0;
        let (start, ended) = loop {
            let count = read_some(&mut self.file, &mut header[filled..])?;
            let start = Message::body_start(&header[..filled + count], filled);
            filled += count;
            if start.is_some() || count == 0 || filled > limit {
                break (start, count == 0);
            }
            if filled == header.len() {
                header = larger(&header, limit);
            }
        };
        let start = start.unwrap_or(filled);
        self.expected = self.expected.saturating_sub(filled);
        let body = match ended {
            true => Some(Zeroizing::new(header[start..filled].to_vec())),
            false => self.rest(&header[start..filled], limit.saturating_sub(start))?,
        };
        header.truncate(start);
        Ok(body.filter(|_| filled <= limit).map(|body| Message { header, body }))
    }

    /// Reads to the end, behind what was read before; none if that is beyond the limit.
    fn rest(&mut self, before: &[u8], limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        // One byte more shows the end without growing.
        let room = before.len().saturating_add(self.expected).saturating_add(1);
        let mut bytes = Zeroizing::new(ffi::in_large_pages(vec![0; room.max(4096).min(limit + 1)]));
        let mut filled = before.len().min(bytes.len());
        bytes[..filled].copy_from_slice(&before[..filled]);
        if self.expected >= WORTHWHILE {
            let end = bytes.len().min(filled + self.expected);
            self.halves(&mut bytes[filled..end])?;
            filled = end;
        }
        loop {
            if filled > limit {
                return Ok(None);
            }
            if filled == bytes.len() {
                bytes = larger(&bytes, limit);
            }
            match read_some(&mut self.file, &mut bytes[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(Some(bytes))
    }

    /// Fills a buffer from a large file, of which two threads read about half each.
    fn halves(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let (length, at) = (bytes.len() as u64, self.file.stream_position()?);
        let (one, other) = bytes.split_at_mut(bytes.len() / 2);
        let middle = at + one.len() as u64;
        let file = &self.file;
        let (one, other) = both(|| file.read_exact_at(one, at), || file.read_exact_at(other, middle));
        one.and(other)?;
        self.file.seek(SeekFrom::Start(at + length))?;
        Ok(())
    }
}

/// Twice the room, one byte beyond the limit at most, with what is there.
fn larger(bytes: &Zeroizing<Vec<u8>>, limit: usize) -> Zeroizing<Vec<u8>> {
    let room = (bytes.len() * 2).min(limit + 1).max(bytes.len());
    let mut larger = Zeroizing::new(ffi::in_large_pages(vec![0; room]));
    larger[..bytes.len()].copy_from_slice(bytes);
    larger
}

/// Reads what there is; nothing is the end.
fn read_some(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_comes_whole_and_what_is_none_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("message.eml");
        std::fs::write(&path, b"a\r\n\0\xff").unwrap();
        assert_eq!(**Input::new(&path).read().unwrap(), *b"a\r\n\0\xff");
        assert!(matches!(Input::new(&folder.path().join("none")).read(), Err(ReceiveError::Missing(_))));
        assert!(matches!(Input::new(&path.join("below")).read(), Err(ReceiveError::Missing(_))));
        assert!(matches!(Input::new(folder.path()).read(), Err(ReceiveError::Read { .. })));
        assert_eq!(Input::new(Path::new("-")), Input::Stdin);
        let huge = folder.path().join("huge");
        File::create(&huge).unwrap().set_len(LIMIT as u64 + 1).unwrap();
        assert!(matches!(Input::new(&huge).read(), Err(ReceiveError::TooLarge(_))));
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_large_file_comes_whole_from_where_it_is_read() {
        let body: Vec<u8> = (0..3_000_000u32).map(|index| (index % 251) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("message.eml");
        std::fs::write(&path, [b"A: b\r\n\r\n", &body[..]].concat()).unwrap();
        let message = Input::new(&path).read_message().unwrap();
        assert!(*message.header == b"A: b\r\n\r\n" && *message.body == body);
        assert!(Input::new(&path).read().unwrap()[8..] == body);
        let mut begun = Source { file: file(&body), expected: body.len() - 1000 };
        begun.file.seek(SeekFrom::Start(1000)).unwrap();
        assert!(*begun.rest(b"before", LIMIT).unwrap().unwrap() == [b"before", &body[1000..]].concat());
        // It grew, or shrank, since its size was asked for.
        let mut longer = Source { file: file(&body), expected: 2_000_000 };
        assert!(*longer.rest(&[], LIMIT).unwrap().unwrap() == body);
        assert!(Source { file: file(&body), expected: body.len() + 1 }.rest(&[], LIMIT).is_err());
    }

    #[test]
    fn a_pipe_is_read_as_it_comes() {
        let text = ["A: b\r\n".repeat(20_000), "\r\n".to_owned(), "body\n".repeat(1000)].concat();
        let (out, mut into) = std::io::pipe().unwrap();
        let writer = std::thread::spawn({
            let text = text.clone();
            move || text.as_bytes().chunks(997).for_each(|chunk| into.write_all(chunk).unwrap())
        });
        let file = File::from(std::os::fd::OwnedFd::from(out));
        let message = Source { file, expected: 0 }.message(LIMIT).unwrap().unwrap();
        writer.join().unwrap();
        assert_eq!((message.header.len(), message.body.len()), (120_002, 5000));
        assert!([&message.header[..], &message.body].concat() == text.as_bytes());
    }

    proptest::proptest! {
        #[test]
        fn every_length_comes_whole_or_not_at_all(length in 0usize..40_000, expected in 0usize..50_000) {
            let source: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let read = Source { file: file(&source), expected }.rest(&[], 20_000).unwrap();
            proptest::prop_assert_eq!(read.map(|bytes| bytes.to_vec()), (length <= 20_000).then_some(source));
        }

        #[test]
        fn a_header_is_the_same_however_it_is_read(
            header in "[a\r\n]{0,6}", long in proptest::bool::ANY, body in "[a\r\n]{0,6}", more in 65_525usize..65_545,
        ) {
            let text = [if long { "a".repeat(more) } else { String::new() }, header, body].concat().into_bytes();
            let read = |limit| Source { file: file(&text), expected: text.len() }.message(limit).unwrap();
            let (message, whole) = (read(1 << 20).unwrap(), Message::from(Zeroizing::new(text.clone())));
            proptest::prop_assert!(message.header == whole.header && message.body == whole.body);
            proptest::prop_assert!([&message.header[..], &message.body].concat() == text);
            proptest::prop_assert!(text.is_empty() || read(text.len() - 1).is_none());
            proptest::prop_assert!(read(text.len()).is_some());
        }
    }
}
