#![allow(clippy::unwrap_used, clippy::expect_used)]

//! The rules of opening, one fault a test, over a suite of straw: its "ciphertext" is the plaintext behind a
//! line that says who signed inside, its "signature" a line that names signer and verdict.

mod cms;
mod gpg;
mod mangled;
mod published;
mod released;
mod round_trip;
mod straw;

use base64::Engine;
use serde_json::Value;

use super::*;
use crate::crypt::{BadReason, SignerCertificate, UnknownReason, Verdict};
use mangled::Tolerant;
use straw::Straw;

const AT: &str = "2026-11-24T12:00:00Z";
const ALICE: &str = "alice@example.org";

/// A reader of OpenPGP that knows nobody in S/MIME.
fn pgp_only(pgp: pgp::Reader<'_>) -> Readers<'_> {
    let authorities = Box::leak(Box::default());
    let smime = smime::Reader { keys: &[], certificates: &[], authorities, pins: &[], at: pgp.at, limit: pgp.limit };
    Readers { pgp, smime, doubt: &|_, _, _| None }
}

fn fingerprint(digit: char) -> Fingerprint {
    Fingerprint::parse(&digit.to_string().repeat(40)).unwrap()
}

/// `alice`, `alice,bob`, `alice bad=expired`, `none` for a layer without signatures.
fn facts(text: &str) -> Vec<SignatureFact> {
    let text = text.trim();
    let (names, fault) = text.split_once(' ').unwrap_or((text, ""));
    let verdict = match fault {
        "" => Verdict::Good,
        "unknown" => Verdict::Unknown(UnknownReason::NoCertificate),
        "untrusted" => Verdict::Unknown(UnknownReason::Untrusted),
        "bad=invalid" => Verdict::Bad(BadReason::Invalid),
        "bad=weak" => Verdict::Bad(BadReason::Weak),
        "bad=expired" => Verdict::Bad(BadReason::Expired),
        other => panic!("{other}"),
    };
    let names = names.split(',').filter(|name| *name != "none");
    let facts = names.map(|name| SignatureFact {
        verdict,
        certificate: (fault != "unknown").then(|| SignerCertificate {
            fingerprint: fingerprint('A'),
            addresses: vec![Address::parse(&format!("{name}@example.org")).unwrap()],
            weak: false,
        }),
        issuer: "0123456789ABCDEF".to_owned(),
        created: Some("2026-11-24T10:00:00Z".parse().unwrap()),
        detail: None,
    });
    facts.collect()
}

const OUTER: &str =
    "From: Alice <alice@example.org>\nTo: bob@example.org\nSubject: [...]\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n";
const INNER: &str = "From: Alice <alice@example.org>\nSubject: Dinner plans\nHP-Outer: From: Alice <alice@example.org>\nHP-Outer: Subject: [...]\n";

fn encrypted(outer: &str, signed: &str, payload: &str) -> String {
    sealed(outer, &format!("encrypted {signed}\n{payload}"))
}

fn sealed(outer: &str, content: &str) -> String {
    let content = base64::engine::general_purpose::STANDARD.encode(content);
    format!(
        "{outer}Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=e\n\n--e\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--e\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n{content}\n--e--\n"
    )
}

fn signed(outer: &str, by: &str, payload: &str) -> String {
    format!(
        "{outer}Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\n\n--s\n{payload}\n--s\nContent-Type: application/pgp-signature\n\nsig {by}\n--s--\n"
    )
}

fn payload(parameters: &str) -> String {
    format!("{INNER}Content-Type: text/plain{parameters}\n\nLet's eat\n")
}

fn opened(message: &str) -> Opened {
    open(message.as_bytes().to_vec(), &Straw, AT.parse().unwrap()).unwrap()
}

fn json(message: &str) -> Value {
    let released = opened(message).release(&Requirement::None).unwrap();
    serde_json::to_value(released.report(None)).unwrap()
}

fn error(message: &str) -> OpenError {
    open(message.as_bytes().to_vec(), &Straw, AT.parse().unwrap()).map(|_| ()).unwrap_err()
}

/// `state covers reason`.
fn state(json: &Value) -> String {
    let text = |key: &str| json["signature"][key].as_str().unwrap_or("null").to_owned();
    format!("{} {} {}", text("state"), text("covers"), text("reason"))
}

fn warnings(json: &Value) -> Vec<&str> {
    json["warnings"].as_array().unwrap().iter().map(|warning| warning["kind"].as_str().unwrap()).collect()
}

fn protection<'a>(json: &'a Value, name: &str) -> &'a str {
    json["headers"][name]["protection"].as_str().unwrap()
}

