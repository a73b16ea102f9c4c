//! `sealpost key export`: the key as it is stored, locked.

use jiff::Timestamp;

use crate::cli::{agent, composition::Place, failure::Failure, grammar::Export, named, named::AnyKey, voice::Voice};

pub fn run(arguments: &Export, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let text = match named::key_named(&arguments.name, place, at)? {
        AnyKey::OpenPgp(key) => key.to_armored()?,
        AnyKey::Agent(key) => {
            let fingerprint = key.fingerprint().to_string();
            let cures = vec![
                agent::gpg(key.home(), &["--armor", "--export-secret-keys", &fingerprint]),
                ["sealpost", "cert", "export", &fingerprint].map(str::to_owned).to_vec(),
            ];
            return Err(agent::refuse(
                &key.fingerprint(),
                key.home(),
                "gpg exports it, where it is on no smartcard",
                cures,
            ));
        }
        AnyKey::Smime(key) => key.to_pem()?,
        AnyKey::SmimeAgent(key) => {
            let fingerprint = key.fingerprint().to_string();
            let cures = vec![
                agent::gpgsm(key.home(), &["--armor", "--export-secret-key-p12", &format!("&{}", key.grip())]),
                ["sealpost", "cert", "export", &fingerprint].map(str::to_owned).to_vec(),
            ];
            let what = "gpgsm exports it, where it is on no smartcard";
            return Err(agent::refuse(&key.fingerprint(), key.home(), what, cures));
        }
        AnyKey::Waiting(waiting) => waiting.to_pem()?,
    };
    named::export(&text, "key", arguments.output.as_deref(), voice)
}
