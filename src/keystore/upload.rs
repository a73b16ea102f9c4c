//! One's own certificate to a keyserver: by the API of keys.openpgp.org (VKS, version 1), and by HKP over TLS
//! (draft-gallagher-openpgp-hkp, 4.1).
//!
//! It tells a third party, and what a keyserver has it may never forget: whoever calls this was asked to. What goes out
//! is a [`Certificate`], which has no secret half.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::find::{LARGEST, Source, escaped, host, status_is_temporary};
use crate::{
    crypt::{Fingerprint, PublicCertificate, pgp::Certificate},
    mail::Address,
    net::http::{Answer, Client, HttpError, Limits, Request},
};

/// The most characters of what a server says that are repeated.
const MOST_SAID: usize = 200;

/// A keyserver by its URL without a path, such as `https://keys.openpgp.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keyserver {
    /// One that checks addresses by mail.
    Vks(String),
    /// One that checks nothing.
    Hkps(String),
}

/// How an address stands on a keyserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// The certificate is not found by it.
    Unpublished,
    /// It is.
    Published,
    /// The certificate, or this user ID of it, is revoked.
    Revoked,
    /// It is once a link is opened that the server sent there by mail.
    Pending,
    /// The server took the certificate, and tells nothing of addresses.
    #[serde(skip_deserializing)]
    Uploaded,
    /// The server does not speak of it, or in words that are not known.
    #[serde(other)]
    Unknown,
}

/// What became of an upload.
#[derive(Debug)]
pub struct Uploaded {
    /// Each of the addresses, as the server said last.
    pub standings: Vec<(Address, Standing)>,
    /// Why no mail was asked for, where one was due; the certificate is uploaded all the same.
    pub unasked: Option<UploadError>,
}

/// Why a certificate is not uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The server does not take it, and perhaps says why.
    #[error("{host} refused it with status {status}{}", said.as_deref().map(|said| format!(": {said}")).unwrap_or_default())]
    Refused {
        /// Who.
        host: String,
        /// Of HTTP.
        status: u16,
        /// Its words.
        said: Option<String>,
    },
    /// What it answered is not the answer of that API.
    #[error("{0} does not answer as a keyserver does")]
    Broken(String),
    /// It speaks of another certificate.
    #[error("{host} answered for another certificate, {fingerprint}")]
    Other {
        /// Who.
        host: String,
        /// Which, as it says.
        fingerprint: String,
    },
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// What VKS answers to both requests.
#[derive(Deserialize)]
struct Told {
    key_fpr: String,
    status: BTreeMap<String, Standing>,
    #[serde(default)]
    token: String,
}

/// What VKS answers when it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Uploads a certificate, and has a server that checks addresses send its mail to those of the addresses that are not
/// proven yet. `locale` is the language of that mail, such as `en_US`; `patience` is for each of the two requests.
///
/// # Errors
/// [`UploadError`]; then the server may have it or not.
pub async fn upload(
    client: &Client,
    server: &Keyserver,
    certificate: &Certificate,
    addresses: &[Address],
    locale: &str,
    patience: Duration,
) -> Result<Uploaded, UploadError> {
    let armored = certificate.to_armored();
    let base = match server {
        Keyserver::Vks(base) => base,
        Keyserver::Hkps(base) => {
            let form = format!("keytext={}", escaped(&armored)).into_bytes();
            post(client, base, "/pks/add", ("application/x-www-form-urlencoded", form), patience).await?;
            let standings = addresses.iter().map(|address| (address.clone(), Standing::Uploaded)).collect();
            return Ok(Uploaded { standings, unasked: None });
        }
    };
    let fingerprint = certificate.fingerprint();
    let told = ask(client, base, "upload", &json!({ "keytext": armored }), &fingerprint, patience).await?;
    let mut status = told.status;
    // Under the server's own spelling, and nobody else's: it may know more addresses of the certificate.
    let unproven = |name: &str| Address::parse(name).is_ok_and(|address| addresses.contains(&address));
    let unproven: Vec<_> = status
        .iter()
        .filter(|(name, standing)| **standing == Standing::Unpublished && unproven(name))
        .map(|(name, _)| name.clone())
        .collect();
    let mut unasked = None;
    if !unproven.is_empty() {
        let request = json!({ "token": told.token, "addresses": unproven, "locale": [locale] });
        match ask(client, base, "request-verify", &request, &fingerprint, patience).await {
            Ok(told) => status.extend(told.status),
            Err(error) => unasked = Some(error),
        }
    }
    let of = |address: &Address| {
        let named = |name: &str| Address::parse(name).is_ok_and(|named| named == *address);
        status.iter().find(|(name, _)| named(name)).map_or(Standing::Unknown, |(_, standing)| *standing)
    };
    Ok(Uploaded { standings: addresses.iter().map(|address| (address.clone(), of(address))).collect(), unasked })
}

/// One request of VKS.
async fn ask(
    client: &Client,
    base: &str,
    what: &str,
    request: &serde_json::Value,
    fingerprint: &Fingerprint,
    patience: Duration,
) -> Result<Told, UploadError> {
    let body = ("application/json", request.to_string().into_bytes());
    let answer = post(client, base, &format!("/vks/v1/{what}"), body, patience).await?;
    let told: Told = serde_json::from_slice(&answer.body).map_err(|_| UploadError::Broken(host(base).to_owned()))?;
    match Fingerprint::parse(&told.key_fpr) {
        Some(named) if named == *fingerprint => Ok(told),
        _ => Err(UploadError::Other { host: host(base).to_owned(), fingerprint: shortened(&told.key_fpr) }),
    }
}

async fn post(
    client: &Client,
    base: &str,
    path: &str,
    body: (&str, Vec<u8>),
    patience: Duration,
) -> Result<Answer, UploadError> {
    let request = Request { url: &format!("{base}{path}"), accept: "application/json, */*", post: Some(body) };
    let answer = client.ask(&request, Limits { deadline: Instant::now() + patience, body: LARGEST }).await?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let said = serde_json::from_slice::<Refusal>(&answer.body).ok().map(|refusal| shortened(&refusal.error));
    Err(UploadError::Refused { host: host(base).to_owned(), status: answer.status, said })
}

fn shortened(text: &str) -> String {
    text.chars().take(MOST_SAID).collect()
}

impl Keyserver {
    /// Which kind.
    pub fn source(&self) -> Source {
        match self {
            Self::Vks(_) => Source::Vks,
            Self::Hkps(_) => Source::Hkps,
        }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        let (Self::Vks(url) | Self::Hkps(url)) = self;
        url
    }
}

impl UploadError {
    /// Whether the server may have the certificate all the same.
    pub fn may_have_it(&self) -> bool {
        use HttpError::{Proxy, Refused, Unresolved};
        !matches!(self, Self::Refused { .. } | Self::Http(Refused { .. } | Unresolved { .. } | Proxy { .. }))
    }

    /// Whether another try may go better, with nothing changed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Http(error) => error.is_temporary(),
            Self::Refused { status, .. } => status_is_temporary(*status),
            Self::Broken(_) | Self::Other { .. } => false,
        }
    }
}
