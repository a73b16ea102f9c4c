//! `sealpost key list` and `key show`.

use jiff::Timestamp;

use super::KeyJson;
use crate::cli::{
    cert::{CertificateJson, Judging},
    composition::Place,
    failure::Failure,
    named,
    named::AnyKey,
    printable::Printable,
    voice::Voice,
};

pub fn run(place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let store = &place.keystore;
    let mut keys: Vec<_> = store.keys()?.iter().map(|key| KeyJson::openpgp(key, at)).collect();
    keys.extend(store.agent_keys()?.iter().map(|key| KeyJson::agent(key, at)));
    keys.extend(store.smime_agent_keys()?.iter().map(|key| KeyJson::smime_agent(key, at)));
    keys.extend(store.smime_keys()?.iter().filter_map(|key| KeyJson::smime(key, at)));
    keys.extend(store.waiting()?.iter().map(KeyJson::waiting));
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
    let judging = Judging::new(place, at)?;
    let shown = match named::key_named(name, place, at)? {
        AnyKey::OpenPgp(key) => Some(judging.openpgp(&key.certificate())),
        AnyKey::Agent(key) => Some(CertificateJson {
            home: Some("agent"),
            gnupg_home: Some(key.home().display().to_string()),
            ..judging.openpgp(&key.certificate())
        }),
        AnyKey::SmimeAgent(key) => Some(CertificateJson {
            home: Some("agent"),
            gnupg_home: Some(key.home().display().to_string()),
            ..judging.smime(key.certificate())
        }),
        AnyKey::Smime(key) => key.certificate().map(|certificate| judging.smime(certificate)),
        AnyKey::Waiting(waiting) => {
            let shown = KeyJson::waiting(&waiting);
            if voice.json {
                voice.object(&serde_json::json!({ "version": 1, "key": shown, "request": waiting.request() }))?;
            } else {
                voice.data(format!("{}\n{}", Printable(&shown.words()), waiting.request()).as_bytes())?;
            }
            None
        }
    };
    match shown {
        Some(shown) if voice.json => voice.object(&serde_json::json!({ "version": 1, "key": shown }))?,
        Some(shown) => voice.data(shown.words().as_bytes())?,
        None => {}
    }
    Ok(0)
}
