//! A certificate authority for mail: a root, an authority below it, leaves as a test wishes, revocation lists.

use std::{fs, process::Command};

use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkcs12::Pkcs12,
    pkey::{HasPublic, PKey, PKeyRef, Private},
    rsa::Rsa,
    stack::Stack,
    x509::{
        X509,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
            SubjectKeyIdentifier,
        },
    },
};

use super::{
    ca::{builder, name},
    process::run,
};

/// A day in seconds.
const DAY: i64 = 24 * 60 * 60;

/// A root and the authority below it, which issues.
pub struct Authority {
    root: Mailbox,
    middle: Mailbox,
}

/// A certificate, its key, and what lies between it and its root.
#[derive(Clone)]
pub struct Mailbox {
    /// The certificate.
    pub certificate: X509,
    /// Its key.
    pub key: PKey<Private>,
    /// The authorities between, the root not.
    pub chain: Vec<X509>,
}

/// What a certificate is to be like.
#[derive(Clone)]
pub struct Wish<'a> {
    address: &'a str,
    algorithm: Algorithm,
    days: std::ops::Range<i64>,
    purpose: Purpose,
    responder: Option<&'a str>,
    second: Option<&'a str>,
    name: Option<&'a str>,
}

/// The key of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA of so many bits.
    Rsa(u32),
    /// On P-256.
    P256,
    /// On P-384.
    P384,
    /// Ed25519: signs only.
    Ed25519,
    /// X25519: is encrypted to only.
    X25519,
}

/// What a certificate says that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Mail.
    Mail,
    /// A server: not mail.
    Server,
    /// To answer for its issuer whether certificates were revoked.
    Responder,
    /// Nothing in particular.
    Unsaid,
}

impl<'a> Wish<'a> {
    /// A good certificate for mail: P-256, from ten days ago for a month.
    pub fn new(address: &'a str) -> Self {
        Self {
            address,
            algorithm: Algorithm::P256,
            days: -10..30,
            purpose: Purpose::Mail,
            responder: None,
            second: None,
            name: None,
        }
    }

    /// With another name of its subject than the address begins with.
    pub fn name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// With another key.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// That names a second address too.
    pub fn also(mut self, address: &'a str) -> Self {
        self.second = Some(address);
        self
    }

    /// Valid from one day to another, counted from today.
    pub fn days(mut self, days: std::ops::Range<i64>) -> Self {
        self.days = days;
        self
    }

    /// For another purpose.
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Names a responder that says whether it was revoked.
    pub fn responder(mut self, url: &'a str) -> Self {
        self.responder = Some(url);
        self
    }

    /// A certificate that nobody but itself vouches for.
    pub fn self_signed(&self) -> Mailbox {
        let key = self.algorithm.key();
        let certificate = self.certificate(&key, None, &key);
        Mailbox { certificate, key, chain: Vec::new() }
    }

    fn certificate(&self, key: &PKeyRef<impl HasPublic>, signer: Option<&X509>, by: &PKey<Private>) -> X509 {
        let own_name = name(self.name.unwrap_or(self.address.split('@').next().unwrap()));
        let mut builder = builder(key, &own_name, 0);
        let now = jiff::Timestamp::now().as_second();
        builder.set_not_before(&Asn1Time::from_unix(now + self.days.start * DAY).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(now + self.days.end * DAY).unwrap()).unwrap();
        let signer = signer.map(|signer| &**signer);
        builder.set_issuer_name(signer.map_or(&*own_name, |signer| signer.subject_name())).unwrap();
        let mut names = SubjectAlternativeName::new();
        for address in std::iter::once(self.address).chain(self.second) {
            names.email(address);
        }
        builder.append_extension(names.build(&builder.x509v3_context(signer, None)).unwrap()).unwrap();
        identify(&mut builder, signer);
        builder.append_extension(self.algorithm.usage()).unwrap();
        let purpose = match self.purpose {
            Purpose::Mail => Some(ExtendedKeyUsage::new().email_protection().build().unwrap()),
            Purpose::Server => Some(ExtendedKeyUsage::new().server_auth().build().unwrap()),
            Purpose::Responder => Some(ExtendedKeyUsage::new().other("OCSPSigning").build().unwrap()),
            Purpose::Unsaid => None,
        };
        purpose.into_iter().for_each(|purpose| builder.append_extension(purpose).unwrap());
        if let Some(url) = self.responder {
            let access = format!("OCSP;URI:{url}");
            #[allow(deprecated, reason = "there is no other way to this extension")]
            let access = openssl::x509::X509Extension::new_nid(None, None, openssl::nid::Nid::INFO_ACCESS, &access);
            builder.append_extension(access.unwrap()).unwrap();
        }
        builder.sign(by, digest(by)).unwrap();
        builder.build()
    }
}

