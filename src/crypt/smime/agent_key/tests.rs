#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use openssl::{derive::Deriver, ecdsa::EcdsaSig, md::Md, nid::Nid, pkey::Id, pkey_ctx::PkeyCtx, rsa::Padding};
use zeroize::Zeroizing;

use super::*;
use crate::crypt::{
    OpenError, SealError, Unusable,
    smime::{
        Authorities, Capabilities, ContentEncryption, Form, Layer, Reader, SignatureForm,
        seal::tests::{Person, capable, decoded, ec, for_oaep, now, person, pss, recipients, rsa, sealed, try_seal},
    },
};

/// What is opened by a wrong key is told by its tag; without one chance has it that it looks right.
const GCM: Form = Form { content: ContentEncryption::Gcm, signature: SignatureForm::Detached };

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nLet's eat\r\n";

/// An agent with one key, which works as gpg-agent does; and how often it was asked. Of one digest it makes the same
/// signature each time.
struct Soft(PKey<Private>, AtomicUsize, Mutex<BTreeMap<Vec<u8>, MadeSignature>>);

impl Agent for Soft {
    fn sign(&self, _: &Keygrip, hash: u8, digest: &[u8]) -> Result<MadeSignature, AgentError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.0.id() == Id::EC {
            let made = EcdsaSig::sign(digest, &self.0.ec_key().unwrap()).unwrap();
            let made = MadeSignature::Ecdsa(made.r().to_vec(), made.s().to_vec());
            return Ok(self.2.lock().unwrap().entry(digest.to_vec()).or_insert(made).clone());
        }
        assert_eq!(hash, 8);
        let mut context = PkeyCtx::new(&self.0).unwrap();
        context.sign_init().unwrap();
        context.set_rsa_padding(Padding::PKCS1).unwrap();
        context.set_signature_md(Md::sha256()).unwrap();
        let mut made = Vec::new();
        context.sign_to_vec(digest, &mut made).unwrap();
        // A number has no leading zeros.
        let zeros = made.iter().take_while(|byte| **byte == 0).count();
        Ok(MadeSignature::Rsa(made.split_off(zeros)))
    }

    fn decrypt(&self, _: &Keygrip, sealed: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let bytes = match sealed {
            SealedKey::Rsa(number) => {
                let mut context = PkeyCtx::new(&self.0).unwrap();
                context.decrypt_init().unwrap();
                context.set_rsa_padding(Padding::NONE).unwrap();
                let mut frame = Vec::new();
                // It may be too large for another key.
                context.decrypt_to_vec(number, &mut frame).map_err(|error| AgentError::Refused(error.to_string()))?;
                frame.split_off(1)
            }
            SealedKey::Ecdh(point, _) => {
                let own = self.0.ec_key().unwrap();
                let mut context = openssl::bn::BigNumContext::new().unwrap();
                let point = openssl::ec::EcPoint::from_bytes(own.group(), point, &mut context).unwrap();
                let peer = openssl::ec::EcKey::from_public_key(own.group(), &point).unwrap();
                let peer = PKey::from_ec_key(peer).unwrap();
                let mut deriver = Deriver::new(&self.0).unwrap();
                deriver.set_peer(&peer).unwrap();
                let x = deriver.derive_to_vec().unwrap();
                [&[4], &x[..], &vec![0; x.len()]].concat()
            }
        };
        Ok(OpenedKey { bytes: Zeroizing::new(bytes), padded: true })
    }

    fn is_on_token(&self, _: &Keygrip) -> Result<bool, AgentError> {
        Ok(false)
    }
}

/// Answers what it was given, and counts.
struct StandIn(Mutex<Result<(Vec<u8>, bool), AgentError>>, AtomicUsize);

impl StandIn {
    fn new(answer: Result<(Vec<u8>, bool), AgentError>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answer), AtomicUsize::new(0)))
    }

    fn asked(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }
}

