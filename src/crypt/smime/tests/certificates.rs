//! What is read of certificates, and what is not taken for one.
#![allow(clippy::unwrap_used)]

use openssl::{nid::Nid, pkey::PKey, stack::Stack};
use proptest::prelude::*;

use super::authority::{Ca, Wish, days, ec, now, revocations, rsa};
use crate::{
    crypt::{
        PublicCertificate,
        smime::{Announced, Capabilities, Certificate, CertificateError},
    },
    mail::Address,
};

const KIM: &str = "kim@example.org";

fn names(wish: &Wish) -> Vec<String> {
    wish.self_signed().certificate.addresses(now()).iter().map(Address::to_string).collect()
}

/// SubjectAltName of some GeneralNames in DER.
pub fn alternatives(names: &[Vec<u8>]) -> Wish {
    let mut wish = Wish::bare("Kim", ec());
    wish.raw.push(("2.5.29.17", false, element(0x30, &names.concat())));
    wish
}

fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut der = vec![tag, 0x81, u8::try_from(value.len()).unwrap()];
    if value.len() < 128 {
        der.remove(1);
    }
    der.extend(value);
    der
}

fn rfc822(address: &str) -> Vec<u8> {
    element(0x81, address.as_bytes())
}

pub fn utf8_mailbox(address: &str) -> Vec<u8> {
    let id = element(6, &[0x2b, 6, 1, 5, 5, 7, 8, 9]);
    element(0xa0, &[id, element(0xa0, &element(12, address.as_bytes()))].concat())
}

#[test]
fn addresses_are_those_of_all_kinds_each_once() {
    let mut wish = alternatives(&[
        rfc822("kim@Example.ORG"),
        rfc822("Kim@example.org"),
        rfc822("kim.lee@example.org"),
        utf8_mailbox("søren@example.org"),
        element(0x82, b"example.org"),
    ]);
    wish.subject.push(("emailAddress", "kim@example.org".to_owned()));
    wish.subject.push(("emailAddress", "old@example.org".to_owned()));
    assert_eq!(names(&wish), [KIM, "kim.lee@example.org", "søren@example.org", "old@example.org"]);
}

#[test]
fn what_only_resembles_an_address_is_none() {
    let odd = [
        "kim@example.org\0.evil.example",
        "kim\r\n@example.org",
        "kim\u{202e}@example.org",
        "Kim <kim@example.org>",
        "\"kim\"@example.org",
        "kim@example.org,lee@example.org",
        "sören@example.org",
        "@example.org",
        "kim",
        "",
    ];
    for odd in odd {
        assert_eq!(names(&alternatives(&[rfc822(odd)])), [""; 0], "{odd:?}");
    }
    // An ASCII address belongs into rfc822Name, a domain is in A-labels (RFC 9598, 3).
    for odd in ["kim@example.org", "søren@münchen.example", "søren@example.org\0", "so\u{308}ren@example.org"] {
        assert_eq!(names(&alternatives(&[utf8_mailbox(odd)])), [""; 0], "{odd:?}");
    }
}

