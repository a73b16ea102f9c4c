//! A backup comes back: what is missing here is put in its place, what differs stays and is named.

use std::{io::Read, path::Path};

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::smime::{keep, keep_certificates};
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::Lock,
        input,
        key::backup::{CONFIG, RECIPIENTS},
        printable::Printable,
        secrets,
        voice::Voice,
    },
    crypt::pgp::open_file,
    keystore::{Outcome, Piece, StoredFile, make_private, turn, write_new},
};

/// The most that a backup holds, unpacked.
const LIMIT: usize = 1 << 30;

#[derive(Serialize)]
struct Restored<'a> {
    file: &'a str,
    /// `restored`, `merged`, `unchanged`; `differs`, `unreadable` are not restored.
    outcome: &'static str,
}

/// How a backup was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With everything.
    File,
    /// With keys alone.
    Paper,
}

pub fn run(
    bytes: &[u8],
    form: Form,
    file: &Path,
    lock: &Lock,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    if lock.new_passphrase.is_some() {
        let text = "--new-passphrase does not go with a backup: its keys stay locked as they were";
        return Err(Failure::new(Kind::Usage, text));
    }
    let source = secrets::source(lock.passphrase.as_deref())?;
    let passphrase = secrets::passphrase_of("the backup", source.as_ref())?;
    let archive = open_file(bytes, &passphrase, LIMIT, at)?;
    let mut files = unpack(&archive)
        .map_err(|error| Failure::new(Kind::Malformed, format!("the backup holds something else: {error}")))?;

    files.sort_by_key(|(name, _)| turn(name));
    let mut restored = Vec::new();
    for (name, bytes) in &files {
        restored.push(Restored { file: name, outcome: restore(name, bytes, form, place)? });
    }
    place.warn(voice);
    for one in &restored {
        voice.say(format_args!("{} {}", one.outcome, Printable(one.file)));
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "restored": restored }))?;
    }
    let kept: Vec<_> = restored.iter().filter(|one| matches!(one.outcome, "differs" | "unreadable")).collect();
    match kept.first() {
        None => Ok(0),
        Some(first) => {
            let text = format!(
                "not all of the backup was restored: {} of {} files differ from what is here, which stays, or cannot be \
                 read, the first {}",
                kept.len(),
                restored.len(),
                first.file
            );
            let file = file.display().to_string();
            let mut hint = vec!["sealpost", "--home", "elsewhere", "key", "import", &file];
            hint.extend(lock.passphrase.iter().flat_map(|source| ["--passphrase", source]));
            Err(Failure::new(Kind::CannotCreate, text).hint(hint))
        }
    }
}

fn restore(name: &str, bytes: &[u8], form: Form, place: &Place) -> Result<&'static str, Failure> {
    let outcome = match name {
        CONFIG => settings(&place.home.config, bytes)?,
        RECIPIENTS => settings(&place.home.recipients, bytes)?,
        _ => match Piece::read(name, bytes) {
            Some(piece) => {
                let outcome = place.keystore.restore(&piece)?;
                if form == Form::Paper && outcome.is_some() {
                    own_certificates(&piece, place)?;
                }
                outcome
            }
            None => return Ok("unreadable"),
        },
    };
    Ok(match outcome {
        Some(Outcome::New) => "restored",
        Some(Outcome::Merged) => "merged",
        Some(Outcome::Unchanged) => "unchanged",
        None => "differs",
    })
}

/// What of a key goes to the certificates was left out on paper, since the key has it.
fn own_certificates(piece: &Piece, place: &Place) -> Result<(), Failure> {
    match piece {
        Piece::Key(key) => place.keystore.insert(&key.certificate()).map(drop)?,
        Piece::AgentKey(key) => place.keystore.insert(&key.certificate()).map(drop)?,
        Piece::SmimeAgentKey(key) => keep(key.certificate(), key.chain(), place)?,
        Piece::SmimeKey(key) => keep_certificates(key, place)?,
        _ => {}
    }
    Ok(())
}

/// Settings are written where there are none.
fn settings(path: &Path, bytes: &[u8]) -> Result<Option<Outcome>, Failure> {
    if path.symlink_metadata().is_ok() {
        // One that cannot be read differs: it stays, and the rest comes back.
        let same = input::file(path).is_ok_and(|there| **there == *bytes);
        return Ok(same.then_some(Outcome::Unchanged));
    }
    if let Some(folder) = path.parent() {
        make_private(folder)?;
    }
    write_new(path, [bytes])?;
    Ok(Some(Outcome::New))
}

/// Nothing is ever unpacked to disk under a name of the archive's.
fn unpack(archive: &[u8]) -> std::io::Result<Vec<StoredFile>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default().min(archive.len())));
        entry.read_to_end(&mut bytes)?;
        files.push((name, bytes));
    }
    if files.is_empty() {
        return Err(std::io::Error::other("no file is in it"));
    }
    Ok(files)
}