#[test]
fn a_good_message_has_all_keys() {
    let json = json(&encrypted(OUTER, "alice", &payload("; hp=cipher")));
    assert_eq!(
        json,
        serde_json::json!({
            "version": 1, "suite": "openpgp", "encrypted": true,
            "signature": { "state": "good", "covers": "message", "reason": null, "detail": null,
                "signers": [{ "address": ALICE, "fingerprint": "A".repeat(40) }] },
            "headers": {
                "from": { "value": "Alice <alice@example.org>", "protection": "signed" },
                "to": { "value": "bob@example.org", "protection": "unprotected" },
                "subject": { "value": "Dinner plans", "protection": "signed-and-encrypted" },
                "date": { "value": "Tue, 24 Nov 2026 10:00:00 +0000", "protection": "unprotected" },
            },
            "warnings": [{ "kind": "expired-key", "text": json["warnings"][0]["text"] }],
            "body": { "text": "Let's eat\n" }, "attachments": [],
        })
    );
}

#[test]
fn without_a_layer_nothing_is_claimed() {
    let json = json("From: a@example.org\nContent-Type: text/plain; hp=cipher\n\nx\n");
    assert_eq!((json["suite"].clone(), state(&json)), (Value::Null, "none none null".to_owned()));
    assert_eq!(protection(&json, "from"), "unprotected");
    assert_eq!(json["signature"]["signers"], serde_json::json!([]));
}

#[test]
fn each_reason_has_its_state() {
    let inside = |by: &str| json(&encrypted(OUTER, by, &payload("; hp=cipher")));
    let detached = |by: &str| json(&encrypted(OUTER, "", &signed("", by, &payload("; hp=cipher"))));
    for open in [&inside as &dyn Fn(&str) -> Value, &detached] {
        assert_eq!(state(&open("alice")), "good message null");
        assert_eq!(state(&open("alice,alice")), "good message null");
        assert_eq!(state(&open("alice,mallory")), "bad none wrong-signer");
        assert_eq!(state(&open("mallory")), "bad none wrong-signer");
        assert_eq!(state(&open("alice bad=invalid")), "bad none invalid");
        assert_eq!(state(&open("alice bad=weak")), "bad none weak");
        assert_eq!(state(&open("alice bad=expired")), "bad none expired");
        assert_eq!(state(&open("alice unknown")), "unknown message no-certificate");
        assert_eq!(state(&open("alice untrusted")), "unknown message untrusted");
        assert_eq!(state(&open("none")), "bad none missing");
    }
    let unknown = inside("alice unknown");
    assert_eq!(
        unknown["signature"]["signers"],
        serde_json::json!([{ "address": null, "fingerprint": "0123456789ABCDEF" }])
    );
    assert_eq!(state(&json(&encrypted(OUTER, "", &payload("; hp=cipher")))), "none none null");
}

#[test]
fn two_layers_inside_are_several() {
    assert_eq!(state(&json(&encrypted(OUTER, "alice | alice", &payload("")))), "bad none several-layers");
    let both = encrypted(OUTER, "alice", &signed("", "alice", &payload("")));
    assert_eq!(state(&json(&both)), "bad none several-layers");
    let nested =
        signed(OUTER, "alice", &signed("", "alice", &payload("")).replace("=s\n", "=t\n").replace("--s", "--t"));
    assert_eq!(state(&json(&nested)), "bad none several-layers");
}

#[test]
fn a_signature_outside_encryption_is_passed_over() {
    let outside = signed(OUTER, "alice", &encrypted("", "", &payload("; hp=cipher")));
    let json = json(&outside);
    assert_eq!((state(&json), json["encrypted"].clone()), ("none none null".to_owned(), Value::Bool(true)));
    assert!(warnings(&json).contains(&"outer-signature"));
    assert_eq!(protection(&json, "subject"), "encrypted");
}

