//! The settings that count for one run.

use super::{
    Config, ConfigError, Origin, Overrides, Submission,
    layer::{Layer, Place},
};
use crate::{
    crypt::{SuiteName, Trust},
    mail::{Mailbox, protect::HeaderPolicy},
    secret::Source,
    submit::Port,
};

/// An account with environment and flags laid over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name in config.toml; none if no account was chosen.
    pub name: Option<String>,
    /// Who writes.
    pub from: Option<Mailbox>,
    /// Whether to sign; true unless told otherwise.
    pub sign: bool,
    /// The passphrase of the signing key.
    pub passphrase: Option<Source>,
    /// The passphrase of S/MIME keys, where it is another.
    pub smime_passphrase: Option<Source>,
    /// Which fields servers see.
    pub header_policy: HeaderPolicy,
    /// Whether to write legacy display elements.
    pub legacy_display: bool,
    /// Whether S/MIME recipients are to get AES-GCM.
    pub gcm: bool,
    /// Whether messages bring one's own OpenPGP certificate in an Autocrypt header field.
    pub autocrypt: bool,
    /// How a recipient's certificate is to be known at least.
    pub trust: Option<Trust>,
    /// Who is told when a message had to be refused.
    pub alert_to: Option<Mailbox>,
    /// How mail is handed to its server.
    pub submission: Submission,
}

impl Account {
    /// Chooses the account (`--account`, else by `--from`, else `default`, else the only one, else an empty one)
    /// and lays the environment over it, and the flags over both.
    ///
    /// # Errors
    /// An unknown account, or a value that means nothing; its [`Origin`] tells a flag from the environment.
    pub fn resolve(config: Config, environment: &Overrides, flags: &Overrides) -> Result<Self, ConfigError> {
        let named = match (&flags.account, &environment.account) {
            (Some(name), _) => Some((name.as_str(), Origin::Flag("--account"))),
            (None, Some(name)) => Some((name.as_str(), Origin::Environment("SEALPOST_ACCOUNT"))),
            (None, None) => None,
        };
        let over = flags.typed(Place::Flags)?.over(environment.typed(Place::Environment)?);
        let (name, file) = config.choose(named, over.from.as_ref().map(|mailbox| &mailbox.address))?;
        Ok(Self::new(name, over.over(file)))
    }

    /// Where the passphrase of a key of a suite comes from.
    pub fn passphrase_in(&self, suite: SuiteName) -> Option<&Source> {
        let other = self.smime_passphrase.as_ref().filter(|_| suite == SuiteName::Smime);
        other.or(self.passphrase.as_ref())
    }

    fn new(name: Option<String>, layer: Layer) -> Self {
        Self {
            name,
            from: layer.from,
            sign: layer.sign.unwrap_or(true),
            passphrase: layer.passphrase,
            smime_passphrase: layer.smime_passphrase,
            header_policy: layer.header_policy.unwrap_or_default(),
            legacy_display: layer.legacy_display.unwrap_or_default(),
            gcm: layer.gcm.unwrap_or_default(),
            autocrypt: layer.autocrypt.unwrap_or_default(),
            trust: layer.trust,
            alert_to: layer.alert_to,
            submission: Submission {
                host: layer.host,
                ports: layer.ports.unwrap_or_else(|| Port::DEFAULT.to_vec()),
                user: layer.user,
                auth: layer.auth.unwrap_or_default(),
                password: layer.password,
                token: layer.token,
                ca_file: layer.ca_file,
                client_cert: layer.client_cert,
                client_key: layer.client_key,
                timeout: layer.timeout.unwrap_or(Submission::TIMEOUT),
            },
        }
    }
}

#[cfg(test)]
mod tests;
