//! A certificate authority for loopback servers, its good certificates and its flawed ones.

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{HasPublic, PKey, PKeyRef, Private},
    x509::{
        X509, X509Builder, X509Name,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName},
    },
};

/// An authority with a key of its own.
pub struct Ca {
    identity: Identity,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: X509,
    /// Its key, P-256.
    pub key: PKey<Private>,
}

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its time is over.
    Expired,
    /// It is for another host.
    WrongHost,
    /// Nobody but itself vouches for it.
    SelfSigned,
}

impl Ca {
    /// Makes one, valid for a month.
    pub fn new() -> Self {
        let key = key();
        let name = name("Test authority");
        let mut builder = builder(&key, &name, 30);
        builder.set_issuer_name(&name).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { identity: Identity { certificate: builder.build(), key } }
    }

    /// The authority's certificate as PEM, for `--ca-file`.
    pub fn pem(&self) -> Vec<u8> {
        self.identity.certificate.to_pem().unwrap()
    }

    /// A good certificate for `localhost` and 127.0.0.1.
    pub fn server(&self) -> Identity {
        self.issue("localhost", 30)
    }

    /// A certificate with one flaw and no other.
    pub fn flawed(&self, flaw: Flaw) -> Identity {
        match flaw {
            Flaw::Expired => self.issue("localhost", -1),
            Flaw::WrongHost => self.issue("other.example.test", 30),
            Flaw::SelfSigned => {
                let key = key();
                Identity { certificate: leaf(&key, &["localhost"], 30, &name("localhost"), &key), key }
            }
        }
    }

    /// A good certificate for these hosts.
    pub fn serving(&self, hosts: &[&str]) -> Identity {
        let key = key();
        let Identity { certificate: issuer, key: issuer_key } = &self.identity;
        let certificate = leaf(&key, hosts, 30, issuer.subject_name(), issuer_key);
        Identity { certificate, key }
    }

    fn issue(&self, host: &str, days: i64) -> Identity {
        let key = key();
        let Identity { certificate: issuer, key: issuer_key } = &self.identity;
        let certificate = leaf(&key, &[host], days, issuer.subject_name(), issuer_key);
        Identity { certificate, key }
    }
}

impl Identity {
    /// Key and certificate in one PEM.
    pub fn pem(&self) -> Vec<u8> {
        [self.key.private_key_to_pem_pkcs8().unwrap(), self.certificate.to_pem().unwrap()].concat()
    }
}

fn leaf(
    key: &PKey<Private>,
    hosts: &[&str],
    days: i64,
    issuer: &openssl::x509::X509NameRef,
    by: &PKey<Private>,
) -> X509 {
    let mut builder = builder(key, &name(hosts[0]), days);
    builder.set_issuer_name(issuer).unwrap();
    let mut names = SubjectAlternativeName::new();
    for host in hosts {
        names.dns(host);
        if *host == "localhost" {
            names.ip("127.0.0.1");
        }
    }
    let names = names.build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.append_extension(BasicConstraints::new().critical().build().unwrap()).unwrap();
    builder.append_extension(KeyUsage::new().critical().digital_signature().build().unwrap()).unwrap();
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build().unwrap()).unwrap();
    builder.sign(by, MessageDigest::sha256()).unwrap();
    builder.build()
}

/// A builder with version, serial, key, subject and a validity that ends in so many days, a year long.
pub fn builder(key: &PKeyRef<impl HasPublic>, subject: &X509Name, days: i64) -> X509Builder {
    let mut builder = X509Builder::new().unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::ONE, false).unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_pubkey(key).unwrap();
    let day = 24 * 60 * 60;
    let end = jiff::Timestamp::now().as_second() + days * day;
    builder.set_not_before(&Asn1Time::from_unix(end - 365 * day).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(end).unwrap()).unwrap();
    builder
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A name of one part.
pub fn name(common: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, common).unwrap();
    name.build()
}
