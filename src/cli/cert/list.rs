//! `sealpost cert list` and `cert show`.

use jiff::Timestamp;

use super::{CertificateJson, Judging, levels::Levels};
use crate::cli::{composition::Place, failure::Failure, named, voice::Voice};

pub fn run(place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let (judging, levels) = (Judging::new(place, at)?, Levels::new(place)?);
    let (openpgp, smime) = (place.keystore.all_certificates()?, place.keystore.all_x509()?);
    place.warn(voice);
    let mut all = Vec::with_capacity(openpgp.len() + smime.len());
    for one in &openpgp {
        all.push(CertificateJson { levels: levels.openpgp(one, at, voice), ..judging.openpgp(one) });
    }
    for (one, origin) in &smime {
        all.push(CertificateJson { levels: levels.smime(one, *origin, at, voice), ..judging.smime(one) });
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificates": all }))?;
    } else {
        let lines: String = all.iter().map(|certificate| certificate.line() + "\n").collect();
        voice.data(lines.as_bytes())?;
    }
    Ok(0)
}

pub fn show(name: &str, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let certificate = named::certificate_named(name, place, at)?;
    let levels = Levels::new(place)?.of(&certificate, at, voice);
    let shown = CertificateJson { levels, ..Judging::new(place, at)?.show_asking(&certificate)? };
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificate": shown }))?;
    } else {
        voice.data(shown.words().as_bytes())?;
    }
    Ok(0)
}
