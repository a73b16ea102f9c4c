//! How well certificates are known for their addresses, and where from: shown, not decided here.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::{composition::Place, failure::Failure, named::AnyCertificate, printable::Printable, voice::Voice},
    config::Recipients,
    crypt::{Fingerprint, PublicCertificate, Trust, pgp, smime},
    flow::known::{trust_known, trust_known_x509},
    keystore::{Origin, Provenance, StoreError, find::Source},
    mail::Address,
};

/// How a certificate is known for one address.
#[derive(Clone, Serialize)]
pub struct LevelJson {
    /// `kim@example.org`, or `@partner.example` for a domain that it is pinned for.
    pub address: String,
    /// `pinned`, `found`, `imported`, `candidate` or `keyserver`; `gossip` is not known.
    pub trust: &'static str,
    /// Where it came from for this address, the oldest first: `import` by hand, `mail` with a signed message, `shared` by
    /// another program, or a source.
    pub sources: Vec<&'static str>,
    /// Whether others are pinned for the address, so that this one counts for nothing there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub other_pinned: bool,
}

/// What the levels are read from.
pub struct Levels<'p> {
    place: &'p Place,
    recipients: Recipients,
    /// Whom and which domains each is pinned for.
    pinned: HashMap<Fingerprint, Vec<String>>,
}

impl<'p> Levels<'p> {
    pub fn new(place: &'p Place) -> Result<Self, Failure> {
        let recipients = place.recipients()?;
        let mut pinned: HashMap<Fingerprint, Vec<String>> = HashMap::new();
        for (fingerprint, addresses) in recipients.pinned() {
            pinned.entry(fingerprint).or_default().extend(addresses.iter().map(ToString::to_string));
        }
        for (domain, anybody) in recipients.pinned_domains() {
            for fingerprint in recipients.fingerprints_for(&anybody) {
                pinned.entry(fingerprint.clone()).or_default().push(format!("@{domain}"));
            }
        }
        pinned.values_mut().for_each(|whom| whom.sort());
        Ok(Self { place, recipients, pinned })
    }

    /// None, and a warning, where nobody can tell where it came from: the rest can be told all the same.
    pub fn of(&self, certificate: &AnyCertificate, at: Timestamp, voice: Voice) -> Option<Vec<LevelJson>> {
        match certificate {
            AnyCertificate::OpenPgp(certificate) => self.openpgp(certificate, at, voice),
            AnyCertificate::Smime(certificate) => {
                let origin = self.place.keystore.x509_origin(&certificate.fingerprint());
                let levels = origin.and_then(|origin| self.read_smime(certificate, origin, at));
                told(levels, voice)
            }
        }
    }

    /// As [`Levels::of`].
    pub fn openpgp(&self, certificate: &pgp::Certificate, at: Timestamp, voice: Voice) -> Option<Vec<LevelJson>> {
        told(self.read_openpgp(certificate, at), voice)
    }

    /// As [`Levels::of`].
    pub fn smime(
        &self,
        certificate: &smime::Certificate,
        origin: Origin,
        at: Timestamp,
        voice: Voice,
    ) -> Option<Vec<LevelJson>> {
        told(self.read_smime(certificate, origin, at), voice)
    }

    fn read_openpgp(&self, certificate: &pgp::Certificate, at: Timestamp) -> Result<Vec<LevelJson>, StoreError> {
        let origins = self.place.keystore.origins(&certificate.fingerprint())?;
        let known = |address: &Address| {
            let sources = if origins.is_empty() { vec![SHARED] } else { sources(&origins, address) };
            (trust_known(&origins, address), sources)
        };
        Ok(self.levels(certificate, at, known))
    }

    fn read_smime(
        &self,
        certificate: &smime::Certificate,
        origin: Origin,
        at: Timestamp,
    ) -> Result<Vec<LevelJson>, StoreError> {
        let origins = self.place.keystore.origins(&certificate.fingerprint())?;
        let known = |address: &Address| {
            let by_hand = (origin == Origin::Imported).then_some(IMPORT);
            let by_mail = (origin == Origin::Candidate && origins.is_empty()).then_some("mail");
            let found = sources(&origins, address);
            let sources = by_hand.into_iter().chain(by_mail).chain(found).collect();
            (Some(trust_known_x509(origin, &origins, address)), sources)
        };
        let mut levels = self.levels(certificate, at, known);
        // An authority is trusted for no address, unless it is pinned for it.
        levels.retain(|level| !certificate.is_authority() || level.trust == Trust::Pinned.word());
        Ok(levels)
    }

    fn levels(
        &self,
        certificate: &impl PublicCertificate,
        at: Timestamp,
        known: impl Fn(&Address) -> (Option<Trust>, Vec<&'static str>),
    ) -> Vec<LevelJson> {
        let fingerprint = certificate.fingerprint();
        let named = certificate.addresses(at);
        let mut levels: Vec<LevelJson> = named
            .iter()
            .map(|address| {
                let pins = self.recipients.fingerprints_for(address);
                let pinned = pins.contains(&fingerprint);
                let (trust, sources) = known(address);
                LevelJson {
                    address: address.to_string(),
                    trust: if pinned { Some(Trust::Pinned) } else { trust }.map_or(Source::Gossip.word(), Trust::word),
                    sources,
                    other_pinned: !pinned && !pins.is_empty(),
                }
            })
            .collect();
        // A pin stands for the address also where the certificate does not name it.
        for address in self.pinned.get(&fingerprint).into_iter().flatten() {
            if !levels.iter().any(|level| level.address.eq_ignore_ascii_case(address)) {
                let (address, trust) = (address.clone(), Trust::Pinned.word());
                levels.push(LevelJson { address, trust, sources: Vec::new(), other_pinned: false });
            }
        }
        levels
    }
}

const IMPORT: &str = "import";
const SHARED: &str = "shared";

fn told(read: Result<Vec<LevelJson>, StoreError>, voice: Voice) -> Option<Vec<LevelJson>> {
    read.inspect_err(|damaged| voice.say(format_args!("warning: {}", Printable(&damaged.to_string())))).ok()
}

/// The sources that are noted for an address.
fn sources(origins: &[Provenance], address: &Address) -> Vec<&'static str> {
    let of_address = origins.iter().filter(|one| one.address == *address);
    of_address.map(|one| one.source.map_or(IMPORT, |source| source.word())).collect()
}

impl LevelJson {
    /// In a list: the address, how it is known, and where from, unless that goes without saying.
    pub fn brief(&self) -> String {
        let mut how = vec![self.trust];
        how.extend(self.sources.iter().filter(|source| **source != self.trust && **source != IMPORT));
        if self.other_pinned {
            how.push("another one is pinned");
        }
        format!("{} ({})", self.address, how.join(", "))
    }

    /// A line of its own.
    pub fn words(&self) -> String {
        if self.trust == Source::Gossip.word() {
            return format!("gossip for {}: it counts for nothing until it is verified", Printable(&self.address));
        }
        let word = |source: &&'static str| match *source {
            IMPORT => "hand",
            SHARED => "another program",
            source => source,
        };
        let by: Vec<_> = self.sources.iter().map(word).collect();
        let from = if by.is_empty() { String::new() } else { format!(", by {}", by.join(", ")) };
        let other =
            if self.other_pinned { "; another one is pinned, and this one counts for nothing there" } else { "" };
        format!("{} for {}{from}{other}", self.trust, Printable(&self.address))
    }
}
