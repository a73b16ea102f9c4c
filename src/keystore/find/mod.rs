//! Certificates that others publish: adapters to Web Key Directories, keyservers, DANE and LDAP behind one trait.
//!
//! Looking up tells whoever is asked, and whoever sees the connection, whom one writes to. Only `https` and `ldaps` are spoken, and DNS, where DNSSEC proves what comes; each
//! answer is bounded in time, size and redirects, and of what comes only that counts which was asked for: certificates
//! reduced to the user IDs of the one address. Nothing here is kept, and nothing decides what is believed.

#[cfg(feature = "dane")]
mod dane;
mod keyserver;
mod ldap;
pub(in crate::keystore) mod wkd;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

#[cfg(feature = "dane")]
use crate::net::dnssec::DnssecError;
use crate::{
    crypt::{
        Fingerprint, PublicCertificate, SuiteName,
        pgp::{Certificate, CertificateError},
        smime,
    },
    mail::Address,
    net::{
        http::{Client, HttpError, Limits, Request},
        ldap::LdapError,
    },
};

#[cfg(feature = "dane")]
pub use dane::Dane;
pub(in crate::keystore) use keyserver::host;
pub use keyserver::{Hkps, Vks};
pub use ldap::Ldap;
pub use wkd::Wkd;

/// The largest answer, in bytes.
pub(in crate::keystore) const LARGEST: usize = 1 << 20;

/// The most certificates in one answer.
const MOST: usize = 16;

/// How long one source may take, unless the settings say otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The Web Key Directory of the address's own domain (draft-koch-openpgp-webkey-service).
    Wkd,
    /// A keyserver that checks addresses by mail: the API of keys.openpgp.org, version 1.
    Vks,
    /// A keyserver that checks nothing (draft-gallagher-openpgp-hkp), by TLS.
    Hkps,
    /// The DNS of the address's own domain, where DNSSEC proves it (RFC 7929, RFC 8162).
    Dane,
    /// A directory that the user names (RFC 4523).
    Ldap,
    /// The header of a message, which nobody is asked for (Autocrypt Level 1).
    Autocrypt,
    /// What the author of an encrypted message says of its other readers (Autocrypt Level 1, 4.3).
    Gossip,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// For whom.
    pub address: Address,
    /// For what is new of this one; sources that go by addresses are asked for the address.
    pub known: Option<Fingerprint>,
    /// Of which suite; none if of either.
    pub suite: Option<SuiteName>,
}

/// What a source gives.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Of OpenPGP.
    pub openpgp: Vec<Certificate>,
    /// Of S/MIME.
    pub smime: Vec<smime::Certificate>,
}

/// Why a source gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// It has none; whom it was asked at.
    #[error("{0} has no certificate")]
    Nothing(String),
    /// It gave certificates, and none is the one that was asked for.
    #[error("what {0} gave does not name the address")]
    Foreign(String),
    /// What it gave is no certificate.
    #[error("{host} gave something else: {error}")]
    Broken {
        /// Who.
        host: String,
        /// What.
        error: CertificateError,
    },
    /// What it gave is no certificate of S/MIME.
    #[error("{host} gave something else: {error}")]
    BrokenX509 {
        /// Who.
        host: String,
        /// What.
        error: smime::CertificateError,
    },
    /// More certificates than anybody has.
    #[error("{0} gave more than 16 certificates")]
    TooMany(String),
    /// It answered with a status that is neither a certificate nor none.
    #[error("{host} answered with status {status}")]
    Status {
        /// Who.
        host: String,
        /// Of HTTP.
        status: u16,
    },
    /// It gave records that are no certificate of the holder's; which they are.
    #[error("{host} has {kinds}, and none that holds a whole certificate of the owner")]
    NotWhole {
        /// Who.
        host: String,
        /// Their fields in words.
        kinds: String,
    },
    /// It has none of the suite that is asked for.
    #[error("it has certificates of another suite only")]
    OtherSuite,
    /// The domain of the address is an address literal, or the host cannot stand in a URL.
    #[error("{0} is no domain that is asked")]
    Domain(String),
    /// It is asked by the system's resolver, and the user goes through a proxy.
    #[cfg(feature = "dane")]
    #[error("the DNS would be asked past the proxy: name a resolver in [find] that may be")]
    PastProxy,
    /// The DNS gives nothing that is proven.
    #[cfg(feature = "dane")]
    #[error(transparent)]
    Dnssec(#[from] DnssecError),
    /// A directory does not give it.
    #[error(transparent)]
    Ldap(#[from] LdapError),
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// What becomes of a question, once it is asked.
pub type Finding<'a> = Pin<Box<dyn Future<Output = Result<Found, FindError>> + Send + 'a>>;

/// A source of certificates.
pub trait Finds: Send + Sync {
    /// Which kind.
    fn source(&self) -> Source;

    /// Of which suites it can have certificates.
    fn suites(&self) -> &'static [SuiteName] {
        &[SuiteName::OpenPgp]
    }

    /// Asks. What it gives names the address and nobody else, or is the known one, perhaps without any user ID; at
    /// least one.
    fn find<'a>(&'a self, question: &'a Question, deadline: Instant) -> Finding<'a>;
}

impl Source {
    /// Those that can be asked.
    pub const ASKED: &[Self] = &[
        Self::Wkd,
        Self::Vks,
        Self::Hkps,
        #[cfg(feature = "dane")]
        Self::Dane,
        Self::Ldap,
    ];

    /// Whether it can have certificates of S/MIME.
    pub fn has_smime(self) -> bool {
        matches!(self, Self::Dane | Self::Ldap)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wkd => "wkd",
            Self::Vks => "vks",
            Self::Hkps => "hkps",
            Self::Dane => "dane",
            Self::Ldap => "ldap",
            Self::Autocrypt => "autocrypt",
            Self::Gossip => "gossip",
        }
    }

    /// Reads the word of one that can be asked.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ASKED.iter().copied().find(|source| source.word() == word)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Found {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.openpgp.is_empty() && self.smime.is_empty()
    }
}

