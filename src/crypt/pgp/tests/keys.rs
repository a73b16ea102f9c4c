//! Making, locking, reading and judging keys.

use sequoia_openpgp as openpgp;

use openpgp::{
    Cert, Packet,
    cert::prelude::*,
    serialize::SerializeInto,
    types::{Features, HashAlgorithm, KeyFlags, ReasonForRevocation},
};

use super::*;
use crate::crypt::{Strength, pgp::policy, random_passphrase};

fn time(at: Timestamp) -> std::time::SystemTime {
    policy::system_time(at)
}

fn check(cert: &Cert, at: Timestamp) -> Result<(), Unusable> {
    Pgp::check(&Certificate::of(cert.clone()), &(), at).map(|_| ())
}

fn builder() -> CertBuilder<'static> {
    CertBuilder::general_purpose(Some("alice@example.org")).set_creation_time(time(now()))
}

#[test]
fn made_keys_have_honest_features_and_two_years() {
    for (profile, version, modern) in
        [(Profile::Rfc4880, 4, false), (Profile::Rfc9580, 6, true), (Profile::Pqc, 6, true)]
    {
        let certificate = make("alice", profile).certificate();
        assert_eq!(certificate.version(), version);
        assert_eq!(certificate.reads_seipdv2(now()), modern);
        assert_eq!(certificate.addresses(now()), [address("alice")]);
        assert_eq!(certificate.user_ids(), ["alice@example.org"]);
        assert_eq!(certificate.expires(now()), Some(later(730)));
        assert_eq!(certificate.created(), now());
        assert!(!certificate.weak_key());
        let mut flags: Vec<_> = certificate.keys(now()).into_iter().map(|key| key.flags).collect();
        flags.sort();
        assert_eq!(flags, [["certify"], ["encrypt"], ["sign"]]);
    }
    assert_eq!(make("alice", Profile::Pqc).certificate().algorithms(), "ML-DSA-65+Ed25519, ML-KEM-768+X25519");
}

#[test]
fn a_revocation_certificate_comes_with_the_key_and_revokes_it() {
    let (key, revocation) = Key::make(&Mailbox::from(address("alice")), Profile::Rfc4880, now()).unwrap();
    let revoked = Certificate::parse_all(revocation.as_bytes()).unwrap().remove(0);
    let merged = key.certificate().merge(revoked).unwrap();
    assert!(merged.revoked(now()).is_some());
    assert!(matches!(Pgp::check(&merged, &(), now()), Err(Unusable::Revoked { .. })));
    assert!(key.merge(merged).unwrap().signer(now()).is_err());
}

#[test]
fn locked_keys_come_back_with_the_passphrase_only() {
    for profile in [Profile::Rfc4880, Profile::Rfc9580, Profile::Pqc] {
        let key = make("alice", profile);
        assert!(matches!(key.to_bytes(), Err(KeyError::NotLocked(_))));
        assert!(!key.is_locked());
        for strength in [Strength::Human, Strength::Generated] {
            let passphrase = random_passphrase().unwrap();
            let locked = key.lock(&passphrase, strength).unwrap();
            assert!(locked.is_locked());
            assert!(matches!(locked.signer(now()), Err(Unusable::CannotSign { .. })));
            let armored = locked.to_armored().unwrap();
            let read = Key::parse_all(armored.as_bytes()).unwrap().remove(0);
            assert_eq!(read.unlock(&secret("wrong")).err(), Some(UnlockError::WrongPassphrase(key.fingerprint())));
            assert!(matches!(read.unlock_signer(&secret("wrong"), now()), Err(SignerError::Unlock(_))));
            assert_eq!(read.unlock_signer(&passphrase, now()).unwrap().certificate().fingerprint(), key.fingerprint());
            let open = read.unlock(&passphrase).unwrap();
            assert!(!open.is_locked() && open.signer(now()).is_ok());
            assert_eq!(open.cert.as_tsk().to_vec().unwrap(), key.cert.as_tsk().to_vec().unwrap());
            assert_eq!(Key::parse_all(&locked.to_bytes().unwrap()).unwrap().len(), 1);
        }
    }
    assert_ne!(*random_passphrase().unwrap(), *random_passphrase().unwrap());
    assert_eq!(random_passphrase().unwrap().len(), 43);
}

