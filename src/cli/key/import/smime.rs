//! Keys for S/MIME: PKCS#12, PKCS#8 and PEM, opened and locked anew; and the certificate that a key waits for.

use std::path::Path;

use jiff::Timestamp;

use super::{Given, tell, unchanged};
use crate::{
    cli::{
        composition::Place,
        exit::Kind,
        failure::Failure,
        grammar::Lock,
        key::KeyJson,
        secrets::{self, Locking},
        voice::Voice,
    },
    crypt::smime::{Certificate, CertificateError, Key},
    keystore::{Joined, Origin, Outcome},
};

pub fn run(bytes: &[u8], file: &Path, lock: &Lock, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let keys = match Key::parse_all(bytes) {
        Ok(keys) => keys,
        Err(CertificateError::NoSecret) => return answer(bytes, file, place, at, voice),
        Err(error) => return Err(error.into()),
    };
    // An authority's answer, above, is no secret.
    secrets::unexposed(file, "key")?;
    let given = Given::read(lock)?;

    // All that can be refused is refused before a new passphrase is put anywhere.
    let stored: Vec<Certificate> = place.keystore.all_x509()?.into_iter().map(|(one, _)| one).collect();
    let mut unlocked = Vec::new();
    for key in keys {
        match &given.passphrase {
            _ if !key.is_locked() => unlocked.push(key),
            Some(passphrase) => unlocked.extend(key.unlock_all(passphrase)?),
            None => {
                let text = format!("{} is locked: give its passphrase with --passphrase", name(&key));
                let file = file.display().to_string();
                let hint = ["sealpost", "key", "import", &file, "--passphrase", "file:passphrase"];
                return Err(Failure::new(Kind::Permission, text).hint(hint));
            }
        }
    }
    let (mut opened, mut imported) = (Vec::new(), Vec::new());
    for mut open in unlocked {
        if open.certificate().is_none() {
            open.adopt(&stored);
        }
        let Some(fingerprint) = open.fingerprint() else {
            let text = "no certificate, in the file or in the store, fits the key: put the certificate beside it";
            return Err(Failure::new(Kind::Malformed, text).hint(["sealpost", "cert", "list"]));
        };
        match place.keystore.smime_key(&fingerprint)? {
            Some(stored) => imported.extend(KeyJson::smime(&stored, at).map(|shown| (false, shown))),
            None => opened.push(open),
        }
    }
    let mut imported = unchanged(imported, opened.is_empty())?;
    let Some(locking) = given.locking(lock)? else {
        let text = "the key is not locked: give --passphrase or --new-passphrase to lock it";
        return Err(Failure::new(Kind::Usage, text));
    };

    for open in opened {
        imported.extend(store(&open, &locking, place, at)?);
    }
    tell(&imported, voice)
}

/// Locks and stores an unlocked key, with its certificates, and gives what was stored.
pub fn store(open: &Key, locking: &Locking, place: &Place, at: Timestamp) -> Result<Option<KeyJson>, Failure> {
    let key = open.lock(&locking.passphrase, locking.strength)?;
    place.keystore.store_smime_key(&key)?;
    keep_certificates(&key, place)?;
    Ok(KeyJson::smime(&key, at).map(|shown| shown.done("imported")))
}

/// What an authority answered to a request.
fn answer(bytes: &[u8], file: &Path, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let mut certificates = Certificate::parse_all(bytes)?;
    certificates.extend(place.keystore.authorities()?);
    let joined = place.keystore.join(&certificates, &certificates)?;
    place.warn(voice);
    if joined.is_empty() {
        let text = format!("{}, and no key here waits for them or has the same public key", CertificateError::NoSecret);
        let file = file.display().to_string();
        return Err(Failure::new(Kind::Malformed, text).hint(["sealpost", "cert", "import", &file]));
    }
    let mut imported = Vec::new();
    for key in joined {
        if let Some((own, chain)) = key.certificates() {
            keep(own, chain, place)?;
        }
        let shown = match &key {
            Joined::Here(key) => KeyJson::smime(key, at),
            Joined::InAgent(key) => Some(KeyJson::smime_agent(key, at)),
        };
        imported.extend(shown.map(|shown| shown.done("joined")));
    }
    tell(&imported, voice)
}

/// One's own certificate, to encrypt to, and those of the authorities that came with it.
pub fn keep_certificates(key: &Key, place: &Place) -> Result<(), Failure> {
    key.certificate().map_or(Ok(()), |own| keep(own, key.chain(), place))
}

/// The same of a certificate with others beside it.
pub fn keep(own: &Certificate, beside: &[Certificate], place: &Place) -> Result<(), Failure> {
    let authorities = beside.iter().filter(|one| one.is_authority());
    for certificate in std::iter::once(own).chain(authorities) {
        let _: Outcome = place.keystore.insert_x509(certificate, Origin::Imported)?;
    }
    Ok(())
}

fn name(key: &Key) -> String {
    key.fingerprint().map_or("the key file".to_owned(), |fingerprint| format!("key {fingerprint}"))
}
