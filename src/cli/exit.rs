//! Kinds of failure and the exit code of each (those of sysexits.h from 64 on), which do not change.

use serde::Serialize;

/// What went wrong, as scripts see it in `error.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A required signature is missing or bad.
    SignatureRequired,
    /// The server may have accepted the message.
    Unknown,
    /// The command line does not fit.
    Usage,
    /// Input that is not what it should be.
    Malformed,
    /// None of the keys at hand is a recipient.
    NoKey,
    /// Every other failure to decrypt.
    Undecryptable,
    /// Larger, deeper or more than allowed.
    Limit,
    /// A file or a secret that is not there.
    NoInput,
    /// A recipient has no usable certificate, or a server refused a recipient.
    Recipients,
    /// The server's name does not resolve.
    HostUnknown,
    /// No port is open.
    Unavailable,
    /// The server refused the message for good.
    Rejected,
    /// A defect of this program.
    Bug,
    /// The operating system failed.
    System,
    /// An output file cannot be made.
    CannotCreate,
    /// Reading or writing failed.
    Io,
    /// Not now; nothing was sent or queued; trying again is safe.
    Temporary,
    /// TLS failed.
    Tls,
    /// The server broke the protocol.
    Protocol,
    /// The login failed.
    BadLogin,
    /// Credentials or permissions are missing.
    Permission,
    /// The configuration is wrong.
    Config,
    /// The plan is not the one that was expected.
    Plan,
}

impl Kind {
    /// The exit code: the one function that maps kinds to codes.
    pub fn exit(self) -> u8 {
        match self {
            Self::SignatureRequired => 3,
            Self::Unknown => 4,
            Self::Usage => 64,
            Self::Malformed | Self::NoKey | Self::Undecryptable | Self::Limit => 65,
            Self::NoInput => 66,
            Self::Recipients => 67,
            Self::HostUnknown => 68,
            Self::Unavailable | Self::Rejected => 69,
            Self::Bug => 70,
            Self::System => 71,
            Self::CannotCreate => 73,
            Self::Io => 74,
            Self::Temporary => 75,
            Self::Tls | Self::Protocol => 76,
            Self::BadLogin | Self::Permission => 77,
            Self::Config | Self::Plan => 78,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn each_kind_has_the_code_that_is_promised() {
        let promised = [
            (Kind::SignatureRequired, 3),
            (Kind::Unknown, 4),
            (Kind::Usage, 64),
            (Kind::Malformed, 65),
            (Kind::NoKey, 65),
            (Kind::Undecryptable, 65),
            (Kind::Limit, 65),
            (Kind::NoInput, 66),
            (Kind::Recipients, 67),
            (Kind::HostUnknown, 68),
            (Kind::Unavailable, 69),
            (Kind::Rejected, 69),
            (Kind::Bug, 70),
            (Kind::System, 71),
            (Kind::CannotCreate, 73),
            (Kind::Io, 74),
            (Kind::Temporary, 75),
            (Kind::Tls, 76),
            (Kind::Protocol, 76),
            (Kind::BadLogin, 77),
            (Kind::Permission, 77),
            (Kind::Config, 78),
            (Kind::Plan, 78),
        ];
        for (kind, code) in promised {
            assert_eq!(kind.exit(), code, "{kind:?}");
        }
    }
}
