//! People with keys of every kind, and short ways to seal for them.

use crate::crypt::smime::Authorities;
use std::{
    io::Write,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::{Id, KeyType, PKey, Private},
    pkey_ctx::PkeyCtx,
};

use crate::crypt::smime::{
    Certificate, Form, Grounds, Signer, Smime,
    agent_key::Half,
    tests::authority::{self, Ca, Wish},
};
use crate::crypt::{Binding, PayloadUse, Recipient, Recipients, SealError, Sealed, Sealing, Suite};
use crate::mail::{Address, Envelope, Field, Payload};

pub(in crate::crypt::smime) use authority::now;

/// A key and a certificate for it.
#[derive(Clone)]
pub(in crate::crypt::smime) struct Person {
    pub name: &'static str,
    pub key: PKey<Private>,
    pub certificate: Certificate,
}

/// Who issues to all.
pub(in crate::crypt::smime) static CA: LazyLock<Ca> = LazyLock::new(Ca::new);

pub(in crate::crypt::smime) fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

pub(in crate::crypt::smime) fn rsa() -> PKey<Private> {
    authority::rsa(2048)
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
    issue(name, key, Vec::new())
}

/// With capabilities in the certificate (RFC 4262).
pub(in crate::crypt::smime) fn capable(name: &'static str, key: PKey<Private>, capabilities: &[u8]) -> Person {
    issue(name, key, vec![("1.2.840.113549.1.9.15", false, capabilities.to_vec())])
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

fn issue(name: &'static str, key: PKey<Private>, raw: Vec<(&'static str, bool, Vec<u8>)>) -> Person {
    static SERIAL: AtomicU32 = AtomicU32::new(1000);
    let leaf = Wish::leaf(&address(name).to_string()).with_key(key);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let identity = Wish { raw, serial, ..leaf }.issued_by(&CA.between);
    Person { name, key: identity.key, certificate: identity.certificate }
}

impl Person {
    pub fn signer(&self) -> Signer {
        let chain = vec![CA.between.certificate.clone(), CA.root.certificate.clone()];
        Signer { key: Half::Here(self.key.clone()), certificate: self.certificate.clone(), chain }
    }
}

pub(in crate::crypt::smime) fn recipients(of: &[&Person]) -> Recipients<Smime> {
    let bind = |person: &&Person| {
        let usable = Smime::check(&person.certificate, &Grounds::Pinned(Authorities::default()), now()).unwrap();
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
