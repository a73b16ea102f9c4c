//! `sealpost cert find`: the store, then the sources; nothing is kept unasked, and nothing in place of what is known.

use jiff::Timestamp;
use serde::Serialize;

use super::{CertificateJson, Judging};
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::{Failure, RecipientReason},
        grammar::{CertFind, Global, SourceArgument},
        printable::Printable,
        progress::Progress,
        sources,
        voice::Voice,
    },
    config::Overrides,
    crypt::{Fingerprint, PublicCertificate, SuiteName, pgp, smime},
    flow::{
        find::{self, Compared, Looked},
        known::{Known, trust_of},
        send::{Terms, Trust},
    },
    keystore::{
        Origin, Outcome, StoreError,
        find::{Question, Source},
    },
    mail::Address,
};

/// What became of one address.
#[derive(Serialize)]
pub struct ResultJson {
    pub address: String,
    /// `stored`, `known`, `found`, `kept`, `conflict`, `unusable`, `not-found` or `failed`.
    pub status: &'static str,
    /// Who had it.
    pub source: Option<&'static str>,
    /// What that makes of it.
    pub trust: Option<&'static str>,
    pub certificates: Vec<CertificateJson>,
    /// For a conflict: what is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownJson>,
    /// The sources that had nothing.
    pub tried: Vec<TriedJson>,
}

/// A certificate that is known for the address.
#[derive(Serialize)]
pub struct KnownJson {
    pub fingerprint: String,
    /// Since when at the latest; none where a pin alone is known.
    pub since: Option<String>,
    pub pinned: bool,
}

/// A source that had nothing.
#[derive(Serialize)]
pub struct TriedJson {
    pub source: &'static str,
    /// `nothing` or `failed`.
    pub outcome: &'static str,
    pub detail: String,
}

pub fn run(arguments: &CertFind, place: &Place, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let whom = addresses(&arguments.addresses)?;
    let judging = Judging::new(place, at)?;
    let terms = Terms { only: None, lowest: place.settle(global, Overrides::default())?.trust };
    let config = place.config()?;
    let mut known = Vec::with_capacity(whom.len());
    for address in &whom {
        known.push(known_for(address, place, at)?);
    }
    #[allow(clippy::type_complexity, reason = "a result and what failed, in the order of the addresses")]
    let mut results: Vec<Option<(ResultJson, Option<(Kind, String)>)>> = whom.iter().map(|_| None).collect();
    let mut questions = Vec::new();
    let mut places = Vec::new();
    for (index, (address, known)) in whom.iter().zip(&known).enumerate() {
        let stored = well_known(known, &judging, terms);
        if arguments.source.is_none() && !stored.is_empty() {
            results[index] = Some((ResultJson::new(address, "stored", stored), None));
        } else {
            questions.push(Question { address: address.clone(), known: None, suite: None });
            places.push(index);
        }
    }
    place.warn(voice);
    if !questions.is_empty() {
        let progress = Progress::new(voice, Some(questions.len()), "addresses");
        let patience = sources::patience(config.find());
        let answers = sources::ask(questions, config.find(), arguments.source, patience, &progress)?;
        drop(progress);
        for (question, looked) in answers {
            let index = places[question];
            let finding = Finding { address: &whom[index], known: &known[index], place, judging: &judging };
            results[index] = Some(finding.result(looked, arguments.import)?);
        }
    }
    finish(results.into_iter().flatten().collect(), arguments.source, None, voice)
}

/// Reads addresses, each once.
pub fn addresses(texts: &[String]) -> Result<Vec<Address>, Failure> {
    let mut whom: Vec<Address> = Vec::new();
    for text in texts {
        let address = Address::parse(text).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
        if !whom.contains(&address) {
            whom.push(address);
        }
    }
    Ok(whom)
}

/// What is known for an address: its pins and, of the store, what counts for it.
pub fn known_for(address: &Address, place: &Place, at: Timestamp) -> Result<Known, Failure> {
    Ok(Known::of(&place.keystore, address, place.recipients()?.fingerprints_for(address), at)?)
}

/// What the store has of either suite that is usable, and known as well as is asked for.
fn well_known(known: &Known, judging: &Judging<'_>, terms: Terms) -> Vec<CertificateJson> {
    let openpgp = known.openpgp.iter().filter(|(_, trust)| *trust >= terms.lowest(SuiteName::OpenPgp));
    let openpgp = openpgp.map(|(one, _)| judging.openpgp(one));
    let smime = known.smime.iter().filter(|(_, trust)| *trust >= terms.lowest(SuiteName::Smime));
    let smime = smime.map(|(one, trust)| judging.smime_as(one, *trust == Trust::Pinned));
    openpgp.chain(smime).filter(|shown| shown.usable).collect()
}

