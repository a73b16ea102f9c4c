//! What BER allows (X.690, 8), bounds, compression, and agreement with libcrypto.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use proptest::prelude::*;

use super::*;
use crate::crypt::smime::{
    asn1::der::{OCTET_STRING, SEQUENCE, algorithm, context, element, oid as named, sequence, small},
    asn1::oid,
    certificates_in,
};
use forge::octets;

/// The same bytes with every definite length made indefinite, strings in pieces, down to a depth.
fn indefinite(der: &[u8], depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut cursor = crate::crypt::smime::asn1::ber::Cursor::new(der);
    while !cursor.is_empty() {
        let one = cursor.next().unwrap();
        match one.tag {
            OCTET_STRING | 0x80 if depth > 0 && one.contents.len() > 1 && one.contents.len() != 20 => {
                let (begin, end) = one.contents.split_at(one.contents.len() / 2);
                let nested = [&[0x24, 0x80][..], &octets(begin), &[0, 0]].concat();
                let pieces = [&nested[..], &octets(b""), &[OCTET_STRING, 0x82, 0, end.len() as u8], end].concat();
                let fits = end.len() < 256;
                let pieces = if fits { pieces } else { [octets(begin), octets(end)].concat() };
                out.extend([&[one.tag | 0x20, 0x80][..], &pieces, &[0, 0]].concat());
            }
            tag if tag & 0x20 != 0 && depth > 0 => {
                out.extend([&[tag, 0x80][..], &indefinite(one.contents, depth - 1), &[0, 0]].concat());
            }
            _ => out.extend(one.raw),
        }
    }
    out
}

#[test]
fn ber_of_every_form_is_read() {
    let alice = people::rsa();
    for cipher in [Cipher::aes_256_cbc(), Cipher::aes_256_gcm()] {
        let message = encrypt(alice, ENTITY, cipher);
        for depth in 0..9 {
            let (plaintext, _) = opened(read(alice, &indefinite(&message, depth)));
            assert_eq!(&plaintext[..], ENTITY, "{depth}");
        }
    }
    let message = sign(alice, CMSOptions::empty());
    // Deeper than that are the signed attributes, which are DER by themselves.
    for depth in 0..6 {
        let (content, facts) = signed(read(alice, &indefinite(&message, depth)));
        assert_eq!(&content[..], ENTITY);
        assert_eq!(facts.unwrap()[0].verdict, Verdict::Good, "{depth}");
    }
}

#[test]
fn no_garbage_is_more_than_an_error() {
    let alice = people::rsa();
    let deep = [0x30, 0x80].repeat(200_000);
    let nested = [0x24, 0x80].repeat(200_000);
    let strings = sequence(&[&named(oid::DATA), &element(context(0), &[&nested])]);
    let long = [0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for bytes in [&deep[..], &nested, &strings, &long, b"", b"0", b"\x30\x80", b"\x30\x80\x00", b"From: a@b\r\n"] {
        assert!(matches!(read(alice, bytes), Err(OpenError::Malformed(_))), "{:?}", bytes.get(..9));
    }
    let whole = encrypt(alice, ENTITY, Cipher::aes_256_gcm());
    for length in 0..whole.len() {
        assert!(read(alice, &whole[..length]).is_err(), "{length}");
    }
    let behind = [&whole[..], b"x"].concat();
    assert_eq!(read(alice, &behind).err(), Some(OpenError::Undecryptable));
}

fn compressed(stream: &[u8]) -> Vec<u8> {
    let content = sequence(&[&named(oid::DATA), &element(context(0), &[&octets(stream)])]);
    forge::info(oid::COMPRESSED_DATA, &[&small(0), &algorithm(oid::ZLIB, &[]), &content])
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compression_is_undone_within_the_limit() {
    let alice = people::rsa();
    let stream = deflated(ENTITY);
    let Ok(Layer::Compressed { content }) = read(alice, &compressed(&stream)) else { panic!("not inflated") };
    assert_eq!(*content, ENTITY);
    // 1:1000.
    let bomb = deflated(&vec![0; 64 << 20]);
    assert_eq!(read(alice, &compressed(&bomb)).err(), Some(OpenError::Limit("its content is too large")));
    let rare = deflated(&vec![0; 20 << 20]);
    let roomy = with(&[], &[], |reader| Reader { limit: 64 << 20, ..*reader }.read(&compressed(&rare)).err());
    assert_eq!(roomy, Some(OpenError::Limit("its content is compressed more than mail can be")));
    for broken in [&stream[..stream.len() - 1], &[&stream[..], b"x"].concat(), b"", b"hello"] {
        assert!(matches!(read(alice, &compressed(broken)), Err(OpenError::Malformed(_))), "{broken:?}");
    }
}

#[test]
fn the_certificates_of_a_message_are_found() {
    let alice = people::rsa();
    let found = certificates_in(&sign(alice, CMSOptions::empty())).unwrap();
    assert_eq!(found.iter().map(Certificate::to_der).collect::<Vec<_>>(), [alice.certificate().to_der()]);
    assert!(certificates_in(&encrypt(alice, ENTITY, Cipher::aes_256_cbc())).is_err());
    assert!(certificates_in(&element(SEQUENCE, &[])).is_err());
}

/// Libcrypto's own verdict, the certificate aside.
fn twin(person: &Person, message: &[u8]) -> Option<Vec<u8>> {
    let mut certificates = Stack::new().unwrap();
    certificates.push(person.certificate().x509.clone()).unwrap();
    let mut content = Vec::new();
    let flags = CMSOptions::BINARY | CMSOptions::NOINTERN | CMSOptions::NO_SIGNER_CERT_VERIFY;
    let mut cms = CmsContentInfo::from_der(message).ok()?;
    cms.verify(Some(&certificates), None, None, Some(&mut content), flags).ok()?;
    Some(content)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// What is good here is good there, with the same content. What stands before the content is not looked at here:
    /// the digest algorithms of all signers.
    #[test]
    fn libcrypto_agrees(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ber in 0usize..5,
    ) {
        let alice = people::p256();
        let mut message = indefinite(&sign(alice, CMSOptions::CMS_NOCERTS), ber);
        let name = oid::DATA.as_bytes();
        let begin = message.windows(name.len()).position(|bytes| bytes == name).unwrap();
        for (at, change) in changes {
            let at = begin + at.index(message.len() - begin);
            message[at] ^= change;
        }
        let theirs = twin(alice, &message);
        if let Ok(Layer::Signed { content, facts: Ok(facts) }) = read(alice, &message)
            && facts.iter().all(|fact| fact.verdict == Verdict::Good)
            && !facts.is_empty()
        {
            prop_assert_eq!(Some(content.to_vec()), theirs);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(people::p256(), &bytes);
    }
}
