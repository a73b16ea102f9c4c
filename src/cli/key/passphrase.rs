//! `sealpost key change-passphrase`: another lock over the same secret.

use jiff::Timestamp;

use super::KeyJson;
use crate::{
    cli::{
        agent,
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::{ChangePassphrase, Global},
        named,
        named::AnyKey,
        printable::Printable,
        secrets,
        secrets::Locking,
        voice::Voice,
    },
    crypt::{PublicCertificate, SuiteName, pgp, smime},
    mail::Address,
};

pub fn run(
    arguments: &ChangePassphrase,
    global: &Global,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    let key = named::key_named(&arguments.name, place, at)?;
    let (fingerprint, flag) = (key.fingerprint(), arguments.passphrase.as_deref());
    let present =
        |suite, addresses: &[Address]| secrets::stored_passphrase(&fingerprint, suite, addresses, place, global, flag);
    // It must open before another passphrase is put anywhere; what is changed is what is stored then, under the lock.
    let shown = match key {
        AnyKey::OpenPgp(key) => {
            let present = present(SuiteName::OpenPgp, &key.addresses(at))?;
            key.unlock(&present)?;
            let other = other(arguments)?;
            let relock = |key: pgp::Key| -> Result<pgp::Key, Failure> {
                Ok(key.unlock(&present)?.lock(&other.passphrase, other.strength)?)
            };
            KeyJson::openpgp(&place.keystore.change(&key.fingerprint(), relock)?, at)
        }
        AnyKey::Agent(key) => {
            let cures = vec![agent::gpg(key.home(), &["--change-passphrase", &fingerprint])];
            return Err(agent::refuse(&key.fingerprint(), key.home(), "gpg changes its passphrase", cures));
        }
        AnyKey::SmimeAgent(key) => {
            let cures = vec![agent::gpgsm(key.home(), &["--change-passphrase", &format!("&{}", key.grip())])];
            return Err(agent::refuse(&key.fingerprint(), key.home(), "gpgsm changes its passphrase", cures));
        }
        AnyKey::Smime(key) => {
            let Some(certificate) = key.certificate() else { return Err(smime::KeyError::NoCertificate.into()) };
            let present = present(SuiteName::Smime, &certificate.addresses(at))?;
            key.unlock(&present)?;
            let other = other(arguments)?;
            let relock = |key: smime::Key| -> Result<smime::Key, Failure> {
                Ok(key.unlock(&present)?.lock(&other.passphrase, other.strength)?)
            };
            let changed = place.keystore.change_smime(&certificate.fingerprint(), relock)?;
            // The same key lies here once for each of its certificates.
            for same in place.keystore.smime_keys()? {
                let Some(other) = same.certificate().filter(|other| other.fingerprint() != certificate.fingerprint())
                else {
                    continue;
                };
                if changed.clone().adopt(std::slice::from_ref(other))
                    && let Err(failure) = place.keystore.change_smime(&other.fingerprint(), relock)
                {
                    let fingerprint = other.fingerprint();
                    voice.say(format_args!("warning: the same key with certificate {fingerprint} is locked as it was"));
                    voice.say(format_args!("  {}", Printable(&failure.text)));
                }
            }
            KeyJson::smime(&changed, at).ok_or(smime::KeyError::NoCertificate)?
        }
        AnyKey::Waiting(waiting) => {
            let present = present(SuiteName::Smime, waiting.addresses())?;
            waiting.key().unlock(&present)?;
            let other = other(arguments)?;
            let relock = |waiting: smime::Waiting| -> Result<smime::Waiting, Failure> {
                let relocked = waiting.key().unlock(&present)?.lock(&other.passphrase, other.strength)?;
                Ok(smime::Waiting::new(relocked, &waiting.request())?)
            };
            KeyJson::waiting(&place.keystore.change_waiting(&waiting.id(), relock)?)
        }
    };
    let shown = shown.done("locked anew");
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "key": shown }))?;
    }
    voice.say(format_args!("locked anew {}", Printable(&shown.words())));
    voice.say(format_args!(
        "the passphrase of the account in config.toml is as it was, and copies of the key elsewhere open with the old one"
    ));
    Ok(0)
}

fn other(arguments: &ChangePassphrase) -> Result<Locking, Failure> {
    match (&arguments.new_passphrase, secrets::source(arguments.to_passphrase.as_deref())?) {
        (Some(place), _) => Locking::generated(place),
        (None, Some(source)) => Ok(Locking::given(source.read()?)),
        (None, None) => Err(Failure::new(Kind::Usage, "give --new-passphrase or --to-passphrase")),
    }
}
