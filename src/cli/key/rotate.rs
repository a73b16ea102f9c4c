//! `sealpost key rotate`: new subkeys under the same primary key.

use jiff::Timestamp;

use super::change::{self, Change};
use crate::cli::{
    agent,
    composition::Place,
    exit::Kind,
    failure::Failure,
    grammar::{Global, Rotate},
    named,
    named::AnyKey,
    voice::Voice,
};

pub fn run(arguments: &Rotate, global: &Global, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let named = named::key_named(&arguments.name, place, at)?;
    if let AnyKey::Agent(key) = &named {
        let cures = agent::rotate(key.home(), key.fingerprint().as_str());
        return Err(agent::refuse(&key.fingerprint(), key.home(), "gpg makes new subkeys; take it again then", cures));
    }
    let AnyKey::OpenPgp(key) = named else {
        let text = format!("the key of {} is for S/MIME and has no subkeys: make a new key instead", arguments.name);
        let hint = ["sealpost", "key", "make", "--suite", "smime", "--help"];
        return Err(Failure::new(Kind::Usage, text).hint(hint));
    };
    let change = Change { key: &key, global, place, passphrase: arguments.passphrase.as_deref() };
    let rotate =
        |key: &_, passphrase: Option<&_>, at| crate::crypt::pgp::Key::rotate(key, passphrase, arguments.revoke_old, at);
    let (rotated, at) = change.apply(at, rotate)?;
    change::tell("rotated", &rotated, at, voice)
}
