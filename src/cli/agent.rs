//! Own keys whose secret half is in gpg-agent: how they are used, and what is done to them by gpg alone.

use std::{path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::{
    exit::Kind,
    failure::{Failure, Hint},
};
use crate::{
    crypt::pgp::{AgentKey, Lent},
    secret::GpgAgent,
};

/// A key with its agent, which gets the passphrase if it wants one.
pub fn lent(key: AgentKey, passphrase: Option<Zeroizing<String>>) -> Lent {
    let agent = GpgAgent::of(key.home(), passphrase.filter(|given| !given.is_empty()));
    key.lent_by(Arc::new(agent))
}

/// Refuses what needs the secret half itself.
pub fn refuse(key: &AgentKey, what: &str, cures: Vec<Hint>) -> Failure {
    let text = format!(
        "the secret half of key {} is in gpg-agent of {}, and not here: {what}",
        key.fingerprint(),
        key.home().display()
    );
    cures.into_iter().fold(Failure::new(Kind::Permission, text), Failure::hint)
}

/// Gives the primary key and the subkeys two years more.
pub fn extend(home: &Path, fingerprint: &str) -> Vec<Hint> {
    let period = |which: &[&str]| gpg(home, &[&["--quick-set-expire", fingerprint, "2y"], which].concat());
    vec![period(&[]), period(&["*"]), take_again(home, fingerprint)]
}

/// Makes subkeys.
pub fn rotate(home: &Path, fingerprint: &str) -> Vec<Hint> {
    let add = |algorithm, usage| gpg(home, &["--quick-add-key", fingerprint, algorithm, usage, "2y"]);
    vec![add("ed25519", "sign"), add("cv25519", "encr"), take_again(home, fingerprint)]
}

/// Revokes it.
pub fn revoke(home: &Path, fingerprint: &str) -> Vec<Hint> {
    vec![gpg(home, &["--edit-key", fingerprint, "revkey", "save"]), take_again(home, fingerprint)]
}

/// gpg on a home.
pub fn gpg(home: &Path, words: &[&str]) -> Hint {
    ["gpg", "--homedir", &home.display().to_string()].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// Takes the certificate again, as it is in the home now.
fn take_again(home: &Path, fingerprint: &str) -> Hint {
    let home = home.display().to_string();
    ["sealpost", "key", "import", "--from-gnupg", &home, "--agent", fingerprint].map(str::to_owned).to_vec()
}
