//! The peers themselves, before sealpost meets them: what fails here is the set-up, not the program.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::support::{Ca, Door, Flaw, Gpg, Home, MailServer, Sqop, curl, run};

const MESSAGE: &[u8] = b"From: alice@example.test\r\nTo: bob@example.test\r\nSubject: peers\r\n\r\nhello\r\n";
const LOGIN: [&str; 2] = ["--user", "alice:correct horse battery"];

/// A server, and a folder with the authority's certificate.
fn server() -> (MailServer, TempDir, PathBuf) {
    let (server, ca) = MailServer::with_ca();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, ca.pem()).unwrap();
    (server, folder, path)
}

#[test]
fn postfix_takes_a_message_at_each_door_and_delivers_it() {
    let (server, _folder, ca) = server();
    for (count, door) in [Door::StartTls, Door::Implicit, Door::Third].into_iter().enumerate() {
        curl(&server, door, &ca, &LOGIN, "bob@example.test", MESSAGE).expect(0);
        let delivered = String::from_utf8(server.delivered("bob", count + 1)).unwrap();
        assert!(delivered.contains("Subject: peers\n") && delivered.ends_with("\n\nhello\n"), "{delivered}");
    }
    assert!(server.mailbox("carol").is_empty());
}

#[test]
fn postfix_refuses_strangers_wrong_passwords_and_clients_that_did_not_log_in() {
    let (server, _folder, ca) = server();
    for (login, recipient, exit) in [
        (&LOGIN[..], "nobody@example.test", 55),
        (&LOGIN[..], "bob@elsewhere.test", 55),
        (&["--user", "alice:wrong"][..], "bob@example.test", 67),
        (&[][..], "bob@example.test", 55),
    ] {
        curl(&server, Door::StartTls, &ca, login, recipient, MESSAGE).expect(exit);
    }
    assert!(server.mailbox("bob").is_empty());
}

#[test]
fn dovecot_knows_each_mechanism() {
    let (server, folder, ca) = server();
    // Debian's curl has no SCRAM and prefers OAUTHBEARER whatever it is told; msmtp does as told.
    let msmtp = |mechanism: &str, secret: &str| {
        let configuration = folder.path().join("msmtprc");
        let port = server.port(Door::StartTls);
        let content = format!(
            "account default\nhost localhost\nport {port}\ntls on\ntls_trust_file {}\nfrom alice@example.test\n\
             auth {mechanism}\nuser {}\npassword {secret}\n",
            ca.display(),
            MailServer::USER
        );
        fs::write(&configuration, content).unwrap();
        fs::set_permissions(&configuration, fs::Permissions::from_mode(0o600)).unwrap();
        let mut msmtp = Command::new("msmtp");
        msmtp.arg("--file").arg(&configuration).arg("bob@example.test");
        run(msmtp, MESSAGE)
    };
    for mechanism in ["plain", "login", "scram-sha-256"] {
        msmtp(mechanism, MailServer::PASSWORD).expect(0);
        msmtp(mechanism, "wrong").expect(77);
    }
    for mechanism in ["oauthbearer", "xoauth2"] {
        msmtp(mechanism, &server.token()).expect(0);
        msmtp(mechanism, &server.expired_token()).expect(77);
    }
    server.delivered("bob", 5);
    for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"] {
        assert!(server.log().contains(&format!("sasl_method={mechanism}")), "{mechanism}\n{}", server.log());
    }
}

#[test]
fn flawed_certificates_are_flawed() {
    let ca = Ca::new();
    let folder = tempfile::tempdir().unwrap();
    let anchor = folder.path().join("ca.pem");
    fs::write(&anchor, ca.pem()).unwrap();
    let judge = |identity: &crate::support::Identity| {
        let path = folder.path().join("server.pem");
        fs::write(&path, identity.certificate.to_pem().unwrap()).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["verify", "-verify_hostname", "localhost", "-purpose", "sslserver", "-no-CApath", "-CAfile"]);
        openssl.arg(&anchor).arg(path);
        run(openssl, b"")
    };
    judge(&ca.server()).expect(0);
    for (flaw, words) in [
        (Flaw::Expired, "certificate has expired"),
        (Flaw::WrongHost, "hostname mismatch"),
        (Flaw::SelfSigned, "self-signed certificate"),
    ] {
        let outcome = judge(&ca.flawed(flaw)).expect(2);
        let lines: Vec<String> =
            outcome.words().lines().filter(|line| line.starts_with("error ")).map(str::to_owned).collect();
        assert!(lines.iter().any(|line| line.contains(words)), "{flaw:?}: {outcome:?}");
        assert!(lines.iter().filter(|line| line.contains(" depth lookup:")).count() <= 1, "{flaw:?}: {outcome:?}");
    }
}

#[test]
fn gpg_opens_what_gpg_sealed() {
    let (alice, bob) = (Gpg::new(), Gpg::new());
    alice.make_key("alice@example.test", "default");
    bob.make_key("bob@example.test", "default");
    alice.import(&bob.export("bob@example.test")).expect(0);
    bob.import(&alice.export("alice@example.test")).expect(0);
    let sealed = alice.seal("alice@example.test", &["bob@example.test"], b"hello");
    let opened = bob.open(&sealed).unwrap();
    assert_eq!(opened.plaintext, b"hello");
    assert!(opened.says("DECRYPTION_OKAY") && opened.says("GOODSIG"), "{opened:?}");
    assert!(Gpg::new().open(&sealed).is_err());
}

#[test]
fn gpg_and_sqop_understand_each_other() {
    let (gpg, sqop) = (Gpg::new(), Sqop::new());
    gpg.make_key("alice@example.test", "default");
    let key = sqop.make_key("<bob@example.test>");
    let certificate = sqop.certificate(&key);
    gpg.import(&certificate).expect(0);
    let sealed = gpg.seal("alice@example.test", &["bob@example.test"], b"hello");
    let (outcome, verified) = sqop.open(&key, &gpg.export("alice@example.test"), &sealed);
    assert_eq!(outcome.expect(0).stdout, b"hello");
    assert_eq!(verified.lines().count(), 1, "{verified}");
    let secret = gpg.export_secret("alice@example.test");
    let answer = sqop.seal(&key, &[&sqop.certificate(&secret)], b"hello back");
    let (outcome, verified) = sqop.open(&secret, &certificate, &answer);
    assert_eq!(outcome.expect(0).stdout, b"hello back");
    assert_eq!(verified.lines().count(), 1, "{verified}");
    assert!(gpg.home().exists());
}

#[test]
fn a_home_holds_all_that_the_program_may_write_to() {
    let home = Home::new();
    let secret = home.file("secret", "x\n");
    assert!(secret.starts_with(home.root()) && home.state().starts_with(home.root()));
    assert_eq!(home.path("secret"), secret);
}
