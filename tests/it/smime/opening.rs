//! What others write, opened: OpenSSL, gpgsm and s-nail; every layer, form and algorithm.

use serde_json::Value;

use super::{ENTITY, HEAD, authority, der, message, read};
use crate::support::{Algorithm, Gpgsm, Home, Wish, s_nail};

fn kinds(read: &Value) -> Vec<&str> {
    read["warnings"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect()
}

#[test]
fn openssl_wrote_it_in_every_form() {
    let (authority, openssl) = authority();
    for algorithm in [Algorithm::Rsa(3072), Algorithm::P256, Algorithm::P384] {
        let own = |address| authority.issue(&Wish::new(address).algorithm(algorithm));
        let (alice, bob) = (own("alice@example.test"), own("bob@example.test"));
        let pss: &[&str] = if algorithm == Algorithm::Rsa(3072) { &["-keyopt", "rsa_padding_mode:pss"] } else { &[] };
        for form in [&[][..], &["-nodetach"], &["-nodetach", "-stream"], pss, &["-md", "sha512"]] {
            let signed = openssl.sign(&alice, form, ENTITY);
            for cipher in [&["-aes-256-cbc"][..], &["-aes-128-cbc"], &["-aes-256-gcm"], &["-aes-256-cbc", "-stream"]] {
                let sealed = openssl.encrypt(&[&alice, &bob], &[cipher, &HEAD].concat(), &signed);
                let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
                let case = format!("{algorithm:?} {form:?} {cipher:?}: {read}");
                assert_eq!((&read["suite"], &read["encrypted"]), (&"smime".into(), &true.into()), "{case}");
                assert_eq!(read["signature"]["state"], "good", "{case}");
                assert_eq!(read["signature"]["covers"], "message", "{case}");
                assert_eq!(read["signature"]["signers"][0]["address"], "alice@example.test", "{case}");
                assert_eq!(read["body"]["text"], "hello\n", "{case}");
                assert!(kinds(&read).is_empty(), "{case}");
            }
        }
    }
}

#[test]
fn only_signed_and_only_encrypted() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    for form in [&[][..], &["-nodetach"], &["-nodetach", "-stream"]] {
        let signed = openssl.sign(&alice, &[form, &HEAD].concat(), ENTITY);
        let read = read(&bob, &authority.pem(), &signed, &[]).expect(0).json();
        assert_eq!((&read["encrypted"], &read["signature"]["state"]), (&false.into(), &"good".into()), "{read}");
        // Outside of what is signed.
        assert_eq!(read["headers"]["subject"]["protection"], "unprotected");
        assert_eq!(read["body"]["text"], "hello\n");
    }
    for (cipher, warnings) in [("-aes-256-cbc", vec!["unauthenticated-encryption"]), ("-aes-256-gcm", vec![])] {
        let sealed = openssl.encrypt(&[&bob], &[&[cipher][..], &HEAD].concat(), ENTITY);
        let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
        assert_eq!(read["signature"]["state"], "none");
        assert_eq!(kinds(&read), warnings);
    }
}

#[test]
fn oaep_and_other_derivations() {
    let (authority, openssl) = authority();
    let own = |address, algorithm| authority.issue(&Wish::new(address).algorithm(algorithm));
    let cases: [(Algorithm, &[&str]); 4] = [
        (Algorithm::Rsa(3072), &["rsa_padding_mode:oaep"]),
        (Algorithm::Rsa(3072), &["rsa_padding_mode:oaep", "rsa_oaep_md:sha256"]),
        (Algorithm::P256, &["ecdh_kdf_md:sha256"]),
        (Algorithm::P384, &["ecdh_kdf_md:sha512"]),
    ];
    for (algorithm, options) in cases {
        let bob = own("bob@example.test", algorithm);
        openssl.file("to.pem", &bob.certificate_pem());
        let mut arguments = vec!["cms", "-encrypt", "-aes-256-cbc", "-recip", "to.pem"];
        arguments.extend(options.iter().flat_map(|option| ["-keyopt", option]));
        let sealed = openssl.run(&[&arguments[..], &HEAD].concat(), ENTITY).expect(0).stdout;
        let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
        assert_eq!(read["body"]["text"], "hello\n", "{algorithm:?} {options:?}");
    }
}

