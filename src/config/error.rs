//! What is wrong with a setting, and where it stands.

use std::{fmt, io, path::PathBuf};

use crate::{mail::AddressError, secret::SecretError, submit::PortError};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A settings file.
    File {
        /// Which.
        path: PathBuf,
        /// The line of the value, from 1.
        line: usize,
        /// The key with its tables, for instance `account.work.submission.ports`.
        key: String,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A flag, with its dashes.
    Flag(&'static str),
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither `--home`, `SEALPOST_HOME` nor a home directory.
    #[error("there is no home directory: neither SEALPOST_HOME nor HOME is set")]
    NoHome,
    /// A settings file is there and cannot be read.
    #[error("{} cannot be read: {error}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// Not TOML. The line itself is not repeated: it may hold a password.
    #[error("{}, line {line}: {reason}", .path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The reader's word.
        reason: String,
    },
    /// A key that does not exist.
    #[error("{origin} is not a known key")]
    UnknownKey {
        /// Where, with the key.
        origin: Origin,
        /// The nearest key that exists there, with its tables.
        nearest: Option<String>,
    },
    /// A value of another TOML type.
    #[error("{origin} is to be {expected}")]
    WrongType {
        /// Where.
        origin: Origin,
        /// What it is to be: `a string`, `true or false` and so on.
        expected: &'static str,
    },
    /// A value that means nothing.
    #[error("{origin}: {error}")]
    BadValue {
        /// Where.
        origin: Origin,
        /// What is wrong.
        error: ValueError,
    },
    /// An account that is not configured.
    #[error("{origin}: there is no account {name:?}")]
    UnknownAccount {
        /// Who asked for it.
        origin: Origin,
        /// Its name.
        name: String,
        /// The nearest account that there is.
        nearest: Option<String>,
    },
    /// A group that recipients.toml does not have, asked for on the command line (no origin) or as a member.
    #[error("{}there is no group {name:?}", prefix(.origin))]
    UnknownGroup {
        /// The membership that names it.
        origin: Option<Origin>,
        /// Its name, without `@`.
        name: String,
        /// The nearest group that there is.
        nearest: Option<String>,
    },
    /// A group that is a member of itself.
    #[error("{}the group contains itself: {}", prefix(.origin), .groups.join(" > "))]
    GroupLoop {
        /// The membership that closes the loop.
        origin: Option<Origin>,
        /// The way round, first and last the same.
        groups: Vec<String>,
    },
}

impl ConfigError {
    /// Whether the command line is at fault, not a file or the environment.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::UnknownKey { origin, .. }
            | Self::WrongType { origin, .. }
            | Self::BadValue { origin, .. }
            | Self::UnknownAccount { origin, .. } => matches!(origin, Origin::Flag(_)),
            Self::UnknownGroup { origin, .. } | Self::GroupLoop { origin, .. } => origin.is_none(),
            Self::NoHome | Self::Read { .. } | Self::Syntax { .. } => false,
        }
    }

    /// The known name that is nearest to the unknown one.
    pub fn nearest(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { nearest, .. }
            | Self::UnknownAccount { nearest, .. }
            | Self::UnknownGroup { nearest, .. }
            | Self::BadValue { error: ValueError::Auth { nearest, .. }, .. } => nearest.as_deref(),
            _ => None,
        }
    }
}

/// What is wrong with a value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// Not a mailbox or an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Not a source of a secret; the text is not repeated.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Nothing, where something is to be.
    #[error("it is empty")]
    Empty,
    /// An environment variable that is not UTF-8.
    #[error("it is not text in UTF-8")]
    NotText,
    /// Not a host name.
    #[error("{0:?} is not a host name")]
    Host(String),
    /// A control character.
    #[error("{0:?} holds a control character")]
    Control(String),
    /// Not a port, or not one for submission.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Not a login mechanism.
    #[error("{text:?} is not a login mechanism")]
    Auth {
        /// As given.
        text: String,
        /// The nearest one that exists.
        nearest: Option<String>,
    },
    /// Not a span of time, or not one of 1 second to 24 hours.
    #[error("{0:?} is not a time from 1s to 24h")]
    Duration(String),
    /// Not a proxy; the text is not repeated.
    #[error(
        "it is not a proxy such as http://proxy.example.org:3128 or socks5h://127.0.0.1:9050, without a login, or direct"
    )]
    Proxy,
    /// Not a number of days.
    #[error("{0:?} is not a number of days such as 30d")]
    Days(String),
    /// Not a header confidentiality policy.
    #[error("{0:?} is not a header policy: it is baseline or shy")]
    HeaderPolicy(String),
    /// Not a level of trust.
    #[error("{0:?} is not a level of trust: it is keyserver, candidate, imported, found or pinned")]
    Trust(String),
    /// Not a form of S/MIME signatures.
    #[error("{0:?} is not a form of signature: it is detached or opaque")]
    SignatureForm(String),
    /// Not a source of certificates.
    #[error("{0:?} is not a source: it is wkd, vks, hkps, dane or ldap")]
    Source(String),
    /// A source without its server; the key that would name it.
    #[error("no server is set: give find.{0} too")]
    NoServer(&'static str),
    /// Not the URL of a keyserver; it is not repeated.
    #[error("a keyserver is given as https://HOST or https://HOST:PORT")]
    Server,
    /// Not the URL of a directory; it is not repeated.
    #[error("a directory is given as ldaps://HOST/BASE, such as ldaps://ldap.example.org/dc=example,dc=org")]
    Directory,
    /// Not an IP address with a port.
    #[error("{0:?} is not an address and a port such as 192.0.2.1:443")]
    SocketAddress(String),
    /// Not a full fingerprint; a short key ID proves nothing.
    #[error("{0:?} is not a full fingerprint of 40 or 64 hexadecimal digits")]
    Fingerprint(String),
    /// Not a suite.
    #[error("{0:?} is not a suite: it is openpgp or smime")]
    Suite(String),
    /// The same address or domain as another entry, spelled otherwise.
    #[error("it stands there twice")]
    Twice,
    /// Not a name for a group.
    #[error("{0:?} is not a name for a group")]
    GroupName(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, key } => write!(f, "{}, line {line}: {}", path.display(), key),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

fn prefix(origin: &Option<Origin>) -> String {
    origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default()
}

/// The nearest of some names, if it is near enough to be what was meant.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let enough = |distance: &usize| *distance <= name.chars().count().div_ceil(2).max(2);
    let ranked = names.into_iter().map(|known| (strsim::osa_distance(name, known), known));
    ranked.min().filter(|(distance, _)| enough(distance)).map(|(_, known)| known.to_owned())
}
