//! What every change of an OpenPGP key shares: the moment, the passphrase, the store, and what is said then.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::KeyJson;
use crate::{
    cli::{
        composition::Place, exit::Kind, failure::Failure, grammar::Global, printable::Printable, secrets, voice::Voice,
    },
    crypt::{
        SuiteName,
        pgp::{ChangeError, Key},
    },
};

/// How far the last change may lie ahead: as many changes at once, each of a second of its own.
const MOST_AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// A change of one stored key.
pub struct Change<'a> {
    pub key: &'a Key,
    pub global: &'a Global,
    pub place: &'a Place,
    /// `--passphrase`.
    pub passphrase: Option<&'a str>,
}

impl Change<'_> {
    /// Does it, and gives the changed key with the moment from which on it counts.
    pub fn apply(
        &self,
        at: Timestamp,
        change: impl FnOnce(&Key, Option<&Zeroizing<String>>, Timestamp) -> Result<Key, ChangeError>,
    ) -> Result<(Key, Timestamp), Failure> {
        let passphrase = self.passphrase(at)?;
        let mut moment = at;
        let changed = self.place.keystore.change(&self.key.fingerprint(), |key| -> Result<Key, Failure> {
            moment = wait(&key, at)?;
            Ok(change(&key, passphrase.as_ref(), moment)?)
        })?;
        Ok((changed, moment))
    }

    /// Its passphrase; none if it is not locked.
    pub fn passphrase(&self, at: Timestamp) -> Result<Option<Zeroizing<String>>, Failure> {
        if !self.key.is_locked() {
            return Ok(None);
        }
        let (name, addresses) = (self.key.fingerprint().to_string(), self.key.addresses(at));
        let (place, global) = (self.place, self.global);
        secrets::stored_passphrase(&name, SuiteName::OpenPgp, &addresses, place, global, self.passphrase).map(Some)
    }
}

/// The moment of signing: later than the last signature, which may be of this very second. It is waited for, since
/// what is signed in the future counts for nobody.
fn wait(key: &Key, at: Timestamp) -> Result<Timestamp, Failure> {
    let next = key.next_change(at);
    if next.duration_since(at) > MOST_AHEAD {
        let text = format!(
            "key {} was last changed shortly before {next}, which is in the future: is the clock right?",
            key.fingerprint()
        );
        return Err(Failure::new(Kind::System, text));
    }
    if next > at {
        let left = next.duration_since(Timestamp::now().max(at));
        std::thread::sleep(Duration::try_from(left).unwrap_or_default());
    }
    Ok(next)
}

/// Says what was done, and what is left to do: others do not know it yet.
pub fn tell(done: &'static str, key: &Key, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let shown = KeyJson::openpgp(key, at).done(done);
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "key": shown }))?;
    }
    voice.say(format_args!("{done} {}", Printable(&shown.words())));
    voice.say(format_args!("give the certificate to those who write to you again"));
    voice.hint(["sealpost", "cert", "export", key.fingerprint().as_str()]);
    Ok(0)
}
