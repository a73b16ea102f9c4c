//! When a signature counts, state by state and reason by reason, for S/MIME.

use serde_json::Value;

use super::{ENTITY, HEAD, authority, day, message, read};
use crate::support::{Algorithm, Authority, Mailbox, Purpose, Wish};

fn state(read: &Value) -> (&str, Option<&str>) {
    (read["signature"]["state"].as_str().unwrap(), read["signature"]["reason"].as_str())
}

#[test]
fn each_fault_of_the_signer_has_its_reason() {
    let (authority, openssl) = authority();
    let bob = authority.mailbox("bob@example.test");
    let wish = Wish::new("alice@example.test");
    let cases: [(Mailbox, i64, &str, Option<&str>); 9] = [
        (authority.issue(&wish), 0, "good", None),
        (authority.issue(&wish.clone().purpose(Purpose::Unsaid)), 0, "good", None),
        (authority.issue(&wish), 40, "bad", Some("expired")),
        (authority.issue(&wish.clone().days(2..20)), 0, "bad", Some("not-yet-valid")),
        (authority.issue(&wish), -2, "bad", Some("not-yet-valid")),
        (authority.issue(&wish.clone().algorithm(Algorithm::Rsa(1024))), 0, "bad", Some("weak")),
        (authority.issue(&wish.clone().purpose(Purpose::Server)), 0, "unknown", Some("untrusted")),
        (wish.self_signed(), 0, "unknown", Some("untrusted")),
        (authority.mailbox("mallory@example.test"), 0, "bad", Some("wrong-signer")),
    ];
    for (alice, at, expected, reason) in &cases {
        for form in [&[][..], &["-nodetach"]] {
            let signed = openssl.sign(alice, form, ENTITY);
            let sealed = openssl.encrypt(&[&bob], &[&["-aes-256-cbc"][..], &HEAD].concat(), &signed);
            let read = read(&bob, &authority.pem(), &sealed, &["--at", &day(*at)]).expect(0).json();
            assert_eq!(state(&read), (*expected, *reason), "{read}");
        }
    }
}

#[test]
fn revocation_counts_where_lists_are_given() {
    let (authority, openssl) = authority();
    let own = |address| authority.mailbox(address);
    let (alice, bob, dave) = (own("alice@example.test"), own("bob@example.test"), own("dave@example.test"));
    let signed = openssl.sign(&alice, &HEAD, ENTITY);
    let home = crate::support::Home::new();
    home.file("m.eml", signed);
    home.file("bob.pem", [bob.key_pem(), bob.pem()].concat());
    home.file("ca.pem", authority.pem());
    home.file("alice.crl", authority.revocations(&[&alice]));
    home.file("dave.crl", authority.revocations(&[&dave]));
    home.file("all.pem", [authority.pem(), authority.revocations(&[&alice])].concat());
    for (arguments, expected) in [
        (&["--trust-anchor", "ca.pem"][..], ("good", None)),
        (&["--trust-anchor", "ca.pem", "--crl", "dave.crl"], ("good", None)),
        (&["--trust-anchor", "ca.pem", "--crl", "alice.crl"], ("bad", Some("revoked"))),
        (&["--trust-anchor", "all.pem"], ("bad", Some("revoked"))),
    ] {
        let arguments = [&["open", "--json", "m.eml"], arguments].concat();
        let read = home.sealpost(arguments).run().expect(0).json();
        assert_eq!(state(&read), expected, "{read}");
    }
    // Lists that say nothing of the issuer leave it open, which is told to whoever asked.
    home.file("strange.crl", Authority::new().revocations(&[]));
    for (list, kinds) in [(&[][..], vec![]), (&["--crl", "strange.crl"], vec!["limit"])] {
        let arguments = ["open", "--json", "m.eml", "--trust-anchor", "ca.pem"];
        let read = home.sealpost(arguments.iter().chain(list)).run().expect(0).json();
        assert_eq!(state(&read), ("good", None), "{read}");
        let told = read["warnings"].as_array().unwrap().iter().map(|warning| warning["kind"].as_str().unwrap());
        assert_eq!(told.collect::<Vec<_>>(), kinds, "{read}");
    }
}

#[test]
fn whose_anchor_it_is_and_what_a_pin_is_worth() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    let signed = openssl.sign(&alice, &HEAD, ENTITY);
    let strangers = Authority::new();
    assert_eq!(state(&read(&bob, &strangers.pem(), &signed, &[]).expect(0).json()), ("unknown", Some("untrusted")));
    // An intermediate can be an anchor.
    let middle = alice.chain[0].to_pem().unwrap();
    assert_eq!(state(&read(&bob, &middle, &signed, &[]).expect(0).json()).0, "good");
    // In a closed group the pin of recipients.toml stands for the chain, for its address and no other.
    let own = Wish::new("alice@example.test").self_signed();
    let home = super::home(&strangers.pem(), Some(&bob), &[&own], "");
    let signed = openssl.sign(&own, &HEAD, ENTITY);
    let open = || {
        let opened = home.sealpost(["open", "--json", "-", "--passphrase", "file:pw"]).stdin(signed.clone()).run();
        opened.expect(0).json()
    };
    assert_eq!(state(&open()), ("unknown", Some("untrusted")));
    // To be given for the run is not enough.
    let given = home.sealpost(["open", "--json", "-", "--cert", "other-0.pem"]).stdin(signed.clone()).run();
    assert_eq!(state(&given.expect(0).json()), ("unknown", Some("untrusted")));
    for (address, expected) in [("alice", ("good", None)), ("carol", ("bad", Some("wrong-signer")))] {
        let text = format!("[recipient.\"{address}@example.test\"]\npin = [\"{}\"]\n", own.fingerprint());
        std::fs::write(home.state().join("recipients.toml"), text).unwrap();
        assert_eq!(state(&open()), expected);
    }
    // Where one that signs is pinned no chain vouches for another; one that is only encrypted to is beside the point.
    for (kind, expected) in [(Algorithm::P256, ("unknown", Some("untrusted"))), (Algorithm::X25519, ("good", None))] {
        let pinned = authority.issue(&Wish::new("alice@example.test").algorithm(kind));
        let home = super::home(&authority.pem(), Some(&bob), &[&pinned], "");
        let pin = format!("[recipient.\"alice@example.test\"]\npin = [\"{}\"]\n", pinned.fingerprint());
        std::fs::write(home.state().join("recipients.toml"), pin).unwrap();
        let signed = openssl.sign(&alice, &HEAD, ENTITY);
        let opened = home.sealpost(["open", "--json", "-", "--passphrase", "file:pw"]).stdin(signed).run();
        assert_eq!(state(&opened.expect(0).json()), expected, "{kind:?}");
    }
}

