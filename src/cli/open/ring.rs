//! With what messages are opened: keys, certificates and anchors for all files of a run.

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    cli::{
        agent::Agents,
        composition::{self, Place},
        exit::Kind,
        failure::Failure,
        grammar::{Global, Open},
        known::{KeyFile, Known},
        secrets::{self, Passphrases},
    },
    config::Overrides,
    crypt::{Fingerprint, OpenError, PublicCertificate, SuiteName, Trust, open::Requirement, pgp, smime},
    flow::{
        known::trust_known,
        open::{OpenPgp, Opening, Outcome, Smime},
    },
    keystore::find::Source,
    mail::Address,
};

/// Keys and certificates. Locked keys of the store are unlocked only when one is needed.
pub struct Ring {
    openpgp: Keys<pgp::Key>,
    /// Keys that agents have. These get the passphrase with the first key that is unlocked.
    lent: Vec<pgp::Lent>,
    lent_smime: Vec<(smime::AgentKey, smime::Key)>,
    agents: Agents,
    lent_passphrase: bool,
    smime: Keys<smime::Key>,
    certificates: Known,
    authorities: smime::Authorities,
    pins: Vec<(Fingerprint, Vec<Address>)>,
    passphrases: Passphrases,
    place: Place,
    /// Own keys that are damaged or exposed.
    unreadable: Vec<Failure>,
    /// How an OpenPGP certificate of the store is to be known at least. One that was given for this run is genuine.
    lowest: Option<Trust>,
}

/// The keys of one suite.
struct Keys<K: Lockable> {
    open: Vec<K>,
    locked: Vec<K>,
    /// Those that their passphrase does not unlock.
    refused: Vec<(K, K::Error)>,
}

/// A key as a ring needs it.
trait Lockable: Clone {
    const SUITE: SuiteName;
    type Error: Clone + Into<Failure>;
    fn is_locked(&self) -> bool;
    /// Several keys may be behind one lock.
    fn unlock(&self, passphrase: &Zeroizing<String>) -> Result<Vec<Self>, Self::Error>;
    /// Whether it holds the key of a recipient, as [`OpenError::NoKey`] names one.
    fn is_for(&self, recipient: &str) -> bool;
    fn name(&self) -> String;
}

impl Ring {
    /// Given `--key`, `--cert` or `--trust-anchor`, only these count, and without an anchor the configured ones.
    pub fn gather(arguments: &Open, global: &Global) -> Result<Self, Failure> {
        let place = Place::open(global)?;
        let given = !(arguments.key.is_empty() && arguments.cert.is_empty() && arguments.trust_anchor.is_empty());
        let mut ring = if given {
            Self::of_files(arguments, place)?
        } else {
            Self::of_store(arguments.passphrase.as_deref(), global, place)?
        };
        let mut authorities = if arguments.trust_anchor.is_empty() {
            composition::anchors(ring.place.config()?.smime())?
        } else {
            smime::Authorities::default()
        };
        for path in &arguments.trust_anchor {
            composition::read_into(path, |bytes| authorities.add_anchors(bytes))?;
        }
        for path in &arguments.crl {
            composition::read_into(path, |bytes| authorities.add_revocations(bytes))?;
        }
        if !given {
            authorities.add_intermediates(ring.place.keystore.authorities()?);
        }
        authorities.add_intermediates(ring.certificates.smime.iter().cloned());
        ring.authorities = authorities;
        if given {
            // What was named is to be used: a wrong passphrase is told, whatever the message.
            ring.unlock()?;
        }
        ring.take_public_halves();
        Ok(ring)
    }

    fn of_files(arguments: &Open, place: Place) -> Result<Self, Failure> {
        let mut certificates = Known::default();
        for path in &arguments.cert {
            certificates.extend(Known::read(path)?);
        }
        let (mut openpgp, mut smime) = (Vec::new(), Vec::new());
        for path in &arguments.key {
            match KeyFile::read(path)? {
                KeyFile::OpenPgp(keys) => openpgp.extend(keys),
                KeyFile::Smime(keys) => smime.extend(keys),
            }
        }
        for key in &mut smime {
            if key.certificate().is_none() {
                key.adopt(&certificates.smime);
            }
        }
        let passphrases = Passphrases::one(secrets::source(arguments.passphrase.as_deref())?);
        Ok(Self::new(openpgp, smime, certificates, Vec::new(), passphrases, place))
    }