impl Agent for StandIn {
    fn sign(&self, _: &Keygrip, _: u8, _: &[u8]) -> Result<MadeSignature, AgentError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let (bytes, rsa) = self.0.lock().unwrap().clone()?;
        Ok(if rsa { MadeSignature::Rsa(bytes) } else { MadeSignature::Ecdsa(bytes.clone(), bytes) })
    }

    fn decrypt(&self, _: &Keygrip, _: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let (bytes, padded) = self.0.lock().unwrap().clone()?;
        Ok(OpenedKey { bytes: Zeroizing::new(bytes), padded })
    }

    fn is_on_token(&self, _: &Keygrip) -> Result<bool, AgentError> {
        Ok(false)
    }
}

fn held(whose: &Person, home: &str) -> AgentKey {
    let grip = Keygrip::parse(&"a".repeat(40)).unwrap();
    AgentKey::new(whose.certificate.clone(), &[], Path::new(home), grip).unwrap()
}

fn lent(whose: &Person, agent: &Arc<impl Agent + 'static>) -> Key {
    held(whose, "/home/alice/.gnupg").lent_by(agent.clone())
}

fn soft(whose: &Person) -> Arc<Soft> {
    Arc::new(Soft(whose.key.clone(), AtomicUsize::new(0), Mutex::default()))
}

fn here(whose: &Person) -> Key {
    Key { secret: Secret::Open(whose.key.clone()), certificate: Some(whose.certificate.clone()), chain: Vec::new() }
}

fn open(message: &[u8], keys: &[Key]) -> Result<Vec<u8>, OpenError> {
    let at = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    read(&decoded(&message[at..]), keys)
}

fn read(cms: &[u8], keys: &[Key]) -> Result<Vec<u8>, OpenError> {
    let authorities = &Authorities::default();
    let reader = Reader { keys, certificates: &[], authorities, pins: &[], at: now(), limit: 1 << 20 };
    match reader.read(cms)? {
        Layer::Encrypted { plaintext, .. } => Ok(plaintext.to_vec()),
        _ => panic!("another layer"),
    }
}

#[test]
fn keys_of_other_kinds_are_not_lent() {
    let grip = Keygrip::parse(&"a".repeat(40)).unwrap();
    for whose in [
        person("pss", pss()),
        for_oaep("oaep", rsa()),
        person("ed", PKey::generate_ed25519().unwrap()),
        person("x", PKey::generate_x25519().unwrap()),
    ] {
        let none = AgentKey::new(whose.certificate, &[], Path::new("/"), grip.clone());
        assert_eq!(none.unwrap_err(), CertificateError::NoSecret, "{}", whose.name);
    }
}

#[test]
fn what_an_agent_signed_is_good_and_as_long_as_was_foretold() {
    let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
    let curves = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1, Nid::BRAINPOOL_P256R1, Nid::SECP224R1];
    for key in curves.into_iter().map(ec).chain([rsa()]) {
        let alice = person("alice", key);
        for here in [false, true] {
            let agent = soft(&alice);
            let signer = if here { alice.signer() } else { lent(&alice, &agent).signer(now()).unwrap() };
            for turn in 0..40 {
                // Another text, so that the agent signs something else.
                let text = &format!("{}{turn}", String::from_utf8_lossy(TEXT)).into_bytes();
                let form = Form { signature: SignatureForm::Opaque, ..Form::default() };
                // A length that was not foretold would not seal.
                let message = try_seal(text, Some(&signer), &[&bob], form).unwrap();
                let message: Vec<u8> = message.pieces().flatten().copied().collect();
                let entity = open(&message, &[self::here(&bob)]).unwrap();
                let at = entity.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
                let authorities = &Authorities::default();
                let pins = [(
                    alice.certificate.fingerprint(),
                    vec![crate::mail::Address::parse("alice@example.org").unwrap()],
                )];
                let reader =
                    Reader { keys: &[], certificates: &[], authorities, pins: &pins, at: now(), limit: 1 << 20 };
                let Ok(Layer::Signed { facts, .. }) = reader.read(&decoded(&entity[at..])) else { panic!() };
                let facts = facts.unwrap();
                assert_eq!(facts[0].verdict, crate::crypt::Verdict::Good, "{facts:?}");
            }
            // Mostly the first one fits.
            assert!(agent.1.load(Ordering::Relaxed) <= 160, "{:?}", alice.certificate);
        }
    }
}

