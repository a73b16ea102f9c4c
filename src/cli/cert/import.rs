//! `sealpost cert import`.

use std::path::Path;

use jiff::Timestamp;

use super::CertificateJson;
use crate::{
    cli::{composition::Place, failure::Failure, input::Stdin, voice::Voice},
    crypt::pgp::Certificate,
    keystore::Outcome,
};

pub fn run(file: &Path, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(file, "the certificate")?;
    let mut imported = Vec::new();
    for certificate in Certificate::parse_all(&bytes)? {
        let outcome = match place.keystore.insert(&certificate)? {
            Outcome::New => "new",
            Outcome::Merged => "merged",
            Outcome::Unchanged => "unchanged",
        };
        imported.push(CertificateJson { outcome: Some(outcome), ..CertificateJson::new(&certificate, at) });
    }
    for certificate in &imported {
        voice.say(format_args!("{}: {}", certificate.outcome.unwrap_or_default(), certificate.line()));
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificates": imported }))?;
    }
    Ok(0)
}
