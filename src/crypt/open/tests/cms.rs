#![allow(clippy::unwrap_used)]

//! The rules of opening in S/MIME: layers made by libcrypto with the specimen keys, put together wrongly by hand.

use std::sync::OnceLock;

use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    pkcs12::{ParsedPkcs12_2, Pkcs12},
    stack::Stack,
    symm::Cipher,
    x509::X509,
};
use serde_json::Value;

use super::super::*;
use crate::crypt::smime::{Authorities, Key};

const OUTER: &str = "From: Alice <alice@example.test>\r\nTo: bob@example.test\r\nSubject: outside\r\n";
const TEXT: &str = "Content-Type: text/plain\r\n\r\nhello\r\n";

fn parsed(bytes: &[u8]) -> ParsedPkcs12_2 {
    Pkcs12::from_der(bytes).unwrap().parse2("specimen").unwrap()
}

fn alice() -> &'static ParsedPkcs12_2 {
    static ALICE: OnceLock<ParsedPkcs12_2> = OnceLock::new();
    ALICE.get_or_init(|| parsed(include_bytes!("../../../../keys/alice.p12")))
}

fn dave() -> &'static ParsedPkcs12_2 {
    static DAVE: OnceLock<ParsedPkcs12_2> = OnceLock::new();
    DAVE.get_or_init(|| parsed(include_bytes!("../../../../keys/dave.p12")))
}

fn bob() -> &'static [Key] {
    static BOB: OnceLock<Vec<Key>> = OnceLock::new();
    BOB.get_or_init(|| {
        let keys = Key::parse_all(include_bytes!("../../../../keys/bob.p12")).unwrap();
        keys.iter().map(|key| key.unlock(&Zeroizing::new("specimen".to_owned())).unwrap()).collect()
    })
}

fn base64(der: &[u8]) -> String {
    let line = openssl::base64::encode_block(der);
    line.as_bytes().chunks(76).map(|line| format!("{}\r\n", str::from_utf8(line).unwrap())).collect()
}

fn pkcs7(kind: &str, der: &[u8]) -> String {
    let head = "Content-Type: application/pkcs7-mime";
    format!("{head}{kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", base64(der))
}

fn signature(by: &ParsedPkcs12_2, entity: &str, options: CMSOptions) -> Vec<u8> {
    let mut chain = Stack::new().unwrap();
    for one in by.ca.iter().flatten() {
        chain.push(one.to_owned()).unwrap();
    }
    let (certificate, key) = (by.cert.as_deref(), by.pkey.as_deref());
    let options = options | CMSOptions::BINARY;
    let signed = CmsContentInfo::sign(certificate, key, Some(&chain), Some(entity.as_bytes()), options);
    signed.unwrap().to_der().unwrap()
}

fn opaque(entity: &str) -> String {
    pkcs7("; smime-type=signed-data", &signature(alice(), entity, CMSOptions::empty()))
}

fn detached(entity: &str) -> String {
    multipart(entity, &signature(alice(), entity, CMSOptions::DETACHED))
}

fn multipart(entity: &str, der: &[u8]) -> String {
    format!(
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=sig-nature\r\n\r\n--sig-nature\r\n{entity}\r\n--sig-nature\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--sig-nature--\r\n",
        base64(der)
    )
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &length, contents].concat()
}

/// CompressedData (RFC 3274).
fn compressed(entity: &str) -> String {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, entity.as_bytes()).unwrap();
    let octets = element(0xa0, &element(0x04, &encoder.finish().unwrap()));
    let content = element(0x30, &[&b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"[..], &octets].concat());
    let zlib = b"\x30\x0d\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08";
    let data = element(0x30, &[&b"\x02\x01\x00"[..], zlib, &content].concat());
    let name = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09";
    pkcs7("; smime-type=compressed-data", &element(0x30, &[&name[..], &element(0xa0, &data)].concat()))
}

fn encrypted(entity: &[u8], cipher: Cipher) -> Vec<u8> {
    let mut to = Stack::new().unwrap();
    to.push(X509::from_pem(include_bytes!("../../../../keys/bob.pem")).unwrap()).unwrap();
    CmsContentInfo::encrypt(&to, entity, cipher, CMSOptions::BINARY).unwrap().to_der().unwrap()
}

fn cbc(entity: &str) -> String {
    pkcs7("; smime-type=enveloped-data", &encrypted(entity.as_bytes(), Cipher::aes_256_cbc()))
}

fn gcm(entity: &str) -> String {
    pkcs7("; smime-type=authEnveloped-data", &encrypted(entity.as_bytes(), Cipher::aes_256_gcm()))
}

/// Just after the signatures that are made here.
fn at() -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_secs(60)
}

