//! Makes the specimen keys of `keys/`: `cargo run --example specimens -- keys`.
//!
//! Their passphrase is public and they never expire, so that tests can judge at any time. That is why they are
//! made here and not by `sealpost key make`, which does neither. A file that is there already is kept.
#![allow(clippy::print_stdout)]

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, SystemTime},
};

use sequoia_openpgp::{
    Cert, Profile,
    armor::{Kind, Writer},
    cert::CertBuilder,
    serialize::Serialize,
    types::Features,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What opens them all.
const PASSPHRASE: &str = "specimen";

/// 1 January 2026, 00:00 UTC, in seconds since 1970: when they claim to have been made.
const MADE: u64 = 1_767_225_600;

/// In each file's head.
const COMMENT: &str = "Specimen of sealpost. Its secret is public: never use it for mail.";

fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).ok_or("usage: specimens FOLDER")?;
    let folder = Path::new(&folder);
    for (name, profile) in [("alice", Profile::RFC4880), ("bob", Profile::RFC4880), ("carol", Profile::RFC9580)] {
        let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.asc")));
        if key.exists() || certificate.exists() {
            println!("{name}: kept");
            continue;
        }
        let cert = specimen(name, profile)?;
        write(&key, &armor(Kind::SecretKey, |out| cert.as_tsk().serialize(out))?)?;
        write(&certificate, &armor(Kind::PublicKey, |out| cert.serialize(out))?)?;
        println!("{name}: {}", cert.fingerprint());
    }
    let passphrase = folder.join("passphrase");
    if !passphrase.exists() {
        write(&passphrase, format!("{PASSPHRASE}\n").as_bytes())?;
    }
    Ok(())
}

/// A key with one subkey for signing and one for encryption.
fn specimen(name: &str, profile: Profile) -> Result<Cert, Failure> {
    let display = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    let v6 = profile == Profile::RFC9580;
    // Sequoia promises SEIPDv2 for version 4 too, which GnuPG does not read.
    let features = if v6 { Features::empty().set_seipdv1().set_seipdv2() } else { Features::empty().set_seipdv1() };
    let (cert, _revocation) = CertBuilder::new()
        .set_profile(profile)?
        .set_creation_time(SystemTime::UNIX_EPOCH + Duration::from_secs(MADE))
        .set_features(features)?
        .add_userid(format!("{display} Specimen <{name}@example.test>"))
        .add_signing_subkey()
        .add_transport_encryption_subkey()
        .set_validity_period(None)
        .set_password(Some(PASSPHRASE.into()))
        .generate()?;
    Ok(cert)
}

fn armor(
    kind: Kind,
    write: impl FnOnce(&mut Writer<Vec<u8>>) -> sequoia_openpgp::Result<()>,
) -> Result<Vec<u8>, Failure> {
    let mut writer = Writer::with_headers(Vec::new(), kind, [("Comment", COMMENT)])?;
    write(&mut writer)?;
    Ok(writer.finalize()?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)?;
    Ok(())
}
