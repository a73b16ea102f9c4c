//! How mail is handed to its submission server (RFC 6409, RFC 8314), typed from text.

use std::{net::Ipv6Addr, path::PathBuf, time::Duration};

use super::{ValueError, error::nearest};
use crate::{
    secret::Source,
    submit::{Auth, Port},
};

/// The submission settings of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The server; none looks for it by SRV (RFC 6186).
    pub host: Option<String>,
    /// In the order of trying, each once, at least one.
    pub ports: Vec<Port>,
    /// Who logs in; none is no login.
    pub user: Option<String>,
    /// How.
    pub auth: Auth,
    /// The password's source.
    pub password: Option<Source>,
    /// The token's source.
    pub token: Option<Source>,
    /// Trust anchors besides the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of a client certificate, for EXTERNAL.
    pub client_cert: Option<PathBuf>,
    /// PEM file of its key.
    pub client_key: Option<PathBuf>,
    /// For all endpoints together.
    pub timeout: Duration,
}

impl Submission {
    /// The default of the total deadline.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

/// Reads the name of a login mechanism.
pub(super) fn parse_auth(text: &str) -> Result<Auth, ValueError> {
    const ALL: [Auth; 8] = [
        Auth::Auto,
        Auth::ScramSha256,
        Auth::Plain,
        Auth::Login,
        Auth::OAuthBearer,
        Auth::XOAuth2,
        Auth::External,
        Auth::None,
    ];
    let names = ALL.map(|auth| auth.to_string());
    let known = ALL.into_iter().zip(&names).find(|(_, name)| name.eq_ignore_ascii_case(text));
    known.map(|(auth, _)| auth).ok_or_else(|| ValueError::Auth {
        text: text.to_owned(),
        nearest: nearest(&text.to_ascii_lowercase(), names.iter().map(String::as_str)),
    })
}

/// Reads `90`, `60s`, `2m` or `1h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    let seconds = digits.parse().ok().filter(|_| !digits.starts_with('+')).and_then(|n: u64| n.checked_mul(unit));
    match seconds {
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(ValueError::Duration(text.to_owned())),
    }
}

/// A host name or address: what must not be in it is refused, what it means is the resolver's business.
pub(super) fn parse_host(text: &str) -> Result<String, ValueError> {
    let forbidden =
        |letter: char| letter.is_control() || letter.is_whitespace() || "/@\\\"'<>(),;:[]{}%?#".contains(letter);
    let literal = text.parse::<Ipv6Addr>().is_ok();
    if text.is_empty() || (text.contains(forbidden) && !literal) {
        return Err(ValueError::Host(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// A text that goes on the wire as it is.
pub(super) fn parse_user(text: &str) -> Result<String, ValueError> {
    if text.is_empty() {
        return Err(ValueError::Empty);
    }
    if text.contains(|letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')) {
        return Err(ValueError::Control(text.to_owned()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_bounded() {
        for (text, seconds) in [("60s", 60), ("2m", 120), ("90", 90), ("1h", 3600), ("1", 1)] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds));
        }
        for text in ["", "0", "0s", "-1", "+1", "1.5", "1d", "s", "25h", "18446744073709551615m", "5\u{e9}"] {
            assert!(matches!(parse_duration(text), Err(ValueError::Duration(_))), "{text:?}");
        }
    }

    #[test]
    fn hosts_users_and_mechanisms() {
        for host in ["mail.example.org", "localhost", "127.0.0.1", "::1", "b\u{fc}cher.example"] {
            assert_eq!(parse_host(host).unwrap(), host);
        }
        for host in ["", "a b", "mail.example.org:587", "smtp://x", "a\r\nb", "u@h"] {
            assert!(matches!(parse_host(host), Err(ValueError::Host(_))), "{host:?}");
        }
        assert!(matches!(parse_user("a\r\nb"), Err(ValueError::Control(_))));
        assert_eq!(parse_auth("SCRAM-SHA-256").unwrap(), Auth::ScramSha256);
        let error = parse_auth("scram-sha256").unwrap_err();
        assert!(matches!(error, ValueError::Auth { nearest: Some(near), .. } if near == "scram-sha-256"));
    }
}
