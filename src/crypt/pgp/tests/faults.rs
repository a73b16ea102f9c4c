//! Broken, hostile and foreign messages: one error, no plaintext, no panic, bounded.

use sequoia_openpgp as openpgp;

use openpgp::{
    Packet, PacketPile,
    packet::{PKESK, Tag},
    parse::Parse,
    serialize::{
        SerializeInto,
        stream::{ArbitraryWriter, Compressor, Encryptor, LiteralWriter, Message, Recipient},
    },
    types::{CompressionAlgorithm, CompressionLevel, Features, SymmetricAlgorithm},
};

use super::*;
use crate::crypt::pgp::policy;

const TEXT: &[u8] = b"attack at dawn\r\n";

/// Encrypts packets as they are.
pub(super) fn encrypt(packets: &[u8], to: &Key, modern: bool) -> Vec<u8> {
    let targets = policy::encryption_keys(&to.cert, now());
    let features = Features::empty().set_seipdv1();
    let features = if modern { features.set_seipdv2() } else { features };
    let recipients = targets.iter().map(|target| Recipient::new(features.clone(), target.handle(), &target.key));
    let mut bytes = Vec::new();
    let mut message = Encryptor::for_recipients(Message::new(&mut bytes), recipients)
        .symmetric_algo(SymmetricAlgorithm::AES256)
        .build()
        .unwrap();
    message.write_all(packets).unwrap();
    message.finalize().unwrap();
    bytes
}

fn literal(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = LiteralWriter::new(Message::new(&mut bytes)).build().unwrap();
    writer.write_all(content).unwrap();
    writer.finalize().unwrap();
    bytes
}

fn compressed(packets: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Compressor::new(Message::new(&mut bytes))
        .algo(CompressionAlgorithm::Zlib)
        .level(CompressionLevel::best())
        .build()
        .unwrap();
    writer.write_all(packets).unwrap();
    writer.finalize().unwrap();
    bytes
}

fn keys() -> [(Key, bool); 2] {
    [(make("bob", Profile::Rfc4880), false), (make("bob", Profile::Rfc9580), true)]
}

