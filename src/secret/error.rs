//! Why a secret cannot be had.

use std::{io, process::ExitStatus, time::Duration};

use super::Source;

/// Why a source gave no secret. No variant holds a secret or a text that could be one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is not of the form of a source; the text is not repeated.
    #[error("not a source of a secret: {0}")]
    Malformed(&'static str),
    /// There is no such file, descriptor, program, credential, entry or variable.
    #[error("{0} does not exist")]
    Missing(Source),
    /// `credential:` without systemd's folder.
    #[error("{0} cannot be read: $CREDENTIALS_DIRECTORY is not set")]
    NoCredentials(Source),
    /// It is there and cannot be read.
    #[error("{from} cannot be read: {error}")]
    Unreadable {
        /// Which.
        from: Source,
        /// The system's word.
        error: io::Error,
    },
    /// The file's mode lets its group or everybody read it.
    #[error("{from} can be read by others (mode {mode:04o})")]
    Exposed {
        /// Which.
        from: Source,
        /// Its permission bits.
        mode: u32,
    },
    /// Its first line is empty.
    #[error("{0} is empty")]
    Empty(Source),
    /// More than [`super::LIMIT`].
    #[error("{0} holds more than 64 KiB")]
    TooLong(Source),
    /// Not UTF-8.
    #[error("{0} does not hold text in UTF-8")]
    NotText(Source),
    /// No answer in time.
    #[error("{from} gave no answer within {} seconds", .after.as_secs())]
    Deadline {
        /// Which.
        from: Source,
        /// How long it was waited for.
        after: Duration,
    },
    /// A command ended with another exit code than 0.
    #[error("{from} failed ({status}): {stderr:?}")]
    CommandFailed {
        /// Which.
        from: Source,
        /// How it ended.
        status: ExitStatus,
        /// The start of what it said on stderr; raw, so for `{:?}` only.
        stderr: String,
    },
    /// There is no keyring service to be reached.
    #[error("{0} cannot be read: no keyring service runs here")]
    NoKeyring(Source),
    /// The keyring is locked and cannot be unlocked without asking.
    #[error("{0} cannot be read: the keyring is locked")]
    KeyringLocked(Source),
    /// The keyring failed otherwise.
    #[error("{from} cannot be read: {reason:?}")]
    KeyringFailed {
        /// Which.
        from: Source,
        /// The service's word; raw, so for `{:?}` only.
        reason: String,
    },
    /// A passphrase is needed, no source is declared, and there is no terminal to ask on.
    #[error("no source is declared and there is no terminal to ask on")]
    NoTerminal,
    /// The user gave up at the prompt.
    #[error("the prompt was cancelled")]
    Cancelled,
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Terminal(io::Error),
}
