//! Whose certificates: those of the command line, of recipients.toml and of the store.

use std::{cell::OnceCell, path::Path};

use jiff::Timestamp;

use crate::{
    cli::{composition::Place, exit::Kind, failure::Failure, known::Known},
    config::{self, SmimeSettings},
    crypt::{
        Binding, Fingerprint, PublicCertificate, Suite,
        pgp::{self, Pgp},
        smime::{self, Authorities, Grounds, Smime},
    },
    flow::{
        known,
        send::{Candidate, Candidates, CertificateSource, MissingReason, Trust},
    },
    keystore::{Keystore, StoreError},
    mail::Address,
};

/// Certificates of the command line, of recipients.toml and of the store.
pub struct Certificates<'a> {
    /// From `--cert FILE`.
    given: Known,
    /// From `--cert FILE#FINGERPRINT`, which stands above recipients.toml for this run.
    exact: Known,
    place: &'a Place,
    pins: &'a config::Recipients,
    smime: &'a SmimeSettings,
    authorities: OnceCell<Authorities>,
    at: Timestamp,
    alone: bool,
}

/// A suite as it lies on the command line and in the store.
trait Shelf: Suite {
    fn of(known: &Known) -> &[Self::Certificate];
    /// Those that name an address, of whatever use they are.
    fn stored_for(
        store: &Keystore,
        address: &Address,
        at: Timestamp,
    ) -> Result<Vec<(Self::Certificate, Trust)>, StoreError>;
    fn stored(store: &Keystore, fingerprint: &Fingerprint) -> Result<Option<Self::Certificate>, StoreError>;
    /// What makes one genuine that names its address.
    fn named(source: &Certificates<'_>) -> Result<Self::Grounds, MissingReason>;
    /// What makes one genuine whose fingerprint was given.
    fn pinned(source: &Certificates<'_>) -> Result<Self::Grounds, MissingReason>;
}

impl Shelf for Pgp {
    fn of(known: &Known) -> &[pgp::Certificate] {
        &known.openpgp
    }

    fn stored_for(
        store: &Keystore,
        address: &Address,
        at: Timestamp,
    ) -> Result<Vec<(pgp::Certificate, Trust)>, StoreError> {
        known::openpgp_for(store, address, at)
    }

    fn stored(store: &Keystore, fingerprint: &Fingerprint) -> Result<Option<pgp::Certificate>, StoreError> {
        store.certificate(fingerprint)
    }

    fn named(_source: &Certificates<'_>) -> Result<(), MissingReason> {
        Ok(())
    }

    fn pinned(_source: &Certificates<'_>) -> Result<(), MissingReason> {
        Ok(())
    }
}

impl Shelf for Smime {
    fn of(known: &Known) -> &[smime::Certificate] {
        &known.smime
    }

    fn stored_for(
        store: &Keystore,
        address: &Address,
        at: Timestamp,
    ) -> Result<Vec<(smime::Certificate, Trust)>, StoreError> {
        known::smime_for(store, address, at)
    }

    fn stored(store: &Keystore, fingerprint: &Fingerprint) -> Result<Option<smime::Certificate>, StoreError> {
        store.x509(fingerprint)
    }

    fn named(source: &Certificates<'_>) -> Result<Grounds, MissingReason> {
        source.believed().map(Grounds::Chain).map_err(|failure| MissingReason::LookUp(failure.text))
    }

    fn pinned(source: &Certificates<'_>) -> Result<Grounds, MissingReason> {
        source.believed().map(Grounds::Pinned).map_err(|failure| MissingReason::LookUp(failure.text))
    }
}

impl CertificateSource for Certificates<'_> {
    fn candidates(&mut self, address: &Address) -> Result<Candidates, MissingReason> {
        let found = self.found(address)?;
        let preferred = self.pins.pins_for(address).and_then(|pin| pin.suite);
        Ok(Candidates { preferred, ..found })
    }

    fn known_since(&self, fingerprint: &Fingerprint, address: &Address) -> Option<Timestamp> {
        self.place.keystore.known_since(fingerprint, address).ok().flatten()
    }

    fn is_own(&self, fingerprint: &Fingerprint) -> bool {
        self.place.keystore.is_own(fingerprint)
    }
}

impl<'a> Certificates<'a> {
    /// Reads `--cert FILE` and `--cert FILE#FINGERPRINT`.
    pub fn read(
        arguments: &[String],
        place: &'a Place,
        pins: &'a config::Recipients,
        smime: &'a SmimeSettings,
        recipients: &[Address],
        at: Timestamp,
    ) -> Result<Self, Failure> {
        let (mut given, mut exact) = (Known::default(), Known::default());
        let mut unnamed = 0;
        for argument in arguments {
            let (path, fingerprint) = match argument.rsplit_once('#') {
                Some((path, text)) if !Path::new(argument).exists() => {
                    let full = Fingerprint::parse(text).ok_or_else(|| {
                        Failure::new(Kind::Usage, format!("--cert {argument}: {text:?} is not a full fingerprint"))
                    })?;
                    (path, Some(full))
                }
                _ => (argument.as_str(), None),
            };
            let read = Known::read(Path::new(path))?;
            let Some(full) = fingerprint else {
                given.extend(read);
                continue;
            };
            let found = read.with_fingerprint(&full);
            if found.is_empty() {
                let text = format!("--cert {path}: it holds no certificate {full}");
                return Err(Failure::new(Kind::Usage, text));
            }
            unnamed += usize::from(!recipients.iter().any(|address| found.naming(address, at).is_some()));
            exact.extend(found);
        }
        if unnamed > 1 || (unnamed > 0 && recipients.len() > 1) {
            return Err(several_unnamed());
        }
        let alone = recipients.len() == 1;
        Ok(Self { given, exact, place, pins, smime, authorities: OnceCell::new(), at, alone })
    }

