//! Making keys: a certificate request for an authority (PKCS#10, RFC 2986), or a self-signed certificate for closed
//! groups; and keys that wait for an authority's answer.

use der::{
    Decode, Encode,
    asn1::{Any, Ia5String, ObjectIdentifier, Utf8StringRef},
};
use jiff::Timestamp;
use openssl::{
    asn1::{Asn1Integer, Asn1Object, Asn1OctetString, Asn1Time},
    bn::{BigNum, MsbOption},
    ec::EcKey,
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::Rsa,
    stack::Stack,
    x509::{
        X509, X509Builder, X509Extension, X509Name, X509NameBuilder, X509Req, X509ReqBuilder,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier},
    },
};
use x509_cert::{
    ext::pkix::{
        SubjectAltName,
        name::{GeneralName, OtherName},
    },
    request::{CertReq, ExtensionReq},
};

use super::super::{Certificate, CertificateError, Key, KeyError, asn1::pem, key::Secret};
use crate::{
    crypt::{Fingerprint, PublicCertificate},
    mail::{Address, Mailbox},
};

/// `id-on-SmtpUTF8Mailbox` (RFC 9598, 3).
const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");

/// A self-signed certificate is valid for two years.
const VALIDITY: i64 = 2 * 365 * 86_400;
/// The most letters in a common name (RFC 5280, A.1).
const LONGEST_NAME: usize = 64;

/// What a new key is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with 3072 bits: every reader.
    #[default]
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// The curve P-256.
    P256,
    /// The curve P-384.
    P384,
}

impl Key {
    /// Makes a key without a certificate, unlocked, and the request for one in PEM, to be given to an authority.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn make(user: &Mailbox, algorithm: Algorithm) -> Result<(Self, String), KeyError> {
        let key = generate(algorithm)?;
        let mut request = X509ReqBuilder::new()?;
        request.set_version(0)?;
        let subject = subject(user)?;
        request.set_subject_name(&subject)?;
        request.set_pubkey(&key)?;
        let mut extensions = Stack::new()?;
        for extension in wanted(user, algorithm, subject.entries().next().is_none())? {
            extensions.push(extension)?;
        }
        request.add_extensions(&extensions)?;
        request.sign(&key, digest(algorithm))?;
        let pem = pem::write("CERTIFICATE REQUEST", &request.build().to_der()?);
        Ok((Self { secret: Secret::Open(key), certificate: None, chain: Vec::new() }, pem))
    }

    /// The request for another certificate of the same key, in PEM: the subject, the names and the usage are those of
    /// the certificate that it has. The key must be unlocked.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn request_again(&self) -> Result<String, KeyError> {
        let certificate = self.certificate.as_ref().ok_or(KeyError::NoCertificate)?;
        let key = match &self.secret {
            Secret::Open(key) => key,
            Secret::Lent(_) => return Err(KeyError::InAgent),
            _ => return Err(KeyError::Locked),
        };
        let mut request = X509ReqBuilder::new()?;
        request.set_version(0)?;
        request.set_subject_name(certificate.x509.subject_name())?;
        request.set_pubkey(key)?;
        let mut extensions = Stack::new()?;
        for extension in asked_again(certificate)? {
            extensions.push(extension)?;
        }
        request.add_extensions(&extensions)?;
        let digest = match key.id() {
            Id::ED25519 | Id::ED448 => MessageDigest::null(),
            _ if key.bits() == 384 => MessageDigest::sha384(),
            _ => MessageDigest::sha256(),
        };
        request.sign(key, digest)?;
        Ok(pem::write("CERTIFICATE REQUEST", &request.build().to_der()?))
    }

    /// Makes a key with a certificate that it signs itself, no authority's, for two years; unlocked. It is genuine
    /// only where it is pinned.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn make_self_signed(user: &Mailbox, algorithm: Algorithm, at: Timestamp) -> Result<Self, KeyError> {
        let key = generate(algorithm)?;
        let subject = subject(user)?;
        let mut serial = BigNum::new()?;
        serial.rand(127, MsbOption::ONE, false)?;
        let mut builder = X509Builder::new()?;
        builder.set_version(2)?;
        builder.set_serial_number(Asn1Integer::from_bn(&serial)?.as_ref())?;
        builder.set_subject_name(&subject)?;
        builder.set_issuer_name(&subject)?;
        builder.set_not_before(Asn1Time::from_unix(at.as_second())?.as_ref())?;
        builder.set_not_after(Asn1Time::from_unix(at.as_second().saturating_add(VALIDITY))?.as_ref())?;
        builder.set_pubkey(&key)?;
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        for extension in wanted(user, algorithm, subject.entries().next().is_none())? {
            builder.append_extension(extension)?;
        }
        let id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(id)?;
        builder.sign(&key, digest(algorithm))?;
        let x509: X509 = builder.build();
        let certificate = Certificate::from_x509(x509).map_err(|_| KeyError::Unwritable)?;
        Ok(Self { secret: Secret::Open(key), certificate: Some(certificate), chain: Vec::new() })
    }
}

