//! Who signs: the author's key of each suite that a message goes out in, unlocked.

use jiff::Timestamp;

use crate::{
    cli::{
        agent,
        agent::Agents,
        composition::Place,
        exit::Kind,
        failure::{Failure, Hint},
        grammar,
        known::KeyFile,
        secrets::Passphrases,
    },
    config,
    crypt::{
        PublicCertificate, SuiteName, Unusable,
        pgp::{self, SignerError},
        smime,
    },
    flow::send::{Group, Signers},
    mail::Address,
};

/// Where signing keys are looked for.
struct Search<'a> {
    from: &'a Address,
    /// From `--key FILE`; it counts before the store, in its own suite.
    file: Option<KeyFile>,
    place: &'a Place,
    passphrases: Passphrases,
    agents: Agents,
    /// Whether keys of both suites are needed.
    both: bool,
    /// Whether somebody may read with a program that knows no signature of version 6.
    old: bool,
    at: Timestamp,
}

/// A key of the author.
enum Own<K, A> {
    Here(K),
    Agent(A),
}

/// The signing keys that some groups need; none if nothing is to be signed.
pub fn signers(
    from: &Address,
    groups: &[Group],
    arguments: &grammar::Sealing,
    account: &config::Account,
    place: &Place,
    at: Timestamp,
) -> Result<Signers, Failure> {
    if arguments.no_sign || !account.sign {
        return Ok(Signers::default());
    }
    let file = arguments.key.as_deref().map(KeyFile::read).transpose()?;
    let needed = |suite| groups.iter().any(|group| group.suite() == suite);
    let both = needed(SuiteName::OpenPgp) && needed(SuiteName::Smime);
    let (passphrases, agents) = (Passphrases::of(account), Agents::default());
    let old = !readers_of_old(groups, at).is_empty();
    let search = Search { from, file, place, passphrases, agents, both, old, at };
    Ok(Signers {
        openpgp: needed(SuiteName::OpenPgp).then(|| search.openpgp()).transpose()?,
        smime: needed(SuiteName::Smime).then(|| search.smime()).transpose()?,
    })
}

/// Those who are written to in OpenPGP and whose certificates do not say that they read what is new since RFC 9580.
pub fn readers_of_old(groups: &[Group], at: Timestamp) -> Vec<&Address> {
    let openpgp = groups.iter().flat_map(|group| match group {
        Group::OpenPgp(all) => all.as_slice(),
        Group::Smime(..) => &[],
    });
    let old = openpgp.filter(|one| !one.recipient.usable().certificate().reads_seipdv2(at));
    old.map(|one| one.recipient.address()).collect()
}

