//! Round trips with the `openssl` and `gpgsm` commands, which `.ci/needs` installs.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use openssl::{
    nid::Nid,
    pkey::{PKey, Private},
};

use super::*;
use crate::crypt::smime::{Capabilities, ContentEncryption, Form, SignatureForm};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nLet's eat\r\n";

/// A folder with everyone's keys and certificates in PEM.
struct Openssl(tempfile::TempDir);

impl Openssl {
    fn new(people: &[&Person]) -> Self {
        let this = Self(tempfile::Builder::new().prefix("cms").tempdir().unwrap());
        for person in people {
            let key = person.key.private_key_to_pem_pkcs8().unwrap();
            this.write(&format!("{}.key", person.name), &key);
            this.write(&format!("{}.pem", person.name), person.certificate.to_pem().as_bytes());
        }
        this.write("ca", CA.root.certificate.to_pem().as_bytes());
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn run(&self, arguments: &str, input: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(self.0.path());
        pipe(&mut command, input)
    }

    /// What `openssl cms -decrypt` and then `-verify` give, with the CR LF as it came.
    fn open(&self, message: &[u8], by: &Person, signed_by: Option<&Person>) -> Result<Vec<u8>, String> {
        let name = by.name;
        let clear = self.run(&format!("cms -decrypt -inkey {name}.key -recip {name}.pem"), message)?;
        match signed_by {
            // The root is known here, what lies between comes with the message.
            Some(_) => self.run(&format!("cms -verify -attime {} -CAfile ca", now().as_second()), &clear),
            None => Ok(clear),
        }
    }
}

fn pipe(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::Write;
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the peer is installed");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

const FORMS: [Form; 4] = {
    let [cbc, gcm] = [ContentEncryption::Cbc, ContentEncryption::Gcm];
    let [detached, opaque] = [SignatureForm::Detached, SignatureForm::Opaque];
    [
        Form { content: cbc, signature: detached },
        Form { content: cbc, signature: opaque },
        Form { content: gcm, signature: detached },
        Form { content: gcm, signature: opaque },
    ]
};

/// A key made by the command, whose options the crate lacks.
fn generated(options: &str) -> PKey<Private> {
    let mut command = Command::new("openssl");
    let made = pipe(command.args(["genpkey", "-algorithm"]).args(options.split(' ')), b"").unwrap();
    PKey::private_key_from_pem(&made).unwrap()
}

#[test]
fn openssl_opens_every_kind_of_signature() {
    let bob = person("bob", ec(Nid::X9_62_PRIME256V1));
    let mut keys = vec![
        rsa(),
        pss(),
        ec(Nid::X9_62_PRIME256V1),
        ec(Nid::SECP384R1),
        ec(Nid::SECP521R1),
        ec(Nid::BRAINPOOL_P256R1),
    ];
    let prescribed = "-pkeyopt rsa_pss_keygen_md:sha384 -pkeyopt rsa_pss_keygen_mgf1_md:sha384";
    keys.push(generated(&format!("RSA-PSS {prescribed} -pkeyopt rsa_pss_keygen_saltlen:40")));
    for (number, key) in keys.into_iter().enumerate() {
        let alice = person("alice", key);
        let openssl = Openssl::new(&[&alice, &bob]);
        for form in FORMS {
            let message = sealed(TEXT, Some(&alice), &[&bob], form);
            assert_eq!(openssl.open(&message, &bob, Some(&alice)).as_deref(), Ok(TEXT), "{number} {form:?}");
        }
    }
}

#[test]
fn openssl_opens_for_every_kind_of_recipient() {
    let alice = person("alice", rsa());
    let everybody = [
        person("rsa", rsa()),
        capable("oaep", rsa(), &Capabilities::ours()),
        person("p256", ec(Nid::X9_62_PRIME256V1)),
        person("p384", ec(Nid::SECP384R1)),
        person("p521", ec(Nid::SECP521R1)),
        person("brainpool", ec(Nid::BRAINPOOL_P384R1)),
    ];
    assert!(everybody[1].certificate.takes_oaep() && !everybody[0].certificate.takes_oaep());
    let to: Vec<&Person> = everybody.iter().collect();
    let openssl = Openssl::new(&[&to[..], &[&alice]].concat());
    for form in FORMS {
        let message = sealed(TEXT, Some(&alice), &to, form);
        let alone = sealed(TEXT, None, &to, form);
        for reader in &everybody {
            assert_eq!(openssl.open(&message, reader, Some(&alice)).as_deref(), Ok(TEXT), "{} {form:?}", reader.name);
            assert_eq!(openssl.open(&alone, reader, None).as_deref(), Ok(TEXT), "{} {form:?}", reader.name);
        }
    }
    let count = |padding: &str| {
        let shown = openssl.run("cms -cmsout -print -noout", &sealed(TEXT, None, &to, FORMS[0])).unwrap();
        String::from_utf8(shown).unwrap().matches(padding).count()
    };
    assert_eq!(count("algorithm: rsaesOaep"), 1);
    assert_eq!(count("algorithm: rsaEncryption"), 1);
    assert_eq!(count("dhSinglePass-stdDH-sha256kdf-scheme"), 1);
    assert_eq!(count("dhSinglePass-stdDH-sha512kdf-scheme"), 1);
}

#[test]
fn gpgsm_opens_what_is_for_rsa_in_cbc() {
    let (alice, bob) = (person("alice", rsa()), person("bob", rsa()));
    let (openssl, gpgsm) = (Openssl::new(&[&alice, &bob]), Gpgsm::new());
    // The only form that version 2.2 imports.
    let options = "-export -inkey bob.key -in bob.pem -macalg sha1 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES";
    let bag = || openssl.run(&format!("pkcs12 {options} -passout pass:specimen"), b"").unwrap();
    // It reads one file of about thirty wrongly, by the bytes of its ciphertext; the next has others.
    let refusals: Vec<_> = (0..8).map_while(|_| gpgsm.run(&["--import"], &bag()).err()).collect();
    assert!(refusals.len() < 8, "{refusals:?}");
    for signature in [SignatureForm::Detached, SignatureForm::Opaque] {
        let message = sealed(TEXT, Some(&alice), &[&bob], Form { content: ContentEncryption::Cbc, signature });
        let clear = gpgsm.run(&["--assume-base64", "--decrypt"], &message[twin::header_end(&message)..]).unwrap();
        assert_eq!(twin::verify(&clear, &alice).unwrap(), TEXT);
    }
}

/// A home of its own, whose agent ends with it.
struct Gpgsm(tempfile::TempDir);

impl Gpgsm {
    fn new() -> Self {
        let this = Self(tempfile::Builder::new().prefix("gpgsm").tempdir().unwrap());
        std::fs::write(this.0.path().join("gpg-agent.conf"), "allow-loopback-pinentry\n").unwrap();
        std::fs::write(this.0.path().join("passphrase"), "specimen\n").unwrap();
        this
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec gpgsm --batch --no-tty --pinentry-mode loopback --passphrase-fd 3 \"$@\" 3< \"$0\""]);
        shell.arg(self.0.path().join("passphrase")).args(["--disable-dirmngr", "--disable-crl-checks"]);
        pipe(shell.args(arguments).env("GNUPGHOME", self.0.path()), input)
    }
}

impl Drop for Gpgsm {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.0.path()).status();
    }
}