/// What became of the certificates of one suite.
#[derive(Default)]
struct Part {
    status: &'static str,
    certificates: Vec<CertificateJson>,
    known: Vec<KnownJson>,
    failure: Option<(Kind, String)>,
}

/// One answer, to be compared with what is known.
pub struct Finding<'a> {
    pub address: &'a Address,
    pub known: &'a Known,
    pub place: &'a Place,
    pub judging: &'a Judging<'a>,
}

impl Finding<'_> {
    /// What to show, and what is wrong.
    pub fn result(&self, looked: Looked, import: bool) -> Result<(ResultJson, Option<(Kind, String)>), Failure> {
        let kind = sources::kind(&looked);
        let reason = sources::reason(&looked);
        let tried = TriedJson::all(&looked);
        let Some((source, mut found)) = looked.found.into_iter().next() else {
            let status = if kind == Kind::Recipients { "not-found" } else { "failed" };
            let result = ResultJson { tried, ..ResultJson::new(self.address, status, Vec::new()) };
            return Ok((result, Some((kind, reason))));
        };
        // Where a certificate of the one suite is pinned, and there, one of the other stands beside it.
        let pinned = |fingerprint| self.known.pins.contains(&fingerprint);
        match (
            found.openpgp.iter().any(|one| pinned(one.fingerprint())),
            found.smime.iter().any(|one| pinned(one.fingerprint())),
        ) {
            (true, false) => found.smime.clear(),
            (false, true) => found.openpgp.clear(),
            _ => {}
        }
        let parts = |import: bool| -> Result<Vec<Part>, Failure> {
            let mut parts = Vec::new();
            let store = &self.place.keystore;
            if !found.openpgp.is_empty() {
                let stored = self.openpgp_known_as_well(source, &found.openpgp);
                let show = |one: &_| self.judging.openpgp(one);
                let keep = |one: &_| store.insert_found(one, self.address, source, Timestamp::now());
                parts.push(self.part(source, &stored, found.openpgp.clone(), show, keep, import)?);
            }
            if !found.smime.is_empty() {
                let stored = self.smime_known_as_well(source, &found.smime);
                let show = |one: &smime::Certificate| self.judging.smime_as(one, pinned(one.fingerprint()));
                let keep = |one: &_| keep_smime(one, self.address, source, self.place, self.judging);
                parts.push(self.part(source, &stored, found.smime.clone(), show, keep, import)?);
            }
            Ok(parts)
        };
        // Where one suite is in doubt nothing of the other is kept: it would take the place of the one that is known.
        let seen = parts(false)?;
        let doubt = seen.iter().any(|part| part.status == "conflict");
        let mut parts = if import && !doubt { parts(true)? } else { seen };
        // What is in doubt is told before what is well, and what is of no use only where there is nothing else.
        let rank = |part: &Part| match part.status {
            "conflict" => 0,
            "unusable" => 2,
            _ => 1,
        };
        parts.sort_by_key(rank);
        let mut parts = parts.into_iter();
        let Part { status, mut certificates, known, failure } = parts.next().unwrap_or_default();
        certificates.extend(parts.flat_map(|part| part.certificates));
        let trust = Some(trust_of(source).map_or(source.word(), Trust::word));
        let result = ResultJson {
            source: Some(source.word()),
            trust,
            known,
            tried,
            ..ResultJson::new(self.address, status, certificates)
        };
        Ok((result, failure))
    }

    /// What is found of one suite.
    fn part<C: PublicCertificate>(
        &self,
        source: Source,
        stored: &[C],
        found: Vec<C>,
        show: impl Fn(&C) -> CertificateJson,
        keep: impl Fn(&C) -> Result<Outcome, StoreError>,
        import: bool,
    ) -> Result<Part, Failure> {
        let Compared { same, new, conflicting, useless } =
            find::compare(stored, &self.known.pins, found, |one| show(one).usable);
        let kept = |all: &[C]| -> Result<Vec<CertificateJson>, Failure> {
            let kept = all.iter().map(|one| {
                let outcome = if import { Some(keep(one)?.word()) } else { None };
                Ok(CertificateJson { outcome, ..show(one) })
            });
            kept.collect()
        };
        if !conflicting.is_empty() {
            let stored: Vec<_> = stored.iter().map(PublicCertificate::fingerprint).collect();
            let known = known_json(&stored, &self.known.pins, self.address, self.place)?;
            let found: Vec<_> = conflicting.iter().map(PublicCertificate::fingerprint).collect();
            let failure = Some((Kind::Recipients, conflict(source, &found, &known)));
            let certificates = conflicting.iter().map(show).collect();
            return Ok(Part { status: "conflict", certificates, known, failure });
        }
        if !new.is_empty() {
            let status = if import { "kept" } else { "found" };
            let certificates = [kept(&new)?, kept(&same)?].concat();
            return Ok(Part { status, certificates, ..Part::default() });
        }
        if !same.is_empty() {
            return Ok(Part { status: "known", certificates: kept(&same)?, ..Part::default() });
        }
        let certificates: Vec<_> = useless.iter().map(show).collect();
        let why: Vec<_> = certificates.iter().filter_map(|one| one.reason.clone()).collect();
        let failure = Some((Kind::Recipients, format!("what {source} has is not usable: {}", why.join("; "))));
        Ok(Part { status: "unusable", certificates, known: Vec::new(), failure })
    }

    /// What is known of OpenPGP, without what is known worse than by this source: that stands in nobody's way.
    fn openpgp_known_as_well(&self, source: Source, found: &[pgp::Certificate]) -> Vec<pgp::Certificate> {
        let is_found = |one: &pgp::Certificate| found.iter().any(|other| other.fingerprint() == one.fingerprint());
        let counts = |(one, trust): &&(_, Trust)| *trust >= lowest(source) || is_found(one);
        self.known.openpgp.iter().filter(counts).map(|(one, _)| one.clone()).collect()
    }

    /// The same of S/MIME, also without what is of no use any more: its owner may have gone to another authority since.
    fn smime_known_as_well(&self, source: Source, found: &[smime::Certificate]) -> Vec<smime::Certificate> {
        let is_found = |one: &smime::Certificate| found.iter().any(|other| other.fingerprint() == one.fingerprint());
        let counts = |(one, trust): &&(smime::Certificate, Trust)| {
            let well = *trust >= lowest(source) && self.judging.smime_as(one, false).usable;
            well || is_found(one) || *trust == Trust::Pinned
        };
        self.known.smime.iter().filter(counts).map(|(one, _)| one.clone()).collect()
    }
}

