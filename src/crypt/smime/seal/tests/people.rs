//! Keys and certificates for sealing, and short ways to seal with them.

use std::io::Write;

use jiff::Timestamp;
use openssl::{
    asn1::{Asn1Object, Asn1OctetString, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, KeyType, PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::Rsa,
    x509::{X509, X509Extension, X509Name},
};

use crate::crypt::smime::{Certificate, Form, Grounds, Signer, Smime};
use crate::crypt::{Binding, PayloadUse, Recipient, Recipients, SealError, Sealed, Sealing, Suite};
use crate::mail::{Address, Envelope, Field, Payload};

/// A key and a certificate of a CA for it.
#[derive(Clone)]
pub(in crate::crypt::smime) struct Person {
    pub name: &'static str,
    pub key: PKey<Private>,
    pub certificate: Certificate,
    pub authority: Certificate,
}

pub(in crate::crypt::smime) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub(in crate::crypt::smime) fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

pub(in crate::crypt::smime) fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

pub(in crate::crypt::smime) fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

/// An RSA key that signs with PSS alone, and prescribes nothing.
pub(in crate::crypt::smime) fn pss() -> PKey<Private> {
    let mut context = PkeyCtx::new_id(Id::RSA_PSS).unwrap();
    context.keygen_init().unwrap();
    context.set_rsa_keygen_bits(2048).unwrap();
    context.keygen().unwrap()
}

pub(in crate::crypt::smime) fn ml_dsa() -> PKey<Private> {
    PKey::private_key_from_seed(None, KeyType::ML_DSA_65, None, &[7; 32]).unwrap()
}

pub(in crate::crypt::smime) fn ml_kem(kind: KeyType) -> PKey<Private> {
    PKey::private_key_from_seed(None, kind, None, &[7; 64]).unwrap()
}

pub(in crate::crypt::smime) fn person(name: &'static str, key: PKey<Private>) -> Person {
    issue(name, key, None)
}

/// With capabilities in the certificate (RFC 4262).
pub(in crate::crypt::smime) fn capable(name: &'static str, key: PKey<Private>, capabilities: &[u8]) -> Person {
    let value = Asn1OctetString::new_from_bytes(capabilities).unwrap();
    let oid = Asn1Object::from_str("1.2.840.113549.1.9.15").unwrap();
    issue(name, key, Some(X509Extension::new_from_der(&oid, false, &value).unwrap()))
}

/// An RSA key that is for OAEP alone (RFC 4055, 4.1): its algorithm is another, its signature no longer holds.
pub(in crate::crypt::smime) fn for_oaep(name: &'static str, key: PKey<Private>) -> Person {
    let person = person(name, key);
    let mut der = person.certificate.to_der();
    let rsa = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let at = der.windows(rsa.len()).position(|window| window == rsa).unwrap();
    der[at + rsa.len() - 1] = 7;
    Person { certificate: Certificate::from_der(&der).unwrap(), ..person }
}

fn issue(name: &'static str, key: PKey<Private>, extension: Option<X509Extension>) -> Person {
    let root_key = ec(Nid::X9_62_PRIME256V1);
    let authority = certificate("root", &root_key, "root", &root_key, None);
    Person { name, certificate: certificate(name, &key, "root", &root_key, extension), key, authority }
}

fn certificate(
    subject: &str,
    key: &PKey<Private>,
    issuer: &str,
    issuer_key: &PKey<Private>,
    extension: Option<X509Extension>,
) -> Certificate {
    use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName, SubjectKeyIdentifier};
    let called = |name: &str| {
        let mut builder = X509Name::builder().unwrap();
        builder.append_entry_by_text("CN", name).unwrap();
        builder.build()
    };
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = [0; 8];
    openssl::rand::rand_bytes(&mut serial).unwrap();
    builder.set_serial_number(&BigNum::from_slice(&serial).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&called(subject)).unwrap();
    builder.set_issuer_name(&called(issuer)).unwrap();
    builder.set_not_before(&Asn1Time::from_str("20260101000000Z").unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str("20460101000000Z").unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    if subject == issuer {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    } else {
        let usage = ExtendedKeyUsage::new().email_protection().build().unwrap();
        builder.append_extension(usage).unwrap();
        let names = SubjectAlternativeName::new()
            .email(&format!("{subject}@example.org"))
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(names).unwrap();
        let key_id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(key_id).unwrap();
    }
    if let Some(extension) = extension {
        builder.append_extension(extension).unwrap();
    }
    builder.sign(issuer_key, MessageDigest::sha256()).unwrap();
    Certificate::from_x509(builder.build()).unwrap()
}

impl Person {
    pub fn signer(&self) -> Signer {
        Signer { key: self.key.clone(), certificate: self.certificate.clone(), chain: vec![self.authority.clone()] }
    }
}

pub(in crate::crypt::smime) fn recipients(of: &[&Person]) -> Recipients<Smime> {
    let bind = |person: &&Person| {
        let usable = Smime::check(&person.certificate, &Grounds::Pinned, now()).unwrap();
        Recipient::new(address(person.name), usable, Binding::Pinned).unwrap()
    };
    Recipients::new(of.iter().map(bind).collect()).unwrap()
}

pub(in crate::crypt::smime) fn payload(bytes: &[u8]) -> Payload {
    let mut payload = Payload::new();
    payload.write_all(bytes).unwrap();
    payload
}

/// Seals as a message from alice.
pub(in crate::crypt::smime) fn try_seal(
    bytes: &[u8],
    signer: Option<&Signer>,
    to: &[&Person],
    form: Form,
) -> Result<Sealed, SealError> {
    try_seal_payload(payload(bytes), signer, to, form)
}

pub(in crate::crypt::smime) fn try_seal_payload(
    payload: Payload,
    signer: Option<&Signer>,
    to: &[&Person],
    form: Form,
) -> Result<Sealed, SealError> {
    let outer = [Field::new("From", "alice@example.org").unwrap(), Field::new("Subject", "[...]").unwrap()];
    Smime::seal(Sealing {
        payload: PayloadUse::Owned(payload),
        outer: &outer,
        confidential_subject: None,
        unseen: &[],
        envelope: envelope(to),
        recipients: &recipients(to),
        signer,
        form,
        at: now(),
        boundary: "=_0123456789abcdef0123456789abcdef_=",
    })
}

pub(in crate::crypt::smime) fn envelope(to: &[&Person]) -> Envelope {
    Envelope::new(address("alice"), to.iter().map(|person| address(person.name)).collect()).unwrap()
}

/// The wire message.
pub(in crate::crypt::smime) fn sealed(bytes: &[u8], signer: Option<&Person>, to: &[&Person], form: Form) -> Vec<u8> {
    let signer = signer.map(Person::signer);
    try_seal(bytes, signer.as_ref(), to, form).unwrap().pieces().flatten().copied().collect()
}
