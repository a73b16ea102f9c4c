//! What is sealed opens again here, and its signature is good.

use base64::{Engine, prelude::BASE64_STANDARD};
use openssl::{
    nid::Nid,
    pkey::{KeyType, PKey, Private},
};

use super::*;
use crate::crypt::{
    PayloadUse, PublicCertificate, SealError, Sealing, SignatureFact, Suite, Unusable, Verdict,
    smime::{
        Authorities, Capabilities, Certificate, ContentEncryption, Form, Grounds, Key, Layer, Reader, SignatureForm,
        Smime, key::Secret,
    },
};

use crate::mail::{Address, Field};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nLet's eat\r\n";

/// What the holder of a key reads.
fn read(message: &[u8], by: &Person) -> (Vec<u8>, bool) {
    let keys =
        [Key { secret: Secret::Open(by.key.clone()), certificate: Some(by.certificate.clone()), chain: Vec::new() }];
    match reader(&keys, &[]).read(&twin::decoded(&message[twin::header_end(message)..])) {
        Ok(Layer::Encrypted { plaintext, authenticated, opened_by, .. }) => {
            assert_eq!(opened_by, by.certificate.fingerprint());
            (plaintext.to_vec(), authenticated)
        }
        Ok(_) => panic!("it is not encrypted"),
        Err(error) => panic!("{error:?}"),
    }
}

fn reader<'a>(keys: &'a [Key], pins: &'a [(crate::crypt::Fingerprint, Vec<crate::mail::Address>)]) -> Reader<'a> {
    static NOBODY: std::sync::LazyLock<Authorities> = std::sync::LazyLock::new(Authorities::default);
    Reader { keys, certificates: &[], authorities: &NOBODY, pins, at: now(), limit: 1 << 20 }
}

/// What an opaque signature holds, and what is said of it.
fn verified(entity: &[u8], by: &Person) -> (Vec<u8>, SignatureFact) {
    let pins = [(by.certificate.fingerprint(), vec![address(by.name)])];
    match reader(&[], &pins).read(&twin::decoded(&entity[twin::header_end(entity)..])) {
        Ok(Layer::Signed { content, facts }) => (content.to_vec(), facts.unwrap().remove(0)),
        _ => panic!("it is not signed"),
    }
}

#[test]
fn every_recipient_opens() {
    let everybody = [
        person("rsa", rsa()),
        capable("oaep", rsa(), &Capabilities::ours()),
        for_oaep("only", rsa()),
        person("p256", ec(Nid::X9_62_PRIME256V1)),
        person("p384", ec(Nid::SECP384R1)),
        person("p521", ec(Nid::SECP521R1)),
        person("brainpool", ec(Nid::BRAINPOOL_P384R1)),
        person("x25519", PKey::generate_x25519().unwrap()),
        person("kem512", ml_kem(KeyType::ML_KEM_512)),
        person("kem768", ml_kem(KeyType::ML_KEM_768)),
        person("kem1024", ml_kem(KeyType::ML_KEM_1024)),
    ];
    assert!(everybody[2].certificate.takes_oaep());
    let to: Vec<&Person> = everybody.iter().collect();
    for content in [ContentEncryption::Cbc, ContentEncryption::Gcm] {
        let message = sealed(TEXT, None, &to, Form { content, ..Form::default() });
        for reader in &to {
            assert_eq!(read(&message, reader), (TEXT.to_vec(), content == ContentEncryption::Gcm), "{}", reader.name);
        }
    }
}

#[test]
fn what_libcrypto_encrypts_for_ml_kem_opens() {
    use openssl::{
        cms::{CMSOptions, CmsContentInfo},
        stack::Stack,
        symm::Cipher,
    };
    let bob = person("bob", ml_kem(KeyType::ML_KEM_1024));
    let mut to = Stack::new().unwrap();
    to.push(bob.certificate.x509.clone()).unwrap();
    for (cipher, tagged) in [(Cipher::aes_256_cbc(), false), (Cipher::aes_256_gcm(), true)] {
        let der = CmsContentInfo::encrypt(&to, TEXT, cipher, CMSOptions::BINARY).unwrap().to_der().unwrap();
        let message = [b"\r\n\r\n".to_vec(), BASE64_STANDARD.encode(&der).into_bytes()].concat();
        assert_eq!(read(&message, &bob), (TEXT.to_vec(), tagged));
    }
}

