//! `sealpost key`: keys of one's own. Every one is locked at rest.

mod export;
mod import;
mod list;
mod make;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    composition::Place,
    failure::Failure,
    grammar::{Global, Key},
    voice::Voice,
};
use crate::{crypt::PublicCertificate, crypt::pgp};

pub fn run(verb: Key, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let place = Place::open(global)?;
    match verb {
        Key::Make(arguments) => make::run(&arguments, &place, at, voice),
        Key::Import(arguments) => import::run(&arguments, &place, at, voice),
        Key::List => list::run(&place, at, voice),
        Key::Show(arguments) => list::show(&arguments.name, &place, at, voice),
        Key::Export(arguments) => export::run(&arguments, &place, at, voice),
    }
}

/// One key in lists and after making or importing it.
#[derive(Serialize)]
pub struct KeyJson {
    fingerprint: String,
    addresses: Vec<String>,
    created: String,
    expires: Option<String>,
    algorithm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

impl KeyJson {
    fn new(key: &pgp::Key, at: Timestamp, outcome: Option<&'static str>) -> Self {
        let certificate = key.certificate();
        Self {
            fingerprint: certificate.fingerprint().to_string(),
            addresses: certificate.addresses(at).iter().map(ToString::to_string).collect(),
            created: certificate.created().to_string(),
            expires: certificate.expires(at).map(|expiry| expiry.to_string()),
            algorithm: certificate.algorithms(),
            outcome,
        }
    }

    fn words(&self) -> String {
        let expires = self.expires.as_deref().map_or("no expiry".to_owned(), |day| format!("until {}", &day[..10]));
        format!("{}  {}  {}  {expires}", self.fingerprint, self.addresses.join(", "), self.algorithm)
    }
}
