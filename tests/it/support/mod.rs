//! What the tests stand on: the program in a home of its own, a certificate authority, and real peers.
//!
//! Everything that is started here ends with its value, by process id, when a test panics too.

mod authority;
mod ca;
pub mod directory;
mod gpg;
mod gpgsm;
mod home;
#[allow(dead_code, reason = "the unit tests of submission use the rest of it")]
pub mod lying_server;
mod mail_server;
pub mod name_server;
mod openssl_cms;
pub mod people;
mod process;
pub mod proxy;
mod publisher;
mod responder;
pub mod s_nail;
mod sqop;
mod token;

pub use authority::{Algorithm, Authority, Mailbox, Purpose, Wish};
pub use ca::{Ca, Flaw, Identity};
pub use gpg::Gpg;
pub use gpgsm::Gpgsm;
pub use home::{Home, Run};
pub use mail_server::{Door, MailServer, curl};
pub use openssl_cms::OpensslCms;
pub use process::{Outcome, run};
pub use publisher::{Publisher, Reply};
pub use responder::{Books, How, Responder};
pub use sqop::Sqop;
pub use token::{PIN, Token};

/// The folder of the package.
pub fn package() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The time so many days from now, as `--at` takes it.
pub fn days_from_now(days: i64) -> String {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + days * 24 * 60 * 60).unwrap().to_string()
}
