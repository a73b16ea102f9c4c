//! Signing (RFC 5652, 5; RFC 8551, 2.5): a SignedData whose content is digested as it passes by.

use der::{Decode, Sequence, asn1::ObjectIdentifier};
use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    hash::{Hasher, MessageDigest},
    pkey::{Id, KeyType, PKeyRef, Private},
    rsa::Padding,
    sign::RsaPssSaltlen,
};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::super::{
    Capabilities, Certificate, Signer,
    asn1::{
        der::{self as write, OCTET_STRING, SEQUENCE, SET, algorithm, context, element, sequence, set_of, small},
        oid,
    },
    seal::wrap::issuer_and_serial,
};

/// A signature of some content, not yet in its place.
pub(in crate::crypt::smime) struct Signature {
    /// The name of its digest in multipart/signed (RFC 8551, 3.5.3.2).
    pub micalg: &'static str,
    digests: Vec<u8>,
    certificates: Vec<u8>,
    signers: Vec<u8>,
}

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub(in crate::crypt::smime) enum Refusal {
    #[error("the key is of no kind that signs here")]
    Kind,
    /// Its signatures have not the length that they were to have.
    #[error("the key's signatures differ in length")]
    Length,
    #[error(transparent)]
    Library(#[from] ErrorStack),
}

/// What a key signs with.
struct Scheme {
    digest: MessageDigest,
    digest_name: ObjectIdentifier,
    micalg: &'static str,
    how: How,
    /// AlgorithmIdentifier.
    der: Vec<u8>,
}

enum How {
    /// RSA PKCS#1 v1.5, ECDSA.
    Digested,
    /// RSASSA-PSS with a salt of this many bytes.
    Pss(i32),
    /// Ed25519, ML-DSA: without a digest of its own.
    Whole,
}

/// A signature in the making: the content is digested as it passes by.
pub(in crate::crypt::smime) struct Signing<'a> {
    signer: &'a Signer,
    scheme: Scheme,
    name: Vec<u8>,
    hasher: Hasher,
    at: Timestamp,
    /// Of the signature itself.
    length: usize,
    tries: usize,
}

/// How many ECDSA signatures tell what length is usual: they differ by an octet or two, as chance has it, and seldom by
/// more. And how often one is made until it has that length: every second or fourth has.
const TRIALS: usize = 5;
const MOST_TRIES: usize = 4096;

impl<'a> Signing<'a> {
    /// Begins.
    pub(in crate::crypt::smime) fn new(signer: &'a Signer, at: Timestamp) -> Result<Self, Refusal> {
        let scheme = Scheme::of(&signer.key, &signer.certificate).ok_or(Refusal::Kind)?;
        let name = issuer_and_serial(&signer.certificate).ok_or(Refusal::Kind)?;
        let (length, tries) = match signer.key.id() {
            Id::EC => {
                let trial = |_| Ok(scheme.sign(&signer.key, &[])?.len());
                let mut lengths = (0..TRIALS).map(trial).collect::<Result<Vec<_>, ErrorStack>>()?;
                lengths.sort_unstable();
                (lengths[TRIALS / 2], MOST_TRIES)
            }
            _ => (signer.key.size(), 1),
        };
        Ok(Self { signer, hasher: Hasher::new(scheme.digest)?, scheme, name, at, length, tries })
    }

    /// Takes some of the content.
    pub(in crate::crypt::smime) fn update(&mut self, content: &[u8]) -> Result<(), ErrorStack> {
        self.hasher.update(content)
    }

    /// A signature that is as long as the true one will be, and says nothing.
    pub(in crate::crypt::smime) fn blank(&self) -> Signature {
        self.around(self.attributes(&vec![0; self.scheme.digest.size()]), &vec![0; self.length])
    }

    /// Signs what was taken.
    pub(in crate::crypt::smime) fn finish(mut self) -> Result<Signature, Refusal> {
        let digest = self.hasher.finish()?;
        let attributes = self.attributes(&digest);
        let signed = set_of(SET, attributes.clone());
        for _ in 0..self.tries {
            let signature = self.scheme.sign(&self.signer.key, &signed)?;
            if signature.len() == self.length {
                return Ok(self.around(attributes, &signature));
            }
        }
        Err(Refusal::Length)
    }

    fn attributes(&self, digest: &[u8]) -> Vec<Vec<u8>> {
        attributes(digest, &self.signer.certificate, self.at)
    }

