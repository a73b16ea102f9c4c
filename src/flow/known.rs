//! What of the store is known for an address, and how well: whoever asks that asks here.

use jiff::Timestamp;

use crate::{
    crypt::{PublicCertificate, Trust, pgp, smime},
    keystore::{Keystore, Origin, Provenance, StoreError, find::Source},
    mail::Address,
};

/// The OpenPGP certificates of the store that are known for an address, of whatever use they are, and how well.
///
/// # Errors
/// The store cannot be read, or where one of them came from cannot.
pub fn openpgp_for(
    store: &Keystore,
    address: &Address,
    at: Timestamp,
) -> Result<Vec<(pgp::Certificate, Trust)>, StoreError> {
    let known = |one: pgp::Certificate| {
        let origins = store.origins(&one.fingerprint())?;
        Ok((one, trust_known(&origins, address)))
    };
    store.certificates_for(address, at)?.into_iter().map(known).collect()
}

/// Those of S/MIME.
///
/// # Errors
/// As [`openpgp_for`].
pub fn smime_for(
    store: &Keystore,
    address: &Address,
    at: Timestamp,
) -> Result<Vec<(smime::Certificate, Trust)>, StoreError> {
    let known = |(one, origin): (smime::Certificate, Origin)| {
        let origins = store.origins(&one.fingerprint())?;
        Ok((one, trust_known_x509(origin, &origins, address)))
    };
    store.x509_for(address, at)?.into_iter().map(known).collect()
}

/// How well a certificate is known that a source has for an address.
pub fn trust_of(source: Source) -> Trust {
    match source {
        Source::Wkd | Source::Dane => Trust::Found,
        Source::Vks | Source::Hkps => Trust::Keyserver,
        // A chain is what vouches for what a directory has.
        Source::Ldap | Source::Autocrypt => Trust::Candidate,
    }
}

/// How well an OpenPGP certificate of the store is known for an address: the best of how it came for that address; an
/// import stands for the others too. What was never found was imported, and what was found for other addresses alone is
/// known for this one as little as can be.
pub fn trust_known(origins: &[Provenance], address: &Address) -> Trust {
    let best = |of: Option<&Address>| {
        let origins = origins.iter().filter(|one| one.address.as_ref() == of);
        origins.map(|one| one.source.map_or(Trust::Imported, trust_of)).max()
    };
    let otherwise = if origins.is_empty() { Trust::Imported } else { Trust::Keyserver };
    best(Some(address)).or_else(|| best(None)).unwrap_or(otherwise)
}

/// How well an S/MIME certificate of the store is known for an address: by its folder, or better where it was found.
pub fn trust_known_x509(origin: Origin, origins: &[Provenance], address: &Address) -> Trust {
    let stored = match origin {
        Origin::Imported => Trust::Imported,
        Origin::Candidate => Trust::Candidate,
    };
    let of_address = origins.iter().filter(|one| one.address.as_ref() == Some(address));
    of_address.filter_map(|one| one.source.map(trust_of)).fold(stored, Trust::max)
}
