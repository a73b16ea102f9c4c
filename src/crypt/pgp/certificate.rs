//! Certificates: reading, writing and describing the public half (RFC 9580, 10.1).

use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::{
    Cert,
    cert::{Preferences, prelude::*},
    parse::Parse,
    serialize::SerializeInto,
    types::RevocationStatus,
};

use super::{
    Fingerprint, PublicCertificate,
    armor::{self, Kind},
    policy,
};
use crate::mail::Address;

/// A certificate: the public half alone.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) cert: Cert,
}

/// Why bytes are no certificates, or no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Nothing there.
    #[error("the input is empty")]
    Empty,
    /// Larger than any keyring that is read here; the limit in bytes.
    #[error("the input is larger than {0} bytes")]
    TooLarge(usize),
    /// Something else, named.
    #[error("this is not an OpenPGP certificate or key but {0}")]
    SomethingElse(&'static str),
    /// It looks like a certificate and cannot be read.
    #[error("the OpenPGP certificate cannot be read")]
    Broken,
    /// A certificate where a key is due: it has no secret half.
    #[error("certificate {0} has no secret half")]
    NoSecret(Fingerprint),
    /// Two certificates that are not the same.
    #[error("certificate {0} is not certificate {1}")]
    NotTheSame(Fingerprint, Fingerprint),
}

/// One key of a certificate, to be shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeyDescription {
    /// Of this key.
    pub fingerprint: Fingerprint,
    /// `Ed25519`, `RSA 3072` and so on.
    pub algorithm: String,
    /// `certify`, `sign`, `encrypt`, `authenticate`; empty when nothing binds it.
    pub flags: Vec<&'static str>,
    /// When it was made.
    #[serde(serialize_with = "rfc3339")]
    pub created: Timestamp,
    /// When it expires.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub expires: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl Certificate {
    /// Reads every certificate in some bytes: binary, armored, several armor blocks, keyrings. Secret halves are
    /// dropped.
    ///
    /// # Errors
    /// [`CertificateError`], saying what it was if it was no certificate.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        Ok(parse_certs(bytes)?.into_iter().map(Self::of).collect())
    }

    /// The same one after another, since a parsed certificate takes twenty times the room of its bytes.
    ///
    /// # Errors
    /// As for [`Certificate::parse_all`].
    pub fn parse_each(bytes: &[u8]) -> Result<impl Iterator<Item = Self>, CertificateError> {
        Ok(each_cert(bytes)?.map(Self::of))
    }

    pub(super) fn of(cert: Cert) -> Self {
        Self { cert: cert.strip_secret_key_material() }
    }

    /// The binary form, without local signatures.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.cert.export_to_vec().unwrap_or_default()
    }

    /// The binary form with local signatures too, for a store that other programs share; never to be sent.
    ///
    /// # Errors
    /// [`CertificateError::Broken`].
    pub fn to_stored_bytes(&self) -> Result<Vec<u8>, CertificateError> {
        self.cert.to_vec().map_err(|_| CertificateError::Broken)
    }

    /// The armored form; nothing in it names a program.
    pub fn to_armored(&self) -> String {
        armor::write(Kind::PublicKey, &self.to_bytes(), self.version() == 4)
    }

    /// All user IDs, valid or not, as text: what is not UTF-8 is replaced, control characters are as they are.
    pub fn user_ids(&self) -> Vec<String> {
        self.cert.userids().map(|u| String::from_utf8_lossy(u.userid().value()).into_owned()).collect()
    }

    /// The addresses of all its user IDs, valid or not; one that is named twice stands twice.
    pub fn emails(&self) -> Vec<Address> {
        self.cert.userids().filter_map(|user_id| email(user_id.userid().value())).collect()
    }

    /// When it was revoked, if it is, as seen at a time; `Some(None)` if the revocation has no date.
    pub fn revoked(&self, at: Timestamp) -> Option<Option<Timestamp>> {
        policy::revoked(&self.cert, at)
    }

    /// Key version: 4 (RFC 4880) or 6 (RFC 9580).
    pub fn version(&self) -> u8 {
        self.cert.primary_key().key().version()
    }

    /// Whether one of its keys may sign at a time.
    pub fn signs(&self, at: Timestamp) -> bool {
        let strict = policy::strict(at);
        let valid = self.cert.keys().with_policy(&strict, policy::system_time(at)).supported().alive().revoked(false);
        policy::check_certificate(&self.cert, at).is_ok() && valid.for_signing().next().is_some()
    }

    /// Whether it says that it reads SEIPDv2 (RFC 9580, 5.2.3.32).
    pub fn reads_seipdv2(&self, at: Timestamp) -> bool {
        let strict = policy::strict(at);
        self.cert
            .with_policy(&strict, policy::system_time(at))
            .ok()
            .and_then(|valid| valid.features())
            .is_some_and(|features| features.supports_seipdv2())
    }

    /// Its keys as seen at a time, the primary key first.
    pub fn keys(&self, at: Timestamp) -> Vec<KeyDescription> {
        let (lenient, time) = (policy::lenient(at), policy::system_time(at));
        let describe = |key: ErasedKeyAmalgamation<'_, openpgp::packet::key::PublicParts>| {
            let bound = key.clone().with_policy(&lenient, time).ok();
            KeyDescription {
                fingerprint: policy::fingerprint(&key.key().fingerprint()),
                algorithm: policy::describe(key.key()),
                flags: bound.as_ref().map(flags).unwrap_or_default(),
                created: policy::timestamp(key.key().creation_time()),
                expires: bound.as_ref().and_then(|b| b.key_expiration_time()).map(policy::timestamp),
                revoked: bound.is_some_and(|b| matches!(b.revocation_status(), RevocationStatus::Revoked(_))),
            }
        };
        self.cert.keys().map(describe).collect()
    }

    /// What of it is about one address: its keys, with the user IDs that are of the address and no others.
    pub fn limited_to(self, address: &Address) -> Self {
        let of_address = |user_id: &[u8]| email(user_id).is_some_and(|named| named == *address);
        let cert = self.cert.retain_userids(|one| of_address(one.userid().value())).retain_user_attributes(|_| false);
        Self { cert }
    }

    /// Joins what two copies of one certificate say.
    ///
    /// # Errors
    /// [`CertificateError::NotTheSame`].
    pub fn merge(self, other: Self) -> Result<Self, CertificateError> {
        let (mine, theirs) = (self.fingerprint(), other.fingerprint());
        let cert = self.cert.merge_public(other.cert).map_err(|_| CertificateError::NotTheSame(mine, theirs))?;
        Ok(Self { cert })
    }
}

