//! What is sealed opens again, and the last look lets nothing else pass.

use super::*;
use crate::crypt::Verdict;

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nLet's eat\r\n";

fn verdicts(decrypted: &Decrypted) -> Vec<Vec<Verdict>> {
    decrypted.signatures.iter().map(|layer| layer.iter().map(|fact| fact.verdict).collect()).collect()
}

#[test]
fn every_profile_opens_for_every_recipient() {
    for profile in [Profile::Rfc4880, Profile::Rfc9580, Profile::Pqc] {
        let (alice, bob) = (make("alice", profile), make("bob", profile));
        let sealed = seal_bytes(TEXT, Some(&alice), &[("bob", &bob), ("alice", &alice)]);
        let message = armor_of(&wire(&sealed));
        for reader in [&alice, &bob] {
            let opened = open(&message, &[reader.clone()], &[alice.certificate()]).unwrap();
            assert_eq!(opened.plaintext.as_slice(), TEXT);
            assert_eq!(verdicts(&opened), [[Verdict::Good]], "{profile:?}");
            assert_eq!(opened.opened_by, reader.fingerprint());
            assert_eq!(opened.signatures[0][0].certificate.as_ref().unwrap().addresses, [address("alice")]);
            assert_eq!(opened.signatures[0][0].created, Some(now()));
        }
        assert_eq!(recipients_of(&message).unwrap().len(), 2);
    }
}

#[test]
fn seipdv2_is_written_only_if_all_read_it() {
    let (old, new) = (make("bob", Profile::Rfc4880), make("carol", Profile::Rfc9580));
    let version = |to: &[(&str, &Key)]| container_version(&armor_of(&wire(&seal_bytes(TEXT, None, to))));
    assert_eq!(version(&[("carol", &new)]), 2);
    assert_eq!(version(&[("bob", &old)]), 1);
    assert_eq!(version(&[("bob", &old), ("carol", &new)]), 1);
}

fn container_version(message: &[u8]) -> u8 {
    use sequoia_openpgp::{Packet, PacketPile, parse::Parse};
    let pile = PacketPile::from_bytes(message).unwrap();
    pile.children().find_map(|p| if let Packet::SEIP(s) = p { Some(s.version()) } else { None }).unwrap()
}

#[test]
fn a_v4_signer_and_a_v6_reader_understand_each_other() {
    let (alice, bob) = (make("alice", Profile::Rfc4880), make("bob", Profile::Rfc9580));
    let sealed = seal_bytes(TEXT, Some(&alice), &[("bob", &bob)]);
    let opened = open(&armor_of(&wire(&sealed)), &[bob], &[alice.certificate()]).unwrap();
    assert_eq!(verdicts(&opened), [[Verdict::Good]]);
}

#[test]
fn large_payloads_are_sealed_in_pieces_and_come_back_whole() {
    for profile in [Profile::Rfc4880, Profile::Rfc9580] {
        let bob = make("bob", profile);
        let text: Vec<u8> = (0..3_000_000u32).map(|n| b"abcdefg\n"[(n % 8) as usize]).collect();
        let sealed = seal_bytes(&text, None, &[("bob", &bob)]);
        assert!(sealed.pieces().count() >= 3);
        assert_eq!(open(&armor_of(&wire(&sealed)), &[bob], &[]).unwrap().plaintext.as_slice(), text);
    }
}

#[test]
fn a_container_of_any_length_opens() {
    for profile in [Profile::Rfc4880, Profile::Rfc9580] {
        let bob = make("bob", profile);
        // Around where one partial length ends and the next begins.
        for length in (0..70).chain((1 << 16) - 70..(1 << 16) + 5).chain((1 << 17) - 70..(1 << 17) + 5) {
            let text = vec![b'a'; length];
            let sealed = seal_bytes(&text, None, &[("bob", &bob)]);
            let opened = open(&armor_of(&wire(&sealed)), &[bob.clone()], &[]).unwrap();
            assert!(opened.plaintext.as_slice() == text, "{profile:?} {length}");
        }
    }
}

