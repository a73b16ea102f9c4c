//! The last look at an S/MIME message.

use super::Smime;
use crate::crypt::{Recipients, look::Header};

/// Re-reads finished wire bytes.
pub(super) fn look(_: &[Vec<u8>], _: &Recipients<Smime>, _made_here: bool) -> Result<Header, &'static str> {
    Err("S/MIME is not looked at yet")
}
