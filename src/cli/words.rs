//! Words: every error of the layers below becomes a [`Failure`]. The fact is the error's own; kind and hints are made
//! here, and nowhere else.

use std::io;

use super::{
    agent,
    exit::Kind,
    failure::{Failure, RecipientReason},
    receipt::AttemptJson,
    sources::http_kind,
};
use crate::{
    config::{ConfigError, EditError},
    crypt::{
        AgentError, AgentFailure, OpenError, SealError, SuiteName,
        pgp::{CertificateError, ChangeError, FileError, KeyError, UnlockError},
        smime,
    },
    flow::{open::save::SaveError, send::SealFailure},
    keystore::{StoreError, UploadError},
    mail::{ComposeError, DraftError},
    net::tls::ContextError,
    receive::ReceiveError,
    secret::{DestinationError, GnupgError, SecretError},
    submit,
};

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let kind = if error.is_usage() { Kind::Usage } else { Kind::Config };
        let nearest = error.nearest().map(|known| format!("; did you mean {known}?")).unwrap_or_default();
        Self::new(kind, format!("{error}{nearest}"))
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Config(error) => error.into(),
            EditError::Shape(..) => Self::new(Kind::Config, error.to_string()),
        }
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        use SecretError as E;
        let kind = match &error {
            E::Malformed(_) => Kind::Usage,
            E::Missing(_) | E::NoCredentials(_) => Kind::NoInput,
            E::Empty(_) => Kind::Config,
            E::Unreadable { .. }
            | E::Exposed { .. }
            | E::TooLong(_)
            | E::NotText(_)
            | E::Deadline { .. }
            | E::CommandFailed { .. }
            | E::NoKeyring(_)
            | E::KeyringLocked(_)
            | E::KeyringFailed { .. }
            | E::NoTerminal
            | E::Cancelled => Kind::Permission,
            E::Terminal(_) => Kind::Io,
        };
        let failure = Self::new(kind, error.to_string());
        match &error {
            E::Exposed { from, .. } => match from.path() {
                // Of a device the mode is everybody's business.
                Some(path) if path.is_file() => failure.hint(["chmod", "600", &path.display().to_string()]),
                _ => failure,
            },
            _ => failure,
        }
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        let text = error.to_string();
        match error {
            DestinationError::Malformed => Self::new(Kind::Usage, text),
            DestinationError::Occupied(_) | DestinationError::Write { .. } => Self::new(Kind::CannotCreate, text),
            DestinationError::Keyring(error) => error.into(),
        }
    }
}

impl From<GnupgError> for Failure {
    fn from(error: GnupgError) -> Self {
        use GnupgError as E;
        let kind = match &error {
            E::Unnamed | E::NoHome(_) => Kind::NoInput,
            E::NoProgram(_) => Kind::Unavailable,
            E::Unrunnable { .. } | E::Failed { .. } => Kind::System,
            E::TooLong(_) => Kind::Limit,
            E::Deadline { .. } | E::WrongPassphrase | E::Cancelled => Kind::Permission,
        };
        let failure = Self::new(kind, error.to_string());
        match error {
            E::NoProgram(_) => failure.hint(["sealpost", "key", "import", "-"]),
            E::Unnamed | E::NoHome(_) => failure.hint(["gpgconf", "--list-dirs", "homedir"]),
            _ => failure,
        }
    }
}