    /// The keys and certificates of the store, to read with; no signature by S/MIME is judged by them.
    pub fn of_own(passphrase: Option<&str>, global: &Global) -> Result<Self, Failure> {
        let mut ring = Self::of_store(passphrase, global, Place::open(global)?)?;
        ring.take_public_halves();
        Ok(ring)
    }

    fn of_store(passphrase: Option<&str>, global: &Global, place: Place) -> Result<Self, Failure> {
        let store = &place.keystore;
        let smime = store.all_x509()?.into_iter().map(|(certificate, _)| certificate).collect();
        let certificates = Known { openpgp: store.all_certificates()?, smime };
        let flags = Overrides { passphrase: passphrase.map(str::to_owned), ..Overrides::default() };
        let account = place.settle(global, flags)?;
        let pins = place.recipients()?.pinned();
        // A certificate that cannot be read is missing, which is told where a signature wants it.
        store.damaged();
        let (openpgp, smime) = (store.keys()?, store.smime_keys()?);
        let (lent, lent_smime) = (store.agent_keys()?, store.smime_agent_keys()?);
        let unreadable = store.damaged().into_iter().map(Failure::from).collect();
        let mut ring = Self::new(openpgp, smime, certificates, pins, Passphrases::of(&account), place);
        ring.lent = lent.into_iter().map(|key| ring.agents.lend(key, None)).collect();
        ring.lent_smime = lent_smime.into_iter().map(|key| lend_smime(key, None, &ring.agents)).collect();
        ring.unreadable = unreadable;
        ring.lowest = Some(account.trust.unwrap_or(Trust::Imported));
        Ok(ring)
    }

    fn new(
        openpgp: Vec<pgp::Key>,
        smime: Vec<smime::Key>,
        certificates: Known,
        pins: Vec<(Fingerprint, Vec<Address>)>,
        passphrases: Passphrases,
        place: Place,
    ) -> Self {
        let authorities = smime::Authorities::default();
        let (openpgp, smime) = (Keys::new(openpgp), Keys::new(smime));
        Self {
            openpgp,
            lent: Vec::new(),
            lent_smime: Vec::new(),
            agents: Agents::default(),
            lent_passphrase: false,
            smime,
            certificates,
            authorities,
            pins,
            passphrases,
            place,
            unreadable: Vec::new(),
            lowest: None,
        }
    }

    /// The public halves of the keys are at hand too, whether these are unlocked or not.
    fn take_public_halves(&mut self) {
        for key in self.openpgp.all() {
            if !self.certificates.openpgp.iter().any(|there| there.fingerprint() == key.fingerprint()) {
                self.certificates.openpgp.push(key.certificate());
            }
        }
        for key in &self.lent {
            let certificate = key.key.certificate();
            if !self.certificates.openpgp.iter().any(|there| there.fingerprint() == certificate.fingerprint()) {
                self.certificates.openpgp.push(certificate);
            }
        }
        let lent = self.lent_smime.iter().map(|(_, key)| key);
        for key in self.smime.all().chain(lent) {
            self.certificates.smime.extend(key.certificate().cloned());
            self.authorities.add_intermediates(key.chain().iter().cloned());
        }
    }

    /// Opens a message with the keys that are unlocked.
    pub fn open(&self, message: Vec<u8>, requirement: &Requirement, at: Timestamp) -> Result<Outcome, OpenError> {
        let doubt = |suite, certificate: &Fingerprint, address: &Address| self.doubt(suite, certificate, address);
        let openpgp = OpenPgp { keys: &self.openpgp.open, lent: &self.lent, certificates: &self.certificates.openpgp };
        let keys: Vec<_> = self.smime.open.iter().chain(self.lent_smime.iter().map(|(_, key)| key)).cloned().collect();
        let smime = Smime {
            keys: &keys,
            certificates: &self.certificates.smime,
            authorities: &self.authorities,
            pins: &self.pins,
        };
        Opening { openpgp, smime, at, doubt: &doubt, requirement }.open(message)
    }