#[test]
fn names_are_in_the_words_of_rfc_4514() {
    let mut wish = Wish::bare("Kim, Lee + \"Co\" ", ec());
    wish.subject.push(("O", "#1 Größe".to_owned()));
    wish.subject.push(("C", "DE".to_owned()));
    let certificate = wish.self_signed().certificate;
    assert_eq!(certificate.subject(), r#"C=DE,O=\#1 Größe,CN=Kim\, Lee \+ \"Co\"\ "#);
    assert_eq!(certificate.issuer(), certificate.subject());
    assert_eq!(certificate.serial(), "07");
    assert_eq!(Wish { serial: 0xabcd_ef12, ..wish }.self_signed().certificate.serial(), "ABCDEF12");
}

#[test]
fn keys_and_usages_are_named() {
    let leaf = |key| Wish::leaf(KIM).with_key(key).issued_by(&Ca::new().between).certificate;
    let rsa = leaf(rsa(2048));
    assert_eq!((rsa.algorithms().as_str(), rsa.weak_key(), rsa.usages()), ("RSA 2048", false, vec!["sign", "encrypt"]));
    let ec = leaf(ec());
    assert_eq!((ec.algorithms().as_str(), ec.weak_key()), ("EC P-256", false));
    let (ed, x) = (leaf(PKey::generate_ed25519().unwrap()), leaf(PKey::generate_x25519().unwrap()));
    assert_eq!((ed.algorithms().as_str(), ed.usages()), ("Ed25519", vec!["sign"]));
    assert_eq!((x.algorithms().as_str(), x.usages()), ("X25519", vec!["encrypt"]));
    let root = Ca::new().root.certificate;
    assert_eq!((root.is_authority(), root.usages(), ec.is_authority()), (true, vec!["certify"], false));
    assert_eq!((ec.created(), ec.expires(now())), (days(-365), Some(days(365))));
}

#[test]
fn capabilities_are_read_from_the_certificate_and_a_signature_counts_more() {
    // AES-256-GCM, RSAES-OAEP, and one that nobody knows with parameters.
    let gcm = element(0x30, &element(6, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 46]));
    let oaep = element(0x30, &element(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 7]));
    let other = element(0x30, &[element(6, &[0x2a, 3, 4]), element(2, &[5])].concat());
    let mut wish = Wish::leaf(KIM).with_key(rsa(2048));
    let plain = wish.self_signed().certificate;
    assert!(!plain.takes_gcm() && !plain.takes_oaep() && plain.capabilities().is_none());
    wish.raw.push(("1.2.840.113549.1.9.15", false, element(0x30, &[other, gcm, oaep].concat())));
    let certificate = wish.self_signed().certificate;
    assert!(certificate.takes_gcm() && certificate.takes_oaep());
    let learned = certificate
        .announcing(Announced { capabilities: Capabilities { cbc256: true, ..Capabilities::default() }, at: now() });
    assert!(!learned.takes_gcm() && !learned.takes_oaep());
    for broken in [vec![], vec![0x30, 0x80], vec![0x30, 3, 0x30, 1, 6], vec![0x31, 0]] {
        assert_eq!(Capabilities::from_der(&broken), None);
    }
}

#[test]
fn an_extension_stands_once_and_is_readable() {
    for der in [element(4, b"kim@example.org"), vec![0x30, 0x80, 0, 0], vec![]] {
        let mut wish = Wish::bare("Kim", ec());
        wish.raw.push(("2.5.29.17", false, der));
        assert!(std::panic::catch_unwind(|| wish.self_signed()).is_err());
    }
    let mut twice = Wish::leaf(KIM);
    twice.raw.push(("2.5.29.17", false, element(0x30, &rfc822("lee@example.org"))));
    assert!(std::panic::catch_unwind(|| twice.self_signed()).is_err());
}

