//! Since when a certificate of either suite is known for an address: a file of lines `TIME FINGERPRINT ADDRESS`, the
//! first of a pair counts. Lines are only ever added, in one write under a lock, so a kill leaves half a line at worst,
//! which counts for nothing. Nothing else depends on it, unlike on the origins, which decide whom to trust: without a
//! line the time of the certificate's own file is told, which may be later than the truth.

use std::{
    collections::HashMap,
    fmt, fs,
    fs::OpenOptions,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::{Keystore, Outcome, StoreError, disk, find::Source};
use crate::{crypt::Fingerprint, mail::Address};

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    since: Timestamp,
    fingerprint: Fingerprint,
    address: Address,
}

impl Keystore {
    /// Since when a certificate of the store is known for an address; none if nothing tells. The time of gossip is none.
    ///
    /// # Errors
    /// The file is there and cannot be read, or that of where the certificate came from.
    pub fn known_since(&self, fingerprint: &Fingerprint, address: &Address) -> Result<Option<Timestamp>, StoreError> {
        let origins = self.origins(fingerprint)?;
        let first = |gossip: bool| {
            let of_address = origins.iter().filter(|one| one.address == *address);
            of_address.filter(|one| (one.source == Some(Source::Gossip)) == gossip).map(|one| one.since).min()
        };
        let (gossip, known) = (first(true), first(false));
        if gossip.is_some_and(|gossip| known.is_none_or(|known| gossip <= known)) {
            return Ok(known);
        }
        let of = |noted: &Noted| noted.fingerprint == *fingerprint && noted.address == *address;
        let noted = self.noted()?.into_iter().filter(of).map(|noted| noted.since);
        Ok(noted.min().or_else(|| self.file_time(fingerprint)))
    }

    /// Notes of certificates that they are known for addresses from now on, unless they are known already. It is not
    /// synced: a loss costs a date.
    pub(super) fn note(&self, known: &[(Fingerprint, Vec<Address>)]) -> Result<(), StoreError> {
        let since = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let pairs = known.iter().flat_map(|(one, addresses)| addresses.iter().map(move |address| (one, address)));
        let noted = pairs.map(|(one, address)| Noted { since, fingerprint: one.clone(), address: address.clone() });
        self.add(&noted.collect::<Vec<_>>()).map(drop)
    }

    /// All lines.
    pub(super) fn noted(&self) -> Result<Vec<Noted>, StoreError> {
        let path = self.known();
        match fs::read(&path) {
            Ok(bytes) => Ok(Noted::parse_all(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(StoreError::Read { path, error }),
        }
    }

    /// Puts lines of a backup beside those that are here.
    pub(super) fn restore_noted(&self, noted: &[Noted]) -> Result<Outcome, StoreError> {
        let none = self.noted()?.is_empty();
        Ok(match self.add(noted)? {
            false => Outcome::Unchanged,
            true if none => Outcome::New,
            true => Outcome::Merged,
        })
    }

    /// Adds the lines that say more than those that are here; false if none does.
    fn add(&self, noted: &[Noted]) -> Result<bool, StoreError> {
        if noted.is_empty() {
            return Ok(false);
        }
        let path = self.known();
        if let Some(folder) = path.parent() {
            disk::make_private(folder)?;
        }
        let append = || -> io::Result<bool> {
            let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
            // Freed when the file is closed, however that comes.
            flock(&file, FlockOperation::LockExclusive)?;
            let mut before = Vec::new();
            file.read_to_end(&mut before)?;
            let there = Noted::parse_all(&before);
            let mut first: HashMap<(&Fingerprint, &Address), Timestamp> = HashMap::with_capacity(there.len());
            for Noted { since, fingerprint, address } in &there {
                let earliest = first.entry((fingerprint, address)).or_insert(*since);
                *earliest = (*since).min(*earliest);
            }
            let is_new = |one: &&Noted| first.get(&(&one.fingerprint, &one.address)).is_none_or(|at| *at > one.since);
            let lines: String = noted.iter().filter(is_new).map(Noted::to_string).collect();
            if lines.is_empty() {
                return Ok(false);
            }
            let start = if before.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
            file.write_all(format!("{start}{lines}").as_bytes()).map(|()| true)
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

impl Noted {
    /// The whole lines of a file; what is none counts for nothing.
    pub(super) fn parse_all(bytes: &[u8]) -> Vec<Self> {
        String::from_utf8_lossy(bytes).split_inclusive('\n').filter_map(Self::parse).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let (time, rest) = line.strip_suffix('\n')?.split_once(' ')?;
        let (fingerprint, address) = rest.split_once(' ')?;
        Some(Self {
            since: time.parse().ok()?,
            fingerprint: Fingerprint::parse(fingerprint)?,
            address: Address::parse(address).ok()?,
        })
    }
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, fingerprint, address } = self;
        writeln!(f, "{since} {fingerprint} {address}")
    }
}
