//! How a message names a certificate (RFC 5652, 5.3 and 6.2.1): by issuer and serial number, or by key identifier.

use openssl::x509::X509Name;

use super::{
    Certificate,
    asn1::Identifier,
    certificate::{name_in_words, serial_in_words},
};

impl Identifier<'_> {
    /// Whether it names a certificate.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Issuer(issuer, serial) => {
                serial_in_words(serial) == certificate.serial()
                    && X509Name::from_der(issuer)
                        .and_then(|issuer| certificate.x509.issuer_name().try_cmp(&issuer))
                        .is_ok_and(std::cmp::Ordering::is_eq)
            }
            Self::KeyId(id) => certificate.x509.subject_key_id().is_some_and(|known| known.as_slice() == &id[..]),
        }
    }

    /// In words: the serial number in upper-case hexadecimal, `/`, and the issuer (RFC 4514); or the key identifier
    /// in upper-case hexadecimal. What is long is cut. [`names_of`] writes the same.
    pub(super) fn words(&self) -> String {
        cut(match self {
            Self::Issuer(issuer, serial) => {
                format!("{}/{}", serial_in_words(serial), name_in_words(issuer).unwrap_or_default())
            }
            Self::KeyId(id) => hex(id),
        })
    }
}

/// All the words by which [`OpenError::NoKey`](crate::crypt::OpenError::NoKey) and
/// [`SignatureFact::issuer`](crate::crypt::SignatureFact::issuer) may name a certificate.
pub(super) fn names_of(certificate: &Certificate) -> Vec<String> {
    let by_issuer = format!("{}/{}", certificate.serial(), certificate.issuer());
    let by_key = certificate.x509.subject_key_id().map(|id| hex(id.as_slice()));
    std::iter::once(by_issuer).chain(by_key).map(cut).collect()
}

/// Whoever sends a message chooses the names in it, and how long they are.
fn cut(mut words: String) -> String {
    const MOST: usize = 256;
    if let Some((at, _)) = words.char_indices().nth(MOST) {
        words.truncate(at);
        words.push('…');
        words.shrink_to_fit();
    }
    words
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
