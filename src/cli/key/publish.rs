//! `sealpost key publish`: a Web Key Directory for any web server.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    cli::{
        composition::Place, exit::Kind, failure::Failure, grammar::Publish, named, named::AnyKey, printable::Printable,
        voice::Voice,
    },
    crypt::PublicCertificate,
    keystore,
    mail::Address,
};

pub fn run(arguments: &Publish, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let own = match named::key_named(&arguments.name, place, at)? {
        AnyKey::OpenPgp(key) => key.certificate(),
        AnyKey::Agent(key) => key.certificate(),
        AnyKey::Smime(_) | AnyKey::Waiting(_) => {
            let text = format!("the key of {} is for S/MIME: a Web Key Directory is for OpenPGP", arguments.name);
            return Err(Failure::new(Kind::Usage, text).hint(["sealpost", "cert", "export", &arguments.name]));
        }
    };
    let fingerprint = own.fingerprint();
    let named = own.addresses(at);
    let addresses = match Address::parse(&arguments.name) {
        Ok(address) => vec![address],
        Err(_) => named,
    };
    if addresses.is_empty() {
        let text = format!("certificate {fingerprint} names no address to publish it for");
        return Err(Failure::new(Kind::Malformed, text));
    }
    let certificate = match place.keystore.certificate(&fingerprint)? {
        Some(stored) => own.merge(stored)?,
        None => own,
    };
    let mut all = Vec::new();
    for address in &addresses {
        let published = keystore::publish(&arguments.wkd, &certificate, address)?;
        let files = published.files.map(|file| file.display().to_string());
        for (file, url) in files.iter().zip(&published.urls) {
            voice.say(format_args!("wrote {} for {}", Printable(file), Printable(url)));
        }
        all.push(json!({ "address": address.to_string(), "files": files, "urls": published.urls }));
    }
    voice.say(format_args!(
        "let a web server give out {} as its root over https, under one of the two names",
        Printable(&arguments.wkd.display().to_string())
    ));
    if voice.json {
        let fingerprint = fingerprint.to_string();
        voice.object(&json!({ "version": 1, "fingerprint": fingerprint, "published": all }))?;
    }
    Ok(0)
}
