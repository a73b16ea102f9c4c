//! gpgsm with a home of its own, and the mail readers that ask it: notmuch and neomutt.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use openssl::{bn::BigNumContext, ec::PointConversionForm, hash::MessageDigest, nid::Nid, x509::X509};
use tempfile::TempDir;

use super::{Mailbox, Outcome, run};

/// Locks the keys in it.
const PASSPHRASE: &str = "specimen";

/// A `GNUPGHOME` with one trust anchor; its agent ends with the value.
pub struct Gpgsm {
    // Short: the path of the agent's socket must fit in 108 bytes.
    home: TempDir,
}

impl Gpgsm {
    /// A home that trusts an anchor and asks nobody on the network.
    pub fn new(anchor: &X509) -> Self {
        let home = tempfile::Builder::new().prefix("gpgsm-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let own = Self { home };
        let digest = anchor.digest(MessageDigest::sha1()).unwrap();
        let digits: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        own.file("trustlist.txt", format!("{digits} S relax\n").as_bytes());
        own.file("gpg-agent.conf", b"allow-loopback-pinentry\n");
        own.file("gpgsm.conf", b"disable-crl-checks\ndisable-dirmngr\nbatch\nno-tty\n");
        own.import(&anchor.to_pem().unwrap()).expect(0);
        own
    }

    fn file(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// gpgsm with arguments, without questions.
    pub fn run(&self, arguments: &[&str], stdin: &[u8]) -> Outcome {
        let passphrase = self.file("passphrase", format!("{PASSPHRASE}\n").as_bytes());
        let mut shell = Command::new("sh");
        // The passphrase has a descriptor of its own.
        shell.args(["-c", "exec gpgsm --pinentry-mode loopback --passphrase-fd 3 \"$@\" 3< \"$0\""]);
        shell.arg(passphrase).args(arguments).env("GNUPGHOME", self.home.path()).env_remove("DISPLAY");
        run(shell, stdin)
    }

    /// Takes certificates, PEM or DER.
    pub fn import(&self, certificates: &[u8]) -> Outcome {
        self.run(&["--import"], certificates)
    }

    /// Takes an RSA key and its certificates. Version 2.2 crashes on others, and reads 3DES only.
    pub fn import_key(&self, own: &Mailbox) {
        self.file("key.pem", &[own.key_pem(), own.pem()].concat());
        self.file("passphrase", format!("{PASSPHRASE}\n").as_bytes());
        let export = || {
            let mut openssl = Command::new("openssl");
            openssl.args(["pkcs12", "-export", "-in", "key.pem", "-macalg", "sha1", "-passout", "file:passphrase"]);
            openssl.args(["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"]).current_dir(self.home.path());
            run(openssl, b"").expect(0).stdout
        };
        // Some files it reads wrongly, by the bytes of their ciphertext; another has others.
        for _ in 0..4 {
            if self.run(&["--import"], &export()).exit == 0 {
                return;
            }
        }
        self.run(&["--import"], &export()).expect(0);
    }

    /// Takes certificates, and the key of the first into the agent, without a passphrase: of any algorithm that the agent
    /// knows, whatever gpgsm does with it.
    pub fn give_to_agent(&self, own: &Mailbox) {
        self.import(&own.pem()).expect(0);
        let digest = own.certificate.digest(MessageDigest::sha1()).unwrap();
        let name: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let listed = self.run(&["--with-colons", "--with-keygrip", "--list-keys", &name], b"").expect(0).text();
        let grip = listed.lines().find_map(|line| line.strip_prefix("grp:::::::::")).unwrap().trim_end_matches(':');
        let ec = own.key.ec_key().unwrap();
        let curve = match ec.group().curve_name() {
            Some(Nid::X9_62_PRIME256V1) => "NIST P-256",
            Some(Nid::SECP384R1) => "NIST P-384",
            other => panic!("{other:?}"),
        };
        let mut context = BigNumContext::new().unwrap();
        let point = ec.public_key().to_bytes(ec.group(), PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
        let secret = ec.private_key().to_vec();
        let mut key = format!("(11:private-key(3:ecc(5:curve10:{curve})(1:q{}:", point.len()).into_bytes();
        key.extend([&point[..], format!(")(1:d{}:", secret.len()).as_bytes(), &secret, b")))"].concat());
        fs::create_dir_all(self.home.path().join("private-keys-v1.d")).unwrap();
        self.file(&format!("private-keys-v1.d/{grip}.key"), &key);
    }

    /// Decrypts CMS, DER.
    pub fn decrypt(&self, cms: &[u8]) -> Outcome {
        self.run(&["--status-fd", "2", "--decrypt"], cms)
    }

    /// Verifies a detached signature, DER.
    pub fn verify(&self, signature: &[u8], over: &[u8]) -> Outcome {
        let (signature, over) = (self.file("signature", signature), self.file("over", over));
        self.run(&["--status-fd", "2", "--verify", signature.to_str().unwrap(), over.to_str().unwrap()], b"")
    }

    /// Signs, detached or not, DER.
    pub fn sign(&self, by: &str, more: &[&str], entity: &[u8]) -> Vec<u8> {
        self.run(&[&["--local-user", by, "--sign"], more].concat(), entity).expect(0).stdout
    }

    /// Encrypts to an address, DER or rather BER.
    pub fn encrypt(&self, to: &str, entity: &[u8]) -> Vec<u8> {
        self.run(&["--recipient", to, "--encrypt"], entity).expect(0).stdout
    }

    /// What notmuch shows of a message, decrypted and verified: its JSON.
    pub fn notmuch(&self, message: &[u8]) -> serde_json::Value {
        let mail = self.home.path().join("mail/cur");
        fs::create_dir_all(&mail).unwrap();
        for folder in ["mail/new", "mail/tmp"] {
            fs::create_dir_all(self.home.path().join(folder)).unwrap();
        }
        fs::write(mail.join("1:2,S"), message).unwrap();
        let config = format!("[database]\npath={}\n", self.home.path().join("mail").display());
        let config = self.file("notmuch.conf", config.as_bytes());
        let notmuch = |arguments: &[&str]| {
            let mut command = Command::new("notmuch");
            command.args(arguments).env("NOTMUCH_CONFIG", &config).env("GNUPGHOME", self.home.path());
            run(command, b"").expect(0)
        };
        notmuch(&["new", "--quiet"]);
        notmuch(&["show", "--decrypt=true", "--format=json", "*"]).json()
    }

    /// What neomutt shows of a message, decrypted and verified. It wants a terminal, which `script` pretends.
    pub fn neomutt(&self, message: &[u8]) -> String {
        let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
        self.file("mbox", format!("From x@example.test Thu Jan  1 00:00:00 2026\n{text}\n").as_bytes());
        let shown = self.home.path().join("shown");
        let setting = format!(
            "set crypt_use_gpgme=yes crypt_verify_sig=yes pager_stop=yes wait_key=no quit=yes\n\
             set display_filter=\"tee {}\"\nset folder=.\npush '<display-message><exit><exit>'\n",
            shown.display()
        );
        self.file("neomuttrc", setting.as_bytes());
        let mut script = Command::new("script");
        // Nothing may stand between: what is not the foreground of its terminal is stopped there for ever.
        script.args(["-qec", "exec neomutt -n -F neomuttrc -R -f mbox", "/dev/null"]).env("SHELL", "/bin/sh");
        script.env("GNUPGHOME", self.home.path()).env("TERM", "xterm").env("HOME", self.home.path());
        script.current_dir(self.home.path());
        run(script, b"").expect(0);
        fs::read_to_string(shown).unwrap()
    }
}

impl Drop for Gpgsm {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home.path())
            .args(["--kill", "all"])
            .stderr(Stdio::null())
            .status();
    }
}
