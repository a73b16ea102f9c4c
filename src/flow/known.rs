//! What of the store is known for an address, and how well: whoever asks that asks here. What is known by gossip alone,
//! which anybody can write of anybody, is not known: it stands in nobody's way, and for nobody, until a person pins it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    crypt::{Fingerprint, PublicCertificate, Trust, pgp, smime},
    keystore::{Keystore, Origin, Provenance, StoreError, find::Source, naming},
    mail::Address,
};

/// What is known for an address.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The certificates of OpenPGP in the store for it, of whatever use they are, each with how well it is known.
    pub openpgp: Vec<(pgp::Certificate, Trust)>,
    /// Those of S/MIME.
    pub smime: Vec<(smime::Certificate, Trust)>,
    /// The only ones that are allowed for it; empty if any usable one is.
    pub pins: Vec<Fingerprint>,
}

impl Known {
    /// Where certificates are pinned for an address, those of them that the store has; else what it has for the address.
    ///
    /// # Errors
    /// The store cannot be read, or where one of them came from cannot.
    pub fn of(store: &Keystore, address: &Address, pins: &[Fingerprint], at: Timestamp) -> Result<Self, StoreError> {
        let pins = pins.to_vec();
        if pins.is_empty() {
            return Ok(Self { openpgp: openpgp_for(store, address, at)?, smime: smime_for(store, address, at)?, pins });
        }
        let (mut openpgp, mut smime) = (Vec::new(), Vec::new());
        for pin in &pins {
            openpgp.extend(store.certificate(pin)?.map(|one| (one, Trust::Pinned)));
            smime.extend(store.x509(pin)?.map(|one| (one, Trust::Pinned)));
        }
        Ok(Self { openpgp, smime, pins })
    }
}

/// What is known for each address that a certificate of the store validly names; pins are another matter. What cannot be
/// read is told by [`Keystore::damaged`].
///
/// # Errors
/// The store cannot be read.
pub fn everybody(store: &Keystore, at: Timestamp) -> Result<BTreeMap<Address, Known>, StoreError> {
    by_address(store, |certificate| certificate.addresses(at), at)
}

fn by_address(
    store: &Keystore,
    names: impl Fn(&pgp::Certificate) -> Vec<Address>,
    at: Timestamp,
) -> Result<BTreeMap<Address, Known>, StoreError> {
    let mut all: BTreeMap<Address, Known> = BTreeMap::new();
    for certificate in store.all_certificates()? {
        let origins = store.readable_origins(&certificate.fingerprint());
        for address in names(&certificate) {
            // Where nobody can tell where it came from, it is known as little as can be.
            if let Some(trust) = origins.as_ref().map_or(Some(Trust::Keyserver), |of| trust_known(of, &address)) {
                all.entry(address).or_default().openpgp.push((certificate.clone(), trust));
            }
        }
    }
    for (certificate, origin) in store.all_x509()? {
        if certificate.is_authority() {
            continue;
        }
        let origins = store.readable_origins(&certificate.fingerprint()).unwrap_or_default();
        for address in certificate.addresses(at) {
            let trust = trust_known_x509(origin, &origins, &address);
            all.entry(address).or_default().smime.push((certificate.clone(), trust));
        }
    }
    Ok(all)
}

