//! What sealpost writes, read by others and by itself.

use super::{ENTITY, HEAD, IN, authority, der, home, read, seal};
use crate::support::{Algorithm, Gpgsm, Wish, s_nail};

#[test]
fn openssl_opens_every_algorithm_and_form_and_so_do_we() {
    let (authority, openssl) = authority();
    for algorithm in [Algorithm::Rsa(3072), Algorithm::P256, Algorithm::P384] {
        let own = |address| authority.issue(&Wish::new(address).algorithm(algorithm));
        let (alice, bob) = (own("alice@example.test"), own("bob@example.test"));
        for (cipher, kind) in [("", "enveloped-data"), ("gcm = true", "authEnveloped-data")] {
            for form in ["detached", "opaque"] {
                let setting = format!("signature = \"{form}\"\n");
                let home = home(&authority.pem(), Some(&alice), &[&bob], &setting);
                let recipients = format!("[recipient.\"bob@example.test\"]\n{cipher}\n");
                std::fs::write(home.state().join("recipients.toml"), recipients).unwrap();
                let sealed = seal(&home, &[]).expect(0).text();
                assert!(sealed.contains(&format!("smime-type={kind}")), "{sealed}");
                assert!(sealed.contains("Subject: [...]"), "{sealed}");
                assert!(!sealed.contains("Leaky") && !sealed.contains("laptop"), "{sealed}");

                let opened = openssl.open(&bob, sealed.as_bytes()).expect(0).text();
                assert!(opened.contains("Subject: Secret plans") && opened.contains("hello"), "{opened}");
                let inside = openssl.decrypt(&bob, sealed.as_bytes()).expect(0).text();
                let start = if form == "opaque" { "application/pkcs7-mime" } else { "multipart/signed" };
                assert!(inside.to_ascii_lowercase().contains(start), "{form}: {inside}");

                let read = read(&bob, &authority.pem(), sealed.as_bytes(), &[]).expect(0).json();
                assert_eq!((&read["suite"], &read["encrypted"]), (&"smime".into(), &true.into()));
                assert_eq!(read["signature"]["state"], "good", "{algorithm:?} {kind} {form}: {read}");
                assert_eq!(read["signature"]["signers"][0]["fingerprint"], alice.fingerprint());
                assert_eq!(read["headers"]["subject"]["value"], "Secret plans");
                assert_eq!(read["headers"]["subject"]["protection"], "signed-and-encrypted");
                assert_eq!(read["body"]["text"], "hello\n");
                assert_eq!(read["warnings"], serde_json::json!([]), "{read}");
            }
        }
    }
}

#[test]
fn curve25519_signs_and_is_encrypted_to() {
    let (authority, _openssl) = authority();
    let own = |address, algorithm| authority.issue(&Wish::new(address).algorithm(algorithm));
    let (alice, bob) = (own("alice@example.test", Algorithm::Ed25519), own("bob@example.test", Algorithm::X25519));
    let home = home(&authority.pem(), Some(&alice), &[&bob], "");
    let sealed = seal(&home, &[]).expect(0).stdout;
    let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
    assert_eq!((&read["signature"]["state"], &read["body"]["text"]), (&"good".into(), &"hello\n".into()), "{read}");
}

