//! `sealpost cert import --from-mail`: the certificate that a message says is its author's.

use std::path::Path;

use jiff::Timestamp;

use super::{
    Judging,
    find::{Finding, finish, known_for},
};
use crate::{
    cli::{composition::Place, exit::Kind, failure::Failure, input::Stdin, voice::Voice},
    crypt::{SuiteName, pgp::Certificate},
    flow::find::Looked,
    keystore::find::{Question, Source},
    mail::autocrypt,
};

/// Anybody can write it into a message in anybody's name: it is a candidate, and takes no other's place.
pub fn run(file: &Path, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(file, "the message")?;
    let judging = Judging::new(place, at)?;
    let none = |why: String| {
        let text = format!("{} brings no OpenPGP certificate: {why}", file.display());
        Failure::new(Kind::Malformed, text).hint(["sealpost", "cert", "import", "--help"])
    };
    let brought = autocrypt::read(&bytes).map_err(|why| none(why.to_string()))?;
    let question = Question { address: brought.address, known: None, suite: Some(SuiteName::OpenPgp) };
    let certificates = Certificate::parse_all(&brought.certificate).map_err(|error| none(error.to_string()))?;
    let limited: Vec<_> = certificates.into_iter().filter_map(|one| question.limit(one)).collect();
    if limited.is_empty() {
        return Err(none(format!("it does not name {}", question.address)));
    }
    let known = known_for(&question.address, place, at)?;
    let finding = Finding { address: &question.address, known: &known, place, judging: &judging };
    let looked = Looked { found: vec![(Source::Autocrypt, limited.into())], tried: Vec::new() };
    finish(vec![finding.result(looked, true)?], None, voice)
}
