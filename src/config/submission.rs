//! How mail is handed to its submission server (RFC 6409, RFC 8314), typed from text.

use std::{fmt, net::Ipv6Addr, path::PathBuf, str::FromStr, time::Duration};

use super::{ValueError, error::nearest};
use crate::secret::Source;

/// How a connection gets its TLS; there is no third way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// By STARTTLS (RFC 3207).
    StartTls,
    /// From the first byte (RFC 8314, 3.3).
    Implicit,
}

/// A port with its kind of TLS: `587`, `465`, `5465/tls`, `5587/starttls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Never 0 or 25.
    pub number: u16,
    /// Implicit on 465 unless said otherwise.
    pub tls: Tls,
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

/// The submission settings of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The server; none looks for it by SRV (RFC 6186).
    pub host: Option<String>,
    /// In the order of trying, each once; none if the default order counts.
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
    /// The default order of trying.
    pub const PORTS: [Port; 3] = [
        Port { number: 587, tls: Tls::StartTls },
        Port { number: 465, tls: Tls::Implicit },
        Port { number: 2525, tls: Tls::StartTls },
    ];

    /// The default of the total deadline.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

impl Port {
    /// Reads a list with commas; a port that comes twice counts once.
    pub(super) fn parse_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, ValueError> {
        let mut ports = Vec::new();
        for text in texts.into_iter().flat_map(|text| text.split(',')) {
            let port = text.parse()?;
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        Ok(ports)
    }
}

impl FromStr for Port {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bad = || ValueError::Port(text.to_owned());
        let (digits, tls) = match text.trim().split_once('/') {
            None => (text.trim(), None),
            Some((digits, "tls")) => (digits, Some(Tls::Implicit)),
            Some((digits, "starttls")) => (digits, Some(Tls::StartTls)),
            Some(_) => return Err(bad()),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        match digits.parse() {
            Ok(0) | Err(_) => Err(bad()),
            Ok(25) => Err(ValueError::RelayPort),
            Ok(number) => Ok(Self { number, tls: tls.unwrap_or(usual(number)) }),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tls {
            tls if tls == usual(self.number) => write!(f, "{}", self.number),
            Tls::Implicit => write!(f, "{}/tls", self.number),
            Tls::StartTls => write!(f, "{}/starttls", self.number),
        }
    }
}

/// What a port does unless told otherwise.
fn usual(number: u16) -> Tls {
    if number == 465 { Tls::Implicit } else { Tls::StartTls }
}

impl FromStr for Auth {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const NAMES: [(&str, Auth); 8] = [
            ("auto", Auth::Auto),
            ("scram-sha-256", Auth::ScramSha256),
            ("plain", Auth::Plain),
            ("login", Auth::Login),
            ("oauthbearer", Auth::OauthBearer),
            ("xoauth2", Auth::Xoauth2),
            ("external", Auth::External),
            ("none", Auth::None),
        ];
        let known = NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, auth)| auth).ok_or_else(|| ValueError::Auth {
            text: text.to_owned(),
            nearest: nearest(&text.to_ascii_lowercase(), NAMES.into_iter().map(|(name, _)| name)),
        })
    }
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
    fn ports_have_their_kind_of_tls() {
        for (text, number, tls) in [
            ("587", 587, Tls::StartTls),
            ("465", 465, Tls::Implicit),
            (" 2525 ", 2525, Tls::StartTls),
            ("5465/tls", 5465, Tls::Implicit),
            ("5587/starttls", 5587, Tls::StartTls),
            ("465/starttls", 465, Tls::StartTls),
        ] {
            let port: Port = text.parse().unwrap();
            assert_eq!(port, Port { number, tls });
            assert_eq!(port.to_string().parse::<Port>().unwrap(), port);
        }
        assert_eq!(Port::parse_list(["587,465,2525", "587"]).unwrap(), Submission::PORTS);
        for text in ["", "0", "65536", "587/ssl", "587/", "+587", "5 87", "587,,465", "smtp", "587/TLS"] {
            assert!(matches!(Port::parse_list([text]), Err(ValueError::Port(_))), "{text:?}");
        }
        assert!(matches!(Port::parse_list(["587,25"]), Err(ValueError::RelayPort)));
        assert!(matches!("25/tls".parse::<Port>(), Err(ValueError::RelayPort)));
    }

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
        assert_eq!("SCRAM-SHA-256".parse::<Auth>().unwrap(), Auth::ScramSha256);
        let error = "scram-sha256".parse::<Auth>().unwrap_err();
        assert!(matches!(error, ValueError::Auth { nearest: Some(near), .. } if near == "scram-sha-256"));
    }
}
