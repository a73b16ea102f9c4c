//! What `openssl cms` encrypts, and what stands on the way through any bytes.

use std::process::{Command, Stdio};

use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    nid::Nid,
    pkey::KeyType,
    stack::Stack,
    symm::Cipher,
};
use proptest::prelude::*;

use super::*;
use crate::crypt::smime::Form;

/// What `openssl cms -encrypt` makes of a text, with CRLF line breaks.
fn encrypted(options: &str, to: &[&Person]) -> Vec<u8> {
    let folder = tempfile::Builder::new().prefix("look").tempdir().unwrap();
    let mut command = Command::new("openssl");
    command.args(["cms", "-encrypt", "-from", "alice@example.org", "-subject", "x"]).args(options.split(' '));
    for person in to {
        let path = folder.path().join(person.name);
        std::fs::write(&path, person.certificate.to_pem()).unwrap();
        command.arg(path);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("openssl is installed");
    child.stdin.take().unwrap().write_all(TEXT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{options}");
    String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
}

#[test]
fn what_openssl_encrypts_passes() {
    let people = [person("bob", rsa()), person("carol", ec(Nid::X9_62_PRIME256V1)), person("dave", ec(Nid::SECP384R1))];
    let all: Vec<&Person> = people.iter().collect();
    for to in [&all[..1], &all[1..2], &all] {
        for options in ["-aes256", "-aes128", "-aes-256-gcm", "-aes-128-gcm", "-aes256 -stream", "-aes256 -binary"] {
            let message = encrypted(options, to);
            assert_eq!(parse(&message, to), Ok(()), "{options} {}", to.len());
        }
    }
    // Ciphers that no longer protect, or whom it is for in a way that does not say which certificate.
    for options in ["-des3", "-camellia256", "-aes256 -keyid", "-aes192", "-aes256 -outform PEM"] {
        let message = encrypted(options, &all[1..2]);
        assert!(parse(&message, &all[1..2]).is_err(), "{options}");
    }
    for options in ["-aes256 -secretkey 00112233445566778899aabbccddeeff -secretkeyid 01", "-aes256 -pwri_password x"] {
        let message = encrypted(options, &all[..1]);
        assert!(parse(&message, &all[..1]).is_err(), "{options}");
    }
}

#[test]
fn what_libcrypto_encrypts_passes() {
    let (bob, carol) = (person("bob", rsa()), person("carol", ec(Nid::SECP521R1)));
    let dave = person("dave", ml_kem(KeyType::ML_KEM_768));
    let mut to = Stack::new().unwrap();
    to.push(bob.certificate.x509.clone()).unwrap();
    to.push(carol.certificate.x509.clone()).unwrap();
    to.push(dave.certificate.x509.clone()).unwrap();
    let header = |kind: &str| {
        format!(
            "From: alice@example.org\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type={kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
    };
    for (cipher, kind) in [(Cipher::aes_256_cbc(), "enveloped-data"), (Cipher::aes_256_gcm(), "authEnveloped-data")] {
        let cms = CmsContentInfo::encrypt(&to, TEXT, cipher, CMSOptions::BINARY).unwrap();
        let message = wire(header(kind).as_bytes(), &cms.to_der().unwrap());
        assert_eq!(parse(&message, &[&bob, &carol, &dave]), Ok(()), "{kind}");
        assert!(parse(&message, &[&bob, &carol]).is_err());
    }
}

/// The same message with lengths that are not given before.
fn indefinite(parts: &Parts) -> Vec<u8> {
    let open = |tag: u8, contents: &[&[u8]]| [&[tag, 0x80][..], &contents.concat(), &[0, 0]].concat();
    // Short enough for two octets in front.
    let octets = parts.ciphertext[2..].to_vec();
    let (one, two) = octets.split_at(5);
    let fragments = [element(der::OCTET_STRING, &[one]), element(der::OCTET_STRING, &[two])].concat();
    let encrypted = open(der::SEQUENCE, &[&parts.data, &parts.algorithm, &open(0xa0, &[&fragments])]);
    let infos = open(der::SET, &[&parts.infos.concat()]);
    let enveloped = open(der::SEQUENCE, &[&parts.version, &infos, &encrypted, &parts.tail]);
    open(der::SEQUENCE, &[&parts.kind, &open(context(0), &[&enveloped])])
}

#[test]
fn lengths_need_not_be_given_before() {
    let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
    let parts = Parts::of(&sealed(b"hello", None, &[&bob], Form::default()));
    let whole = indefinite(&parts);
    assert_eq!(parse(&wire(&parts.header, &whole), &[&bob]), Ok(()));
    for end in 0..whole.len() {
        assert!(parse(&wire(&parts.header, &whole[..end]), &[&bob]).is_err(), "{end}");
    }
    assert!(parse(&wire(&parts.header, &[whole, vec![0, 0]].concat()), &[&bob]).is_err());
}

#[test]
fn what_is_cut_is_refused() {
    let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
    let parts = Parts::of(&sealed(b"hello", None, &[&bob], Form::default()));
    let whole = parts.der();
    for end in 0..whole.len() {
        assert!(parse(&wire(&parts.header, &whole[..end]), &[&bob]).is_err(), "{end}");
    }
}

proptest! {
    /// Whatever a byte becomes: it is refused, or it is part of what only a key opens.
    #[test]
    fn no_byte_makes_it_panic(at: prop::sample::Index, to: u8, more in prop::collection::vec(any::<u8>(), 0..40)) {
        let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
        let parts = Parts::of(&sealed(TEXT, None, &[&bob], Form::default()));
        let mut whole = parts.der();
        let at = at.index(whole.len());
        whole.splice(at..at, more.clone());
        let _ = parse(&wire(&parts.header, &whole), &[&bob]);
        whole[at] = to;
        let _ = parse(&wire(&parts.header, &whole), &[&bob]);
        let _ = parse(&wire(&parts.header, &more), &[&bob]);
    }
}
