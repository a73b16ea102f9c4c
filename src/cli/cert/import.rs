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

/// How much of a file is searched for the header field that makes it an S/MIME message.
const HEADER: usize = 64 << 10;

pub fn run(file: &Path, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(file, "the certificate")?;
    // Settings that cannot be read end it before anything is written.
    let judging = Judging::new(place, at)?;
    let mut stored = Vec::new();
    if let Some(brought) = brought(&bytes, place, at)? {
        for certificate in brought {
            let outcome = place.keystore.insert_x509(&certificate, Origin::Candidate)?;
            stored.push((outcome, AnyCertificate::Smime(certificate)));
        }
        return tell(&stored, &[], &judging, voice);
    }
    let Known { openpgp, smime } = Known::parse(&bytes)?;
    let outcomes = place.keystore.insert_all(&openpgp)?;
    for (certificate, outcome) in openpgp.into_iter().zip(outcomes) {
        place.keystore.note_imported(&certificate.fingerprint(), at)?;
        stored.push((outcome, AnyCertificate::OpenPgp(Box::new(certificate))));
    }
    // Own keys may wait for them.
    let joined = place.keystore.join(&smime)?;
    let outcomes = place.keystore.insert_all_x509(&smime, Origin::Imported)?;
    for (certificate, outcome) in smime.into_iter().zip(outcomes) {
        stored.push((outcome, AnyCertificate::Smime(certificate)));
    }
    tell(&stored, &joined, &judging, voice)
}

/// The certificates that a signed message brings, candidates because nobody looked at them; none if it is no message.
fn brought(bytes: &[u8], place: &Place, at: Timestamp) -> Result<Option<Vec<smime::Certificate>>, Failure> {
    let header = bytes[..bytes.len().min(HEADER)].to_ascii_lowercase();
    let says = |media_type: &str| header.windows(media_type.len()).any(|window| window == media_type.as_bytes());
    if !["application/pkcs7-", "application/x-pkcs7-"].into_iter().any(says) {
        return Ok(None);
    }
    let authorities = place.authorities(place.config()?.smime())?;
    let pins = place.recipients()?.pinned();
    let limit = receive::LIMIT;
    let reader = smime::Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &pins, at, limit };
    Ok(introduced(bytes, &reader))
}

fn tell(
    stored: &[(Outcome, AnyCertificate)],
    joined: &[smime::Key],
    judging: &Judging<'_>,
    voice: Voice,
) -> Result<u8, Failure> {
    let mut imported = Vec::new();
    // Judged once all are there: one may be the issuer of another.
    for (outcome, certificate) in stored {
        imported.push(CertificateJson { outcome: Some(outcome.word()), ..judging.show(certificate) });
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
