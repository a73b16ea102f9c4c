//! Everything that lies here, to be put elsewhere and back: names and bytes as they are stored.
//!
//! What comes back is read as what its name says before anything is written, goes the way of an import, and takes the
//! place of nothing that differs.

use std::{collections::BTreeSet, fs, path::Path};

use zeroize::Zeroizing;

use super::{
    Keystore, Origin, Outcome, StoreError, agent_keys, certificates::naming, disk, known::Noted, origins::are_origins,
};
use crate::crypt::{
    Fingerprint, PublicCertificate,
    pgp::{self, Certificate},
    smime,
};

/// A file of the store, by its name in a backup.
pub type StoredFile = (String, Zeroizing<Vec<u8>>);

/// What a file of a backup holds.
#[derive(Debug)]
pub enum Piece {
    /// An own key.
    Key(Box<pgp::Key>),
    /// An own key that an agent has: no secret of it.
    AgentKey(Box<pgp::AgentKey>),
    /// The same for S/MIME.
    SmimeAgentKey(smime::AgentKey),
    /// The revocation certificate of one.
    Revocation(Fingerprint, String),
    /// An own key for S/MIME.
    SmimeKey(smime::Key),
    /// One that waits for its certificate.
    Waiting(smime::Waiting),
    /// A certificate.
    Certificate(Box<Certificate>),
    /// Since when they are known.
    Known(Vec<Noted>),
    /// Where one came from.
    Origins(Fingerprint, Vec<u8>),
    /// One for S/MIME.
    X509(smime::Certificate, Origin),
}

const KNOWN: &str = "known";
const CERTIFICATES: &str = "pgp.cert.d/";
const X509: &str = "x509/";
const CANDIDATES: &str = "x509/candidates/";
const KEYS: &str = "keys/";
const ORIGINS: &str = "origins/";

impl Keystore {
    /// Every file of keys, revocation certificates, waiting requests and certificates, read as it is, and how and since
    /// when these are known.
    ///
    /// # Errors
    /// One of them cannot be read, or a key can be read by others; a link that leads nowhere counts.
    pub fn contents(&self) -> Result<Vec<StoredFile>, StoreError> {
        let mut files = self.own_contents()?;
        // What is stored between two readings would come back without its origin; what is promoted between two would be
        // in neither.
        let _lock = if self.certificates.is_dir() { Some(self.lock()?) } else { None };
        let _lock_x509 = if self.x509.is_dir() { Some(self.lock_x509()?) } else { None };
        if self.origins.is_dir() {
            for fingerprint in disk::named(&self.origins, ".json")? {
                let path = self.origins_path(&fingerprint);
                if let Some(file) = disk::open(&path)? {
                    files.push((format!("{ORIGINS}{fingerprint}.json"), disk::read(&path, file)?));
                }
            }
        }
        if self.certificates.is_dir() {
            let certificates = self.all_stored()?.into_iter();
            files.extend(certificates.map(|(name, bytes)| (format!("{CERTIFICATES}{name}"), bytes)));
        }
        if self.x509.is_dir() {
            for (origin, prefix) in [(Origin::Imported, X509), (Origin::Candidate, CANDIDATES)] {
                for fingerprint in disk::named(&self.x509_folder(origin), ".pem")? {
                    let path = self.x509_path(&fingerprint, origin);
                    if let Some(file) = disk::open(&path)? {
                        files.push((format!("{prefix}{fingerprint}.pem"), disk::read(&path, file)?));
                    }
                }
            }
        }
        if !files.is_empty() {
            let lines: String = self.noted()?.iter().map(Noted::to_string).collect();
            files.extend((!lines.is_empty()).then(|| (KNOWN.to_owned(), Zeroizing::new(lines.into_bytes()))));
        }
        Ok(files)
    }

