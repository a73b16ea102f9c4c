//! Which certificates name an address, kept beside them so that not all of them are read for one look-up.
//!
//! It is a cache and no authority: what it lists is read and parsed, and must name the address itself, so the index can
//! make nobody trusted, and what it can hide by being wrong is bounded in time. Before it is asked it is brought up to
//! date with the folders (`shelf.rs`), and where that cannot be done, because it cannot be read or written, is locked
//! or lies on a network, all certificates are read as if it were not there. A damaged one is made anew.
//!
//! What is overwritten in place, against the rules of the shared directory, changes no folder: such a change is seen
//! within an hour, when all files are looked at again; what cannot be parsed is read in every look-up until it can.

mod database;
mod shelf;

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    num::NonZero,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use self::{
    database::{Change, Database, Fault, Noted, Place, Read, Term},
    shelf::{Book, Shelf, Stamp},
};
use jiff::Timestamp;

use super::{Keystore, Origin, certificates, x509};
use crate::{
    crypt::{Fingerprint, PublicCertificate, SuiteName},
    mail::Address,
};

/// What certificates are looked for by.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// An address that they name, validly or not.
    Naming(&'a Address),
    /// Authorities.
    Authorities,
}

/// The index of a store; opened when it is asked first.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    /// Of fewer certificates than this there is none.
    pub(super) few: usize,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    database: Option<Database>,
    /// Since when it is up to date, or of no use, for OpenPGP and for S/MIME.
    known: [Option<(Instant, Standing)>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    UpToDate,
    OfNoUse,
}

/// For how long folders are not looked at again, so that many look-ups in a row cost one look.
const FRESH: Duration = Duration::from_secs(1);

/// After how many seconds all files are looked at, whether their folder was changed or not.
const GLANCE: i64 = 60 * 60;

/// After how many seconds it is made anew, so that even a wrong entry does not last.
const LIFETIME: i64 = 7 * 24 * 60 * 60;

/// Fewer than this are read faster than the index is opened.
const FEW: usize = 64;

/// From this many files on they are read by several threads.
const MANY: usize = 256;

/// How often somebody else may be quicker.
const ATTEMPTS: usize = 3;

impl Index {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, few: FEW, state: RefCell::default() }
    }

    /// Says that certificates were written or removed here.
    pub(super) fn outdate(&self) {
        self.state.borrow_mut().known = [None; 2];
    }
}

impl Keystore {
    /// Of which OpenPGP certificates those that are wanted can be, in order; none if the index cannot tell.
    pub(super) fn listed(&self, wanted: Wanted<'_>) -> Option<Vec<Fingerprint>> {
        let places = self.index.ask(SuiteName::OpenPgp, &self.certificates, wanted)?;
        let fingerprints: BTreeSet<_> = places.into_iter().map(|(_, fingerprint)| fingerprint).collect();
        Some(fingerprints.into_iter().collect())
    }

    /// The same of X.509 certificates of an origin.
    pub(super) fn listed_x509(&self, wanted: Wanted<'_>, origin: Origin) -> Option<Vec<Fingerprint>> {
        let places = self.index.ask(SuiteName::Smime, &self.x509, wanted)?.into_iter();
        let of_origin = places.filter(|(shelf, _)| *shelf == Shelf::Smime(origin));
        let fingerprints: BTreeSet<_> = of_origin.map(|(_, fingerprint)| fingerprint).collect();
        Some(fingerprints.into_iter().collect())
    }
}

impl Index {
    fn ask(&self, suite: SuiteName, root: &Path, wanted: Wanted<'_>) -> Option<Vec<Place>> {
        let state = &mut *self.state.borrow_mut();
        let known = &mut state.known[suite as usize];
        let standing = match known {
            Some((since, standing)) if since.elapsed() < FRESH => *standing,
            _ => {
                let brought = self.ready(&mut state.database, suite, root);
                let standing = if brought.is_ok() { Standing::UpToDate } else { Standing::OfNoUse };
                known.insert((Instant::now(), standing)).1
            }
        };
        let database = state.database.as_ref().filter(|_| standing == Standing::UpToDate)?;
        let term = match wanted {
            Wanted::Naming(address) => Term::address(suite, address),
            Wanted::Authorities => Term::authority(suite),
        };
        let found = database.find(suite, &term).and_then(|mut found| {
            found.extend(database.find(suite, &Term::unread(suite))?);
            Ok(found)
        });
        match found {
            Ok(found) => Some(found),
            Err(fault) => {
                if fault == Fault::Damaged {
                    // Made anew by the next look-up but for this one.
                    let _ = database.reset();
                }
                *known = None;
                None
            }
        }
    }

    /// Opens it and brings it up to date.
    fn ready(&self, database: &mut Option<Database>, suite: SuiteName, root: &Path) -> Result<(), Fault> {
        if shelf::are_few(suite, root, self.few) || !shelf::is_local(root) {
            return Err(Fault::Unusable);
        }
        let database = match database {
            Some(database) => database,
            None => database.insert(Database::open(&self.path)?),
        };
        match bring_up_to_date(database, suite, root) {
            Err(Fault::Damaged) => {
                database.reset()?;
                bring_up_to_date(database, suite, root)
            }
            brought => brought,
        }
    }
}