    fn around(&self, attributes: Vec<Vec<u8>>, signature: &[u8]) -> Signature {
        // RFC 5754, 2: no parameters.
        let digest = algorithm(self.scheme.digest_name, &[]);
        let info = sequence(&[
            &small(1),
            &self.name,
            &digest,
            &set_of(context(0), attributes),
            &self.scheme.der,
            &element(OCTET_STRING, &[signature]),
        ]);
        Signature {
            micalg: self.scheme.micalg,
            digests: set_of(SET, vec![digest]),
            certificates: set_of(context(0), sent_along(self.signer)),
            signers: set_of(SET, vec![info]),
        }
    }
}

impl Signature {
    /// SignedData without its content.
    pub(in crate::crypt::smime) fn detached(&self) -> Vec<u8> {
        self.content_info(&sequence(&[&write::oid(oid::DATA)]), 0)
    }

    /// What stands before and behind a content of some bytes within SignedData.
    pub(in crate::crypt::smime) fn around(&self, content: usize) -> (Vec<u8>, Vec<u8>) {
        let octets = write::begin(OCTET_STRING, &[], content);
        let explicit = write::begin(context(0), &[&octets], content);
        let encapsulated = write::begin(SEQUENCE, &[&write::oid(oid::DATA), &explicit], content);
        let mut before = self.content_info(&encapsulated, content);
        let after = before.split_off(before.len() - self.certificates.len() - self.signers.len());
        (before, after)
    }

    fn content_info(&self, encapsulated: &[u8], content: usize) -> Vec<u8> {
        let parts = [&small(1), self.digests.as_slice(), encapsulated, &self.certificates, &self.signers];
        let signed = write::begin(SEQUENCE, &parts, content);
        let explicit = write::begin(context(0), &[&signed], content);
        write::begin(SEQUENCE, &[&write::oid(oid::SIGNED_DATA), &explicit], content)
    }
}

/// The signed attributes (RFC 8551, 2.5; RFC 5652, 11; RFC 5035, 3).
fn attributes(digest: &[u8], certificate: &Certificate, at: Timestamp) -> Vec<Vec<u8>> {
    let attribute = |name, value: &[u8]| sequence(&[&write::oid(name), &element(SET, &[value])]);
    let fingerprint = openssl::sha::sha256(&certificate.to_der());
    // SHA-256 is the default there.
    let by_hash = sequence(&[&element(OCTET_STRING, &[&fingerprint])]);
    vec![
        attribute(oid::CONTENT_TYPE, &write::oid(oid::DATA)),
        attribute(oid::MESSAGE_DIGEST, &element(OCTET_STRING, &[digest])),
        attribute(oid::SIGNING_TIME, &time(at)),
        attribute(oid::CAPABILITIES, &Capabilities::ours()),
        attribute(oid::SIGNING_CERTIFICATE_V2, &sequence(&[&sequence(&[&by_hash])])),
    ]
}

/// UTCTime from 1950 through 2049, else GeneralizedTime (RFC 5652, 11.3).
fn time(at: Timestamp) -> Vec<u8> {
    let year = jiff::tz::Offset::UTC.to_datetime(at).year();
    if (1950..2050).contains(&year) {
        element(write::UTC_TIME, &[at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()])
    } else {
        element(write::GENERALIZED_TIME, &[at.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()])
    }
}

/// The signer's certificate and those between it and its root.
fn sent_along(signer: &Signer) -> Vec<Vec<u8>> {
    let is_root = |certificate: &Certificate| {
        let (issuer, subject) = (certificate.x509.issuer_name(), certificate.x509.subject_name());
        issuer.try_cmp(subject).is_ok_and(std::cmp::Ordering::is_eq)
    };
    let between = signer.chain.iter().filter(|certificate| !is_root(certificate));
    std::iter::once(&signer.certificate).chain(between).map(Certificate::to_der).collect()
}

/// RSASSA-PSS-params (RFC 4055, 3.1).
#[derive(Sequence)]
struct PssParameters<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt: Option<u16>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

