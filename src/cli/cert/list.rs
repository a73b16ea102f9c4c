//! `sealpost cert list` and `cert show`.

use jiff::Timestamp;

use super::CertificateJson;
use crate::cli::{
    composition::{self, Place},
    failure::Failure,
    voice::Voice,
};

pub fn run(place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let all = place.keystore.all_certificates()?;
    place.warn(voice);
    let all: Vec<_> = all.iter().map(|certificate| CertificateJson::new(certificate, at)).collect();
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificates": all }))?;
    } else {
        let lines: String = all.iter().map(|certificate| certificate.line() + "\n").collect();
        voice.data(lines.as_bytes())?;
    }
    Ok(0)
}

pub fn show(name: &str, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let shown = CertificateJson::new(&composition::certificate_named(name, place, at)?, at);
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificate": shown }))?;
    } else {
        voice.data(shown.words().as_bytes())?;
    }
    Ok(0)
}
