//! Layer 4: endpoints and the order of trying them, the SMTP session through lettre, what each failure means.
//!
//! Neither settings files nor secret sources are known here: both come in as values. Nothing but a
//! [`Sealed`](crate::crypt::Sealed) can be submitted, and nothing but EHLO, STARTTLS and QUIT is ever said before
//! TLS stands (RFC 6409, RFC 8314).

mod dialogue;
mod endpoint;
mod failure;
mod login;
mod look;
mod offers;
mod opening;
mod race;
mod reply;
mod scram;
mod secrets;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

pub use endpoint::{Endpoint, Port, PortError, Tls};
pub use failure::{Attempt, Cause, Failure, Outcome, ProtocolFault, Refusal, SecretFailure, Step};
pub use look::Unsendable;
pub use offers::Offers;
pub use reply::{Reply, ReplyFault};
pub use secrets::{Held, Secrets};
pub use session::{Accepted, EndpointReport, Session};
pub use settings::{Auth, Dsn, Notify, Settings};
