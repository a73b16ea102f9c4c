//! The folders that certificates lie in, and how to tell that one of them, or a file in it, was changed.
//!
//! Whoever puts a file into a folder, renames one into its place or removes one changes the folder's time of change
//! (ctime), whichever program it is, and no program can set that time. The tag of `openpgp-cert-d` folds the times of
//! modification of the 256 folders into 64 bits by exclusive or, so that two changes can cancel out, and it says of no
//! folder that it is the one: each folder is looked at by itself instead.
//!
//! Times of change come from a clock that ticks, up to every 10 ms, and file systems may round them, FAT to 2 s. What
//! changes after it was read, but within the same tick, bears the same time. So a time counts only once it lies further
//! back than any tick, as git does with its index; before that the folder is read again each time. Other machines'
//! clocks are not ours, nor are times fresh that a network file system keeps aside: such a folder has no stamps.

use std::{
    fs,
    fs::Metadata,
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    crypt::{Fingerprint, SuiteName},
    keystore::Origin,
};

/// A folder with one file for each certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    /// That of fingerprints with a first byte, in the shared directory (draft-nwjw-openpgp-cert-d, 3).
    OpenPgp(u8),
    /// One of X.509 certificates.
    Smime(Origin),
}

/// What of a file or folder changes with its content: inode, size, time of modification and of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([i64; 6]);

/// A file on a shelf.
pub(super) struct Book {
    pub fingerprint: Fingerprint,
    pub path: PathBuf,
    pub stamp: Stamp,
    /// What it leads to may change without a sign.
    pub is_link: bool,
}

/// Longer than a tick of the clock that stamps files.
const TICK: Duration = Duration::from_millis(20);

/// Longer than what file systems round times to.
const ROUNDED: Duration = Duration::from_millis(2500);

/// By their numbers in `statfs(2)`: ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, JFS, tmpfs, ramfs, overlayfs,
/// eCryptfs, FAT, exFAT.
const LOCAL: [u32; 13] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x3153_464a,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
    0xf15f,
    0x4d44,
    0x2011_bab0,
];

impl Shelf {
    /// Those of a suite.
    pub(super) fn of(suite: SuiteName) -> Vec<Self> {
        match suite {
            SuiteName::OpenPgp => (0..=u8::MAX).map(Self::OpenPgp).collect(),
            SuiteName::Smime => [Origin::Imported, Origin::Candidate].map(Self::Smime).into(),
        }
    }

    pub(super) fn suite(self) -> SuiteName {
        match self {
            Self::OpenPgp(_) => SuiteName::OpenPgp,
            Self::Smime(_) => SuiteName::Smime,
        }
    }

