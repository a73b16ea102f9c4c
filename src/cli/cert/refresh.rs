//! `sealpost cert refresh`: what is new of certificates that are known. What comes is merged under the fingerprint that is
//! known, one answer after the other: a kill loses nothing that was merged, and nothing takes another one's place.

mod smime;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Judging,
    find::{KnownJson, TriedJson, addresses, conflict, known_for, known_json, worst},
};
use crate::{
    cli::{
        composition::{Place, drive},
        exit::Kind,
        failure::{Failure, RecipientReason},
        grammar::CertRefresh,
        named::AnyCertificate,
        printable::Printable,
        progress::Progress,
        sources,
        voice::Voice,
    },
    crypt::{Fingerprint, PublicCertificate, Suite, SuiteName, pgp::Certificate, pgp::Pgp},
    flow::{
        find::{self, Change, Looked},
        known::{self, Known},
    },
    keystore::find::{Question, Source},
    mail::Address,
};

/// What became of one certificate for one address.
#[derive(Serialize)]
pub struct ResultJson {
    pub address: String,
    pub suite: SuiteName,
    pub fingerprint: String,
    /// `unchanged`, `extended`, `revoked`, `updated`, `renewed`, `removed`, `conflict`, `not-found` or `failed`.
    pub status: &'static str,
    /// Who had something: the last of those that changed it, else the first.
    source: Option<&'static str>,
    /// Until when it is of use; none if it never expires.
    expires: Option<String>,
    /// For a conflict: what else the source has; of S/MIME also what renews it, and is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// For a conflict: what is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    known: Vec<KnownJson>,
    tried: Vec<TriedJson>,
}

/// What went wrong with one.
pub type Wrong = Option<(Kind, String)>;

/// A certificate that is asked for.
pub struct Target {
    pub address: Address,
    certificate: AnyCertificate,
    known: Known,
}

pub fn run(arguments: &CertRefresh, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let judging = Judging::new(place, at)?;
    let mut strangers = Vec::new();
    let targets = if arguments.all {
        all(place, &judging, at)?
    } else {
        let mut targets = Vec::new();
        for address in addresses(&arguments.addresses)? {
            let known = known_for(&address, place, at)?;
            let of_address = Target::of(&address, &known, &judging)?;
            if of_address.is_empty() {
                let why = if known.smime.is_empty() {
                    "no certificate is known"
                } else {
                    "nothing vouches for what is known"
                };
                strangers.push((address, why));
            }
            targets.extend(of_address);
        }
        targets
    };
    place.warn(voice);
    let config = place.config()?;
    let mut results: Vec<Option<(ResultJson, Wrong)>> = targets.iter().map(|_| None).collect();
    if !targets.is_empty() {
        let sources = sources::sources(config.find(), arguments.source)?;
        let questions = targets.iter().map(Target::question).collect();
        let mut lost = None;
        let progress = Progress::new(voice, Some(targets.len()), "certificates");
        let tell = |index: usize, looked: Looked| {
            match targets[index].result(looked, place, &judging, at) {
                Ok(result) => results[index] = Some(result),
                // Told once all are asked: what others have is stored all the same.
                Err(failure) => lost = lost.take().or(Some(failure)),
            }
            progress.step(1);
        };
        let asked = find::ask(questions, &sources, sources::patience(config.find()), tell);
        drive(progress.beside(asked))?;
        if let Some(failure) = lost {
            return Err(failure);
        }
    }
    finish(results.into_iter().flatten().collect(), &strangers, voice)
}

/// Every certificate of the store with each address that it names; where pins say which, those alone.
fn all(place: &Place, judging: &Judging<'_>, at: Timestamp) -> Result<Vec<Target>, Failure> {
    let recipients = place.recipients()?;
    let mut all = known::everybody(&place.keystore, at)?;
    for address in recipients.pinned().into_iter().flat_map(|(_, addresses)| addresses) {
        all.entry(address).or_default();
    }
    let mut targets = Vec::new();
    for (address, known) in all {
        let pins = recipients.fingerprints_for(&address);
        let known = if pins.is_empty() { known } else { Known::of(&place.keystore, &address, pins, at)? };
        targets.extend(Target::of(&address, &known, judging)?);
    }
    Ok(targets)
}

impl Target {
    /// One for each certificate of OpenPGP that is known for an address, and one for all of S/MIME.
    fn of(address: &Address, known: &Known, judging: &Judging<'_>) -> Result<Vec<Self>, Failure> {
        let openpgp = known.openpgp.iter().map(|(one, _)| AnyCertificate::OpenPgp(Box::new(one.clone())));
        let smime = smime::longest(known, judging)?.map(AnyCertificate::Smime);
        let target = |certificate| Self { address: address.clone(), certificate, known: known.clone() };
        Ok(openpgp.chain(smime).map(target).collect())
    }

