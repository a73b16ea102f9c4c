//! Attachments and messages written to disk: created exclusively, for the owner only, no link followed, nothing
//! overwritten.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use crate::crypt::open::Released;

/// How many numbers are tried for one name.
const MAX_NUMBER: usize = 10_000;

/// Why something was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The folder cannot be made or opened.
    #[error("cannot open the folder {}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file cannot be created.
    #[error("cannot create {}: {error}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Writing broke off; what was written is removed.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Writes all attachments into a folder, which is made if it is not there. A name that exists gets a number:
/// `menu.pdf`, `menu-1.pdf`. Gives the paths in order, and notes each with its attachment: by its name alone nobody can
/// tell it from a file that was there before.
pub fn save(message: &mut Released, folder: &Path) -> Result<Vec<PathBuf>, SaveError> {
    let failed = |errno: Errno| SaveError::Folder { path: folder.to_owned(), error: errno.into() };
    match mkdirat(CWD, folder, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let directory =
        openat(CWD, folder, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let mut paths = Vec::new();
    for attachment in message.attachments() {
        let (mut file, name) = create(&directory, &attachment.name)
            .map_err(|error| SaveError::Create { path: folder.join(&attachment.name), error })?;
        let path = folder.join(&name);
        let written = message.write_attachment(attachment, &mut file).and_then(|()| file.flush());
        if let Err(error) = written {
            let _ = unlinkat(&directory, &name, rustix::fs::AtFlags::empty());
            return Err(SaveError::Write { path, error });
        }
        paths.push(path);
    }
    for (attachment, path) in message.attachments_mut().iter_mut().zip(&paths) {
        attachment.saved = Some(path.display().to_string());
    }
    Ok(paths)
}

/// Writes the message as it was before it was sealed to a new file.
pub fn save_message(message: &Released, path: &Path) -> Result<(), SaveError> {
    let file = openat(CWD, path, flags(), mode())
        .map_err(|errno| SaveError::Create { path: path.to_owned(), error: errno.into() })?;
    let mut file = io::BufWriter::new(File::from(file));
    let written = message.write_message(&mut file).and_then(|()| file.flush());
    written.map_err(|error| {
        let _ = std::fs::remove_file(path);
        SaveError::Write { path: path.to_owned(), error }
    })
}

fn create(directory: &impl std::os::fd::AsFd, name: &str) -> io::Result<(File, String)> {
    for number in 0..MAX_NUMBER {
        let name = numbered(name, number);
        match openat(directory, name.as_str(), flags(), mode()) {
            Ok(file) => return Ok((File::from(file), name)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::EXIST.into())
}

fn flags() -> OFlags {
    OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn mode() -> Mode {
    Mode::RUSR | Mode::WUSR
}

/// A name with a number before its extension; 0 leaves it as it is.
fn numbered(name: &str, number: usize) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let path = Path::new(name);
    match (path.file_stem().and_then(OsStr::to_str), path.extension().and_then(OsStr::to_str)) {
        (Some(stem), Some(extension)) => format!("{stem}-{number}.{extension}"),
        _ => format!("{name}-{number}"),
    }
}

#[cfg(test)]
mod tests;
