//! The envelope of RFC 5321, 2.3.1: who hands a message on and to whom. It knows no header.

use super::Address;

/// A reverse path and at least one forward path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    from: Address,
    to: Vec<Address>,
}

/// There was no forward path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no recipient")]
pub struct EmptyEnvelope;

impl Envelope {
    /// Makes an envelope; an address that comes twice counts once, the first spelling wins.
    ///
    /// ```
    /// # use sealpost::mail::{Address, Envelope};
    /// # let (alice, bob) = (Address::parse("a@example.org")?, Address::parse("b@example.org")?);
    /// assert_eq!(Envelope::new(alice, vec![bob.clone(), bob])?.to().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(from: Address, recipients: Vec<Address>) -> Result<Self, EmptyEnvelope> {
        let mut to: Vec<Address> = Vec::with_capacity(recipients.len());
        let mut seen = std::collections::HashSet::new();
        for address in recipients {
            if seen.insert(address.clone()) {
                to.push(address);
            }
        }
        if to.is_empty() { Err(EmptyEnvelope) } else { Ok(Self { from, to }) }
    }

    /// The reverse path.
    pub fn from(&self) -> &Address {
        &self.from
    }

    /// Whether a path needs SMTPUTF8 (RFC 6531). The header may need it too: see
    /// [`Composed::needs_smtputf8`](super::Composed::needs_smtputf8).
    pub fn needs_smtputf8(&self) -> bool {
        self.from.needs_smtputf8() || self.to.iter().any(Address::needs_smtputf8)
    }

    /// The forward paths, in the order given, each once, at least one.
    pub fn to(&self) -> &[Address] {
        &self.to
    }
}