impl PublicCertificate for Certificate {
    fn fingerprint(&self) -> Fingerprint {
        policy::fingerprint_of(&self.cert)
    }

    fn addresses(&self, at: Timestamp) -> Vec<Address> {
        addresses(&self.cert, at)
    }

    /// When its primary key was made.
    fn created(&self) -> Timestamp {
        policy::timestamp(self.cert.primary_key().key().creation_time())
    }

    fn algorithms(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for key in self.cert.keys() {
            let name = policy::describe(key.key());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(", ")
    }

    /// Whether a key of it is RSA under 3072 bits (warning `weak-key`).
    fn weak_key(&self) -> bool {
        self.cert.keys().any(|key| policy::aging(key.key()))
    }

    /// Never: what is renewed keeps its fingerprint, and another one may be anybody's.
    fn renews_or_is_renewed_by(&self, _other: &Self) -> bool {
        false
    }

    fn expires(&self, at: Timestamp) -> Option<Timestamp> {
        let strict = policy::strict(at);
        let own = self
            .cert
            .with_policy(&strict, policy::system_time(at))
            .ok()
            .and_then(|valid| valid.primary_key().key_expiration_time());
        let keys = policy::encryption_keys(&self.cert, at);
        // Of several encryption keys the last to expire counts; one that never does outlives all.
        let best = if keys.iter().any(|key| key.expires.is_none()) {
            None
        } else {
            keys.iter().filter_map(|key| key.expires).max()
        };
        own.into_iter().chain(best).min().map(policy::timestamp)
    }
}

/// The addresses that a certificate, or a key, validly names at a time.
pub(super) fn addresses(cert: &Cert, at: Timestamp) -> Vec<Address> {
    let strict = policy::strict(at);
    let Ok(valid) = cert.with_policy(&strict, policy::system_time(at)) else { return Vec::new() };
    let mut addresses: Vec<Address> = Vec::new();
    for user_id in valid.userids().revoked(false) {
        let address = email(user_id.userid().value());
        if let Some(address) = address.filter(|address| !addresses.contains(address)) {
            addresses.push(address);
        }
    }
    addresses
}

/// The address of a user ID.
fn email(user_id: &[u8]) -> Option<Address> {
    match plain_email(user_id) {
        Some(email) => Address::parse(email).ok(),
        None => {
            let user_id = openpgp::packet::UserID::from(user_id);
            user_id.email().ok().flatten().and_then(|text| Address::parse(text).ok())
        }
    }
}

/// The address of a user ID that can be read in one way only: `Name <user@host>` or `user@host`, of letters, digits
/// and single separators. For all others there is the library, which compiles large regular expressions first:
/// that takes as long as sealing a short message.
fn plain_email(user_id: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(user_id).ok()?;
    let email = match text.strip_suffix('>') {
        None => text,
        Some(rest) => {
            let (name, email) = rest.split_once('<')?;
            let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if let Some(words) = name.strip_suffix(' ') {
                words.split(' ').all(plain).then_some(())?;
            } else if !name.is_empty() {
                return None;
            }
            email
        }
    };
    let plain = |text: &str| {
        text.split(['.', '-']).all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    let (local, domain) = email.split_once('@')?;
    (plain(local) && plain(domain) && domain.contains('.')).then_some(email)
}

fn flags(key: &ValidErasedKeyAmalgamation<'_, openpgp::packet::key::PublicParts>) -> Vec<&'static str> {
    [
        (key.for_certification(), "certify"),
        (key.for_signing(), "sign"),
        (key.for_transport_encryption() || key.for_storage_encryption(), "encrypt"),
        (key.for_authentication(), "authenticate"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

/// More than any keyring that people pass around.
const MOST: usize = 256 << 20;

/// Reads certificates with what secret halves they have.
pub(super) fn parse_certs(bytes: &[u8]) -> Result<Vec<Cert>, CertificateError> {
    let mut certs: Vec<Cert> = each_cert(bytes)?.collect();
    certs.shrink_to_fit();
    Ok(certs)
}

/// The same one after another. What cannot be read among them is passed over.
fn each_cert(bytes: &[u8]) -> Result<impl Iterator<Item = Cert>, CertificateError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(CertificateError::Empty);
    }
    if bytes.len() > MOST {
        return Err(CertificateError::TooLarge(MOST));
    }
    let mut blocks = armor::blocks(bytes);
    let holds_certs = |block: &&[u8]| matches!(armor::kind(block), Some(Kind::PublicKey | Kind::SecretKey));
    let other = match blocks.iter().find(|block| !holds_certs(block)) {
        Some(block) => Some(name(armor::kind(block))),
        None if blocks.is_empty() => binary_name(bytes),
        None => None,
    };
    if blocks.is_empty() {
        blocks.push(bytes);
    } else {
        blocks.retain(|block| holds_certs(block));
    }
    let certs = blocks.into_iter().flat_map(CertParser::from_bytes).flatten().flatten();
    let mut certs = certs.peekable();
    match certs.peek() {
        Some(_) => Ok(certs),
        None => Err(other.map_or(CertificateError::Broken, CertificateError::SomethingElse)),
    }
}

fn name(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Message) => "an OpenPGP message",
        Some(Kind::Signature) => "an OpenPGP signature",
        _ => "another kind of armored data",
    }
}

/// What bytes without OpenPGP armor are, if they are no certificate.
fn binary_name(bytes: &[u8]) -> Option<&'static str> {
    let contains = |needle: &[u8]| bytes.windows(needle.len()).take(1 << 16).any(|window| window == needle);
    if contains(b"-----BEGIN CERTIFICATE-----") {
        return Some("an X.509 certificate");
    }
    if contains(b"PRIVATE KEY-----") {
        return Some("a private key in PEM");
    }
    if contains(b"-----BEGIN ") {
        return Some("a PEM file of another kind");
    }
    match bytes.first() {
        // X.509 and PKCS#12 begin with an ASN.1 SEQUENCE.
        Some(0x30) => Some("a DER file such as X.509 or PKCS#12"),
        Some(first) if first & 0x80 == 0 => Some("text or data of another kind"),
        Some(first) => match if first & 0x40 != 0 { first & 0x3f } else { (first & 0x3c) >> 2 } {
            1 | 3 | 9 | 18 | 20 => Some("an encrypted OpenPGP message"),
            2 => Some("an OpenPGP signature"),
            4 | 8 | 11 => Some("an OpenPGP message"),
            5 | 6 => None,
            _ => Some("text or data of another kind"),
        },
        None => None,
    }
}

fn rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn rfc3339_or_null<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn plain_user_ids_are_read_as_the_library_reads_them(
            text in r"(([A-Za-z0-9.,()-]{1,3} ){0,2}<)?[a-z0-9.@+_-]{0,4}@?[a-z0-9-]{0,3}(\.[a-z0-9]{0,3}){0,2}>{0,2}",
        ) {
            if let Some(email) = plain_email(text.as_bytes()) {
                let user_id = openpgp::packet::UserID::from(text.as_str());
                proptest::prop_assert_eq!(user_id.email().ok().flatten(), Some(email));
            }
        }
    }
}
