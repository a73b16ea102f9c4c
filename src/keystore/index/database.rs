//! The index in its file, in SQLite.
//!
//! SQLite locks the file, makes every change whole or not at all, and notices much damage, but it does not check its
//! pages. So what a look-up reads is a *drawer*: all entries whose term falls there by its hash, with a hash over them.
//! Every drawer is there, also an empty one, so a byte that changed can neither alter nor hide an entry unseen. What is
//! noted of shelves and books, with which the index is kept up to date, needs no hash: a note that is lost or altered
//! has its file read again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use openssl::sha::sha256;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, config::DbConfig,
};

use super::shelf::{Shelf, Stamp};
use crate::{
    crypt::{Fingerprint, SuiteName},
    keystore::disk,
    mail::Address,
};

/// What certificates of a suite are looked up by, as the index keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term(String);

/// Where a certificate lies.
pub(super) type Place = (Shelf, Fingerprint);

/// The index in its file.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
}

/// What is noted of a shelf.
pub(super) struct Noted {
    /// When it was changed last, as far as it was read.
    pub stamp: Stamp,
    /// When all of its files were looked at last, in seconds since 1970.
    pub seen: i64,
}

/// What is noted of the index as a whole.
pub(super) struct Head {
    /// Counts its changes.
    pub generation: i64,
    /// When it was begun, in seconds since 1970.
    pub made: i64,
    /// Of every shelf that was read, by its number.
    pub shelves: HashMap<u16, Noted>,
}

/// What a file on a shelf was found to hold.
pub(super) struct Read {
    /// None while a later change could bear the same.
    pub stamp: Option<Stamp>,
    pub terms: Vec<Term>,
}

/// What is to be changed about a shelf.
pub(super) struct Change {
    pub shelf: Shelf,
    /// None if it is to be read again, or is not there.
    pub noted: Option<Noted>,
    /// Files that are gone, or were read anew; the terms under which they are found no longer.
    pub gone: Vec<(Fingerprint, Vec<Term>)>,
    /// Files that are new, or were read anew.
    pub read: Vec<(Fingerprint, Read)>,
}

/// Why the index is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It, or a folder of certificates, cannot be read or written now, or somebody else is writing it.
    Unusable,
    /// What is in it is not what it is to be.
    Damaged,
}

/// Of the tables; others are made anew.
const VERSION: &str = concat!("1 ", env!("CARGO_PKG_VERSION"));

/// A hundred thousand certificates make 25 entries in each.
const DRAWERS: u16 = 4096;

/// How long somebody else may be writing.
const PATIENCE: Duration = Duration::from_millis(200);

const TABLES: &str = "
    CREATE TABLE head (version TEXT NOT NULL, generation INTEGER NOT NULL, made INTEGER NOT NULL);
    CREATE TABLE shelf (number INTEGER PRIMARY KEY, stamp BLOB NOT NULL, seen INTEGER NOT NULL);
    CREATE TABLE book (shelf INTEGER, fingerprint TEXT, stamp BLOB, terms TEXT NOT NULL,
        PRIMARY KEY (shelf, fingerprint)) WITHOUT ROWID;
    CREATE TABLE drawer (number INTEGER PRIMARY KEY, entries TEXT NOT NULL, hash BLOB NOT NULL);";

impl Term {
    /// An address that they name, validly or not.
    pub(super) fn address(suite: SuiteName, address: &Address) -> Self {
        Self(format!("{suite} {}", address.comparable()))
    }

    /// Being an authority (RFC 5280, 4.2.1.9).
    pub(super) fn authority(suite: SuiteName) -> Self {
        Self(format!("{suite} :authority"))
    }

    /// What nobody could read, or may change without a sign: it may be anything.
    pub(super) fn unread(suite: SuiteName) -> Self {
        Self(format!("{suite} :unread"))
    }

    /// The drawer in which entries under it lie.
    fn drawer(&self) -> u16 {
        let [first, second, ..] = sha256(self.0.as_bytes());
        u16::from_le_bytes([first, second]) % DRAWERS
    }

    fn entry(&self, shelf: Shelf, fingerprint: &Fingerprint) -> String {
        format!("{} {fingerprint} {}", shelf.number(), self.0)
    }
}

