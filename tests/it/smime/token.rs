//! Keys on a PKCS#11 token behind gpg-agent, by the recipe of the README: SoftHSM and gnupg-pkcs11-scd.

use std::fs;

use super::{ENTITY, HEAD, IN, authority, home, message};
use crate::support::{Algorithm, Gpg, Gpgsm, Home, PIN, Token, Wish, run};

#[test]
fn a_token_signs_and_opens_with_its_pin_and_says_what_is_missing() {
    let (authority, openssl) = authority();
    let bob = authority.rsa("bob@example.test");
    let (token, public) = Token::new();
    let wish = Wish::new("alice@example.test").algorithm(Algorithm::Rsa(2048));
    let certificate = authority.certify(&wish, &public);
    token.certify(&certificate.to_der().unwrap());
    let gnupg = Gpgsm::new(authority.root());
    gnupg.import(&authority.issuer().certificate_pem()).expect(0);
    token.behind(gnupg.home());
    gnupg.run(&["--learn-card"], b"").expect(0);

    let home = home(&authority.pem(), None, &[&bob], "");
    home.file("pin", format!("{PIN}\n"));
    home.file("other", "000000\n");
    let import = ["key", "import", "--json", "--from-gnupg", gnupg.home().to_str().unwrap()];
    // It does not give its key out.
    let none = home.sealpost(import.iter().chain(&["--passphrase", "file:pin"])).run().expect(66);
    assert_eq!(none.json()["keys"][0]["outcome"], "on-card");
    let hint = none.error()["hints"][1].as_array().unwrap().clone();
    let hint: Vec<&str> = hint.iter().skip(1).map(|word| word.as_str().unwrap()).collect();
    let told = home.sealpost(hint.iter().chain(&["--json"])).run().expect(0).json();
    assert_eq!(
        (&told["keys"][0]["outcome"], &told["keys"][0]["home"]),
        (&"imported".into(), &"agent".into()),
        "{told}"
    );

    openssl.file("alice.pem", &certificate.to_pem().unwrap());
    let line = [&["cms", "-encrypt", "-aes-256-cbc"][..], &HEAD, &["alice.pem"]].concat();
    home.file("to-alice.eml", openssl.run(&line, ENTITY).expect(0).stdout);
    let seal = |more: &[&str]| home.sealpost(["seal", "-t", "bob@example.test"].iter().chain(more)).stdin(IN);
    let open = |more: &[&str]| home.sealpost(["open", "to-alice.eml"].iter().chain(more));

    token.restart(gnupg.home());
    for run in [seal(&[]), open(&[])] {
        let none = run.run().expect(77).words();
        assert!(none.contains("needs its passphrase"), "{none}");
    }
    for run in [seal(&["--passphrase", "file:other"]), open(&["--passphrase", "file:other"])] {
        let wrong = run.run().expect(77).words();
        assert!(wrong.contains("refused the PIN: it is wrong, or its smartcard or token is not there"), "{wrong}");
    }
    let sealed = seal(&["--passphrase", "file:pin"]).run().expect(0).stdout;
    assert!(openssl.open(&bob, &sealed).expect(0).text().contains("hello"));
    assert_eq!(open(&["--passphrase", "file:pin"]).run().expect(0).text(), "hello\n");
    // The token stays open for a while.
    assert_eq!(open(&[]).run().expect(0).text(), "hello\n");

    // A wrong padding is like any other failure, though the token closes then and would ask for its PIN.
    let forged = authority.issue(&wish);
    let cms = super::der(&openssl.encrypt(&[&forged], &["-aes-256-gcm"], ENTITY));
    let (name, other) = (serial(&certificate), serial(&forged.certificate));
    let at = cms.windows(other.len()).position(|window| window == other).unwrap();
    // It names the token's key now, and these numbers are of one length.
    assert_eq!(name.len(), other.len());
    let swapped = [&cms[..at], &name, &cms[at + other.len()..]].concat();
    home.file("forged.eml", message("authEnveloped-data", &swapped));
    for more in [&["--passphrase", "file:pin"][..], &[], &["--passphrase", "file:pin"]] {
        assert_eq!(open(&["--passphrase", "file:pin"]).run().expect(0).text(), "hello\n");
        let words = home.sealpost(["open", "forged.eml"].iter().chain(more)).run().expect(65).words();
        assert!(words.contains("the message cannot be decrypted"), "{words}");
    }

    // Nobody asks it for OAEP.
    let oaep = ["-recip", "alice.pem", "-keyopt", "rsa_padding_mode:oaep"];
    let line = [&["cms", "-encrypt", "-aes-256-cbc"][..], &HEAD, &oaep].concat();
    home.file("oaep.eml", openssl.run(&line, ENTITY).expect(0).stdout);
    let words = home.sealpost(["open", "oaep.eml", "--passphrase", "file:pin"]).run().expect(77).words();
    assert!(words.contains("RSA-OAEP, which no smartcard and no token does"), "{words}");

    token.plug(false);
    token.restart(gnupg.home());
    for run in [seal(&["--passphrase", "file:pin"]), open(&["--passphrase", "file:pin"])] {
        let away = run.run().expect(77).words();
        assert!(away.contains("or its smartcard or token is not there"), "{away}");
    }
    token.plug(true);
    token.restart(gnupg.home());
    assert_eq!(open(&["--passphrase", "file:pin"]).run().expect(0).text(), "hello\n");
}

