//! Keys that real programs wrote, and ours as they read them.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::crypt::{Strength, smime::UnlockError};

/// A folder with a root, an authority below it, and people below that, made by `openssl`.
struct Folder {
    dir: TempDir,
}

const ALGORITHMS: [(&str, &str); 5] = [
    ("rsa", "rsa:2048"),
    ("pss", "rsa-pss -pkeyopt rsa_keygen_bits:2048"),
    ("p256", "ec -pkeyopt ec_paramgen_curve:P-256"),
    ("p384", "ec -pkeyopt ec_paramgen_curve:P-384"),
    ("ed25519", "ed25519"),
];

impl Folder {
    fn new() -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap() };
        folder.openssl("req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=root -days 30");
        folder.issue("mid", "rsa:2048", "root", "basicConstraints=critical,CA:TRUE");
        folder
    }

    /// One more certificate, `NAME.key` and `NAME.pem`.
    fn issue(&self, name: &str, algorithm: &str, by: &str, extension: &str) {
        self.openssl(&format!(
            "req -new -newkey {algorithm} -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.file("extensions", extension);
        let by = format!("-CA {by}.pem -CAkey {by}.key -set_serial 0x{}", hex(name.as_bytes()));
        self.openssl(&format!("x509 -req -in {name}.csr {by} -days 30 -extfile extensions -out {name}.pem"));
    }

    fn kim(&self, algorithm: &str) {
        self.issue("kim", algorithm, "mid", "subjectAltName=email:kim@example.test");
        self.file("chain.pem", [self.read("mid.pem"), self.read("root.pem")].concat());
    }

    fn p12(&self, more: &str) -> Vec<u8> {
        let from = "pkcs12 -export -inkey kim.key -in kim.pem -certfile chain.pem -name kim";
        self.openssl(&format!("{from} -out kim.p12 -passout file:pw {more}"));
        self.read("kim.p12")
    }

    fn openssl(&self, arguments: &str) -> Vec<u8> {
        if !self.path("pw").exists() {
            self.file("pw", "correct horse\n");
        }
        self.run("openssl", arguments)
    }

    fn run(&self, program: &str, arguments: &str) -> Vec<u8> {
        let run =
            Command::new(program).args(arguments.split_whitespace()).current_dir(self.dir.path()).output().unwrap();
        assert!(run.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(Path::new(name))
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn certificate(&self, name: &str) -> Certificate {
        Certificate::parse_all(&self.read(&format!("{name}.pem"))).unwrap().remove(0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pass(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn only(bytes: &[u8]) -> Key {
    let mut all = Key::parse_all(bytes).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// The fingerprints of a key's certificate and chain.
fn seen(key: &Key) -> Vec<Fingerprint> {
    key.certificate().into_iter().chain(key.chain()).map(PublicCertificate::fingerprint).collect()
}

fn whole(folder: &Folder) -> Vec<Fingerprint> {
    ["kim", "mid", "root"].map(|name| folder.certificate(name).fingerprint()).to_vec()
}

#[test]
fn pkcs12_opens_with_every_algorithm_of_key() {
    let folder = Folder::new();
    for (name, algorithm) in ALGORITHMS {
        folder.kim(algorithm);
        let key = only(&folder.p12(""));
        assert!(key.is_locked() && key.certificate().is_none());
        assert!(matches!(key.unlock(&pass("wrong")), Err(UnlockError::WrongPassphrase(_))), "{name}");
        let open = key.unlock(&pass("correct horse")).unwrap();
        assert_eq!(seen(&open), whole(&folder), "{name}");
        let names = crate::crypt::smime::identity::names_of(open.certificate().unwrap());
        assert!(!names.is_empty() && names.iter().all(|name| open.is_for(name)) && !open.is_for("00"));
        let signer = open.signer(now()).unwrap();
        assert_eq!(signer.chain.len(), 1, "the root is not sent along");
        round_trip(&folder, &open);
    }
}

/// Locked anew it is read by us and by `openssl pkey`.
fn round_trip(folder: &Folder, open: &Key) {
    assert!(matches!(open.to_pem(), Err(KeyError::NotLocked)));
    for (passphrase, strength) in [("b\u{e4}tt\u{e9}ry", Strength::Human), ("long random", Strength::Generated)] {
        let locked = open.lock(&pass(passphrase), strength).unwrap();
        let pem = locked.to_pem().unwrap();
        let read = only(pem.as_bytes());
        assert!(read.is_locked());
        assert_eq!(seen(&read), seen(open), "told before it is unlocked");
        assert_eq!(read.to_pem().unwrap(), pem);
        assert!(read.signer(now()).is_err());
        assert!(matches!(read.unlock(&pass("wrong")), Err(UnlockError::WrongPassphrase(_))));
        assert_eq!(seen(&read.unlock(&pass(passphrase)).unwrap()), seen(open));
        folder.file("ours.pem", &pem);
        folder.file("ours.pw", passphrase);
        let public = folder.openssl("pkey -in ours.pem -passin file:ours.pw -pubout");
        assert_eq!(public, folder.openssl("x509 -in kim.pem -noout -pubkey"));
    }
}

mod foreign;
mod hostile;