impl Database {
    /// Opens the index, which is made, mode 0600, if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        if let Some(folder) = path.parent() {
            disk::make_private(folder).map_err(|_| Fault::Unusable)?;
        }
        // SQLite would make it readable by all that the umask allows.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => return Err(Fault::Unusable),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        Ok(Self { connection })
    }

    /// Empties it, whatever is in it, under SQLite's lock.
    pub(super) fn reset(&self) -> Result<(), Fault> {
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
        let emptied = self.connection.execute_batch("VACUUM");
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
        Ok(emptied?)
    }

    /// What is noted of the index as a whole; none if it is empty.
    pub(super) fn head(&mut self) -> Result<Option<Head>, Fault> {
        let reading = self.connection.transaction()?;
        if is_empty(&reading)? {
            return Ok(None);
        }
        let (generation, made) = head_row(&reading)?;
        let mut shelves = HashMap::new();
        let mut statement = reading.prepare("SELECT number, stamp, seen FROM shelf")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let stamp = Stamp::from_bytes(&row.get::<_, Vec<u8>>(1)?).ok_or(Fault::Damaged)?;
            shelves.insert(row.get(0)?, Noted { stamp, seen: row.get(2)? });
        }
        Ok(Some(Head { generation, made, shelves }))
    }

    /// What is noted of the files of a shelf.
    pub(super) fn books(&self, shelf: Shelf) -> Result<HashMap<Fingerprint, Read>, Fault> {
        let mut statement =
            self.connection.prepare_cached("SELECT fingerprint, stamp, terms FROM book WHERE shelf = ?1")?;
        let mut rows = statement.query([shelf.number()])?;
        let mut books = HashMap::new();
        while let Some(row) = rows.next()? {
            let fingerprint = Fingerprint::parse(&row.get::<_, String>(0)?).ok_or(Fault::Damaged)?;
            // One that says nothing has the file read again.
            let stamp = row.get::<_, Option<Vec<u8>>>(1)?.and_then(|bytes| Stamp::from_bytes(&bytes));
            let terms = row.get::<_, String>(2)?.lines().map(|term| Term(term.to_owned())).collect();
            books.insert(fingerprint, Read { stamp, terms });
        }
        Ok(books)
    }

    /// Where the certificates under a term lie.
    pub(super) fn find(&self, suite: SuiteName, term: &Term) -> Result<Vec<Place>, Fault> {
        let mut found = Vec::new();
        for entry in self.drawer(term.drawer())?.lines() {
            let mut parts = entry.splitn(3, ' ');
            let [shelf, fingerprint, under] = [(); 3].map(|()| parts.next().unwrap_or_default());
            if under == term.0 {
                let shelf = Shelf::of(suite).into_iter().find(|one| one.number().to_string() == shelf);
                found.push(shelf.zip(Fingerprint::parse(fingerprint)).ok_or(Fault::Damaged)?);
            }
        }
        Ok(found)
    }

    /// Makes changes, all or none; false if the index is of another generation by now.
    pub(super) fn change(&mut self, generation: Option<i64>, now: i64, changes: &[Change]) -> Result<bool, Fault> {
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let current = match is_empty(&writing)? {
            true => None,
            false => Some(head_row(&writing)?.0),
        };
        if current != generation {
            return Ok(false);
        }
        match current {
            None => create(&writing, now)?,
            Some(_) => drop(writing.execute("UPDATE head SET generation = generation + 1", [])?),
        }
        let mut drawers: BTreeMap<u16, [Vec<String>; 2]> = BTreeMap::new();
        for Change { shelf, noted, gone, read } in changes {
            let number = shelf.number();
            for (fingerprint, terms) in gone {
                writing
                    .prepare_cached("DELETE FROM book WHERE shelf = ?1 AND fingerprint = ?2")?
                    .execute((number, fingerprint.as_str()))?;
                for term in terms {
                    drawers.entry(term.drawer()).or_default()[0].push(term.entry(*shelf, fingerprint));
                }
            }
            for (fingerprint, Read { stamp, terms }) in read {
                let lines: Vec<&str> = terms.iter().map(|term| term.0.as_str()).collect();
                writing.prepare_cached("INSERT OR REPLACE INTO book VALUES (?1, ?2, ?3, ?4)")?.execute((
                    number,
                    fingerprint.as_str(),
                    stamp.map(Stamp::to_bytes),
                    lines.join("\n"),
                ))?;
                for term in terms {
                    drawers.entry(term.drawer()).or_default()[1].push(term.entry(*shelf, fingerprint));
                }
            }
            match noted {
                Some(Noted { stamp, seen }) => writing
                    .prepare_cached("INSERT OR REPLACE INTO shelf VALUES (?1, ?2, ?3)")?
                    .execute((number, stamp.to_bytes(), seen))?,
                None => writing.prepare_cached("DELETE FROM shelf WHERE number = ?1")?.execute([number])?,
            };
        }
        for (number, [gone, new]) in drawers {
            let before = drawer(&writing, number)?;
            let mut entries: BTreeSet<&str> = before.lines().collect();
            for entry in &gone {
                entries.remove(entry.as_str());
            }
            entries.extend(new.iter().map(String::as_str));
            put_drawer(&writing, number, &entries.into_iter().collect::<Vec<_>>().join("\n"))?;
        }
        writing.commit()?;
        Ok(true)
    }

    fn drawer(&self, number: u16) -> Result<String, Fault> {
        drawer(&self.connection, number)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory
                | ErrorCode::SystemIoFailure
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::OperationInterrupted,
            ) => Self::Unusable,
            _ => Self::Damaged,
        }
    }
}

fn is_empty(reading: &Connection) -> Result<bool, Fault> {
    Ok(reading.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0)
}

/// The generation, and when it was made.
fn head_row(reading: &Connection) -> Result<(i64, i64), Fault> {
    let row = reading.query_row("SELECT version, generation, made FROM head", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
    });
    let (version, generation, made) = row?;
    if version == VERSION { Ok((generation, made)) } else { Err(Fault::Damaged) }
}

fn create(writing: &Transaction<'_>, now: i64) -> Result<(), Fault> {
    writing.execute_batch(TABLES)?;
    writing.execute("INSERT INTO head VALUES (?1, 1, ?2)", (VERSION, now))?;
    for number in 0..DRAWERS {
        put_drawer(writing, number, "")?;
    }
    Ok(())
}

/// The entries of a drawer, each a line.
fn drawer(reading: &Connection, number: u16) -> Result<String, Fault> {
    let mut statement = reading.prepare_cached("SELECT entries, hash FROM drawer WHERE number = ?1")?;
    let row = statement.query_row([number], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)));
    match row.optional()? {
        Some((entries, hash)) if hash == hash_of(number, &entries) => Ok(entries),
        Some(_) | None => Err(Fault::Damaged),
    }
}

fn put_drawer(writing: &Transaction<'_>, number: u16, entries: &str) -> Result<(), Fault> {
    let mut statement = writing.prepare_cached("INSERT OR REPLACE INTO drawer VALUES (?1, ?2, ?3)")?;
    statement.execute((number, entries, hash_of(number, entries)))?;
    Ok(())
}

fn hash_of(number: u16, entries: &str) -> [u8; 32] {
    sha256(format!("{number} {entries}").as_bytes())
}