fn authorities() -> Authorities {
    let mut authorities = Authorities::default();
    authorities.add_anchors(include_bytes!("../../../../keys/ca.pem")).unwrap();
    authorities
}

fn opened(entity: &str) -> Result<Value, OpenError> {
    let released = released(entity, &Requirement::None)?.unwrap();
    Ok(serde_json::to_value(released.report(None)).unwrap())
}

fn released(entity: &str, requirement: &Requirement) -> Result<Result<Released, Withheld>, OpenError> {
    let (at, authorities) = (at(), authorities());
    let pgp = pgp::Reader { keys: &[], lent: &[], certificates: &[], at, limit: 1 << 20 };
    let smime =
        smime::Reader { keys: bob(), certificates: &[], authorities: &authorities, pins: &[], at, limit: 1 << 20 };
    let message = format!("{OUTER}{entity}").into_bytes();
    open_for(message, &Readers { pgp, smime, doubt: &|_, _, _| None }, requirement, at)
}

fn json(entity: &str) -> Value {
    opened(entity).unwrap()
}

fn warnings(json: &Value) -> Vec<&str> {
    json["warnings"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect()
}

/// State, reason and what is covered.
fn state(json: &Value) -> [&str; 3] {
    ["state", "reason", "covers"].map(|key| json["signature"][key].as_str().unwrap_or("-"))
}

const GOOD: [&str; 3] = ["good", "-", "message"];
const NONE: [&str; 3] = ["none", "-", "none"];

#[test]
fn signed_inside_encrypted_is_good_in_every_form() {
    for signed in [opaque(TEXT), detached(TEXT)] {
        for sealed in [cbc(&signed), gcm(&signed)] {
            let json = json(&sealed);
            assert_eq!((&json["suite"], &json["encrypted"]), (&"smime".into(), &true.into()));
            assert_eq!(state(&json), GOOD, "{json}");
            assert_eq!(json["signature"]["signers"][0]["address"], "alice@example.test");
            assert_eq!(json["body"]["text"], "hello\n");
            assert_eq!(warnings(&json), [""; 0]);
        }
    }
    let only = json(&opaque(TEXT));
    assert_eq!((&only["encrypted"], state(&only)), (&false.into(), GOOD));
    assert_eq!(only["headers"]["subject"]["protection"], "unprotected");
}

#[test]
fn what_it_is_called_does_not_matter() {
    let (signed, sealed) =
        (signature(alice(), TEXT, CMSOptions::empty()), encrypted(TEXT.as_bytes(), Cipher::aes_256_gcm()));
    for kind in
        ["", "; smime-type=enveloped-data", "; smime-type=certs-only", "; name=smime.p7s", "; smime-type=signed-data"]
    {
        assert_eq!(state(&json(&pkcs7(kind, &signed))), GOOD, "{kind}");
        assert_eq!(json(&pkcs7(kind, &sealed))["encrypted"], true, "{kind}");
    }
    let older = opaque(TEXT).replace("application/pkcs7", "application/x-pkcs7");
    assert_eq!(state(&json(&older)), GOOD);
    let older = detached(TEXT).replace("application/pkcs7", "application/x-pkcs7");
    assert_eq!(state(&json(&older)), GOOD);
}

#[test]
fn encryption_in_cbc_mode_proves_nothing_without_a_good_signature() {
    let alone = json(&cbc(TEXT));
    assert_eq!((state(&alone), warnings(&alone)), (NONE, vec!["unauthenticated-encryption"]));
    assert_eq!(warnings(&json(&gcm(TEXT))), [""; 0]);
    let bad = multipart(TEXT, &signature(alice(), "another", CMSOptions::DETACHED));
    let bad = json(&cbc(&bad));
    assert_eq!((state(&bad), warnings(&bad)), (["bad", "invalid", "none"], vec!["unauthenticated-encryption"]));
    let old = json(&pkcs7("", &encrypted(TEXT.as_bytes(), Cipher::des_ede3_cbc())));
    assert_eq!(warnings(&old), ["weak-key", "unauthenticated-encryption"]);
}

#[test]
fn whoever_requires_a_signature_learns_nothing_of_a_changed_ciphertext_in_cbc_mode() {
    let requirement = Requirement::SignedBy(Address::parse("alice@example.test").unwrap());
    for signed in [opaque(TEXT), detached(TEXT), TEXT.to_owned()] {
        let whole = encrypted(signed.as_bytes(), Cipher::aes_256_cbc());
        let good = released(&pkcs7("", &whole), &requirement).unwrap();
        assert_eq!(good.is_ok(), signed != TEXT);
        let mut told = Vec::new();
        // Headers, content, the padding, and all of the last block.
        let begin = whole.len() - (signed.len() / 16 + 1) * 16;
        let places = (begin..whole.len()).step_by(37).chain(whole.len() - 33..whole.len());
        for place in places {
            let mut changed = whole.clone();
            changed[place] ^= 0x80;
            match released(&pkcs7("", &changed), &requirement) {
                // What no signature covers, such as the armor around it.
                Ok(Ok(_)) => assert_ne!(signed, TEXT),
                Ok(Err(withheld)) => told.push(serde_json::to_string(&withheld.report(None)).unwrap()),
                Err(error) => panic!("{place}: {error}"),
            }
        }
        assert!(told.len() > 30);
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
    }
    // Other failures are what they are, and so is what a signature is over.
    let mut changed = encrypted(opaque(TEXT).as_bytes(), Cipher::aes_256_gcm());
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(released(&pkcs7("", &changed), &requirement).err(), Some(OpenError::Undecryptable));
    let other = Requirement::SignedBy(Address::parse("bob@example.test").unwrap());
    let withheld = released(&cbc(&opaque(TEXT)), &other).unwrap().unwrap_err();
    assert_eq!(withheld.summary().signature.state, State::Good);
}

#[test]
fn what_cbc_mode_gives_must_be_an_entity() {
    for garbage in
        [&b"hello"[..], b"", b"\r\n\r\nhello", b"\x07\x81: x\r\n\r\n", b"no field\r\n\r\n", b"A: b\r\n\xff: c\r\n\r\n"]
    {
        let sealed = pkcs7("", &encrypted(garbage, Cipher::aes_256_cbc()));
        assert_eq!(opened(&sealed).unwrap_err(), OpenError::Undecryptable, "{garbage:?}");
    }
    let folded = "Content-Type: text/plain;\r\n\tcharset=utf-8\r\n\r\nhello\r\n";
    assert_eq!(json(&cbc(folded))["body"]["text"], "hello\n");
}

#[test]
fn triple_wrapping_counts_the_inner_signature() {
    for (inner, outer) in [(opaque(TEXT), opaque as fn(&str) -> String), (detached(TEXT), detached)] {
        let triple = json(&outer(&gcm(&inner)));
        assert_eq!((state(&triple), warnings(&triple)), (GOOD, vec!["outer-signature"]));
    }
    let outer = json(&opaque(&gcm(TEXT)));
    assert_eq!((state(&outer), warnings(&outer)), (NONE, vec!["outer-signature"]));
    assert_eq!(outer["encrypted"], true);
    let twice = json(&gcm(&opaque(&opaque(TEXT))));
    assert_eq!(state(&twice), ["bad", "several-layers", "none"]);
    let mut deep = TEXT.to_owned();
    for _ in 0..10 {
        deep = gcm(&deep);
    }
    assert!(matches!(opened(&deep), Err(OpenError::Limit(_))));
}

#[test]
fn who_signs_must_be_who_writes() {
    let by_dave = pkcs7("", &signature(dave(), TEXT, CMSOptions::empty()));
    assert_eq!(state(&json(&by_dave)), ["bad", "wrong-signer", "none"]);
    let two = opened(&format!("From: dave@example.test\r\n{}", opaque(TEXT))).unwrap();
    assert_eq!(state(&two), ["bad", "several-from", "none"]);
}

#[test]
fn a_signature_with_a_content_of_its_own_is_malformed() {
    // One text is shown, another signed.
    let both = multipart(TEXT, &signature(alice(), TEXT, CMSOptions::empty()));
    assert_eq!(state(&json(&both)), ["bad", "malformed", "none"]);
    let hidden =
        json(&multipart("Content-Type: text/plain\r\n\r\nshown\r\n", &signature(alice(), TEXT, CMSOptions::empty())));
    assert_eq!(state(&hidden), ["bad", "malformed", "none"]);
    let garbage = json(&multipart(TEXT, b"garbage"));
    assert_eq!(state(&garbage), ["bad", "malformed", "none"]);
    let empty = json(&multipart(TEXT, b""));
    assert_eq!(state(&empty), ["bad", "missing", "none"]);
}

#[test]
fn deeper_layers_are_errant() {
    let mixed = |part: &str| {
        format!(
            "Content-Type: multipart/mixed; boundary=mixed-up\r\n\r\n--mixed-up\r\n{TEXT}\r\n--mixed-up\r\n{part}\r\n--mixed-up--\r\n"
        )
    };
    for layer in [cbc(TEXT), gcm(TEXT), opaque(TEXT)] {
        let json = json(&mixed(&layer));
        assert_eq!((state(&json), &json["encrypted"]), (NONE, &false.into()));
        assert_eq!(warnings(&json), ["errant-layer"]);
    }
    let part = json(&mixed(&detached(TEXT)));
    assert_eq!((state(&part), warnings(&part)), (["none", "-", "part"], vec!["errant-layer"]));
    assert_eq!(part["signature"]["signers"][0]["address"], "alice@example.test");
    let forwarded = json(&mixed(&format!("Content-Type: message/rfc822\r\n\r\n{OUTER}{}", detached(TEXT))));
    assert_eq!(state(&forwarded), NONE);
    let inside = json(&gcm(&mixed(&gcm(TEXT))));
    assert_eq!((&inside["encrypted"], warnings(&inside)), (&true.into(), vec!["errant-layer"]));
}

#[test]
fn certificates_alone_are_no_layer() {
    // SignedData without a content and without signers.
    let whole = signature(alice(), TEXT, CMSOptions::empty());
    let certificates = smime::certificates_in(&whole).unwrap();
    assert_eq!(certificates.len(), 2);
    let pile = certificates.iter().flat_map(smime::Certificate::to_der).collect::<Vec<u8>>();
    let data = b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let signed = [&b"\x02\x01\x01\x31\x00"[..], data, &element(0xa0, &pile), b"\x31\x00"].concat();
    let name = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    let bundle = element(0x30, &[&name[..], &element(0xa0, &element(0x30, &signed))].concat());
    let json = json(&pkcs7("; smime-type=certs-only; name=smime.p7c", &bundle));
    assert_eq!((state(&json), warnings(&json), &json["suite"]), (NONE, vec![], &Value::Null));
    assert_eq!(json["attachments"][0]["name"], "smime.p7c");
}

#[test]
fn what_is_no_cms_is_malformed() {
    assert!(matches!(opened(&pkcs7("", b"garbage")), Err(OpenError::Malformed(_))));
    assert!(matches!(opened(&gcm(&pkcs7("", b"garbage"))), Err(OpenError::Malformed(_))));
    let mut broken = encrypted(TEXT.as_bytes(), Cipher::aes_256_gcm());
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(opened(&pkcs7("", &broken)).unwrap_err(), OpenError::Undecryptable);
}

#[test]
fn the_reason_is_told_in_words() {
    let changed = json(&multipart(TEXT, &signature(alice(), "another", CMSOptions::DETACHED)));
    assert_eq!(changed["signature"]["detail"], "its content was changed");
    assert_eq!(json(&opaque(TEXT))["signature"]["detail"], Value::Null);
}

#[test]
fn a_signed_message_introduces_its_signer() {
    let (at, authorities) = (at(), authorities());
    let reader =
        smime::Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &[], at, limit: 1 << 20 };
    let introduced = |entity: &str| super::super::introduced(format!("{OUTER}{entity}").as_bytes(), &reader);
    for signed in [opaque(TEXT), detached(TEXT)] {
        let brought = introduced(&signed).unwrap();
        assert_eq!(brought.len(), 2);
        // What libcrypto announces.
        let learned = brought.iter().filter(|one| one.capabilities().is_some_and(|all| all.cbc256 && !all.gcm256));
        let named: Vec<_> = learned.flat_map(|one| one.addresses(at)).map(|address| address.to_string()).collect();
        assert_eq!(named, ["alice@example.test"]);
    }
    let bad = introduced(&multipart(TEXT, &signature(alice(), "another", CMSOptions::DETACHED))).unwrap();
    assert!(bad.iter().all(|one| one.capabilities().is_none()));
    assert!(introduced(TEXT).is_none() && introduced(&gcm(&opaque(TEXT))).is_none());
}

#[test]
fn compression_adds_nothing_and_takes_nothing_away() {
    let alone = json(&compressed(TEXT));
    assert_eq!((state(&alone), &alone["encrypted"], &alone["suite"]), (NONE, &false.into(), &Value::Null));
    assert_eq!(alone["body"]["text"], "hello\n");
    for inside in [compressed(&opaque(TEXT)), opaque(&compressed(TEXT)), detached(&compressed(TEXT))] {
        assert_eq!(state(&json(&inside)), GOOD);
        assert_eq!(state(&json(&gcm(&inside))), GOOD);
        assert_eq!(warnings(&json(&cbc(&inside))), [""; 0]);
    }
    let twice = json(&opaque(&compressed(&opaque(TEXT))));
    assert_eq!(state(&twice), ["bad", "several-layers", "none"]);
    let bomb = compressed(&format!("Content-Type: text/plain\r\n\r\n{}", "0".repeat(2 << 20)));
    assert!(matches!(opened(&bomb), Err(OpenError::Limit(_))));
    let mut deep = TEXT.to_owned();
    for _ in 0..10 {
        deep = compressed(&deep);
    }
    assert!(matches!(opened(&deep), Err(OpenError::Limit(_))));
}
