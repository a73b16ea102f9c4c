//! Layer 5: config.toml, recipients.toml, environment and flags, into typed settings.
//!
//! Flags win over the environment, which wins over the file. Nothing here reads the environment by itself: it
//! comes in as a function. An unknown key or a bad value is an error with its file and line; a secret is named by
//! its source, so that no error can hold one.

mod account;
mod document;
mod error;
mod file;
mod find;
mod home;
mod layer;
mod recipients;
mod smime;
mod submission;

pub use account::Account;
pub use error::{ConfigError, Origin, ValueError};
pub use file::Config;
pub use find::FindSettings;
pub use home::Home;
pub use layer::Overrides;
pub use recipients::{EditError, Pin, Recipients, pin};
pub use smime::SmimeSettings;
pub use submission::Submission;

/// The environment: the value of a variable, none if it is not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<std::ffi::OsString>;
