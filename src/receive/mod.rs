//! Layer 4: where received mail comes from: a file or stdin.

use std::{
    fs::File,
    io,
    io::Read,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::ffi;

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
        let failed = |error| ReceiveError::Read { input: self.clone(), error };
        let mut file = match self {
            Self::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?),
            Self::File(path) => File::open(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReceiveError::Missing(path.clone()),
                _ => ReceiveError::Open { path: path.clone(), error },
            })?,
        };
        let expected = file.metadata().map_err(failed)?.len();
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if expected > LIMIT {
            return Err(ReceiveError::TooLarge(self.clone()));
        }
        // one byte more shows the end without growing
        let bytes = read_within(&mut file, expected + 1, LIMIT).map_err(failed)?;
        bytes.ok_or_else(|| ReceiveError::TooLarge(self.clone()))
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

/// Reads to the end; none if that is beyond the limit.
fn read_within(reader: &mut impl Read, expected: usize, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(ffi::in_large_pages(vec![0; expected.clamp(4096, limit + 1)]));
    let mut filled = 0;
    loop {
        if filled == bytes.len() {
            if filled > limit {
                return Ok(None);
            }
            let mut larger = Zeroizing::new(ffi::in_large_pages(vec![0; (filled * 2).min(limit + 1)]));
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // What lies behind was never written: wiping it would only make the system give the pages.
    bytes.truncate(filled);
    Ok((filled <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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

    proptest::proptest! {
        #[test]
        fn every_length_comes_whole_or_not_at_all(length in 0usize..40_000, expected in 0usize..50_000) {
            let source: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let read = read_within(&mut source.as_slice(), expected, 20_000).unwrap();
            proptest::prop_assert_eq!(read.map(|bytes| bytes.to_vec()), (length <= 20_000).then_some(source));
        }
    }
}