impl Algorithm {
    fn key(self) -> PKey<Private> {
        let curve = |nid| PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(nid).unwrap()).unwrap());
        match self {
            Self::Rsa(bits) => PKey::from_rsa(Rsa::generate(bits).unwrap()),
            Self::P256 => curve(Nid::X9_62_PRIME256V1),
            Self::P384 => curve(Nid::SECP384R1),
            Self::Ed25519 => PKey::generate_ed25519(),
            Self::X25519 => PKey::generate_x25519(),
        }
        .unwrap()
    }

    fn usage(self) -> openssl::x509::X509Extension {
        let mut usage = KeyUsage::new();
        usage.critical();
        match self {
            Self::Rsa(_) => usage.digital_signature().key_encipherment(),
            Self::P256 | Self::P384 => usage.digital_signature().key_agreement(),
            Self::Ed25519 => usage.digital_signature(),
            Self::X25519 => usage.key_agreement(),
        };
        usage.build().unwrap()
    }
}

impl Authority {
    /// Makes one, valid for ten years.
    pub fn new() -> Self {
        let authority = |common, below, issuer: Option<&Mailbox>| {
            let key = Algorithm::P256.key();
            let mut builder = builder(&key, &name(common), 3650);
            builder
                .set_not_before(&Asn1Time::from_unix(jiff::Timestamp::now().as_second() - 3650 * DAY).unwrap())
                .unwrap();
            let signer = issuer.map(|issuer| &*issuer.certificate);
            builder.set_issuer_name(signer.map_or(&*name(common), |signer| signer.subject_name())).unwrap();
            identify(&mut builder, signer);
            builder.append_extension(BasicConstraints::new().critical().ca().pathlen(below).build().unwrap()).unwrap();
            builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap()).unwrap();
            builder.sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
            Mailbox { certificate: builder.build(), key, chain: Vec::new() }
        };
        let root = authority("Test mail root", 1, None);
        let middle = authority("Test mail authority", 0, Some(&root));
        Self { root, middle }
    }

    /// The root as PEM: the trust anchor.
    pub fn pem(&self) -> Vec<u8> {
        self.root.certificate.to_pem().unwrap()
    }

    /// The root.
    pub fn root(&self) -> &X509 {
        &self.root.certificate
    }

    /// The authority that issues.
    pub fn issuer(&self) -> &Mailbox {
        &self.middle
    }

    /// A certificate as wished.
    pub fn issue(&self, wish: &Wish<'_>) -> Mailbox {
        let key = wish.algorithm.key();
        Mailbox { certificate: self.certify(wish, &key), key, chain: vec![self.middle.certificate.clone()] }
    }

    /// A certificate as wished, of somebody's key.
    pub fn certify(&self, wish: &Wish<'_>, key: &PKeyRef<impl HasPublic>) -> X509 {
        wish.certificate(key, Some(&self.middle.certificate), &self.middle.key)
    }

    /// A good certificate for mail.
    pub fn mailbox(&self, address: &str) -> Mailbox {
        self.issue(&Wish::new(address))
    }

    /// A good certificate for mail whose key every reader knows.
    pub fn rsa(&self, address: &str) -> Mailbox {
        self.issue(&Wish::new(address).algorithm(Algorithm::Rsa(3072)))
    }

    /// A certificate for a request (RFC 2986), as it asks, and its chain, PEM.
    pub fn answer(&self, request: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), self.middle.certificate_pem()).unwrap();
        fs::write(folder.path().join("ca.key"), self.middle.key_pem()).unwrap();
        let mut command = Command::new("openssl");
        command.args([
            "x509",
            "-req",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-days",
            "30",
            "-copy_extensions",
            "copyall",
        ]);
        command.current_dir(folder.path());
        let leaf = run(command, request).expect(0).stdout;
        [leaf, self.middle.certificate_pem()].concat()
    }

    /// Revocation lists of both authorities, PEM, from ten days ago to ten days ahead; some were revoked yesterday.
    pub fn revocations(&self, revoked: &[&Mailbox]) -> Vec<u8> {
        let lines: Vec<String> = revoked.iter().map(|one| revoked_line(&one.certificate)).collect();
        [list(&self.root, ""), list(&self.middle, &lines.concat())].concat()
    }
}

