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
    for certificate in openpgp {
        let outcome = place.keystore.insert(&certificate)?;
        place.keystore.note_imported(&certificate.fingerprint(), at)?;
        stored.push((outcome, AnyCertificate::OpenPgp(Box::new(certificate))));
    }
    for certificate in &smime {
        let outcome = place.keystore.insert_x509(certificate, Origin::Imported)?;
        stored.push((outcome, AnyCertificate::Smime(certificate.clone())));
    }
    // Own keys may wait for them. What somebody else had certified for one's own key is not what one signs with.
    let (vouched, others): (Vec<_>, Vec<_>) = smime.iter().cloned().partition(|one| judging.vouched(one));
    let joined = place.keystore.join(&vouched, &smime)?;
    for certificate in others {
        if place.keystore.would_join(&certificate)? {
            let fingerprint = certificate.fingerprint();
            voice.say(format_args!(
                "certificate {fingerprint} has the public key of a key of yours, and nothing vouches"
            ));
            voice.say("for it: it is not signed with; if it is your authority's answer, import it as a key's");
            let file = if file.as_os_str() == "-" { "certificate.pem".to_owned() } else { file.display().to_string() };
            voice.hint(["sealpost", "key", "import", &file]);
        }
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
