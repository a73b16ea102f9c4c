//! Keys and certificates in the store: PKCS#12 old and new, PEM, DER, bundles, signed messages.

use std::os::unix::fs::MetadataExt;

use super::{ENTITY, IN, authority, home, read};
use crate::support::{Algorithm, Home, Wish};

#[test]
fn a_key_of_any_age_is_imported_with_its_chain_and_locked_anew() {
    let (authority, openssl) = authority();
    for algorithm in [Algorithm::Rsa(3072), Algorithm::P256, Algorithm::P384] {
        let alice = authority.issue(&Wish::new("alice@example.test").algorithm(algorithm));
        let bob = authority.mailbox("bob@example.test");
        openssl.file("all.pem", &[alice.key_pem(), alice.pem()].concat());
        openssl.file("pw", b"specimen\n");
        let export = |more: &[&str]| {
            let arguments = ["pkcs12", "-export", "-in", "all.pem", "-passout", "file:pw"];
            openssl.run(&[&arguments[..], more].concat(), b"").expect(0).stdout
        };
        let triple_des = ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"];
        let locked = alice.key.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"specimen");
        for (form, file) in [
            ("of today", export(&[])),
            ("RC2-40", export(&["-legacy"])),
            ("3DES", export(&triple_des)),
            ("PEM", [alice.pem(), locked.unwrap()].concat()),
        ] {
            let home = home(&authority.pem(), None, &[&bob], "");
            home.file("alice.p12", file);
            home.file("wrong", "other\n");
            home.sealpost(["key", "import", "alice.p12", "--passphrase", "file:wrong"]).run().expect(77);
            let import = ["key", "import", "alice.p12", "--passphrase", "file:pw", "--json"];
            let imported = home.sealpost(import).run().expect(0).json();
            assert_eq!(imported["keys"][0]["fingerprint"], alice.fingerprint(), "{form}: {imported}");
            assert_eq!(imported["keys"][0]["addresses"][0], "alice@example.test");
            let mut found = 0;
            for entry in std::fs::read_dir(home.state().join("keys")).unwrap() {
                let entry = entry.unwrap();
                let bytes = std::fs::read(entry.path()).unwrap();
                let secret = alice.key.private_key_to_der().unwrap();
                assert!(!bytes.windows(16).any(|window| window == &secret[secret.len() - 16..]));
                assert!(!String::from_utf8_lossy(&bytes).contains("BEGIN PRIVATE KEY"));
                assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600);
                found += 1;
            }
            assert!(found > 0);
            // OpenSSL reads what we store: nobody is locked in.
            let exported = home.sealpost(["key", "export", "alice@example.test"]).run().expect(0).stdout;
            openssl.file("exported.pem", &exported);
            let check = ["pkey", "-in", "exported.pem", "-passin", "file:pw", "-pubout"];
            let public = openssl.run(&check, b"").expect(0).stdout;
            assert_eq!(public, alice.key.public_key_to_pem().unwrap(), "{form}");
            // The chain came along, and goes with what is signed.
            let sealed = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(IN).run().expect(0).stdout;
            let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
            assert_eq!(read["signature"]["state"], "good", "{form} {algorithm:?}: {read}");
        }
    }
}

#[test]
fn what_is_no_key_is_refused_and_an_unlocked_one_needs_a_passphrase() {
    let (authority, _openssl) = authority();
    let alice = authority.mailbox("alice@example.test");
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("alice.pem", [alice.key_pem(), alice.pem()].concat());
    home.sealpost(["key", "import", "alice.pem"]).run().expect(64);
    home.sealpost(["key", "import", "alice.pem", "--passphrase", "file:pw"]).run().expect(0);
    home.file("cut.p12", &alice.p12("specimen")[..700]);
    home.sealpost(["key", "import", "cut.p12", "--passphrase", "file:pw"]).run().expect(65);
    home.file("alice.crt", alice.pem());
    home.sealpost(["key", "import", "alice.crt", "--passphrase", "file:pw"]).run().expect(65);
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1, "{listed}");
    let shown = home.sealpost(["key", "show", "alice@example.test"]).run().expect(0).text();
    assert!(shown.contains(&alice.fingerprint()), "{shown}");
}

