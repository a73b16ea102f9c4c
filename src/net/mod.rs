//! Layer 3: one TLS policy for all protocols, the STARTTLS upgrade, DNS, HTTP.
//!
//! No protocol of mail is spoken here, and nothing decides here what a failure means for a message.

pub mod dns;
pub mod http;
mod socket;
pub mod tls;

pub use socket::{Heard, Socket};
