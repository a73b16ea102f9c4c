//! Private folders, locks, and files that are there whole or not at all.

use std::{
    fs,
    fs::{DirBuilder, File, OpenOptions},
    io,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use super::StoreError;
use crate::crypt::Fingerprint;

/// More than any certificate or key.
const LIMIT: u64 = 16 << 20;

/// An exclusive lock, held until dropped; the kernel drops it when the process ends in any way.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of a folder, which is made if need be. The shared directory's is named `writelock`.
    ///
    /// # Errors
    /// The folder or the lock cannot be made.
    pub fn take(folder: &Path, name: &str) -> Result<Self, StoreError> {
        make_private(folder)?;
        let path = folder.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::write(&path))?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Err(rustix::io::Errno::INTR) => {}
                locked => {
                    locked.map_err(|error| StoreError::Write { path, error: error.into() })?;
                    return Ok(Self { _file: file });
                }
            }
        }
    }
}

/// Makes a folder and those above it for its owner alone, durably; one that is there stays as it is.
pub fn make_private(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let failed = StoreError::write(folder);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.and_then(|()| sync_folder_of(folder)).map_err(failed)
}

/// Writes a file whole: aside with mode 0600, synced, renamed, the folder synced.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder)?;
    let aside = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".sealpost-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_folder_of(path)
    };
    aside().map_err(StoreError::write(path))
}

/// Writes a file of the user's whole, beside their other files: aside, synced, renamed, the folder synced. A link stays
/// one, what it leads to is written. The mode of a file that is there stays, unless `mode` says which it is to be; a
/// new one has 0600 otherwise. The folder is not made.
///
/// # Errors
/// What is there is no file; or any failure of the system.
pub fn overwrite(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<(), StoreError> {
    let aside = || -> io::Result<()> {
        let there = match fs::metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let target = end_of_links(path)?;
        let mode = mode.or(there.map(|there| there.permissions().mode() & 0o7777)).unwrap_or(0o600);
        let mut file = tempfile::Builder::new().prefix(".sealpost-").tempfile_in(folder_of(&target))?;
        file.write_all(bytes)?;
        // Set apart from the making, which the umask would lessen.
        file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        sync_folder_of(&target)
    };
    aside().map_err(StoreError::write(path))
}

/// What a path leads to, also where nothing is there yet.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut end = path.to_owned();
    // As many as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&end) {
            Ok(next) => end = folder_of(&end).join(next),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                return Ok(end);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Writes a file that is not there yet, with mode 0600, durably; nobody ever sees half of it.
///
/// # Errors
/// [`StoreError::Exists`]; a link of that name counts.
pub fn write_new<'a>(path: &Path, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), StoreError> {
    let folder = folder_of(path);
    let aside = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".sealpost-").tempfile_in(folder)?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        sync_folder_of(path)
    };
    aside().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists { path: path.to_owned() },
        _ => StoreError::Write { path: path.to_owned(), error },
    })
}

/// Removes a file, durably; false if it was not there.
pub(super) fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path).and_then(|()| sync_folder_of(path)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::Write { path: path.to_owned(), error }),
    }
}

/// Opens a file; none if it is not there.
pub(super) fn open(path: &Path) -> Result<Option<File>, StoreError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::Read { path: path.to_owned(), error }),
    }
}

/// Reads a file to its end, but no more than any certificate holds.
pub(super) fn read(path: &Path, file: File) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let length = file.metadata().map_err(StoreError::read(path))?.len().min(LIMIT);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(StoreError::read(path))?;
    if bytes.len() as u64 > LIMIT {
        return Err(StoreError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Reads a file that only its owner may read; none if it is not there.
///
/// # Errors
/// [`StoreError::Exposed`] if others can read it.
pub(super) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let Some(file) = open(path)? else { return Ok(None) };
    let mode = file.metadata().map_err(StoreError::read(path))?.permissions().mode() & 0o7777;
    if mode & 0o044 != 0 {
        return Err(StoreError::Exposed { path: path.to_owned(), mode });
    }
    read(path, file).map(Some)
}

/// The fingerprints that files of a folder are named by, before a suffix, in order; none if there is no folder.
pub(super) fn named(folder: &Path, suffix: &str) -> Result<Vec<Fingerprint>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::Read { path: folder.to_owned(), error }),
    };
    let mut fingerprints = Vec::new();
    for entry in entries {
        let name = entry.map_err(StoreError::read(folder))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(suffix));
        fingerprints.extend(stem.and_then(Fingerprint::parse));
    }
    fingerprints.sort();
    Ok(fingerprints)
}

pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