#[test]
fn lengths_of_content_that_differ_by_little_are_one_length_outside() {
    let bob = make("bob", Profile::Rfc9580);
    let size = |length: usize| armor_of(&wire(&seal_bytes(&vec![b'a'; length], None, &[("bob", &bob)]))).len();
    let sizes: std::collections::HashSet<usize> = (1_000_000..1_020_000).step_by(100).map(size).collect();
    // Steps of 32 KiB (Padmé), of which the header of the padding packet may take two bytes more or less.
    assert!(sizes.len() <= 4, "{sizes:?}");
}

#[test]
fn padding_hides_small_differences_in_size() {
    let bob = make("bob", Profile::Rfc9580);
    let size = |count: usize| seal_bytes(&vec![b'x'; count], None, &[("bob", &bob)]).len();
    assert_eq!(size(10_000), size(10_001));
}

#[test]
fn the_last_look_refuses_what_the_outside_must_not_show() {
    let (alice, bob) = (make("alice", Profile::Rfc4880), make("bob", Profile::Rfc4880));
    let to = [("bob", &bob)];
    let refused = |subject, unseen: &[Address]| {
        matches!(try_seal(TEXT, Some(&alice), &to, subject, unseen), Err(SealError::LastLook(_)))
    };
    assert!(!refused(Some("Dinner plans"), &[address("dave")]));
    // The outer subject is `[...]`, and From names alice: neither betrays anything.
    assert!(!refused(Some("[...]"), &[address("alice")]));
    assert!(!refused(Some("example.org"), &[address("ice")]));
    let outer = [Field::new("Subject", "=?utf-8?B?RGlubmVyIHBsYW5z?=").unwrap()];
    let sealing = |outer: &[Field], subject, unseen: &[Address]| {
        Pgp::seal(Sealing {
            payload: PayloadUse::Owned(payload(TEXT)),
            outer,
            confidential_subject: subject,
            unseen,
            envelope: Envelope::new(address("alice"), vec![address("bob")]).unwrap(),
            recipients: &recipients(&to),
            signer: None,
            form: (),
            at: now(),
            boundary: "=_b_=",
        })
    };
    assert!(matches!(sealing(&outer, Some("Dinner plans"), &[]), Err(SealError::LastLook(_))));
    let outer = [Field::new("To", "Bob <bob@example.org>, Dave <DAVE@example.org>").unwrap()];
    assert!(matches!(sealing(&outer, None, &[address("dave")]), Err(SealError::LastLook(_))));
    assert!(sealing(&outer, None, &[address("ave")]).is_ok());
}