fn generate(algorithm: Algorithm) -> Result<PKey<Private>, ErrorStack> {
    match algorithm {
        Algorithm::Rsa3072 => PKey::from_rsa(Rsa::generate(3072)?),
        Algorithm::Rsa4096 => PKey::from_rsa(Rsa::generate(4096)?),
        Algorithm::P256 => PKey::ec_gen("prime256v1"),
        Algorithm::P384 => PKey::ec_gen("secp384r1"),
    }
}

fn digest(algorithm: Algorithm) -> MessageDigest {
    match algorithm {
        Algorithm::P384 => MessageDigest::sha384(),
        _ => MessageDigest::sha256(),
    }
}

/// The common name: that of the user, else the address; none where it is too long for one.
fn subject(user: &Mailbox) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    let text = user.name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| user.address.to_string());
    if text.chars().count() <= LONGEST_NAME {
        name.append_entry_by_nid(Nid::COMMONNAME, &text)?;
    }
    Ok(name.build())
}

/// The address, and that the key signs mail and is encrypted to (RFC 8550, 4.4). The address must be looked at
/// where there is no subject (RFC 5280, 4.2.1.6).
fn wanted(user: &Mailbox, algorithm: Algorithm, alone: bool) -> Result<Vec<X509Extension>, KeyError> {
    let names = SubjectAltName(vec![general_name(&user.address).map_err(|_| KeyError::Unwritable)?]);
    let names = Asn1OctetString::new_from_bytes(&names.to_der().map_err(|_| KeyError::Unwritable)?)?;
    let kind = Asn1Object::from_str(&SUBJECT_ALT_NAME.to_string())?;
    let names = X509Extension::new_from_der(&kind, alone, &names)?;
    let mut usage = KeyUsage::new();
    usage.critical().digital_signature();
    match algorithm {
        Algorithm::Rsa3072 | Algorithm::Rsa4096 => usage.key_encipherment(),
        Algorithm::P256 | Algorithm::P384 => usage.key_agreement(),
    };
    Ok(vec![usage.build()?, ExtendedKeyUsage::new().email_protection().build()?, names])
}

/// What a certificate says of names and usage, as it says it; the rest is the authority's.
fn asked_again(certificate: &Certificate) -> Result<Vec<X509Extension>, KeyError> {
    let unwritable = |_| KeyError::Unwritable;
    let parsed = x509_cert::Certificate::from_der(&certificate.x509.to_der()?).map_err(unwritable)?;
    let wanted = parsed.tbs_certificate().extensions().into_iter().flatten();
    let wanted = wanted.filter(|one| [SUBJECT_ALT_NAME, KEY_USAGE, EXTENDED_KEY_USAGE].contains(&one.extn_id));
    wanted
        .map(|one| {
            let kind = Asn1Object::from_str(&one.extn_id.to_string())?;
            let value = Asn1OctetString::new_from_bytes(one.extn_value.as_bytes())?;
            Ok(X509Extension::new_from_der(&kind, one.critical, &value)?)
        })
        .collect()
}

fn general_name(address: &Address) -> der::Result<GeneralName> {
    let text = address.to_string();
    if address.needs_smtputf8() {
        let value = Any::encode_from(&Utf8StringRef::new(&text)?)?;
        return Ok(GeneralName::OtherName(OtherName { type_id: SMTP_UTF8_MAILBOX, value }));
    }
    Ia5String::new(&text).map(GeneralName::Rfc822Name)
}

/// A locked key that waits for its certificate, with the request for it.
#[derive(Clone, Debug)]
pub struct Waiting {
    key: Key,
    request: Vec<u8>,
    public: Vec<u8>,
    addresses: Vec<Address>,
}

