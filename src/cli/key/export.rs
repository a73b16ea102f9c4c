//! `sealpost key export`: the key as it is stored, locked.

use jiff::Timestamp;

use crate::cli::{
    composition::{self, Place},
    failure::Failure,
    grammar::Export,
    voice::Voice,
};

pub fn run(arguments: &Export, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let key = composition::key_named(&arguments.name, place, at)?;
    composition::export(&key.to_armored()?, "key", arguments.output.as_deref(), voice)
}
