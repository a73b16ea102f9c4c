//! `sealpost cert import --from-mail`: the certificate that a message says is its author's, and what an encrypted one
//! says of its other readers.

use std::path::Path;

use jiff::Timestamp;

use super::{
    Judging,
    find::{Finding, finish, known_for},
};
use crate::{
    cli::{
        composition::Place, exit::Kind, failure::Failure, grammar::Global, input::Stdin, open::ring::Ring, voice::Voice,
    },
    crypt::{OpenError, SuiteName, open::Requirement, pgp::Certificate},
    flow::{find::Looked, open::Outcome},
    keystore::find::{Question, Source},
    mail::autocrypt::{self, Autocrypt},
};

/// Anybody can write it into a message in anybody's name: it takes no other's place. What the author says of others counts
/// less still: where it is in conflict with what is known, that is told, and fails nothing.
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
    let keep = |(question, certificates): (Question, Vec<Certificate>), source: Source| {
        let known = known_for(&question.address, place, at)?;
        let finding = Finding { address: &question.address, known: &known, place, judging: &judging };
        finding.result(Looked { found: vec![(source, certificates.into())], tried: Vec::new() }, true)
    };
    let mut results = Vec::new();
    let author = autocrypt::read(&bytes).map_err(|why| why.to_string()).and_then(|brought| certificates(&brought));
    let none = match author {
        Ok(brought) => {
            results.push(keep(brought, Source::Autocrypt)?);
            String::new()
        }
        Err(none) => none,
    };
    // The author's own is kept by now, whatever comes of the rest.
    let (gossip, unread) = match autocrypt::may_gossip(&bytes) {
        true => match gossip(bytes.to_vec(), passphrase, global, at) {
            Ok(gossip) => (gossip, None),
            Err(unread) => (Vec::new(), Some(unread)),
        },
        false => (Vec::new(), None),
    };
    for brought in gossip.iter().filter_map(|brought| certificates(brought).ok()) {
        let (result, _) = keep(brought, Source::Gossip)?;
        results.push((result, None));
    }
    let unread = unread.map(|failure| Failure { text: format!("{UNREAD}: {}", failure.text), ..failure });
    match unread {
        unread if !results.is_empty() => finish(results, None, unread.map(|unread| unread.text).as_deref(), voice),
        Some(unread) => {
            let text = format!("{} brings no OpenPGP certificate: {none}; {}", file.display(), unread.text);
            Err(Failure { text, ..unread })
        }
        None => {
            let text = format!("{} brings no OpenPGP certificate: {none}", file.display());
            Err(Failure::new(Kind::Malformed, text).hint(["sealpost", "cert", "import", "--help"]))
        }
    }
}

const UNREAD: &str = "what it says of its other readers was not read";

/// What of a field is of its address.
fn certificates(brought: &Autocrypt) -> Result<(Question, Vec<Certificate>), String> {
    let question = Question { address: brought.address.clone(), known: None, suite: Some(SuiteName::OpenPgp) };
    let certificates = Certificate::parse_all(&brought.certificate).map_err(|error| error.to_string())?;
    let limited: Vec<_> = certificates.into_iter().filter_map(|one| question.limit(one)).collect();
    if limited.is_empty() { Err(format!("it does not name {}", question.address)) } else { Ok((question, limited)) }
}

/// What is in a message that is opened with one's own keys. No passphrase is asked for: there may be nobody.
fn gossip(
    message: Vec<u8>,
    passphrase: Option<&str>,
    global: &Global,
    at: Timestamp,
) -> Result<Vec<Autocrypt>, Failure> {
    let mut ring = Ring::of_own(passphrase, global)?;
    if ring.has_passphrase() {
        ring.unlock()?;
    }
    match ring.open(message, &Requirement::None, at) {
        Ok(Outcome::Released(message)) => Ok(message.gossip()),
        Ok(Outcome::Withheld(_)) => Ok(Vec::new()),
        Err(error) => {
            if let OpenError::NoKey { recipients, hidden } = &error
                && !ring.has_passphrase()
                && let Some(key) = ring.locked_for(recipients, *hidden)
            {
                let text = format!("{key} is locked, and no passphrase is given");
                return Err(Failure::new(Kind::Permission, text).hint(["sealpost", "cert", "import", "--help"]));
            }
            Err(error.into())
        }
    }
}
