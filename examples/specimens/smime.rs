//! Alice, Bob and Dave in S/MIME: a root, an authority below it, and what that issued (RFC 5280, RFC 8550).
//!
//! The keys of both authorities are thrown away, so that whoever trusts `ca.pem` by mistake trusts these three
//! alone. That is why they are made together or not at all.

use std::path::Path;

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkcs12::Pkcs12,
    pkey::{PKey, Private},
    rsa::Rsa,
    stack::Stack,
    x509::{
        X509, X509Name,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
            SubjectKeyIdentifier,
        },
    },
};

use crate::{Failure, MADE, PASSPHRASE, display, write};

/// No end (RFC 5280, 4.1.2.5).
const NEVER: &str = "99991231235959Z";

struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

/// What a certificate is for.
#[derive(Clone, Copy)]
enum Role<'a> {
    Authority { below: u32 },
    Mail(&'a str),
}

/// Makes all, if none is there.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    let anchor = folder.join("ca.pem");
    if anchor.exists() {
        println!("S/MIME: kept");
        return Ok(());
    }
    let root = issue("Specimen Root", rsa()?, Role::Authority { below: 1 }, None)?;
    let middle = issue("Specimen Mail Authority", rsa()?, Role::Authority { below: 0 }, Some(&root))?;
    write(&anchor, &root.certificate.to_pem()?)?;
    for (name, key) in [("alice", rsa()?), ("bob", rsa()?), ("dave", p256()?)] {
        let own = issue(&display(name), key, Role::Mail(&format!("{name}@example.test")), Some(&middle))?;
        let mut chain = Stack::new()?;
        chain.push(middle.certificate.clone())?;
        let file = Pkcs12::builder()
            .name(name)
            .pkey(&own.key)
            .cert(&own.certificate)
            .ca(chain)
            .build2(PASSPHRASE)?
            .to_der()?;
        write(&folder.join(format!("{name}.p12")), &file)?;
        let public = [own.certificate.to_pem()?, middle.certificate.to_pem()?].concat();
        write(&folder.join(format!("{name}.pem")), &public)?;
        println!("{name}, S/MIME");
    }
    Ok(())
}

fn issue(name: &str, key: PKey<Private>, role: Role<'_>, issuer: Option<&Identity>) -> Result<Identity, Failure> {
    let mut subject = X509Name::builder()?;
    subject.append_entry_by_nid(Nid::ORGANIZATIONNAME, "sealpost specimens, never for mail")?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::ONE, false)?;

    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name()))?;
    builder.set_pubkey(&key)?;
    let (made, never) = (Asn1Time::from_unix(i64::try_from(MADE)?)?, Asn1Time::from_str(NEVER)?);
    builder.set_not_before(&made)?;
    builder.set_not_after(&never)?;

    let signer = issuer.map(|issuer| &*issuer.certificate);
    let own = SubjectKeyIdentifier::new().build(&builder.x509v3_context(signer, None))?;
    builder.append_extension(own)?;
    if issuer.is_some() {
        let of_issuer = AuthorityKeyIdentifier::new().keyid(true).build(&builder.x509v3_context(signer, None))?;
        builder.append_extension(of_issuer)?;
    }
    match role {
        Role::Authority { below } => {
            builder.append_extension(BasicConstraints::new().critical().ca().pathlen(below).build()?)?;
            builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        }
        Role::Mail(address) => {
            let names = SubjectAlternativeName::new().email(address).build(&builder.x509v3_context(signer, None))?;
            builder.append_extension(names)?;
            let mut usage = KeyUsage::new();
            usage.critical().digital_signature();
            let usage = if key.rsa().is_ok() { usage.key_encipherment() } else { usage.key_agreement() };
            builder.append_extension(usage.build()?)?;
            builder.append_extension(ExtendedKeyUsage::new().email_protection().build()?)?;
        }
    }
    builder.sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256())?;
    Ok(Identity { certificate: builder.build(), key })
}

fn rsa() -> Result<PKey<Private>, Failure> {
    Ok(PKey::from_rsa(Rsa::generate(3072)?)?)
}

fn p256() -> Result<PKey<Private>, Failure> {
    Ok(PKey::from_ec_key(EcKey::generate(EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?.as_ref())?)?)
}