#[test]
fn gpgsm_notmuch_neomutt_and_s_nail_read_it() {
    let (authority, _openssl) = authority();
    let (alice, bob) = (authority.rsa("alice@example.test"), authority.rsa("bob@example.test"));
    let gpgsm = Gpgsm::new(authority.root());
    gpgsm.import_key(&bob);
    for form in ["detached", "opaque"] {
        let home = home(&authority.pem(), Some(&alice), &[&bob], &format!("signature = \"{form}\"\n"));
        let sealed = seal(&home, &[]).expect(0).stdout;
        let opened = gpgsm.decrypt(&der(&sealed)).expect(0);
        assert!(opened.words().contains("DECRYPTION_OKAY"), "{opened:?}");
        if form == "opaque" {
            let opened = gpgsm.run(&["--status-fd", "2", "--verify"], &der(&opened.stdout)).expect(0);
            assert!(opened.words().contains("GOODSIG"), "{opened:?}");
        }

        let shown = gpgsm.notmuch(&sealed);
        let text = shown.to_string();
        assert!(text.contains(r#""content":"hello\n""#) && text.contains(r#""status":"full""#), "{text}");
        assert!(text.contains(r#""sigstatus":[{"#) && text.contains(r#""email":"alice@example.test""#), "{text}");

        let shown = gpgsm.neomutt(&sealed);
        assert!(shown.contains("Good signature from") && shown.contains("\nhello\n"), "{shown}");

        // s-nail 14.9.24 dies on an opaque signature inside, OpenSSL's too.
        if form == "detached" {
            let shown = s_nail::open(&bob, &authority.pem(), &sealed).expect(0).text();
            assert!(shown.contains("was verified successfully") && shown.contains("\nhello\n"), "{shown}");
        }
    }
}

#[test]
fn attachments_other_scripts_and_long_texts_come_through() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    let home = home(&authority.pem(), Some(&alice), &[&bob], "");
    let name = "R\u{e9}sum\u{e9} \u{65e5}\u{672c} (1).pdf";
    home.file(name, vec![7_u8; 1 << 20]);
    home.file("body", "Gr\u{fc}\u{df}e\n.\nMAIL FROM:<x@y.z>\n");
    let compose = ["seal", "--from", "alice@example.test", "-t", "J\u{fc}rgen <bob@example.test>", "-s", "\u{20ac}5"];
    let more = ["--body", "body", "-a", name, "--passphrase", "file:pw"];
    let sealed = home.sealpost(compose.iter().chain(&more)).run().expect(0).stdout;
    assert!(sealed.is_ascii());
    assert!(sealed.split(|&byte| byte == b'\n').all(|line| line.len() <= 78), "lines of Base64 are short");
    openssl.open(&bob, &sealed).expect(0);
    let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
    assert_eq!(read["headers"]["subject"]["value"], "\u{20ac}5");
    assert_eq!(read["body"]["text"], "Gr\u{fc}\u{df}e\n.\nMAIL FROM:<x@y.z>\n");
    assert_eq!((&read["attachments"][0]["name"], &read["attachments"][0]["size"]), (&name.into(), &(1 << 20).into()));
}

#[test]
fn without_a_signature_only_gcm_is_authenticated() {
    let (authority, openssl) = authority();
    let bob = authority.mailbox("bob@example.test");
    let home = home(&authority.pem(), None, &[&bob], "");
    for (gcm, warnings) in [(false, vec!["unauthenticated-encryption"]), (true, vec![])] {
        let recipients = format!("[recipient.\"bob@example.test\"]\ngcm = {gcm}\n");
        std::fs::write(home.state().join("recipients.toml"), recipients).unwrap();
        let sealed = home.sealpost(["seal", "--no-sign"]).stdin(IN).run().expect(0).stdout;
        assert!(openssl.decrypt(&bob, &sealed).expect(0).text().contains("Subject: Secret plans"));
        let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
        assert_eq!(read["signature"]["state"], "none");
        assert_eq!(read["headers"]["subject"]["protection"], "encrypted");
        let kinds: Vec<_> = read["warnings"].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
        assert_eq!(kinds, warnings);
    }
}

#[test]
fn gcm_by_account_and_by_what_recipients_announced_in_a_signed_message() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    let account = "[account.work]\nfrom = \"alice@example.test\"\ngcm = true\n";
    let by_account = home(&authority.pem(), Some(&alice), &[&bob], account);
    let sealed = seal(&by_account, &[]).expect(0).text();
    assert!(sealed.contains("smime-type=authEnveloped-data"), "{sealed}");
    openssl.open(&bob, sealed.as_bytes()).expect(0);

    // What Bob signs with sealpost announces GCM.
    let bobs = home(&authority.pem(), Some(&bob), &[&alice], "");
    let letter = "From: bob@example.test\nTo: alice@example.test\n\nhello\n";
    let letter = bobs.sealpost(["seal", "--passphrase", "file:pw"]).stdin(letter).run().expect(0).stdout;
    let signed = openssl.decrypt(&alice, &letter).expect(0).stdout;
    let announced = home(&authority.pem(), Some(&alice), &[], "");
    announced.sealpost(["cert", "import", "-"]).stdin(signed).run().expect(0);
    let sealed = seal(&announced, &[]).expect(0).text();
    assert!(sealed.contains("smime-type=authEnveloped-data"), "{sealed}");
    openssl.open(&bob, sealed.as_bytes()).expect(0);
}

#[test]
fn a_message_apart_goes_to_each_bcc_recipient_and_the_others_see_no_trace() {
    let (authority, openssl) = authority();
    let own = |address| authority.rsa(address);
    let (alice, bob, dave) = (own("alice@example.test"), own("bob@example.test"), own("dave@example.test"));
    let home = home(&authority.pem(), Some(&alice), &[&bob, &dave], "");
    let arguments = ["--bcc", "dave@example.test", "-t", "bob@example.test", "--output", "out", "--json"];
    let sealed = seal(&home, &arguments).expect(0).json();
    let [first, second] =
        [0, 1].map(|number| std::fs::read(home.path(sealed["messages"][number]["file"].as_str().unwrap())).unwrap());
    openssl.open(&bob, &first).expect(0);
    openssl.open(&dave, &second).expect(0);
    read(&dave, &authority.pem(), &first, &[]).expect(65);
    read(&bob, &authority.pem(), &second, &[]).expect(65);
    let traces = [b"dave@".to_vec(), dave.certificate.serial_number().to_bn().unwrap().to_vec()];
    let inside = openssl.decrypt(&bob, &first).expect(0).stdout;
    for trace in &traces {
        for bytes in [&first, &der(&first), &inside] {
            assert!(!bytes.windows(trace.len()).any(|window| window == trace), "a trace of Dave in Bob's message");
        }
    }
    let shown = openssl.run(&["cms", "-cmsout", "-print", "-noout"], &first).expect(0).text();
    assert_eq!(shown.matches("ktri").count(), 1, "{shown}");
}

#[test]
fn what_is_sealed_already_passes_unchanged_and_only_to_its_recipients() {
    let (authority, openssl) = authority();
    let own = |address| authority.mailbox(address);
    let (alice, bob, dave) = (own("alice@example.test"), own("bob@example.test"), own("dave@example.test"));
    let home = home(&authority.pem(), Some(&alice), &[&bob, &dave], "");
    let sealed = seal(&home, &[]).expect(0).stdout;
    let pass = |to: &str, message: &[u8]| home.sealpost(["seal", "-t", to]).stdin(message).run();
    assert_eq!(pass("bob@example.test", &sealed).expect(0).stdout, sealed);
    for others in ["dave@example.test", "bob@example.test,dave@example.test"] {
        assert!(pass(others, &sealed).expect(65).stdout.is_empty());
    }
    // What others sealed is no exception, and what is only signed is not sealed.
    let signed = openssl.sign(&alice, &HEAD, b"Content-Type: text/plain\r\n\r\nhello\r\n");
    let passed = pass("bob@example.test", &signed);
    assert!(passed.exit != 0 || !passed.text().contains("hello"), "{passed:?}");
}

#[test]
fn what_is_signed_already_keeps_its_subject_and_gets_a_signature_that_holds() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.mailbox("alice@example.test"), authority.mailbox("bob@example.test"));
    let home = home(&authority.pem(), Some(&alice), &[&bob], "");
    let head = ["-from", "alice@example.test", "-to", "bob@example.test", "-subject", "Secret plans"];
    let signed = openssl.sign(&alice, &head, ENTITY);
    let sealed = home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(signed).run().expect(0).stdout;
    let read = read(&bob, &authority.pem(), &sealed, &[]).expect(0).json();
    assert_eq!(read["signature"]["state"], "good", "{read}");
    assert_eq!(read["headers"]["subject"]["value"], "Secret plans");
    assert_eq!(read["headers"]["subject"]["protection"], "signed-and-encrypted");
    assert_eq!(read["body"]["text"], "hello\n");
    assert_eq!(read["warnings"][0]["kind"], "errant-layer");
}
