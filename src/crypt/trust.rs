//! How a certificate is known, as one scale.

/// How a certificate is known; a later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Found on a keyserver, where anybody can put one.
    Keyserver,
    /// It came with a message, and nobody looked at it since.
    Candidate,
    /// Imported by hand into the store.
    Imported,
    /// Found for its very address where the address's domain publishes it.
    Found,
    /// Given on the command line for this run.
    Given,
    /// By its full fingerprint.
    Pinned,
}

impl Trust {
    /// What the setting `trust` can ask for, weakest first.
    pub const SETTINGS: [Self; 5] = [Self::Keyserver, Self::Candidate, Self::Imported, Self::Found, Self::Pinned];

    /// The word of receipts and settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyserver => "keyserver",
            Self::Candidate => "candidate",
            Self::Imported => "imported",
            Self::Found => "found",
            Self::Given => "given",
            Self::Pinned => "pinned",
        }
    }

    /// Reads a word of settings.
    pub fn parse(word: &str) -> Option<Self> {
        Self::SETTINGS.into_iter().find(|trust| trust.word() == word)
    }
}