#[test]
fn a_signed_message_needs_its_two_parts() {
    assert_eq!(state(&json(&signed(OUTER, "alice", &payload("")))), "good message null");
    let one = signed(OUTER, "alice", &payload("")).replace("--s\nContent-Type: application/pgp-signature", "");
    assert_eq!(state(&json(&one)), "bad none missing");
    let third = signed(OUTER, "alice", &payload("")).replace("--s--", "--s\n\nextra\n--s--");
    let json_third = json(&third);
    assert_eq!(state(&json_third), "bad none malformed");
    assert_eq!(json_third["attachments"].as_array().unwrap().len(), 2);
    let empty = signed(OUTER, "alice", &payload("")).replace("sig alice", "");
    assert_eq!(state(&json(&empty)), "bad none missing");
    let garbage = signed(OUTER, "alice", &payload("")).replace("sig alice", "garbage");
    assert_eq!(state(&json(&garbage)), "bad none malformed");
    let protocol = signed(OUTER, "alice", &payload("")).replace("protocol=\"application/pgp-signature\"; ", "");
    assert_eq!(state(&json(&protocol)), "bad none malformed");
    let twice = signed(OUTER, "alice", &payload("")).replacen(
        "Content-Type: multi",
        "Content-Type: text/plain\nContent-Type: multi",
        1,
    );
    let json_twice = json(&twice);
    assert_ne!(json_twice["signature"]["state"], "good");
    assert!(
        warnings(&json(&signed(OUTER, "alice", &payload("")).replacen("boundary=s", "boundary=s; boundary=s", 1)))
            .contains(&"errant-layer")
    );
}

#[test]
fn the_one_author_counts() {
    let from = |fields: &str| json(&signed(fields, "alice", "Content-Type: text/plain\n\nx\n"));
    assert_eq!(state(&from("From: ALICE@EXAMPLE.ORG\n")), "good message null");
    let several = from("From: alice@example.org\nFrom: mallory@example.org\n");
    assert_eq!(state(&several), "bad none several-from");
    assert!(warnings(&several).contains(&"several-from"));
    assert_eq!(state(&from("From: alice@example.org, mallory@example.org\n")), "bad none several-from");
    assert_eq!(state(&from("Subject: x\n")), "bad none no-from");
    assert_eq!(state(&from("From: nobody\n")), "bad none no-from");
    let name = from("From: \"alice@example.org\" <mallory@example.org>\n");
    assert_eq!(state(&name), "bad none wrong-signer");
    assert!(warnings(&name).contains(&"display-name"));
    let word = from("From: =?utf-8?q?alice=40example.org?= <mallory@example.org>\n");
    assert!(warnings(&word).contains(&"display-name"));
    let bare = from("From: alice@example.org <mallory@example.org>\n");
    assert_eq!((state(&bare), warnings(&bare)), ("bad none wrong-signer".to_owned(), vec!["display-name"]));
    assert_eq!(state(&from("From: Al\u{200d}ice <alice@example.org>\n")), "good message null");
    assert_eq!(state(&from("From: Alice <alice@exam\u{200b}ple.org>\n")), "bad none no-from");
    assert_eq!(state(&from("From: <alice@example.org> <mallory@example.org>\n")), "bad none no-from");
    assert_eq!(state(&from("From : alice@example.org\nFrom: mallory@example.org\n")), "bad none several-from");
}

#[test]
fn the_protected_author_counts_where_there_is_one() {
    let outer = OUTER.replace("Alice <alice@example.org>", "Mallory <mallory@example.org>");
    let json_good = json(&encrypted(&outer, "alice", &payload("; hp=cipher")));
    assert_eq!(state(&json_good), "good message null");
    assert!(warnings(&json_good).contains(&"from-mismatch"));
    assert_eq!(json_good["headers"]["from"]["value"], "Alice <alice@example.org>");
    // Without header protection the inner fields are mere text.
    let json_bad = json(&encrypted(&outer, "alice", &payload("")));
    assert_eq!(state(&json_bad), "bad none wrong-signer");
    assert_eq!(json_bad["headers"]["subject"]["value"], "[...]");
    let inner_two = payload("; hp=cipher").replace("Subject: D", "From: mallory@example.org\nSubject: D");
    assert_eq!(state(&json(&encrypted(OUTER, "alice", &inner_two))), "bad none several-from");
}