#[test]
fn what_is_encrypted_to_it_opens() {
    for key in [rsa(), ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1), ec(Nid::SECP521R1)] {
        let bob = person("bob", key);
        let message = sealed(TEXT, None, &[&bob], GCM);
        assert_eq!(open(&message, &[lent(&bob, &soft(&bob))]), Ok(TEXT.to_vec()));
    }
}

#[test]
fn a_wrong_signature_does_not_leave_and_a_refusal_is_told() {
    let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
    for (alice, is_rsa) in [(person("alice", rsa()), true), (person("alice", ec(Nid::SECP384R1)), false)] {
        for answer in [(vec![], is_rsa), (vec![1; 48], is_rsa), (vec![0xff; 5000], is_rsa), (vec![1; 48], !is_rsa)] {
            let agent = StandIn::new(Ok(answer));
            let signer = lent(&alice, &agent).signer(now()).unwrap();
            let Err(SealError::Agent(failure)) = try_seal(TEXT, Some(&signer), &[&bob], GCM) else { panic!() };
            assert!(matches!(failure.error, AgentError::OtherKey), "{failure}");
            assert_eq!(agent.asked(), 1);
        }
        let agent = StandIn::new(Err(AgentError::WrongPassphrase));
        let signer = lent(&alice, &agent).signer(now()).unwrap();
        let Err(SealError::Agent(failure)) = try_seal(TEXT, Some(&signer), &[&bob], GCM) else { panic!() };
        assert_eq!((failure.error, failure.key), (AgentError::WrongPassphrase, alice.certificate.fingerprint()));
    }
    let expired = lent(&bob, &soft(&bob)).signer("2100-01-01T00:00:00Z".parse().unwrap()).err();
    assert!(matches!(expired, Some(Unusable::Expired { .. })), "{expired:?}");
}

/// The frame of PKCS #1 v1.5 for a key of 2048 bits, without its first zero, as a number has it.
fn frame(kind: u8, key: &[u8]) -> Vec<u8> {
    [&[kind], &vec![9; 253 - key.len()][..], &[0], key].concat()
}

#[test]
fn nothing_is_told_of_a_padding() {
    let bob = person("bob", rsa());
    let message = sealed(TEXT, None, &[&bob], GCM);
    let mut short = frame(2, &[7; 32]);
    short[5] = 0;
    let answers = [
        Ok((frame(2, &[7; 32]), true)),
        Ok((frame(1, &[7; 32]), true)),
        Ok((frame(2, &[7; 16]), true)),
        Ok((frame(2, &[7; 33]), true)),
        Ok((short, true)),
        Ok((vec![9; 255], true)),
        Ok((vec![7; 32], false)),
        Ok((vec![7; 31], false)),
        Ok((vec![], false)),
        Ok((vec![0; 60_000], true)),
        Err(AgentError::Refused("Decryption failed".to_owned())),
    ];
    for answer in answers {
        let agent = StandIn::new(answer.clone());
        assert_eq!(open(&message, &[lent(&bob, &agent)]), Err(OpenError::Undecryptable), "{answer:?}");
        assert_eq!(agent.asked(), 1);
    }
    // Whether a second key is tried would tell: the first one ends the search, whatever comes of it.
    let (agent, good) = (StandIn::new(Ok((vec![], true))), soft(&bob));
    assert_eq!(open(&message, &[lent(&bob, &agent), lent(&bob, &good)]), Err(OpenError::Undecryptable));
    assert_eq!(good.1.load(Ordering::Relaxed), 0);
}

/// A token, which takes paddings away itself, and asks for its PIN again where one is wrong.
struct Hard(PKey<Private>, Option<AgentError>);

impl Agent for Hard {
    fn sign(&self, _: &Keygrip, _: u8, _: &[u8]) -> Result<MadeSignature, AgentError> {
        Err(AgentError::NoPassphrase)
    }

