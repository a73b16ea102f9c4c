//! `sealpost cert import`.

use std::path::Path;

use jiff::Timestamp;

use super::{CertificateJson, Judging};
use crate::{
    cli::{composition::Place, failure::Failure, input::Stdin, known::Known, named::AnyCertificate, voice::Voice},
    crypt::{PublicCertificate, open::introduced, smime},
    keystore::{Origin, Outcome},
    receive,
};

pub fn run(file: &Path, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(file, "the certificate")?;
    let mut stored = Vec::new();
    if let Some(brought) = brought(&bytes, place, at)? {
        for certificate in brought {
            let outcome = place.keystore.insert_x509(&certificate, Origin::Candidate)?;
            stored.push((outcome, AnyCertificate::Smime(certificate)));
        }
        return tell(&stored, &[], place, at, voice);
    }
    let Known { openpgp, smime } = Known::parse(&bytes)?;
    for certificate in openpgp {
        let outcome = place.keystore.insert(&certificate)?;
        place.keystore.note_imported(&certificate.fingerprint(), at)?;
        stored.push((outcome, AnyCertificate::OpenPgp(Box::new(certificate))));
    }
    // Own keys may wait for them.
    let joined = place.keystore.join(&smime)?;
    for certificate in smime {
        let outcome = place.keystore.insert_x509(&certificate, Origin::Imported)?;
        stored.push((outcome, AnyCertificate::Smime(certificate)));
    }
    tell(&stored, &joined, place, at, voice)
}

/// The certificates that a signed message brings, candidates because nobody looked at them; none if it is no message.
fn brought(bytes: &[u8], place: &Place, at: Timestamp) -> Result<Option<Vec<smime::Certificate>>, Failure> {
    let authorities = place.authorities(place.config()?.smime())?;
    let pins = place.recipients()?.pinned();
    let limit = receive::LIMIT;
    let reader = smime::Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &pins, at, limit };
    Ok(introduced(bytes, &reader))
}

fn tell(
    stored: &[(Outcome, AnyCertificate)],
    joined: &[smime::Key],
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let mut imported = Vec::new();
    // Judged once all are there: one may be the issuer of another.
    let judging = Judging::new(place, at)?;
    for (outcome, certificate) in stored {
        let outcome = match outcome {
            Outcome::New => "new",
            Outcome::Merged => "merged",
            Outcome::Unchanged => "unchanged",
        };
        imported.push(CertificateJson { outcome: Some(outcome), ..judging.show(certificate) });
    }
    for certificate in &imported {
        voice.say(format_args!("{}: {}", certificate.outcome.unwrap_or_default(), certificate.line()));
    }
    for fingerprint in joined.iter().filter_map(smime::Key::fingerprint) {
        voice.say(format_args!("the key of certificate {fingerprint} waited for it, and can be used now"));
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificates": imported }))?;
    }
    Ok(0)
}