impl From<AgentFailure> for Failure {
    fn from(failure: AgentFailure) -> Self {
        use AgentError as E;
        let text = failure.to_string();
        let (home, key) = (failure.home.display().to_string(), failure.key.to_string());
        let name = failure.name.as_str();
        let gone = !failure.home.is_dir();
        let more = match failure.error {
            E::NoPassphrase => "; give --passphrase, or let gpg-agent ask for it, and it keeps it for a while",
            E::TakesNoPassphrase => "; let gpg-agent ask for it, and it keeps it for a while",
            E::NotThere { .. } if gone => {
                "; the folder is gone: if the key is in another now, take it again from there"
            }
            _ => "",
        };
        let told = Self::new(Kind::Permission, text + more);
        match failure.error {
            E::NotThere { .. } if gone => told.hint(["sealpost", "key", "import", "--help"]),
            E::OtherKey => told.hint(agent::take_again(&failure.home, &key)),
            E::NotThere { .. } => told.hint(["gpgconf", "--homedir", &home, "--launch", "gpg-agent"]),
            E::Silent(_) | E::Protocol(_) => told.hint(["gpgconf", "--homedir", &home, "--kill", "gpg-agent"]).hint([
                "gpgconf",
                "--homedir",
                &home,
                "--launch",
                "gpg-agent",
            ]),
            E::NoSecret => told.hint(match failure.suite {
                SuiteName::OpenPgp => ["gpg", "--homedir", &home, "--list-secret-keys", name].map(str::to_owned),
                SuiteName::Smime => {
                    ["gpgsm", "--homedir", &home, "--list-secret-keys", &format!("&{name}")].map(str::to_owned)
                }
            }),
            E::WrongPassphrase => told.hint(["sealpost", "key", "show", &key]),
            E::NoPassphrase | E::TakesNoPassphrase => match failure.suite {
                SuiteName::OpenPgp => told.hint(["gpg", "--homedir", &home, "--local-user", name, "--clear-sign"]),
                SuiteName::Smime => told.hint(agent::unlock(&failure.home, name)),
            },
            E::Card(_) | E::WrongPin => told.hint(match failure.suite {
                SuiteName::OpenPgp => ["gpg", "--homedir", &home, "--card-status"],
                SuiteName::Smime => ["gpgsm", "--homedir", &home, "--learn-card"],
            }),
            E::NoOaep => told.hint(["sealpost", "key", "show", &key]),
            E::Refused(_) => {
                told.hint(["gpg-connect-agent", "--homedir", &home, "--no-autostart", "KEYINFO --list", "/bye"])
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Read { error, .. } | StoreError::Write { error, .. }
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Self::new(Kind::Permission, text)
            }
            StoreError::Read { .. } => Self::new(Kind::Io, text),
            StoreError::Write { .. } => Self::new(Kind::CannotCreate, text),
            StoreError::Exists { .. } => Self::new(Kind::CannotCreate, text),
            StoreError::Occupied { path, .. } => {
                Self::new(Kind::CannotCreate, text).hint(["rm", &path.display().to_string()])
            }
            StoreError::KeyExists { fingerprint, .. } => {
                Self::new(Kind::CannotCreate, text).hint(["sealpost", "key", "show", fingerprint.as_str()])
            }
            // To be imported again then.
            StoreError::DamagedOrigins { path } => {
                let of = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Self::new(Kind::Malformed, text).hint(["sealpost", "cert", "remove", &of])
            }
            StoreError::Damaged { .. }
            | StoreError::DamagedX509 { .. }
            | StoreError::DamagedAgentKey { .. }
            | StoreError::Misfiled { .. }
            | StoreError::TooLarge { .. } => Self::new(Kind::Malformed, text),
            StoreError::Exposed { path, .. } => {
                Self::new(Kind::Permission, text).hint(["chmod", "600", &path.display().to_string()])
            }
            StoreError::NoKey(_) => Self::new(Kind::NoInput, text).hint(["sealpost", "key", "list"]),
            StoreError::Key(error) => error.into(),
            StoreError::SmimeKey(error) => error.into(),
            StoreError::Merge(error) => error.into(),
        }
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        let kind = match &error {
            _ if error.is_temporary() => Kind::Temporary,
            UploadError::Refused { .. } => Kind::Rejected,
            UploadError::Http(error) => http_kind(error),
            UploadError::Broken(_) | UploadError::Other { .. } => Kind::Protocol,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ReceiveError> for Failure {
    fn from(error: ReceiveError) -> Self {
        let text = error.to_string();
        let kind = match error {
            ReceiveError::Missing(_) => Kind::NoInput,
            ReceiveError::Open { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => Kind::Permission,
            ReceiveError::Open { .. } | ReceiveError::Read { .. } => Kind::Io,
            ReceiveError::TooLarge(_) => Kind::Limit,
        };
        Self::new(kind, text)
    }
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        Self::new(Kind::Malformed, error.to_string())
    }
}

impl From<smime::CertificateError> for Failure {
    fn from(error: smime::CertificateError) -> Self {
        Self::new(Kind::Malformed, error.to_string())
    }
}

impl From<smime::KeyError> for Failure {
    fn from(error: smime::KeyError) -> Self {
        let kind = match error {
            smime::KeyError::Library(_) | smime::KeyError::Unwritable => Kind::System,
            smime::KeyError::Locked
            | smime::KeyError::NotLocked
            | smime::KeyError::Foreign
            | smime::KeyError::InAgent => Kind::Permission,
            smime::KeyError::NoCertificate => Kind::Malformed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<smime::UnlockError> for Failure {
    fn from(error: smime::UnlockError) -> Self {
        let kind = match error {
            smime::UnlockError::WrongPassphrase(_) => Kind::Permission,
            smime::UnlockError::Algorithm(_) | smime::UnlockError::Broken | smime::UnlockError::NoSecret => {
                Kind::Malformed
            }
            smime::UnlockError::TooCostly => Kind::Limit,
        };
        let failure = Self::new(kind, error.to_string());
        match error {
            smime::UnlockError::Algorithm(_) => failure.hint(["openssl", "pkcs12", "-help"]),
            _ => failure,
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let kind = match error {
            KeyError::Library(_) => Kind::System,
            KeyError::Locked(_) | KeyError::NotLocked(_) => Kind::Permission,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<UnlockError> for Failure {
    fn from(error: UnlockError) -> Self {
        Self::new(Kind::Permission, error.to_string())
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let kind = match error {
            FileError::WrongPassphrase => Kind::Permission,
            FileError::Damaged => Kind::Malformed,
            FileError::TooLarge(_) => Kind::Limit,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unusable(reason) => {
                Self::new(Kind::Permission, format!("the key cannot be changed: {reason}"))
            }
            ChangeError::Unlock(error) => error.into(),
            ChangeError::Key(error) => error.into(),
            ChangeError::NoRevocation(_) => Self::new(Kind::Malformed, error.to_string()),
        }
    }
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        Self::new(Kind::Malformed, error.to_string())
    }
}

impl From<SealFailure> for Failure {
    fn from(error: SealFailure) -> Self {
        let kind = match &error {
            SealFailure::Compose(ComposeError::Draft(_) | ComposeError::Nul(_)) => Kind::Malformed,
            SealFailure::Seal(SealError::Agent(failure)) => {
                let failure = Self::from((**failure).clone());
                return Self { text: format!("nothing was sent: {}", failure.text), ..failure };
            }
            SealFailure::Seal(SealError::Signer(_)) => Kind::Permission,
            SealFailure::Seal(SealError::Library(_)) => Kind::System,
            SealFailure::Seal(SealError::LastLook(_)) => Kind::Bug,
            SealFailure::NoRecipient => Kind::Usage,
        };
        Self::new(kind, format!("nothing was sent: {error}"))
    }
}

/// The most recipients that are named of a message that no key opens.
const MOST_NAMED: usize = 10;

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::Malformed(_) => Self::new(Kind::Malformed, text),
            OpenError::NoKey { recipients, .. } => {
                let named = match recipients.get(..MOST_NAMED) {
                    None if recipients.is_empty() => text,
                    Some(first) if first.len() < recipients.len() => {
                        let more = recipients.len() - first.len();
                        format!("{text}: it is encrypted to {} and {more} more", first.join(", "))
                    }
                    _ => format!("{text}: it is encrypted to {}", recipients.join(", ")),
                };
                Self::new(Kind::NoKey, named).hint(["sealpost", "key", "list"])
            }
            OpenError::Agent(failure) => (*failure).into(),
            OpenError::Undecryptable => Self::new(Kind::Undecryptable, text),
            OpenError::GnupgOnly => Self::new(Kind::Undecryptable, text).hint(["gpg", "--version"]),
            OpenError::Limit(_) => Self::new(Kind::Limit, text),
        }
    }
}

impl From<SaveError> for Failure {
    fn from(error: SaveError) -> Self {
        let kind = match error {
            SaveError::Folder { .. } | SaveError::Create { .. } => Kind::CannotCreate,
            SaveError::Write { .. } => Kind::Io,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<submit::Failure> for Failure {
    fn from(failure: submit::Failure) -> Self {
        let attempts = failure.attempts.iter().map(attempt).collect();
        let recipients = failure.refused().iter().map(refusal).collect();
        let text = failure.to_string();
        match *failure.cause {
            submit::Cause::Secret(secret) => match secret.0.downcast::<SecretError>() {
                Ok(error) => Self::from(*error),
                Err(error) => Self::new(Kind::Permission, error.to_string()),
            },
            cause => {
                let told = Self { attempts, recipients, ..Self::new(kind(&cause), text) };
                cure(told, &cause)
            }
        }
    }
}

/// What each failure of a submission means to a script: its kind, and by that the exit code.
fn kind(cause: &submit::Cause) -> Kind {
    use submit::Cause as C;
    match cause {
        C::Tls(ContextError::CaFile { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => Kind::NoInput,
        C::Tls(_) => Kind::Config,
        C::User(_) | C::Host(_) | C::Incomplete { .. } => Kind::Config,
        C::Secret(_) => Kind::Permission,
        C::Unsendable(_) => Kind::Malformed,
        C::NoServer { .. } | C::ForeignServer { .. } | C::Unresolved { .. } => Kind::HostUnknown,
        C::Refused { .. } | C::Silent(_) => Kind::Unavailable,
        C::Stripped { .. } | C::Protocol { .. } => Kind::Protocol,
        C::BadTls { .. } | C::HungTls(_) => Kind::Tls,
        C::NoMechanism { .. } | C::LoginRefused { .. } | C::Unproven { .. } => Kind::BadLogin,
        C::Deferred { .. } | C::RecipientsDeferred { .. } | C::Lost { .. } | C::Silence { .. } => Kind::Temporary,
        C::Rejected { .. } | C::TooLarge { .. } | C::NeedsSmtputf8 { .. } | C::NeedsEightBit(_) => Kind::Rejected,
        C::RecipientsRefused { .. } => Kind::Recipients,
        C::Unknown { .. } => Kind::Unknown,
    }
}

/// Adds the command that helps.
fn cure(failure: Failure, cause: &submit::Cause) -> Failure {
    use submit::Cause as C;
    match cause {
        C::NoServer { .. } | C::ForeignServer { .. } | C::Incomplete { .. } => {
            failure.hint(["sealpost", "send", "--help"])
        }
        C::Unresolved { host, .. } => failure.hint(["getent", "hosts", host]),
        C::Stripped { endpoint, .. } | C::BadTls { endpoint, .. } => {
            let mut words = vec!["openssl".to_owned(), "s_client".into(), "-connect".into(), endpoint.to_string()];
            if endpoint.tls == submit::Tls::StartTls {
                words.extend(["-starttls".to_owned(), "smtp".into()]);
            }
            failure.hint(words)
        }
        _ => failure,
    }
}

fn refusal(refusal: &submit::Refusal) -> RecipientReason {
    RecipientReason { address: refusal.address.to_string(), reason: refusal.reply.to_string() }
}

/// An attempt as the receipt lists it.
pub fn attempt(attempt: &submit::Attempt) -> AttemptJson {
    AttemptJson {
        host: attempt.endpoint.host.clone(),
        port: attempt.endpoint.port,
        outcome: attempt.outcome,
        detail: attempt.detail.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_recipients_ten_are_named() {
        let text = |count: usize| {
            let recipients = (0..count).map(|number| number.to_string()).collect();
            Failure::from(OpenError::NoKey { recipients, hidden: false }).text
        };
        assert_eq!(text(0), "no key at hand opens this message");
        assert!(text(2).ends_with("it is encrypted to 0, 1"));
        assert!(text(10).ends_with("7, 8, 9"));
        assert!(text(10_000).ends_with("7, 8, 9 and 9990 more"));
    }
}
