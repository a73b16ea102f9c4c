//! Keyservers: by the API of keys.openpgp.org (VKS, version 1), and by HKP over TLS.

use tokio::time::Instant;

use super::{Finding, Finds, Question, Source, ask, escaped};
use crate::net::http::Client;

/// A keyserver that gives addresses only to those who proved them.
pub struct Vks {
    client: Client,
    base: String,
}

/// A keyserver of HKP (draft-gallagher-openpgp-hkp, 3.1).
pub struct Hkps {
    client: Client,
    base: String,
}

impl Vks {
    /// One at a URL without a path, such as `https://keys.openpgp.org`.
    pub fn new(client: Client, base: &str) -> Self {
        Self { client, base: base.trim_end_matches('/').to_owned() }
    }

    fn url(&self, question: &Question) -> String {
        match &question.known {
            Some(fingerprint) => format!("{}/vks/v1/by-fingerprint/{fingerprint}", self.base),
            None => format!("{}/vks/v1/by-email/{}", self.base, escaped(&question.address.to_string())),
        }
    }
}

impl Hkps {
    /// One at a URL without a path, such as `https://keyserver.example.org`.
    pub fn new(client: Client, base: &str) -> Self {
        Self { client, base: base.trim_end_matches('/').to_owned() }
    }

    fn url(&self, question: &Question) -> String {
        let search = match &question.known {
            Some(fingerprint) => format!("0x{fingerprint}"),
            None => escaped(&question.address.to_string()),
        };
        format!("{}/pks/lookup?op=get&options=mr&exact=on&search={search}", self.base)
    }
}

impl Finds for Vks {
    fn source(&self) -> Source {
        Source::Vks
    }

    fn find<'a>(&'a self, question: &'a Question, deadline: Instant) -> Finding<'a> {
        Box::pin(async move { ask(&self.client, &self.url(question), host(&self.base), question, deadline).await })
    }
}

impl Finds for Hkps {
    fn source(&self) -> Source {
        Source::Hkps
    }

    fn find<'a>(&'a self, question: &'a Question, deadline: Instant) -> Finding<'a> {
        Box::pin(async move { ask(&self.client, &self.url(question), host(&self.base), question, deadline).await })
    }
}

/// The host as it stands in the settings, for words.
pub(in crate::keystore) fn host(base: &str) -> &str {
    base.trim_start_matches("https://")
}
