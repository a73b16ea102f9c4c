//! Layer 4: where passwords, tokens and passphrases come from, and where new ones are put.
//!
//! A secret is named by a [`Source`], never given as a value: what is no source is refused and not repeated, in
//! no error, log or `Debug`. What comes out is wiped when dropped.

mod command;
mod destination;
mod error;
mod keyring;
mod source;
mod terminal;

pub use destination::{Destination, DestinationError};
pub use error::SecretError;
pub use source::Source;
pub use terminal::ask;

/// The most that a secret may hold, in bytes; tokens of some providers are long.
pub const LIMIT: usize = 64 * 1024;