impl Waiting {
    /// Puts a locked key and its request together.
    ///
    /// # Errors
    /// [`KeyError::NotLocked`]; [`KeyError::Unwritable`] if that is no request.
    pub fn new(key: Key, request: &str) -> Result<Self, KeyError> {
        Self::parse((key.to_pem()? + request).as_bytes()).map_err(|_| KeyError::Unwritable)
    }

    /// Reads what [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        let text = String::from_utf8_lossy(bytes);
        let blocks = pem::blocks(&text);
        let der = |label: &str| {
            let mut found = blocks.iter().filter(|block| block.label == label).map(|block| block.der.as_deref());
            found.next().flatten().filter(|_| found.next().is_none()).ok_or(CertificateError::Broken)
        };
        let key = Key {
            secret: Secret::Encrypted(der("ENCRYPTED PRIVATE KEY")?.clone()),
            certificate: None,
            chain: Vec::new(),
        };
        let request = der("CERTIFICATE REQUEST")?.clone();
        let broken = |_| CertificateError::Broken;
        let parsed = X509Req::from_der(&request).map_err(broken)?;
        let public = parsed.public_key().map_err(broken)?;
        if !parsed.verify(&public).map_err(broken)? {
            return Err(CertificateError::Broken);
        }
        let public = public.public_key_to_der().map_err(broken)?;
        let addresses = addresses(&request).unwrap_or_default();
        Ok(Self { key, request, public, addresses })
    }

    /// The PEM form: the locked key, then the request.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn to_pem(&self) -> Result<String, KeyError> {
        Ok(self.key.to_pem()? + &self.request())
    }

    /// The request in PEM, to be given to an authority.
    pub fn request(&self) -> String {
        pem::write("CERTIFICATE REQUEST", &self.request)
    }

    /// Its key, locked, without the request.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// SHA-256 of its public key (SubjectPublicKeyInfo).
    pub fn id(&self) -> Fingerprint {
        let digest = openssl::sha::sha256(&self.public);
        Fingerprint::of_digits(digest.iter().map(|byte| format!("{byte:02X}")).collect())
    }

    /// The addresses that it asks a certificate for.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Its algorithm in words.
    pub fn algorithms(&self) -> String {
        let Ok(public) = PKey::public_key_from_der(&self.public) else { return String::new() };
        let curve = public.ec_key().ok().and_then(|key: EcKey<_>| key.group().curve_name());
        match curve {
            Some(Nid::X9_62_PRIME256V1) => "EC P-256".to_owned(),
            Some(Nid::SECP384R1) => "EC P-384".to_owned(),
            _ => format!("RSA {}", public.bits()),
        }
    }

    /// The whole key, still locked, if its certificate is among some: one of its public key that names an address it asks
    /// for. Those `between` that stand behind it come along.
    pub fn complete(&self, certificates: &[Certificate], between: &[Certificate]) -> Option<Key> {
        let own = |one: &&Certificate| {
            let public = one.x509.public_key().and_then(|public| public.public_key_to_der());
            let named = PublicCertificate::addresses(*one, Timestamp::UNIX_EPOCH);
            let asked = self.addresses.is_empty() || self.addresses.iter().any(|address| named.contains(address));
            asked && public.is_ok_and(|public| public == self.public)
        };
        let own = certificates.iter().find(own)?.clone();
        let mut key = self.key.clone();
        key.take(own, between);
        Some(key)
    }
}

fn addresses(request: &[u8]) -> der::Result<Vec<Address>> {
    let request = CertReq::from_der(request)?;
    let mut found = Vec::new();
    for attribute in request.info.attributes.iter().filter(|attribute| attribute.oid == EXTENSION_REQUEST) {
        for value in attribute.values.iter() {
            let ExtensionReq(extensions) = value.decode_as()?;
            for extension in extensions.iter().filter(|extension| extension.extn_id == SUBJECT_ALT_NAME) {
                let SubjectAltName(names) = SubjectAltName::from_der(extension.extn_value.as_bytes())?;
                found.extend(names.iter().filter_map(address));
            }
        }
    }
    Ok(found)
}

fn address(name: &GeneralName) -> Option<Address> {
    match name {
        GeneralName::Rfc822Name(text) => Address::parse(text.as_str()).ok(),
        GeneralName::OtherName(other) if other.type_id == SMTP_UTF8_MAILBOX => {
            Address::parse(other.value.decode_as::<Utf8StringRef<'_>>().ok()?.as_str()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
