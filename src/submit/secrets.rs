//! Passwords and tokens, as the caller hands them in.

use zeroize::Zeroizing;

use super::SecretFailure;

/// Which secrets a caller has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// A password.
    pub password: bool,
    /// A bearer token (RFC 6750).
    pub token: bool,
}

/// Gives a secret when it is asked for. It is asked before the first connection, so that a missing one leaves
/// nothing on the wire.
pub trait Secrets {
    /// What can be asked for at all.
    fn held(&self) -> Held;

    /// The password; asked for once.
    fn password(&mut self) -> Result<Zeroizing<String>, SecretFailure>;

    /// A token; asked for once more after a refusal, when it ought to be a fresh one.
    fn token(&mut self) -> Result<Zeroizing<String>, SecretFailure>;
}
