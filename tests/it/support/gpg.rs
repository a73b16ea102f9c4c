//! GnuPG with a home of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Outcome, run};

/// A `GNUPGHOME`; its agent ends with the value.
pub struct Gpg {
    // Short: the path of the agent's socket must fit in 108 bytes.
    home: TempDir,
}

/// What gpg says of a message that it opened.
#[derive(Debug)]
pub struct Decryption {
    /// What stood inside.
    pub plaintext: Vec<u8>,
    /// The lines of `--status-fd`, without `[GNUPG:] `.
    pub status: Vec<String>,
}

impl Gpg {
    /// An empty home.
    pub fn new() -> Self {
        let home = tempfile::Builder::new().prefix("gpg-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { home }
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// gpg with arguments, without questions, every key trusted.
    pub fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", self.home.path())
            .env_remove("DISPLAY")
            .args(["--batch", "--no-tty", "--yes", "--trust-model", "always", "--pinentry-mode", "loopback"])
            .args(arguments);
        command
    }

    /// Makes a key for an address, without a passphrase, in gpg's default form (`default`) or another
    /// (`rsa3072` and so on).
    pub fn make_key(&self, address: &str, algorithm: &str) {
        self.make_locked_key(address, algorithm, "");
    }

    /// The same, with a passphrase.
    pub fn make_locked_key(&self, address: &str, algorithm: &str, passphrase: &str) {
        let user_id = format!("<{address}>");
        run(
            self.command(["--passphrase", passphrase, "--quick-generate-key", &user_id, algorithm, "default", "1y"]),
            b"",
        )
        .expect(0);
    }

    /// Takes keys or certificates, armored or not.
    pub fn import(&self, keys: &[u8]) -> Outcome {
        run(self.command(["--import"]), keys)
    }

    /// The certificate for an address, armored.
    pub fn export(&self, address: &str) -> Vec<u8> {
        run(self.command(["--armor", "--export", &format!("<{address}>")]), b"").expect(0).stdout
    }

    /// The key for an address, armored, unprotected as it was made.
    pub fn export_secret(&self, address: &str) -> Vec<u8> {
        run(self.command(["--passphrase", "", "--armor", "--export-secret-keys", &format!("<{address}>")]), b"")
            .expect(0)
            .stdout
    }

    /// Signs and encrypts, armored.
    pub fn seal(&self, from: &str, to: &[&str], plaintext: &[u8]) -> Vec<u8> {
        let mut command = self.command(["--armor", "--local-user", from]);
        for address in to {
            command.args(["--recipient", address]);
        }
        command.args(["--sign", "--encrypt"]);
        run(command, plaintext).expect(0).stdout
    }

    /// Decrypts and verifies.
    ///
    /// # Errors
    /// The outcome of a gpg that failed.
    pub fn open(&self, ciphertext: &[u8]) -> Result<Decryption, Outcome> {
        let status = self.home.path().join("status");
        let mut command = self.command(["--passphrase", "", "--status-file"]);
        command.arg(&status).arg("--decrypt");
        let outcome = run(command, ciphertext);
        // The salt of a signature by Sequoia, a notation, is no text.
        let lines = String::from_utf8_lossy(&fs::read(&status).unwrap_or_default()).into_owned();
        if outcome.exit != 0 {
            return Err(outcome);
        }
        let status = lines.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")).map(str::to_owned).collect();
        Ok(Decryption { plaintext: outcome.stdout, status })
    }
}

impl Decryption {
    /// Whether a line of the status begins so: `GOODSIG`, `DECRYPTION_OKAY`, `VALIDSIG <fingerprint>`.
    pub fn says(&self, start: &str) -> bool {
        self.status.iter().any(|line| line.starts_with(start))
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home.path())
            .args(["--kill", "all"])
            .stderr(Stdio::null())
            .status();
    }
}
