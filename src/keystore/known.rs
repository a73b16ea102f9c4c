//! Since when a certificate is known for an address: a file of lines `TIME FINGERPRINT ADDRESS`, the first of a pair
//! counts. Lines are only ever added, each in one write under a lock, so a kill leaves half a line at worst, which
//! counts for nothing. Nothing else depends on it: without a line the time of the certificate's own file is told,
//! which may be later than the truth.

use std::{
    fs,
    fs::OpenOptions,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::{Keystore, StoreError, disk};
use crate::{crypt::Fingerprint, mail::Address};

impl Keystore {
    /// Since when a certificate of the store is known for an address; none if nothing tells.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn known_since(&self, fingerprint: &Fingerprint, address: &Address) -> Result<Option<Timestamp>, StoreError> {
        let path = self.known();
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(StoreError::Read { path, error }),
        };
        let noted = text.split_inclusive('\n').filter_map(|line| {
            let (time, rest) = line.strip_suffix('\n')?.split_once(' ')?;
            let (of, whom) = rest.split_once(' ')?;
            let same = of == fingerprint.as_str() && Address::parse(whom).as_ref() == Ok(address);
            same.then(|| time.parse::<Timestamp>().ok())?
        });
        Ok(noted.min().or_else(|| self.file_time(fingerprint)))
    }

    /// Notes that a certificate is known for addresses from now on. It is not synced: a loss costs a date.
    pub(super) fn note(&self, fingerprint: &Fingerprint, addresses: &[Address]) -> Result<(), StoreError> {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let lines: String = addresses.iter().map(|address| format!("{now} {fingerprint} {address}\n")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let path = self.known();
        if let Some(folder) = path.parent() {
            disk::make_private(folder)?;
        }
        let append = || -> io::Result<()> {
            let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
            // Freed when the file is closed, however that comes.
            flock(&file, FlockOperation::LockExclusive)?;
            let mut last = [b'\n'];
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            let start = if last == [b'\n'] { "" } else { "\n" };
            file.write_all(format!("{start}{lines}").as_bytes())
        };
        append().map_err(StoreError::write(&path))
    }

    /// When the file of a certificate was written last.
    fn file_time(&self, fingerprint: &Fingerprint) -> Option<Timestamp> {
        let paths = self.files_of(fingerprint);
        let times = paths.into_iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok());
        times.min().and_then(|time| Timestamp::try_from(time).ok())
    }

    fn known(&self) -> PathBuf {
        self.x509.with_file_name("known")
    }
}
