//! Layer 3: one TLS policy for all protocols, the STARTTLS upgrade, DNS and DNSSEC, HTTP, LDAP, proxies.
//!
//! No protocol of mail is spoken here, and nothing decides here what a failure means for a message.

pub mod dns;
#[cfg(feature = "dane")]
pub mod dnssec;
pub mod http;
pub mod ldap;
mod proxy;
mod socket;
pub mod tls;

pub use proxy::Proxy;
pub use socket::{Heard, Socket};
