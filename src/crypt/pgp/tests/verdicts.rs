//! What signatures are worth.

use sequoia_openpgp as openpgp;

use openpgp::{
    Cert, Packet,
    cert::prelude::*,
    packet::signature::SignatureBuilder,
    serialize::{SerializeInto, stream},
    types::{HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType},
};

use super::*;
use crate::crypt::{
    BadReason::*,
    UnknownReason,
    Verdict::{self, *},
    pgp::policy,
};

const TEXT: &[u8] = b"hello\r\n";

fn reader(certificates: &[Certificate], at: Timestamp) -> Reader<'_> {
    Reader { keys: &[], lent: &[], certificates, at, limit: 1 << 20 }
}

fn primary(cert: &Cert) -> openpgp::crypto::KeyPair {
    cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap()
}

/// A detached signature by the first key that can sign, with any hash, at any time.
fn sign_with(
    cert: &Cert,
    hash: HashAlgorithm,
    at: Timestamp,
    change: impl Fn(SignatureBuilder) -> SignatureBuilder,
) -> Vec<u8> {
    let lenient = policy::lenient(now());
    let key = cert.keys().with_policy(&lenient, policy::system_time(now())).for_signing().secret().next();
    let key = key.map_or_else(
        || cert.primary_key().key().clone().role_into_unspecified().parts_into_secret().unwrap(),
        |k| k.key().clone(),
    );
    let mut pair = key.into_keypair().unwrap();
    let template = SignatureBuilder::new(SignatureType::Binary)
        .set_hash_algo(hash)
        .set_signature_creation_time(policy::system_time(at))
        .unwrap();
    let signature = change(template).sign_message(&mut pair, TEXT).unwrap();
    Packet::from(signature).to_vec().unwrap()
}

fn sign(cert: &Cert) -> Vec<u8> {
    sign_with(cert, HashAlgorithm::SHA512, now(), |template| template)
}

fn verdict_at(signature: &[u8], cert: &Cert, at: Timestamp) -> Verdict {
    let facts = reader(&[Certificate::of(cert.clone())], at).verify_detached(signature, TEXT).unwrap();
    assert_eq!(facts.len(), 1);
    facts[0].verdict
}

fn verdict(signature: &[u8], cert: &Cert) -> Verdict {
    verdict_at(signature, cert, now())
}

fn builder() -> CertBuilder<'static> {
    CertBuilder::new()
        .set_creation_time(policy::system_time(now()))
        .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
        .add_userid("alice@example.org")
}

fn cert() -> Cert {
    builder().generate().unwrap().0
}

#[test]
fn good_unknown_and_invalid() {
    let (alice, eve) = (cert(), cert());
    let signature = sign(&alice);
    assert_eq!(verdict(&signature, &alice), Good);
    let facts = reader(&[Certificate::of(eve)], now()).verify_detached(&signature, TEXT).unwrap();
    assert_eq!(facts[0].verdict, Unknown(UnknownReason::NoCertificate));
    assert_eq!(facts[0].issuer, alice.fingerprint().to_hex());
    assert_eq!(facts[0].certificate, None);
    let certificates = [Certificate::of(alice)];
    let other = reader(&certificates, now()).verify_detached(&signature, b"hello\n").unwrap();
    assert_eq!(other[0].verdict, Bad(Invalid));
    for none in [&b""[..], b"hello", &TEXT[..2]] {
        assert!(matches!(reader(&certificates, now()).verify_detached(none, TEXT), Err(OpenError::Malformed(_))));
    }
}

#[test]
fn weak_hashes_and_keys() {
    let alice = cert();
    for hash in [HashAlgorithm::SHA1, HashAlgorithm::MD5] {
        assert_eq!(verdict(&sign_with(&alice, hash, now(), |t| t), &alice), Bad(Weak));
    }
    let sha1 = keys::sha1_bound();
    assert_eq!(verdict(&sign(&sha1), &sha1), Bad(Weak));
    for weak in [old_key(Old::Rsa1024), old_key(Old::Dsa)] {
        assert_eq!(verdict(&sign(&weak), &weak), Bad(Weak));
        assert!(matches!(Pgp::check(&Certificate::of(weak), &(), now()), Err(Unusable::Weak { .. })));
    }
}

enum Old {
    Rsa1024,
    Dsa,
}