    /// Whom to believe, read once, and only if somebody has an S/MIME certificate.
    pub fn believed(&self) -> Result<Authorities, Failure> {
        if let Some(read) = self.authorities.get() {
            return Ok(read.clone());
        }
        let mut read = self.place.authorities(self.smime)?;
        read.add_intermediates(self.given.smime.iter().cloned());
        Ok(self.authorities.get_or_init(|| read).clone())
    }

    fn found(&self, address: &Address) -> Result<Candidates, MissingReason> {
        let exact = both(self.exact::<Pgp>(address)?, self.exact::<Smime>(address)?);
        if exact.is_some() {
            return Ok(exact.unwrap_or_default());
        }
        let pins = self.pins.fingerprints_for(address);
        if !pins.is_empty() {
            return self.pinned(address, pins);
        }
        if let Some(given) = both(self.given::<Pgp>(address)?, self.given::<Smime>(address)?) {
            return Ok(given);
        }
        Ok(both(self.stored::<Pgp>(address)?, self.stored::<Smime>(address)?).unwrap_or_default())
    }

    fn exact<S: Shelf>(&self, address: &Address) -> Result<Vec<Candidate<S>>, MissingReason> {
        let names = |one: &&S::Certificate| self.alone || one.addresses(self.at).contains(address);
        S::of(&self.exact).iter().filter(names).map(|one| self.pinned_candidate(one.clone())).collect()
    }

    fn given<S: Shelf>(&self, address: &Address) -> Result<Vec<Candidate<S>>, MissingReason> {
        let named = S::of(&self.given).iter().filter(|one| one.addresses(self.at).contains(address));
        named.map(|one| self.named_candidate(one.clone(), Trust::Given)).collect()
    }

    fn stored<S: Shelf>(&self, address: &Address) -> Result<Vec<Candidate<S>>, MissingReason> {
        let stored = S::stored_for(&self.place.keystore, address, self.at).map_err(look_up)?;
        stored.into_iter().map(|(one, trust)| self.named_candidate(one, trust)).collect()
    }

    /// Those that recipients.toml allows; another one that `--cert` gives for the address is refused, not passed over.
    fn pinned(&self, address: &Address, pins: &[Fingerprint]) -> Result<Candidates, MissingReason> {
        let given = both(self.given_of::<Pgp>(pins)?, self.given_of::<Smime>(pins)?);
        if given.is_none()
            && let Some(other) = self.given.naming(address, self.at)
        {
            return Err(MissingReason::NotPinned(other));
        }
        let Candidates { mut openpgp, mut smime, preferred } = given.unwrap_or_default();
        for pin in pins {
            openpgp.extend(self.stored_of::<Pgp>(pin)?);
            smime.extend(self.stored_of::<Smime>(pin)?);
        }
        if openpgp.is_empty() && smime.is_empty() {
            return Err(MissingReason::PinnedAbsent(pins.to_vec()));
        }
        Ok(Candidates { openpgp, smime, preferred })
    }

    fn given_of<S: Shelf>(&self, pins: &[Fingerprint]) -> Result<Vec<Candidate<S>>, MissingReason> {
        let pinned = S::of(&self.given).iter().filter(|one| pins.contains(&one.fingerprint()));
        pinned.map(|one| self.pinned_candidate(one.clone())).collect()
    }

    fn stored_of<S: Shelf>(&self, pin: &Fingerprint) -> Result<Option<Candidate<S>>, MissingReason> {
        let stored = S::stored(&self.place.keystore, pin).map_err(look_up)?;
        stored.map(|one| self.pinned_candidate(one)).transpose()
    }

    fn named_candidate<S: Shelf>(
        &self,
        certificate: S::Certificate,
        trust: Trust,
    ) -> Result<Candidate<S>, MissingReason> {
        Ok(Candidate { certificate, grounds: S::named(self)?, binding: Binding::Named, trust })
    }

    fn pinned_candidate<S: Shelf>(&self, certificate: S::Certificate) -> Result<Candidate<S>, MissingReason> {
        Ok(Candidate { certificate, grounds: S::pinned(self)?, binding: Binding::Pinned, trust: Trust::Pinned })
    }
}

/// None if there is none of either suite.
fn both(openpgp: Vec<Candidate<Pgp>>, smime: Vec<Candidate<Smime>>) -> Option<Candidates> {
    let some = !(openpgp.is_empty() && smime.is_empty());
    some.then_some(Candidates { openpgp, smime, preferred: None })
}

fn look_up(error: StoreError) -> MissingReason {
    MissingReason::LookUp(error.to_string())
}

fn several_unnamed() -> Failure {
    let text = "--cert FILE#FINGERPRINT with a certificate that does not name its address goes with one recipient; \
                for several, pin the fingerprint in recipients.toml";
    Failure::new(Kind::Usage, text)
}