    /// Of all that what nobody else has: keys, their revocation certificates, waiting requests.
    ///
    /// # Errors
    /// As for [`Keystore::contents`].
    pub fn own_contents(&self) -> Result<Vec<StoredFile>, StoreError> {
        let mut files = Vec::new();
        if self.keys.is_dir() {
            let _lock = self.lock_keys()?;
            for name in file_names(&self.keys)?.into_iter().filter(|name| is_of_key(name)) {
                let bytes = disk::read_private(&self.keys.join(&name))?;
                files.extend(bytes.map(|bytes| (format!("{KEYS}{name}"), bytes)));
            }
        }
        Ok(files)
    }

    /// Puts a piece back, in its [`turn`]; none if another of its name is there, which stays. If that
    /// is damaged, [`Keystore::damaged`] tells.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn restore(&self, piece: &Piece) -> Result<Option<Outcome>, StoreError> {
        let restored = match piece {
            Piece::Key(key) => self.store_key(key, None),
            Piece::AgentKey(key) => self.restore_note(&**key),
            Piece::SmimeAgentKey(key) => self.restore_note(key),
            Piece::Revocation(fingerprint, text) => self.restore_revocation(fingerprint, text),
            Piece::SmimeKey(key) => self.store_smime_key(key),
            Piece::Waiting(waiting) => self.store_waiting(waiting),
            Piece::Certificate(certificate) => self.restore_certificate(certificate),
            Piece::Known(noted) => self.restore_noted(noted),
            Piece::Origins(fingerprint, bytes) => self.restore_origins(fingerprint, bytes),
            Piece::X509(certificate, origin) => self.insert_x509(certificate, *origin),
        };
        match restored {
            Err(StoreError::KeyExists { .. } | StoreError::Exists { .. }) => Ok(None),
            Err(error) if error.is_damage() => {
                self.damaged.borrow_mut().push(error);
                Ok(None)
            }
            restored => restored.map(Some),
        }
    }

    /// One's own comes back as it would be imported. Another that is here already takes in what is new of it, unless that
    /// names a further address: how well it is known for that was said elsewhere, and here it might count for more.
    fn restore_certificate(&self, certificate: &Certificate) -> Result<Outcome, StoreError> {
        let fingerprint = certificate.fingerprint();
        if self.is_own(&fingerprint) {
            return self.insert(certificate);
        }
        let lock = self.lock()?;
        if let Some(there) = self.certificate(&fingerprint)? {
            let named = naming(&there);
            if naming(certificate).iter().any(|address| !named.contains(address)) {
                return Err(StoreError::Exists { path: self.path(&fingerprint)? });
            }
        }
        self.place(&lock, certificate)
    }

    /// A certificate that is here already is known here as it is; what is said of one that is not here says nothing.
    fn restore_origins(&self, fingerprint: &Fingerprint, bytes: &[u8]) -> Result<Outcome, StoreError> {
        let _lock = self.lock()?;
        let path = self.origins_path(fingerprint);
        let there = match disk::open(&path)? {
            Some(file) => Some(disk::read(&path, file)?),
            None => None,
        };
        if there.as_ref().is_some_and(|there| **there == *bytes) {
            return Ok(Outcome::Unchanged);
        }
        // Of one in the shared folder without a file nobody here said anything.
        let known = there.is_some() && self.certificate(fingerprint)?.is_some();
        if known || self.x509(fingerprint)?.is_some() {
            return Err(StoreError::Exists { path });
        }
        disk::write(&path, bytes).map(|()| Outcome::New)
    }

    fn restore_revocation(&self, fingerprint: &Fingerprint, text: &str) -> Result<Outcome, StoreError> {
        let _lock = self.lock_keys()?;
        match self.revocation(fingerprint)? {
            Some(there) if there == text => Ok(Outcome::Unchanged),
            _ => disk::write_new(&self.keys.join(format!("{fingerprint}.rev.asc")), [text.as_bytes()])
                .map(|()| Outcome::New),
        }
    }
}