/// The OpenPGP certificates of the store that are known for an address, of whatever use they are, and how well.
///
/// # Errors
/// The store cannot be read, or where one of them came from cannot.
pub fn openpgp_for(
    store: &Keystore,
    address: &Address,
    at: Timestamp,
) -> Result<Vec<(pgp::Certificate, Trust)>, StoreError> {
    let mut known = Vec::new();
    for one in store.certificates_for(address, at)? {
        let trust = trust_known(&store.origins(&one.fingerprint())?, address);
        known.extend(trust.map(|trust| (one, trust)));
    }
    Ok(known)
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

/// All addresses that are known at least so well: those that certificates name, validly at a time or not. What cannot be
/// read is told by [`Keystore::damaged`].
///
/// # Errors
/// The store cannot be read.
pub fn addresses(store: &Keystore, lowest: Trust, at: Timestamp) -> Result<Vec<Address>, StoreError> {
    let names = |certificate: &pgp::Certificate| match certificate.addresses(at) {
        // One of which nothing counts is to be told of, and not to be passed over.
        none if none.is_empty() => naming(certificate),
        valid => valid,
    };
    let counts = |known: &Known| {
        let mut trust = known.openpgp.iter().map(|(_, trust)| trust).chain(known.smime.iter().map(|(_, trust)| trust));
        trust.any(|trust| *trust >= lowest)
    };
    let all = by_address(store, names, at)?.into_iter();
    Ok(all.filter(|(_, known)| counts(known)).map(|(address, _)| address).collect())
}

/// How well a certificate is known that a source has for an address; by gossip it is not.
pub fn trust_of(source: Source) -> Option<Trust> {
    match source {
        Source::Wkd | Source::Dane => Some(Trust::Found),
        Source::Vks | Source::Hkps => Some(Trust::Keyserver),
        // A chain is what vouches for what a directory has.
        Source::Ldap | Source::Autocrypt => Some(Trust::Candidate),
        Source::Gossip => None,
    }
}

/// How well an OpenPGP certificate of the store is known for an address: the best of how it came for that address. What
/// another program put there says nothing of itself, so nobody looked at it, and what came for other addresses alone is
/// known for this one as little as can be.
pub fn trust_known(origins: &[Provenance], address: &Address) -> Option<Trust> {
    if origins.is_empty() {
        return Some(Trust::Candidate);
    }
    let trust = |one: &Provenance| one.source.map_or(Some(Trust::Imported), trust_of);
    let of_address = origins.iter().filter(|one| one.address == *address).map(trust).max();
    of_address.unwrap_or_else(|| origins.iter().find_map(trust).map(|_| Trust::Keyserver))
}

/// How well an S/MIME certificate of the store is known for an address: by its folder, or better where it was found.
pub fn trust_known_x509(origin: Origin, origins: &[Provenance], address: &Address) -> Trust {
    let stored = match origin {
        Origin::Imported => Trust::Imported,
        Origin::Candidate => Trust::Candidate,
    };
    let of_address = origins.iter().filter(|one| one.address == *address);
    of_address.filter_map(|one| one.source.and_then(trust_of)).fold(stored, Trust::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        crypt::pgp::{Key, Profile},
        mail::Mailbox,
    };

    fn at() -> Timestamp {
        "2026-11-01T12:00:00Z".parse().unwrap()
    }

    fn came(address: &str, source: Option<Source>) -> Provenance {
        Provenance { address: Address::parse(address).unwrap(), source, since: at() }
    }

    #[test]
    fn what_is_known_by_gossip_alone_is_not_known() {
        let (kim, lee) = ("kim@example.org", "lee@example.org");
        let (gossip, keyserver) = (Some(Source::Gossip), Some(Source::Vks));
        for (origins, known) in [
            (vec![], Some(Trust::Candidate)),
            (vec![came(kim, None)], Some(Trust::Imported)),
            (vec![came(lee, None)], Some(Trust::Keyserver)),
            (vec![came(kim, gossip)], None),
            (vec![came(lee, gossip)], None),
            (vec![came(kim, gossip), came(lee, keyserver)], None),
            (vec![came(kim, gossip), came(lee, None)], None),
            (vec![came(lee, gossip), came(lee, Some(Source::Wkd))], Some(Trust::Keyserver)),
            (vec![came(kim, gossip), came(kim, None)], Some(Trust::Imported)),
            (vec![came(kim, keyserver), came(kim, gossip)], Some(Trust::Keyserver)),
        ] {
            assert_eq!(trust_known(&origins, &Address::parse("kim@example.org").unwrap()), known, "{origins:?}");
        }
    }

    #[test]
    fn lists_pass_over_gossip_and_not_over_what_nobody_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let store = Keystore::open(&path("certificates"), &path("keys"), &path("x509"), &path("state"));
        let made = |text: &str| {
            let mailbox = Mailbox::parse(text).unwrap();
            (Key::make(&mailbox, Profile::Rfc4880, at()).unwrap().0.certificate(), mailbox.address)
        };
        let [kim, lee, max] = ["kim@example.org", "lee@example.org", "max@example.org"].map(made);
        store.insert_found(&kim.0, &kim.1, Source::Gossip, at()).unwrap();
        store.insert_found(&lee.0, &lee.1, Source::Wkd, at()).unwrap();
        store.insert_found(&max.0, &max.1, Source::Gossip, at()).unwrap();
        std::fs::write(path("origins").join(format!("{}.json", max.0.fingerprint())), "rubbish").unwrap();
        assert!(openpgp_for(&store, &kim.1, at()).unwrap().is_empty());
        assert_eq!(openpgp_for(&store, &lee.1, at()).unwrap().len(), 1);
        assert!(openpgp_for(&store, &max.1, at()).is_err());
        let whom = [lee.1, max.1];
        assert_eq!(addresses(&store, Trust::Keyserver, at()).unwrap(), whom);
        assert_eq!(addresses(&store, Trust::Imported, at()).unwrap(), whom[..1]);
        assert_eq!(everybody(&store, at()).unwrap().into_keys().collect::<Vec<_>>(), whom);
        assert_eq!(store.damaged().len(), 3, "each list tells of it");
        // A pin by its full fingerprint is a person's word.
        let known = Known::of(&store, &kim.1, &[kim.0.fingerprint()], at()).unwrap();
        assert_eq!(known.openpgp.iter().map(|(_, trust)| *trust).collect::<Vec<_>>(), [Trust::Pinned]);
    }
}
