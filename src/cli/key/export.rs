//! `sealpost key export`: the key as it is stored, locked.

use jiff::Timestamp;

use crate::cli::{composition::Place, failure::Failure, grammar::Export, named, named::AnyKey, voice::Voice};

pub fn run(arguments: &Export, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let text = match named::key_named(&arguments.name, place, at)? {
        AnyKey::OpenPgp(key) => key.to_armored()?,
        AnyKey::Smime(key) => key.to_pem()?,
        AnyKey::Waiting(waiting) => waiting.to_pem()?,
    };
    named::export(&text, "key", arguments.output.as_deref(), voice)
}
