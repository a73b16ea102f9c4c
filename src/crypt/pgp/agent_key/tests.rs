#![allow(clippy::unwrap_used)]

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use openpgp::{PacketPile, crypto::Signer as _, parse::Parse, serialize::SerializeInto};
use zeroize::Zeroizing;

use super::*;
use crate::crypt::{
    OpenError, OpenedKey,
    pgp::{
        Profile, Reader,
        tests::{armor_of, make, now, seal_bytes, wire},
    },
};

/// Answers what it was given.
struct StandIn(Mutex<Result<Vec<u8>, AgentError>>);

impl Agent for StandIn {
    fn sign(&self, _: &Keygrip, _: u8, _: &[u8]) -> Result<MadeSignature, AgentError> {
        self.0.lock().unwrap().clone().map(|bytes| MadeSignature::Eddsa(bytes.clone(), bytes))
    }

    fn decrypt(&self, _: &Keygrip, _: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
        let bytes = self.0.lock().unwrap().clone()?;
        Ok(OpenedKey { bytes: Zeroizing::new(bytes), padded: false })
    }

    fn is_on_token(&self, _: &Keygrip) -> Result<bool, AgentError> {
        Ok(false)
    }
}

fn key() -> Key {
    make("alice", Profile::Rfc4880)
}

fn lent(key: &Key, answer: Result<Vec<u8>, AgentError>) -> Lent {
    let grip = Keygrip::parse(&"a".repeat(40)).unwrap();
    let parts = key.cert.keys().map(|part| (policy::fingerprint(&part.key().fingerprint()), grip.clone()));
    let held = AgentKey::new(key.certificate(), Path::new("/home/alice/.gnupg"), parts.collect::<Vec<_>>()).unwrap();
    held.lent_by(Arc::new(StandIn(Mutex::new(answer))))
}

#[test]
fn a_key_of_which_the_agent_has_nothing_is_none() {
    let key = key();
    let none = AgentKey::new(key.certificate(), Path::new("/"), []);
    assert_eq!(none.unwrap_err(), CertificateError::NoSecret(key.fingerprint()));
    let foreign = (self::key().fingerprint(), Keygrip::parse(&"a".repeat(40)).unwrap());
    assert!(AgentKey::new(key.certificate(), Path::new("/"), [foreign]).is_err());
}

#[test]
fn a_wrong_signature_does_not_leave() {
    for bytes in [vec![], vec![1; 32], vec![0xff; 5000]] {
        let mut signer = lent(&key(), Ok(bytes)).signer(now()).unwrap();
        let failure = signer.pair.sign(HashAlgorithm::SHA512, &[1; 64]).unwrap_err();
        let failure: AgentFailure = failure.downcast().unwrap();
        assert!(matches!(failure.error, AgentError::OtherKey), "{failure}");
    }
}

#[test]
fn what_is_about_the_agent_is_told_and_what_may_be_about_the_message_is_not() {
    let key = key();
    let message = armor_of(&wire(&seal_bytes(b"hello", None, &[("alice", &key)])));
    let open = |answer| {
        let lent = [lent(&key, answer)];
        Reader { keys: &[], lent: &lent, certificates: &[], at: now(), limit: 1 << 20 }.decrypt(&message).err().unwrap()
    };
    for error in [AgentError::NoSecret, AgentError::WrongPassphrase, AgentError::Card("gone".to_owned())] {
        let OpenError::Agent(failure) = open(Err(error.clone())) else { panic!() };
        assert_eq!((failure.error, failure.key), (error, key.fingerprint()));
    }
    assert_eq!(open(Err(AgentError::Refused("Decryption failed".to_owned()))), OpenError::Undecryptable);
    for bytes in [vec![], vec![0x40; 33], vec![7; 32], vec![4; 65], vec![0; 60_000]] {
        assert_eq!(open(Ok(bytes)), OpenError::Undecryptable);
    }
}