    /// Its number in the index.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::OpenPgp(first) => first.into(),
            Self::Smime(Origin::Imported) => 256,
            Self::Smime(Origin::Candidate) => 257,
        }
    }

    /// Its folder below that of its suite.
    pub(super) fn folder(self, root: &Path) -> PathBuf {
        match self {
            Self::OpenPgp(first) => root.join(format!("{first:02x}")),
            Self::Smime(Origin::Imported) => root.to_owned(),
            Self::Smime(Origin::Candidate) => root.join("candidates"),
        }
    }

    /// When the folder was changed; none if it is not there. A link in the shared directory leads nowhere, since its
    /// library follows none.
    pub(super) fn stamp(self, root: &Path) -> io::Result<Option<Stamp>> {
        let folder = self.folder(root);
        let looked = match self {
            Self::OpenPgp(_) => fs::symlink_metadata(folder),
            Self::Smime(_) => fs::metadata(folder),
        };
        match looked {
            Ok(there) if there.is_dir() => Ok(Some(Stamp::of(&there))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What lies in the folder under the name of a certificate; none of it was read.
    pub(super) fn books(self, root: &Path) -> io::Result<Vec<Book>> {
        let mut books = Vec::new();
        for entry in fs::read_dir(self.folder(root))? {
            let entry = entry?;
            let Some(fingerprint) = entry.file_name().to_str().and_then(|name| self.fingerprint(name)) else {
                continue;
            };
            match entry.metadata() {
                Ok(there) if there.is_file() || there.is_symlink() => books.push(Book {
                    fingerprint,
                    path: entry.path(),
                    stamp: Stamp::of(&there),
                    is_link: there.is_symlink(),
                }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(books)
    }

    /// Whose a file of this name is.
    fn fingerprint(self, name: &str) -> Option<Fingerprint> {
        match self {
            Self::OpenPgp(first) => {
                let plain = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                plain.then(|| Fingerprint::parse(&format!("{first:02x}{name}"))).flatten()
            }
            Self::Smime(_) => {
                let stem = name.strip_suffix(".pem")?;
                Fingerprint::parse(stem).filter(|fingerprint| fingerprint.as_str() == stem)
            }
        }
    }
}

impl Stamp {
    fn of(there: &Metadata) -> Self {
        let signed = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
        let (modified, changed) = ([there.mtime(), there.mtime_nsec()], [there.ctime(), there.ctime_nsec()]);
        Self([signed(there.ino()), signed(there.size()), modified[0], modified[1], changed[0], changed[1]])
    }

    /// Whether every later change will bear another stamp, for one that was taken no earlier than `now`.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let [.., seconds, nanoseconds] = self.0;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else {
            return false;
        };
        let margin = if nanoseconds % 1_000_000 == 0 { ROUNDED } else { TICK };
        let quiet = UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds) + margin);
        quiet.is_some_and(|quiet| quiet < now)
    }

    /// As the index keeps it.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut numbers = [0; 6];
        let (chunks, rest) = bytes.as_chunks::<8>();
        if chunks.len() != numbers.len() || !rest.is_empty() {
            return None;
        }
        for (number, chunk) in numbers.iter_mut().zip(chunks) {
            *number = i64::from_le_bytes(*chunk);
        }
        Some(Self(numbers))
    }
}

/// Whether the times of a folder are of this machine's clock.
pub(super) fn is_local(folder: &Path) -> bool {
    let kind = rustix::fs::statfs(folder).map(|system| system.f_type);
    // It is a long whose upper half says nothing.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    kind.is_ok_and(|kind| LOCAL.contains(&(kind as u32)))
}

/// Whether so few certificates lie in the folder of a suite that reading them all costs less than an index: fewer than
/// `few` files, or folders of OpenPGP certificates, over which fingerprints are spread evenly.
pub(super) fn are_few(suite: SuiteName, root: &Path, few: usize) -> bool {
    let Ok(entries) = fs::read_dir(root) else { return true };
    let counts = |name: &[u8]| match suite {
        SuiteName::OpenPgp => name.len() == 2,
        SuiteName::Smime => name.ends_with(b".pem"),
    };
    entries.flatten().filter(|entry| counts(entry.file_name().as_bytes())).take(few).count() < few
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_time_counts_once_no_later_change_can_bear_it() {
        let changed = |seconds: i64, nanoseconds: i64| Stamp([7, 600, 0, 0, seconds, nanoseconds]);
        let now = |millis: u64| UNIX_EPOCH + Duration::from_millis(millis);
        // Of a clock that ticks every few milliseconds.
        assert!(!changed(1000, 3_400_001).is_settled(now(1_000_003)));
        assert!(!changed(1000, 3_400_001).is_settled(now(1_000_020)));
        assert!(changed(1000, 3_400_001).is_settled(now(1_000_024)));
        // Rounded to seconds, or to two.
        assert!(!changed(1000, 0).is_settled(now(1_000_024)) && !changed(1000, 0).is_settled(now(1_002_000)));
        assert!(changed(1000, 0).is_settled(now(1_002_501)));
        // Of a clock that was set back.
        assert!(!changed(1001, 3_400_001).is_settled(now(1_000_000)));
        assert!(!changed(i64::MAX, 1).is_settled(now(1_000_000)) && !changed(-1, 1).is_settled(now(1_000_000)));
        assert_eq!(Stamp::from_bytes(&changed(-1, 5).to_bytes()), Some(changed(-1, 5)));
        assert_eq!(Stamp::from_bytes(b"12345678"), None);
    }
}
