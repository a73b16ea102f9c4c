//! One fault a signature: each with its own verdict, and what it rests on in words.

use std::sync::OnceLock;

use openssl::{hash::MessageDigest, nid::Nid, pkey::PKey};

use super::*;
use crate::crypt::{
    PublicCertificate, UnknownReason,
    smime::{
        Capabilities,
        asn1::der::{algorithm, element, sequence},
        asn1::oid,
        identity::names_of,
        tests::authority::{Ca, Identity, Wish, days, now, revocations, rsa},
    },
};
use forge::{Forge, attribute, content_type, message_digest, octets, signed_data, signing_time};

const ALICE: &str = "alice@example.org";

/// An authority, and Alice with keys of several kinds.
struct World {
    ca: Ca,
    alice: Identity,
    rsa: Identity,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let ca = Ca::new();
        let alice = ca.leaf(ALICE);
        let rsa = Wish::leaf(ALICE).with_key(rsa(2048)).issued_by(&ca.between);
        World { ca, alice, rsa }
    })
}

fn facts_with(authorities: &Authorities, at: Timestamp, message: &[u8]) -> Result<Vec<SignatureFact>, BadReason> {
    let reader = Reader { keys: &[], certificates: &[], authorities, pins: &[], at, limit: 1 << 20 };
    signed(reader.read(message)).1
}

fn facts(message: &[u8]) -> Result<Vec<SignatureFact>, BadReason> {
    facts_with(&world().ca.authorities(), now(), message)
}

fn verdict(message: &[u8]) -> (Verdict, String) {
    let [fact] = &facts(message).unwrap()[..] else { panic!("not one fact") };
    assert_eq!(fact.detail.is_none(), fact.verdict == Verdict::Good || fact.verdict == NO_CERTIFICATE, "{fact:?}");
    (fact.verdict, fact.detail.clone().unwrap_or_default())
}

const NO_CERTIFICATE: Verdict = Verdict::Unknown(UnknownReason::NoCertificate);

fn alice() -> Forge<'static> {
    Forge::new(&world().alice, ENTITY)
}

#[test]
fn what_is_as_it_should_be_is_good() {
    let world = world();
    let edward = Wish::leaf(ALICE).with_key(PKey::generate_ed25519().unwrap()).issued_by(&world.ca.between);
    let hashed = |digest| algorithm(digest, &[]);
    let pss = sequence(&[
        &element(0xa0, &[&hashed(oid::SHA256)]),
        &element(0xa1, &[&algorithm(oid::MGF1, &hashed(oid::SHA256))]),
        &element(0xa2, &[&[2, 1, 32]]),
    ]);
    let pss = algorithm(oid::RSA_PSS, &pss);
    let forge = alice();
    let good = [
        forge.clone(),
        Forge { by_key_id: true, ..forge.clone() },
        Forge { attributes: None, ..forge.clone() },
        forge.clone().with(signing_time(now())),
        forge.clone().with(attribute(oid::CAPABILITIES, &[&Capabilities::ours()])),
        forge.with(attribute(oid::SIGNING_CERTIFICATE_V2, &[&certificate_id(&world.alice)])),
        Forge::new(&world.rsa, ENTITY),
        Forge { scheme: Some(algorithm(oid::RSA_SHA256, &[5, 0])), ..Forge::new(&world.rsa, ENTITY) },
        Forge { scheme: Some(pss), pss: true, ..Forge::new(&world.rsa, ENTITY) },
        Forge::new(&edward, ENTITY).digest(MessageDigest::sha512(), oid::SHA512),
    ];
    for (number, forge) in good.iter().enumerate() {
        let [fact] = &facts(&forge.message()).unwrap()[..] else { panic!("not one fact") };
        assert_eq!((fact.verdict, &fact.detail), (Verdict::Good, &None), "{number}");
        assert_eq!(fact.certificate.as_ref().unwrap().addresses, [Address::parse(ALICE).unwrap()]);
    }
}

/// SigningCertificateV2 of one certificate.
fn certificate_id(identity: &Identity) -> Vec<u8> {
    let hash = openssl::sha::sha256(&identity.certificate.to_der());
    sequence(&[&sequence(&[&sequence(&[&octets(&hash)])])])
}