#[test]
fn only_one_signature_over_the_whole_by_the_one_from_is_good() {
    let (authority, openssl) = authority();
    let own = |address| authority.mailbox(address);
    let (alice, bob, mallory) = (own("alice@example.test"), own("bob@example.test"), own("mallory@example.test"));
    let opened = |message: &[u8]| read(&bob, &authority.pem(), message, &[]).expect(0).json();
    let signed = String::from_utf8(openssl.sign(&mallory, &HEAD, ENTITY)).unwrap();
    assert_eq!(state(&opened(signed.as_bytes())), ("bad", Some("wrong-signer")));
    // A display name that looks like an address helps nobody.
    let named = signed.replace("From: alice@example.test", "From: \"alice@example.test\" <eve@example.test>");
    assert_eq!(state(&opened(named.as_bytes())), ("bad", Some("wrong-signer")));

    let signed = String::from_utf8(openssl.sign(&alice, &HEAD, ENTITY)).unwrap();
    assert_eq!(state(&opened(signed.as_bytes())), ("good", None));
    for (from, expected) in [
        ("From: alice@example.test\nFrom: mallory@example.test", ("bad", Some("several-from"))),
        ("X: y", ("bad", Some("no-from"))),
        ("From: mallory@example.test", ("bad", Some("wrong-signer"))),
    ] {
        assert_eq!(state(&opened(signed.replace("From: alice@example.test", from).as_bytes())), expected);
    }
    assert_eq!(state(&opened(signed.replace("hello", "hullo").as_bytes())), ("bad", Some("invalid")));

    // Two signers of one layer: all of them, or none.
    openssl.file("second.pem", &[mallory.certificate_pem(), mallory.key_pem()].concat());
    let both = openssl.sign(&alice, &[&["-signer", "second.pem"][..], &HEAD].concat(), ENTITY);
    assert_eq!(state(&opened(&both)).0, "bad");

    // A signed part among others is a part.
    let part = signed.split_once("MIME-Version: 1.0\n").unwrap().1;
    let text = format!(
        "From: alice@example.test\nTo: bob@example.test\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=bb-bb\n\n--bb-bb\nContent-Type: text/plain\n\nsend money\n\
         --bb-bb\n{part}\n--bb-bb--\n"
    );
    assert_ne!(state(&opened(text.as_bytes())).0, "good");
}

#[test]
fn weak_digests_are_weak_and_a_required_signature_is_required() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.rsa("alice@example.test"), authority.mailbox("bob@example.test"));
    for digest in ["sha1", "md5"] {
        let signed = openssl.sign(&alice, &[&["-md", digest][..], &HEAD].concat(), ENTITY);
        let opened = read(&bob, &authority.pem(), &signed, &[]).expect(0).json();
        assert_eq!(state(&opened), ("bad", Some("weak")), "{digest}");
    }
    let signed = openssl.sign(&alice, &[], ENTITY);
    let sealed = openssl.encrypt(&[&bob], &[&["-aes-256-cbc"][..], &HEAD].concat(), &signed);
    read(&bob, &authority.pem(), &sealed, &["--signed-by", "ALICE@example.test"]).expect(0);
    let unsigned = openssl.encrypt(&[&bob], &[&["-aes-256-gcm"][..], &HEAD].concat(), ENTITY);
    for (message, who) in [(&sealed, "bob@example.test"), (&unsigned, "alice@example.test")] {
        let withheld = read(&bob, &authority.pem(), message, &["--signed-by", who]).expect(3);
        assert_eq!((&withheld.json()["body"], &withheld.json()["attachments"]), (&Value::Null, &serde_json::json!([])));
        assert_eq!(withheld.error()["kind"], "signature-required");
        assert!(!withheld.text().contains("hello"));
    }
}

#[test]
fn content_beside_content_is_not_signed_content() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    // multipart/signed whose signature brings a content of its own.
    let opaque = openssl.sign(&alice, &["-nodetach", "-outform", "DER"], ENTITY);
    let text = String::from_utf8(message("signed-data", &opaque)).unwrap();
    let base64 = text.split_once("\r\n\r\n").unwrap().1;
    let forged = format!(
        "From: alice@example.test\r\nTo: bob@example.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; \
         protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=bb-bb\r\n\r\n--bb-bb\r\n\
         Content-Type: text/plain\r\n\r\nsend money\r\n--bb-bb\r\nContent-Type: application/pkcs7-signature\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{base64}--bb-bb--\r\n"
    );
    let opened = read(&bob, &authority.pem(), forged.as_bytes(), &[]).expect(0).json();
    assert_eq!(state(&opened).0, "bad", "{opened}");
}
