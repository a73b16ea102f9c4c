#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

//! Messages of libcrypto, of `openssl cms` and of gpgsm, and others made with one fault each.

mod envelopes;
mod forge;
mod forms;
mod people;
mod signatures;

use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    stack::Stack,
    symm::Cipher,
};

use super::*;
use crate::crypt::Verdict;
use people::{Person, at};

const ENTITY: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";

fn sign(person: &Person, options: CMSOptions) -> Vec<u8> {
    let key = person.secret();
    CmsContentInfo::sign(Some(&person.certificate().x509), Some(key), None, Some(ENTITY), options | CMSOptions::BINARY)
        .unwrap()
        .to_der()
        .unwrap()
}

fn encrypt(person: &Person, content: &[u8], cipher: Cipher) -> Vec<u8> {
    let mut certificates = Stack::new().unwrap();
    certificates.push(person.certificate().x509.clone()).unwrap();
    CmsContentInfo::encrypt(&certificates, content, cipher, CMSOptions::BINARY).unwrap().to_der().unwrap()
}

fn with<R>(keys: &[Key], pins: &Pins, what: impl FnOnce(&Reader<'_>) -> R) -> R {
    let authorities = Authorities::default();
    what(&Reader { keys, certificates: &[], authorities: &authorities, pins, at: at(), limit: 1 << 20 })
}

fn read(person: &Person, message: &[u8]) -> Result<Layer, OpenError> {
    let pins = [person.pin()];
    with(std::slice::from_ref(&person.key), &pins, |reader| reader.read(message))
}

fn opened(layer: Result<Layer, OpenError>) -> (Zeroizing<Vec<u8>>, bool) {
    match layer {
        Ok(Layer::Encrypted { plaintext, authenticated, .. }) => (plaintext, authenticated),
        Ok(_) => panic!("another layer"),
        Err(error) => panic!("{error:?}"),
    }
}

fn signed(layer: Result<Layer, OpenError>) -> (Zeroizing<Vec<u8>>, Result<Vec<SignatureFact>, BadReason>) {
    match layer {
        Ok(Layer::Signed { content, facts }) => (content, facts),
        Ok(_) => panic!("another layer"),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn what_libcrypto_signs_and_encrypts_is_opened_and_judged() {
    for person in [people::rsa(), people::p256()] {
        let inner = sign(person, CMSOptions::empty());
        for (cipher, tagged) in
            [(Cipher::aes_256_cbc(), false), (Cipher::aes_128_cbc(), false), (Cipher::aes_256_gcm(), true)]
        {
            let (plaintext, authenticated) = opened(read(person, &encrypt(person, &inner, cipher)));
            assert_eq!(authenticated, tagged);
            assert_eq!(*plaintext, inner);
        }
        let (content, facts) = signed(read(person, &inner));
        assert_eq!(*content, ENTITY);
        let facts = facts.unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!(facts[0].verdict, Verdict::Good, "{facts:?}");
        assert_eq!(facts[0].certificate.as_ref().unwrap().addresses, person.pin().1);
    }
}
