//! Sealing: sign inside encrypt (RFC 8551, 3.7), written chunk by chunk into its MIME form.

use super::Smime;
use crate::crypt::{SealError, Sealed, Sealing};

/// Signs, encrypts, and looks at the result once more.
pub(super) fn seal(_sealing: Sealing<'_, Smime>) -> Result<Sealed, SealError> {
    Err(SealError::Library("S/MIME is not sealed yet".to_owned()))
}
