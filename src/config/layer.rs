//! One layer of settings: the file's account, the environment, the flags. All of it may be left out.

use std::{path::PathBuf, time::Duration};

use super::{
    ConfigError, Environment, Origin, ValueError,
    document::Section,
    submission::{parse_auth, parse_duration, parse_host, parse_user},
};
use crate::{
    crypt::Trust,
    mail::{Mailbox, protect::HeaderPolicy},
    secret::Source,
    submit::{Auth, Port},
};

/// Settings given as text, by flags or by the environment. Without `Debug`: what should be the source of a secret
/// may be a secret.
#[derive(Clone, Default)]
pub struct Overrides {
    /// `--account`, `SEALPOST_ACCOUNT`.
    pub account: Option<String>,
    /// `--from`, `SEALPOST_FROM`.
    pub from: Option<String>,
    /// False for `--no-sign`.
    pub sign: Option<bool>,
    /// `--passphrase`, `SEALPOST_PASSPHRASE`: a source.
    pub passphrase: Option<String>,
    /// `--host`, `SEALPOST_HOST`.
    pub host: Option<String>,
    /// `--ports`, `SEALPOST_PORTS`, with commas.
    pub ports: Option<String>,
    /// `--user`, `SEALPOST_USER`.
    pub user: Option<String>,
    /// `--auth`, `SEALPOST_AUTH`.
    pub auth: Option<String>,
    /// `--password`, `SEALPOST_PASSWORD`: a source.
    pub password: Option<String>,
    /// `--token`, `SEALPOST_TOKEN`: a source.
    pub token: Option<String>,
    /// `--ca-file`, `SEALPOST_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// `--client-cert`, `SEALPOST_CLIENT_CERT`.
    pub client_cert: Option<PathBuf>,
    /// `--client-key`, `SEALPOST_CLIENT_KEY`.
    pub client_key: Option<PathBuf>,
    /// `--timeout`, `SEALPOST_TIMEOUT`.
    pub timeout: Option<String>,
}

/// Typed settings of one layer.
#[derive(Default)]
pub(super) struct Layer {
    pub(super) from: Option<Mailbox>,
    pub(super) sign: Option<bool>,
    pub(super) passphrase: Option<Source>,
    pub(super) smime_passphrase: Option<Source>,
    pub(super) header_policy: Option<HeaderPolicy>,
    pub(super) legacy_display: Option<bool>,
    pub(super) gcm: Option<bool>,
    pub(super) autocrypt: Option<bool>,
    pub(super) trust: Option<Trust>,
    pub(super) alert_to: Option<Mailbox>,
    pub(super) host: Option<String>,
    pub(super) ports: Option<Vec<Port>>,
    pub(super) user: Option<String>,
    pub(super) auth: Option<Auth>,
    pub(super) password: Option<Source>,
    pub(super) token: Option<Source>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) client_cert: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
    pub(super) timeout: Option<Duration>,
}

/// From which of the two places [`Overrides`] came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Environment,
    Flags,
}

impl Overrides {
    /// Those of the environment; an empty variable counts as not set.
    ///
    /// # Errors
    /// A variable that is not UTF-8.
    pub fn from_environment(environment: Environment<'_>) -> Result<Self, ConfigError> {
        let text = |name: &'static str| match environment(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value
                .into_string()
                .map(Some)
                .map_err(|_| ConfigError::BadValue { origin: Origin::Environment(name), error: ValueError::NotText }),
        };
        let path = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Ok(Self {
            account: text("SEALPOST_ACCOUNT")?,
            from: text("SEALPOST_FROM")?,
            sign: None,
            passphrase: text("SEALPOST_PASSPHRASE")?,
            host: text("SEALPOST_HOST")?,
            ports: text("SEALPOST_PORTS")?,
            user: text("SEALPOST_USER")?,
            auth: text("SEALPOST_AUTH")?,
            password: text("SEALPOST_PASSWORD")?,
            token: text("SEALPOST_TOKEN")?,
            ca_file: path("SEALPOST_CA_FILE"),
            client_cert: path("SEALPOST_CLIENT_CERT"),
            client_key: path("SEALPOST_CLIENT_KEY"),
            timeout: text("SEALPOST_TIMEOUT")?,
        })
    }

    pub(super) fn typed(&self, place: Place) -> Result<Layer, ConfigError> {
        let at = |variable, flag| match place {
            Place::Environment => Origin::Environment(variable),
            Place::Flags => Origin::Flag(flag),
        };
        Ok(Layer {
            from: read(&self.from, at("SEALPOST_FROM", "--from"), parse_mailbox)?,
            sign: self.sign,
            passphrase: read(&self.passphrase, at("SEALPOST_PASSPHRASE", "--passphrase"), parse_source)?,
            host: read(&self.host, at("SEALPOST_HOST", "--host"), parse_host)?,
            ports: read(&self.ports, at("SEALPOST_PORTS", "--ports"), parse_ports)?,
            user: read(&self.user, at("SEALPOST_USER", "--user"), parse_user)?,
            auth: read(&self.auth, at("SEALPOST_AUTH", "--auth"), parse_auth)?,
            password: read(&self.password, at("SEALPOST_PASSWORD", "--password"), parse_source)?,
            token: read(&self.token, at("SEALPOST_TOKEN", "--token"), parse_source)?,
            ca_file: self.ca_file.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            timeout: read(&self.timeout, at("SEALPOST_TIMEOUT", "--timeout"), parse_duration)?,
            ..Layer::default()
        })
    }
}