    /// Why a certificate is not genuine for an address that it names, by what the store says of it.
    fn doubt(&self, suite: SuiteName, certificate: &Fingerprint, address: &Address) -> Option<String> {
        let lowest = self.lowest?;
        let pins = self.pins.iter().filter(|(_, whom)| whom.contains(address)).map(|(pin, _)| pin);
        let pins: Vec<_> = pins.collect();
        let another = || Some(format!("another certificate is pinned for {address}"));
        if pins.contains(&certificate) {
            return None;
        }
        if suite == SuiteName::Smime {
            // A chain vouches for it. Many have one certificate to be encrypted to, which is pinned, and one to sign.
            let signs =
                |one: &&smime::Certificate| one.usages().contains(&"sign") && pins.contains(&&one.fingerprint());
            return self.certificates.smime.iter().find(signs).and_then(|_| another());
        }
        if !pins.is_empty() {
            return another();
        }
        let lent = self.lent.iter().any(|lent| lent.key.fingerprint() == *certificate);
        if lent || self.openpgp.all().any(|key| key.fingerprint() == *certificate) {
            return None;
        }
        match self.place.keystore.origins(certificate) {
            Err(error) => Some(error.to_string()),
            Ok(origins) => {
                let known = trust_known(&origins, address);
                let word = known.map_or(Source::Gossip.word(), Trust::word);
                let why = || format!("it is known as {word}, and to be known as {} at least", lowest.word());
                (known < Some(lowest)).then(why)
            }
        }
    }

    /// Whether there is a passphrase for locked keys.
    pub fn has_passphrase(&self) -> bool {
        self.passphrases.any()
    }

    /// A key that is locked still and may be one of these recipients', of whom others may be hidden.
    pub fn locked_for(&self, recipients: &[String], hidden: bool) -> Option<String> {
        let openpgp = self.openpgp.locked_for(recipients).or(self.openpgp.locked.first().filter(|_| hidden));
        openpgp.map(Lockable::name).or_else(|| self.smime.locked_for(recipients).map(Lockable::name))
    }

    /// Whether a key is locked, and there is a passphrase.
    pub fn may_unlock(&self) -> bool {
        self.has_passphrase() && !(self.openpgp.locked.is_empty() && self.smime.locked.is_empty())
    }

    /// A failure, and where it is for want of a key one that the store has and that cannot be read.
    pub fn beside_unreadable(&self, error: OpenError) -> Failure {
        let wanted = matches!(error, OpenError::NoKey { .. });
        let mut failure = Failure::from(error);
        if let Some(unreadable) = self.unreadable.first().filter(|_| wanted) {
            failure.text += &format!("; {}", unreadable.text);
            failure.hints.extend(unreadable.hints.iter().cloned());
        }
        failure
    }

    /// Why a key is of no use that is one of these recipients'.
    pub fn refusal(&self, recipients: &[String]) -> Option<Failure> {
        self.openpgp.refusal(recipients).or_else(|| self.smime.refusal(recipients))
    }

    /// Whether an agent may want a passphrase that it was not given yet.
    pub fn may_give(&self) -> bool {
        let any = !self.lent.is_empty() || !self.lent_smime.is_empty();
        any && !self.lent_passphrase && self.passphrases.any()
    }

    /// Gives agents the passphrase of their keys' suite, if there is one.
    pub fn give_to_agents(&mut self) -> Result<(), Failure> {
        if !self.lent.is_empty()
            && self.may_give()
            && let Some(passphrase) = self.passphrases.given(SuiteName::OpenPgp)?
        {
            let lent = std::mem::take(&mut self.lent).into_iter();
            self.lent = lent.map(|lent| self.agents.lend(lent.key, Some(passphrase.clone()))).collect();
        }
        if !self.lent_smime.is_empty()
            && self.may_give()
            && let Some(passphrase) = self.passphrases.given(SuiteName::Smime)?
        {
            let lent = std::mem::take(&mut self.lent_smime).into_iter();
            self.lent_smime = lent.map(|(key, _)| lend_smime(key, Some(passphrase.clone()), &self.agents)).collect();
        }
        self.lent_passphrase = true;
        Ok(())
    }