impl Mailbox {
    /// PKCS#12 with the chain, as `OpenSSL` 3 and later write it.
    pub fn p12(&self, passphrase: &str) -> Vec<u8> {
        let mut chain = Stack::new().unwrap();
        self.chain.iter().for_each(|one| chain.push(one.clone()).unwrap());
        let mut builder = Pkcs12::builder();
        builder.name("own").pkey(&self.key).cert(&self.certificate).ca(chain);
        builder.build2(passphrase).unwrap().to_der().unwrap()
    }

    /// The certificate and its chain, PEM.
    pub fn pem(&self) -> Vec<u8> {
        let chain = self.chain.iter().map(|one| one.to_pem().unwrap());
        std::iter::once(self.certificate.to_pem().unwrap()).chain(chain).collect::<Vec<_>>().concat()
    }

    /// The certificate alone, PEM.
    pub fn certificate_pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    /// The key, PEM, unprotected.
    pub fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    /// The full fingerprint, as sealpost writes it.
    pub fn fingerprint(&self) -> String {
        self.certificate.digest(MessageDigest::sha256()).unwrap().iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// Subject key identifier, and that of the issuer.
fn identify(builder: &mut openssl::x509::X509Builder, issuer: Option<&openssl::x509::X509Ref>) {
    let own = SubjectKeyIdentifier::new().build(&builder.x509v3_context(issuer, None)).unwrap();
    builder.append_extension(own).unwrap();
    if issuer.is_some() {
        let of_issuer = AuthorityKeyIdentifier::new().keyid(true).build(&builder.x509v3_context(issuer, None)).unwrap();
        builder.append_extension(of_issuer).unwrap();
    }
}

fn digest(key: &PKey<Private>) -> MessageDigest {
    if key.id() == openssl::pkey::Id::ED25519 { MessageDigest::null() } else { MessageDigest::sha256() }
}

/// A line of the database of `openssl ca` (its manual, "index.txt").
fn revoked_line(certificate: &X509) -> String {
    let serial = certificate.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string();
    format!("R\t{}\t{}\t{serial}\tunknown\t/CN={serial}\n", stamp(10), stamp(-1))
}

/// The database of an authority that issued some certificates, and revoked some yesterday.
pub fn database(issued: &[&Mailbox], revoked: &[&Mailbox]) -> String {
    let revoked = revoked.iter().map(|one| revoked_line(&one.certificate));
    let valid = issued.iter().map(|one| {
        let serial = one.certificate.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string();
        format!("V\t{}\t\t{serial}\tunknown\t/CN={serial}\n", stamp(10))
    });
    revoked.chain(valid).collect()
}

/// A time so many days from now, as YYMMDDHHMMSSZ.
fn stamp(days: i64) -> String {
    let time = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + days * DAY).unwrap();
    time.strftime("%y%m%d%H%M%SZ").to_string()
}

/// A revocation list by `openssl ca`.
fn list(issuer: &Mailbox, database: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("index.txt"), database).unwrap();
    fs::write(path("ca.pem"), issuer.certificate_pem()).unwrap();
    fs::write(path("ca.key"), issuer.key_pem()).unwrap();
    fs::write(path("ca.cnf"), "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\n").unwrap();
    let mut command = Command::new("openssl");
    command.args(["ca", "-config", "ca.cnf", "-gencrl", "-cert", "ca.pem", "-keyfile", "ca.key"]);
    let (from, until) = (format!("20{}", stamp(-10)), format!("20{}", stamp(10)));
    command.args(["-crl_lastupdate", &from, "-crl_nextupdate", &until]).current_dir(folder.path());
    run(command, b"").expect(0).stdout
}