/// Keeps what was found; if it is for one's own key, that opens with it what others write to it.
pub fn keep_smime(
    certificate: &smime::Certificate,
    address: &Address,
    source: Source,
    place: &Place,
    judging: &Judging<'_>,
) -> Result<Outcome, StoreError> {
    let outcome = place.keystore.insert_found_x509(certificate, address, source, Timestamp::now())?;
    let own = std::slice::from_ref(certificate);
    if judging.vouched(certificate) && !place.keystore.join(own, &place.keystore.authorities()?)?.is_empty() {
        place.keystore.insert_x509(certificate, Origin::Imported)?;
    }
    Ok(outcome)
}

/// What is known worse stands in nobody's way.
fn lowest(source: Source) -> Trust {
    trust_of(source).unwrap_or(Trust::Keyserver).min(Trust::Imported)
}

/// What is known for an address, and since when.
pub fn known_json(
    stored: &[Fingerprint],
    pins: &[Fingerprint],
    address: &Address,
    place: &Place,
) -> Result<Vec<KnownJson>, Failure> {
    let absent = pins.iter().filter(|pin| !stored.contains(pin));
    let mut all = Vec::new();
    for fingerprint in stored.iter().chain(absent) {
        let since = place.keystore.known_since(fingerprint, address)?.map(|since| since.to_string());
        let pinned = pins.contains(fingerprint);
        all.push(KnownJson { fingerprint: fingerprint.to_string(), since, pinned });
    }
    Ok(all)
}

/// A conflict in words: both, and since when the known one is known.
pub fn conflict(source: Source, found: &[Fingerprint], known: &[KnownJson]) -> String {
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let found = found.join(" and ");
    if known.is_empty() {
        return format!("{source} has several certificates, and nothing says which: {found}");
    }
    let known = known.iter().map(|one| {
        let pinned = if one.pinned { "pinned" } else { "known" };
        let since = one.since.as_deref().map(|since| format!(" since {}", &since[..10])).unwrap_or_default();
        format!("{} is {pinned}{since}", one.fingerprint)
    });
    format!("{source} has certificate {found}, but {}; nothing was replaced", known.collect::<Vec<_>>().join(", "))
}