/// A certificate whose primary key no builder makes any more.
fn old_key(old: Old) -> Cert {
    use openpgp::{
        crypto::mpi,
        packet::{
            Key, UserID,
            key::{Key4, PrimaryRole, SecretParts},
        },
        types::PublicKeyAlgorithm,
    };
    let created = policy::system_time(now());
    let key: Key<SecretParts, PrimaryRole> = match old {
        Old::Rsa1024 => Key4::generate_rsa(1024).map(|mut key| {
            key.set_creation_time(created).unwrap();
            Key::from(key)
        }),
        Old::Dsa => {
            let dsa = openssl::dsa::Dsa::generate(1024).unwrap();
            let mpi = |n: &openssl::bn::BigNumRef| mpi::MPI::new(&n.to_vec());
            let public =
                mpi::PublicKey::DSA { p: mpi(dsa.p()), q: mpi(dsa.q()), g: mpi(dsa.g()), y: mpi(dsa.pub_key()) };
            let secret = mpi::SecretKeyMaterial::DSA { x: dsa.priv_key().to_vec().into() };
            #[allow(deprecated)]
            Key4::with_secret(created, PublicKeyAlgorithm::DSA, public, secret.into()).map(Key::from)
        }
    }
    .unwrap();
    let mut pair = key.clone().into_keypair().unwrap();
    let user_id = UserID::from("alice@example.org");
    let binding = SignatureBuilder::new(SignatureType::PositiveCertification)
        .set_hash_algo(HashAlgorithm::SHA256)
        .set_signature_creation_time(created)
        .unwrap()
        .set_key_flags(KeyFlags::empty().set_certification().set_signing().set_transport_encryption())
        .unwrap()
        .sign_userid_binding(&mut pair, key.parts_as_public(), &user_id)
        .unwrap();
    Cert::from_packets([Packet::SecretKey(key), user_id.into(), binding.into()].into_iter()).unwrap()
}

#[test]
fn times_of_the_signature_and_the_certificate() {
    let day = std::time::Duration::from_secs(86_400);
    let alice = builder().set_validity_period(day * 10).generate().unwrap().0;
    let signature = sign(&alice);
    assert_eq!(verdict_at(&signature, &alice, later(9)), Good);
    assert_eq!(verdict_at(&signature, &alice, later(11)), Bad(Expired));
    assert_eq!(verdict_at(&signature, &alice, later(-1)), Bad(NotYetValid));
    let at = |days| sign_with(&alice, HashAlgorithm::SHA512, later(days), |t| t);
    assert_eq!(verdict_at(&at(1), &alice, now()), Bad(NotYetValid));
    let ahead = |seconds| {
        let created = now() + jiff::SignedDuration::from_secs(seconds);
        verdict_at(&sign_with(&alice, HashAlgorithm::SHA512, created, |t| t), &alice, now())
    };
    assert_eq!((ahead(300), ahead(301)), (Good, Bad(NotYetValid)));
    assert_eq!(verdict_at(&at(1), &alice, later(1)), Good);
    assert_eq!(verdict_at(&at(-1), &alice, now()), Bad(NotYetValid));
    let brief = sign_with(&alice, HashAlgorithm::SHA512, now(), |t| t.set_signature_validity_period(day).unwrap());
    assert_eq!(verdict_at(&brief, &alice, now()), Good);
    assert_eq!(verdict_at(&brief, &alice, later(2)), Bad(Expired));
}

#[test]
fn revoked_certificates_and_subkeys() {
    let revoke = |cert: &Cert, reason, at| {
        let revocation = CertRevocationBuilder::new()
            .set_signature_creation_time(policy::system_time(at))
            .unwrap()
            .set_reason_for_revocation(reason, b"")
            .unwrap()
            .build(&mut primary(cert), cert, None)
            .unwrap();
        cert.clone().insert_packets(revocation).unwrap().0
    };
    let alice = cert();
    let signature = sign(&alice);
    let compromised = revoke(&alice, ReasonForRevocation::KeyCompromised, later(5));
    assert_eq!(verdict_at(&signature, &compromised, later(6)), Bad(Revoked));
    let retired = revoke(&alice, ReasonForRevocation::KeyRetired, later(5));
    assert_eq!(verdict_at(&signature, &retired, later(4)), Good);
    assert_eq!(verdict_at(&signature, &retired, later(6)), Bad(Revoked));
}

#[test]
fn keys_that_may_not_sign_and_subkeys_without_a_back_signature() {
    let encrypts = builder().set_primary_key_flags(KeyFlags::empty().set_certification()).generate().unwrap().0;
    assert_eq!(verdict(&sign(&encrypts), &encrypts), Bad(Invalid));

    // Eve takes the signing subkey of alice for her own.
    let alice = builder()
        .set_primary_key_flags(KeyFlags::empty().set_certification())
        .add_signing_subkey()
        .generate()
        .unwrap()
        .0;
    let signature = sign(&alice);
    assert_eq!(verdict(&signature, &alice), Good);
    let eve = cert();
    let subkey = alice.keys().subkeys().next().unwrap().key().clone();
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_signature_creation_time(policy::system_time(now()))
        .unwrap()
        .set_key_flags(KeyFlags::empty().set_signing())
        .unwrap()
        .sign_subkey_binding(&mut primary(&eve), eve.primary_key().key(), &subkey)
        .unwrap();
    let eve = eve.insert_packets([Packet::from(subkey), binding.into()]).unwrap().0;
    assert_eq!(verdict(&signature, &eve), Bad(Invalid));
}