#[test]
fn gpgsm_and_s_nail_wrote_it() {
    let (authority, _openssl) = authority();
    let (alice, bob) = (authority.rsa("alice@example.test"), authority.rsa("bob@example.test"));
    let gpgsm = Gpgsm::new(authority.root());
    gpgsm.import_key(&alice);
    gpgsm.import(&bob.certificate_pem()).expect(0);
    let signed = gpgsm.sign("alice@example.test", &[], ENTITY);
    let inside = message("signed-data", &signed);
    let inside = String::from_utf8(inside).unwrap();
    let inside = &inside[inside.find("MIME-Version").unwrap()..];
    let sealed = message("enveloped-data", &gpgsm.encrypt("bob@example.test", inside.as_bytes()));
    let opened = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
    assert_eq!((&opened["signature"]["state"], &opened["body"]["text"]), (&"good".into(), &"hello\n".into()));

    let sealed = s_nail::seal(&alice, "alice@example.test", (&bob, "bob@example.test"), "from s-nail\n");
    let opened = read(&bob, &authority.pem(), &sealed, &["--signed-by", "alice@example.test"]).expect(0).json();
    assert_eq!(opened["body"]["text"], "from s-nail\n");
}

#[test]
fn what_cannot_be_opened_leaves_stdout_empty_and_tells_no_more_than_it_must() {
    let (authority, openssl) = authority();
    let own = |address| authority.rsa(address);
    let (alice, bob, carol) = (own("alice@example.test"), own("bob@example.test"), own("carol@example.test"));
    let signed = openssl.sign(&alice, &[], ENTITY);
    let mut texts = std::collections::BTreeSet::new();
    for (cipher, kind) in [("-aes-256-cbc", "enveloped-data"), ("-aes-256-gcm", "authEnveloped-data")] {
        let sealed = openssl.encrypt(&[&bob], &[&[cipher][..], &HEAD].concat(), &signed);
        let other = read(&carol, &authority.pem(), &sealed, &[]).expect(65);
        assert_eq!((other.error()["kind"].as_str(), other.stdout.len()), (Some("no-key"), 0));
        let whole = der(&sealed);
        // The encrypted key ends before the content begins; the last byte is padding, or the tag.
        let key = whole.windows(4).position(|bytes| bytes == [0x04, 0x82, 0x01, 0x80]).unwrap() + 4;
        for place in [key, key + 100, key + 383, whole.len() - 1, whole.len() - 16] {
            let mut broken = whole.clone();
            broken[place] ^= 1;
            let refused = read(&bob, &authority.pem(), &message(kind, &broken), &[]);
            if refused.exit == 0 {
                // CBC alone can open with changed text: behind what the signature inside covers, or it is not good.
                assert_eq!(cipher, "-aes-256-cbc");
                let read = refused.json();
                assert!(read["signature"]["state"] != "good" || read["body"]["text"] == "hello\n", "{read}");
                continue;
            }
            let refused = refused.expect(65);
            assert_eq!((refused.error()["kind"].as_str(), refused.stdout.len()), (Some("undecryptable"), 0));
            texts.insert(refused.error()["text"].to_string());
        }
    }
    assert_eq!(texts.len(), 1, "one text for all: {texts:?}");
}

