//! A directory of LDAP that the user names: certificates of S/MIME by mail address (RFC 4523, RFC 2798).

use tokio::time::Instant;

use super::{FindError, Finding, Finds, Found, LARGEST, MOST, Question, Source};
use crate::{
    crypt::{SuiteName, smime::Certificate},
    net::{
        http::Client,
        ldap::{Bounds, Directory, LdapError},
    },
};

/// What is asked for: certificates, and PKCS#7 bundles with a certificate in them, which not every server has as RFC 2798
/// says.
const ATTRIBUTES: [&str; 3] = ["userCertificate;binary", "userSMIMECertificate", "userSMIMECertificate;binary"];

/// Asks a directory.
pub struct Ldap {
    client: Client,
    directory: Directory,
}

impl Ldap {
    /// One that asks so.
    pub fn new(client: Client, directory: Directory) -> Self {
        Self { client, directory }
    }

    async fn ask(&self, question: &Question, deadline: Instant) -> Result<Found, FindError> {
        let host = || format!("the directory {}", self.directory.host());
        let address = question.address.to_string();
        let bounds = Bounds { deadline, octets: LARGEST, entries: MOST };
        let values = self.directory.search(&self.client, ("mail", &address), &ATTRIBUTES, bounds).await;
        let values = values.map_err(|error| match error {
            LdapError::Connection(error) => FindError::Http(error),
            error => error.into(),
        })?;
        let (mut smime, mut broken, mut some) = (Vec::new(), None, false);
        for value in values {
            match Certificate::parse_all(&value) {
                Ok(given) => {
                    some = true;
                    smime.extend(given.into_iter().filter(|one| question.is_named_by(one)));
                }
                // An old one that nobody can read hides no good one.
                Err(error) => broken = Some(error),
            }
            if smime.len() > MOST {
                return Err(FindError::TooMany(host()));
            }
        }
        match broken {
            _ if !smime.is_empty() => Ok(Found { openpgp: Vec::new(), smime }),
            _ if some => Err(FindError::Foreign(host())),
            Some(error) => Err(FindError::BrokenX509 { host: host(), error }),
            None => Err(FindError::Nothing(host())),
        }
    }
}

impl Finds for Ldap {
    fn source(&self) -> Source {
        Source::Ldap
    }

    fn suites(&self) -> &'static [SuiteName] {
        &[SuiteName::Smime]
    }

    fn find<'a>(&'a self, question: &'a Question, deadline: Instant) -> Finding<'a> {
        Box::pin(self.ask(question, deadline))
    }
}