#[test]
fn only_document_signatures_speak_for_a_message() {
    let alice = cert();
    let mut signature = sign(&alice);
    // Behind the packet's tag and length, and the version.
    assert_eq!(signature[3], u8::from(SignatureType::Binary));
    for kind in [0x02, 0x10, 0x18, 0x20, 0x40, 0x50, 0x55] {
        signature[3] = kind;
        assert_eq!(verdict(&signature, &alice), Bad(Malformed), "{kind:#x}");
    }
}

#[test]
fn a_signature_for_other_readers_is_invalid() {
    let (alice, bob, carol) =
        (make("alice", Profile::Rfc4880), make("bob", Profile::Rfc4880), make("carol", Profile::Rfc4880));
    // Bob takes what alice signed for him and encrypts it to carol.
    let signed = |meant: &Key| {
        let mut bytes = Vec::new();
        let pair = alice.signer(now()).unwrap().pair;
        let layer = stream::Signer::new(stream::Message::new(&mut bytes), pair).unwrap();
        let layer = layer.creation_time(policy::system_time(now())).add_intended_recipient(&meant.cert);
        let mut literal = stream::LiteralWriter::new(layer.build().unwrap()).build().unwrap();
        literal.write_all(TEXT).unwrap();
        literal.finalize().unwrap();
        bytes
    };
    let open_as_carol = |inside: &[u8]| {
        let opened = open(&faults::encrypt(inside, &carol, true), &[carol.clone()], &[alice.certificate()]).unwrap();
        opened.signatures[0][0].verdict
    };
    assert_eq!(open_as_carol(&signed(&bob)), Bad(Invalid));
    assert_eq!(open_as_carol(&signed(&carol)), Good);
}

#[test]
fn layers_and_several_signers_are_told_apart() {
    let (alice, eve) = (cert(), cert());
    let inline = |together: bool| {
        let mut bytes = Vec::new();
        let sign = |message, cert: &Cert| {
            stream::Signer::new(message, primary(cert)).unwrap().creation_time(policy::system_time(now()))
        };
        let message = stream::Message::new(&mut bytes);
        let message = match together {
            true => sign(message, &alice).add_signer(primary(&eve)).unwrap().build().unwrap(),
            false => sign(sign(message, &alice).build().unwrap(), &eve).build().unwrap(),
        };
        let mut literal = stream::LiteralWriter::new(message).build().unwrap();
        literal.write_all(TEXT).unwrap();
        literal.finalize().unwrap();
        bytes
    };
    let certificates = [Certificate::of(alice.clone())];
    let verdicts = |bytes: &[u8]| -> Vec<Vec<Verdict>> {
        let (text, layers) = reader(&certificates, now()).verify_inline(bytes).unwrap();
        assert_eq!(text.as_slice(), TEXT);
        layers.iter().map(|layer| layer.iter().map(|fact| fact.verdict).collect()).collect()
    };
    let unknown = Unknown(UnknownReason::NoCertificate);
    let mut together = verdicts(&inline(true)).remove(0);
    together.sort_by_key(|verdict| *verdict != Good);
    assert_eq!(together, [Good, unknown]);
    assert_eq!(verdicts(&inline(false)).len(), 2);
}

#[test]
fn unknown_critical_subpackets_make_a_signature_bad() {
    use openpgp::packet::signature::subpacket::NotationDataFlags;
    let alice = cert();
    let with = |critical| {
        sign_with(&alice, HashAlgorithm::SHA512, now(), |template| {
            template.add_notation("x@example.org", b"y", NotationDataFlags::empty(), critical).unwrap()
        })
    };
    assert_eq!(verdict(&with(false), &alice), Good);
    assert_eq!(verdict(&with(true), &alice), Bad(Invalid));
}

#[test]
fn armor_around_a_detached_signature_does_not_matter() {
    let alice = cert();
    let mut armored = armor::write(armor::Kind::Signature, &sign(&alice), true);
    assert_eq!(verdict(armored.as_bytes(), &alice), Good);
    armored = armored.replacen("\n\n", "\nVersion: x\nno field\n\u{a0}\n", 1);
    assert_eq!(verdict(armored.as_bytes(), &alice), Good);
    armored.push_str("hello");
    let two = armor::write(armor::Kind::Signature, &sign(&alice), true).repeat(2);
    let certificates = [Certificate::of(alice)];
    for more in [armored, two] {
        assert!(reader(&certificates, now()).verify_detached(more.as_bytes(), TEXT).is_err(), "{more}");
    }
}

#[test]
fn every_flipped_bit_of_a_signature_makes_it_bad_or_malformed() {
    let alice = cert();
    let signature = sign(&alice);
    let certificates = [Certificate::of(alice)];
    for bit in 0..signature.len() * 8 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(facts) = reader(&certificates, now()).verify_detached(&flipped, TEXT) {
            // The unhashed area (issuer hints) may change freely; nothing that it says is believed.
            let hashed = |fact: &SignatureFact| fact.verdict == Good;
            // Behind it stand two numbers of 32 bytes, each a byte shorter once in 256 times.
            let unhashed_end = signature.len() - 66;
            assert!(bit / 8 > 10 && bit / 8 < unhashed_end || !facts.iter().any(hashed), "bit {bit}");
        }
    }
}
