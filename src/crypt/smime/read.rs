//! Reading one CMS layer: decrypting, verifying, inflating. Nothing comes out of an authenticated layer before its
//! tag is proven (RFC 5083, 2), and every failure below the list of recipients is the same.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Authorities, Certificate, Key};
use crate::{
    crypt::{BadReason, Fingerprint, OpenError, SignatureFact},
    mail::Address,
};

/// Certificates that the user gave by full fingerprint, each for these addresses.
pub type Pins = [(Fingerprint, Vec<Address>)];

/// With what to open.
pub struct Reader<'a> {
    /// Unlocked keys.
    pub keys: &'a [Key],
    /// Certificates at hand, for signatures that do not bring their own; genuine only by a chain or a pin.
    pub certificates: &'a [Certificate],
    /// Whom to believe.
    pub authorities: &'a Authorities,
    /// Certificates that need no chain, and for whom they speak.
    pub pins: &'a Pins,
    /// The time of judging.
    pub at: Timestamp,
    /// The most that may come out, in bytes.
    pub limit: usize,
}

/// What one CMS layer held.
pub enum Layer {
    /// It was encrypted (EnvelopedData, AuthEnvelopedData).
    Encrypted {
        /// The content.
        plaintext: Zeroizing<Vec<u8>>,
        /// Whose key opened it.
        opened_by: Fingerprint,
        /// Whether a tag proves that nobody changed it; CBC has none.
        authenticated: bool,
    },
    /// It was signed, and holds its content (SignedData).
    Signed {
        /// The content.
        content: Zeroizing<Vec<u8>>,
        /// Its signatures, or what is wrong with its form.
        facts: Result<Vec<SignatureFact>, BadReason>,
    },
    /// It was compressed (RFC 3274): no protection at all.
    Compressed {
        /// The content.
        content: Zeroizing<Vec<u8>>,
    },
    /// It carries certificates only (RFC 8551, 3.8): no layer.
    Certificates,
}

impl Reader<'_> {
    /// Reads one layer, DER or BER.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is no CMS.
    pub fn read(&self, _message: &[u8]) -> Result<Layer, OpenError> {
        Err(OpenError::Malformed("S/MIME is not read yet"))
    }

    /// Verifies a detached SignedData over exact bytes (RFC 8551, 3.5.3).
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if it is none.
    pub fn verify_detached(&self, _signature: &[u8], _over: &[u8]) -> Result<Vec<SignatureFact>, OpenError> {
        Err(OpenError::Malformed("S/MIME is not read yet"))
    }
}
