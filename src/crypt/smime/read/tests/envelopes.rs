//! Encrypted messages with one fault each: one error for all, and not one byte.

use openssl::{cipher::Cipher as Aead, cipher_ctx::CipherCtx, nid::Nid};

use super::*;
use crate::crypt::smime::{
    asn1::der::{SET, algorithm, context, element, oid as named, sequence, small},
    asn1::oid,
    identity::names_of,
    seal::wrap,
};
use forge::{attribute, info, octets};

const COMMON_NAME: ::der::asn1::ObjectIdentifier = ::der::asn1::ObjectIdentifier::new_unwrap("2.5.4.3");
const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 12] = [9; 12];

/// AuthEnvelopedData made by hand.
#[derive(Clone)]
struct Envelope {
    parameters: Vec<u8>,
    attributes: Option<Vec<u8>>,
    /// What the tag is counted over; the attributes as they are stated, if none.
    proven: Option<Vec<u8>>,
    tag: fn(Vec<u8>) -> Vec<u8>,
    ciphertext: fn(Vec<u8>) -> Vec<u8>,
    kind: ::der::asn1::ObjectIdentifier,
    cipher: ::der::asn1::ObjectIdentifier,
    recipients: Option<Vec<u8>>,
}

fn same(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

impl Envelope {
    fn new() -> Self {
        Self {
            parameters: sequence(&[&octets(&NONCE), &small(16)]),
            attributes: None,
            proven: None,
            tag: same,
            ciphertext: same,
            kind: oid::DATA,
            cipher: oid::AES256_GCM,
            recipients: None,
        }
    }

    fn to(&self, person: &Person) -> Vec<u8> {
        let recipient = wrap::wrap(&KEY.into(), person.certificate()).ok().unwrap().der;
        let mut context_ = CipherCtx::new().unwrap();
        context_.encrypt_init(Some(Aead::aes_256_gcm()), Some(&KEY), Some(&NONCE)).unwrap();
        if let Some(attributes) = self.proven.as_ref().or(self.attributes.as_ref()) {
            context_.cipher_update(&element(SET, &[attributes]), None).unwrap();
        }
        let mut ciphertext = Vec::new();
        context_.cipher_update_vec(ENTITY, &mut ciphertext).unwrap();
        context_.cipher_final_vec(&mut ciphertext).unwrap();
        let mut tag = vec![0; 16];
        context_.tag(&mut tag).unwrap();
        let encrypted = sequence(&[
            &named(self.kind),
            &algorithm(self.cipher, &self.parameters),
            &element(0x80, &[&(self.ciphertext)(ciphertext)]),
        ]);
        let attributes = self.attributes.as_ref().map(|set| element(context(1), &[set])).unwrap_or_default();
        let recipients = element(SET, &[self.recipients.as_ref().unwrap_or(&recipient)]);
        let unauthenticated = element(context(2), &[&attribute(oid::MESSAGE_DIGEST, &[&octets(b"ignored")])]);
        info(
            oid::AUTH_ENVELOPED_DATA,
            &[&small(0), &recipients, &encrypted, &attributes, &octets(&(self.tag)(tag)), &unauthenticated],
        )
    }
}

fn outcome(message: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    match read(people::rsa(), message) {
        Ok(Layer::Encrypted { plaintext, .. }) => Ok(plaintext),
        Ok(_) => panic!("another layer"),
        Err(error) => Err(error),
    }
}

#[test]
fn attributes_are_proven_with_the_content() {
    let attributes = attribute(oid::CONTENT_TYPE, &[&named(oid::DATA)]);
    let with = Envelope { attributes: Some(attributes.clone()), ..Envelope::new() };
    assert_eq!(*outcome(&with.to(people::rsa())).unwrap(), ENTITY);
    let changed = Envelope { proven: Some(attribute(oid::CONTENT_TYPE, &[&named(oid::ZLIB)])), ..with };
    assert_eq!(outcome(&changed.to(people::rsa())).unwrap_err(), OpenError::Undecryptable);
    let dropped = Envelope { proven: Some(attributes), ..Envelope::new() };
    assert_eq!(outcome(&dropped.to(people::rsa())).unwrap_err(), OpenError::Undecryptable);
}

#[test]
fn every_kind_of_key_opens() {
    let people =
        [people::ec(Nid::X9_62_PRIME256V1), people::ec(Nid::SECP384R1), people::ec(Nid::SECP521R1), Person::x25519()];
    for person in &people {
        let (plaintext, authenticated) = opened(read(person, &Envelope::new().to(person)));
        assert_eq!((&plaintext[..], authenticated), (ENTITY, true));
    }
    assert_eq!(*outcome(&Envelope::new().to(people::rsa())).unwrap(), ENTITY);
}

#[test]
fn no_tag_but_the_whole_right_one_is_taken() {
    let cut = |parameters| Envelope { parameters, ..Envelope::new() };
    let cases = [
        Envelope {
            tag: |mut tag| {
                tag[15] ^= 1;
                tag
            },
            ..Envelope::new()
        },
        Envelope {
            tag: |tag| tag[..12].to_vec(),
            parameters: sequence(&[&octets(&NONCE), &small(12)]),
            ..Envelope::new()
        },
        Envelope { tag: |tag| tag[..12].to_vec(), ..Envelope::new() },
        Envelope {
            tag: |tag| tag[..4].to_vec(),
            parameters: sequence(&[&octets(&NONCE), &small(4)]),
            ..Envelope::new()
        },
        Envelope { tag: |_| Vec::new(), ..Envelope::new() },
        cut(sequence(&[&octets(&NONCE)])),
        cut(sequence(&[&octets(&NONCE[..8]), &small(16)])),
        cut(sequence(&[&octets(&[9; 16]), &small(16)])),
        cut(octets(&NONCE)),
        cut(Vec::new()),
        Envelope {
            ciphertext: |mut text| {
                text[0] ^= 1;
                text
            },
            ..Envelope::new()
        },
        Envelope { ciphertext: |text| text[1..].to_vec(), ..Envelope::new() },
        Envelope { ciphertext: |_| Vec::new(), ..Envelope::new() },
        Envelope { cipher: oid::AES128_GCM, ..Envelope::new() },
        Envelope { cipher: oid::AES256_CBC, parameters: octets(&[9; 16]), ..Envelope::new() },
        Envelope { cipher: oid::ZLIB, ..Envelope::new() },
    ];
    for (number, envelope) in cases.iter().enumerate() {
        assert_eq!(outcome(&envelope.to(people::rsa())).unwrap_err(), OpenError::Undecryptable, "{number}");
    }
    let other = Envelope { kind: oid::SIGNED_DATA, ..Envelope::new() };
    assert_eq!(outcome(&other.to(people::rsa())).unwrap_err(), OpenError::Undecryptable);
}

#[test]
fn whatever_is_wrong_with_a_key_is_one_error() {
    let alice = people::rsa();
    let name = wrap::issuer_and_serial(alice.certificate()).unwrap();
    let transport = |scheme: Vec<u8>, key: &[u8]| sequence(&[&small(0), &name, &scheme, &octets(key)]);
    let wrapped = encrypted(alice, &KEY[..16]);
    let rsa = || algorithm(oid::RSA, &[5, 0]);
    let mut flipped = wrapped.clone();
    flipped[100] ^= 1;
    let cases = [
        transport(rsa(), &wrapped),
        transport(rsa(), &flipped),
        transport(rsa(), &wrapped[1..]),
        transport(rsa(), &[]),
        transport(rsa(), &[0xff; 256]),
        transport(algorithm(oid::RSA_OAEP, &sequence(&[])), &wrapped),
        transport(algorithm(oid::RSA_OAEP, &octets(b"x")), &wrapped),
        transport(algorithm(oid::ECDH_SHA256, &[]), &wrapped),
        transport(algorithm(oid::ZLIB, &[]), &wrapped),
    ];
    for (number, recipient) in cases.into_iter().enumerate() {
        let envelope = Envelope { recipients: Some(recipient), ..Envelope::new() };
        assert_eq!(outcome(&envelope.to(alice)).unwrap_err(), OpenError::Undecryptable, "{number}");
    }
    // A good one behind a broken one that proves itself still opens.
    let good = wrap::wrap(&KEY.into(), alice.certificate()).ok().unwrap().der;
    let behind = |first: Vec<u8>| {
        outcome(&Envelope { recipients: Some([first, good.clone()].concat()), ..Envelope::new() }.to(alice))
    };
    let oaep = algorithm(oid::RSA_OAEP, &sequence(&[]));
    assert_eq!(*behind(transport(oaep, &flipped)).unwrap(), ENTITY);
    // Behind one of RSA v1.5 it does not, whatever is in that: it would tell of the padding.
    for wrapped in [flipped.clone(), vec![0x55; 256], encrypted(alice, &[1; 31]), encrypted(alice, &[1; 32])] {
        assert_eq!(behind(transport(rsa(), &wrapped)).unwrap_err(), OpenError::Undecryptable);
    }
}

/// A key wrapped by RSA v1.5.
fn encrypted(to: &Person, key: &[u8]) -> Vec<u8> {
    let mut context = openssl::pkey_ctx::PkeyCtx::new(&to.certificate().x509.public_key().unwrap()).unwrap();
    context.encrypt_init().unwrap();
    let mut wrapped = Vec::new();
    context.encrypt_to_vec(key, &mut wrapped).unwrap();
    wrapped
}

#[test]
fn how_often_a_recipient_is_named_is_told_before_any_key_is_tried() {
    let alice = people::rsa();
    let name = wrap::issuer_and_serial(alice.certificate()).unwrap();
    // Conforming with the right length and with another, and not conforming; the content is another key's.
    for wrapped in [encrypted(alice, &[1; 32]), encrypted(alice, &[1; 16]), vec![0x55; 256]] {
        let recipient = sequence(&[&small(0), &name, &algorithm(oid::RSA, &[5, 0]), &octets(&wrapped)]);
        let times = |count| Envelope { recipients: Some(recipient.repeat(count)), ..Envelope::new() }.to(alice);
        assert_eq!(outcome(&times(16)).unwrap_err(), OpenError::Undecryptable);
        assert_eq!(outcome(&times(17)).unwrap_err(), OpenError::Limit("it names one recipient too often"));
    }
}

#[test]
fn agreed_keys_too() {
    let dave = people::p256();
    let whole = Envelope::new().to(dave);
    // In the point, in the wrapped key, in its algorithm.
    let point = whole.windows(3).position(|bytes| bytes == [0x03, 0x42, 0x00]).unwrap() + 3;
    for place in [point, point + 1, point + 40, point + 64] {
        let mut broken = whole.clone();
        broken[place] ^= 1;
        assert_eq!(read(dave, &broken).err(), Some(OpenError::Undecryptable), "{place}");
    }
}

#[test]
fn others_learn_for_whom_it_is() {
    let (alice, dave) = (people::rsa(), people::p256());
    for person in [alice, dave] {
        let message = Envelope::new().to(person);
        let other = if std::ptr::eq(person, alice) { dave } else { alice };
        let Err(OpenError::NoKey { recipients, .. }) = read(other, &message) else { panic!("opened") };
        assert_eq!(recipients.len(), 1);
        assert!(names_of(person.certificate()).contains(&recipients[0]), "{recipients:?}");
        assert_eq!(recipients_of(&message).unwrap(), recipients);
    }
    let many = Envelope { recipients: Some(sequence(&[]).repeat(10_001)), ..Envelope::new() };
    assert!(matches!(outcome(&many.to(alice)), Err(OpenError::Limit(_))));
    let often = wrap::wrap(&[1; 32].into(), alice.certificate()).ok().unwrap().der;
    let flipped = [&often[..often.len() - 1], &[often[often.len() - 1] ^ 1]].concat();
    let many = Envelope { recipients: Some(flipped.repeat(100)), ..Envelope::new() };
    assert!(outcome(&many.to(alice)).is_err());
}

#[test]
fn all_who_share_a_key_agreement_are_counted_together() {
    let id = element(context(0), &[&octets(b"")]);
    let agreed = sequence(&[&id, &octets(b"")]);
    let originator = element(context(0), &[&element(context(1), &[&sequence(&[]), &element(3, &[&[0]])])]);
    let agreement = |keys| {
        let scheme = algorithm(oid::ECDH_SHA256, &algorithm(oid::AES256_WRAP, &[]));
        element(context(1), &[&small(3), &originator, &scheme, &sequence(&[&agreed.repeat(keys)])])
    };
    let to = |recipients: Vec<u8>| Envelope { recipients: Some(recipients), ..Envelope::new() }.to(people::rsa());
    let Err(OpenError::NoKey { recipients, .. }) = outcome(&to(agreement(5_000).repeat(2))) else { panic!("opened") };
    assert_eq!(recipients.len(), 10_000);
    for recipients in [agreement(10_001), [agreement(5_000).repeat(2), agreement(1)].concat()] {
        assert_eq!(outcome(&to(recipients)).unwrap_err(), OpenError::Limit("it has too many recipients"));
    }
}

#[test]
fn a_long_name_is_cut() {
    let text = element(0x0c, &["é".repeat(100_000).as_bytes()]);
    let name = sequence(&[&element(SET, &[&sequence(&[&named(COMMON_NAME), &text])])]);
    let recipient = sequence(&[&small(0), &sequence(&[&name, &small(7)]), &algorithm(oid::RSA, &[5, 0]), &octets(b"")]);
    let message = Envelope { recipients: Some(recipient), ..Envelope::new() }.to(people::rsa());
    let recipients = recipients_of(&message).unwrap();
    assert_eq!(recipients[0].chars().count(), 257);
    assert!(recipients[0].starts_with("07/CN=éé") && recipients[0].ends_with("é…"), "{recipients:?}");
}

#[test]
fn cbc_is_read_and_not_proven() {
    let alice = people::rsa();
    let ciphers = [(Cipher::aes_128_cbc(), false), (Cipher::aes_192_cbc(), false), (Cipher::des_ede3_cbc(), true)];
    for (cipher, old) in ciphers {
        let Ok(Layer::Encrypted { plaintext, authenticated: false, weak, .. }) =
            read(alice, &encrypt(alice, ENTITY, cipher))
        else {
            panic!("not opened")
        };
        assert_eq!((&plaintext[..], weak), (ENTITY, old));
    }
    let whole = encrypt(alice, ENTITY, Cipher::aes_256_cbc());
    let mut padding = whole.clone();
    // The last block before the last changes the padding.
    let place = padding.len() - 17;
    padding[place] ^= 0x40;
    assert_eq!(read(alice, &padding).err(), Some(OpenError::Undecryptable));
    // OFB instead of CBC, which nobody uses.
    let name = oid::AES256_CBC.as_bytes();
    let at = whole.windows(name.len()).position(|bytes| bytes == name).unwrap() + name.len() - 1;
    let mut other = whole;
    other[at] += 1;
    assert_eq!(read(alice, &other).err(), Some(OpenError::Undecryptable));
}

#[test]
fn what_is_cut_off_is_like_any_other_failure() {
    let rsa = people::rsa();
    for cipher in [Cipher::aes_256_cbc(), Cipher::aes_256_gcm()] {
        let whole = encrypt(rsa, ENTITY, cipher);
        // ContentInfo, its length, and its type.
        let begun = 4 + 2 + usize::from(whole[5]);
        for length in begun..whole.len() {
            let error = read(rsa, &whole[..length]).err().unwrap();
            assert_eq!(error, OpenError::Undecryptable, "{length}");
        }
        assert!(matches!(read(rsa, &whole[..begun - 1]), Err(OpenError::Malformed(_))));
    }
}
