//! Keys that are extended, rotated and revoked, as our own policy sees them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    crypt::{
        PublicCertificate, Suite,
        pgp::{Certificate, Pgp, Profile, SignerError},
        random_passphrase,
    },
    mail::{Address, Mailbox},
};

fn day(days: i64) -> Timestamp {
    let start: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    Timestamp::from_second(start.as_second() + days * 86_400).unwrap()
}

fn made(profile: Profile) -> (Key, String, Zeroizing<String>) {
    let address = Address::parse("alice@example.org").unwrap();
    let (key, revocation) = Key::make(&Mailbox::from(address), profile, day(0)).unwrap();
    let passphrase = random_passphrase().unwrap();
    (key.lock(&passphrase, Strength::Generated).unwrap(), revocation, passphrase)
}

fn usable(certificate: &Certificate, at: Timestamp) -> Result<(), Unusable> {
    Pgp::check(certificate, &(), at).map(drop)
}

const PROFILES: [Profile; 3] = [Profile::Rfc4880, Profile::Rfc9580, Profile::Pqc];

#[test]
fn an_expired_key_is_extended_whole_and_stays_locked() {
    for profile in PROFILES {
        let (key, _, passphrase) = made(profile);
        assert!(usable(&key.certificate(), day(731)).is_err());
        let extended = key.extend(Some(&passphrase), day(1500), day(800)).unwrap();
        assert!(extended.to_bytes().is_ok(), "locked still");
        let certificate = extended.certificate();
        assert_eq!(certificate.expires(day(800)), Some(day(1500)));
        assert!(certificate.keys(day(800)).iter().all(|key| key.expires == Some(day(1500))), "{profile:?}");
        assert_eq!(certificate.reads_seipdv2(day(800)), profile != Profile::Rfc4880);
        assert_eq!(certificate.addresses(day(800)).len(), 1);
        usable(&certificate, day(1499)).unwrap();
        extended.unlock_signer(&passphrase, day(1499)).unwrap();
        assert!(extended.unlock_signer(&passphrase, day(1501)).is_err());
        // What others have, joined with what they get, says the same.
        let joined = key.certificate().merge(certificate).unwrap();
        assert_eq!(joined.expires(day(800)), Some(day(1500)));
    }
}

#[test]
fn only_the_right_passphrase_changes_a_key() {
    let (key, _, passphrase) = made(Profile::Rfc4880);
    let wrong = Zeroizing::new("wrong".to_owned());
    let error = key.extend(Some(&wrong), day(900), day(1)).err().unwrap();
    assert!(matches!(error, ChangeError::Unlock(UnlockError::WrongPassphrase(_))), "{error}");
    assert!(matches!(key.rotate(None, false, day(1)), Err(ChangeError::Key(KeyError::Locked(_)))));
    let revoked =
        key.revoke(Revocation::Signed { passphrase: Some(&passphrase), reason: Reason::Retired, text: "" }, day(1));
    let error = revoked.unwrap().extend(Some(&passphrase), day(900), day(2)).err().unwrap();
    assert!(matches!(error, ChangeError::Unusable(Unusable::Revoked { .. })), "{error}");
}

#[test]
fn two_changes_of_one_second_do_not_contend() {
    let (key, _, passphrase) = made(Profile::Rfc4880);
    assert_eq!(key.next_change(day(0)).as_second(), day(0).as_second() + 1);
    assert_eq!(key.next_change(day(3)), day(3));
    let extended = key.extend(Some(&passphrase), day(900), day(3)).unwrap();
    assert_eq!(extended.next_change(day(3)).as_second(), day(3).as_second() + 1);
}

#[test]
fn a_rotated_key_signs_and_is_encrypted_to_with_what_is_new() {
    for profile in PROFILES {
        for revoke_old in [false, true] {
            let (key, _, passphrase) = made(profile);
            let old: Vec<_> = key.certificate().keys(day(0)).into_iter().map(|key| key.fingerprint).collect();
            let rotated = key.rotate(Some(&passphrase), revoke_old, day(100)).unwrap();
            assert!(rotated.to_bytes().is_ok(), "locked still");
            let open = rotated.unlock(&passphrase).unwrap();
            assert!(!open.is_locked(), "one passphrase opens all");
            let keys = rotated.certificate().keys(day(100));
            assert_eq!(keys.len(), 5, "{keys:?}");
            assert!(
                keys.iter().filter(|key| old.contains(&key.fingerprint)).skip(1).all(|key| key.revoked == revoke_old)
            );
            let new: Vec<_> = keys.iter().filter(|key| !old.contains(&key.fingerprint)).collect();
            let mut flags: Vec<_> = new.iter().map(|key| key.flags.clone()).collect();
            flags.sort();
            assert_eq!(flags, [["encrypt"], ["sign"]]);
            assert!(new.iter().all(|key| key.expires == Some(day(830)) && !key.revoked));
            assert_eq!(rotated.certificate().expires(day(100)), Some(day(830)));
            let signer = rotated.unlock_signer(&passphrase, day(101)).unwrap();
            let signs = policy::fingerprint(&signer.pair.public().fingerprint());
            assert!(new.iter().any(|key| key.fingerprint == signs), "{profile:?}");
            let targets = policy::encryption_keys(&rotated.cert, day(101));
            assert_eq!(targets.len(), if revoke_old { 1 } else { 2 });
        }
    }
}

#[test]
fn what_expired_long_ago_is_not_extended_beside_its_successor() {
    let (key, _, passphrase) = made(Profile::Rfc4880);
    let rotated = key.rotate(Some(&passphrase), false, day(700)).unwrap();
    let extended = rotated.extend(Some(&passphrase), day(2000), day(800)).unwrap();
    let ends: Vec<_> = extended.certificate().keys(day(800)).iter().map(|key| key.expires).collect();
    assert_eq!(ends.iter().filter(|end| **end == Some(day(2000))).count(), 3, "{ends:?}");
    assert_eq!(ends.iter().filter(|end| **end == Some(day(730))).count(), 2, "{ends:?}");
}

#[test]
fn a_revoked_key_does_not_sign_whoever_revoked_it() {
    for profile in PROFILES {
        let (key, ready, passphrase) = made(profile);
        let signed = |reason| Revocation::Signed { passphrase: Some(&passphrase), reason, text: "gone" };
        for by in [
            Revocation::Ready(&ready),
            signed(Reason::Unspecified),
            signed(Reason::Compromised),
            signed(Reason::Superseded),
            signed(Reason::Retired),
        ] {
            let revoked = key.revoke(by, day(10)).unwrap();
            let error = revoked.unlock_signer(&passphrase, day(11)).err().unwrap();
            assert!(matches!(error, SignerError::Unusable(Unusable::Revoked { .. })), "{error}");
            assert!(matches!(usable(&revoked.certificate(), day(11)), Err(Unusable::Revoked { .. })));
        }
        let (_, foreign, _) = made(profile);
        for wrong in [foreign.as_str(), "rubbish", &key.certificate().to_armored()] {
            assert!(matches!(key.revoke(Revocation::Ready(wrong), day(10)), Err(ChangeError::NoRevocation(_))));
        }
    }
}
