//! Passphrases over keys: the cost of the derivation follows where the passphrase comes from.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

/// Where a passphrase comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Thought up: guessing must be dear.
    Human,
    /// From [`random_passphrase`]: guessing is hopeless.
    Generated,
}

/// A passphrase of 256 random bits, 43 printable characters.
pub fn random_passphrase() -> Result<Zeroizing<String>, ErrorStack> {
    let mut bits = Zeroizing::new([0u8; 32]);
    openssl::rand::rand_bytes(bits.as_mut_slice())?;
    Ok(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bits.as_slice())))
}
