//! `sealpost cert verify`: pins a certificate for its address in recipients.toml.

use std::{fs, io, path::Path};

use jiff::Timestamp;

use super::{CertificateJson, Judging, levels::Levels};
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::{Failure, RecipientReason},
        grammar::CertVerify,
        named::AnyCertificate,
        printable::Printable,
        voice::Voice,
    },
    config,
    crypt::{Fingerprint, PublicCertificate},
    keystore::{self, Lock},
    mail::Address,
};

pub fn run(arguments: &CertVerify, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let fingerprint = Fingerprint::parse(&arguments.fingerprint).ok_or_else(|| {
        let text = format!("{:?} is not a full fingerprint: nothing shorter proves anything", arguments.fingerprint);
        Failure::new(Kind::Usage, text).hint(["sealpost", "cert", "list"])
    })?;
    let certificate = stored(&fingerprint, place)?.ok_or_else(|| {
        let text = format!("certificate {fingerprint} is not in the store, so it cannot be pinned");
        Failure::new(Kind::NoInput, text).hint(["sealpost", "cert", "list"])
    })?;
    let address = address(&certificate, arguments.address.as_deref(), at)?;
    // Settings that cannot be read end it before anything is written.
    place.config()?;

    // Two that pin at once must not lose each other's pins.
    let _lock = Lock::take(&place.home.state, "recipients.lock")?;
    let path = &place.home.recipients;
    let text = read(path)?;
    let known = config::Recipients::read(path)?;
    let before = known.fingerprints_for(&address).to_vec();
    let unchanged = before.contains(&fingerprint);
    let others = if unchanged { Vec::new() } else { others(&before, &certificate, place)? };
    if !others.is_empty() && !arguments.replace {
        return Err(conflict(&address, &fingerprint, &others));
    }
    if !unchanged {
        let mut pins: Vec<_> = before.iter().filter(|pin| !others.contains(pin)).cloned().collect();
        pins.push(fingerprint.clone());
        let edited = config::pin(&text, path, &address, &pins)?;
        if let Some(folder) = path.parent() {
            keystore::make_private(folder)?;
        }
        keystore::overwrite(path, edited.as_bytes())?;
    }
    // Judged as it counts from now on.
    let levels = Levels::new(place)?.of(&certificate, at, voice);
    let shown = CertificateJson { levels, ..Judging::new(place, at)?.show(&certificate) };
    let outcome = match (unchanged, others.is_empty()) {
        (true, _) => "unchanged",
        (false, true) => "pinned",
        (false, false) => "replaced",
    };
    if voice.json {
        voice.object(&serde_json::json!({
            "version": 1, "address": address.to_string(), "outcome": outcome, "replaced": others,
            "file": path.display().to_string(), "certificate": shown,
        }))?;
        return Ok(0);
    }
    let address = Printable(&address.to_string()).to_string();
    match outcome {
        "unchanged" => voice.say(format_args!("{fingerprint} is pinned for {address} already")),
        _ => voice.say(format_args!("pinned {fingerprint} for {address}")),
    }
    for other in others {
        voice.say(format_args!("it takes the place of {other}, which counts for {address} no longer"));
    }
    voice.say(shown.words().trim_end());
    Ok(0)
}

fn stored(fingerprint: &Fingerprint, place: &Place) -> Result<Option<AnyCertificate>, Failure> {
    if let Some(certificate) = place.keystore.certificate(fingerprint)? {
        return Ok(Some(AnyCertificate::OpenPgp(Box::new(certificate))));
    }
    Ok(place.keystore.x509(fingerprint)?.map(AnyCertificate::Smime))
}

/// The one address that it names, or the one of several that is asked for.
fn address(certificate: &AnyCertificate, asked: Option<&str>, at: Timestamp) -> Result<Address, Failure> {
    let fingerprint = certificate.fingerprint();
    let named = match certificate {
        AnyCertificate::OpenPgp(certificate) => certificate.addresses(at),
        AnyCertificate::Smime(certificate) => certificate.addresses(at),
    };
    let list = || named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let Some(asked) = asked else {
        return match named.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Failure::new(
                Kind::Usage,
                format!(
                    "certificate {fingerprint} names no address: pin it in recipients.toml, for whom you know it is"
                ),
            )),
            _ => {
                let text = format!("certificate {fingerprint} names several addresses: {}; say for which", list());
                let failure = Failure::new(Kind::Usage, text);
                Err(named.iter().fold(failure, |failure, address| {
                    failure.hint(["sealpost", "cert", "verify", fingerprint.as_str(), &address.to_string()])
                }))
            }
        };
    };
    let asked = Address::parse(asked).map_err(|error| Failure::new(Kind::Usage, format!("{asked:?}: {error}")))?;
    if !named.contains(&asked) {
        let names = if named.is_empty() { "no address".to_owned() } else { list() };
        let text = format!(
            "certificate {fingerprint} does not name {asked} but {names}; if it is to stand for {asked} all the same, \
             pin it in recipients.toml"
        );
        return Err(Failure::new(Kind::Usage, text).hint(["sealpost", "cert", "show", fingerprint.as_str()]));
    }
    Ok(asked)
}

/// Those that are pinned and cannot stand beside it: all but certificates of the other suite.
fn others(pinned: &[Fingerprint], certificate: &AnyCertificate, place: &Place) -> Result<Vec<Fingerprint>, Failure> {
    let mut others = Vec::new();
    for pin in pinned {
        let of_other_suite = matches!(
            (stored(pin, place)?, certificate),
            (Some(AnyCertificate::OpenPgp(_)), AnyCertificate::Smime(_))
                | (Some(AnyCertificate::Smime(_)), AnyCertificate::OpenPgp(_))
        );
        if !of_other_suite {
            others.push(pin.clone());
        }
    }
    Ok(others)
}

fn conflict(address: &Address, fingerprint: &Fingerprint, others: &[Fingerprint]) -> Failure {
    let pinned: Vec<_> = others.iter().map(Fingerprint::as_str).collect();
    let reason = format!("{} is pinned, and {fingerprint} is another one", pinned.join(" and "));
    let mut failure = Failure::new(Kind::Recipients, format!("nothing was changed: for {address} {reason}"));
    failure.recipients = vec![RecipientReason { address: address.to_string(), reason }];
    failure.hint(["sealpost", "cert", "verify", "--replace", fingerprint.as_str(), &address.to_string()])
}

/// The text of recipients.toml; none is none.
fn read(path: &Path) -> Result<String, Failure> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| config::ConfigError::Read { path: path.to_owned(), error }.into()),
    }
}