#[test]
fn sealed_bytes_pass_again_and_nothing_else_does() {
    let (alice, bob, carol) =
        (make("alice", Profile::Rfc4880), make("bob", Profile::Rfc4880), make("carol", Profile::Rfc9580));
    let to_bob = || Envelope::new(address("alice"), vec![address("bob")]).unwrap();
    let parse = |bytes: Vec<u8>| Sealed::parse(bytes, to_bob(), &recipients(&[("bob", &bob)]));
    let good = wire(&seal_bytes(TEXT, Some(&alice), &[("bob", &bob)]));
    let again = parse(good.clone()).unwrap();
    assert_eq!(wire(&again), good);

    let text = String::from_utf8(good.clone()).unwrap();
    let armor = String::from_utf8(armor_of(&good)).unwrap();
    let end = "--=_b_=--\r\n";
    let broken = [
        ("preamble", text.replacen("\r\n\r\n", "\r\n\r\nhello\r\n", 1)),
        ("epilogue", format!("{text}hello\r\n")),
        ("third part", text.replace(end, "--=_b_=\r\nContent-Type: text/plain\r\n\r\nhello\r\n--=_b_=--\r\n")),
        ("bcc", format!("Bcc: dave@example.org\r\n{text}")),
        ("folded bcc", format!("bCC\r\n : x\r\n{text}")),
        ("two types", format!("Content-Type: text/plain\r\n{text}")),
        ("lone LF", text.replacen("\r\n", "\n", 1)),
        ("lone CR", text.replacen("[...]", "[..\r.]", 1)),
        ("NUL", text.replacen("[...]", "[\0]", 1)),
        ("8-bit", text.replacen("[...]", "é", 1)),
        ("long line", text.replacen("[...]", &"x".repeat(999), 1)),
        ("no end", text.replace(end, "")),
        ("cut", text[..text.len() - 2].to_owned()),
        ("no header field", format!("hello\r\n{text}")),
        ("text in the armor", text.replace("-----END", "hello world\r\n-----END")),
        ("behind the checksum", text.replace("-----END", "aGVsbG8h\r\n-----END")),
        ("comment", text.replace("MESSAGE-----\r\n\r\n", "MESSAGE-----\r\nComment: hello\r\n\r\n")),
        (
            "text behind the armor",
            text.replace("-----END PGP MESSAGE-----\r\n", "-----END PGP MESSAGE-----\r\nhello\r\n"),
        ),
        ("second armor", text.replace(&armor, &format!("{armor}{armor}"))),
        ("part field", text.replace("Content-Disposition", "Subject: hello\r\nContent-Disposition")),
        ("wrong type", text.replace("multipart/encrypted", "multipart/mixed")),
        ("wrong part", text.replace("application/octet-stream", "text/plain")),
        ("wrong version", text.replace("Version: 1", "Version: 2")),
        ("plain", "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello\r\n".to_owned()),
        ("empty", String::new()),
    ];
    for (what, bytes) in broken {
        assert!(matches!(parse(bytes.into_bytes()), Err(SealError::LastLook(_))), "{what} passed");
    }
    let other = |to: &[(&str, &Key)]| parse(wire(&seal_bytes(TEXT, None, to))).is_err();
    assert!(other(&[("carol", &carol)]));
    assert!(other(&[("bob", &bob), ("carol", &carol)]));
    // One recipient fewer than meant.
    let both = Envelope::new(address("alice"), vec![address("bob"), address("carol")]).unwrap();
    assert!(Sealed::parse(good.clone(), both, &recipients(&[("bob", &bob), ("carol", &carol)])).is_err());
    let elsewhere = Envelope::new(address("alice"), vec![address("dave")]).unwrap();
    assert!(Sealed::parse(good, elsewhere, &recipients(&[("bob", &bob)])).is_err());
}

#[test]
fn signed_only_or_hidden_or_doubled_packets_never_pass_for_sealed() {
    use sequoia_openpgp::{
        Packet,
        parse::Parse,
        serialize::{SerializeInto, stream::*},
    };
    let bob = make("bob", Profile::Rfc4880);
    let good = wire(&seal_bytes(TEXT, None, &[("bob", &bob)]));
    let text = String::from_utf8(good.clone()).unwrap();
    let old = String::from_utf8(armor_of(&good)).unwrap();
    let parse = |packets: &[u8]| {
        let armor = armor::write(armor::Kind::Message, packets, true).replace('\n', "\r\n");
        let envelope = Envelope::new(address("alice"), vec![address("bob")]).unwrap();
        Sealed::parse(text.replace(&old, &armor).into_bytes(), envelope, &recipients(&[("bob", &bob)]))
    };
    let packets: Vec<Packet> =
        sequoia_openpgp::PacketPile::from_bytes(old.as_bytes()).unwrap().into_children().collect();
    let bytes = |list: &[&Packet]| list.iter().flat_map(|p| p.to_vec().unwrap()).collect::<Vec<u8>>();
    assert!(parse(&bytes(&[&packets[0], &packets[1]])).is_ok());
    assert!(parse(&bytes(&[&packets[1]])).is_err());
    assert!(parse(&bytes(&[&packets[0]])).is_err());
    assert!(parse(&bytes(&[&packets[0], &packets[0], &packets[1]])).is_err());
    assert!(parse(&bytes(&[&packets[0], &packets[1], &packets[1]])).is_err());

    let mut literal = Vec::new();
    let mut writer = LiteralWriter::new(Message::new(&mut literal)).build().unwrap();
    writer.write_all(TEXT).unwrap();
    writer.finalize().unwrap();
    assert!(parse(&literal).is_err());
    assert!(parse(&[bytes(&[&packets[0], &packets[1]]), literal].concat()).is_err());
}