    fn decrypt(&self, _: &Keygrip, sealed: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
        let (SealedKey::Rsa(number), None) = (sealed, &self.1) else { return Err(self.1.clone().unwrap()) };
        let mut frame = vec![0; 256];
        let opened = self.0.rsa().unwrap().private_decrypt(number, &mut frame, Padding::NONE);
        let length = opened.map_err(|error| AgentError::Refused(error.to_string()))?;
        let opened = OpenedKey { bytes: Zeroizing::new(frame[..length].to_vec()), padded: true };
        let text = opened.text().ok_or(AgentError::NoPassphrase)?;
        Ok(OpenedKey { bytes: Zeroizing::new(text.to_vec()), padded: false })
    }

    fn is_on_token(&self, _: &Keygrip) -> Result<bool, AgentError> {
        Ok(true)
    }
}

#[test]
fn what_a_token_asks_for_after_a_wrong_padding_is_not_told() {
    let (bob, other) = (person("bob", rsa()), rsa());
    let message = sealed(TEXT, None, &[&bob], GCM);
    let open = |agent: Hard| open(&message, &[lent(&bob, &Arc::new(agent))]);
    assert_eq!(open(Hard(bob.key.clone(), None)), Ok(TEXT.to_vec()));
    for error in [AgentError::NoPassphrase, AgentError::WrongPin, AgentError::Card("gone".to_owned())] {
        let Err(OpenError::Agent(failure)) = open(Hard(bob.key.clone(), Some(error.clone()))) else { panic!() };
        assert_eq!(failure.error, error);
    }
    // One that opens what we made, and not what the message has.
    struct Other(Hard, Hard, AtomicUsize);
    impl Agent for Other {
        fn sign(&self, grip: &Keygrip, hash: u8, digest: &[u8]) -> Result<MadeSignature, AgentError> {
            self.0.sign(grip, hash, digest)
        }

        fn decrypt(&self, grip: &Keygrip, sealed: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
            match self.2.fetch_add(1, Ordering::Relaxed) {
                0 => self.0.decrypt(grip, sealed),
                _ => self.1.decrypt(grip, sealed),
            }
        }

        fn is_on_token(&self, _: &Keygrip) -> Result<bool, AgentError> {
            Ok(true)
        }
    }
    for error in [None, Some(AgentError::NoPassphrase), Some(AgentError::WrongPin), Some(AgentError::NoSecret)] {
        let agent = Other(Hard(bob.key.clone(), None), Hard(other.clone(), error), AtomicUsize::new(0));
        assert_eq!(super::tests::open(&message, &[lent(&bob, &Arc::new(agent))]), Err(OpenError::Undecryptable));
    }
}

#[test]
fn why_an_agent_did_nothing_is_told_where_nothing_was_decrypted() {
    let (bob, carol) = (person("bob", rsa()), person("carol", ec(Nid::X9_62_PRIME256V1)));
    let message = sealed(TEXT, None, &[&bob, &carol], GCM);
    for error in [AgentError::NoSecret, AgentError::NoPassphrase, AgentError::Card("gone".to_owned())] {
        let agent = StandIn::new(Err(error.clone()));
        let Err(OpenError::Agent(failure)) = open(&message, &[lent(&bob, &agent)]) else { panic!() };
        assert_eq!((failure.error, failure.key), (error, bob.certificate.fingerprint()));
        // Another key opens it all the same, here or with the same agent.
        for other in [here(&carol), lent(&carol, &soft(&carol))] {
            assert_eq!(open(&message, &[lent(&bob, &agent), other]), Ok(TEXT.to_vec()));
        }
    }
    // A key that is here failed before: how far it came is nobody's business.
    let wrong = Key { secret: Secret::Open(ec(Nid::X9_62_PRIME256V1)), ..here(&carol) };
    let agent = StandIn::new(Err(AgentError::NoSecret));
    assert_eq!(open(&message, &[wrong, lent(&bob, &agent)]), Err(OpenError::Undecryptable));

    // One that is not there is asked once.
    let gone = StandIn::new(Err(AgentError::Protocol("")));
    let Err(OpenError::Agent(_)) = open(&message, &[lent(&bob, &gone), lent(&carol, &gone)]) else { panic!() };
    assert_eq!(gone.asked(), 1);
}