/// Reads what was changed since the index was, on the shelves of a suite.
fn bring_up_to_date(database: &mut Database, suite: SuiteName, root: &Path) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        let now = SystemTime::now();
        let seconds = now.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
        let seconds = seconds.ok_or(Fault::Unusable)?;
        let within = |since: i64, span: i64| since <= seconds && seconds - since < span;
        let head = database.head()?;
        if head.as_ref().is_some_and(|head| !within(head.made, LIFETIME)) {
            return Err(Fault::Damaged);
        }
        let mut surveys = Vec::new();
        for shelf in Shelf::of(suite) {
            let noted = head.as_ref().and_then(|head| head.shelves.get(&shelf.number()));
            let stamp = shelf.stamp(root).map_err(|_| Fault::Unusable)?;
            match (stamp, noted) {
                (None, None) => {}
                (Some(stamp), Some(noted)) if noted.stamp == stamp && within(noted.seen, GLANCE) => {}
                (stamp, noted) => {
                    let before = if head.is_some() { database.books(shelf)? } else { HashMap::new() };
                    surveys.push(Survey::of(shelf, root, stamp, before, noted.is_some())?);
                }
            }
        }
        let found = read_all(&surveys, now)?;
        let changes = surveys.into_iter().zip(found);
        let changes: Vec<Change> = changes.filter_map(|(survey, found)| survey.change(found, now, seconds)).collect();
        if changes.is_empty() || database.change(head.map(|head| head.generation), seconds, &changes)? {
            return Ok(());
        }
    }
    Err(Fault::Unusable)
}

/// What is to be done about a shelf.
struct Survey {
    shelf: Shelf,
    stamp: Option<Stamp>,
    was_noted: bool,
    /// Files that stay as they are noted.
    kept: Vec<Stamp>,
    /// What is found no longer as it is noted.
    gone: Vec<(Fingerprint, Vec<Term>)>,
    /// Files to read.
    unread: Vec<Book>,
}

/// What was read of a file; none if it is gone by now.
type Found = (Fingerprint, Option<Read>);

impl Survey {
    /// Looks at the files of a shelf.
    fn of(
        shelf: Shelf,
        root: &Path,
        stamp: Option<Stamp>,
        mut before: HashMap<Fingerprint, Read>,
        was_noted: bool,
    ) -> Result<Self, Fault> {
        let books = if stamp.is_some() { shelf.books(root).map_err(|_| Fault::Unusable)? } else { Vec::new() };
        let mut survey = Self { shelf, stamp, was_noted, kept: Vec::new(), gone: Vec::new(), unread: Vec::new() };
        for book in books {
            match before.remove(&book.fingerprint) {
                Some(read) if read.stamp == Some(book.stamp) => survey.kept.push(book.stamp),
                noted => {
                    survey.gone.extend(noted.map(|read| (book.fingerprint.clone(), read.terms)));
                    survey.unread.push(book);
                }
            }
        }
        survey.gone.extend(before.into_iter().map(|(fingerprint, read)| (fingerprint, read.terms)));
        Ok(survey)
    }

    /// Reads the files that are to be read.
    fn read_each(surveys: &[Self], now: SystemTime) -> Vec<Vec<Found>> {
        let books = |survey: &Self| {
            let found = |book: &Book| (book.fingerprint.clone(), read(survey.shelf, book, now));
            survey.unread.iter().map(found).collect()
        };
        surveys.iter().map(books).collect()
    }

    /// What is to be changed in the index; none if that is nothing.
    fn change(self, found: Vec<Found>, now: SystemTime, seen: i64) -> Option<Change> {
        let settled = |stamp: &Stamp| stamp.is_settled(now);
        let all_read = found.iter().all(|(_, read)| read.as_ref().is_some_and(|read| read.stamp.is_some()));
        let stamp = self.stamp.filter(|stamp| settled(stamp) && self.kept.iter().all(settled) && all_read);
        let read: Vec<_> = found.into_iter().filter_map(|(fingerprint, read)| Some((fingerprint, read?))).collect();
        let same = self.gone.is_empty() && read.is_empty() && stamp.is_none() && !self.was_noted;
        let noted = stamp.map(|stamp| Noted { stamp, seen });
        (!same).then_some(Change { shelf: self.shelf, noted, gone: self.gone, read })
    }
}

/// Reads the files of all shelves, where they are many on all processors.
fn read_all(surveys: &[Survey], now: SystemTime) -> Result<Vec<Vec<Found>>, Fault> {
    let many = surveys.iter().map(|survey| survey.unread.len()).sum::<usize>() >= MANY;
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = if many { surveys.len().div_ceil(threads).max(1) } else { surveys.len().max(1) };
    thread::scope(|scope| {
        let mut shares = surveys.chunks(share);
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| thread::Builder::new().spawn_scoped(scope, move || Survey::read_each(share, now)))
            .collect();
        let mut found = Survey::read_each(own, now);
        for other in others {
            let other = other.map_err(|_| Fault::Unusable)?;
            found.extend(other.join().map_err(|_| Fault::Unusable)?);
        }
        Ok(found)
    })
}

/// Under what a file is to be found; none if it is gone.
fn read(shelf: Shelf, book: &Book, now: SystemTime) -> Option<Read> {
    let suite = shelf.suite();
    let terms = match shelf {
        _ if book.is_link => Ok(None),
        Shelf::OpenPgp(_) => certificates::read(&book.path, &book.fingerprint).map(|read| {
            read.map(|one| certificates::naming(&one).iter().map(|name| Term::address(suite, name)).collect())
        }),
        Shelf::Smime(_) => x509::read(&book.path, &book.fingerprint).map(|read| {
            read.map(|one| {
                let names = one.addresses(Timestamp::MIN);
                let authority = one.is_authority().then(|| Term::authority(suite));
                names.iter().map(|name| Term::address(suite, name)).chain(authority).collect()
            })
        }),
    };
    let terms: BTreeSet<Term> = match terms {
        Ok(Some(terms)) => terms,
        Ok(None) if !book.is_link => return None,
        Ok(None) | Err(_) => [Term::unread(suite)].into(),
    };
    Some(Read { stamp: Some(book.stamp).filter(|stamp| stamp.is_settled(now)), terms: terms.into_iter().collect() })
}
