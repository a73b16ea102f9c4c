//! Where secrets come from, and how keys are locked and unlocked.

use std::path::Path;

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
    config::Overrides,
    crypt::{PublicCertificate, Strength, SuiteName, random_passphrase, smime},
    mail::Address,
    secret::{self, Destination, Source},
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

/// The passphrase of a locked key: from its source, else asked for on a terminal.
pub fn passphrase_of(key: &str, source: Option<&Source>) -> Result<Zeroizing<String>, Failure> {
    match source {
        Some(source) => Ok(source.read()?),
        None => secret::ask(&format!("passphrase of {key}")).map_err(|error| {
            let failure = Failure::from(error);
            let text = format!("{key} is locked: {}; give --passphrase", failure.text);
            Failure { text, ..failure }
        }),
    }
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