impl Scheme {
    fn of(key: &PKeyRef<Private>, certificate: &Certificate) -> Option<Self> {
        let sha256 = |how, der| Self::new(oid::SHA256, how, der);
        let sha512 = |der| Self::new(oid::SHA512, How::Whole, der);
        match key.id() {
            Id::RSA => sha256(How::Digested, algorithm(oid::RSA, write::NULL)),
            Id::RSA_PSS => Self::pss(certificate),
            Id::EC => {
                // The digest that goes with the curve (RFC 5753, 8.1), by the bits of its order.
                match key.ec_key().ok()?.group().order_bits() {
                    0..=256 => sha256(How::Digested, algorithm(oid::ECDSA_SHA256, &[])),
                    257..=384 => Self::new(oid::SHA384, How::Digested, algorithm(oid::ECDSA_SHA384, &[])),
                    _ => Self::new(oid::SHA512, How::Digested, algorithm(oid::ECDSA_SHA512, &[])),
                }
            }
            // RFC 8419, 3.1.
            Id::ED25519 => sha512(algorithm(oid::ED25519, &[])),
            // RFC 9882, 3.3.
            _ if key.is_a(KeyType::ML_DSA_44) => sha512(algorithm(oid::ML_DSA_44, &[])),
            _ if key.is_a(KeyType::ML_DSA_65) => sha512(algorithm(oid::ML_DSA_65, &[])),
            _ if key.is_a(KeyType::ML_DSA_87) => sha512(algorithm(oid::ML_DSA_87, &[])),
            _ => None,
        }
    }

    fn new(digest_name: ObjectIdentifier, how: How, der: Vec<u8>) -> Option<Self> {
        let (digest, micalg) = match digest_name {
            oid::SHA256 => (MessageDigest::sha256(), "sha-256"),
            oid::SHA384 => (MessageDigest::sha384(), "sha-384"),
            oid::SHA512 => (MessageDigest::sha512(), "sha-512"),
            _ => return None,
        };
        Some(Self { digest, digest_name, micalg, how, der })
    }

    /// As the certificate prescribes (RFC 4055, 3.3), else with SHA-256.
    fn pss(certificate: &Certificate) -> Option<Self> {
        let key = certificate.x509.public_key().and_then(|key| key.public_key_to_der()).ok()?;
        let named = SubjectPublicKeyInfoRef::from_der(&key).ok()?.algorithm;
        let Some(prescribed) = named.parameters else {
            let hash = algorithm(oid::SHA256, write::NULL);
            let mask = algorithm(oid::MGF1, &hash);
            let salt = element(0x02, &[&[32]]);
            let parts = [element(context(0), &[&hash]), element(context(1), &[&mask]), element(context(2), &[&salt])];
            return Self::new(oid::SHA256, How::Pss(32), algorithm(oid::RSA_PSS, &sequence(&[&parts.concat()])));
        };
        let prescribed: PssParameters<'_> = prescribed.decode_as().ok()?;
        let hash = prescribed.hash?.oid;
        let mask = prescribed.mask?;
        let mask_hash: AlgorithmIdentifierRef<'_> = mask.parameters?.decode_as().ok()?;
        if mask.oid != oid::MGF1 || mask_hash.oid != hash || prescribed.trailer.is_some_and(|trailer| trailer != 1) {
            return None;
        }
        let der = der::Encode::to_der(&named).ok()?;
        Self::new(hash, How::Pss(prescribed.salt.unwrap_or(20).into()), der)
    }

    fn sign(&self, key: &PKeyRef<Private>, bytes: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut signer = match self.how {
            How::Whole => openssl::sign::Signer::new_without_digest(key)?,
            How::Digested | How::Pss(_) => openssl::sign::Signer::new(self.digest, key)?,
        };
        if let How::Pss(salt) = self.how {
            signer.set_rsa_padding(Padding::PKCS1_PSS)?;
            signer.set_rsa_mgf1_md(self.digest)?;
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt))?;
        }
        signer.sign_oneshot_to_vec(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_written_as_their_century_wants() {
        let written = |text: &str| time(text.parse().unwrap());
        assert_eq!(written("2026-11-24T12:00:07Z"), b"\x17\x0d261124120007Z");
        assert_eq!(written("2049-12-31T23:59:59Z"), b"\x17\x0d491231235959Z");
        assert_eq!(written("2050-01-01T00:00:00Z"), b"\x18\x0f20500101000000Z");
        assert_eq!(written("1950-01-01T00:00:00Z"), b"\x17\x0d500101000000Z");
        assert_eq!(written("1949-12-31T23:59:59Z"), b"\x18\x0f19491231235959Z");
        // Fractions are cut.
        assert_eq!(written("2026-11-24T12:00:07.9Z"), b"\x17\x0d261124120007Z");
    }
}
