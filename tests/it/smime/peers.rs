//! The peers themselves, before sealpost meets them: what fails here is the set-up, not the program.

use super::{ENTITY, HEAD, authority, der};
use crate::support::{Algorithm, Gpgsm, Purpose, Wish, s_nail};

#[test]
fn openssl_opens_what_openssl_sealed() {
    let (authority, openssl) = authority();
    for algorithm in [Algorithm::Rsa(3072), Algorithm::P256, Algorithm::P384] {
        let own = authority.issue(&Wish::new("bob@example.test").algorithm(algorithm));
        let signed = openssl.sign(&own, &[], ENTITY);
        for cipher in ["-aes-256-cbc", "-aes-256-gcm"] {
            let sealed = openssl.encrypt(&[&own], &[&[cipher][..], &HEAD].concat(), &signed);
            assert_eq!(openssl.open(&own, &sealed).expect(0).stdout, ENTITY, "{algorithm:?}");
        }
    }
}

#[test]
fn flawed_certificates_are_flawed_and_good_ones_good() {
    let (authority, openssl) = authority();
    let good = authority.mailbox("alice@example.test");
    let verify = |own: &crate::support::Mailbox, more: &[&str]| {
        openssl.file("leaf.pem", &own.pem());
        let arguments = ["verify", "-CAfile", "ca.pem", "-no-CApath", "-purpose", "smimesign"];
        openssl.run(&[&arguments[..], more, &["-untrusted", "leaf.pem", "leaf.pem"]].concat(), b"")
    };
    verify(&good, &[]).expect(0);
    openssl.file("none.pem", &authority.revocations(&[]));
    openssl.file("crl.pem", &authority.revocations(&[&good]));
    verify(&good, &["-crl_check_all", "-CRLfile", "none.pem"]).expect(0);
    let wish = Wish::new("alice@example.test");
    for (own, more, words) in [
        (good.clone(), &["-crl_check_all", "-CRLfile", "crl.pem"][..], "certificate revoked"),
        (authority.issue(&wish.clone().days(-9..-1)), &[], "certificate has expired"),
        (authority.issue(&wish.clone().days(1..9)), &[], "certificate is not yet valid"),
        (authority.issue(&wish.clone().purpose(Purpose::Server)), &[], "unsuitable certificate purpose"),
        (wish.self_signed(), &[], "self-signed certificate"),
        (good.clone(), &["-verify_email", "bob@example.test"], "email address mismatch"),
    ] {
        let refused = verify(&own, more).expect(2);
        assert!(refused.words().contains(words), "{words}: {refused:?}");
    }
}

#[test]
fn gpgsm_notmuch_neomutt_and_s_nail_read_what_openssl_wrote() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.rsa("alice@example.test"), authority.rsa("bob@example.test"));
    let signed = openssl.sign(&alice, &[], ENTITY);
    let sealed = openssl.encrypt(&[&bob], &[&["-aes-256-cbc"][..], &HEAD].concat(), &signed);
    let gpgsm = Gpgsm::new(authority.root());
    gpgsm.import_key(&bob);
    let opened = gpgsm.decrypt(&der(&sealed)).expect(0);
    assert!(opened.text().contains("multipart/signed") && opened.words().contains("DECRYPTION_OKAY"), "{opened:?}");

    let shown = gpgsm.notmuch(&sealed).to_string();
    assert!(shown.contains(r#""sigstatus":[{"#) && shown.contains(r#""status":"good""#), "{shown}");
    assert!(shown.contains(r#""content":"hello\n""#) && shown.contains(r#""email":"alice@example.test""#), "{shown}");

    let shown = gpgsm.neomutt(&sealed);
    assert!(shown.contains("Good signature from") && shown.contains("\nhello\n"), "{shown}");

    let shown = s_nail::open(&bob, &authority.pem(), &sealed).expect(0);
    assert!(shown.text().contains("hello") && shown.text().contains("was verified successfully"), "{shown:?}");
    let back = s_nail::seal(&bob, "bob@example.test", (&alice, "alice@example.test"), "hello back\n");
    assert!(openssl.open(&alice, &back).expect(0).text().contains("hello back"));
    assert!(gpgsm.home().exists());
}

#[test]
fn gpgsm_and_openssl_understand_each_other() {
    let (authority, openssl) = authority();
    let (alice, bob) = (authority.rsa("alice@example.test"), authority.rsa("bob@example.test"));
    let gpgsm = Gpgsm::new(authority.root());
    gpgsm.import_key(&alice);
    gpgsm.import(&bob.certificate_pem()).expect(0);
    let sealed = gpgsm.encrypt("bob@example.test", ENTITY);
    openssl.file("own.pem", &bob.certificate_pem());
    openssl.file("own.key", &bob.key_pem());
    let decrypt = ["cms", "-decrypt", "-inform", "DER", "-recip", "own.pem", "-inkey", "own.key"];
    assert_eq!(openssl.run(&decrypt, &sealed).expect(0).stdout, ENTITY);
    let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "smimesign"];
    let signed = gpgsm.sign("alice@example.test", &[], ENTITY);
    assert_eq!(openssl.run(&verify, &signed).expect(0).stdout, ENTITY);
    let signature = gpgsm.sign("alice@example.test", &["--detach-sign"], ENTITY);
    openssl.file("entity", ENTITY);
    openssl.run(&[&verify[..], &["-content", "entity"]].concat(), &signature).expect(0);
    assert!(gpgsm.verify(&signature, ENTITY).expect(0).words().contains("GOODSIG"));
}
