//! Private folders, locks, and files that are there whole or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    fs::{DirBuilder, File, OpenOptions},
    io,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock, syncfs};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::StoreError;
use crate::crypt::Fingerprint;

/// More than any certificate or key.
const LIMIT: u64 = 16 << 20;

/// From this many files on a wait for the whole file system is shorter than one for each.
const MANY: usize = 64;

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

/// Writes a file of the store whole, mode 0600, in a folder that is made if need be.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    make_private(folder_of(path))?;
    put(path, [bytes], PRIVATE, Existing::Replaced).map_err(StoreError::write(path))
}

/// Writes files of the store as [`write`] does, many with one wait for the disk: first all are written aside and
/// synced together, then renamed, then their folders are synced.
pub(super) fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<(), StoreError> {
    if files.len() < MANY {
        return files.iter().try_for_each(|(path, bytes)| write(path, bytes));
    }
    let folders: BTreeSet<&Path> = files.iter().map(|(path, _)| folder_of(path)).collect();
    let mut systems = BTreeMap::new();
    for folder in &folders {
        make_private(folder)?;
        sweep(folder);
        let opened = File::open(folder).and_then(|opened| Ok((opened.metadata()?.dev(), opened)));
        systems.extend([opened.map_err(StoreError::write(folder))?]);
    }
    let mut all = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let file = aside(path, [bytes.as_slice()], PRIVATE).map_err(StoreError::write(path))?;
        // Closed, since fewer files may be open at once.
        all.push((path, file.into_temp_path()));
    }
    for system in systems.values() {
        let failed = |error: rustix::io::Errno| StoreError::Write { path: files[0].0.clone(), error: error.into() };
        syncfs(system).map_err(failed)?;
    }
    for (path, file) in all {
        file.persist(path).map_err(|error| StoreError::Write { path: path.clone(), error: error.error })?;
    }
    for folder in folders {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::write(folder))?;
    }
    Ok(())
}

/// Removes what was written aside and never put in its place, by a run that was killed; it is worth nothing to anybody,
/// so that whatever fails is left for the next time.
fn sweep(folder: &Path) {
    let left = |there: &fs::DirEntry| {
        let ours = there.file_name().as_encoded_bytes().starts_with(ASIDE.as_bytes());
        let age = there.metadata().and_then(|there| there.modified()).ok().and_then(|changed| changed.elapsed().ok());
        ours && age.is_some_and(|age| age > LEFT)
    };
    for there in fs::read_dir(folder).into_iter().flatten().flatten().filter(left) {
        let _ = fs::remove_file(there.path());
    }
}

/// How the names of files begin that are not in their place yet.
const ASIDE: &str = ".sealpost-";

/// Nobody writes one file for so long.
const LEFT: Duration = Duration::from_secs(60 * 60);

/// Writes a file that is not there yet whole, mode 0600.
///
/// # Errors
/// [`StoreError::Exists`]; a link of that name counts.
pub fn write_new<'a>(path: &Path, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), StoreError> {
    put(path, pieces, PRIVATE, Existing::Kept).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists { path: path.to_owned() },
        _ => StoreError::Write { path: path.to_owned(), error },
    })
}

/// Writes a file that others collect whole, mode 0644, or replaces the one that is there.
///
/// # Errors
/// What is there is no file; a link counts, since whoever may write to such a folder must not choose what is written.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let written = file_there(fs::symlink_metadata(path));
    let written = written.and_then(|_| put(path, [bytes], 0o644, Existing::Replaced));
    written.map_err(StoreError::write(path))
}

/// Writes a file of the user's settings whole. A link stays one, what it leads to is written. The mode of a file that is
/// there stays; a new one has 0600.
///
/// # Errors
/// What is there is no file; or any failure of the system.
pub fn overwrite(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let written = || -> io::Result<()> {
        let there = file_there(fs::metadata(path))?;
        let mode = there.map_or(PRIVATE, |there| there.permissions().mode() & 0o7777);
        put(&end_of_links(path)?, [bytes], mode, Existing::Replaced)
    };
    written().map_err(StoreError::write(path))
}

const PRIVATE: u32 = 0o600;

/// What becomes of a file that is there.
#[derive(Clone, Copy)]
enum Existing {
    Replaced,
    Kept,
}

/// The one way in which a file comes to be: written aside, synced, renamed, the folder synced. A link of its name is
/// never followed. Nobody ever sees half of it.
fn put<'a>(path: &Path, pieces: impl IntoIterator<Item = &'a [u8]>, mode: u32, existing: Existing) -> io::Result<()> {
    let file = aside(path, pieces, mode)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Replaced => file.persist(path),
        Existing::Kept => file.persist_noclobber(path),
    }
    .map_err(|error| error.error)?;
    sync_folder_of(path)
}

/// Writes a file beside its place, to be removed unless it is put there.
fn aside<'a>(path: &Path, pieces: impl IntoIterator<Item = &'a [u8]>, mode: u32) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(ASIDE).tempfile_in(folder_of(path))?;
    for piece in pieces {
        file.write_all(piece)?;
    }
    // Set apart from the making, which the umask would lessen.
    file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

/// What is there, if that is a file.
fn file_there(looked: io::Result<fs::Metadata>) -> io::Result<Option<fs::Metadata>> {
    match looked {
        Ok(there) if there.is_file() => Ok(Some(there)),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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

/// Reads a file; none if it is not there.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    open(path)?.map(|file| read(path, file)).transpose()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, hours: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        };
        file(".sealpost-left", 2);
        file(".sealpost-now", 0);
        file("certificate", 48);
        let files: Vec<_> = (0..MANY).map(|number| (folder.path().join(number.to_string()), vec![1])).collect();
        write_all(&files).unwrap();
        let there = |name: &str| folder.path().join(name).exists();
        assert!(!there(".sealpost-left") && there(".sealpost-now") && there("certificate") && there("63"));
    }
}