#[test]
fn protection_follows_hp_outer() {
    let of = |outer: &str, by: &str, payload: &str, name: &str| {
        protection(&json(&encrypted(outer, by, payload)), name).to_owned()
    };
    let cipher = payload("; hp=\"cipher\"");
    assert_eq!(of(OUTER, "alice", &cipher, "subject"), "signed-and-encrypted");
    assert_eq!(of(OUTER, "", &cipher, "subject"), "encrypted");
    assert_eq!(of(OUTER, "alice bad=invalid", &cipher, "subject"), "encrypted");
    assert_eq!(of(OUTER, "", &cipher, "from"), "unprotected");
    assert_eq!(of(OUTER, "alice", &payload("; hp=clear"), "subject"), "signed");
    assert_eq!(of(OUTER, "alice", &payload("; hp=bogus; protected-headers=v1"), "subject"), "signed");
    let older = payload("; protected-headers=\"v1\"");
    assert_eq!(of(OUTER, "alice", &older, "subject"), "signed-and-encrypted");
    assert_eq!(of(&OUTER.replace("[...]", "=?utf-8?q?Dinner?= plans"), "alice", &older, "subject"), "signed");
    // Signed only: nothing is confidential, whatever it says.
    let clear = json(&signed(OUTER, "alice", &cipher));
    assert_eq!(protection(&clear, "subject"), "signed");
    // Deeper than the payload's root a parameter says nothing.
    let deeper = format!("Content-Type: multipart/mixed; boundary=d\n\n--d\n{cipher}\n--d--\n");
    assert_eq!(of(OUTER, "alice", &deeper, "subject"), "unprotected");
}

#[test]
fn wrapped_messages_are_read_under_conditions() {
    let wrapped = |parameters: &str, inner: &str| {
        json(&encrypted(OUTER, "alice", &format!("Content-Type: message/rfc822{parameters}\n\n{inner}")))
    };
    let inner = "From: alice@example.org\nSubject: Dinner plans\n\nLet's eat\n";
    let read = wrapped("", inner);
    assert_eq!(
        (read["body"]["text"].clone(), protection(&read, "subject")),
        ("Let's eat\n".into(), "signed-and-encrypted")
    );
    for refused in [
        wrapped("; forwarded=yes", inner),
        wrapped("; hp=cipher", inner),
        wrapped("", &inner.replace("alice", "mallory")),
        wrapped("", &signed(inner.split("\n\n").next().map(|h| format!("{h}\n")).unwrap().as_str(), "alice", "\nx")),
    ] {
        assert_eq!(refused["attachments"][0]["type"], "message/rfc822");
        assert_eq!(refused["body"]["text"], "");
    }
}

#[test]
fn deeper_layers_are_errant() {
    let wrap = |inner: &str| {
        format!("{OUTER}Content-Type: multipart/mixed; boundary=m\n\n--m\n\nhello\n--m\n{inner}\n--m--\n")
    };
    let buried = json(&wrap(&encrypted("", "alice", &payload("; hp=cipher"))));
    assert_eq!((buried["encrypted"].clone(), state(&buried)), (Value::Bool(false), "none none null".to_owned()));
    assert_eq!(warnings(&buried), ["errant-layer"]);
    assert_eq!(buried["body"]["text"], "hello");
    assert_eq!(buried["suite"], Value::Null);
    assert_eq!(buried["attachments"].as_array().unwrap().len(), 2);
    let list = json(&wrap(&signed("", "alice", "Content-Type: text/plain\n\nx\n")));
    assert_eq!(state(&list), "none part null");
    assert_eq!(list["signature"]["signers"][0]["address"], ALICE);
    let alternative = wrap(&signed("", "alice", "Content-Type: text/plain\n\nx\n")).replace("/mixed", "/alternative");
    let alternative = json(&alternative);
    assert_eq!((&alternative["body"]["text"], warnings(&alternative)), (&"hello".into(), vec!["errant-layer"]));
    assert_eq!(alternative["attachments"].as_array().unwrap().len(), 2, "what a deeper signature holds is shown");
    let broken = json(&wrap(&signed("", "alice bad=invalid", "Content-Type: text/plain\n\nx\n")));
    assert_eq!(state(&broken), "none none null");
    let forwarded = json(&wrap(&format!("Content-Type: message/rfc822\n\n{}", signed(OUTER, "alice", "\nx"))));
    assert_eq!((state(&forwarded), warnings(&forwarded)), ("none none null".to_owned(), vec!["errant-layer"]));
    let inside = json(&encrypted(OUTER, "alice", &wrap(&encrypted("", "", &payload("")))));
    assert!(warnings(&inside).contains(&"errant-layer"));
    assert_eq!(state(&inside), "good message null");
}