#[test]
fn every_signature_is_good() {
    let bob = person("bob", PKey::generate_x25519().unwrap());
    let keys: [PKey<Private>; 7] = [
        rsa(),
        pss(),
        ec(Nid::X9_62_PRIME256V1),
        ec(Nid::SECP384R1),
        ec(Nid::SECP521R1),
        PKey::generate_ed25519().unwrap(),
        ml_dsa(),
    ];
    for (number, key) in keys.into_iter().enumerate() {
        let alice = person("alice", key);
        let form = Form { signature: SignatureForm::Opaque, ..Form::default() };
        let (entity, _) = read(&sealed(TEXT, Some(&alice), &[&bob], form), &bob);
        let (content, fact) = verified(&entity, &alice);
        assert_eq!(content, TEXT);
        assert_eq!(fact.verdict, Verdict::Good, "{number} {fact:?}");
        assert_eq!(fact.created, Some(now()));
        assert_eq!(fact.certificate.unwrap().fingerprint, alice.certificate.fingerprint());
    }
}

#[test]
fn the_chain_goes_along_and_the_root_does_not() {
    let (alice, bob) = (person("alice", rsa()), person("bob", ec(Nid::X9_62_PRIME256V1)));
    let form = Form { signature: SignatureForm::Opaque, ..Form::default() };
    let (entity, _) = read(&sealed(TEXT, Some(&alice), &[&bob], form), &bob);
    let signed = twin::decoded(&entity[twin::header_end(&entity)..]);
    let holds = |certificate: &Certificate| {
        let der = certificate.to_der();
        signed.windows(der.len()).any(|window| window == der)
    };
    assert!(holds(&alice.certificate) && holds(&CA.between.certificate) && !holds(&CA.root.certificate));
}

#[test]
fn a_key_that_cannot_be_encrypted_to_or_signed_with_is_named() {
    let (alice, bob) = (person("alice", PKey::generate_x25519().unwrap()), person("bob", rsa()));
    let refused = try_seal(TEXT, Some(&alice.signer()), &[&bob], Form::default()).unwrap_err();
    assert!(matches!(refused, SealError::Signer(Unusable::CannotSign { fingerprint })
        if fingerprint == alice.certificate.fingerprint()));
    let carol = person("carol", PKey::generate_ed25519().unwrap());
    let refused = Smime::check(&carol.certificate, &Grounds::Pinned(Authorities::default()), now()).err();
    assert_eq!(refused, Some(Unusable::CannotEncrypt { fingerprint: carol.certificate.fingerprint() }));
    let dave = person("dave", ec(Nid::X9_62_PRIME192V1));
    let refused = Smime::check(&dave.certificate, &Grounds::Pinned(Authorities::default()), now()).err();
    assert!(matches!(refused, Some(Unusable::Weak { .. })), "{refused:?}");
}

/// Those are digested, encrypted and encoded at the same time, in several steps.
#[test]
fn large_payloads_come_back_whole_and_signed() {
    let bob = person("bob", rsa());
    let text: Vec<u8> = (0..9_000_000u32).map(|at| b"abcdef\r\n"[(at % 8) as usize]).collect();
    for (alice, form) in [("p384", SignatureForm::Detached), ("rsa", SignatureForm::Opaque)].map(|(kind, signature)| {
        let key = if kind == "rsa" { rsa() } else { ec(Nid::SECP384R1) };
        (person("alice", key), Form { signature, ..Form::default() })
    }) {
        let message = sealed(&text, Some(&alice), &[&bob], form);
        assert!(twin::verify(&read(&message, &bob).0, &alice).unwrap() == text, "{form:?}");
    }
}

/// Another group needs the payload too.
#[test]
fn a_borrowed_payload_stays_whole() {
    let (alice, bob) = (person("alice", ec(Nid::X9_62_PRIME256V1)), person("bob", rsa()));
    let payload = payload(TEXT);
    let seal = |subject: Option<&str>, unseen: &[Address]| {
        Smime::seal(Sealing {
            payload: PayloadUse::Borrowed(&payload),
            outer: &[Field::new("Subject", "Dinner at eight").unwrap(), Field::new("To", "bob@example.org").unwrap()],
            confidential_subject: subject,
            unseen,
            envelope: envelope(&[&bob]),
            recipients: &recipients(&[&bob]),
            signer: Some(&alice.signer()),
            form: Form { signature: SignatureForm::Opaque, ..Form::default() },
            at: now(),
            boundary: "=_b_=",
        })
    };
    for _ in 0..2 {
        let message: Vec<u8> = seal(None, &[address("alice")]).unwrap().pieces().flatten().copied().collect();
        assert_eq!(verified(&read(&message, &bob).0, &alice).0, TEXT);
    }
    // What the outside must not show.
    assert!(matches!(seal(Some("Dinner at eight"), &[]), Err(SealError::LastLook(_))));
    assert!(matches!(seal(None, &[address("bob")]), Err(SealError::LastLook(_))));
}