#[test]
fn each_wrong_form_is_malformed() {
    let (kind, digest) = (content_type(oid::DATA), message_digest(MessageDigest::sha256(), ENTITY));
    let other = message_digest(MessageDigest::sha256(), b"other");
    let hash = openssl::sha::sha256(ENTITY);
    let twofold = attribute(oid::MESSAGE_DIGEST, &[&octets(&hash), &octets(&hash)]);
    let cases: [(Vec<Vec<u8>>, &str); 10] = [
        (vec![kind.clone(), digest.clone(), digest.clone()], "twice"),
        (vec![kind.clone(), digest.clone(), other], "twice"),
        (vec![kind.clone(), kind.clone(), digest.clone()], "twice"),
        (vec![kind.clone(), twofold], "one value"),
        (vec![kind.clone(), attribute(oid::MESSAGE_DIGEST, &[])], "one value"),
        (vec![kind.clone()], "no digest"),
        (vec![digest.clone()], "content type"),
        (vec![content_type(oid::SIGNED_DATA), digest.clone()], "content type"),
        (vec![kind.clone(), digest.clone(), attribute(oid::SIGNING_TIME, &[&octets(b"now")])], "signing time"),
        (vec![kind, digest, octets(b"no attribute")], "cannot be read"),
    ];
    for (attributes, expected) in cases {
        let (verdict, detail) = verdict(&alice().attributes(attributes).message());
        assert_eq!(verdict, Verdict::Bad(BadReason::Malformed), "{expected}");
        assert!(detail.contains(expected), "{detail}");
    }
}

#[test]
fn mathematics_that_does_not_hold_is_invalid() {
    let world = world();
    let other = message_digest(MessageDigest::sha256(), b"another body");
    let mut foreign = alice().with(attribute(oid::SIGNING_CERTIFICATE_V2, &[&certificate_id(&world.rsa)]));
    let wrong_scheme = Forge { scheme: Some(algorithm(oid::RSA_SHA384, &[5, 0])), ..Forge::new(&world.rsa, ENTITY) };
    let foreign_scheme = Forge { scheme: Some(algorithm(oid::RSA_SHA256, &[5, 0])), ..alice() };
    let unknown = Forge { scheme: Some(algorithm(oid::X25519, &[])), ..alice() };
    let unknown_digest = Forge { digest: (MessageDigest::sha256(), oid::ZLIB), ..alice() };
    let cases = [
        (alice().attributes(vec![content_type(oid::DATA), other]), "content was changed"),
        (Forge { flipped: true, ..alice() }, "does not fit"),
        (Forge { flipped: true, attributes: None, ..alice() }, "does not fit"),
        (std::mem::replace(&mut foreign, alice()), "another certificate"),
        (wrong_scheme, "two digest"),
        (foreign_scheme, "not that of the key"),
        (unknown, "not known"),
        (unknown_digest, "not known"),
    ];
    for (forge, expected) in cases {
        let (verdict, detail) = verdict(&forge.message());
        assert_eq!(verdict, Verdict::Bad(BadReason::Invalid), "{expected}");
        assert!(detail.contains(expected), "{detail}: {expected}");
    }
}

#[test]
fn signed_attributes_are_no_content() {
    // Whoever has one signature with attributes has one over these as a content (RFC 5652, 11).
    let attributes = [content_type(oid::DATA), message_digest(MessageDigest::sha256(), ENTITY)];
    let content = element(0x31, &[&attributes.concat()]);
    let forged = Forge { attributes: None, ..Forge::new(&world().alice, &content) };
    assert_eq!(verdict(&forged.message()).0, Verdict::Bad(BadReason::Invalid));
    // So has whoever has one over more attributes than are read here.
    for count in [98, 99] {
        let many = vec![attribute(oid::CAPABILITIES, &[&octets(b"x")]); count];
        let many = [&attributes[..], &many].concat();
        let content = element(0x31, &[&many.concat()]);
        let forged = Forge { attributes: None, ..Forge::new(&world().alice, &content) };
        let (verdict, detail) = verdict(&forged.message());
        assert_eq!(verdict, Verdict::Bad(BadReason::Invalid));
        assert!(detail.contains("signed attributes"), "{detail}");
    }
}

