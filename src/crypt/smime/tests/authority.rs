//! A small certificate authority in memory: a root, an authority beneath it, and whatever they are asked to issue.
#![allow(clippy::unwrap_used)]

use jiff::{Timestamp, ToSpan};
use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::Rsa,
    x509::{CrlNumber, X509, X509Builder, X509CrlBuilder, X509Extension, X509Name, X509RevokedBuilder},
};

use crate::crypt::smime::{Authorities, Certificate};

/// The time of judging; certificates are valid a year before and after, if nothing else is said.
pub fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// Days after [`now`], before it if negative.
pub fn days(count: i64) -> Timestamp {
    now() + (count * 24).hours()
}

/// A certificate and its secret key.
#[derive(Clone)]
pub struct Identity {
    pub certificate: Certificate,
    pub key: PKey<Private>,
}

/// What is asked for.
#[derive(Clone)]
pub struct Wish {
    /// Attributes of the subject by their short names.
    pub subject: Vec<(&'static str, String)>,
    /// Extensions in the words of `x509v3_config(5)`.
    pub extensions: Vec<(Nid, String)>,
    /// Extensions as DER, by their dotted names.
    pub raw: Vec<(&'static str, bool, Vec<u8>)>,
    pub key: PKey<Private>,
    pub from: Timestamp,
    pub until: Timestamp,
    pub digest: MessageDigest,
    pub serial: u32,
}

impl Wish {
    /// A leaf for signing and encrypting mail with an EC key.
    pub fn leaf(address: &str) -> Self {
        Self::bare("Leaf", ec())
            .with(Nid::SUBJECT_ALT_NAME, &format!("email:{address}"))
            .with(Nid::BASIC_CONSTRAINTS, "critical,CA:FALSE")
            .with(Nid::KEY_USAGE, "critical,digitalSignature,keyEncipherment,keyAgreement")
            .with(Nid::EXT_KEY_USAGE, "emailProtection")
    }

    /// An authority, with or without a limit to the authorities beneath.
    pub fn authority(name: &str, pathlen: Option<u32>) -> Self {
        let limit = pathlen.map(|limit| format!(",pathlen:{limit}")).unwrap_or_default();
        Self::bare(name, ec())
            .with(Nid::BASIC_CONSTRAINTS, &format!("critical,CA:TRUE{limit}"))
            .with(Nid::KEY_USAGE, "critical,keyCertSign,cRLSign")
    }

    /// Nothing but a name and a key.
    pub fn bare(name: &str, key: PKey<Private>) -> Self {
        Self {
            subject: vec![("CN", name.to_owned())],
            extensions: Vec::new(),
            raw: Vec::new(),
            key,
            from: days(-365),
            until: days(365),
            digest: MessageDigest::sha256(),
            serial: 7,
        }
    }

    /// The same with one extension more, or another value for one.
    pub fn with(mut self, kind: Nid, value: &str) -> Self {
        self = self.without(kind);
        self.extensions.push((kind, value.to_owned()));
        self
    }

    /// The same without an extension.
    pub fn without(mut self, kind: Nid) -> Self {
        self.extensions.retain(|(other, _)| *other != kind);
        self
    }

    /// The same with another key.
    pub fn with_key(self, key: PKey<Private>) -> Self {
        Self { key, ..self }
    }

    /// Signed by itself.
    pub fn self_signed(&self) -> Identity {
        self.signed(None, &self.key, true)
    }

    /// Signed by an issuer.
    pub fn issued_by(&self, issuer: &Identity) -> Identity {
        self.signed(Some(&issuer.certificate.x509), &issuer.key, true)
    }

    /// Signed by an issuer, without the identifiers of keys that newer tools add by themselves.
    pub fn issued_plainly_by(&self, issuer: &Identity) -> Identity {
        self.signed(Some(&issuer.certificate.x509), &issuer.key, false)
    }

    fn signed(&self, issuer: Option<&X509>, key: &PKey<Private>, identifiers: bool) -> Identity {
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        let mut name = X509Name::builder().unwrap();
        for (kind, value) in &self.subject {
            name.append_entry_by_text(kind, value).unwrap();
        }
        let name = name.build();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(issuer.map_or(&*name, |issuer| issuer.subject_name())).unwrap();
        builder.set_serial_number(&serial(self.serial)).unwrap();
        builder.set_not_before(&time(self.from)).unwrap();
        builder.set_not_after(&time(self.until)).unwrap();
        builder.set_pubkey(&self.key).unwrap();
        let mut wanted = self.extensions.clone();
        if identifiers {
            if !wanted.iter().any(|(kind, _)| *kind == Nid::SUBJECT_KEY_IDENTIFIER) {
                wanted.push((Nid::SUBJECT_KEY_IDENTIFIER, "hash".to_owned()));
            }
            if issuer.is_some() {
                wanted.push((Nid::AUTHORITY_KEY_IDENTIFIER, "keyid".to_owned()));
            }
        }
        for (kind, value) in wanted {
            #[allow(deprecated)]
            let extension = {
                let context = builder.x509v3_context(issuer.map(|issuer| &**issuer), None);
                X509Extension::new_nid(None, Some(&context), kind, &value).unwrap()
            };
            builder.append_extension(extension).unwrap();
        }
        for (id, critical, der) in &self.raw {
            let id = openssl::asn1::Asn1Object::from_str(id).unwrap();
            let value = openssl::asn1::Asn1OctetString::new_from_bytes(der).unwrap();
            builder.append_extension(X509Extension::new_from_der(&id, *critical, &value).unwrap()).unwrap();
        }
        let without = matches!(key.id(), Id::ED25519 | Id::ED448);
        builder.sign(key, if without { MessageDigest::null() } else { self.digest }).unwrap();
        let der = builder.build().to_der().unwrap();
        Identity { certificate: Certificate::from_der(&der).unwrap(), key: self.key.clone() }
    }
}

/// A root and an authority beneath it.
pub struct Ca {
    pub root: Identity,
    pub between: Identity,
}

impl Ca {
    pub fn new() -> Self {
        let root = Wish::authority("Root", None).self_signed();
        let between = Wish::authority("Between", Some(0)).issued_by(&root);
        Self { root, between }
    }

    /// The root as anchor; the other one lies between.
    pub fn authorities(&self) -> Authorities {
        let mut authorities = Authorities::default();
        authorities.add_anchors(self.root.certificate.to_pem().as_bytes()).unwrap();
        authorities.add_intermediates([self.between.certificate.clone()]);
        authorities
    }

    /// A certificate for an address from the authority between.
    pub fn leaf(&self, address: &str) -> Identity {
        Wish::leaf(address).issued_by(&self.between)
    }
}

/// A list of revoked certificates, in DER: serial numbers and since when.
pub fn revocations(issuer: &Identity, from: Timestamp, until: Timestamp, revoked: &[(u32, Timestamp)]) -> Vec<u8> {
    signed_with(MessageDigest::sha256(), issuer, from, until, revoked)
}

/// The same, with this digest in its signature.
pub fn signed_with(
    digest: MessageDigest,
    issuer: &Identity,
    from: Timestamp,
    until: Timestamp,
    revoked: &[(u32, Timestamp)],
) -> Vec<u8> {
    let mut builder = X509CrlBuilder::new().unwrap();
    builder.set_issuer_name(issuer.certificate.x509.subject_name()).unwrap();
    builder.set_last_update(&time(from)).unwrap();
    builder.set_next_update(&time(until)).unwrap();
    for (number, since) in revoked {
        let mut entry = X509RevokedBuilder::new().unwrap();
        entry.set_serial_number(&serial(*number)).unwrap();
        entry.set_revocation_date(&time(*since)).unwrap();
        builder.add_revoked(entry.build()).unwrap();
    }
    #[allow(deprecated)]
    let identifier = {
        let context = X509Builder::new().unwrap();
        let context = context.x509v3_context(Some(&issuer.certificate.x509), None);
        X509Extension::new_nid(None, Some(&context), Nid::AUTHORITY_KEY_IDENTIFIER, "keyid").unwrap()
    };
    builder.append_extension(identifier).unwrap();
    let number = CrlNumber::new(BigNum::from_u32(1).unwrap()).unwrap().build().unwrap();
    builder.append_extension(number).unwrap();
    builder.sign(&issuer.key, digest).unwrap();
    builder.build().unwrap().to_der().unwrap()
}

pub fn ec() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

fn serial(number: u32) -> Asn1Integer {
    BigNum::from_u32(number).unwrap().to_asn1_integer().unwrap()
}

fn time(at: Timestamp) -> Asn1Time {
    Asn1Time::from_unix(at.as_second()).unwrap()
}
