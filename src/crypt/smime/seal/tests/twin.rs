//! Agreement with libcrypto's own CMS, in the process.

use base64::{Engine, prelude::BASE64_STANDARD};
use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    nid::Nid,
    pkey::{KeyType, PKey},
    stack::Stack,
};
use proptest::prelude::*;

use super::*;
use crate::crypt::smime::{ContentEncryption, Form, SignatureForm};

/// Where the body begins.
pub(super) fn header_end(message: &[u8]) -> usize {
    message.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

/// The bytes that a body of base64 stands for.
pub(in crate::crypt::smime) fn decoded(body: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(digits).unwrap()
}

/// What libcrypto decrypts.
fn decrypt(message: &[u8], by: &Person) -> Vec<u8> {
    let der = decoded(&message[header_end(message)..]);
    let cms = CmsContentInfo::from_der(&der).unwrap();
    // DER is what it would have written.
    assert!(der.len() > 1 << 20 || cms.to_der().unwrap() == der);
    cms.decrypt(&by.key, &by.certificate.x509).unwrap()
}

/// The signed content of an entity that libcrypto takes for signed by somebody.
pub(super) fn verify(entity: &[u8], by: &Person) -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let head = std::str::from_utf8(&entity[..header_end(entity)]).unwrap();
    let (signature, content) = match head.split_once("boundary=\"").map(|(_, rest)| rest.split_once('"').unwrap().0) {
        Some(boundary) => {
            let delimiter = format!("--{boundary}\r\n");
            let begin = header_end(entity) + delimiter.len();
            assert_eq!(&entity[header_end(entity)..begin], delimiter.as_bytes());
            let between = format!("\r\n{delimiter}");
            let end = entity.windows(between.len()).rposition(|window| window == between.as_bytes()).unwrap();
            let part = &entity[end + between.len()..];
            let close = format!("\r\n--{boundary}--\r\n");
            let body = part.strip_suffix(close.as_bytes()).unwrap();
            (decoded(&body[header_end(body)..]), Some(&entity[begin..end]))
        }
        None => (decoded(&entity[header_end(entity)..]), None),
    };
    let mut cms = CmsContentInfo::from_der(&signature)?;
    assert_eq!(cms.to_der()?, signature);
    let mut certificates = Stack::new()?;
    certificates.push(by.certificate.x509.clone())?;
    let flags = CMSOptions::BINARY | CMSOptions::NOINTERN | CMSOptions::NO_SIGNER_CERT_VERIFY;
    let mut signed = Vec::new();
    cms.verify(Some(&certificates), None, content, Some(&mut signed), flags)?;
    Ok(signed)
}

#[test]
fn libcrypto_agrees_on_every_signature() {
    let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
    let keys = [rsa(), pss(), ec(Nid::SECP384R1), PKey::generate_ed25519().unwrap(), ml_dsa()];
    for (number, key) in keys.into_iter().enumerate() {
        let alice = person("alice", key);
        for signature in [SignatureForm::Detached, SignatureForm::Opaque] {
            let form = Form { content: ContentEncryption::Gcm, signature };
            let message = sealed(b"Subject: x\r\n\r\nhello\r\n", Some(&alice), &[&bob], form);
            let entity = decrypt(&message, &bob);
            assert_eq!(verify(&entity, &alice).unwrap(), b"Subject: x\r\n\r\nhello\r\n", "{number} {form:?}");
            let other = person("alice", ec(Nid::X9_62_PRIME256V1));
            assert!(verify(&entity, &other).is_err());
        }
    }
}

#[test]
fn libcrypto_opens_for_ml_kem() {
    let bob = person("bob", ml_kem(KeyType::ML_KEM_768));
    for content in [ContentEncryption::Cbc, ContentEncryption::Gcm] {
        let message = sealed(b"hello\r\n", None, &[&bob], Form { content, ..Form::default() });
        assert_eq!(decrypt(&message, &bob), b"hello\r\n");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_length_comes_back(length in prop_oneof![0usize..70, 65_500usize..65_600, 131_050usize..131_100, 0usize..200_000],
                               opaque: bool, gcm: bool, signed: bool) {
        let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
        let alice = person("alice", ec(Nid::X9_62_PRIME256V1));
        let bytes: Vec<u8> = (0..length).map(|at| b"abcdefg\n"[at % 8]).collect();
        let signature = if opaque { SignatureForm::Opaque } else { SignatureForm::Detached };
        let content = if gcm { ContentEncryption::Gcm } else { ContentEncryption::Cbc };
        let message = sealed(&bytes, signed.then_some(&alice), &[&bob], Form { content, signature });
        let entity = decrypt(&message, &bob);
        let opened = if signed { verify(&entity, &alice).unwrap() } else { entity };
        prop_assert!(opened == bytes);
    }
}
