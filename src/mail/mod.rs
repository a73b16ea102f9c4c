//! Layer 1, pure: what a mail is before and after cryptography.
//!
//! Neither files, network, environment, clock nor printing; time, Message-ID and boundary come in as
//! arguments. Nothing here knows a key.

mod address;
pub mod autocrypt;
pub mod body;
mod character;
mod compose;
mod draft;
mod envelope;
mod header;
pub mod lookalike;
mod mailbox;
pub mod parse;
mod payload;
pub mod protect;
pub mod protected;

pub use address::{Address, AddressError};
pub use compose::{ComposeError, Composed, Composition, Uniques, compose};
pub use draft::{Attachment, Content, Draft, DraftError, Field, Message, MessageId};
pub use envelope::{EmptyEnvelope, Envelope};
pub use mailbox::Mailbox;
pub use payload::Payload;