#[test]
fn certificates_come_as_pem_der_bundles_and_signed_messages() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    openssl.file("bob.pem", &bob.pem());
    let bundle = |form: &str| {
        openssl.run(&["crl2pkcs7", "-nocrl", "-certfile", "bob.pem", "-outform", form], b"").expect(0).stdout
    };
    // Alone it needs its authority from somewhere else: from another import.
    let both = [bob.certificate.to_der().unwrap(), bob.chain[0].to_der().unwrap()];
    for (form, files) in [
        ("PEM", vec![bob.pem()]),
        ("DER", both.to_vec()),
        ("PKCS#7, DER", vec![bundle("DER")]),
        ("PKCS#7, PEM", vec![bundle("PEM")]),
    ] {
        let home = home(&authority.pem(), Some(&alice), &[], "");
        for file in files {
            home.sealpost(["cert", "import", "-"]).stdin(file).run().expect(0);
        }
        let shown = home.sealpost(["cert", "show", "bob@example.test", "--json"]).run().expect(0).json();
        assert_eq!(shown["certificate"]["fingerprint"], bob.fingerprint(), "{form}: {shown}");
        assert_eq!(shown["certificate"]["usable"], true, "{form}: {shown}");
        let sealed = super::seal(&home, &[]).expect(0).stdout;
        openssl.open(&bob, &sealed).expect(0);
        // The key is not in what others get.
        let exported = home.sealpost(["cert", "export", "bob@example.test"]).run().expect(0).text();
        assert!(exported.contains("BEGIN CERTIFICATE") && !exported.contains("PRIVATE"), "{exported}");
        home.sealpost(["cert", "remove", "bob@example.test"]).run().expect(0);
        super::seal(&home, &[]).expect(67);
    }
}

#[test]
fn a_signed_message_brings_candidates_and_never_replaces_what_is_verified() {
    let (authority, openssl) = authority();
    let own = |address| authority.mailbox(address);
    let (alice, bob, other) = (own("alice@example.test"), own("bob@example.test"), own("bob@example.test"));
    let signed = |by| openssl.sign(by, &["-from", "bob@example.test"], ENTITY);
    let new = home(&authority.pem(), Some(&alice), &[], "");
    new.sealpost(["cert", "import", "-"]).stdin(signed(&bob)).run().expect(0);
    let plan = super::seal(&new, &["-n", "--json"]).expect(0).json();
    assert_eq!(plan["messages"][0]["recipients"][0]["trust"], "candidate", "{plan}");
    let listed = new.sealpost(["cert", "list"]).run().expect(0).text();
    assert!(listed.contains("bob@example.test (candidate, mail)"), "{listed}");
    assert_eq!(plan["messages"][0]["recipients"][0]["fingerprint"], bob.fingerprint());
    // An account that wants somebody to have looked at it says so.
    let strict = home(&authority.pem(), Some(&alice), &[], "[account.work]\ntrust = \"imported\"\n");
    strict.sealpost(["cert", "import", "-"]).stdin(signed(&bob)).run().expect(0);
    let refused = super::seal(&strict, &["-n", "--json"]).expect(67).error();
    assert!(refused["recipients"][0]["reason"].as_str().unwrap().contains("known as candidate only"), "{refused}");
    assert_eq!(refused["hints"][0][3], bob.fingerprint());

    let known = home(&authority.pem(), Some(&alice), &[&bob], "");
    known.sealpost(["cert", "import", "-"]).stdin(signed(&other)).run().expect(0);
    let plan = super::seal(&known, &["-n", "--json"]).expect(0).json();
    assert_eq!(plan["messages"][0]["recipients"][0]["trust"], "imported", "{plan}");
    assert_eq!(plan["messages"][0]["recipients"][0]["fingerprint"], bob.fingerprint());

    // What was announced with a good signature is used: openssl announces AES-256 in CBC, and no GCM.
    let sealed = super::seal(&new, &[]).expect(0).text();
    assert!(sealed.contains("smime-type=enveloped-data"), "{sealed}");
}

