//! Own keys whose secret half is in gpg-agent: how they are used, and what is done to them by gpg alone.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{
    exit::Kind,
    failure::{Failure, Hint},
};
use crate::{
    crypt::{
        Fingerprint,
        pgp::{AgentKey, Lent},
        smime,
    },
    secret::GpgAgent,
};

/// The agents of a run: one for each home and passphrase, which so tells no token a wrong PIN twice.
#[derive(Default)]
pub struct Agents(RefCell<Vec<One>>);

/// One, with its home and the passphrase that it gets if it wants one.
type One = (PathBuf, Option<Zeroizing<String>>, Arc<GpgAgent>);

impl Agents {
    /// A key with its agent.
    pub fn lend(&self, key: AgentKey, passphrase: Option<Zeroizing<String>>) -> Lent {
        let agent = self.of(key.home(), passphrase);
        key.lent_by(agent)
    }

    /// The same for S/MIME.
    pub fn lend_smime(&self, key: smime::AgentKey, passphrase: Option<Zeroizing<String>>) -> smime::Key {
        let agent = self.of(key.home(), passphrase);
        key.lent_by(agent)
    }

    fn of(&self, home: &Path, passphrase: Option<Zeroizing<String>>) -> Arc<GpgAgent> {
        let passphrase = passphrase.filter(|given| !given.is_empty());
        let mut known = self.0.borrow_mut();
        if let Some((.., agent)) = known.iter().find(|(there, given, _)| there == home && *given == passphrase) {
            return agent.clone();
        }
        let agent = Arc::new(GpgAgent::of(home, passphrase.clone()));
        known.push((home.to_owned(), passphrase, agent.clone()));
        agent
    }
}

/// Refuses what needs the secret half of a key itself.
pub fn refuse(key: &Fingerprint, home: &Path, what: &str, cures: Vec<Hint>) -> Failure {
    let text = format!("the secret half of key {key} is in gpg-agent of {}, and not here: {what}", home.display());
    cures.into_iter().fold(Failure::new(Kind::Permission, text), Failure::hint)
}

/// What gpg calls two years.
pub const TWO_YEARS: &str = "2y";

/// Gives the primary key and the subkeys another end, a period or a day.
pub fn extend(home: &Path, fingerprint: &str, end: &str) -> Vec<Hint> {
    let period = |which: &[&str]| gpg(home, &[&["--quick-set-expire", fingerprint, end], which].concat());
    vec![period(&[]), period(&["*"]), take_again(home, fingerprint)]
}

/// Makes the request for another certificate, of a key that is there, and takes it, which has another fingerprint.
pub fn request(home: &Path) -> Vec<Hint> {
    let shown = home.display().to_string();
    let again = ["sealpost", "key", "import", "--from-gnupg", &shown, "--agent"].map(str::to_owned);
    vec![gpgsm(home, &["--armor", "--generate-key"]), again.to_vec()]
}

/// Lets the agent sign something that says nothing, for which it asks for the passphrase, by a keygrip.
pub fn unlock(home: &Path, grip: &str) -> Hint {
    let nothing = "0".repeat(64);
    let sign = [format!("SIGKEY {grip}"), format!("SETHASH --hash=sha256 {nothing}"), "PKSIGN".to_owned()];
    let connect = on("gpg-connect-agent", home, &["--no-autostart"]);
    connect.into_iter().chain(sign).chain(["/bye".to_owned()]).collect()
}

/// Makes subkeys.
pub fn rotate(home: &Path, fingerprint: &str) -> Vec<Hint> {
    let add = |algorithm, usage| gpg(home, &["--quick-add-key", fingerprint, algorithm, usage, TWO_YEARS]);
    vec![add("ed25519", "sign"), add("cv25519", "encr"), take_again(home, fingerprint)]
}

/// Revokes it.
pub fn revoke(home: &Path, fingerprint: &str) -> Vec<Hint> {
    vec![gpg(home, &["--edit-key", fingerprint, "revkey", "save"]), take_again(home, fingerprint)]
}

/// gpg on a home.
pub fn gpg(home: &Path, words: &[&str]) -> Hint {
    on("gpg", home, words)
}

/// gpgsm on a home.
pub fn gpgsm(home: &Path, words: &[&str]) -> Hint {
    on("gpgsm", home, words)
}

fn on(program: &str, home: &Path, words: &[&str]) -> Hint {
    [program, "--homedir", &home.display().to_string()].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// Takes the certificate again, as it is in the home now.
pub fn take_again(home: &Path, fingerprint: &str) -> Hint {
    let home = home.display().to_string();
    ["sealpost", "key", "import", "--from-gnupg", &home, "--agent", fingerprint].map(str::to_owned).to_vec()
}