const ARMOR: &str = "-----BEGIN PGP MESSAGE-----\nencrypted alice\nsecret\n-----END PGP MESSAGE-----\n";

#[test]
fn a_body_that_is_one_armored_message_is_opened() {
    let read = json(&format!("{OUTER}\n\n{ARMOR}"));
    assert_eq!((read["encrypted"].clone(), state(&read)), (Value::Bool(true), "none part null".to_owned()));
    assert_eq!(read["body"]["text"], "secret");
    assert_eq!(protection(&read, "subject"), "unprotected");
    for errant in [
        format!("{OUTER}\nhello\n{ARMOR}"),
        format!("{OUTER}\n{ARMOR}hello\n"),
        format!("{OUTER}\n{ARMOR}{ARMOR}"),
        format!("{OUTER}\n> {ARMOR}"),
        format!("{OUTER}Content-Type: text/html\n\n<p>{}</p>", ARMOR.replace('\n', "<br>&nbsp;\n")),
        format!("{OUTER}Content-Type: multipart/mixed; boundary=m\n\n--m\n\n{ARMOR}\n--m--\n"),
    ] {
        let read = json(&errant);
        assert_eq!(
            (read["encrypted"].clone(), warnings(&read)),
            (Value::Bool(false), vec!["errant-layer"]),
            "{errant}"
        );
    }
    let nested = json(&encrypted(OUTER, "alice", &format!("Content-Type: text/plain\n\n{ARMOR}")));
    assert!(warnings(&nested).contains(&"errant-layer"));
}

#[test]
fn clear_signed_text_is_never_good() {
    let text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhello\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n";
    for message in [format!("{OUTER}\n{text}"), format!("{OUTER}\nbefore\n{text}after\n")] {
        let read = json(&message);
        assert_eq!((state(&read), warnings(&read)), ("none part null".to_owned(), vec!["inline-signature"]));
    }
    let armored = json(&format!("{OUTER}\n{}", ARMOR.replace("encrypted alice\n", "signed\n")));
    assert_eq!((state(&armored), armored["encrypted"].clone()), ("none none null".to_owned(), Value::Bool(false)));
    assert_eq!(warnings(&armored), ["inline-signature"]);
    let bomb = format!("{OUTER}\n{}", ARMOR.replace("encrypted alice\n", "bomb\n"));
    assert!(matches!(error(&bomb), OpenError::Limit(_)));
}

#[test]
fn signatures_over_parts_that_are_too_many_are_said_to_be() {
    let parts = |count| {
        let part = signed("", "alice", "Content-Type: text/plain\n\nhello");
        let parts = format!("--m\n{part}\n").repeat(count);
        json(&format!("{OUTER}Content-Type: multipart/mixed; boundary=m\n\n{parts}--m--\n"))
    };
    assert_eq!(warnings(&parts(8)), ["errant-layer"]);
    assert_eq!(warnings(&parts(9)), ["errant-layer", "limit"]);
}

#[test]
fn one_mangling_is_mended() {
    let mangled = format!(
        "{OUTER}Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\n\n--m\nContent-Type: application/pgp-encrypted; name=x\nContent-Transfer-Encoding: base64\n\nVmVyc2lvbjogMQ0K\n--m\nContent-Type: application/octet-stream\n\nencrypted alice\n{}\n--m--\n",
        payload("; hp=cipher")
    );
    let read = json(&mangled);
    assert!(warnings(&read).contains(&"repaired"));
    assert_eq!(state(&read), "good message null");
    for other in [
        mangled.replace("\n\n\n--m", "\n\nhello\n--m"),
        mangled.replace("VmVyc2lvbjogMQ0K", "VmVyc2lvbjogMg0K"),
        mangled.replace("multipart/mixed", "multipart/related"),
        mangled.replace("--m--", "--m\n\nmore\n--m--"),
        mangled.replace("application/octet-stream", "application/x-other"),
    ] {
        let read = json(&other);
        assert_eq!((read["encrypted"].clone(), warnings(&read)), (Value::Bool(false), vec!["errant-layer"]));
    }
}