impl Search<'_> {
    fn openpgp(&self) -> Result<pgp::Signer, Failure> {
        let keys = match &self.file {
            Some(KeyFile::OpenPgp(keys)) => keys.clone(),
            _ => self.place.keystore.keys_for(self.from, self.at)?,
        };
        let keys = keys.into_iter().filter(|key| key.addresses(self.at).contains(self.from)).map(Own::Here);
        let lent = match &self.file {
            Some(KeyFile::OpenPgp(_)) => Vec::new(),
            _ => self.place.keystore.agent_keys_for(self.from, self.at)?,
        };
        let mut named: Vec<_> = keys.chain(lent.into_iter().map(Own::Agent)).collect();
        // The newest that may sign, before it one that is here and that all can read; where none may, the newest says why.
        named.sort_by_cached_key(|key| {
            let (certificate, here) = match key {
                Own::Here(key) => (key.certificate(), true),
                Own::Agent(key) => (key.certificate(), false),
            };
            let readable = self.old && here && certificate.version() == 4;
            (certificate.signs(self.at), readable, certificate.created())
        });
        let key = match named.pop() {
            None => return Err(self.none(SuiteName::OpenPgp)),
            Some(Own::Here(key)) => key,
            Some(Own::Agent(key)) => {
                let hints = agent::extend(key.home(), key.fingerprint().as_str(), agent::TWO_YEARS);
                let lent = self.agents.lend(key, self.passphrases.given(SuiteName::OpenPgp)?);
                return lent.signer(self.at).map_err(|reason| self.unfit_in_agent(SuiteName::OpenPgp, &reason, hints));
            }
        };
        if !key.is_locked() {
            return key.signer(self.at).map_err(|reason| self.unfit(SuiteName::OpenPgp, &reason));
        }
        let passphrase = self.passphrases.of_key(SuiteName::OpenPgp, &format!("key {}", key.fingerprint()))?;
        key.unlock_signer(&passphrase, self.at).map_err(|error| match error {
            SignerError::Unusable(reason) => self.unfit(SuiteName::OpenPgp, &reason),
            SignerError::Unlock(error) => self.wrong(error.into()),
        })
    }

    fn smime(&self) -> Result<smime::Signer, Failure> {
        let (keys, lent) = match &self.file {
            Some(KeyFile::Smime(keys)) => {
                // PKCS#12 tells whose it is only once it is open.
                let open = keys.iter().map(|key| match key.certificate() {
                    Some(_) => Ok(vec![key.clone()]),
                    None => self.unlocked(key),
                });
                (open.collect::<Result<Vec<_>, Failure>>()?.concat(), Vec::new())
            }
            _ => {
                let store = &self.place.keystore;
                (store.smime_keys_for(self.from, self.at)?, store.smime_agent_keys_for(self.from, self.at)?)
            }
        };
        let authorities = match keys.len() + lent.len() {
            0 | 1 => smime::Authorities::default(),
            _ => self.place.authorities(self.place.config()?.smime())?,
        };
        let keys = keys.into_iter().map(Own::Here);
        let named = keys.chain(lent.into_iter().map(Own::Agent)).filter_map(|key| {
            let certificate = match &key {
                Own::Here(key) => key.certificate(),
                Own::Agent(key) => Some(key.certificate()),
            };
            let certificate = certificate.filter(|one| one.addresses(self.at).contains(self.from))?;
            let counts = PublicCertificate::expires(certificate, self.at).is_none_or(|expiry| expiry > self.at);
            // Many have another key for encryption.
            let signs = certificate.usages().contains(&"sign");
            let vouched = authorities.vouch_for(certificate, self.at);
            Some(((signs, counts, vouched, certificate.created()), key))
        });
        let key = match named.max_by_key(|(order, _)| *order) {
            None => return Err(self.none(SuiteName::Smime)),
            Some((_, Own::Here(key))) => key,
            Some((_, Own::Agent(key))) => {
                let hints = agent::request(key.home());
                let lent = self.agents.lend_smime(key, self.passphrases.given(SuiteName::Smime)?);
                return lent.signer(self.at).map_err(|reason| self.unfit_in_agent(SuiteName::Smime, &reason, hints));
            }
        };
        let unlocked = self.unlocked(&key)?;
        let Some(key) = unlocked.first() else { return Err(self.none(SuiteName::Smime)) };
        key.signer(self.at).map_err(|reason| self.unfit(SuiteName::Smime, &reason))
    }

    /// A key unlocked, with the others that a PKCS#12 file hides beside it.
    fn unlocked(&self, key: &smime::Key) -> Result<Vec<smime::Key>, Failure> {
        if !key.is_locked() {
            return Ok(vec![key.clone()]);
        }
        let name = key.fingerprint().map_or("the key file".to_owned(), |fingerprint| format!("key {fingerprint}"));
        let passphrase = self.passphrases.of_key(SuiteName::Smime, &name)?;
        key.unlock_all(&passphrase).map_err(|error| self.wrong(error.into()))
    }

    /// A passphrase that does not fit; of two keys it may be that of the other one.
    fn wrong(&self, failure: Failure) -> Failure {
        if !self.both || failure.kind != Kind::Permission || !self.passphrases.is_shared() {
            return failure;
        }
        let why = "the message goes out in both suites, and their two keys need one passphrase, or smime_passphrase in \
                   the account of config.toml for the other";
        Failure { text: format!("{}: {why}", failure.text), ..failure }
    }

    fn none(&self, suite: SuiteName) -> Failure {
        let in_file = matches!(
            (&self.file, suite),
            (Some(KeyFile::OpenPgp(_)), SuiteName::OpenPgp) | (Some(KeyFile::Smime(_)), SuiteName::Smime)
        );
        if in_file {
            return self.no_key(suite, "the file of --key holds none that names it");
        }
        // To make another would not help where there is one that cannot be read.
        let keystore = &self.place.keystore;
        match keystore.damaged().into_iter().find(|error| keystore.is_of_key(error)).map(Failure::from) {
            Some(unread) => {
                let failure = Failure { text: self.no_key(suite, &unread.text).text, ..unread };
                failure.hint(["sealpost", "key", "list"])
            }
            None => self.no_key(suite, "the store has none"),
        }
    }

    /// There is one that may not sign.
    fn unfit(&self, suite: SuiteName, reason: &Unusable) -> Failure {
        let failure = self.no_key(suite, &reason.to_string());
        let Unusable::Expired { fingerprint, .. } = reason else { return failure };
        let mut hint = vec!["sealpost", "key", "extend", fingerprint.as_str()];
        if suite == SuiteName::Smime {
            hint.extend(["--request", "request.pem"]);
        }
        Failure { hints: Vec::new(), ..failure }.hint(hint)
    }

    /// The same of one that GnuPG extends.
    fn unfit_in_agent(&self, suite: SuiteName, reason: &Unusable, hints: Vec<Hint>) -> Failure {
        let failure = self.no_key(suite, &reason.to_string());
        match reason {
            Unusable::Expired { .. } => Failure { hints, ..failure },
            _ => failure,
        }
    }

    fn no_key(&self, suite: SuiteName, why: &str) -> Failure {
        let from = self.from.to_string();
        let text = format!("no {} signing key for {from}: {why}", suite.words());
        let mut hint = vec!["sealpost", "key", "make", &from];
        if suite == SuiteName::Smime {
            hint.extend(["--suite", "smime"]);
        }
        hint.extend(["--new-passphrase", "file:passphrase"]);
        Failure::new(Kind::Permission, text).hint(hint)
    }
}