    /// That of an address and a fingerprint, if the store has it.
    pub fn named(
        address: &Address,
        fingerprint: &Fingerprint,
        place: &Place,
        judging: &Judging<'_>,
        at: Timestamp,
    ) -> Result<Option<Self>, Failure> {
        let known = known_for(address, place, at)?;
        let openpgp = known.openpgp.iter().find(|(one, _)| one.fingerprint() == *fingerprint);
        let certificate = match openpgp {
            Some((one, _)) => Some(AnyCertificate::OpenPgp(Box::new(one.clone()))),
            None => {
                let held = smime::held(&known, judging)?.into_iter();
                held.map(AnyCertificate::Smime).find(|one| one.fingerprint() == *fingerprint)
            }
        };
        Ok(certificate.map(|certificate| Self { address: address.clone(), certificate, known }))
    }

    /// Whether a pin decides for its address.
    pub fn is_pinned(&self) -> bool {
        !self.known.pins.is_empty()
    }

    /// What to ask.
    pub fn question(&self) -> Question {
        Question {
            address: self.address.clone(),
            known: Some(self.certificate.fingerprint()),
            suite: Some(self.certificate.suite()),
        }
    }

    /// Merges what came, and says what it changed.
    pub fn result(
        &self,
        looked: Looked,
        place: &Place,
        judging: &Judging<'_>,
        at: Timestamp,
    ) -> Result<(ResultJson, Wrong), Failure> {
        let (kind, reason) = (sources::kind(&looked), sources::reason(&looked));
        let expires = match &self.certificate {
            AnyCertificate::OpenPgp(certificate) => certificate.expires(at),
            AnyCertificate::Smime(certificate) => certificate.expires(at),
        };
        let result = ResultJson {
            address: self.address.to_string(),
            suite: self.certificate.suite(),
            fingerprint: self.certificate.fingerprint().to_string(),
            status: "not-found",
            source: looked.found.first().map(|(source, _)| source.word()),
            expires: expires.map(|expiry| expiry.to_string()),
            found: Vec::new(),
            known: Vec::new(),
            tried: TriedJson::all(&looked),
        };
        if looked.found.is_empty() {
            let failed = kind != Kind::Recipients;
            let status = if failed { "failed" } else { "not-found" };
            return Ok((ResultJson { status, ..result }, failed.then_some((kind, reason))));
        }
        match &self.certificate {
            AnyCertificate::OpenPgp(certificate) => self.merged(certificate, looked, place, result, at),
            AnyCertificate::Smime(certificate) => self.renewed(certificate, looked, place, judging, result),
        }
    }

    fn merged(
        &self,
        certificate: &Certificate,
        looked: Looked,
        place: &Place,
        mut result: ResultJson,
        at: Timestamp,
    ) -> Result<(ResultJson, Wrong), Failure> {
        let stored: Vec<_> = self.known.openpgp.iter().map(|(one, _)| one.clone()).collect();
        let mut latest = certificate.clone();
        let mut conflicting: Vec<(Source, Vec<Fingerprint>)> = Vec::new();
        for (source, found) in looked.found {
            let (same, others): (Vec<_>, Vec<_>) =
                found.openpgp.into_iter().partition(|one| one.fingerprint() == certificate.fingerprint());
            for new in same {
                let Some(now) = place.keystore.update(&new)? else {
                    // Whoever parted with it while it was asked for is not given it back, nor told what it conflicts with.
                    return Ok((ResultJson { status: "removed", source: None, ..result }, None));
                };
                if find::change(&latest, &now, at) != Change::Unchanged {
                    result.source = Some(source.word());
                }
                latest = now;
                result.status = match find::change(certificate, &latest, at) {
                    Change::Unchanged => "unchanged",
                    Change::Extended => "extended",
                    Change::Revoked => "revoked",
                    Change::Updated => "updated",
                };
                result.expires = latest.expires(at).map(|expiry| expiry.to_string());
            }
            let usable = |one: &Certificate| Pgp::check(one, &(), at).is_ok();
            let others = find::compare(&stored, &self.known.pins, others, usable).conflicting;
            if !others.is_empty() {
                conflicting.push((source, others.iter().map(PublicCertificate::fingerprint).collect()));
            }
        }
        if conflicting.is_empty() {
            return Ok((result, None));
        }
        let known: Vec<_> = stored.iter().map(PublicCertificate::fingerprint).collect();
        conflicts(result, &known, &conflicting, &self.known.pins, &self.address, place)
    }
}