#[test]
fn encrypted_messages_have_their_exact_form() {
    let message = encrypted(OUTER, "alice", &payload(""));
    for wrong in [
        message.replace("Version: 1", "Version: 2"),
        message.replace("--e--", "--e\n\nextra\n--e--"),
        message.replace("protocol=\"application/pgp-encrypted\"; ", ""),
        message.replace("application/octet-stream", "text/plain"),
    ] {
        assert!(matches!(error(&wrong), OpenError::Malformed(_)), "{wrong}");
    }
    let other = json(&message.replace("protocol=\"application/pgp-encrypted\"", "protocol=\"application/x-other\""));
    assert_eq!((other["encrypted"].clone(), warnings(&other)), (Value::Bool(false), vec!["errant-layer"]));
    let plain = sealed(OUTER, "signed only\n");
    assert!(matches!(error(&plain), OpenError::Malformed(_)));
    assert_eq!(error(""), OpenError::Malformed("it has no header field"));
    assert_eq!(error("hello\nworld\n"), OpenError::Malformed("it has no header field"));
    let smime = format!("{OUTER}Content-Type: application/x-pkcs7-mime; smime-type=enveloped-data\n\nMIIB\n");
    assert_eq!(error(&smime), OpenError::Malformed("no CMS"));
    let deep = (0..10).fold(payload(""), |inner, _| encrypted("", "", &inner));
    assert!(matches!(error(&format!("{OUTER}{deep}")), OpenError::Limit(_)));
}

#[test]
fn a_requirement_withholds() {
    let message = encrypted(OUTER, "alice", &payload("; hp=cipher"));
    let by = |address: &str| Requirement::SignedBy(Address::parse(address).unwrap());
    assert!(opened(&message).release(&by("alice@EXAMPLE.org")).is_ok());
    for (message, address) in [
        (message.clone(), "bob@example.org"),
        (encrypted(OUTER, "alice unknown", &payload("; hp=cipher")), ALICE),
        (encrypted(OUTER, "", &payload("; hp=cipher")), ALICE),
    ] {
        let withheld = opened(&message).release(&by(address)).map(|_| ()).unwrap_err();
        let json = serde_json::to_value(withheld.report(Some("a.eml"))).unwrap();
        assert_eq!((json["body"].clone(), json["attachments"].clone()), (Value::Null, serde_json::json!([])));
        assert_eq!(json["file"], "a.eml");
    }
}

#[test]
fn dates_and_names_that_do_not_fit() {
    let dated =
        |date: &str| json(&signed(&OUTER.replace("Tue, 24 Nov 2026 10:00:00 +0000", date), "alice", &payload("")));
    assert!(!warnings(&dated("Tue, 24 Nov 2026 11:59:00 +0100")).contains(&"date-mismatch"));
    assert!(warnings(&dated("Tue, 24 Nov 2026 08:59:00 +0000")).contains(&"date-mismatch"));
    let from = |from: &str| json(&format!("From: {from}\n\nx\n"));
    for name in [
        "eve@example.net",
        "eve @ example.net",
        "eve\u{ff20} example.net",
        "Alice <eve@example.net>",
        "eve at example.net",
        "eve%40example.net",
        "E. AT Example.NET",
    ] {
        assert_eq!(warnings(&from(&format!("\"{name}\" <{ALICE}>"))), ["display-name"], "{name}");
    }
    for name in [
        "alice@example.org",
        "alice @ example.org",
        "Alice @ Work",
        "Alice, at @ Co.",
        "Alice at Example.org",
        "A at mail.example.org",
        "look at this",
    ] {
        assert_eq!(warnings(&from(&format!("\"{name}\" <{ALICE}>"))), [""; 0], "{name}");
    }
    assert!(warnings(&from("a@ex\u{430}mple.org")).contains(&"lookalike"));
    assert!(warnings(&from("alic\u{435}@example.org")).contains(&"lookalike"));
    assert!(warnings(&from("a@xn--80ak6aa92e.com")).contains(&"lookalike"));
    assert!(warnings(&from("j\u{fc}rgen@m\u{fc}nchen.de")).is_empty());
    assert!(
        warnings(&from("\u{438}\u{432}\u{430}\u{43d}@\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.\u{440}\u{444}"))
            .is_empty()
    );
}

#[test]
fn a_weak_key_is_named() {
    let message = signed(OUTER, "alice", &payload("")).into_bytes();
    let summary = open(message, &Tolerant, AT.parse().unwrap()).unwrap().summary().clone();
    assert_eq!(summary.signature.state, State::Good);
    assert!(summary.warns(WarningKind::WeakKey));
}