impl Layer {
    /// The layer of an account's table.
    pub(super) fn from_account(account: &Section<'_>) -> Result<Self, ConfigError> {
        let mut layer = Self {
            from: account.typed("from", parse_mailbox)?,
            sign: account.flag("sign")?,
            passphrase: account.typed("passphrase", parse_source)?,
            smime_passphrase: account.typed("smime_passphrase", parse_source)?,
            header_policy: account.typed("header_policy", parse_policy)?,
            legacy_display: account.flag("legacy_display")?,
            gcm: account.flag("gcm")?,
            autocrypt: account.flag("autocrypt")?,
            trust: account
                .typed("trust", |text| Trust::parse(text).ok_or_else(|| ValueError::Trust(text.to_owned())))?,
            alert_to: account.typed("alert_to", parse_mailbox)?,
            ..Self::default()
        };
        if let Some(submission) = account.section("submission", &SERVER_KEYS)? {
            layer.read_server(&submission)?;
        }
        // fetch will want these; until then they are only kept from being wrong
        if let Some(imap) = account.section("imap", &IMAP_KEYS)? {
            Self::default().read_server(&imap)?;
            imap.typed("folder", parse_user)?;
            imap.flag("sent")?;
        }
        Ok(layer)
    }

    fn read_server(&mut self, server: &Section<'_>) -> Result<(), ConfigError> {
        self.host = server.typed("host", parse_host)?;
        if let Some(entries) = server.list("ports")? {
            let mut ports: Vec<Port> = Vec::new();
            for entry in &entries {
                let more = entry.typed(parse_ports)?;
                ports.extend(more.into_iter().filter(|port| !ports.contains(port)).collect::<Vec<_>>());
            }
            self.ports = Some(ports);
        }
        self.user = server.typed("user", parse_user)?;
        self.auth = server.typed("auth", parse_auth)?;
        self.password = server.typed("password", parse_source)?;
        self.token = server.typed("token", parse_source)?;
        self.ca_file = server.path("ca_file")?;
        self.client_cert = server.path("client_cert")?;
        self.client_key = server.path("client_key")?;
        self.timeout = server.typed("timeout", parse_duration)?;
        Ok(())
    }

    /// This layer over a lower one. A password or a token here hides both below: the login is chosen in one place. So
    /// does a passphrase that of S/MIME.
    pub(super) fn over(self, lower: Self) -> Self {
        let login_here = self.password.is_some() || self.token.is_some();
        let (password, token) = if login_here { (self.password, self.token) } else { (lower.password, lower.token) };
        let smime_below = lower.smime_passphrase.filter(|_| self.passphrase.is_none());
        Self {
            from: self.from.or(lower.from),
            sign: self.sign.or(lower.sign),
            smime_passphrase: self.smime_passphrase.or(smime_below),
            passphrase: self.passphrase.or(lower.passphrase),
            header_policy: self.header_policy.or(lower.header_policy),
            legacy_display: self.legacy_display.or(lower.legacy_display),
            gcm: self.gcm.or(lower.gcm),
            autocrypt: self.autocrypt.or(lower.autocrypt),
            trust: self.trust.or(lower.trust),
            alert_to: self.alert_to.or(lower.alert_to),
            host: self.host.or(lower.host),
            ports: self.ports.or(lower.ports),
            user: self.user.or(lower.user),
            auth: self.auth.or(lower.auth),
            password,
            token,
            ca_file: self.ca_file.or(lower.ca_file),
            client_cert: self.client_cert.or(lower.client_cert),
            client_key: self.client_key.or(lower.client_key),
            timeout: self.timeout.or(lower.timeout),
        }
    }
}

/// The keys of an account.
pub(super) const ACCOUNT_KEYS: [&str; 12] = [
    "from",
    "sign",
    "passphrase",
    "smime_passphrase",
    "header_policy",
    "legacy_display",
    "gcm",
    "autocrypt",
    "trust",
    "alert_to",
    "submission",
    "imap",
];

const SERVER_KEYS: [&str; 10] =
    ["host", "ports", "user", "auth", "password", "token", "ca_file", "client_cert", "client_key", "timeout"];

const IMAP_KEYS: [&str; 12] = [
    "host",
    "ports",
    "user",
    "auth",
    "password",
    "token",
    "ca_file",
    "client_cert",
    "client_key",
    "timeout",
    "folder",
    "sent",
];

fn read<T>(
    text: &Option<String>,
    origin: Origin,
    parse: impl FnOnce(&str) -> Result<T, ValueError>,
) -> Result<Option<T>, ConfigError> {
    text.as_deref().map(parse).transpose().map_err(|error| ConfigError::BadValue { origin, error })
}

fn parse_ports(text: &str) -> Result<Vec<Port>, ValueError> {
    Ok(Port::parse_list(text)?)
}

fn parse_mailbox(text: &str) -> Result<Mailbox, ValueError> {
    Ok(Mailbox::parse(text)?)
}

fn parse_source(text: &str) -> Result<Source, ValueError> {
    Ok(Source::parse(text)?)
}

fn parse_policy(text: &str) -> Result<HeaderPolicy, ValueError> {
    match text {
        "baseline" => Ok(HeaderPolicy::Baseline),
        "shy" => Ok(HeaderPolicy::Shy),
        _ => Err(ValueError::HeaderPolicy(text.to_owned())),
    }
}
