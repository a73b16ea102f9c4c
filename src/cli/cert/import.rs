//! `sealpost cert import`.

use std::{path::Path, thread};

use jiff::Timestamp;

use super::{CertificateJson, Judging, judging};
use crate::{
    cli::{composition::Place, failure::Failure, input::Stdin, progress::Progress, voice::Voice},
    crypt::{PublicCertificate, SuiteName, open::introduced, pgp, smime},
    keystore::{Joined, Origin, Outcome},
    receive,
};

/// How much of a file is searched for the header field that makes it an S/MIME message.
const HEADER: usize = 64 << 10;

/// How many OpenPGP certificates are held at once.
const PART: usize = 4096;

/// Fewer are judged faster than a thread is made.
const FEW: usize = 64;

pub fn run(file: &Path, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(file, "the certificate")?;
    // Settings that cannot be read end it before anything is written.
    let judging = Judging::new(place, at)?;
    if let Some(brought) = brought(&bytes, place, at)? {
        let outcomes = place.keystore.insert_all_x509(&brought, Origin::Candidate)?;
        return tell(judged(brought, outcomes, &judging), &[], voice);
    }
    if SuiteName::of(&bytes) == SuiteName::OpenPgp {
        return tell(openpgp(&bytes, place, at, voice)?, &[], voice);
    }
    let smime = smime::Certificate::parse_all(&bytes)?;
    let outcomes = place.keystore.insert_all_x509(&smime, Origin::Imported)?;
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
    tell(judged(smime, outcomes, &judging), &joined, voice)
}

/// Stores OpenPGP certificates part by part, since they take more room than their bytes.
fn openpgp(bytes: &[u8], place: &Place, at: Timestamp, voice: Voice) -> Result<Vec<CertificateJson>, Failure> {
    let mut certificates = pgp::Certificate::parse_each(bytes)?;
    let mut imported = Vec::new();
    let progress = Progress::new(voice, None, "certificates");
    loop {
        let part: Vec<_> = certificates.by_ref().take(PART).collect();
        if part.is_empty() {
            if imported.len() >= FEW {
                place.keystore.index_stored();
            }
            return Ok(imported);
        }
        // First, since it verifies signatures: on two processors, and once.
        let shown = judged_openpgp(&part, at);
        let outcomes = place.keystore.insert_all(&part)?;
        for (shown, outcome) in shown.into_iter().zip(outcomes) {
            imported.push(CertificateJson { outcome: Some(outcome.word()), ..shown });
        }
        progress.step(part.len());
    }
}

fn judged_openpgp(part: &[pgp::Certificate], at: Timestamp) -> Vec<CertificateJson> {
    let judge = |part: &[pgp::Certificate]| part.iter().map(|one| judging::openpgp(one, at)).collect::<Vec<_>>();
    if part.len() < FEW {
        return judge(part);
    }
    let (one, other) = part.split_at(part.len() / 2);
    thread::scope(|scope| {
        let helper = thread::Builder::new().spawn_scoped(scope, || judge(other));
        let mut shown = judge(one);
        let helped = helper.ok().and_then(|helper| helper.join().ok());
        shown.extend(helped.unwrap_or_else(|| judge(other)));
        shown
    })
}

/// Judged once all are there: one may be the issuer of another.
fn judged(stored: Vec<smime::Certificate>, outcomes: Vec<Outcome>, judging: &Judging<'_>) -> Vec<CertificateJson> {
    let stored = stored.iter().zip(outcomes);
    stored.map(|(one, outcome)| CertificateJson { outcome: Some(outcome.word()), ..judging.smime(one) }).collect()
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

fn tell(imported: Vec<CertificateJson>, joined: &[Joined], voice: Voice) -> Result<u8, Failure> {
    for certificate in &imported {
        voice.say(format_args!("{}: {}", certificate.outcome.unwrap_or_default(), certificate.line()));
    }
    for fingerprint in joined.iter().filter_map(Joined::certificates).map(|(own, _)| own.fingerprint()) {
        voice.say(format_args!("certificate {fingerprint} is of a key of yours, which can be used with it now"));
    }
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "certificates": imported }))?;
    }
    Ok(0)
}
