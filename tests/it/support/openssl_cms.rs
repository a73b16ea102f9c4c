//! `openssl cms` (RFC 5652), as scripts use it.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use super::{Mailbox, Outcome, run};

/// A folder for the files that it works on.
pub struct OpensslCms {
    folder: TempDir,
}

impl OpensslCms {
    /// A folder with a trust anchor in it, `ca.pem`.
    pub fn new(anchor: &[u8]) -> Self {
        let own = Self { folder: tempfile::Builder::new().prefix("openssl-").tempdir().unwrap() };
        own.file("ca.pem", anchor);
        own
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// `openssl` with arguments, in the folder.
    pub fn run(&self, arguments: &[&str], stdin: &[u8]) -> Outcome {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(self.folder.path());
        run(command, stdin)
    }

    /// Signs a MIME entity: multipart/signed, or with `-nodetach` opaque.
    pub fn sign(&self, by: &Mailbox, more: &[&str], entity: &[u8]) -> Vec<u8> {
        self.file("signer.pem", &by.certificate_pem());
        self.file("signer.key", &by.key_pem());
        let mut arguments = vec!["cms", "-sign", "-signer", "signer.pem", "-inkey", "signer.key"];
        if !by.chain.is_empty() {
            self.file("chain.pem", &by.chain.iter().flat_map(|one| one.to_pem().unwrap()).collect::<Vec<_>>());
            arguments.extend(["-certfile", "chain.pem"]);
        }
        self.run(&[&arguments[..], more].concat(), entity).expect(0).stdout
    }

    /// Encrypts a MIME entity; `more` has the cipher and header fields.
    pub fn encrypt(&self, to: &[&Mailbox], more: &[&str], entity: &[u8]) -> Vec<u8> {
        let names: Vec<String> = (0..to.len()).map(|number| format!("to-{number}.pem")).collect();
        for (name, one) in names.iter().zip(to) {
            self.file(name, &one.certificate_pem());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.run(&[&["cms", "-encrypt"], more, &names].concat(), entity).expect(0).stdout
    }

    /// Decrypts a message.
    pub fn decrypt(&self, with: &Mailbox, message: &[u8]) -> Outcome {
        self.file("own.pem", &with.certificate_pem());
        self.file("own.key", &with.key_pem());
        self.run(&["cms", "-decrypt", "-recip", "own.pem", "-inkey", "own.key"], message)
    }

    /// Verifies a signed message against the anchor, for mail.
    pub fn verify(&self, message: &[u8]) -> Outcome {
        self.run(&["cms", "-verify", "-CAfile", "ca.pem", "-purpose", "smimesign", "-no-CApath"], message)
    }

    /// Decrypts, then verifies what was in it.
    pub fn open(&self, with: &Mailbox, message: &[u8]) -> Outcome {
        self.verify(&self.decrypt(with, message).expect(0).stdout)
    }
}
