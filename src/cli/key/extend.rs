//! `sealpost key extend`: a later expiry; for S/MIME a request, since only an authority gives it.

use std::path::Path;

use jiff::{Span, Timestamp, ToSpan, civil::Date, tz::TimeZone};

use super::change::{self, Change};
use crate::{
    cli::{
        agent,
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::{Extend, Global},
        named,
        named::AnyKey,
        printable::Printable,
        secrets,
        voice::Voice,
    },
    crypt::{PublicCertificate, pgp, smime},
    keystore::{StoreError, write_new},
};

pub fn run(arguments: &Extend, global: &Global, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let until = until(&arguments.period, at)?;
    match named::key_named(&arguments.name, place, at)? {
        AnyKey::OpenPgp(_) | AnyKey::Agent(_) if arguments.request.is_some() => {
            Err(Failure::new(Kind::Usage, "--request goes with keys for S/MIME only"))
        }
        AnyKey::OpenPgp(key) => {
            let change = Change { key: &key, global, place, passphrase: arguments.passphrase.as_deref() };
            if !arguments.shorten {
                later(&key, until, at)?;
            }
            let (extended, at) = change.apply(at, |key, passphrase, at| key.extend(passphrase, until, at))?;
            change::tell("extended", &extended, at, voice)
        }
        AnyKey::Agent(key) => {
            let cures = agent::extend(key.home(), key.fingerprint().as_str(), &until.to_string()[..10]);
            Err(agent::refuse(&key.fingerprint(), key.home(), "gpg extends it; take it again then", cures))
        }
        AnyKey::SmimeAgent(key) => {
            let cures = agent::request(key.home());
            let what =
                "gpgsm asks an authority for another certificate of the same key, and imports it; take it again then";
            Err(agent::refuse(&key.fingerprint(), key.home(), what, cures))
        }
        AnyKey::Smime(key) => match &arguments.request {
            Some(path) => request(&key, path, arguments, global, place, at, voice),
            None => {
                let text = "a certificate for S/MIME cannot be extended: an authority has to issue another; give \
                            --request to ask for one for the same key";
                let hint = ["sealpost", "key", "extend", &arguments.name, "--request", "request.csr"];
                Err(Failure::new(Kind::Usage, text).hint(hint))
            }
        },
        AnyKey::Waiting(_) => {
            let text =
                format!("the key of {} waits for its first certificate: there is nothing to extend", arguments.name);
            Err(Failure::new(Kind::Usage, text).hint(["sealpost", "key", "show", &arguments.name]))
        }
    }
}

/// Refuses an end that is earlier than the present one.
fn later(key: &pgp::Key, until: Timestamp, at: Timestamp) -> Result<(), Failure> {
    let end = match PublicCertificate::expires(&key.certificate(), at) {
        Some(end) if end <= until => return Ok(()),
        Some(end) => format!("ends {end} as it is"),
        None => "has no end as it is".to_owned(),
    };
    let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
    let text = format!("key {} {end}, so {until} would shorten its life; --shorten allows that", key.fingerprint());
    Err(Failure::new(Kind::Usage, text).hint(["sealpost", "key", "show", key.fingerprint().as_str()]))
}

/// Writes a request for a further certificate of the same key.
fn request(
    key: &smime::Key,
    path: &Path,
    arguments: &Extend,
    global: &Global,
    place: &Place,
    at: Timestamp,
    voice: Voice,
) -> Result<u8, Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(StoreError::Exists { path: path.to_owned() }.into());
    }
    let open = secrets::unlocked_smime(key, place, global, arguments.passphrase.as_deref(), at)?;
    write_new(path, [open.request_again()?.as_bytes()])?;
    if voice.json {
        let fingerprint = key.fingerprint().map(|fingerprint| fingerprint.to_string());
        let key = serde_json::json!({ "suite": "smime", "fingerprint": fingerprint, "outcome": "requested" });
        let file = path.display().to_string();
        voice.object(&serde_json::json!({ "version": 1, "key": key, "request_file": file }))?;
    }
    voice.say(format_args!(
        "a certificate for S/MIME cannot be extended: wrote a request for another of the same key to {}",
        Printable(&path.display().to_string())
    ));
    voice.say(format_args!("give it to the certificate authority, and import its answer"));
    voice.hint(["sealpost", "key", "import", "certificate.pem"]);
    Ok(0)
}

/// The end of a period that begins now, or the beginning of a day.
fn until(text: &str, at: Timestamp) -> Result<Timestamp, Failure> {
    let usage = |why: String| Failure::new(Kind::Usage, format!("--for {text:?} {why}"));
    let parsed = period(text).map_or_else(
        || {
            // A day is what a time too begins with.
            let day = || text.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0));
            let day = || day().and_then(|day| TimeZone::UTC.to_timestamp(day).ok());
            text.parse().ok().or_else(day)
        },
        |period| {
            let end = TimeZone::UTC.to_datetime(at).checked_add(period).ok();
            end.and_then(|end| TimeZone::UTC.to_timestamp(end).ok())
        },
    );
    let until =
        parsed.ok_or_else(|| usage("is neither a period such as 90d or 2y nor a day such as 2029-01-31".into()))?;
    if until <= at {
        return Err(usage("is over already".into()));
    }
    // What 32 bits of seconds after its making can say, for a key of any age.
    if until.as_second() > i64::from(u32::MAX) {
        return Err(usage("is later than an OpenPGP key can say, which is in 2106".into()));
    }
    Ok(until)
}

fn period(text: &str) -> Option<Span> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| (1..=36_500).contains(number))?;
    match unit {
        'd' => Some(number.days()),
        'w' => Some(number.weeks()),
        'm' => Some(number.months()),
        'y' if number <= 100 => Some(number.years()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn periods_and_days_are_read_and_nothing_else() {
        let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, end) in [
            ("90d", "2027-02-22T12:00:00Z"),
            ("6w", "2027-01-05T12:00:00Z"),
            ("18m", "2028-05-24T12:00:00Z"),
            ("2y", "2028-11-24T12:00:00Z"),
            ("2029-01-31", "2029-01-31T00:00:00Z"),
            ("2029-01-31T10:00:00+02:00", "2029-01-31T08:00:00Z"),
        ] {
            assert_eq!(until(text, at).unwrap(), end.parse().unwrap(), "{text}");
        }
        for text in
            ["", "2", "y", "0d", "-1y", "2Y", "2 y", "99y", "101y", "2026-11-24", "2029-02-30", "2107-01-01", "é"]
        {
            assert_eq!(until(text, at).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }
}
