//! `sealpost cert remove`.

use jiff::Timestamp;

use super::{CertificateJson, Judging};
use crate::{
    cli::{composition::Place, failure::Failure, named, named::AnyCertificate, voice::Voice},
    crypt::PublicCertificate,
};

pub fn run(name: &str, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let certificate = named::certificate_named(name, place, at)?;
    let shown = Judging::new(place, at)?.show(&certificate);
    match &certificate {
        AnyCertificate::OpenPgp(one) => place.keystore.remove(&one.fingerprint())?,
        AnyCertificate::Smime(one) => place.keystore.remove_x509(&one.fingerprint())?,
    };
    let removed = CertificateJson { outcome: Some("removed"), ..shown };
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificate": removed }))?;
    }
    voice.say(format_args!("removed {}", removed.line()));
    Ok(0)
}
