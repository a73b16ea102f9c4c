//! How a message names a certificate (RFC 5652, 5.3 and 6.2.1): by issuer and serial number, or by key identifier.

use der::Decode;
use openssl::x509::X509Name;
use x509_cert::name::Name;

use super::{Certificate, asn1::Identifier};

impl Identifier<'_> {
    /// Whether it names a certificate.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Issuer(issuer, serial) => {
                serial_of(certificate) == trimmed(serial)
                    && X509Name::from_der(issuer)
                        .and_then(|issuer| certificate.x509.issuer_name().try_cmp(&issuer))
                        .is_ok_and(std::cmp::Ordering::is_eq)
            }
            Self::KeyId(id) => certificate.x509.subject_key_id().is_some_and(|known| known.as_slice() == &id[..]),
        }
    }

    /// In words: the serial number in upper-case hexadecimal, `/`, and the issuer (RFC 4514); or the key identifier
    /// in upper-case hexadecimal. [`names_of`] writes the same.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Issuer(issuer, serial) => issuer_and_serial(issuer, &trimmed(serial)),
            Self::KeyId(id) => hex(id),
        }
    }
}

/// All the words by which [`OpenError::NoKey`](crate::crypt::OpenError::NoKey) and
/// [`SignatureFact::issuer`](crate::crypt::SignatureFact::issuer) may name a certificate.
pub(super) fn names_of(certificate: &Certificate) -> Vec<String> {
    let issuer = certificate.x509.issuer_name().to_der().unwrap_or_default();
    let by_issuer = issuer_and_serial(&issuer, &serial_of(certificate));
    let by_key = certificate.x509.subject_key_id().map(|id| hex(id.as_slice()));
    std::iter::once(by_issuer).chain(by_key).collect()
}

fn issuer_and_serial(issuer: &[u8], serial: &[u8]) -> String {
    let issuer = Name::from_der(issuer).map(|name| name.to_string()).unwrap_or_default();
    format!("{}/{issuer}", hex(serial))
}

/// The magnitude of a serial number; one below zero is none that anybody may use (RFC 5280, 4.1.2.2).
fn serial_of(certificate: &Certificate) -> Vec<u8> {
    let serial = certificate.x509.serial_number().to_bn().map(|number| number.to_vec()).unwrap_or_default();
    trimmed(&serial)
}

/// Without leading zeros.
fn trimmed(serial: &[u8]) -> Vec<u8> {
    serial.iter().copied().skip_while(|octet| *octet == 0).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
