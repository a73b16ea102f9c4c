//! sqop, the Stateless OpenPGP command of Sequoia (draft-dkg-openpgp-stateless-cli).

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use super::{Outcome, run};

/// A folder for the files that sqop works on.
pub struct Sqop {
    folder: TempDir,
}

impl Sqop {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("sqop-").tempdir().unwrap() }
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// sqop with arguments, in the folder, so that files go by their names.
    pub fn run(&self, arguments: &[&str], stdin: &[u8]) -> Outcome {
        let mut command = Command::new("sqop");
        command.args(arguments).current_dir(self.folder.path());
        run(command, stdin)
    }

    /// Makes a key for a user ID, unprotected.
    pub fn make_key(&self, user_id: &str) -> Vec<u8> {
        self.run(&["generate-key", user_id], b"").expect(0).stdout
    }

    /// The certificate of a key.
    pub fn certificate(&self, key: &[u8]) -> Vec<u8> {
        self.run(&["extract-cert"], key).expect(0).stdout
    }

    /// Signs and encrypts, armored.
    pub fn seal(&self, key: &[u8], certificates: &[&[u8]], plaintext: &[u8]) -> Vec<u8> {
        self.file("sign-with", key);
        let mut arguments = vec!["encrypt".to_owned(), "--sign-with=sign-with".to_owned()];
        for (number, certificate) in certificates.iter().enumerate() {
            let name = format!("to-{number}");
            self.file(&name, certificate);
            arguments.push(name);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run(&arguments, plaintext).expect(0).stdout
    }

    /// Decrypts and verifies: the run, and the lines on the signatures that hold.
    pub fn open(&self, key: &[u8], signer: &[u8], ciphertext: &[u8]) -> (Outcome, String) {
        self.file("key", key);
        self.file("signer", signer);
        let _ = fs::remove_file(self.folder.path().join("verified"));
        let outcome = self.run(&["decrypt", "--verify-with=signer", "--verifications-out=verified", "key"], ciphertext);
        let verified = fs::read_to_string(self.folder.path().join("verified")).unwrap_or_default();
        (outcome, verified)
    }
}