fn fails(message: &[u8], key: &Key) -> OpenError {
    match open(message, &[key.clone()], &[]) {
        Err(error) => error,
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn every_flipped_bit_fails() {
    for (bob, modern) in keys() {
        let message = encrypt(&literal(TEXT), &bob, modern);
        assert_eq!(open(&message, &[bob.clone()], &[]).unwrap().plaintext.as_slice(), TEXT);
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match open(&flipped, &[bob.clone()], &[]) {
                Err(
                    OpenError::Undecryptable | OpenError::NoKey { .. } | OpenError::Malformed(_) | OpenError::GnupgOnly,
                ) => (),
                Err(error) => panic!("bit {bit}: {error}"),
                // What the packets before the container say may be said in more ways than one: X25519 itself
                // ignores a bit.
                Ok(opened) => {
                    assert!(bit / 8 < message.len() - 70 && opened.plaintext.as_slice() == TEXT, "bit {bit}");
                }
            }
        }
    }
}

#[test]
fn faults_inside_the_encryption_are_all_the_same() {
    for (bob, modern) in keys() {
        let message = encrypt(&literal(&[TEXT; 40].concat()), &bob, modern);
        for at in [message.len() - 1, message.len() - 30, message.len() - 300] {
            let mut flipped = message.clone();
            flipped[at] ^= 1;
            assert_eq!(fails(&flipped, &bob), OpenError::Undecryptable);
        }
        // The encrypted session key itself.
        let mut flipped = message.clone();
        flipped[60] ^= 1;
        assert_eq!(fails(&flipped, &bob), OpenError::Undecryptable);
        for inside in [&b"garbage"[..], b"", &literal(TEXT)[..5], &[literal(TEXT), literal(TEXT)].concat()] {
            assert_eq!(fails(&encrypt(inside, &bob, modern), &bob), OpenError::Undecryptable);
        }
    }
}

#[test]
fn every_truncation_fails() {
    for (bob, modern) in keys() {
        let message = encrypt(&literal(TEXT), &bob, modern);
        for length in 0..message.len() {
            let error = fails(&message[..length], &bob);
            assert!(matches!(error, OpenError::Undecryptable | OpenError::Malformed(_)), "{length}: {error:?}");
        }
        let armored = armor::write(armor::Kind::Message, &message, false);
        for length in 0..armored.trim_end().len() {
            let error = fails(&armored.as_bytes()[..length], &bob);
            assert!(matches!(error, OpenError::Undecryptable | OpenError::Malformed(_)), "{length}: {error:?}");
        }
    }
}

#[test]
fn nothing_follows_a_container() {
    for (bob, modern) in keys() {
        let message = encrypt(&literal(TEXT), &bob, modern);
        for more in [&literal(b"more")[..], &message, b"junk"] {
            let error = OpenError::Malformed("something stands behind its encrypted part");
            assert_eq!(fails(&[&message, more].concat(), &bob), error);
        }
        // RFC 9580, 5.8: a marker tells nothing.
        let marked = |count| [&message[..], &b"\xca\x03PGP".repeat(count)].concat();
        assert!(open(&marked(10), &[bob.clone()], &[]).is_ok());
        assert!(open(&marked(11), &[bob.clone()], &[]).is_err());
    }
}

#[test]
fn one_flipped_byte_near_the_end_of_a_large_message_lets_nothing_out() {
    for ((bob, modern), size) in keys().into_iter().zip([30 << 20, 100 << 20]) {
        let mut message = encrypt(&literal(&vec![b'x'; size]), &bob, modern);
        let at = message.len() - 100;
        message[at] ^= 1;
        assert_eq!(fails(&message, &bob), OpenError::Undecryptable);
    }
}

#[test]
fn somebody_elses_message_names_its_recipients() {
    let (bob, eve) = (make("bob", Profile::Rfc9580), make("eve", Profile::Rfc9580));
    let message = encrypt(&literal(TEXT), &bob, true);
    let recipients = recipients_of(&message).unwrap();
    assert_eq!(fails(&message, &eve), OpenError::NoKey { recipients: recipients.clone(), hidden: false });
    assert_eq!(recipients, [policy::encryption_keys(&bob.cert, now())[0].handle().to_hex()]);
}

#[test]
fn what_is_not_encrypted_is_malformed() {
    let bob = make("bob", Profile::Rfc4880);
    for message in [&b"hello"[..], b"", b"\xff\xff\xff", &literal(TEXT), &compressed(&literal(TEXT))] {
        assert!(matches!(fails(message, &bob), OpenError::Malformed(_)));
        assert!(recipients_of(message).is_err());
    }
    let message = armor::write(armor::Kind::Message, &encrypt(&literal(TEXT), &bob, false), true);
    for broken in
        [format!("{message}hello"), format!("hello\n{message}"), message.replace("PGP MESSAGE", "PGP SIGNATURE")]
    {
        assert!(matches!(fails(broken.as_bytes(), &bob), OpenError::Malformed(_)));
    }
}

#[test]
fn armor_is_forgiven_what_mail_systems_do_to_it() {
    let bob = make("bob", Profile::Rfc9580);
    let message = armor::write(armor::Kind::Message, &encrypt(&literal(TEXT), &bob, true), false);
    let variants = [
        message.replace('\n', "\r\n"),
        message.replacen("\n\n", "\n \t\n", 1),
        message.replacen("\n\n", "\n\u{a0}\n", 1),
        message.replacen("\n\n", "\nVersion: x\nthis is no field\n\n", 1),
        message.replacen("\n\n", "\n", 1),
        message.replace('\n', "  \n"),
        format!("\r\n\r\n{message}\r\n \r\n"),
        message.replace("-----END", "=AAAA\n-----END"),
    ];
    for variant in variants {
        assert_eq!(open(variant.as_bytes(), &[bob.clone()], &[]).unwrap().plaintext.as_slice(), TEXT, "{variant}");
    }
    let latin = message.replacen("\n\n", "\n@\n", 1).into_bytes();
    let latin: Vec<u8> = latin.into_iter().map(|byte| if byte == b'@' { 0xa0 } else { byte }).collect();
    assert!(open(&latin, &[bob], &[]).is_ok());
}

#[test]
fn bombs_and_nests_are_named_limits() {
    for (bob, modern) in keys() {
        let one = compressed(&literal(TEXT));
        assert_eq!(open(&encrypt(&one, &bob, modern), &[bob.clone()], &[]).unwrap().plaintext.as_slice(), TEXT);
        let nest = (0..40).fold(literal(TEXT), |inside, _| compressed(&inside));
        match fails(&encrypt(&nest, &bob, modern), &bob) {
            OpenError::Limit(_) if modern => (),
            OpenError::Undecryptable if !modern => (),
            other => panic!("{other:?}"),
        }
        let bomb = encrypt(&compressed(&literal(&vec![0; 20 << 20])), &bob, modern);
        assert!(bomb.len() < 100_000);
        let reader = Reader { keys: &[bob.clone()], lent: &[], certificates: &[], at: now(), limit: 10 << 20 };
        assert!(matches!(reader.decrypt(&bomb), Err(OpenError::Limit(_))));
    }
}

#[test]
fn what_the_older_container_holds_is_told_only_once_it_is_proven() {
    let bob = make("bob", Profile::Rfc4880);
    let nest = compressed(&compressed(&compressed(&literal(TEXT))));
    // The library holds back some MiB; the fault lies behind what it has to read.
    let large = literal(&vec![b'x'; 12 << 20]);
    for (inside, whole) in [(nest, OpenError::Undecryptable), (large, OpenError::Limit("its content is too large"))] {
        let message = encrypt(&inside, &bob, false);
        let reader = Reader { keys: &[bob.clone()], lent: &[], certificates: &[], at: now(), limit: 6 << 20 };
        assert_eq!(reader.decrypt(&message).err(), Some(whole));
        let mut flipped = message;
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(reader.decrypt(&flipped).err(), Some(OpenError::Undecryptable));
    }
    // Nobody reads on for ever to tell why.
    let message = encrypt(&literal(&vec![b'x'; 12 << 20]), &bob, false);
    let reader = Reader { keys: &[bob.clone()], lent: &[], certificates: &[], at: now(), limit: 1 << 20 };
    assert_eq!(reader.decrypt(&message).err(), Some(OpenError::Undecryptable));
}

#[test]
fn the_limit_is_exact() {
    let bob = make("bob", Profile::Rfc9580);
    let message = encrypt(&literal(TEXT), &bob, true);
    let with =
        |limit| Reader { keys: &[bob.clone()], lent: &[], certificates: &[], at: now(), limit }.decrypt(&message);
    assert!(with(TEXT.len()).is_ok());
    assert_eq!(with(TEXT.len() - 1).err(), Some(OpenError::Limit("its content is too large")));
}

#[test]
fn encryption_inside_encryption_is_not_opened() {
    for (bob, modern) in keys() {
        let nested = encrypt(&encrypt(&literal(TEXT), &bob, modern), &bob, modern);
        match fails(&nested, &bob) {
            OpenError::Malformed(_) if modern => (),
            OpenError::Undecryptable if !modern => (),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn packets_without_integrity_and_those_of_gnupg_are_refused() {
    let bob = make("bob", Profile::Rfc4880);
    let good = encrypt(&literal(TEXT), &bob, false);
    let pkesk: Vec<u8> = {
        let pile = PacketPile::from_bytes(&good).unwrap();
        pile.into_children().next().map(|packet: Packet| packet.to_vec().unwrap()).unwrap()
    };
    let with = |tag: Tag| {
        let mut bytes = pkesk.clone();
        let mut container = ArbitraryWriter::new(Message::new(&mut bytes), tag).unwrap();
        container.write_all(&[1; 100]).unwrap();
        container.finalize().unwrap();
        bytes
    };
    assert_eq!(fails(&with(Tag::SED), &bob), OpenError::Undecryptable);
    assert_eq!(fails(&with(Tag::AED), &bob), OpenError::GnupgOnly);
}

#[test]
fn too_many_recipients_are_a_limit() {
    let bob = make("bob", Profile::Rfc4880);
    let pkesk: Vec<u8> = vec![0xc1, 13, 3, 1, 2, 3, 4, 5, 6, 7, 8, 99, 0, 0, 0];
    assert!(matches!(fails(&pkesk.repeat(10_002), &bob), OpenError::Limit(_)));
}

#[test]
fn too_many_hidden_recipients_are_told_before_any_key_is_tried() {
    let bob = make("bob", Profile::Rfc4880);
    let good = encrypt(&literal(TEXT), &bob, false);
    let Some(Packet::PKESK(PKESK::V3(mut pkesk))) = PacketPile::from_bytes(&good).unwrap().into_children().next()
    else {
        panic!("no recipient")
    };
    let named = Packet::from(PKESK::V3(pkesk.clone())).to_vec().unwrap().len();
    pkesk.set_recipient(None);
    let hidden = Packet::from(PKESK::V3(pkesk)).to_vec().unwrap();
    let mut flipped = hidden.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let times = |pkesk: &[u8], count| [&pkesk.repeat(count), &good[named..]].concat();
    assert_eq!(open(&times(&hidden, 2), &[bob.clone()], &[]).unwrap().plaintext.as_slice(), TEXT);
    for pkesk in [hidden, flipped] {
        assert!(matches!(fails(&times(&pkesk, 1001), &bob), OpenError::Limit(_)));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let reader = Reader { keys: &[], lent: &[], certificates: &[], at: now(), limit: 1 << 20 };
        proptest::prop_assert!(reader.decrypt(&bytes).is_err());
        let _ = reader.verify_detached(&bytes, TEXT);
        let _ = reader.verify_inline(&bytes);
        let _ = Certificate::parse_all(&bytes);
        let _ = Key::parse_all(&bytes);
        let armored = armor::write(armor::Kind::Message, &bytes, false);
        proptest::prop_assert!(reader.decrypt(armored.as_bytes()).is_err());
    }

    #[test]
    fn what_is_sealed_opens(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..5000)) {
        let bob = make("bob", Profile::Rfc9580);
        let sealed = seal_bytes(&text, None, &[("bob", &bob)]);
        let opened = open(&armor_of(&wire(&sealed)), &[bob], &[]).unwrap();
        proptest::prop_assert_eq!(opened.plaintext.as_slice(), text.as_slice());
    }
}