#[test]
fn certificates_come_in_many_clothes() {
    let ca = Ca::new();
    let (root, leaf) = (ca.root.certificate.clone(), ca.leaf(KIM).certificate);
    let prints = |bytes: &[u8]| {
        let found = Certificate::parse_all(bytes).unwrap();
        found.iter().map(PublicCertificate::fingerprint).collect::<Vec<_>>()
    };
    let both = [root.fingerprint(), leaf.fingerprint()];
    assert_eq!(prints(&leaf.to_der()), both[1..]);
    let key = String::from_utf8(ec().private_key_to_pem_pkcs8().unwrap()).unwrap();
    let pem = format!("Bag Attributes\n  x: y\n{}{key}\r\n{}", root.to_pem(), leaf.to_pem().replace('\n', "\r\n"));
    assert_eq!(prints(pem.as_bytes()), both);
    let trusted = openssl::base64::encode_block(&[root.to_der(), vec![0x30, 0]].concat());
    let trusted = format!("-----BEGIN TRUSTED CERTIFICATE-----\n{trusted}\n-----END TRUSTED CERTIFICATE-----\n");
    assert_eq!(prints(trusted.as_bytes()), both[..1]);
    let mut others = Stack::new().unwrap();
    others.push(root.x509.clone()).unwrap();
    let signer = ca.leaf(KIM);
    let flags = openssl::pkcs7::Pkcs7Flags::BINARY;
    let bundle = openssl::pkcs7::Pkcs7::sign(&signer.certificate.x509, &signer.key, &others, b"x", flags).unwrap();
    let mut found = prints(&bundle.to_der().unwrap());
    assert_eq!(prints(&bundle.to_pem().unwrap()), found);
    found.sort();
    let mut expected = [root.fingerprint(), signer.certificate.fingerprint()];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_certificate_is_named() {
    let what = |bytes: &[u8]| match Certificate::parse_all(bytes) {
        Err(CertificateError::SomethingElse(what)) => what,
        other => panic!("{other:?}"),
    };
    let ca = Ca::new();
    let mut p12 = openssl::pkcs12::Pkcs12::builder();
    let p12 = p12.name("kim").pkey(&ca.root.key).cert(&ca.root.certificate.x509).build2("pw").unwrap();
    let mut request = openssl::x509::X509Req::builder().unwrap();
    request.set_pubkey(&ca.root.key).unwrap();
    request.sign(&ca.root.key, openssl::hash::MessageDigest::sha256()).unwrap();
    let request = request.build();
    assert_eq!(what(&p12.to_der().unwrap()), "a PKCS#12 file");
    assert_eq!(what(&request.to_der().unwrap()), "a certificate request");
    assert_eq!(what(&request.to_pem().unwrap()), "a certificate request");
    assert_eq!(what(&revocations(&ca.root, now(), days(1), &[])), "a revocation list");
    assert_eq!(what(&ca.root.key.private_key_to_pem_pkcs8().unwrap()), "a private key");
    assert_eq!(what(&ca.root.key.private_key_to_der().unwrap()), "a private key");
    assert_eq!(what(&rsa(1024).private_key_to_der().unwrap()), "a private key");
    assert_eq!(what(&ca.root.key.public_key_to_der().unwrap()), "a bare public key");
    assert_eq!(what(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxsBN\n"), "an OpenPGP certificate");
    assert_eq!(what(b"\x99\x01\x0d\x04"), "an OpenPGP certificate");
    assert_eq!(what(b"hello"), "text");
    let parse = |bytes: &[u8]| Certificate::parse_all(bytes).unwrap_err();
    assert_eq!(parse(b" \n"), CertificateError::Empty);
    assert_eq!(parse(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), CertificateError::Broken);
    assert_eq!(parse(b"-----BEGIN CERTIFICATE-----\n"), CertificateError::Broken);
    let der = ca.root.certificate.to_der();
    assert_eq!(parse(&[&*der, b"\0"].concat()), CertificateError::Broken);
    assert_eq!(parse(&der[..der.len() - 1]), CertificateError::Broken);
    assert_eq!(parse(&vec![b'x'; (64 << 20) + 1]), CertificateError::TooLarge(64 << 20));
}

#[test]
fn a_key_usage_out_of_reach_is_not_in_the_way() {
    // decipherOnly is the ninth bit.
    let wish = Wish::leaf(KIM).with(Nid::KEY_USAGE, "digitalSignature,decipherOnly");
    assert_eq!(wish.self_signed().certificate.usages(), ["sign"]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Certificate::parse_all(&bytes);
        let _ = Certificate::parse_all(&[&[0x30, 0x80], &*bytes].concat());
    }

    #[test]
    fn no_change_makes_it_panic(changes in proptest::collection::vec((0..400usize, any::<u8>()), 1..4)) {
        static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut der = DER.get_or_init(|| Ca::new().leaf(KIM).certificate.to_der()).clone();
        for (index, byte) in changes {
            if let Some(place) = der.get_mut(index) {
                *place = byte;
            }
        }
        if let Ok(found) = Certificate::parse_all(&der) {
            for one in found {
                let _ = (one.subject(), one.issuer(), one.serial(), one.algorithms(), one.usages(), one.addresses(now()));
            }
        }
    }
}