#[test]
fn weak_algorithms_are_weak_and_broken_ones_invalid() {
    let world = world();
    let short = Wish::leaf(ALICE).with_key(rsa(1024)).issued_by(&world.ca.between);
    let sha1 = Forge::new(&world.rsa, ENTITY).digest(MessageDigest::sha1(), oid::SHA1);
    let md5 = Forge::new(&world.rsa, ENTITY).digest(MessageDigest::md5(), oid::MD5);
    for (forge, expected) in [(sha1, "SHA-1"), (md5, "MD5"), (Forge::new(&short, ENTITY), "RSA of 1024 bits")] {
        assert_eq!(verdict(&forge.message()), (Verdict::Bad(BadReason::Weak), expected.to_owned()));
        let broken = Forge { flipped: true, ..forge };
        assert_eq!(verdict(&broken.message()).0, Verdict::Bad(BadReason::Invalid));
    }
}

#[test]
fn times_are_judged_at_the_time_of_judging() {
    let world = world();
    let authorities = world.ca.authorities();
    let judged = |message: &[u8], at| facts_with(&authorities, at, message).unwrap().remove(0);
    let ahead = |seconds| alice().with(signing_time(now() + jiff::SignedDuration::from_secs(seconds))).message();
    assert_eq!(verdict(&ahead(300)).0, Verdict::Good);
    assert_eq!(verdict(&ahead(301)).0, Verdict::Bad(BadReason::NotYetValid));
    let future = alice().with(signing_time(days(1))).message();
    assert_eq!(judged(&future, now()).verdict, Verdict::Bad(BadReason::NotYetValid));
    assert_eq!(judged(&future, days(2)).verdict, Verdict::Good);
    let early = alice().with(signing_time(days(-366))).message();
    assert_eq!(judged(&early, now()).verdict, Verdict::Bad(BadReason::NotYetValid));
    assert_eq!(judged(&alice().message(), days(-366)).verdict, Verdict::Bad(BadReason::NotYetValid));
    // Signed in time: it had expired all the same.
    let late = judged(&alice().with(signing_time(now())).message(), days(366));
    assert_eq!(late.verdict, Verdict::Bad(BadReason::Expired));
    assert_eq!(late.created, Some(now()));
    assert!(late.detail.unwrap().contains("expired"));
}

#[test]
fn who_is_not_genuine_is_not_good() {
    let world = world();
    let stranger = Wish::leaf(ALICE).self_signed();
    let encrypts = Wish::leaf(ALICE).with(Nid::KEY_USAGE, "keyAgreement").issued_by(&world.ca.between);
    for (signer, expected) in [(&stranger, "its certificate: "), (&encrypts, "key usage")] {
        let (verdict, detail) = verdict(&Forge::new(signer, ENTITY).message());
        assert_eq!(verdict, Verdict::Unknown(UnknownReason::Untrusted), "{detail}");
        assert!(detail.contains(expected), "{detail}");
    }
    let mut authorities = world.ca.authorities();
    authorities.add_revocations(&revocations(&world.ca.between, days(-2), days(30), &[(7, days(-1))])).unwrap();
    let fact = facts_with(&authorities, now(), &alice().message()).unwrap().remove(0);
    assert_eq!(fact.verdict, Verdict::Bad(BadReason::Revoked));
    assert!(fact.detail.unwrap().contains("revoked"));
}

#[test]
fn a_pin_stands_for_the_chain_and_for_nothing_else() {
    let bob = [Address::parse("bob@example.org").unwrap()];
    let stranger = Wish::leaf(ALICE).self_signed();
    let encrypts = Wish::leaf(ALICE).with(Nid::KEY_USAGE, "keyAgreement").self_signed();
    let judged = |signer: &Identity, forge: Forge<'_>| {
        let pins = [(signer.certificate.fingerprint(), bob.to_vec())];
        let authorities = Authorities::default();
        let reader =
            Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &pins, at: now(), limit: 1 << 20 };
        signed(reader.read(&forge.message())).1.unwrap().remove(0)
    };
    let fact = judged(&stranger, Forge::new(&stranger, ENTITY));
    assert_eq!(fact.verdict, Verdict::Good);
    assert_eq!(fact.certificate.unwrap().addresses, bob);
    let flipped = Forge { flipped: true, ..Forge::new(&stranger, ENTITY) };
    assert_eq!(judged(&stranger, flipped).verdict, Verdict::Bad(BadReason::Invalid));
    assert_eq!(judged(&encrypts, Forge::new(&encrypts, ENTITY)).verdict, Verdict::Unknown(UnknownReason::Untrusted));
}