#[test]
fn a_costly_argon2_is_refused_before_it_is_computed() {
    use openpgp::{
        crypto::S2K,
        packet::key::{Encrypted, SecretKeyMaterial},
        types::SymmetricAlgorithm,
    };
    let key = make("alice", Profile::Rfc4880);
    let s2k = S2K::Argon2 { salt: [0; 16], t: 1, p: 4, m: 31 };
    let secret_half = Encrypted::new(s2k, SymmetricAlgorithm::AES256, None, vec![0; 64].into_boxed_slice());
    let (public, _) = key.cert.primary_key().key().clone().parts_into_secret().unwrap().take_secret();
    let (dear, _) = public.add_secret(SecretKeyMaterial::Encrypted(secret_half));
    let dear = Key { cert: key.cert.clone().insert_packets(Packet::from(dear)).unwrap().0 };
    assert!(matches!(dear.unlock(&secret("x")), Err(UnlockError::TooCostly { .. })));
}

#[test]
fn certificates_are_read_in_every_form_and_lose_their_secrets() {
    let (alice, bob) = (make("alice", Profile::Rfc4880), make("bob", Profile::Rfc9580));
    let (a, b) = (alice.certificate(), bob.certificate());
    let count = |bytes: &[u8]| Certificate::parse_all(bytes).map(|all| all.len());
    assert_eq!(count(&[a.to_bytes(), b.to_bytes()].concat()), Ok(2));
    assert_eq!(count(format!("hello\n{}\nand\n{}bye\n", a.to_armored(), b.to_armored()).as_bytes()), Ok(2));
    let both = armor::write(armor::Kind::PublicKey, &[a.to_bytes(), b.to_bytes()].concat(), false);
    assert_eq!(count(both.as_bytes()), Ok(2));
    assert_eq!(count(both.replace('\n', "\r\n").as_bytes()), Ok(2));
    let secret_half = alice.lock(&secret("x"), Strength::Generated).unwrap().to_armored().unwrap();
    let read = Certificate::parse_all(secret_half.as_bytes()).unwrap().remove(0);
    assert!(!read.cert.is_tsk());
    assert_eq!(read.to_bytes(), a.to_bytes());
    assert!(!a.to_armored().contains(": "));
    assert!(matches!(Key::parse_all(&a.to_bytes()), Err(CertificateError::NoSecret(_))));
    assert!(matches!(a.clone().merge(b), Err(CertificateError::NotTheSame(..))));
    let sealed = armor_of(&wire(&seal_bytes(b"x", None, &[("alice", &alice)])));
    let other = |bytes: &[u8]| match Certificate::parse_all(bytes) {
        Err(error) => error.to_string(),
        Ok(_) => String::new(),
    };
    assert!(other(&sealed).ends_with("an OpenPGP message"));
    assert!(other(b"-----BEGIN CERTIFICATE-----\nMII=\n").ends_with("an X.509 certificate"));
    assert!(other(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n").ends_with("a private key in PEM"));
    assert!(other(b"\x30\x82\x09\x00").ends_with("X.509 or PKCS#12"));
    assert!(other(b"hello").ends_with("text or data of another kind"));
    assert_eq!(count(b" \n"), Err(CertificateError::Empty));
    assert_eq!(count(&a.to_bytes()[..20]), Err(CertificateError::Broken));
}

#[test]
fn unusable_certificates_say_why_and_when() {
    let (cert, _) = builder().set_validity_period(std::time::Duration::from_secs(86_400)).generate().unwrap();
    assert!(check(&cert, now()).is_ok());
    assert!(matches!(check(&cert, later(2)), Err(Unusable::Expired { at, .. }) if at == later(1)));
    assert!(matches!(check(&cert, later(-1)), Err(Unusable::NotYetValid { at, .. }) if at == now()));

    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let revocation = cert.revoke(&mut signer, ReasonForRevocation::KeyCompromised, b"").unwrap();
    let (revoked, _) = cert.clone().insert_packets(revocation).unwrap();
    assert!(matches!(check(&revoked, now()), Err(Unusable::Revoked { .. })));

    let (no_encryption, _) = CertBuilder::new()
        .set_creation_time(time(now()))
        .add_userid("alice@example.org")
        .add_signing_subkey()
        .generate()
        .unwrap();
    assert!(matches!(check(&no_encryption, now()), Err(Unusable::CannotEncrypt { .. })));

    let flags = KeyFlags::empty().set_transport_encryption();
    let day = std::time::Duration::from_secs(86_400);
    let (short, _) = CertBuilder::new()
        .set_creation_time(time(now()))
        .add_userid("alice@example.org")
        .add_subkey(flags, day, None)
        .generate()
        .unwrap();
    assert_eq!(Certificate::of(short.clone()).expires(now()), Some(later(1)));
    assert!(matches!(check(&short, later(2)), Err(Unusable::Expired { at, .. }) if at == later(1)));

    let (storage, _) = CertBuilder::new()
        .set_creation_time(time(now()))
        .add_userid("alice@example.org")
        .add_storage_encryption_subkey()
        .generate()
        .unwrap();
    assert!(check(&storage, now()).is_ok());
}

/// A certificate whose self-signatures use SHA-1.
pub(super) fn sha1_bound() -> Cert {
    let (cert, _) = builder().generate().unwrap();
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let mut packets: Vec<Packet> = Vec::new();
    for packet in cert.clone().into_tsk().into_packets() {
        let Packet::Signature(signature) = packet else {
            packets.push(packet);
            continue;
        };
        let template = openpgp::packet::signature::SignatureBuilder::from(signature.clone())
            .set_hash_algo(HashAlgorithm::SHA1)
            .set_signature_creation_time(time(now()))
            .unwrap();
        let primary = cert.primary_key().key();
        let renewed = match packets.last().unwrap() {
            Packet::UserID(user_id) => template.sign_userid_binding(&mut signer, primary, user_id),
            Packet::SecretSubkey(subkey) => template.sign_subkey_binding(&mut signer, primary, subkey),
            _ => template.sign_direct_key(&mut signer, primary),
        };
        packets.push(renewed.unwrap().into());
    }
    Cert::from_packets(packets.into_iter()).unwrap()
}

#[test]
fn weak_certificates_are_refused_with_the_algorithm_named() {
    let what = |cert: &Cert| match check(cert, now()) {
        Err(Unusable::Weak { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what(&sha1_bound()), "SHA1 binding");
}

#[test]
fn rsa_under_3072_bits_is_named_but_taken() {
    let (cert, _) = builder().set_cipher_suite(CipherSuite::RSA2k).generate().unwrap();
    assert!(check(&cert, now()).is_ok());
    assert!(Certificate::of(cert.clone()).weak_key());
    assert_eq!(Certificate::of(cert).algorithms(), "RSA 2048");
}

#[test]
fn addresses_come_from_valid_user_ids_only() {
    let (cert, _) = CertBuilder::new()
        .set_creation_time(time(now()))
        .add_userid("Alice <alice@example.org>")
        .add_userid("just a name")
        .add_userid("bob@example.org")
        .add_transport_encryption_subkey()
        .generate()
        .unwrap();
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let bob = cert.userids().find(|u| u.userid().value() == b"bob@example.org").unwrap();
    let revocation = UserIDRevocationBuilder::new()
        .set_signature_creation_time(time(now()))
        .unwrap()
        .build(&mut signer, &cert, bob.userid(), None)
        .unwrap();
    let packets = [Packet::from(bob.userid().clone()), revocation.into()];
    let (cert, _) = cert.clone().insert_packets(packets).unwrap();
    // A user ID that somebody else attached, without a self-signature.
    let (cert, _) = cert.insert_packets(Packet::from(openpgp::packet::UserID::from("eve@example.org"))).unwrap();
    assert_eq!(Certificate::of(cert).addresses(now()), [address("alice")]);
}

#[test]
fn the_flag_for_packet_20_is_told_and_cleared() {
    let features = Features::empty().set_seipdv1().set(1);
    let (cert, _) = builder().set_features(features).unwrap().generate().unwrap();
    let key = Key { cert };
    assert!(key.advertises_gnupg_ocb());
    let locked = key.lock(&secret("x"), Strength::Generated).unwrap();
    assert!(matches!(locked.clear_gnupg_ocb(later(1)), Err(KeyError::Locked(_))));
    let cleared = key.clear_gnupg_ocb(later(1)).unwrap();
    assert!(!cleared.advertises_gnupg_ocb());
    assert!(cleared.signer(later(1)).is_ok());
    assert!(Pgp::check(&cleared.certificate(), &(), later(1)).is_ok());
    assert_eq!(cleared.certificate().addresses(later(1)), [address("alice")]);
    assert!(!make("alice", Profile::Rfc4880).advertises_gnupg_ocb());
}

#[test]
fn names_with_an_address_in_them_do_not_hide_the_true_one() {
    let user_ids = |name: &str| {
        let user = Mailbox { name: Some(name.to_owned()), address: address("alice") };
        Key::make(&user, Profile::Rfc4880, now()).unwrap().0.certificate().user_ids()
    };
    assert_eq!(user_ids("Alice"), ["Alice <alice@example.org>"]);
    assert_eq!(user_ids("Eve <eve@example.org>"), ["alice@example.org"]);
}
