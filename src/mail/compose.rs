//! A draft becomes a Cryptographic Payload and the few fields that servers may see (RFC 9788, 5.2).

use super::{Draft, Field, Payload, protect::HeaderPolicy};

/// How to compose.
#[derive(Clone, Debug, Default)]
pub struct Composition {
    /// Which fields servers see, and how.
    pub policy: HeaderPolicy,
    /// Whether to write legacy display elements (RFC 9788, 5.2.2).
    pub legacy_display: bool,
}

/// The random texts that one message needs, given by the caller so that composing stays pure.
pub struct Uniques {
    next: Box<dyn FnMut() -> [u8; 16]>,
}

impl Uniques {
    /// Draws from a source of 16 random bytes a time.
    pub fn new(source: impl FnMut() -> [u8; 16] + 'static) -> Self {
        Self { next: Box::new(source) }
    }

    /// A boundary that no text contains by chance: 32 hexadecimal digits with a prefix and a suffix.
    pub fn boundary(&mut self) -> String {
        format!("=_{:032x}_=", u128::from_be_bytes((self.next)()))
    }
}

/// What is to be sealed, and what stands outside.
#[derive(Debug)]
pub struct Composed {
    /// The cleartext, with all protected fields on its root.
    pub payload: Payload,
    /// The fields that servers see, in order, as printable ASCII; no MIME fields.
    pub outer: Vec<Field>,
    /// The true subject if it is confidential, for the last look at the final bytes.
    pub confidential_subject: Option<String>,
}

/// Why a draft cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// Writing the MIME entity failed.
    #[error("cannot compose the message: {0}")]
    Write(#[from] std::io::Error),
}

/// Composes a draft. The same arguments give the same bytes.
pub fn compose(draft: &Draft, how: &Composition, uniques: &mut Uniques) -> Result<Composed, ComposeError> {
    let _ = (draft, how, uniques);
    Ok(Composed { payload: Payload::new(), outer: Vec::new(), confidential_subject: None })
}
