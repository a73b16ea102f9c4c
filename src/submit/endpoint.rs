//! Endpoints: a host, a port, and how TLS begins there.

use std::{fmt, str::FromStr};

/// How TLS begins. There is no third way, and no "if the server can":
///
/// ```compile_fail
/// use sealpost::submit::Tls;
/// let tls = Tls::Opportunistic;
/// ```
///
/// ```
/// use sealpost::submit::Tls;
/// let tls = Tls::StartTls;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// By STARTTLS (RFC 3207) before anything else is said.
    StartTls,
    /// From the first byte (RFC 8314, 3.3).
    Implicit,
}

/// A port of a submission server.
///
/// `587`, `465`, `5465/tls`, `5587/starttls`: 465 means TLS from the first byte, every other bare number STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    number: u16,
    tls: Tls,
}

/// Where mail is submitted to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address literal without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How TLS begins.
    pub tls: Tls,
}

/// Why a text is no port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Not of the form `587`, `465/tls` or `587/starttls`.
    #[error("{0:?} is not a port: 587, 5465/tls and 5587/starttls are")]
    Malformed(String),
    /// 25, where nobody logs in.
    #[error("port 25 is for relaying between servers, mail is submitted on 587, 465 or 2525")]
    Relay,
    /// The list is empty.
    #[error("no port is given")]
    Empty,
}

impl Tls {
    /// `starttls` or `implicit`.
    pub fn word(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Implicit => "implicit",
        }
    }
}

impl Port {
    /// 587, 465, 2525: the order of trying unless somebody says otherwise.
    pub const DEFAULT: [Self; 3] = [
        Self { number: 587, tls: Tls::StartTls },
        Self { number: 465, tls: Tls::Implicit },
        Self { number: 2525, tls: Tls::StartTls },
    ];

    /// A port that is typed already.
    pub fn new(number: u16, tls: Tls) -> Result<Self, PortError> {
        match number {
            0 => Err(PortError::Malformed("0".to_owned())),
            25 => Err(PortError::Relay),
            _ => Ok(Self { number, tls }),
        }
    }

    /// Reads a comma-separated list; one that comes twice counts once.
    ///
    /// ```
    /// use sealpost::submit::Port;
    /// assert_eq!(Port::parse_list("587,465,2525")?, Port::DEFAULT);
    /// assert!(Port::parse_list("25").is_err());
    /// # Ok::<(), sealpost::submit::PortError>(())
    /// ```
    pub fn parse_list(text: &str) -> Result<Vec<Self>, PortError> {
        let mut ports = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let port = part.parse()?;
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        if ports.is_empty() { Err(PortError::Empty) } else { Ok(ports) }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.number
    }

    /// How TLS begins there.
    pub fn tls(self) -> Tls {
        self.tls
    }
}

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let malformed = || PortError::Malformed(text.to_owned());
        let (digits, way) = match text.split_once('/') {
            Some((digits, way)) => (digits, Some(way)),
            None => (text, None),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let number: u16 = digits.parse().map_err(|_| malformed())?;
        let tls = match way {
            Some("tls") => Tls::Implicit,
            Some("starttls") => Tls::StartTls,
            Some(_) => return Err(malformed()),
            None if number == 465 => Tls::Implicit,
            None => Tls::StartTls,
        };
        Self::new(number, tls)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        match (self.number, self.tls) {
            (465, Tls::StartTls) => f.write_str("/starttls"),
            (number, Tls::Implicit) if number != 465 => f.write_str("/tls"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
