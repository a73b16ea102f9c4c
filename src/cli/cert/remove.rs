//! `sealpost cert remove`.

use jiff::Timestamp;

use super::{CertificateJson, Judging};
use crate::{
    cli::{composition::Place, failure::Failure, named, named::AnyCertificate, printable::Printable, voice::Voice},
    crypt::{Fingerprint, PublicCertificate},
    keystore::StoreError,
};

pub fn run(name: &str, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    if let Some(fingerprint) = Fingerprint::parse(name) {
        let store = &place.keystore;
        let read = store.certificate(&fingerprint).map(drop).and_then(|()| store.x509(&fingerprint).map(drop));
        if let Err(damage) = read {
            return damaged(&fingerprint, damage, place, voice);
        }
    }
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

/// Removes one that cannot be read, of which its name alone can be told.
fn damaged(fingerprint: &Fingerprint, damage: StoreError, place: &Place, voice: Voice) -> Result<u8, Failure> {
    let removed = [place.keystore.remove(fingerprint)?, place.keystore.remove_x509(fingerprint)?];
    if !removed.contains(&true) {
        return Err(damage.into());
    }
    let (full, reason) = (fingerprint.to_string(), damage.to_string());
    if voice.json {
        let removed =
            serde_json::json!({ "fingerprint": full, "usable": false, "reason": reason, "outcome": "removed" });
        voice.object(&serde_json::json!({ "version": 1, "certificate": removed }))?;
    }
    voice.say(format_args!("removed {full}, which could not be read: {}", Printable(&reason)));
    Ok(0)
}
