//! `sealpost key publish`: a Web Key Directory for any web server, or an upload to a keyserver.

use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use crate::{
    cli::{
        composition::{Place, drive},
        exit::Kind,
        failure::Failure,
        grammar::Publish,
        named,
        named::AnyKey,
        printable::Printable,
        sources,
        voice::Voice,
    },
    config::FindSettings,
    crypt::{PublicCertificate, pgp::Certificate},
    keystore::{self, Standing, UploadError, Uploaded},
    mail::Address,
};

pub fn run(arguments: &Publish, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let name = &arguments.name;
    let way = if arguments.wkd.is_some() { "a Web Key Directory is" } else { "keyservers are" };
    let own = match named::key_named(name, place, at)? {
        AnyKey::OpenPgp(key) => key.certificate(),
        AnyKey::Agent(key) => key.certificate(),
        AnyKey::Smime(_) | AnyKey::SmimeAgent(_) => {
            let text = format!(
                "the key of {name} is for S/MIME: {way} for OpenPGP; give people its certificate, or a message that it \
                 signed, which brings it"
            );
            return Err(Failure::new(Kind::Usage, text).hint(["sealpost", "cert", "export", name]));
        }
        AnyKey::Waiting(_) => {
            let text = format!("the key of {name} is for S/MIME, and waits for its certificate: {way} for OpenPGP");
            return Err(Failure::new(Kind::Usage, text).hint(["sealpost", "key", "show", name]));
        }
    };
    let addresses = Address::parse(name).map_or_else(|_| own.addresses(at), |address| vec![address]);
    let certificate = match place.keystore.certificate(&own.fingerprint())? {
        Some(stored) => own.merge(stored)?,
        None => own,
    };
    match &arguments.wkd {
        Some(folder) => lay_out(folder, &certificate, &addresses, voice),
        None => {
            let url = arguments.keyserver.as_ref().and_then(Option::as_deref);
            upload(url, name, certificate, &addresses, place, voice)
        }
    }
}

fn lay_out(folder: &Path, certificate: &Certificate, addresses: &[Address], voice: Voice) -> Result<u8, Failure> {
    let fingerprint = certificate.fingerprint();
    if addresses.is_empty() {
        let text = format!("certificate {fingerprint} names no address to publish it for");
        return Err(Failure::new(Kind::Malformed, text));
    }
    let mut all = Vec::new();
    for address in addresses {
        let published = keystore::publish(folder, certificate, address)?;
        let files = published.files.map(|file| file.display().to_string());
        for (file, url) in files.iter().zip(&published.urls) {
            voice.say(format_args!("wrote {} for {}", Printable(file), Printable(url)));
        }
        all.push(json!({ "address": address.to_string(), "files": files, "urls": published.urls }));
    }
    voice.say(format_args!(
        "let a web server give out {} as its root over https, under one of the two names",
        Printable(&folder.display().to_string())
    ));
    if voice.json {
        let fingerprint = fingerprint.to_string();
        voice.object(&json!({ "version": 1, "fingerprint": fingerprint, "published": all }))?;
    }
    Ok(0)
}

fn upload(
    url: Option<&str>,
    name: &str,
    certificate: Certificate,
    addresses: &[Address],
    place: &Place,
    voice: Voice,
) -> Result<u8, Failure> {
    let config = place.config()?;
    let settings = config.find();
    let server = match url {
        None => settings.keyserver(),
        Some(url) => FindSettings::parse_keyserver(url).map_err(|_| {
            // What should be a URL may hold a password.
            let text = "--keyserver is neither https://HOST[:PORT] nor, for HKP, hkps://HOST[:PORT]";
            Failure::new(Kind::Usage, text).hint(["sealpost", "key", "publish", "--help"])
        })?,
    };
    // Named by its address, it goes out with the user IDs of that one alone.
    let certificate = match Address::parse(name) {
        Ok(address) => certificate.limited_to(&address),
        Err(_) => certificate,
    };
    let fingerprint = certificate.fingerprint();
    let client = sources::client(settings)?;
    let locale = locale();
    let sent = keystore::upload(&client, &server, &certificate, addresses, &locale, settings.timeout);
    let failed = |error: UploadError, what: &str| {
        let failure = Failure::from(error);
        let failure = Failure { text: format!("{what}: {}", failure.text), ..failure };
        match (failure.kind, url) {
            // The same again may go better.
            (Kind::Temporary, Some(url)) => failure.hint(["sealpost", "key", "publish", name, "--keyserver", url]),
            (Kind::Temporary, None) => failure.hint(["sealpost", "key", "publish", name, "--keyserver"]),
            _ => failure.hint(["sealpost", "cert", "export", name]),
        }
    };
    let uploaded = drive(sent)?.map_err(|error| {
        let what = match error.may_have_it() {
            true => format!("it is not known whether certificate {fingerprint} was uploaded for {name}"),
            false => format!("certificate {fingerprint} was not uploaded for {name}"),
        };
        failed(error, &what)
    })?;
    let Uploaded { standings, unasked } = uploaded;
    voice.say(format_args!("uploaded certificate {fingerprint} to {}", Printable(server.url())));
    for (address, standing) in &standings {
        voice.say(format_args!("  {}: {}", Printable(&address.to_string()), words(*standing)));
    }
    if voice.json {
        let addresses =
            standings.iter().map(|(address, standing)| json!({ "address": address.to_string(), "status": standing }));
        let addresses: Vec<_> = addresses.collect();
        voice.object(&json!({
            "version": 1, "fingerprint": fingerprint.to_string(), "source": server.source(),
            "keyserver": server.url(), "addresses": addresses,
        }))?;
    }
    match unasked {
        Some(error) => Err(failed(error, &format!("the mail that proves {name} was not asked for"))),
        None => Ok(0),
    }
}

/// What a standing means to the owner.
fn words(standing: Standing) -> &'static str {
    match standing {
        Standing::Unpublished => "unpublished: the certificate is not found by the address",
        Standing::Published => "published: the certificate is found by the address",
        Standing::Revoked => "revoked: whoever asks for the fingerprint is told so",
        Standing::Pending => {
            "pending: the keyserver has sent a mail there; open the link in it, and the certificate is found by the address"
        }
        Standing::Uploaded => "uploaded: the keyserver checks no addresses",
        Standing::Unknown => "unknown: the keyserver says nothing of the address",
    }
}

/// The language of the keyserver's mail, which its reader is to understand: that of the environment.
fn locale() -> String {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    locale_of(set.as_deref().unwrap_or_default())
}

fn locale_of(set: &str) -> String {
    let name = set.split(['.', '@']).next().unwrap_or_default();
    let (language, country) = name.split_once('_').unwrap_or((name, ""));
    let letters = |text: &str, lengths: &[usize]| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let good = letters(language, &[2, 3]) && (letters(country, &[2]) || country.is_empty());
    if good { name.to_owned() } else { "en_US".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::locale_of;

    #[test]
    fn the_mail_is_in_the_language_of_the_environment() {
        for (set, told) in [
            ("de_DE.UTF-8", "de_DE"),
            ("ca_ES@valencia", "ca_ES"),
            ("eo", "eo"),
            ("", "en_US"),
            ("C.UTF-8", "en_US"),
            ("POSIX", "en_US"),
            ("../x", "en_US"),
            ("de_DE_x", "en_US"),
        ] {
            assert_eq!(locale_of(set), told, "{set}");
        }
    }
}