impl Piece {
    /// Reads a file of a backup as what its name says; none if the name is none of ours, or the bytes are something
    /// else.
    pub fn read(name: &str, bytes: &[u8]) -> Option<Self> {
        if name == KNOWN {
            return Some(Noted::parse_all(bytes)).filter(|noted| !noted.is_empty()).map(Self::Known);
        }
        let (folder, file) = name.rsplit_once('/').map(|(folder, file)| (format!("{folder}/"), file))?;
        let (stem, suffix) = file.split_once('.')?;
        let fingerprint = Fingerprint::parse(stem).filter(|full| full.as_str() == stem)?;
        let piece = match (folder.as_str(), suffix) {
            (KEYS, "pgp") => Self::Key(Box::new(only(pgp::Key::parse_all(bytes).ok()?)?)),
            (KEYS, "agent") => Self::AgentKey(Box::new(agent_keys::parse(bytes)?)),
            (KEYS, "smime.agent") => Self::SmimeAgentKey(agent_keys::parse(bytes)?),
            (KEYS, "rev.asc") => {
                let revocation = only(Certificate::parse_all(bytes).ok()?)?;
                (revocation.fingerprint() == fingerprint).then_some(())?;
                return Some(Self::Revocation(fingerprint, String::from_utf8(bytes.to_vec()).ok()?));
            }
            (KEYS, "pem") => Self::SmimeKey(only(smime::Key::parse_all(bytes).ok()?).filter(smime::Key::is_locked)?),
            (KEYS, "request.pem") => Self::Waiting(smime::Waiting::parse(bytes).ok()?),
            (ORIGINS, "json") if are_origins(bytes) => Self::Origins(fingerprint.clone(), bytes.to_vec()),
            (CERTIFICATES, "pgp") => Self::Certificate(Box::new(only(Certificate::parse_all(bytes).ok()?)?)),
            (X509, "pem") => Self::X509(only(smime::Certificate::parse_stored(bytes).ok()?)?, Origin::Imported),
            (CANDIDATES, "pem") => Self::X509(only(smime::Certificate::parse_stored(bytes).ok()?)?, Origin::Candidate),
            _ => return None,
        };
        let is = match &piece {
            Self::Key(key) => Some(key.fingerprint()).filter(|_| key.to_bytes().is_ok()),
            Self::AgentKey(key) => Some(key.fingerprint()),
            Self::SmimeAgentKey(key) => Some(key.fingerprint()),
            Self::SmimeKey(key) => key.fingerprint(),
            Self::Waiting(waiting) => Some(waiting.id()),
            Self::Certificate(certificate) => Some(certificate.fingerprint()),
            Self::X509(certificate, _) => Some(certificate.fingerprint()),
            Self::Revocation(fingerprint, _) | Self::Origins(fingerprint, _) => Some(fingerprint.clone()),
            Self::Known(_) => None,
        };
        (is? == fingerprint).then_some(piece)
    }
}

/// When a file comes back: first what says how certificates are known, then keys, since one's own certificates are
/// known as such.
pub fn turn(name: &str) -> u8 {
    match name {
        _ if name == KNOWN || name.starts_with(ORIGINS) => 0,
        _ if name.starts_with(KEYS) => 1,
        _ => 2,
    }
}

/// Whether a file beside the keys is one of ours, by its name.
fn is_of_key(name: &str) -> bool {
    let (stem, suffix) = name.split_once('.').unwrap_or_default();
    let ours = matches!(suffix, "pgp" | "agent" | "smime.agent" | "rev.asc" | "pem" | "request.pem");
    ours && Fingerprint::parse(stem).is_some()
}

fn only<T>(mut all: Vec<T>) -> Option<T> {
    all.pop().filter(|_| all.is_empty())
}

/// The files of a folder, also those that are linked there, but for hidden ones.
fn file_names(folder: &Path) -> Result<BTreeSet<String>, StoreError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(StoreError::read(folder))? {
        let Ok(name) = entry.map_err(StoreError::read(folder))?.file_name().into_string() else { continue };
        let path = folder.join(&name);
        if !name.starts_with('.') && fs::metadata(&path).map_err(StoreError::read(&path))?.is_file() {
            names.insert(name);
        }
    }
    Ok(names)
}