/// Tells all, and fails with the gravest of the failures.
pub fn finish(
    results: Vec<(ResultJson, Option<(Kind, String)>)>,
    source: Option<SourceArgument>,
    warning: Option<&str>,
    voice: Voice,
) -> Result<u8, Failure> {
    let (results, failures): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    if voice.json {
        let mut told = serde_json::json!({ "version": 1, "results": results });
        if let Some(warning) = warning {
            told["warnings"] = serde_json::json!([{ "kind": "gossip-unread", "text": warning }]);
        }
        voice.object(&told)?;
    } else {
        if let Some(warning) = warning {
            voice.say(format_args!("warning: {}", Printable(warning)));
        }
        let words: String = results.iter().map(ResultJson::words).collect();
        voice.data(words.as_bytes())?;
    }
    let failed: Vec<_> = results.iter().zip(failures).filter_map(|(one, failed)| Some((one, failed?))).collect();
    let Some(kind) = worst(failed.iter().map(|(_, (kind, _))| *kind)) else {
        let found: Vec<_> = results.iter().filter(|one| one.status == "found").collect();
        if !found.is_empty() {
            let source = source.map(|source| ["--source".to_owned(), Source::from(source).to_string()]);
            let mut words = ["sealpost", "cert", "find", "--import"].map(str::to_owned).to_vec();
            words.extend(source.into_iter().flatten());
            words.extend(found.iter().map(|one| one.address.clone()));
            voice.say("nothing was kept");
            voice.hint(words);
        }
        return Ok(0);
    };
    let names: Vec<_> = failed.iter().map(|(one, _)| one.address.clone()).collect();
    let text = format!("no certificate was found that can be taken for {}", names.join(", "));
    let mut failure = Failure::new(kind, text);
    for (result, (_, reason)) in failed {
        // To accept another one is to part with the one that is known; not on the word of a mere message.
        let verb = if result.source == Some(Source::Autocrypt.word()) { "show" } else { "remove" };
        for known in result.known.iter().filter(|known| !known.pinned) {
            failure = failure.hint(["sealpost", "cert", verb, &known.fingerprint]);
        }
        failure.recipients.push(RecipientReason { address: result.address.clone(), reason });
    }
    Err(if failure.hints.is_empty() { failure.hint(["sealpost", "cert", "import", "-"]) } else { failure })
}

/// Of several failures the one that decides: what needs a person, before what another try may cure.
pub fn worst(kinds: impl Iterator<Item = Kind>) -> Option<Kind> {
    kinds.min_by_key(|kind| match kind {
        Kind::Recipients => 0,
        Kind::Temporary => 2,
        _ => 1,
    })
}

impl TriedJson {
    /// All that were asked and had nothing.
    pub fn all(looked: &Looked) -> Vec<Self> {
        let tried = looked.tried.iter().map(|(source, error)| Self {
            source: source.word(),
            outcome: if error.is_nothing() { "nothing" } else { "failed" },
            detail: error.to_string(),
        });
        tried.collect()
    }
}

impl ResultJson {
    fn new(address: &Address, status: &'static str, certificates: Vec<CertificateJson>) -> Self {
        let address = address.to_string();
        Self { address, status, source: None, trust: None, certificates, known: Vec::new(), tried: Vec::new() }
    }

    fn words(&self) -> String {
        let source = self.source.map(|source| format!(", by {source}")).unwrap_or_default();
        let trust = self.trust.map(|trust| format!(" ({trust})")).unwrap_or_default();
        let mut out = format!("{}: {}{source}{trust}\n", Printable(&self.address), self.status);
        for certificate in &self.certificates {
            for line in certificate.words().lines() {
                out += &format!("  {line}\n");
            }
        }
        for known in &self.known {
            let since = known.since.as_deref().unwrap_or("an unknown time");
            let pinned = if known.pinned { ", pinned" } else { "" };
            out += &format!("  known since  {since}: {}{pinned}\n", known.fingerprint);
        }
        for tried in &self.tried {
            out += &format!("  {}: {}\n", tried.source, Printable(&tried.detail));
        }
        out
    }
}

#[cfg(test)]
mod tests;