#[test]
fn a_key_is_made_with_a_request_and_takes_the_answer() {
    let (authority, openssl) = authority();
    let bob = authority.mailbox("bob@example.test");
    for algorithm in ["rsa3072", "p256"] {
        let home = home(&authority.pem(), None, &[&bob], "");
        let make = ["key", "make", "Alice <alice@example.test>", "--suite", "smime", "--algorithm", algorithm];
        let made = home.sealpost(make.iter().chain(&["--passphrase", "file:pw"])).run().expect(0);
        let asked = openssl.run(&["req", "-verify", "-noout", "-text"], &made.stdout).expect(0);
        assert!(asked.text().contains("email:alice@example.test"), "{asked:?}");
        // Not yet: nobody vouched.
        home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(IN).run().expect(77);
        // The answer to somebody else's request is not ours.
        let stranger = authority.mailbox("alice@example.test");
        let refused = home.sealpost(["key", "import", "-"]).stdin(stranger.pem()).run();
        assert_ne!(refused.exit, 0, "{refused:?}");
        home.sealpost(["key", "import", "-"]).stdin(authority.answer(&made.stdout)).run().expect(0);
        let sealed = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(IN).run().expect(0).stdout;
        let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
        assert_eq!(read["signature"]["state"], "good", "{algorithm}: {read}");
    }
}

#[test]
fn a_closed_group_pins_what_its_members_made_themselves() {
    let member = |address: &str| {
        let home = Home::new();
        home.file("pw", "specimen\n");
        let make = ["key", "make", address, "--suite", "smime", "--self-signed", "--passphrase", "file:pw", "--json"];
        let made = home.sealpost(make).run().expect(0).json();
        let fingerprint = made["key"]["fingerprint"].as_str().unwrap().to_owned();
        let certificate = home.sealpost(["cert", "export", address]).run().expect(0).stdout;
        (home, fingerprint, certificate)
    };
    let (alice, alices, from_alice) = member("alice@example.test");
    let (bob, bobs, from_bob) = member("bob@example.test");
    alice.sealpost(["cert", "import", "-"]).stdin(from_bob).run().expect(0);
    bob.sealpost(["cert", "import", "-"]).stdin(from_alice).run().expect(0);
    let seal = || alice.sealpost(["seal", "--passphrase", "file:pw"]).stdin(IN).run();
    seal().expect(67);
    let pin = |home: &Home, address: &str, fingerprint: &str| {
        let text = format!("[recipient.\"{address}\"]\npin = [\"{fingerprint}\"]\n");
        std::fs::write(home.state().join("recipients.toml"), text).unwrap();
    };
    pin(&alice, "bob@example.test", &bobs);
    let sealed = seal().expect(0).stdout;
    let open = || {
        let opened = bob.sealpost(["open", "--json", "-", "--passphrase", "file:pw"]).stdin(sealed.clone()).run();
        opened.expect(0).json()
    };
    assert_eq!(open()["signature"]["reason"], "untrusted");
    pin(&bob, "alice@example.test", &alices);
    assert_eq!((&open()["signature"]["state"], &open()["body"]["text"]), (&"good".into(), &"hello\n".into()));
}

#[test]
fn an_account_may_have_another_passphrase_for_its_smime_key() {
    let (authority, _openssl) = authority();
    let alice = authority.mailbox("alice@example.test");
    let account = "[account.work]\nfrom = \"alice@example.test\"\npassphrase = \"file:other\"\n\
                   smime_passphrase = \"file:pw\"\n";
    let home = home(&authority.pem(), Some(&alice), &[], account);
    home.file("other", "of another key\n");
    home.file("new", "another one\n");
    home.sealpost(["key", "extend", "alice@example.test", "--request", "again.pem"]).run().expect(0);
    home.sealpost(["key", "change-passphrase", "alice@example.test", "--to-passphrase", "file:new"]).run().expect(0);
    home.sealpost(["key", "extend", "alice@example.test", "--request", "once-more.pem"]).run().expect(77);
}
