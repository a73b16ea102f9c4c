//! `sealpost cert import --from-mail`: the certificate that a message says is its author's, and what an encrypted one
//! says of its other readers.

use std::path::Path;

use jiff::Timestamp;

use super::{
    Judging,
    find::{Finding, ResultJson, finish, known_for},
};
use crate::{
    cli::{
        composition::Place, exit::Kind, failure::Failure, grammar::Global, input::Stdin, open::ring::Ring, voice::Voice,
    },
    crypt::{SuiteName, open::Requirement, pgp::Certificate},
    flow::{find::Looked, open::Outcome},
    keystore::find::{Question, Source},
    mail::autocrypt::{self, Autocrypt},
};

/// Anybody can write it into a message in anybody's name: it takes no other's place.
pub fn run(
    file: &Path,
    passphrase: Option<&str>,
    place: &Place,
    global: &Global,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let bytes = Stdin::default().file(file, "the message")?;
    let judging = Judging::new(place, at)?;
    let author = autocrypt::read(&bytes).map_err(|why| why.to_string()).and_then(|brought| certificates(&brought));
    let (gossip, unread) = match autocrypt::may_gossip(&bytes) {
        true => gossip(bytes.to_vec(), passphrase, global, at)?,
        false => (Vec::new(), None),
    };
    let keep = |(question, certificates): (Question, Vec<Certificate>), source: Source| {
        let known = known_for(&question.address, place, at)?;
        let finding = Finding { address: &question.address, known: &known, place, judging: &judging };
        finding.result(Looked { found: vec![(source, certificates.into())], tried: Vec::new() }, true)
    };
    let mut results = Vec::new();
    let mut why = None;
    match author {
        Ok(brought) => results.push(keep(brought, Source::Autocrypt)?),
        Err(none) => why = Some(none),
    }
    for brought in gossip.iter().filter_map(|brought| certificates(brought).ok()) {
        let (result, wrong) = keep(brought, Source::Gossip)?;
        // Old mail has certificates that nobody uses any more.
        let wrong = wrong.filter(|_| result.status != ResultJson::UNUSABLE);
        results.push((result, wrong));
    }
    match why.filter(|_| results.is_empty()) {
        None => finish(results, None, unread.as_deref(), voice),
        Some(why) => {
            let unread = unread.map(|unread| format!("; {unread}")).unwrap_or_default();
            let text = format!("{} brings no OpenPGP certificate: {why}{unread}", file.display());
            Err(Failure::new(Kind::Malformed, text).hint(["sealpost", "cert", "import", "--help"]))
        }
    }
}

/// What of a field is of its address.
fn certificates(brought: &Autocrypt) -> Result<(Question, Vec<Certificate>), String> {
    let question = Question { address: brought.address.clone(), known: None, suite: Some(SuiteName::OpenPgp) };
    let certificates = Certificate::parse_all(&brought.certificate).map_err(|error| error.to_string())?;
    let limited: Vec<_> = certificates.into_iter().filter_map(|one| question.limit(one)).collect();
    if limited.is_empty() { Err(format!("it does not name {}", question.address)) } else { Ok((question, limited)) }
}

/// What is in a message that is opened with one's own keys; else why it is not, which takes nothing from the author's
/// own. No passphrase is asked for: there may be nobody.
fn gossip(
    message: Vec<u8>,
    passphrase: Option<&str>,
    global: &Global,
    at: Timestamp,
) -> Result<(Vec<Autocrypt>, Option<String>), Failure> {
    let mut ring = Ring::of_own(passphrase, global)?;
    let unread = |why: &str| Ok((Vec::new(), Some(format!("what it says of its other readers was not read: {why}"))));
    if ring.has_passphrase() {
        ring.unlock()?;
    } else if let Some(key) = ring.locked() {
        return unread(&format!("{key} is locked, and no passphrase is given"));
    }
    match ring.open(message, &Requirement::None, at) {
        Ok(Outcome::Released(message)) => Ok((message.gossip(), None)),
        Ok(Outcome::Withheld(_)) => Ok((Vec::new(), None)),
        Err(error) => unread(&error.to_string()),
    }
}
