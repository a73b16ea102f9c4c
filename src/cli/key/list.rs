//! `sealpost key list` and `key show`.

use jiff::Timestamp;

use super::KeyJson;
use crate::cli::{
    cert::Judging,
    composition::{self, Place},
    failure::Failure,
    printable::Printable,
    voice::Voice,
};

pub fn run(place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let keys: Vec<_> = place.keystore.keys()?.iter().map(|key| KeyJson::new(key, at, None)).collect();
    place.warn(voice);
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "keys": keys }))?;
    } else {
        let lines: String = keys.iter().map(|key| format!("{}\n", Printable(&key.words()))).collect();
        voice.data(lines.as_bytes())?;
    }
    Ok(0)
}

pub fn show(name: &str, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let key = composition::key_named(name, place, at)?;
    let shown = Judging::new(place, at)?.openpgp(&key.certificate());
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "key": shown }))?;
    } else {
        voice.data(shown.words().as_bytes())?;
    }
    Ok(0)
}
