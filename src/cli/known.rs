//! Certificates and keys of either suite, as files hold them.

use std::path::Path;

use jiff::Timestamp;

use super::{failure::Failure, input, secrets::secret_file};
use crate::{
    crypt::{Fingerprint, PublicCertificate, SuiteName, pgp, smime},
    mail::Address,
};

/// Certificates of both suites.
#[derive(Default)]
pub struct Known {
    pub openpgp: Vec<pgp::Certificate>,
    pub smime: Vec<smime::Certificate>,
}

/// Keys of a file, which are of one suite.
pub enum KeyFile {
    OpenPgp(Vec<pgp::Key>),
    Smime(Vec<smime::Key>),
}

impl Known {
    /// Those in some bytes, which are of one suite.
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(match SuiteName::of(bytes) {
            SuiteName::OpenPgp => Self { openpgp: pgp::Certificate::parse_all(bytes)?, smime: Vec::new() },
            SuiteName::Smime => Self { openpgp: Vec::new(), smime: smime::Certificate::parse_all(bytes)? },
        })
    }

    /// Those of a file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(&input::file(path)?).map_err(|failure| in_file(failure, path))
    }

    pub fn extend(&mut self, more: Self) {
        self.openpgp.extend(more.openpgp);
        self.smime.extend(more.smime);
    }

    pub fn is_empty(&self) -> bool {
        self.openpgp.is_empty() && self.smime.is_empty()
    }

    /// The one of a fingerprint.
    pub fn with_fingerprint(self, fingerprint: &Fingerprint) -> Self {
        Self {
            openpgp: self.openpgp.into_iter().filter(|one| one.fingerprint() == *fingerprint).take(1).collect(),
            smime: self.smime.into_iter().filter(|one| one.fingerprint() == *fingerprint).take(1).collect(),
        }
    }

    /// The first that names an address at a time.
    pub fn naming(&self, address: &Address, at: Timestamp) -> Option<Fingerprint> {
        let openpgp =
            self.openpgp.iter().filter(|one| one.addresses(at).contains(address)).map(|one| one.fingerprint());
        let smime = self.smime.iter().filter(|one| one.addresses(at).contains(address)).map(|one| one.fingerprint());
        openpgp.chain(smime).next()
    }
}

impl KeyFile {
    /// Those of a file that only its owner may read.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = secret_file(path, "key")?;
        let parsed = match SuiteName::of(&bytes) {
            SuiteName::OpenPgp => pgp::Key::parse_all(&bytes).map(Self::OpenPgp).map_err(Failure::from),
            SuiteName::Smime => smime::Key::parse_all(&bytes).map(Self::Smime).map_err(Failure::from),
        };
        parsed.map_err(|failure| in_file(failure, path))
    }
}

fn in_file(failure: Failure, path: &Path) -> Failure {
    Failure { text: format!("{}: {}", path.display(), failure.text), ..failure }
}
