//! The keys of RFC 9216 with messages that libcrypto makes for them, and the messages of RFC 4134 with its keys.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, fs, io::Write, path::PathBuf};

use jiff::Timestamp;
use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    stack::Stack,
    symm::Cipher,
};
use zeroize::Zeroizing;

use crate::{
    crypt::{
        BadReason, Binding, OpenError, PayloadUse, PublicCertificate, Recipient, Recipients, Sealing, SignatureFact,
        Suite, UnknownReason, Verdict,
        smime::{
            Authorities, Certificate, ChainFault, ContentEncryption, Form, Grounds, Key, Layer, Reader, SignatureForm,
            Smime, UnlockError, chain::Purpose, key::Secret, read::recipients_of,
        },
    },
    mail::{Address, Envelope, Field, Payload},
};

const ENTITY: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";

fn file(path: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/smime");
    fs::read(folder.join(path)).unwrap()
}

fn certificate(path: &str) -> Certificate {
    Certificate::parse_all(&file(path)).unwrap().remove(0)
}

fn key(path: &str, certificate: &Certificate) -> Key {
    let mut key = Key::parse_all(&file(path)).unwrap().remove(0);
    assert!(key.adopt(std::slice::from_ref(certificate)), "{path}");
    key
}

fn authorities(anchors: &[&str]) -> Authorities {
    let mut authorities = Authorities::default();
    for anchor in anchors {
        assert_eq!(authorities.add_anchors(&file(anchor)), Ok(1));
    }
    authorities
}

fn facts(layer: Result<Layer, OpenError>) -> (Vec<u8>, Vec<SignatureFact>) {
    match layer {
        Ok(Layer::Signed { content, facts }) => (content.to_vec(), facts.unwrap()),
        Ok(_) => panic!("another layer"),
        Err(error) => panic!("{error:?}"),
    }
}

mod rfc_9216 {
    use super::*;

    /// Who, from which of the two authorities, and the other one.
    const PEOPLE: [(&str, &str, &str); 4] = [
        ("alice", "ca.rsa", "ca.25519"),
        ("bob", "ca.rsa", "ca.25519"),
        ("carlos", "ca.25519", "ca.rsa"),
        ("dana", "ca.25519", "ca.rsa"),
    ];

    fn at() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn path(name: &str, end: &str) -> String {
        format!("rfc9216/{name}.{end}")
    }

    fn both() -> Authorities {
        authorities(&["rfc9216/ca.rsa.crt", "rfc9216/ca.25519.crt"])
    }

    fn identity(name: &str, purpose: &str) -> (Certificate, Key) {
        let certificate = certificate(&path(name, &format!("{purpose}.crt")));
        let key = key(&path(name, &format!("{purpose}.key")), &certificate);
        (certificate, key)
    }

    fn reader<'a>(keys: &'a [Key], authorities: &'a Authorities) -> Reader<'a> {
        Reader { keys, certificates: &[], authorities, pins: &[], at: at(), limit: 1 << 20 }
    }