#[test]
fn keys_and_passphrases_that_are_wrong() {
    let (authority, openssl) = authority();
    let bob = authority.mailbox("bob@example.test");
    let home = Home::new();
    home.file("m.eml", openssl.encrypt(&[&bob], &[&["-aes-256-cbc"][..], &HEAD].concat(), ENTITY));
    home.file("pw", "specimen\n");
    home.file("wrong", "other\n");
    home.file("bob.p12", bob.p12("specimen"));
    home.file("empty.p12", bob.p12(""));
    home.file("none", "\n");
    home.file("bob.pem", [bob.pem(), bob.key_pem()].concat());
    home.file("bob.key", bob.key_pem());
    home.file("bob.crt", bob.pem());
    let locked =
        bob.key.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"specimen").unwrap();
    home.file("locked.pem", [bob.pem(), locked].concat());
    let open = |arguments: &[&str]| home.sealpost(["open", "--json", "m.eml"].iter().chain(arguments)).run();
    for good in [
        &["--key", "bob.p12", "--passphrase", "file:pw"][..],
        &["--key", "empty.p12", "--passphrase", "file:none"],
        &["--key", "bob.pem"],
        &["--key", "locked.pem", "--passphrase", "file:pw"],
        &["--key", "bob.key", "--cert", "bob.crt"],
    ] {
        assert_eq!(open(good).expect(0).json()["body"]["text"], "hello\n", "{good:?}");
    }
    for file in ["bob.p12", "locked.pem"] {
        open(&["--key", file, "--passphrase", "file:wrong"]).expect(77);
    }
    home.file("broken.p12", &bob.p12("specimen")[..400]);
    open(&["--key", "broken.p12", "--passphrase", "file:pw"]).expect(65);
    open(&["--key", "bob.p12", "--passphrase", "file:pw", "--trust-anchor", "none.pem"]).expect(66);
    open(&["--key", "bob.p12", "--passphrase", "file:pw", "--trust-anchor", "m.eml"]).expect(65);
    open(&["--key", "bob.p12", "--passphrase", "file:pw", "--crl", "bob.crt"]).expect(65);
    std::fs::set_permissions(home.path("bob.p12"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    open(&["--key", "bob.p12", "--passphrase", "file:pw"]).expect(77);
}

#[test]
fn the_store_opens_too_and_a_reply_is_written_with_it() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    let signed = openssl.sign(&alice, &[], ENTITY);
    let sealed = openssl.encrypt(&[&bob], &[&["-aes-256-cbc"][..], &HEAD].concat(), &signed);
    let home = super::home(&authority.pem(), Some(&bob), &[&alice], "");
    let opened = home.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(sealed).run().expect(0);
    assert_eq!(opened.text(), "hello\n");
    assert!(opened.words().contains("good signature by alice@example.test"), "{opened:?}");
    let reply = "From: bob@example.test\nTo: alice@example.test\nSubject: Re\n\nhello back\n";
    let reply = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(reply).run().expect(0).stdout;
    assert!(openssl.open(&alice, &reply).expect(0).text().contains("hello back"));
}

#[test]
fn layers_beyond_one_another() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    let signed = openssl.sign(&alice, &["-nodetach"], ENTITY);
    let sealed = openssl.encrypt(&[&bob], &["-aes-256-cbc"], &signed);
    // Triple wrapped (RFC 2634, 1.1): the outer signature is about the ciphertext.
    let triple = openssl.sign(&alice, &[&["-nodetach"][..], &HEAD].concat(), &sealed);
    let opened = read(&bob, &authority.pem(), &triple, &[]).expect(0).json();
    assert_eq!(opened["signature"]["state"], "good", "{opened}");
    assert_eq!((kinds(&opened), &opened["body"]["text"]), (vec!["outer-signature"], &"hello\n".into()));
    // Signed around encrypted alone proves nothing about the content.
    let sealed = openssl.encrypt(&[&bob], &["-aes-256-cbc"], ENTITY);
    let outside = openssl.sign(&alice, &[&["-nodetach"][..], &HEAD].concat(), &sealed);
    let opened = read(&bob, &authority.pem(), &outside, &[]).expect(0).json();
    assert_eq!(opened["signature"]["state"], "none", "{opened}");
    assert!(kinds(&opened).contains(&"outer-signature"), "{opened}");
    // Two signatures inside.
    let twice = openssl.sign(&alice, &[], &openssl.sign(&alice, &[], ENTITY));
    let sealed = openssl.encrypt(&[&bob], &[&["-aes-256-cbc"][..], &HEAD].concat(), &twice);
    let opened = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
    assert_eq!(
        (&opened["signature"]["state"], &opened["signature"]["reason"]),
        (&"bad".into(), &"several-layers".into())
    );
    // Ten layers: bounded.
    let mut deep = ENTITY.to_vec();
    for _ in 0..10 {
        deep = openssl.encrypt(&[&bob], &["-aes-256-cbc"], &deep);
    }
    let head = [b"From: alice@example.test\r\n".to_vec(), deep].concat();
    let ended = read(&bob, &authority.pem(), &head, &[]);
    assert!(matches!(ended.exit, 0 | 65), "{ended:?}");
    assert!(!ended.text().contains("hello"), "{ended:?}");
}

#[test]
fn certificates_alone_are_no_message() {
    let (authority, openssl) = authority();
    let bob = authority.mailbox("bob@example.test");
    openssl.file("bob.pem", &bob.pem());
    let bundle = openssl.run(&["crl2pkcs7", "-nocrl", "-certfile", "bob.pem", "-outform", "DER"], b"").expect(0).stdout;
    let opened = read(&bob, &authority.pem(), &message("certs-only", &bundle), &[]).expect(0).json();
    assert_eq!((&opened["signature"]["state"], &opened["encrypted"]), (&"none".into(), &false.into()), "{opened}");
}
