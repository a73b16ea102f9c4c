//! Files of people who mean no good.

use ::der::asn1::ObjectIdentifier;
use openssl::{hash::MessageDigest, pkcs5::pbkdf2_hmac, symm};

use super::*;
use crate::crypt::smime::asn1::der::{OCTET_STRING, context, element, oid, sequence, small};

const fn name(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

/// PBES2 with AES-256-CBC, which claims to take some rounds and takes 1: the algorithm, then the ciphertext.
fn locked(clear: &[u8], passphrase: &str, claimed: u32) -> (Vec<u8>, Vec<u8>) {
    let mut key = [0; 32];
    pbkdf2_hmac(passphrase.as_bytes(), b"saltsalt", 1, MessageDigest::sha1(), &mut key).unwrap();
    let rounds = claimed.to_be_bytes();
    let rounds = element(2, &[&rounds[if claimed == 1 { 3 } else { 0 }..]]);
    let parameters = sequence(&[&element(OCTET_STRING, &[b"saltsalt"]), &rounds]);
    let derivation = sequence(&[&oid(name("1.2.840.113549.1.5.12")), &parameters]);
    let cipher = sequence(&[&oid(name("2.16.840.1.101.3.4.1.42")), &element(OCTET_STRING, &[&[7; 16]])]);
    let algorithm = sequence(&[&oid(name("1.2.840.113549.1.5.13")), &sequence(&[&derivation, &cipher])]);
    (algorithm, symm::encrypt(symm::Cipher::aes_256_cbc(), &key, Some(&[7; 16]), clear).unwrap())
}

/// A PKCS#12 file without a MAC, whose only bag is a locked key within something encrypted.
fn hidden(bags: &[u8], passphrase: &str) -> Vec<u8> {
    let data = oid(name("1.2.840.113549.1.7.1"));
    let (algorithm, content) = locked(bags, passphrase, 1);
    let content = sequence(&[&data, &algorithm, &element(0x80, &[&content])]);
    let safe = element(context(0), &[&sequence(&[&small(0), &content])]);
    let safe = sequence(&[&oid(name("1.2.840.113549.1.7.6")), &safe]);
    let safes = element(context(0), &[&element(OCTET_STRING, &[&sequence(&[&safe])])]);
    sequence(&[&small(3), &sequence(&[&data, &safes])])
}

fn bag(passphrase: &str, claimed: u32) -> Vec<u8> {
    let clear = PKey::generate_ed25519().unwrap().private_key_to_pkcs8().unwrap();
    let (algorithm, data) = locked(&clear, passphrase, claimed);
    let key = sequence(&[&algorithm, &element(OCTET_STRING, &[&data])]);
    sequence(&[&sequence(&[&oid(name("1.2.840.113549.1.12.10.1.2")), &element(context(0), &[&key])])])
}

#[test]
fn a_cost_that_is_hidden_is_bounded_too() {
    for passphrase in ["specimen", ""] {
        let unlock = |bags: &[u8]| only(&hidden(bags, passphrase)).unlock(&pass(passphrase));
        assert!(unlock(&bag(passphrase, 1)).is_ok(), "the forger is wrong");
        assert_eq!(unlock(&bag(passphrase, 10_000_001)).unwrap_err(), UnlockError::TooCostly);
        // What the library would read and we do not.
        let long = [&[0x30, 0x84, 0, 0, 0][..], &bag(passphrase, 10_000_001)[1..]].concat();
        assert!(matches!(
            unlock(&long),
            Err(UnlockError::TooCostly | UnlockError::Broken | UnlockError::WrongPassphrase(_))
        ));
    }
    let wrong = only(&hidden(&bag("specimen", 1), "specimen")).unlock(&pass("another"));
    assert!(matches!(wrong, Err(UnlockError::WrongPassphrase(_))));
}

#[test]
fn what_is_too_much_is_not_read_to_its_end() {
    let certificate = include_str!("../../../../../keys/alice.pem");
    let many = certificate.repeat(101) + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(Key::parse_all(many.as_bytes()).unwrap_err(), CertificateError::TooMany(100));
}
