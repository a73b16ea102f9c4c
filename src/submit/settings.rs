//! What a submission needs to know, typed.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use super::{Cause, Endpoint, Port};
use crate::net::{dns::Dns, tls::Identity};

/// How to submit.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server; none asks the SRV records of `domain` (RFC 6186, RFC 8314 5.1), which then give the ports too.
    pub host: Option<String>,
    /// The domain of the account's address.
    pub domain: String,
    /// The ports in the order of trying.
    pub ports: Vec<Port>,
    /// Who logs in; none does not, save by a certificate.
    pub user: Option<String>,
    /// By which mechanism.
    pub auth: Auth,
    /// PEM file of roots besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Client certificate and key, for EXTERNAL.
    pub identity: Option<Identity>,
    /// The total deadline over name resolution, all endpoints, and the first message; each further message has it
    /// for itself. While a message is sent it grows with its size.
    pub timeout: Duration,
    /// How long an endpoint may stay silent before the next is tried beside it; none: two seconds, less where the
    /// deadline is short.
    pub head_start: Option<Duration>,
    /// What notice is asked for, where the server offers DSN.
    pub dsn: Option<Dsn>,
    /// The endpoint that worked last: tried first, if it is among those to be tried.
    pub remembered: Option<Endpoint>,
    /// Where SRV records are looked up.
    pub dns: Dns,
}

/// A login mechanism.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// The strongest that both sides and the secrets at hand allow.
    #[default]
    Auto,
    /// SCRAM-SHA-256 (RFC 7677), bound to the channel where the server offers it (-PLUS).
    ScramSha256,
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN.
    Login,
    /// OAUTHBEARER (RFC 7628).
    OAuthBearer,
    /// XOAUTH2, of Google and Microsoft.
    XOAuth2,
    /// EXTERNAL (RFC 4422, appendix A): by client certificate.
    External,
    /// No login.
    None,
}

/// Delivery status notifications (RFC 3461).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dsn {
    /// When to notify; empty leaves it to the server.
    pub notify: Vec<Notify>,
    /// Whether a notice brings the headers alone (RET=HDRS).
    pub headers_only: bool,
    /// ENVID: a name for the envelope, given back in notices.
    pub envelope_id: Option<String>,
}

/// When to notify (RFC 3461, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Never; alone.
    Never,
    /// On delivery.
    Success,
    /// On failure.
    Failure,
    /// On delay.
    Delay,
}

impl Settings {
    /// The usual: the default ports, a minute, no login, no notices.
    pub fn new(host: Option<String>, domain: String) -> Self {
        Self {
            host,
            domain,
            ports: Port::DEFAULT.to_vec(),
            user: None,
            auth: Auth::Auto,
            ca_file: None,
            identity: None,
            timeout: Duration::from_secs(60),
            head_start: None,
            dsn: None,
            remembered: None,
            dns: Dns::default(),
        }
    }

    /// Refuses what would be unsafe on the wire, before there is one.
    pub(super) fn check(&self) -> Result<(), Cause> {
        if let Some(user) = self.user.as_ref().filter(|user| user.is_empty() || user.chars().any(char::is_control)) {
            return Err(Cause::User(user.clone()));
        }
        if let Some(host) = self.host.as_ref().filter(|host| !is_host(host)) {
            return Err(Cause::Host(host.clone()));
        }
        Ok(())
    }
}

/// Letters, digits, hyphens, underscores and dots, or an address: nothing that could end a command or name a file.
fn is_host(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
        || (!host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
}

impl Notify {
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Never => "NEVER",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Delay => "DELAY",
        }
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::ScramSha256 => "scram-sha-256",
            Self::Plain => "plain",
            Self::Login => "login",
            Self::OAuthBearer => "oauthbearer",
            Self::XOAuth2 => "xoauth2",
            Self::External => "external",
            Self::None => "none",
        })
    }
}