/// The octets of a certificate's serial number.
fn serial(certificate: &openssl::x509::X509) -> Vec<u8> {
    certificate.serial_number().to_bn().unwrap().to_vec()
}

#[test]
fn a_key_of_a_token_is_used_for_openpgp_too() {
    let (token, public) = Token::new();
    let (authority, _) = authority();
    let certificate = authority.certify(&Wish::new("alice@example.test").algorithm(Algorithm::Rsa(2048)), &public);
    token.certify(&certificate.to_der().unwrap());
    let gpg = Gpg::new();
    token.behind(gpg.home());
    run(gpg.command(["--card-status"]), b"").expect(0);
    let keys = fs::read_dir(gpg.home().join("private-keys-v1.d")).unwrap().map(|file| file.unwrap().path());
    let grip = keys.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).next().unwrap();
    let pin = gpg.home().join("pin");
    fs::write(&pin, PIN).unwrap();
    let wish = format!(
        "Key-Type: RSA\nKey-Grip: {grip}\nKey-Usage: cert,sign,encrypt\nName-Email: alice@example.test\nExpire-Date: 1y\n"
    );
    let make = ["--passphrase-file", pin.to_str().unwrap(), "--full-generate-key"];
    run(gpg.command(make), wish.as_bytes()).expect(0);

    let home = Home::new();
    home.file("pin", format!("{PIN}\n"));
    let told =
        home.sealpost(["key", "import", "--from-gnupg", gpg.home().to_str().unwrap(), "--agent"]).run().expect(0);
    assert!(told.words().contains("imported "), "{}", told.words());
    token.restart(gpg.home());
    let message = "From: alice@example.test\nTo: alice@example.test\nSubject: x\n\nhello me\n";
    let seal = home.sealpost(["seal", "-t", "alice@example.test", "--passphrase", "file:pin"]).stdin(message);
    home.file("m.eml", seal.run().expect(0).stdout);
    token.restart(gpg.home());
    let none = home.sealpost(["open", "m.eml"]).run().expect(77).words();
    assert!(none.contains("needs its passphrase"), "{none}");
    let opened = home.sealpost(["open", "m.eml", "--passphrase", "file:pin"]).run().expect(0);
    assert_eq!(opened.text(), "hello me\n");
    assert!(opened.words().contains("good signature by alice@example.test"), "{}", opened.words());
}
