//! Signing (RFC 5652, 5; RFC 8551, 2.5): a SignedData whose content is digested as it passes by. What an agent signs is
//! looked at before it goes anywhere.

use der::{Decode, Sequence, asn1::ObjectIdentifier};
use jiff::{SignedDuration, Timestamp};
use openssl::{
    bn::{BigNum, BigNumContext, BigNumRef},
    ec::EcGroupRef,
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::{Hasher, MessageDigest, hash},
    pkey::{Id, KeyType, PKeyRef, Private, Public},
    rsa::Padding,
    sign::{RsaPssSaltlen, Verifier},
};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::super::{
    Capabilities, Certificate, Signer,
    agent_key::{Half, Lender},
    asn1::{
        der::{self as write, OCTET_STRING, SEQUENCE, SET, algorithm, context, element, sequence, set_of, small},
        oid,
    },
    seal::wrap::issuer_and_serial,
};
use crate::crypt::{AgentError, AgentFailure, MadeSignature};

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
    /// The agent that has the key did not sign.
    #[error(transparent)]
    Agent(#[from] Box<AgentFailure>),
    #[error(transparent)]
    Library(#[from] ErrorStack),
}

/// What a key signs with.
struct Scheme {
    digest: MessageDigest,
    digest_name: ObjectIdentifier,
    /// The number by which agents know it (RFC 9580, 9.5).
    digest_number: u8,
    micalg: &'static str,
    how: How,
    /// AlgorithmIdentifier.
    der: Vec<u8>,
}

enum How {
    /// RSA PKCS#1 v1.5.
    Rsa,
    /// ECDSA.
    Ecdsa(Fitted),
    /// RSASSA-PSS with a salt of this many bytes.
    Pss(i32),
    /// Ed25519, ML-DSA: without a digest of its own.
    Whole,
}

/// A signature in the making: the content is digested as it passes by.
pub(in crate::crypt::smime) struct Signing<'a> {
    signer: &'a Signer,
    public: &'a PKeyRef<Public>,
    scheme: Scheme,
    name: Vec<u8>,
    hasher: Hasher,
    at: Timestamp,
    /// Of the signature itself.
    length: usize,
}

/// ECDSA signatures of one length: r and s are numbers, and shorter by an octet as chance has it.
struct Fitted {
    order: BigNum,
    length: usize,
}

/// How often one is made until it has that length; on most curves nearly every one can have it.
const MOST_TRIES: usize = 100;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

impl<'a> Signing<'a> {
    /// Begins.
    pub(in crate::crypt::smime) fn new(signer: &'a Signer, at: Timestamp) -> Result<Self, Refusal> {
        let public = signer.certificate.public_key().ok_or(Refusal::Kind)?;
        let scheme = Scheme::of(public, &signer.certificate)?.ok_or(Refusal::Kind)?;
        let name = issuer_and_serial(&signer.certificate).ok_or(Refusal::Kind)?;
        let length = match &scheme.how {
            How::Ecdsa(fitted) => fitted.length,
            _ => public.size(),
        };
        Ok(Self { signer, public, hasher: Hasher::new(scheme.digest)?, scheme, name, at, length })
    }

    /// Takes some of the content.
    pub(in crate::crypt::smime) fn update(&mut self, content: &[u8]) -> Result<(), ErrorStack> {
        self.hasher.update(content)
    }

    /// A signature that is as long as the true one will be, and says nothing.
    pub(in crate::crypt::smime) fn blank(&self) -> Signature {
        self.around(self.attributes(&vec![0; self.scheme.digest.size()], self.at), &vec![0; self.length])
    }

    /// Signs what was taken.
    pub(in crate::crypt::smime) fn finish(mut self) -> Result<Signature, Refusal> {
        let digest = self.hasher.finish()?;
        let mut at = self.at;
        for _ in 0..MOST_TRIES {
            let attributes = self.attributes(&digest, at);
            let signed = set_of(SET, attributes.clone());
            let signature = match &self.signer.key {
                Half::Here(key) => self.scheme.sign(key, &signed)?,
                Half::Lent(lender) => self.scheme.sign_by(lender, self.public, &signed)?,
            };
            if let Some(signature) = signature {
                return match signature.len() == self.length {
                    true => Ok(self.around(attributes, &signature)),
                    false => Err(Refusal::Length),
                };
            }
            if self.signer.key.is_lent() {
                // Agents make the same signature of the same octets (RFC 6979). No reader doubts a time before now.
                at = at.checked_sub(SECOND).unwrap_or(at);
            }
        }
        Err(Refusal::Length)
    }

