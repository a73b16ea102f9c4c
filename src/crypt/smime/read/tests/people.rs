//! Keys and certificates, made once.

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{X509, X509Name, extension::SubjectKeyIdentifier},
};

use crate::{
    crypt::{
        Fingerprint, PublicCertificate,
        smime::{Certificate, Key, key::Secret},
    },
    mail::Address,
};

/// Somebody with a key and a certificate of his own making.
pub(super) struct Person {
    pub key: Key,
    address: &'static str,
}

impl Person {
    pub(super) fn new(secret: PKey<Private>, address: &'static str) -> Self {
        let certificate = Certificate::from_x509(certificate(&secret, &secret, address)).unwrap();
        Self { key: Key { secret: Secret::Open(secret), certificate: Some(certificate), chain: Vec::new() }, address }
    }

    /// Somebody whose key only agrees, certified by another.
    pub(super) fn x25519() -> Self {
        let secret = PKey::generate_x25519().unwrap();
        let x509 = certificate(&secret, p256().secret(), "xenia@example.org");
        let certificate = Some(Certificate::from_x509(x509).unwrap());
        Self { key: Key { secret: Secret::Open(secret), certificate, chain: Vec::new() }, address: "xenia@example.org" }
    }

    pub(super) fn certificate(&self) -> &Certificate {
        self.key.certificate.as_ref().unwrap()
    }

    pub(super) fn secret(&self) -> &PKey<Private> {
        let Secret::Open(secret) = &self.key.secret else { panic!("locked") };
        secret
    }

    pub(super) fn pin(&self) -> (Fingerprint, Vec<Address>) {
        (self.certificate().fingerprint(), vec![Address::parse(self.address).unwrap()])
    }
}

/// The time of judging: just after the signatures that the tests make.
pub(super) fn at() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(60)
}

fn certificate(secret: &PKey<Private>, issuer: &PKey<Private>, address: &str) -> X509 {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COUNTRYNAME, "DE").unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, address).unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, openssl::bn::MsbOption::ONE, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(at().as_second() - 86_400).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(at().as_second() + 86_400).unwrap()).unwrap();
    builder.set_pubkey(secret).unwrap();
    let key_id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(key_id).unwrap();
    builder.sign(issuer, MessageDigest::sha256()).unwrap();
    builder.build()
}

pub(super) fn rsa_of(bits: u32) -> Person {
    Person::new(PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap(), "alice@example.org")
}

pub(super) fn ec(curve: Nid) -> Person {
    let group = EcGroup::from_curve_name(curve).unwrap();
    Person::new(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(), "dave@example.org")
}

/// Alice, RSA.
pub(super) fn rsa() -> &'static Person {
    static ALICE: OnceLock<Person> = OnceLock::new();
    ALICE.get_or_init(|| rsa_of(2048))
}

/// Dave, P-256.
pub(super) fn p256() -> &'static Person {
    static DAVE: OnceLock<Person> = OnceLock::new();
    DAVE.get_or_init(|| ec(Nid::X9_62_PRIME256V1))
}