#[test]
fn an_agent_is_asked_a_bounded_number_of_times_for_one_message() {
    struct Counting(AtomicUsize);
    impl Agent for Counting {
        fn sign(&self, _: &Keygrip, _: u8, _: &[u8]) -> Result<MadeSignature, AgentError> {
            Err(AgentError::NoSecret)
        }

        fn decrypt(&self, _: &Keygrip, _: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(AgentError::Refused(String::new()))
        }

        fn is_on_token(&self, _: &Keygrip) -> Result<bool, AgentError> {
            Ok(false)
        }
    }
    let key = key();
    let message = armor_of(&wire(&seal_bytes(b"hello", None, &[("alice", &key)])));
    let packets: Vec<_> = PacketPile::from_bytes(&message).unwrap().into_children().collect();
    let many = packets.iter().take(1).cycle().take(30).chain(&packets[1..]);
    let many: Vec<u8> = many.flat_map(|packet| packet.to_vec().unwrap()).collect();
    let agent = Arc::new(Counting(AtomicUsize::new(0)));
    let lent = [Lent { agent: agent.clone(), ..lent(&key, Ok(Vec::new())) }];
    let reader = Reader { keys: &[], lent: &lent, certificates: &[], at: now(), limit: 1 << 20 };
    assert!(matches!(reader.decrypt(&many), Err(OpenError::Limit(_))));
    assert_eq!(agent.0.load(Ordering::Relaxed), 20);
    // A key that is here is not hindered by that.
    let reader = Reader { keys: &[key], ..reader };
    assert_eq!(reader.decrypt(&many).unwrap().plaintext.as_slice(), b"hello");
    assert_eq!(agent.0.load(Ordering::Relaxed), 20);
}

/// A token, which takes paddings away itself: what it decrypts first it decrypts.
struct Token {
    pair: Mutex<KeyPair>,
    asked: AtomicUsize,
    first: Option<AgentError>,
    then: Option<AgentError>,
}

impl Agent for Token {
    fn sign(&self, _: &Keygrip, _: u8, _: &[u8]) -> Result<MadeSignature, AgentError> {
        Err(AgentError::NoSecret)
    }

    fn decrypt(&self, _: &Keygrip, sealed: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
        let refused = if self.asked.fetch_add(1, Ordering::Relaxed) == 0 { &self.first } else { &self.then };
        if let Some(error) = refused {
            return Err(error.clone());
        }
        let SealedKey::Rsa(number) = sealed else { panic!() };
        let number = mpi::Ciphertext::RSA { c: mpi::MPI::new(number) };
        let opened = crypto::Decryptor::decrypt(&mut *self.pair.lock().unwrap(), &number, None).unwrap();
        Ok(OpenedKey { bytes: Zeroizing::new(opened.to_vec()), padded: false })
    }

    fn is_on_token(&self, _: &Keygrip) -> Result<bool, AgentError> {
        Ok(true)
    }
}

#[test]
fn what_a_token_says_of_the_message_is_not_told_and_what_it_says_before_is() {
    let suite = openpgp::cert::CipherSuite::RSA2k;
    let made = openpgp::cert::CertBuilder::general_purpose(Some("<alice@example.org>")).set_cipher_suite(suite);
    let (cert, _) = made.set_creation_time(policy::system_time(now())).generate().unwrap();
    let strict = policy::strict(now());
    let valid = cert.keys().with_policy(&strict, policy::system_time(now())).for_transport_encryption();
    let part = valid.secret().next().unwrap().key().clone();
    let pair = part.into_keypair().unwrap();
    let key = Key { cert: cert.clone() };
    let message = armor_of(&wire(&seal_bytes(b"hello", None, &[("alice", &key)])));
    let open = |first: Option<AgentError>, then: Option<AgentError>| {
        let token = Arc::new(Token { pair: Mutex::new(pair.clone()), asked: AtomicUsize::new(0), first, then });
        let lent = [Lent { agent: token.clone(), ..lent(&key, Ok(Vec::new())) }];
        let reader = Reader { keys: &[], lent: &lent, certificates: &[], at: now(), limit: 1 << 20 };
        (reader.decrypt(&message).map(|opened| opened.plaintext.to_vec()), token.asked.load(Ordering::Relaxed))
    };
    assert_eq!(open(None, None), (Ok(b"hello".to_vec()), 2));
    for error in [AgentError::NoPassphrase, AgentError::WrongPin, AgentError::Card("gone".to_owned())] {
        assert_eq!(open(None, Some(error.clone())), (Err(OpenError::Undecryptable), 2));
        let (Err(OpenError::Agent(failure)), 1) = open(Some(error.clone()), None) else { panic!() };
        assert_eq!(failure.error, error);
    }
}