#[test]
fn oaep_opens_where_the_agent_leaves_the_padding_and_is_not_announced() {
    let bob = capable("bob", rsa(), &Capabilities::ours());
    let message = sealed(TEXT, None, &[&bob], GCM);
    assert_eq!(open(&message, &[lent(&bob, &soft(&bob))]), Ok(TEXT.to_vec()));
    let (other, stripped) =
        (Soft(rsa(), AtomicUsize::new(0), Mutex::default()), StandIn::new(Ok((vec![7; 32], false))));
    assert_eq!(open(&message, &[lent(&bob, &Arc::new(other))]), Err(OpenError::Undecryptable));
    assert_eq!(open(&message, &[lent(&bob, &stripped)]), Err(OpenError::Undecryptable));
    // A token is not asked: it would tell of a padding of v1.5.
    let token = Arc::new(Hard(bob.key.clone(), None));
    let Err(OpenError::Agent(failure)) = open(&message, &[lent(&bob, &token)]) else { panic!() };
    assert_eq!(failure.error, AgentError::NoOaep);
    let announced = Capabilities::from_der(&Capabilities::of_agents()).unwrap();
    assert_eq!(announced, Capabilities { oaep: false, ..Capabilities::from_der(&Capabilities::ours()).unwrap() });
    assert!(!announced.oaep && announced.gcm256);
}

#[test]
fn a_point_off_the_curve_is_not_handed_on() {
    let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
    let message = sealed(TEXT, None, &[&bob], GCM);
    let at = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut cms = decoded(&message[at..]);
    // BIT STRING of 66 octets: no unused bits, and an uncompressed point.
    let point = cms.windows(4).position(|window| window == [0x03, 0x42, 0x00, 0x04]).unwrap();
    assert_eq!(read(&cms, &[lent(&bob, &soft(&bob))]), Ok(TEXT.to_vec()));
    cms[point + 10] ^= 1;
    let agent = StandIn::new(Ok((vec![1; 32], false)));
    assert_eq!(read(&cms, &[lent(&bob, &agent)]), Err(OpenError::Undecryptable));
    assert_eq!(agent.asked(), 0);
}

#[test]
fn an_agent_that_gives_rubbish_opens_nothing() {
    let bob = person("bob", ec(Nid::SECP384R1));
    let message = sealed(TEXT, None, &[&bob], GCM);
    for bytes in [vec![], vec![4; 97], vec![7; 48], vec![0; 60_000]] {
        let agent = StandIn::new(Ok((bytes, false)));
        assert_eq!(open(&message, &[lent(&bob, &agent)]), Err(OpenError::Undecryptable));
    }
    assert_eq!(recipients(&[&bob]).iter().count(), 1);
}

#[test]
fn a_newer_import_counts_but_loses_no_chain() {
    let alice = person("alice", rsa());
    let ca = &crate::crypt::smime::seal::tests::CA;
    let grip = |digit: &str| Keygrip::parse(&digit.repeat(40)).unwrap();
    let key = |others: &[Certificate], home: &str, digit| {
        AgentKey::new(alice.certificate.clone(), others, Path::new(home), grip(digit)).unwrap()
    };
    let chain = [ca.root.certificate.clone(), ca.between.certificate.clone()];
    let (old, new) = (key(&chain, "/a", "a"), key(&[], "/b", "b"));
    assert_eq!(old.chain().len(), 2);
    let renewed = old.clone().renew(new.clone());
    assert_eq!((renewed.home(), renewed.grip(), renewed.chain().len()), (Path::new("/b"), &grip("b"), 2));
    assert_eq!(new.renew(old.clone()), old);
    assert_ne!(renewed, old);
}

#[test]
fn its_secret_half_is_written_nowhere() {
    let alice = person("alice", rsa());
    let key = lent(&alice, &soft(&alice));
    assert!(!key.is_locked());
    assert!(matches!(key.to_pem(), Err(crate::crypt::smime::KeyError::InAgent)));
    assert!(matches!(key.request_again(), Err(crate::crypt::smime::KeyError::InAgent)));
    let passphrase = Zeroizing::new("x".to_owned());
    let locked = key.lock(&passphrase, crate::crypt::Strength::Generated).unwrap();
    assert!(matches!(locked.to_pem(), Err(crate::crypt::smime::KeyError::InAgent)));
}
