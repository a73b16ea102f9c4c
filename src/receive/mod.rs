//! Layer 4: where received messages come from; for now a file or standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The largest message that is read, in bytes.
pub const LIMIT: u64 = 384 << 20;

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It is not there.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// It is there and cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// Larger than [`LIMIT`].
    #[error("{} is larger than {} MiB", .0.display(), LIMIT >> 20)]
    TooLarge(PathBuf),
}

/// Reads one message from a file, or from standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, ReceiveError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReceiveError::Missing(path.to_owned()),
        _ => ReceiveError::Unreadable { path: path.to_owned(), error },
    };
    let mut bytes = Vec::new();
    let mut take = |from: &mut dyn Read| from.take(LIMIT + 1).read_to_end(&mut bytes);
    if path.as_os_str() == "-" {
        take(&mut io::stdin().lock()).map_err(failed)?;
    } else {
        let mut file = File::open(path).map_err(failed)?;
        take(&mut file).map_err(failed)?;
    }
    if bytes.len() as u64 > LIMIT { Err(ReceiveError::TooLarge(path.to_owned())) } else { Ok(bytes) }
}
