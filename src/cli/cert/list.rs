//! `sealpost cert list` and `cert show`.

use jiff::Timestamp;

use super::Judging;
use crate::cli::{composition::Place, failure::Failure, named, voice::Voice};

pub fn run(place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let judging = Judging::new(place, at)?;
    let (openpgp, smime) = (place.keystore.all_certificates()?, place.keystore.all_x509()?);
    place.warn(voice);
    let openpgp = openpgp.iter().map(|certificate| judging.openpgp(certificate));
    let all: Vec<_> = openpgp.chain(smime.iter().map(|(certificate, _)| judging.smime(certificate))).collect();
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificates": all }))?;
    } else {
        let lines: String = all.iter().map(|certificate| certificate.line() + "\n").collect();
        voice.data(lines.as_bytes())?;
    }
    Ok(0)
}

pub fn show(name: &str, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let shown = Judging::new(place, at)?.show_asking(&named::certificate_named(name, place, at)?)?;
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificate": shown }))?;
    } else {
        voice.data(shown.words().as_bytes())?;
    }
    Ok(0)
}