#[test]
fn the_certificate_comes_from_the_message_or_from_the_reader() {
    let world = world();
    let forge = alice();
    for by_key_id in [false, true] {
        let info = Forge { by_key_id, ..forge.clone() }.info();
        let bare = signed_data(oid::DATA, Some(ENTITY), &[], &[info]);
        let [fact] = &facts(&bare).unwrap()[..] else { panic!("not one fact") };
        assert_eq!(fact.verdict, NO_CERTIFICATE);
        assert!(names_of(&world.alice.certificate).contains(&fact.issuer), "{}", fact.issuer);
        let authorities = world.ca.authorities();
        let certificates = [world.rsa.certificate.clone(), world.alice.certificate.clone()];
        let reader = Reader {
            keys: &[],
            certificates: &certificates,
            authorities: &authorities,
            pins: &[],
            at: now(),
            limit: 9,
        };
        assert_eq!(signed(reader.read(&bare)).1.unwrap()[0].verdict, Verdict::Good);
    }
}

#[test]
fn another_certificate_of_the_same_name_changes_nothing() {
    let world = world();
    // The same issuer and serial number, another key, and by nobody.
    let twin = Wish { serial: 7, ..Wish::leaf(ALICE) }.issued_by(&world.ca.between);
    for certificates in [[&twin, &world.alice], [&world.alice, &twin]] {
        let message = signed_data(oid::DATA, Some(ENTITY), &certificates, &[alice().info()]);
        let fact = facts(&message).unwrap().remove(0);
        assert_eq!(fact.verdict, Verdict::Good);
        assert_eq!(fact.certificate.unwrap().fingerprint, world.alice.certificate.fingerprint());
    }
}

#[test]
fn each_signer_has_his_own_fact() {
    let world = world();
    let infos = [alice().info(), Forge { flipped: true, ..Forge::new(&world.rsa, ENTITY) }.info()];
    let message = signed_data(oid::DATA, Some(ENTITY), &[&world.alice, &world.rsa], &infos);
    let verdicts: Vec<Verdict> = facts(&message).unwrap().iter().map(|fact| fact.verdict).collect();
    assert_eq!(verdicts, [Verdict::Good, Verdict::Bad(BadReason::Invalid)]);
    let crowd = signed_data(oid::DATA, Some(ENTITY), &[], &vec![alice().info(); 101]);
    assert!(matches!(read(people::rsa(), &crowd), Err(OpenError::Limit(_))));
}

#[test]
fn signed_data_without_signers_or_of_another_kind() {
    let world = world();
    let unsigned = signed_data(oid::DATA, Some(ENTITY), &[&world.alice], &[]);
    assert_eq!(facts(&unsigned).unwrap_err(), BadReason::Missing);
    let other = signed_data(oid::SIGNED_DATA, Some(ENTITY), &[&world.alice], &[alice().info()]);
    assert_eq!(facts(&other).unwrap_err(), BadReason::Malformed);
    let certificates = signed_data(oid::DATA, None, &[&world.alice], &[]);
    assert!(matches!(read(people::rsa(), &certificates), Ok(Layer::Certificates)));
    let empty = signed_data(oid::DATA, None, &[&world.alice], &[alice().info()]);
    assert!(matches!(read(people::rsa(), &empty), Err(OpenError::Malformed(_))));
}

#[test]
fn the_work_for_one_message_is_bounded() {
    let signed_by = |signers: usize, certificates: &[&Identity], info: &[u8]| {
        let message = signed_data(oid::DATA, Some(ENTITY), certificates, &vec![info.to_vec(); signers]);
        let authorities = world().ca.authorities();
        Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &[], at: now(), limit: 9 }
            .read(&message)
            .map(|layer| signed(Ok(layer)).1.unwrap())
    };
    let alice = &[&world().alice][..];
    let facts = signed_by(16, alice, &self::alice().info()).unwrap();
    assert!(facts.len() == 16 && facts.iter().all(|fact| fact.verdict == Verdict::Good));
    let too_many = signed_by(17, alice, &self::alice().info()).err();
    assert_eq!(too_many, Some(OpenError::Limit("it has too many signers")));
    // Eight certificates of one name, none of which made the signature.
    let twins: Vec<_> =
        (0..8).map(|_| Wish { serial: 7, ..Wish::leaf(ALICE) }.issued_by(&world().ca.between)).collect();
    let twins: Vec<_> = twins.iter().collect();
    let foreign = Forge { flipped: true, ..Forge::new(twins[0], ENTITY) }.info();
    assert_eq!(signed_by(4, &twins, &foreign).unwrap()[3].verdict, Verdict::Bad(BadReason::Invalid));
    let too_many = signed_by(5, &twins, &foreign).err();
    assert_eq!(too_many, Some(OpenError::Limit("its signatures may be by too many certificates")));
}