/// Tells of sources that have others than what is known.
fn conflicts(
    mut result: ResultJson,
    known: &[Fingerprint],
    conflicting: &[(Source, Vec<Fingerprint>)],
    pins: &[Fingerprint],
    address: &Address,
    place: &Place,
) -> Result<(ResultJson, Wrong), Failure> {
    result.status = "conflict";
    result.known = known_json(known, pins, address, place)?;
    let reasons = conflicting.iter().map(|(source, others)| conflict(*source, others, &result.known));
    let reason = reasons.collect::<Vec<_>>().join("; ");
    for fingerprint in conflicting.iter().flat_map(|(_, others)| others).map(ToString::to_string) {
        if !result.found.contains(&fingerprint) {
            result.found.push(fingerprint);
        }
    }
    Ok((result, Some((Kind::Recipients, reason))))
}

fn finish(results: Vec<(ResultJson, Wrong)>, strangers: &[(Address, &str)], voice: Voice) -> Result<u8, Failure> {
    let (results, wrong): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "results": results }))?;
    } else {
        voice.data(results.iter().map(ResultJson::words).collect::<String>().as_bytes())?;
    }
    let mut kinds: Vec<Kind> = wrong.iter().flatten().map(|(kind, _)| *kind).collect();
    kinds.extend(strangers.iter().map(|_| Kind::Recipients));
    let Some(kind) = worst(kinds.into_iter()) else { return Ok(0) };
    let mut failure = Failure::new(kind, "not every certificate could be refreshed");
    for (result, (_, reason)) in results.iter().zip(wrong).filter_map(|(one, wrong)| Some((one, wrong?))) {
        failure.recipients.push(RecipientReason { address: result.address.clone(), reason });
        for known in result.known.iter().filter(|known| !known.pinned) {
            failure = failure.hint(["sealpost", "cert", "remove", &known.fingerprint]);
        }
        // A pin is not given up for what a source has: it is to be looked at.
        if result.known.iter().any(|known| known.pinned) {
            failure = failure.hint(["sealpost", "cert", "show", &result.fingerprint]);
        }
    }
    for (address, why) in strangers {
        failure.recipients.push(RecipientReason { address: address.to_string(), reason: (*why).to_owned() });
        failure = failure.hint(["sealpost", "cert", "find", &address.to_string()]);
    }
    Err(failure)
}

impl ResultJson {
    fn words(&self) -> String {
        let source = self.source.map(|source| format!(", by {source}")).unwrap_or_default();
        let until = self.expires.as_deref().map_or("no expiry".to_owned(), |end| format!("until {}", &end[..10]));
        let mut out = format!("{}: {}{source}: {}, {until}\n", Printable(&self.address), self.status, self.fingerprint);
        for found in &self.found {
            out += &format!("  found        {found}\n");
        }
        for tried in &self.tried {
            out += &format!("  {}: {}\n", tried.source, Printable(&tried.detail));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        config::Home,
        crypt::pgp::{Key, Profile},
        keystore::{Keystore, Outcome},
        mail::Mailbox,
    };

    /// The refresh of one that its owner prolonged, and of what was found besides.
    fn refreshed(before: impl FnOnce(&Place, &Certificate)) -> (Place, tempfile::TempDir, Certificate, ResultJson) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path()), &|_| None).unwrap();
        let keystore = Keystore::open(&home.certificates, &home.keys, &home.x509, &home.state);
        let place = Place { home, keystore };
        let at: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let judging = Judging::new(&place, at).unwrap();
        let mailbox = Mailbox::parse("kim@example.org").unwrap();
        let certificate = Key::make(&mailbox, Profile::Rfc4880, at).unwrap().0.certificate();
        assert_eq!(place.keystore.insert(&certificate).unwrap(), Outcome::New);
        let named = Target::named(&mailbox.address, &certificate.fingerprint(), &place, &judging, at).unwrap().unwrap();
        before(&place, &certificate);
        let other = Key::make(&mailbox, Profile::Rfc4880, at).unwrap().0.certificate();
        let looked = Looked { found: vec![(Source::Wkd, vec![certificate.clone(), other].into())], tried: Vec::new() };
        let (result, _) = named.result(looked, &place, &judging, at).unwrap();
        drop(judging);
        (place, folder, certificate, result)
    }

    #[test]
    fn what_was_removed_while_it_was_asked_for_stays_away() {
        let (place, _folder, certificate, result) = refreshed(|place, certificate| {
            assert!(place.keystore.remove(&certificate.fingerprint()).unwrap());
        });
        assert_eq!((result.status, result.found.len()), ("removed", 0));
        assert!(place.keystore.certificate(&certificate.fingerprint()).unwrap().is_none());
        assert_eq!(refreshed(|_, _| {}).3.status, "conflict");
    }
}
