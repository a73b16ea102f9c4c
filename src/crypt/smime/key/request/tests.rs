//! Keys that are made, as `openssl` sees them, and an authority's answer.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, process::Command};

use zeroize::Zeroizing;

use super::*;
use crate::crypt::{PublicCertificate, Strength};

fn at() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

fn lock(key: &Key) -> Key {
    key.lock(&Zeroizing::new("correct horse".to_owned()), Strength::Generated).unwrap()
}

fn openssl(folder: &Path, arguments: &str) -> String {
    let run = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn a_request_is_answered_and_the_key_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let ca = "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=root -days 30";
    openssl(folder.path(), ca);
    fs::write(path("ext"), "subjectAltName=email:kim@example.test\nextendedKeyUsage=emailProtection").unwrap();
    for (algorithm, words, usage) in [
        (Algorithm::Rsa3072, "RSA 3072", "Key Encipherment"),
        (Algorithm::P256, "EC P-256", "Key Agreement"),
        (Algorithm::P384, "EC P-384", "Key Agreement"),
    ] {
        let (key, request) = Key::make(&mailbox("Kim <kim@example.test>"), algorithm).unwrap();
        assert!(Waiting::new(key.clone(), &request).is_err(), "never stored unlocked");
        let waiting = Waiting::new(lock(&key), &request).unwrap();
        assert_eq!(waiting.addresses(), [Address::parse("kim@example.test").unwrap()]);
        assert_eq!(waiting.algorithms(), words);
        assert_eq!(waiting.request(), request);
        let again = Waiting::parse(waiting.to_pem().unwrap().as_bytes()).unwrap();
        assert_eq!((again.id(), again.to_pem().unwrap()), (waiting.id(), waiting.to_pem().unwrap()));

        fs::write(path("kim.csr"), &request).unwrap();
        let text = openssl(folder.path(), "req -in kim.csr -noout -text -verify");
        for part in ["CN = Kim", "email:kim@example.test", "Digital Signature", usage, "E-mail Protection"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        openssl(folder.path(), "x509 -req -in kim.csr -CA ca.pem -CAkey ca.key -days 30 -extfile ext -out kim.pem");
        let read = |name: &str| Certificate::parse_all(&fs::read(path(name)).unwrap()).unwrap();
        assert!(waiting.complete(&read("ca.pem"), &[]).is_none());
        fs::write(path("other-ext"), "subjectAltName=email:mallory@example.test\n").unwrap();
        openssl(
            folder.path(),
            "x509 -req -in kim.csr -CA ca.pem -CAkey ca.key -days 30 -extfile other-ext -out other.pem",
        );
        assert!(waiting.complete(&read("other.pem"), &[]).is_none(), "of the same key, and for another address");
        let whole = waiting.complete(&read("kim.pem"), &read("ca.pem")).unwrap();
        assert_eq!(whole.chain().len(), 1);
        let open = whole.unlock(&Zeroizing::new("correct horse".to_owned())).unwrap();
        assert_eq!(open.fingerprint().unwrap(), read("kim.pem")[0].fingerprint());
        assert!(open.signer(Timestamp::now()).is_ok());
    }
}

#[test]
fn a_certificate_of_its_own_lasts_two_years_and_is_no_authority() {
    for algorithm in [Algorithm::Rsa3072, Algorithm::P256, Algorithm::P384] {
        let key = Key::make_self_signed(&mailbox("Kim <kim@example.test>"), algorithm, at()).unwrap();
        let certificate = key.certificate().unwrap();
        assert_eq!(certificate.addresses(at()), [Address::parse("kim@example.test").unwrap()]);
        assert!(!certificate.is_authority());
        assert_eq!(certificate.usages(), ["sign", "encrypt"]);
        assert_eq!(certificate.created(), at());
        let expires = certificate.expires(at()).unwrap();
        assert_eq!(expires.as_second() - at().as_second(), VALIDITY);
        let signer = key.signer(at()).unwrap();
        assert!(signer.chain.is_empty());
        assert!(key.signer(expires + jiff::SignedDuration::from_secs(1)).is_err());
        assert!(key.signer(at() - jiff::SignedDuration::from_secs(1)).is_err());
    }
}

#[test]
fn names_cannot_add_to_what_is_asked_for() {
    let long = format!("{}@example.test", "a".repeat(60));
    for text in [
        "\"kim,DNS:evil.example\"@example.test",
        "J\u{fc}rgen <j\u{fc}rgen@b\u{fc}cher.example>",
        "\"CN=evil/emailAddress=evil@example.org\" <kim@example.test>",
        &long,
    ] {
        let mailbox = mailbox(text);
        let (key, request) = Key::make(&mailbox, Algorithm::P256).unwrap();
        let waiting = Waiting::new(lock(&key), &request).unwrap();
        assert_eq!(waiting.addresses(), std::slice::from_ref(&mailbox.address), "{text}");
        let own = Key::make_self_signed(&mailbox, Algorithm::P256, at()).unwrap();
        assert_eq!(own.certificate().unwrap().addresses(at()), [mailbox.address], "{text}");
    }
}

#[test]
fn damage_is_told() {
    let (key, request) = Key::make(&mailbox("kim@example.test"), Algorithm::P256).unwrap();
    let (_, other) = Key::make(&mailbox("lee@example.test"), Algorithm::P256).unwrap();
    let locked = lock(&key);
    let pem = Waiting::new(locked.clone(), &request).unwrap().to_pem().unwrap();
    for broken in
        [String::new(), request.clone(), locked.to_pem().unwrap(), pem.clone() + &other, pem[..400].to_owned()]
    {
        assert!(Waiting::parse(broken.as_bytes()).is_err());
    }
    // a request that its own key did not sign
    let mut forged = Waiting::parse(pem.as_bytes()).unwrap();
    if let Some(last) = forged.request.last_mut() {
        *last ^= 1;
    }
    assert!(Waiting::parse(forged.to_pem().unwrap().as_bytes()).is_err());
}
