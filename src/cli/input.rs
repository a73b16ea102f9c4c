//! Input files and stdin, which is read once.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

use super::{exit::Kind, failure::Failure};

/// Stdin, for the one use that it has in a run.
#[derive(Debug, Default)]
pub struct Stdin {
    taken_for: Option<&'static str>,
}

impl Stdin {
    /// Reads all of stdin.
    ///
    /// # Errors
    /// Usage, if something else took it before.
    pub fn read(&mut self, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if let Some(before) = self.taken_for.replace(what) {
            return Err(Failure::new(Kind::Usage, format!("standard input cannot be {before} and {what} at once")));
        }
        let stdin = io::stdin();
        // A file behind it tells its size.
        let expected = rustix::fs::fstat(&stdin).map_or(0, |stat| usize::try_from(stat.st_size).unwrap_or(0));
        read_all(stdin.lock(), expected).map_err(|error| unreadable("standard input", &error))
    }

    /// Reads a file, or stdin for `-`.
    pub fn file(&mut self, path: &Path, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if path.as_os_str() == "-" { self.read(what) } else { file(path) }
    }
}

/// Reads a whole file.
pub fn file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = path.display().to_string();
    let opened = fs::File::open(path).map_err(|error| unreadable(&shown, &error))?;
    let size = opened.metadata().map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(0));
    read_all(opened, size).map_err(|error| unreadable(&shown, &error))
}

/// Grows by copying into wiped memory, which a plain reallocation would not.
fn read_all(mut from: impl Read, expected: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected.clamp(16 << 10, 1 << 30) + 1));
    loop {
        if bytes.len() == bytes.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(bytes.capacity() * 2));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        let room = (bytes.capacity() - bytes.len()) as u64;
        if from.by_ref().take(room).read_to_end(&mut bytes)? == 0 {
            return Ok(bytes);
        }
    }
}

/// Text that must be UTF-8; the bytes become it without a copy.
pub fn text(mut bytes: Zeroizing<Vec<u8>>, what: &str) -> Result<Zeroizing<String>, Failure> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(refused) => {
            let at = refused.utf8_error().valid_up_to();
            drop(Zeroizing::new(refused.into_bytes()));
            Err(Failure::new(Kind::Malformed, format!("{what} is not UTF-8 text, at byte {at}")))
        }
    }
}

/// The failure to read an input.
pub fn unreadable(what: &str, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Kind::NoInput,
        io::ErrorKind::PermissionDenied => Kind::Permission,
        _ => Kind::Io,
    };
    Failure::new(kind, format!("cannot read {what}: {error}"))
}
