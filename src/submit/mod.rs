//! Layer 4: endpoints and the order of trying them, the SMTP session through lettre, what each failure means
//! (RFC 5321, 6409, 8314).
//!
//! Nothing but a [`Sealed`](crate::crypt::Sealed) can be submitted. In clear nothing crosses but EHLO, STARTTLS and
//! QUIT. Files are read for certificates only; secrets come through [`Secrets`] when a login wants them.

mod connect;
mod door;
mod endpoint;
mod failure;
mod login;
mod look;
mod offers;
mod reply;
mod scram;
mod session;
mod settings;
mod stream;

pub use endpoint::{Endpoint, Port, PortError, Tls};
pub use failure::{Attempt, Cause, Failure, Outcome, ProtocolFault, Refusal, SecretFailure, Step};
pub use look::Unsendable;
pub use offers::Offers;
pub use reply::{Reply, ReplyFault};
pub use session::{Accepted, EndpointReport, Session};
pub use settings::{Auth, AuthError, Dsn, Secrets, Settings};
