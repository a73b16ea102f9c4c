//! `sealpost cert remove`.

use jiff::Timestamp;

use super::CertificateJson;
use crate::{
    cli::{
        composition::{self, Place},
        failure::Failure,
        voice::Voice,
    },
    crypt::PublicCertificate,
};

pub fn run(name: &str, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let certificate = composition::certificate_named(name, place, at)?;
    place.keystore.remove(&certificate.fingerprint())?;
    let removed = CertificateJson { outcome: Some("removed"), ..CertificateJson::new(&certificate, at) };
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificate": removed }))?;
    }
    voice.say(format_args!("removed {}", removed.line()));
    Ok(0)
}
