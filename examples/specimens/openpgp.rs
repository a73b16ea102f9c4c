//! Alice, Bob and Carol in OpenPGP.

use std::{
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

use crate::{Failure, MADE, PASSPHRASE, display, write};

/// In each file's head.
const COMMENT: &str = "Specimen of sealpost. Its secret is public: never use it for mail.";

/// Makes those that are not there.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    for (name, profile) in [("alice", Profile::RFC4880), ("bob", Profile::RFC4880), ("carol", Profile::RFC9580)] {
        let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.asc")));
        if key.exists() || certificate.exists() {
            println!("{name}, OpenPGP: kept");
            continue;
        }
        let cert = specimen(name, profile)?;
        write(&key, &armor(Kind::SecretKey, |out| cert.as_tsk().serialize(out))?)?;
        write(&certificate, &armor(Kind::PublicKey, |out| cert.serialize(out))?)?;
        println!("{name}, OpenPGP: {}", cert.fingerprint());
    }
    Ok(())
}

/// A key with one subkey for signing and one for encryption.
fn specimen(name: &str, profile: Profile) -> Result<Cert, Failure> {
    let v6 = profile == Profile::RFC9580;
    // Sequoia promises SEIPDv2 for version 4 too, which GnuPG does not read.
    let features = if v6 { Features::empty().set_seipdv1().set_seipdv2() } else { Features::empty().set_seipdv1() };
    let (cert, _revocation) = CertBuilder::new()
        .set_profile(profile)?
        .set_creation_time(SystemTime::UNIX_EPOCH + Duration::from_secs(MADE))
        .set_features(features)?
        .add_userid(format!("{} <{name}@example.test>", display(name)))
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
