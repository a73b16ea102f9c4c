//! Public keys: their kind, size and name.

use der::{AnyRef, Tag, Tagged, asn1::ObjectIdentifier};
use openssl::{
    nid::Nid,
    pkey::{Id, PKey, Public},
    rsa::Rsa,
    x509::X509,
};

use super::parse::children;

/// What a key can be used for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::crypt::smime) enum KeyKind {
    /// RSA: signs, and transports keys.
    Rsa,
    /// RSA for OAEP alone (RFC 4055, 4.1).
    RsaOaep,
    /// RSA for PSS alone (RFC 4055, 1.2).
    RsaPss,
    /// A named curve: signs, and agrees on keys.
    Ec,
    /// X25519 (RFC 8410): agrees on keys.
    X25519,
    /// Ed25519, ML-DSA: signs.
    Signing,
    /// ML-KEM (RFC 9935): transports keys.
    MlKem,
    /// What is not used here: DSA, DH, curves without a name.
    Other,
}

/// A public key as its certificate shows it.
pub(super) struct KeyFacts {
    pub kind: KeyKind,
    /// `RSA 3072`, `EC P-256` and so on.
    pub name: String,
    /// Of RSA, else 0.
    pub rsa_bits: u32,
    /// The key, in the form that libcrypto uses.
    pub public: Option<PKey<Public>>,
}

/// Describes SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
pub(super) fn describe(info: AnyRef<'_>, x509: &X509) -> KeyFacts {
    let parts = children(info.value()).unwrap_or_default();
    let algorithm = parts.first().and_then(|algorithm| children(algorithm.value())).unwrap_or_default();
    let id = algorithm.first().and_then(|id| id.decode_as::<ObjectIdentifier>().ok());
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    // To libcrypto a key for OAEP alone is not RSA.
    let public = match id.as_str() {
        RSAES_OAEP => parts.get(1).and_then(unwrap_rsa),
        _ => x509.public_key().ok(),
    };
    let named_curve = algorithm.get(1).is_some_and(|parameters| parameters.tag() == Tag::ObjectIdentifier);
    let (kind, name) = match id.as_str() {
        "1.2.840.113549.1.1.1" => (KeyKind::Rsa, "RSA".to_owned()),
        RSAES_OAEP => (KeyKind::RsaOaep, "RSA".to_owned()),
        "1.2.840.113549.1.1.10" => (KeyKind::RsaPss, "RSA".to_owned()),
        "1.2.840.10045.2.1" if named_curve => (KeyKind::Ec, format!("EC {}", curve(public.as_ref()))),
        "1.2.840.10045.2.1" => (KeyKind::Other, "EC with parameters of its own".to_owned()),
        id => match SINGLE.iter().find(|(known, ..)| *known == id) {
            Some((_, kind, name)) => (*kind, (*name).to_owned()),
            None => (KeyKind::Other, id.to_owned()),
        },
    };
    let rsa_bits = public.as_ref().filter(|_| name == "RSA").map(|key| key.bits()).unwrap_or_default();
    let name = if name == "RSA" { format!("RSA {rsa_bits}") } else { name };
    // A key that libcrypto cannot read is of no use whatever it is called.
    let kind = if public.is_some() { kind } else { KeyKind::Other };
    KeyFacts { kind, name, rsa_bits, public }
}

const RSAES_OAEP: &str = "1.2.840.113549.1.1.7";

const SINGLE: [(&str, KeyKind, &str); 12] = [
    ("1.3.101.110", KeyKind::X25519, "X25519"),
    ("1.3.101.111", KeyKind::Other, "X448"),
    ("1.3.101.112", KeyKind::Signing, "Ed25519"),
    ("1.3.101.113", KeyKind::Signing, "Ed448"),
    ("2.16.840.1.101.3.4.3.17", KeyKind::Signing, "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", KeyKind::Signing, "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", KeyKind::Signing, "ML-DSA-87"),
    ("2.16.840.1.101.3.4.4.1", KeyKind::MlKem, "ML-KEM-512"),
    ("2.16.840.1.101.3.4.4.2", KeyKind::MlKem, "ML-KEM-768"),
    ("2.16.840.1.101.3.4.4.3", KeyKind::MlKem, "ML-KEM-1024"),
    ("1.2.840.10040.4.1", KeyKind::Other, "DSA"),
    ("1.2.840.10046.2.1", KeyKind::Other, "DH"),
];

fn unwrap_rsa(bits: &AnyRef<'_>) -> Option<PKey<Public>> {
    let [0, der @ ..] = (bits.tag() == Tag::BitString).then(|| bits.value())? else { return None };
    PKey::from_rsa(Rsa::public_key_from_der_pkcs1(der).ok()?).ok()
}

fn curve(key: Option<&PKey<Public>>) -> String {
    let key = key.filter(|key| key.id() == Id::EC).and_then(|key| key.ec_key().ok());
    match key.and_then(|key| key.group().curve_name()) {
        Some(Nid::X9_62_PRIME256V1) => "P-256".to_owned(),
        Some(Nid::SECP384R1) => "P-384".to_owned(),
        Some(Nid::SECP521R1) => "P-521".to_owned(),
        Some(other) => other.short_name().unwrap_or("of an unknown curve").to_owned(),
        None => "of an unknown curve".to_owned(),
    }
}
