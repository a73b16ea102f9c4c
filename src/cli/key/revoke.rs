//! `sealpost key revoke`: the end of a key, with a reason, or by the certificate that was made for that.

use jiff::Timestamp;

use super::change::{self, Change};
use crate::{
    cli::{
        agent,
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::{Global, ReasonArgument, Revoke},
        named,
        named::AnyKey,
        voice::Voice,
    },
    crypt::pgp::{Key, Reason, Revocation},
};

/// The most bytes of text, so that every program shows it whole.
const LONGEST_TEXT: usize = 1000;

pub fn run(arguments: &Revoke, global: &Global, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let text = arguments.text.as_deref().unwrap_or_default();
    if text.len() > LONGEST_TEXT {
        return Err(Failure::new(Kind::Usage, format!("--text is longer than {LONGEST_TEXT} bytes")));
    }
    let named = named::key_named(&arguments.name, place, at)?;
    if let AnyKey::Agent(key) = &named {
        let cures = agent::revoke(key.home(), key.fingerprint().as_str());
        return Err(agent::refuse(&key.fingerprint(), key.home(), "gpg revokes it; take it again then", cures));
    }
    let AnyKey::OpenPgp(key) = named else {
        let text = format!(
            "the key of {} is for S/MIME: ask the authority that issued its certificate to revoke it",
            arguments.name
        );
        return Err(Failure::new(Kind::Usage, text).hint(["sealpost", "key", "show", &arguments.name]));
    };
    let reason = match arguments.reason {
        ReasonArgument::Unspecified => Reason::Unspecified,
        ReasonArgument::Compromised => Reason::Compromised,
        ReasonArgument::Superseded => Reason::Superseded,
        ReasonArgument::Retired => Reason::Retired,
    };
    let fingerprint = key.fingerprint();
    if reason == Reason::Unspecified && key.certificate().revoked(at).is_some() {
        // Nothing to add; the certificate in the store may lack it still.
        let key = place.keystore.change::<Failure>(&fingerprint, Ok)?;
        return change::tell("revoked already", &key, at, voice);
    }
    let plain = reason == Reason::Unspecified && text.is_empty();
    let ready = if plain { place.keystore.revocation(&fingerprint)? } else { None };
    let change = Change { key: &key, global, place, passphrase: arguments.passphrase.as_deref() };
    let (revoked, at) = match &ready {
        Some(ready) => {
            let revoke = |key: Key| -> Result<Key, Failure> { Ok(key.revoke(Revocation::Ready(ready), at)?) };
            (place.keystore.change(&fingerprint, revoke)?, at)
        }
        None => change
            .apply(at, |key, passphrase, at| key.revoke(Revocation::Signed { passphrase, reason, text }, at))
            .map_err(|failure| cure(failure, plain, &arguments.name))?,
    };
    change::tell("revoked", &revoked, at, voice)
}

/// Whoever lost the passphrase can do without a reason.
fn cure(failure: Failure, plain: bool, name: &str) -> Failure {
    match failure.kind {
        Kind::Permission | Kind::NoInput if !plain => failure.hint(["sealpost", "key", "revoke", name]),
        _ => failure,
    }
}
