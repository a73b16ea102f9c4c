//! Where secrets come from, and how keys are locked and unlocked.

use std::{cell::RefCell, path::Path};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    composition::Place,
    exit::Kind,
    failure::Failure,
    grammar::{self, Global},
    input,
};
use crate::{
    config::{Account, Overrides},
    crypt::{PublicCertificate, Strength, SuiteName, random_passphrase, smime},
    mail::Address,
    secret::{self, Destination, SecretError, Source},
};

/// Reads the text of a secret's source.
pub fn source(text: Option<&str>) -> Result<Option<Source>, Failure> {
    Ok(text.map(Source::parse).transpose()?)
}

/// How a key is to be locked.
pub struct Locking {
    pub passphrase: Zeroizing<String>,
    pub strength: Strength,
}

impl Locking {
    /// A passphrase that somebody chose.
    pub fn given(passphrase: Zeroizing<String>) -> Self {
        Self { passphrase, strength: Strength::Human }
    }

    /// A random one, put where it was asked for before it is used.
    pub fn generated(place: &str) -> Result<Self, Failure> {
        let place = Destination::parse(place)?;
        let passphrase =
            random_passphrase().map_err(|error| Failure::new(Kind::System, format!("no random bytes: {error}")))?;
        place.write(&passphrase)?;
        Ok(Self { passphrase, strength: Strength::Generated })
    }

    /// What the flags say.
    pub fn read(lock: &grammar::Lock) -> Result<Option<Self>, Failure> {
        if let Some(place) = &lock.new_passphrase {
            return Self::generated(place).map(Some);
        }
        let Some(source) = source(lock.passphrase.as_deref())? else { return Ok(None) };
        Ok(Some(Self::given(source.read()?)))
    }
}

/// A secret file, which only its owner may read.
pub fn secret_file(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    unexposed(path, what)?;
    input::file(path)
}

/// Refuses a file that others can read; stdin, `-`, has no such mode.
pub fn unexposed(path: &Path, what: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    if path.as_os_str() == "-" {
        return Ok(());
    }
    let shown = path.display().to_string();
    let meta = std::fs::metadata(path).map_err(|error| input::unreadable(&shown, &error))?;
    let mode = meta.permissions().mode() & 0o7777;
    if meta.is_file() && mode & 0o044 != 0 {
        let text = format!("the {what} file {shown} can be read by others (mode {mode:04o})");
        return Err(Failure::new(Kind::Permission, text).hint(["chmod", "600", &shown]));
    }
    Ok(())
}

/// The passphrases of the keys of each suite. A source is read once in a run: a pipe does not give it twice.
pub struct Passphrases {
    openpgp: Option<Source>,
    smime: Option<Source>,
    read: RefCell<Vec<(Source, Zeroizing<String>)>>,
}

impl Passphrases {
    /// Those that an account has, or the flags laid over it.
    pub fn of(account: &Account) -> Self {
        let source = |suite| account.passphrase_in(suite).cloned();
        Self { openpgp: source(SuiteName::OpenPgp), smime: source(SuiteName::Smime), read: RefCell::default() }
    }

    /// One for all keys.
    pub fn one(source: Option<Source>) -> Self {
        Self { openpgp: source.clone(), smime: source, read: RefCell::default() }
    }

    /// Whether there is one for any key.
    pub fn any(&self) -> bool {
        self.openpgp.is_some() || self.smime.is_some()
    }

    /// Whether the keys of both suites have one source.
    pub fn is_shared(&self) -> bool {
        self.openpgp.is_some() && self.openpgp == self.smime
    }

    fn source(&self, suite: SuiteName) -> Option<&Source> {
        match suite {
            SuiteName::OpenPgp => self.openpgp.as_ref(),
            SuiteName::Smime => self.smime.as_ref(),
        }
    }

    /// That of a suite, the empty one if its source is empty; none without a source.
    pub fn given(&self, suite: SuiteName) -> Result<Option<Zeroizing<String>>, SecretError> {
        let Some(source) = self.source(suite) else { return Ok(None) };
        let mut read = self.read.borrow_mut();
        if let Some((_, known)) = read.iter().find(|(known, _)| known == source) {
            return Ok(Some(known.clone()));
        }
        let passphrase = source.read_or_empty()?;
        read.push((source.clone(), passphrase.clone()));
        Ok(Some(passphrase))
    }

    /// That of a key, asked for on a terminal where there is no source; an empty source is an error.
    pub fn of_key(&self, suite: SuiteName, key: &str) -> Result<Zeroizing<String>, Failure> {
        match (self.given(suite)?, self.source(suite)) {
            (Some(given), Some(source)) if given.is_empty() => Err(SecretError::Empty(source.clone()).into()),
            (Some(given), _) => Ok(given),
            (None, _) => ask_for(key),
        }
    }
}

fn ask_for(key: &str) -> Result<Zeroizing<String>, Failure> {
    secret::ask(&format!("passphrase of {key}")).map_err(|error| {
        let failure = Failure::from(error);
        let text = format!("{key} is locked: {}; give --passphrase", failure.text);
        Failure { text, ..failure }
    })
}

/// The passphrase of what is locked: from its source, else asked for on a terminal.
pub fn passphrase_of(what: &str, source: Option<&Source>) -> Result<Zeroizing<String>, Failure> {
    source.map_or_else(|| ask_for(what), |source| Ok(source.read()?))
}

/// The passphrase of a stored key: from the flag, else from the account that writes as one of its addresses, else asked
/// for on a terminal.
pub fn stored_passphrase(
    key: &str,
    suite: SuiteName,
    addresses: &[Address],
    place: &Place,
    global: &Global,
    flag: Option<&str>,
) -> Result<Zeroizing<String>, Failure> {
    let from = addresses.first().map(ToString::to_string);
    let flags = Overrides { from, passphrase: flag.map(str::to_owned), ..Overrides::default() };
    passphrase_of(&format!("key {key}"), place.settle(global, flags)?.passphrase_in(suite))
}

/// A stored key for S/MIME, unlocked.
pub fn unlocked_smime(
    key: &smime::Key,
    place: &Place,
    global: &Global,
    flag: Option<&str>,
    at: Timestamp,
) -> Result<smime::Key, Failure> {
    let addresses = key.certificate().map(|certificate| certificate.addresses(at)).unwrap_or_default();
    let name = key.fingerprint().map(|fingerprint| fingerprint.to_string()).unwrap_or_default();
    Ok(key.unlock(&stored_passphrase(&name, SuiteName::Smime, &addresses, place, global, flag)?)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_source_is_read_once_for_all_keys_that_want_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, "first\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let file = Source::File(path.clone());
        let both = Passphrases { openpgp: Some(file.clone()), smime: Some(file), read: RefCell::default() };
        assert_eq!(*both.of_key(SuiteName::OpenPgp, "one").unwrap(), "first");
        std::fs::write(&path, "second\n").unwrap();
        for suite in [SuiteName::OpenPgp, SuiteName::Smime] {
            assert_eq!(*both.of_key(suite, "another").unwrap(), "first");
        }
        assert!(both.is_shared() && both.any());
        assert!(!Passphrases::one(None).any());
    }
}
