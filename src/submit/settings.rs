//! What a submission needs to know.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use zeroize::Zeroizing;

use super::{Endpoint, Port, SecretFailure};

/// How mail is handed in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server; none asks for the SRV records of `domain` (RFC 6186, RFC 8314).
    pub host: Option<String>,
    /// The mail domain of the author.
    pub domain: String,
    /// In the order of trying; at least one.
    pub ports: Vec<Port>,
    /// Who logs in; none is no login.
    pub user: Option<String>,
    /// How.
    pub auth: Auth,
    /// PEM file of further roots.
    pub ca_file: Option<PathBuf>,
    /// PEM files of a client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The most time that everything may take, name resolution included; a transfer adds its size at 64 KiB a second.
    pub timeout: Duration,
    /// The endpoint that worked the last time: it is tried first.
    pub remembered: Option<Endpoint>,
    /// Delivery notices.
    pub dsn: Option<Dsn>,
}

/// Which login mechanism (RFC 4954).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// The strongest that both sides and the given secrets allow.
    #[default]
    Auto,
    /// SCRAM-SHA-256 (RFC 7677), with channel binding where offered.
    ScramSha256,
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN.
    Login,
    /// OAUTHBEARER (RFC 7628).
    OauthBearer,
    /// XOAUTH2.
    Xoauth2,
    /// EXTERNAL (RFC 4422, appendix A), by client certificate.
    External,
    /// No login.
    None,
}

/// Which delivery notices are asked for (RFC 3461); only headers come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dsn {
    notify: String,
    envelope_id: String,
}

/// Where secrets come from when a login wants them.
pub trait Secrets {
    /// The password.
    fn password(&mut self) -> Result<Zeroizing<String>, SecretFailure>;
    /// An OAuth token; asked for once more after a refusal.
    fn token(&mut self) -> Result<Zeroizing<String>, SecretFailure>;
    /// Whether there is a password.
    fn has_password(&self) -> bool;
    /// Whether there is a token.
    fn has_token(&self) -> bool;
}

/// Not a login mechanism.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a login mechanism")]
pub struct AuthError(pub String);

impl Auth {
    /// All of them, by their names.
    pub const ALL: [Self; 8] = [
        Self::Auto,
        Self::ScramSha256,
        Self::Plain,
        Self::Login,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::External,
        Self::None,
    ];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ScramSha256 => "scram-sha-256",
            Self::Plain => "plain",
            Self::Login => "login",
            Self::OauthBearer => "oauthbearer",
            Self::Xoauth2 => "xoauth2",
            Self::External => "external",
            Self::None => "none",
        }
    }
}

impl FromStr for Auth {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        Self::ALL.into_iter().find(|auth| auth.name() == text).ok_or_else(|| AuthError(text.to_owned()))
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Dsn {
    /// `never`, or a list of `success`, `failure` and `delay`; none if it is something else. The envelope ID is what
    /// the notice will name.
    pub fn parse(list: &str, envelope_id: &str) -> Option<Self> {
        let words: Vec<_> = list.split(',').map(|word| word.trim().to_ascii_uppercase()).collect();
        let known = words.iter().all(|word| matches!(word.as_str(), "SUCCESS" | "FAILURE" | "DELAY"));
        (known || words == ["NEVER"]).then(|| Self { notify: words.join(","), envelope_id: xtext(envelope_id) })
    }

    /// The value of NOTIFY.
    pub(super) fn notify(&self) -> &str {
        &self.notify
    }

    /// The value of ENVID.
    pub(super) fn envelope_id(&self) -> &str {
        &self.envelope_id
    }
}

/// RFC 3461, 4: printable ASCII but `+` and `=`, all else as `+HH`; at most 100 characters.
fn xtext(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let piece = match byte {
            b'+' | b'=' | 0..=b' ' | 0x7f.. => format!("+{byte:02X}"),
            _ => char::from(byte).to_string(),
        };
        if out.len() + piece.len() > 100 {
            break;
        }
        out += &piece;
    }
    out
}
