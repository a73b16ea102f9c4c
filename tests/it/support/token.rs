//! A PKCS#11 token in software, SoftHSM, behind the agent of a GnuPG home by way of gnupg-pkcs11-scd.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use openssl::pkey::{PKey, Public};
use tempfile::TempDir;

use super::{Outcome, run};

/// The PIN of each token.
pub const PIN: &str = "123456";

/// A folder with one token. What runs with [`Token::environment`] sees it.
pub struct Token {
    folder: TempDir,
    module: PathBuf,
}

impl Token {
    /// A token with an RSA key, whose public half is given.
    pub fn new() -> (Self, PKey<Public>) {
        let modules = ["softhsm", "x86_64-linux-gnu/softhsm", "aarch64-linux-gnu/softhsm", "pkcs11"];
        let modules = modules.iter().map(|folder| Path::new("/usr/lib").join(folder).join("libsofthsm2.so"));
        let module = modules.into_iter().find(|path| path.exists()).expect("SoftHSM's libsofthsm2.so is not installed");
        let own = Self { folder: tempfile::Builder::new().prefix("token-").tempdir_in("/tmp").unwrap(), module };
        fs::create_dir(own.path("tokens")).unwrap();
        let config = format!("directories.tokendir = {}\nlog.level = ERROR\n", own.path("tokens").display());
        fs::write(own.path("softhsm.conf"), config).unwrap();
        let init = ["--init-token", "--free", "--label", "own", "--pin", PIN, "--so-pin", "654321"];
        own.run("softhsm2-util", &init).expect(0);
        own.pkcs11(&["--keypairgen", "--key-type", "rsa:2048", "--id", "01", "--label", "own"]).expect(0);
        let public = own.path("public.der");
        own.pkcs11(&["--read-object", "--type", "pubkey", "--id", "01", "-o", public.to_str().unwrap()]).expect(0);
        let public = PKey::public_key_from_der(&fs::read(public).unwrap()).unwrap();
        (own, public)
    }

    /// Puts the certificate of its key beside it, DER.
    pub fn certify(&self, certificate: &[u8]) {
        let path = self.path("certificate.der");
        fs::write(&path, certificate).unwrap();
        self.pkcs11(&["--write-object", path.to_str().unwrap(), "--type", "cert", "--id", "01"]).expect(0);
    }

    /// Puts it behind the agent of a GnuPG home, as the README says.
    pub fn behind(&self, gnupg: &Path) {
        let own = format!("providers own\nprovider-own-library {}\n", self.module.display());
        fs::write(gnupg.join("gnupg-pkcs11-scd.conf"), own).unwrap();
        let agent = gnupg.join("gpg-agent.conf");
        let before = fs::read_to_string(&agent).unwrap_or_default();
        fs::write(&agent, before + "scdaemon-program /usr/bin/gnupg-pkcs11-scd\n").unwrap();
        self.restart(gnupg);
    }

    /// Takes the token out, or puts it in again.
    pub fn plug(&self, is_in: bool) {
        let (tokens, away) = (self.path("tokens"), self.path("away"));
        if is_in {
            fs::remove_dir(&tokens).unwrap();
            fs::rename(away, tokens).unwrap();
        } else {
            fs::rename(&tokens, away).unwrap();
            fs::create_dir(tokens).unwrap();
        }
    }

    /// Lets the agent forget that it ever knew the PIN.
    pub fn restart(&self, gnupg: &Path) {
        for verb in [["--kill", "all"], ["--launch", "gpg-agent"]] {
            let mut conf = Command::new("gpgconf");
            // The agent hands it on to its daemon.
            conf.args(verb).env("GNUPGHOME", gnupg).envs([self.environment()]);
            run(conf, b"").expect(0);
        }
    }

    /// The variable by which SoftHSM finds it.
    pub fn environment(&self) -> (&'static str, PathBuf) {
        ("SOFTHSM2_CONF", self.path("softhsm.conf"))
    }

    fn pkcs11(&self, arguments: &[&str]) -> Outcome {
        let login = ["--module", self.module.to_str().unwrap(), "--login", "--pin", PIN];
        self.run("pkcs11-tool", &[&login, arguments].concat())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(program);
        command.args(arguments).envs([self.environment()]);
        run(command, b"")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