impl From<Vec<Certificate>> for Found {
    fn from(openpgp: Vec<Certificate>) -> Self {
        Self { openpgp, smime: Vec::new() }
    }
}

impl FindError {
    /// Whether the source works and has nothing to give.
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing(_) | Self::Foreign(_) | Self::NotWhole { .. } | Self::OtherSuite | Self::Domain(_) => true,
            // Nobody gave anything: most domains sign nothing, and many resolvers keep signatures to themselves.
            #[cfg(feature = "dane")]
            Self::PastProxy | Self::Dnssec(DnssecError::Insecure(_) | DnssecError::Unaware) => true,
            _ => false,
        }
    }

    /// Whether another try may go better, with nothing changed: no connection, no answer in time, a failing server.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Http(error) => error.is_temporary(),
            #[cfg(feature = "dane")]
            Self::Dnssec(error) => matches!(error, DnssecError::Failed { .. }),
            Self::Ldap(error) => error.is_temporary(),
            Self::Status { status, .. } => status_is_temporary(*status),
            _ => false,
        }
    }
}

/// Whether a status of HTTP says that another try may go better.
pub(in crate::keystore) fn status_is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

/// Asks for one URL, and gives what of the answer was asked for.
async fn ask(
    client: &Client,
    url: &str,
    host: &str,
    question: &Question,
    deadline: Instant,
) -> Result<Found, FindError> {
    let host = || host.to_owned();
    let request = Request { url, accept: "application/pgp-keys, application/octet-stream", post: None };
    let answer = client.ask(&request, Limits { deadline, body: LARGEST }).await?;
    match answer.status {
        200 => {}
        404 | 410 => return Err(FindError::Nothing(host())),
        status => return Err(FindError::Status { host: host(), status }),
    }
    let given = match Certificate::parse_all(&answer.body) {
        Ok(given) => given,
        Err(CertificateError::Empty) => return Err(FindError::Nothing(host())),
        Err(error) => return Err(FindError::Broken { host: host(), error }),
    };
    if given.len() > MOST {
        return Err(FindError::TooMany(host()));
    }
    let openpgp: Vec<_> = given.into_iter().filter_map(|certificate| question.limit(certificate)).collect();
    if openpgp.is_empty() { Err(FindError::Foreign(host())) } else { Ok(openpgp.into()) }
}

impl Question {
    /// What of a certificate was asked for: it alone with the user IDs of the address; none if it has none and is not
    /// the known one.
    pub fn limit(&self, certificate: Certificate) -> Option<Certificate> {
        let known = self.known.as_ref() == Some(&certificate.fingerprint());
        let limited = certificate.limited_to(&self.address);
        (known || !limited.user_ids().is_empty()).then_some(limited)
    }

    /// Whether a certificate of S/MIME names the address. What it names never changes, so at no time in particular.
    pub fn is_named_by(&self, certificate: &smime::Certificate) -> bool {
        certificate.addresses(Timestamp::UNIX_EPOCH).contains(&self.address)
    }

    /// Whether certificates of a suite are asked for.
    pub fn asks_for(&self, suite: SuiteName) -> bool {
        self.suite.is_none_or(|only| only == suite)
    }
}

/// A text in a URL's path or query (RFC 3986, 2.1): all but the unreserved characters is written as its octets.
pub(in crate::keystore) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
