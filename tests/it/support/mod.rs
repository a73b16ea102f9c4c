//! What the tests stand on: the program in a home of its own, a certificate authority, and real peers.
//!
//! Everything that is started here ends with its value, by process id, when a test panics too.

mod ca;
mod gpg;
mod home;
#[allow(dead_code, reason = "the unit tests of submission use the rest of it")]
pub mod lying_server;
mod mail_server;
pub mod people;
mod process;
mod sqop;

pub use ca::{Ca, Flaw, Identity};
pub use gpg::Gpg;
pub use home::Home;
pub use mail_server::{Door, MailServer, curl};
pub use process::{Outcome, run};
pub use sqop::Sqop;

/// The folder of the package.
pub fn package() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}
