//! Layer 4: where passwords, tokens and passphrases come from, where new ones are put, the keys of a GnuPG home, and
//! gpg-agent, which lends the use of those that stay there.
//!
//! A secret is named by a [`Source`], never given as a value: what is no source is refused and not repeated, in
//! no error, log or `Debug`. What comes out is wiped when dropped.

mod agent;
mod command;
mod destination;
mod error;
mod gnupg;
mod keyring;
mod program;
mod source;
mod terminal;

pub use agent::GpgAgent;
pub use destination::{Destination, DestinationError};
pub use error::SecretError;
pub use gnupg::{Gnupg, GnupgError, GnupgKey, Whereabouts};
pub use source::Source;
pub use terminal::ask;

/// The most that a secret may hold, in bytes; tokens of some providers are long.
pub const LIMIT: usize = 64 * 1024;