    #[test]
    fn certificates_are_good_for_what_they_are_for_beneath_either_authority() {
        for (name, own, other) in PEOPLE {
            let (sign, encrypt) = (identity(name, "sign").0, identity(name, "encrypt").0);
            assert_eq!(sign.addresses(at()), [format!("{name}@smime.example").parse().unwrap()]);
            assert_eq!((sign.usages(), encrypt.usages()), (vec!["sign"], vec!["encrypt"]));
            let direct = authorities(&[&path(own, "crt")]);
            let crossed = authorities(&[&path(other, "crt")]);
            let between = [certificate(&path(own, "cross.crt"))];
            for (certificate, purpose, wrong) in
                [(&sign, Purpose::Sign, Purpose::Encrypt), (&encrypt, Purpose::Encrypt, Purpose::Sign)]
            {
                direct.judge(certificate, &[], purpose, at()).unwrap();
                crossed.judge(certificate, &between, purpose, at()).unwrap();
                let refused = |outcome: Result<_, ChainFault>| outcome.unwrap_err();
                assert!(matches!(refused(crossed.judge(certificate, &[], purpose, at())), ChainFault::Untrusted(_)));
                assert!(matches!(refused(direct.judge(certificate, &[], wrong, at())), ChainFault::WrongUsage(_)));
                let late = "2053-01-01T00:00:00Z".parse().unwrap();
                assert!(direct.judge(certificate, &[], purpose, late).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn pkcs_12_gives_both_keys_to_the_passphrase_alone() {
        for (name, own_ca, ..) in PEOPLE {
            let text = String::from_utf8(file(&path(name, "p12.pem"))).unwrap();
            let lines: String = text.lines().filter(|line| !line.starts_with('-')).collect();
            let locked = Key::parse_all(&openssl::base64::decode_block(&lines).unwrap()).unwrap().remove(0);
            let keys = locked.unlock_all(&Zeroizing::new(name.to_owned())).unwrap();
            let own: HashSet<_> = keys.iter().map(|key| key.fingerprint().unwrap()).collect();
            let both = ["sign.crt", "encrypt.crt"].map(|end| certificate(&path(name, end)).fingerprint());
            assert_eq!((keys.len(), own), (2, HashSet::from(both)), "{name}");
            for key in &keys {
                assert!(key.chain().iter().any(|one| one.subject() == certificate(&path(own_ca, "crt")).subject()));
            }
            let wrong = locked.unlock(&Zeroizing::new("wrong".to_owned()));
            assert!(matches!(wrong, Err(UnlockError::WrongPassphrase(_))), "{wrong:?}");
        }
    }

    fn opened(key: &Key, message: &[u8], tagged: bool) -> Vec<u8> {
        match reader(std::slice::from_ref(key), &Authorities::default()).read(message) {
            Ok(Layer::Encrypted { plaintext, opened_by, authenticated, weak }) => {
                assert_eq!((Some(opened_by), authenticated, weak), (key.fingerprint(), tagged, false));
                plaintext.to_vec()
            }
            Ok(_) => panic!("another layer"),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn what_libcrypto_encrypts_to_rsa_is_opened_by_its_keys_alone() {
        let people = ["alice", "bob"].map(|name| identity(name, "encrypt"));
        let mut recipients = Stack::new().unwrap();
        for (certificate, _) in &people {
            recipients.push(certificate.x509.clone()).unwrap();
        }
        for (cipher, tagged) in [(Cipher::aes_256_cbc(), false), (Cipher::aes_256_gcm(), true)] {
            let message = CmsContentInfo::encrypt(&recipients, ENTITY, cipher, CMSOptions::BINARY).unwrap();
            let message = message.to_der().unwrap();
            for (_, key) in &people {
                assert_eq!(opened(key, &message, tagged), ENTITY);
            }
            let stranger = [identity("alice", "sign").1];
            let refused = reader(&stranger, &Authorities::default()).read(&message).map(|_| ());
            assert!(matches!(refused, Err(OpenError::NoKey { recipients, .. }) if recipients.len() == 2));
        }
    }

    #[test]
    fn what_libcrypto_signs_with_rsa_is_good_by_its_chain_alone() {
        for name in ["alice", "bob"] {
            let (certificate, key) = identity(name, "sign");
            let Secret::Open(secret) = &key.secret else { panic!("locked") };
            let x509 = Some(&*certificate.x509);
            let signed = CmsContentInfo::sign(x509, Some(secret), None, Some(ENTITY), CMSOptions::BINARY).unwrap();
            let signed = signed.to_der().unwrap();
            // libcrypto takes its signing time from the clock.
            let verdict = |authorities: &Authorities| {
                let reader = Reader { at: Timestamp::now(), ..reader(&[], authorities) };
                let (content, facts) = facts(reader.read(&signed));
                assert_eq!((content.as_slice(), facts.len()), (ENTITY, 1));
                facts[0].verdict
            };
            assert_eq!(verdict(&both()), Verdict::Good, "{name}");
            assert_eq!(verdict(&Authorities::default()), Verdict::Unknown(UnknownReason::Untrusted), "{name}");
        }
    }

    #[test]
    fn what_one_seals_to_all_is_opened_by_each_and_is_good() {
        let grounds = Grounds::Chain(both());
        let address = |name: &str| -> Address { format!("{name}@smime.example").parse().unwrap() };
        let all = PEOPLE.map(|(name, ..)| {
            let usable = Smime::check(&identity(name, "encrypt").0, &grounds, at()).unwrap();
            Recipient::new(address(name), usable, Binding::Named).unwrap()
        });
        let recipients = Recipients::new(all.to_vec()).unwrap();
        for ((name, ..), content) in PEOPLE.iter().zip([ContentEncryption::Cbc, ContentEncryption::Gcm].iter().cycle())
        {
            let mut payload = Payload::new();
            payload.write_all(ENTITY).unwrap();
            let from = address(name);
            let sealed = Smime::seal(Sealing {
                payload: PayloadUse::Owned(payload),
                outer: &[Field::new("From", &from.to_string()).unwrap(), Field::new("Subject", "[...]").unwrap()],
                confidential_subject: None,
                unseen: &[],
                envelope: Envelope::new(from.clone(), PEOPLE.map(|(name, ..)| address(name)).to_vec()).unwrap(),
                recipients: &recipients,
                signer: Some(&identity(name, "sign").1.signer(at()).unwrap()),
                form: Form { content: *content, signature: SignatureForm::Opaque },
                at: at(),
                boundary: "=_0123456789abcdef0123456789abcdef_=",
            });
            let wire: Vec<u8> = sealed.unwrap().pieces().flatten().copied().collect();
            for (reads, ..) in PEOPLE {
                let key = identity(reads, "encrypt").1;
                let entity = opened(&key, &body(&wire), *content == ContentEncryption::Gcm);
                let authorities = both();
                let (inner, facts) = facts(reader(&[], &authorities).read(&body(&entity)));
                assert_eq!((inner.as_slice(), facts[0].verdict), (ENTITY, Verdict::Good), "{name} to {reads}");
            }
        }
    }

    /// What a body in base64 stands for.
    fn body(entity: &[u8]) -> Vec<u8> {
        let text = str::from_utf8(entity).unwrap();
        let digits: String = text.split_once("\r\n\r\n").unwrap().1.split_whitespace().collect();
        openssl::base64::decode_block(&digits).unwrap()
    }
}

/// All that is signed there is signed with SHA-1; all that is encrypted, with 3DES, RC2 or a passphrase.
mod rfc_4134 {
    use super::*;
    use crate::crypt::smime::Budget;

    const CONTENT: &[u8] = b"This is some sample content.";

    fn with<R>(what: impl FnOnce(&Reader<'_>) -> R) -> R {
        let certificates =
            ["AliceDSSSignByCarlNoInherit", "AliceRSASignByCarl", "DianeRSASignByCarl", "BobRSASignByCarl"]
                .map(|name| certificate(&format!("rfc4134/{name}.cer")));
        let keys = [
            key("rfc4134/BobPrivRSAEncrypt.pri", &certificates[3]),
            key("rfc4134/DianePrivRSASignEncrypt.pri", &certificates[2]),
        ];
        let authorities = authorities(&["rfc4134/CarlRSASelf.cer", "rfc4134/CarlDSSSelf.cer"]);
        let at = "2005-07-01T00:00:00Z".parse().unwrap();
        what(&Reader {
            keys: &keys,
            certificates: &certificates,
            authorities: &authorities,
            pins: &[],
            at,
            limit: 1 << 20,
        })
    }

    fn message(name: &str) -> Vec<u8> {
        file(&format!("rfc4134/{name}.bin"))
    }

    fn sha1() -> (Verdict, Option<&'static str>) {
        (Verdict::Bad(BadReason::Weak), Some("SHA-1"))
    }

    fn verdicts(facts: &[SignatureFact]) -> Vec<(Verdict, Option<&str>)> {
        facts.iter().map(|fact| (fact.verdict, fact.detail.as_deref())).collect()
    }

    #[test]
    fn opaque_signatures_are_verified_and_weak() {
        // One signer is Diane, whose DSA key has its parameters in the certificate of its issuer.
        let inherits = (Verdict::Bad(BadReason::Invalid), Some("the key of its certificate is not known"));
        for name in ["4.1", "4.2", "4.4", "4.5", "4.6", "4.7", "4.10"] {
            let (content, facts) = facts(with(|reader| reader.read(&message(name))));
            assert_eq!(content, CONTENT, "{name}");
            let expected = if name == "4.6" { vec![sha1(), inherits] } else { vec![sha1()] };
            assert_eq!(verdicts(&facts), expected, "{name}");
        }
    }

    #[test]
    fn a_changed_content_is_invalid_before_it_is_weak() {
        for name in ["4.1", "4.2", "4.4", "4.5", "4.7", "4.10"] {
            let mut changed = message(name);
            let at = changed.windows(4).position(|window| window == b"some").unwrap();
            changed[at] ^= 1;
            let (_, facts) = facts(with(|reader| reader.read(&changed)));
            assert_eq!(facts[0].verdict, Verdict::Bad(BadReason::Invalid), "{name}");
        }
    }

    #[test]
    fn a_detached_signature_is_over_the_content_that_is_given() {
        let signature = message("4.3");
        let good = with(|reader| reader.verify_detached(&signature, CONTENT, &mut Budget::default())).unwrap();
        assert_eq!(verdicts(&good), [sha1()]);
        let other =
            with(|reader| reader.verify_detached(&signature, b"Another content.", &mut Budget::default())).unwrap();
        assert_eq!(other[0].verdict, Verdict::Bad(BadReason::Invalid));
        let alone = with(|reader| reader.read(&signature)).map(|_| ());
        assert!(matches!(alone, Err(OpenError::Malformed(_))), "{alone:?}");
        let twice = with(|reader| reader.verify_detached(&message("4.1"), CONTENT, &mut Budget::default()));
        assert!(matches!(twice, Err(OpenError::Malformed(_))), "{twice:?}");
    }

    #[test]
    fn certificates_only_are_no_layer() {
        let read = with(|reader| reader.read(&message("4.11")));
        assert!(matches!(read, Ok(Layer::Certificates)));
    }

    #[test]
    fn triple_des_is_read_and_weak_and_rc2_is_not_read() {
        match with(|reader| reader.read(&message("5.1"))) {
            Ok(Layer::Encrypted { plaintext, authenticated, weak, .. }) => {
                assert_eq!((plaintext.as_slice(), authenticated, weak), (CONTENT, false, true));
            }
            Ok(_) => panic!("another layer"),
            Err(error) => panic!("{error:?}"),
        }
        let rc2 = message("5.2");
        assert_eq!(recipients_of(&rc2).unwrap(), ["46346BC7800056BC11D36E2ECD5D71D0/CN=CarlRSA"]);
        assert!(matches!(with(|reader| reader.read(&rc2)).map(|_| ()), Err(OpenError::Undecryptable)));
    }

    #[test]
    fn data_digested_data_and_encrypted_data_are_not_read() {
        for name in ["3.1", "6.0", "7.1", "7.2"] {
            let refused = with(|reader| reader.read(&message(name))).map(|_| ());
            assert!(matches!(refused, Err(OpenError::Malformed(_))), "{name} {refused:?}");
        }
    }
}
