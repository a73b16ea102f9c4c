//! Round trips with the `openssl` and `gpgsm` commands, where they are installed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::*;
use crate::crypt::smime::{ContentEncryption, Form, SignatureForm};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nLet's eat\r\n";

/// A folder with everyone's keys and certificates in PEM.
struct Openssl(tempfile::TempDir);

impl Openssl {
    fn new(people: &[&Person]) -> Option<Self> {
        Command::new("openssl").arg("version").stdout(Stdio::null()).status().ok()?;
        let this = Self(tempfile::Builder::new().prefix("cms").tempdir().unwrap());
        for person in people {
            let key = person.key.private_key_to_pem_pkcs8().unwrap();
            this.write(&format!("{}.key", person.name), &key);
            this.write(&format!("{}.pem", person.name), person.certificate.to_pem().as_bytes());
            this.write(&format!("{}.ca", person.name), person.authority.to_pem().as_bytes());
        }
        Some(this)
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
        let Some(signer) = signed_by.map(|signer| signer.name) else { return Ok(clear) };
        let options = "cms -verify -purpose any -attime 1795521600 -CAfile";
        self.run(&format!("{options} {signer}.ca"), &clear)
    }
}

fn pipe(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
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

#[test]
fn openssl_opens_what_is_signed_and_sealed() {
    let (alice, bob) = (person("alice", rsa()), person("bob", rsa()));
    let Some(openssl) = Openssl::new(&[&alice, &bob]) else { return };
    for content in [ContentEncryption::Cbc, ContentEncryption::Gcm] {
        for signature in [SignatureForm::Detached, SignatureForm::Opaque] {
            let form = Form { content, signature };
            let message = sealed(TEXT, Some(&alice), &[&bob, &alice], form);
            for reader in [&bob, &alice] {
                assert_eq!(openssl.open(&message, reader, Some(&alice)).as_deref(), Ok(TEXT), "{form:?}");
            }
        }
    }
}