    fn attributes(&self, digest: &[u8], at: Timestamp) -> Vec<Vec<u8>> {
        let capabilities = match self.signer.key.is_lent() {
            true => Capabilities::of_agents(),
            false => Capabilities::ours(),
        };
        attributes(digest, &self.signer.certificate, &capabilities, at)
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
fn attributes(digest: &[u8], certificate: &Certificate, capabilities: &[u8], at: Timestamp) -> Vec<Vec<u8>> {
    let attribute = |name, value: &[u8]| sequence(&[&write::oid(name), &element(SET, &[value])]);
    let fingerprint = openssl::sha::sha256(&certificate.to_der());
    // SHA-256 is the default there.
    let by_hash = sequence(&[&element(OCTET_STRING, &[&fingerprint])]);
    vec![
        attribute(oid::CONTENT_TYPE, &write::oid(oid::DATA)),
        attribute(oid::MESSAGE_DIGEST, &element(OCTET_STRING, &[digest])),
        attribute(oid::SIGNING_TIME, &time(at)),
        attribute(oid::CAPABILITIES, capabilities),
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
    fn of(key: &PKeyRef<Public>, certificate: &Certificate) -> Result<Option<Self>, ErrorStack> {
        let sha512 = |der| Self::new(oid::SHA512, How::Whole, der);
        Ok(match key.id() {
            Id::RSA => Self::new(oid::SHA256, How::Rsa, algorithm(oid::RSA, write::NULL)),
            Id::RSA_PSS => Self::pss(certificate),
            Id::EC => {
                let curve = key.ec_key()?;
                // The digest that goes with the curve (RFC 5753, 8.1), by the bits of its order.
                let (digest, name) = match curve.group().order_bits() {
                    0..=256 => (oid::SHA256, oid::ECDSA_SHA256),
                    257..=384 => (oid::SHA384, oid::ECDSA_SHA384),
                    _ => (oid::SHA512, oid::ECDSA_SHA512),
                };
                Self::new(digest, How::Ecdsa(Fitted::on(curve.group())?), algorithm(name, &[]))
            }
            // RFC 8419, 3.1.
            Id::ED25519 => sha512(algorithm(oid::ED25519, &[])),
            // RFC 9882, 3.3.
            _ if key.is_a(KeyType::ML_DSA_44) => sha512(algorithm(oid::ML_DSA_44, &[])),
            _ if key.is_a(KeyType::ML_DSA_65) => sha512(algorithm(oid::ML_DSA_65, &[])),
            _ if key.is_a(KeyType::ML_DSA_87) => sha512(algorithm(oid::ML_DSA_87, &[])),
            _ => None,
        })
    }

    fn new(digest_name: ObjectIdentifier, how: How, der: Vec<u8>) -> Option<Self> {
        let (digest, digest_number, micalg) = match digest_name {
            oid::SHA256 => (MessageDigest::sha256(), 8, "sha-256"),
            oid::SHA384 => (MessageDigest::sha384(), 9, "sha-384"),
            oid::SHA512 => (MessageDigest::sha512(), 10, "sha-512"),
            _ => return None,
        };
        Some(Self { digest, digest_name, digest_number, micalg, how, der })
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

    /// Signs; none if the signature has not the length that it is to have.
    fn sign(&self, key: &PKeyRef<Private>, bytes: &[u8]) -> Result<Option<Vec<u8>>, ErrorStack> {
        let mut signer = match self.how {
            How::Whole => openssl::sign::Signer::new_without_digest(key)?,
            How::Rsa | How::Ecdsa(_) | How::Pss(_) => openssl::sign::Signer::new(self.digest, key)?,
        };
        if let How::Pss(salt) = self.how {
            signer.set_rsa_padding(Padding::PKCS1_PSS)?;
            signer.set_rsa_mgf1_md(self.digest)?;
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt))?;
        }
        self.fitted(signer.sign_oneshot_to_vec(bytes)?)
    }

    /// The same by an agent. A message that nobody can verify must not go out.
    fn sign_by(&self, lender: &Lender, key: &PKeyRef<Public>, bytes: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let wrong = || lender.failure(AgentError::OtherKey);
        let made = lender.sign(self.digest_number, &hash(self.digest, bytes)?)?;
        let signature = match (&self.how, &made) {
            (How::Rsa, MadeSignature::Rsa(number)) => {
                let length = i32::try_from(key.size()).map_err(|_| Refusal::Kind)?;
                BigNum::from_slice(number)?.to_vec_padded(length).map_err(|_| wrong())?
            }
            (How::Ecdsa(_), MadeSignature::Ecdsa(r, s)) => {
                EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()?
            }
            _ => return Err(wrong().into()),
        };
        match Verifier::new(self.digest, key)?.verify_oneshot(&signature, bytes) {
            Ok(true) => Ok(self.fitted(signature)?),
            Ok(false) | Err(_) => Err(wrong().into()),
        }
    }

    /// In the length that it is to have; none if it has another.
    fn fitted(&self, signature: Vec<u8>) -> Result<Option<Vec<u8>>, ErrorStack> {
        let How::Ecdsa(fitted) = &self.how else { return Ok(Some(signature)) };
        let made = EcdsaSig::from_der(&signature)?;
        fitted.write(made.r(), made.s())
    }
}

impl Fitted {
    /// By the order of the group. Where numbers below it fill octets, one with the highest bit is long, since it needs a
    /// zero before it (X.690, 8.3). Of s and its negative the smaller one is always short, the other the more often long
    /// the further the order is from a power of two. From its square root on, more signatures can have a long number and
    /// a short one; below, two short ones.
    fn on(group: &EcGroupRef) -> Result<Self, ErrorStack> {
        let mut order = BigNum::new()?;
        group.order(&mut order, &mut *BigNumContext::new()?)?;
        let bits = group.order_bits() as usize;
        let full = bits / 8 + 1;
        let numbers = match order.to_vec()[..] {
            _ if !bits.is_multiple_of(8) => [full, full],
            // The square root of two is 0xB504F3 / 0x800000.
            [first, second, ..] if (first, second) > (0xB5, 0x04) => [full, full - 1],
            _ => [full - 1, full - 1],
        };
        let [r, s] = numbers.map(|octets| element(0x02, &[&vec![0; octets]]));
        let length = sequence(&[&r, &s]).len();
        Ok(Self { order, length })
    }

    /// Ecdsa-Sig-Value (RFC 3279, 2.2.3). In the place of s its negative is as good (SEC 1, 4.1.4).
    fn write(&self, r: &BigNumRef, s: &BigNumRef) -> Result<Option<Vec<u8>>, ErrorStack> {
        let mut negative = BigNum::new()?;
        negative.checked_sub(&self.order, s)?;
        for s in [s, &negative] {
            let written = EcdsaSig::from_private_components(r.to_owned()?, s.to_owned()?)?.to_der()?;
            if written.len() == self.length {
                return Ok(Some(written));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use openssl::{
        ec::{EcGroup, EcKey},
        nid::Nid,
    };

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

    #[test]
    fn most_signatures_have_the_one_length_whatever_the_order_of_the_curve() {
        for (curve, at_least) in [
            (Nid::X9_62_PRIME256V1, 95),
            (Nid::SECP384R1, 95),
            (Nid::SECP521R1, 60),
            (Nid::BRAINPOOL_P256R1, 60),
            (Nid::BRAINPOOL_P384R1, 80),
            (Nid::BRAINPOOL_P512R1, 60),
            (Nid::SECT233K1, 95),
        ] {
            let group = EcGroup::from_curve_name(curve).unwrap();
            let (key, fitted) = (EcKey::generate(&group).unwrap(), Fitted::on(&group).unwrap());
            let fits = |number: &u8| {
                let digest = [*number; 28];
                let made = EcdsaSig::sign(&digest, &key).unwrap();
                let Some(written) = fitted.write(made.r(), made.s()).unwrap() else { return false };
                assert_eq!(written.len(), fitted.length);
                EcdsaSig::from_der(&written).unwrap().verify(&digest, &key).unwrap()
            };
            let count = (0..200).filter(fits).count() / 2;
            assert!(count >= at_least, "{curve:?}: {count} of 100");
        }
    }
}