#[test]
fn the_layers_of_a_message_share_its_budget() {
    let signers = vec![alice().info(); 9];
    let opaque = signed_data(oid::DATA, Some(ENTITY), &[], &signers);
    let detached = signed_data(oid::DATA, None, &[], &signers);
    let read = |reader: &Reader<'_>, budget: &mut Budget| {
        (
            reader.read_in_place(Zeroizing::new(opaque.clone()), budget).err(),
            reader.verify_detached(&detached, ENTITY, budget).err(),
        )
    };
    let mut budget = Budget::default();
    with(&[], &[], |reader| {
        let limit = OpenError::Limit("it has too many signers");
        assert_eq!(read(reader, &mut budget), (None, Some(limit.clone())));
        assert_eq!(read(reader, &mut budget), (Some(limit.clone()), Some(limit)));
    });
}

#[test]
fn a_public_exponent_as_long_as_a_modulus_is_not_used() {
    let modulus = |exponent: &str| {
        let exponent = openssl::bn::BigNum::from_hex_str(exponent).unwrap();
        let key = PKey::from_rsa(openssl::rsa::Rsa::generate_with_e(2048, &exponent).unwrap()).unwrap();
        let identity = Wish::leaf(ALICE).with_key(key).issued_by(&world().ca.between);
        verdict(&Forge::new(&identity, ENTITY).message())
    };
    assert_eq!(modulus("fffffffffffffffb").0, Verdict::Good);
    let (verdict, detail) = modulus("10000000000000001");
    assert_eq!(verdict, Verdict::Bad(BadReason::Invalid));
    assert!(detail.contains("public exponent"), "{detail}");
}

#[test]
fn a_detached_signature_has_no_content_of_its_own() {
    let world = world();
    let authorities = world.ca.authorities();
    let reader = Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &[], at: now(), limit: 9 };
    let info = alice().info();
    let detached = signed_data(oid::DATA, None, &[&world.alice], std::slice::from_ref(&info));
    assert_eq!(reader.verify_detached(&detached, ENTITY, &mut Budget::default()).unwrap()[0].verdict, Verdict::Good);
    assert_eq!(
        reader.verify_detached(&detached, b"x", &mut Budget::default()).unwrap()[0].verdict,
        Verdict::Bad(BadReason::Invalid)
    );
    let both = signed_data(oid::DATA, Some(ENTITY), &[&world.alice], &[info]);
    assert!(matches!(reader.verify_detached(&both, ENTITY, &mut Budget::default()), Err(OpenError::Malformed(_))));
    let nobody = signed_data(oid::DATA, None, &[&world.alice], &[]);
    assert!(reader.verify_detached(&nobody, ENTITY, &mut Budget::default()).unwrap().is_empty());
    assert!(reader.verify_detached(b"garbage", ENTITY, &mut Budget::default()).is_err());
}

#[test]
fn a_good_signature_says_what_its_maker_reads() {
    let world = world();
    let authorities = world.ca.authorities();
    let reader = Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &[], at: now(), limit: 9 };
    let forge = alice().with(attribute(oid::CAPABILITIES, &[&Capabilities::ours()])).with(signing_time(now()));
    let [certificate] = &reader.announced(&forge.message(), None).unwrap()[..] else { panic!("not one") };
    assert_eq!(certificate.fingerprint(), world.alice.certificate.fingerprint());
    assert!(certificate.takes_gcm() && !world.alice.certificate.takes_gcm());
    assert_eq!(certificate.announced().unwrap().at, now());
    let detached = signed_data(oid::DATA, None, &[&world.alice], &[forge.info()]);
    assert_eq!(reader.announced(&detached, Some(ENTITY)).unwrap().len(), 1);
    assert!(reader.announced(&detached, None).is_err());
    assert!(reader.announced(&detached, Some(b"another")).unwrap().is_empty());
    let bad = Forge { flipped: true, ..forge };
    assert!(reader.announced(&bad.message(), None).unwrap().is_empty());
    let garbage = alice().with(attribute(oid::CAPABILITIES, &[&octets(b"x")]));
    assert!(!reader.announced(&garbage.message(), None).unwrap()[0].takes_gcm());
}