    /// Unlocks the locked keys, each suite's with its passphrase. Without any, each key's is asked for.
    ///
    /// # Errors
    /// That of the last key, if not one of those that were tried could be unlocked.
    pub fn unlock(&mut self) -> Result<(), Failure> {
        match self.unlock_some()? {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// The same; gives that of the last key.
    ///
    /// # Errors
    /// A passphrase cannot be had.
    pub fn unlock_some(&mut self) -> Result<Option<Failure>, Failure> {
        self.give_to_agents()?;
        let openpgp = self.openpgp.unlock(&self.passphrases)?;
        let smime = self.smime.unlock(&self.passphrases)?;
        match (openpgp, smime) {
            (Some(true), _) | (_, Some(true)) => self.take_public_halves(),
            (_, Some(false)) => return Ok(Some(self.smime.last_refusal())),
            (Some(false), None) => return Ok(Some(self.openpgp.last_refusal())),
            (None, None) => {}
        }
        Ok(None)
    }
}

/// A key for S/MIME, and the same with its agent.
fn lend_smime(
    key: smime::AgentKey,
    passphrase: Option<Zeroizing<String>>,
    agents: &Agents,
) -> (smime::AgentKey, smime::Key) {
    (key.clone(), agents.lend_smime(key, passphrase))
}

impl<K: Lockable> Keys<K> {
    fn new(keys: Vec<K>) -> Self {
        let (locked, open) = keys.into_iter().partition(Lockable::is_locked);
        Self { open, locked, refused: Vec::new() }
    }

    fn all(&self) -> impl Iterator<Item = &K> {
        self.open.iter().chain(&self.locked).chain(self.refused.iter().map(|(key, _)| key))
    }

    /// Unlocks what the passphrase fits; whether there was any, and none if nothing was tried.
    fn unlock(&mut self, passphrases: &Passphrases) -> Result<Option<bool>, Failure> {
        if self.locked.is_empty() {
            return Ok(None);
        }
        let before = self.open.len();
        match passphrases.given(K::SUITE)? {
            Some(passphrase) => {
                for key in self.locked.drain(..) {
                    match key.unlock(&passphrase) {
                        Ok(unlocked) => self.open.extend(unlocked),
                        Err(error) => self.refused.push((key, error)),
                    }
                }
            }
            // The other suite's is no passphrase for these, and nobody is there to be asked.
            None if passphrases.any() => return Ok(None),
            None => {
                // One that was mistyped stays locked, as do those behind it: the next message may ask again.
                while let Some(key) = self.locked.first() {
                    let passphrase = passphrases.of_key(K::SUITE, &key.name())?;
                    self.open.extend(key.unlock(&passphrase).map_err(Into::into)?);
                    self.locked.remove(0);
                }
            }
        }
        Ok(Some(self.open.len() > before))
    }

    fn last_refusal(&self) -> Failure {
        let last = self.refused.last().map(|(_, error)| error.clone().into());
        last.unwrap_or_else(|| Failure::new(Kind::Permission, "no key could be unlocked"))
    }

    /// One that is locked and one of these recipients'.
    fn locked_for(&self, recipients: &[String]) -> Option<&K> {
        self.locked.iter().find(|key| recipients.iter().any(|recipient| key.is_for(recipient)))
    }

    fn refusal(&self, recipients: &[String]) -> Option<Failure> {
        let theirs = |key: &K| recipients.iter().any(|recipient| key.is_for(recipient));
        let refused = self.refused.iter().find(|(key, _)| theirs(key)).map(|(_, error)| error.clone().into());
        refused.or_else(|| {
            let locked = self.locked_for(recipients)?;
            let text = format!("{} is locked, and no passphrase is given for {} keys", locked.name(), K::SUITE.words());
            Some(Failure::new(Kind::Permission, text).hint(["sealpost", "open", "--help"]))
        })
    }
}

impl Lockable for pgp::Key {
    const SUITE: SuiteName = SuiteName::OpenPgp;
    type Error = pgp::UnlockError;

    fn is_locked(&self) -> bool {
        Self::is_locked(self)
    }

    fn unlock(&self, passphrase: &Zeroizing<String>) -> Result<Vec<Self>, pgp::UnlockError> {
        Ok(vec![Self::unlock(self, passphrase)?])
    }

    fn is_for(&self, recipient: &str) -> bool {
        Self::is_for(self, recipient)
    }

    fn name(&self) -> String {
        format!("key {}", self.fingerprint())
    }
}

impl Lockable for smime::Key {
    const SUITE: SuiteName = SuiteName::Smime;
    type Error = smime::UnlockError;

    fn is_locked(&self) -> bool {
        Self::is_locked(self)
    }

    fn unlock(&self, passphrase: &Zeroizing<String>) -> Result<Vec<Self>, smime::UnlockError> {
        self.unlock_all(passphrase)
    }

    fn is_for(&self, recipient: &str) -> bool {
        Self::is_for(self, recipient)
    }

    fn name(&self) -> String {
        self.fingerprint().map_or("the key file".to_owned(), |fingerprint| format!("key {fingerprint}"))
    }
}
