//! Digest and signature algorithms of CMS, verified by the crypto library (RFC 3370, 5754, 4056, 8419, 9882).

use openssl::{
    hash::{MessageDigest, hash},
    md::{Md, MdRef},
    nid::Nid,
    pkey::{Id, PKeyRef, Public},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    sign::{RsaPssSaltlen, Verifier},
};

use super::super::asn1::{
    Algorithm,
    ber::{Cursor, Element, tag},
    oid,
};

/// The digests of some bytes, each counted once.
pub(in crate::crypt::smime) struct Digests<'a> {
    content: &'a [u8],
    counted: Vec<(Nid, Vec<u8>)>,
}

impl<'a> Digests<'a> {
    pub(in crate::crypt::smime) fn new(content: &'a [u8]) -> Self {
        Self { content, counted: Vec::new() }
    }

    pub(in crate::crypt::smime) fn content(&self) -> &'a [u8] {
        self.content
    }

    /// None if the algorithm is not known.
    pub(in crate::crypt::smime) fn of(&mut self, algorithm: &Algorithm<'_>) -> Option<&[u8]> {
        self.by(digest(algorithm.oid)?)
    }

    fn by(&mut self, digest: MessageDigest) -> Option<&[u8]> {
        let index = match self.counted.iter().position(|(known, _)| *known == digest.type_()) {
            Some(index) => index,
            None => {
                self.counted.push((digest.type_(), hash(digest, self.content).ok()?.to_vec()));
                self.counted.len() - 1
            }
        };
        self.counted.get(index).map(|(_, digest)| digest.as_slice())
    }
}

/// A digest by the contents octets of its identifier.
pub(in crate::crypt::smime) fn digest(oid: &[u8]) -> Option<MessageDigest> {
    let known = [
        (oid::MD5, MessageDigest::md5()),
        (oid::SHA1, MessageDigest::sha1()),
        (oid::SHA224, MessageDigest::sha224()),
        (oid::SHA256, MessageDigest::sha256()),
        (oid::SHA384, MessageDigest::sha384()),
        (oid::SHA512, MessageDigest::sha512()),
    ];
    known.into_iter().find(|(known, _)| known.as_bytes() == oid).map(|(_, digest)| digest)
}

/// How a signature is made.
enum Scheme {
    Pkcs1(MessageDigest),
    Pss {
        digest: MessageDigest,
        mask: MessageDigest,
        salt: i32,
    },
    /// ECDSA and DSA.
    Plain(MessageDigest),
    /// Ed25519, Ed448, ML-DSA: over the bytes themselves.
    Pure,
}

/// The largest public exponent of RSA, in bits: one as long as the modulus makes verifying as dear as signing.
const MOST_EXPONENT_BITS: i32 = 64;

fn exponent_bits(key: &PKeyRef<Public>) -> Option<i32> {
    key.rsa().ok().map(|key| key.e().num_bits())
}

/// Verifies a signature.
///
/// # Errors
/// What is wrong, in words.
pub(in crate::crypt::smime) fn verify(
    key: &PKeyRef<Public>,
    algorithm: &Algorithm<'_>,
    digest: &Algorithm<'_>,
    signature: &[u8],
    covered: &mut Digests<'_>,
) -> Result<(), &'static str> {
    if exponent_bits(key).is_some_and(|bits| bits > MOST_EXPONENT_BITS) {
        return Err("the public exponent of its certificate's key is too large");
    }
    let scheme = Scheme::read(key, algorithm, digest)?;
    match scheme.holds(key, signature, covered) {
        Some(true) => Ok(()),
        _ => Err("the signature does not fit the key of its certificate"),
    }
}

impl Scheme {
    fn read(key: &PKeyRef<Public>, algorithm: &Algorithm<'_>, stated: &Algorithm<'_>) -> Result<Self, &'static str> {
        const UNKNOWN: &str = "its signature algorithm is not known";
        const FOREIGN: &str = "its signature algorithm is not that of the key";
        const OTHER: &str = "it names two digest algorithms";
        let stated = self::digest(stated.oid).ok_or("its digest algorithm is not known")?;
        let (kind, fixed) =
            NAMED.iter().find(|(oid, ..)| algorithm.is(oid)).map(|(_, kind, oid)| (*kind, *oid)).ok_or(UNKNOWN)?;
        if fixed.and_then(|oid| self::digest(oid.as_bytes())).is_some_and(|fixed| fixed != stated) {
            return Err(OTHER);
        }
        match (kind, key.id()) {
            (Kind::Rsa, Id::RSA) => Ok(Self::Pkcs1(stated)),
            (Kind::Pss, Id::RSA | Id::RSA_PSS) => {
                let pss = Self::pss(algorithm).ok_or(UNKNOWN)?;
                match &pss {
                    Self::Pss { digest, .. } if *digest != stated => Err(OTHER),
                    _ => Ok(pss),
                }
            }
            (Kind::Ecdsa, Id::EC) | (Kind::Dsa, Id::DSA) => Ok(Self::Plain(stated)),
            (Kind::Pure, _) if key_algorithm(key).as_deref() == Some(algorithm.oid) => Ok(Self::Pure),
            _ => Err(FOREIGN),
        }
    }

    /// RSASSA-PSS-params (RFC 4055, 3.1).
    fn pss(algorithm: &Algorithm<'_>) -> Option<Self> {
        let (mut digest, mut mask, mut salt) = (MessageDigest::sha1(), MessageDigest::sha1(), 20);
        let mut fields = algorithm.parameters?.inside(tag::SEQUENCE).ok()?;
        while !fields.is_empty() {
            let field = fields.next().ok()?;
            let mut inside = field.inside(field.tag).ok()?;
            let value = inside.next().ok()?;
            inside.end().ok()?;
            match field.tag {
                0xa0 => digest = self::digest(Algorithm::read(value).ok()?.oid)?,
                0xa1 => {
                    let function = Algorithm::read(value).ok().filter(|function| function.is(&oid::MGF1))?;
                    mask = self::digest(Algorithm::read(function.parameters?).ok()?.oid)?;
                }
                0xa2 => salt = small(&value)?,
                0xa3 if small(&value)? == 1 => {}
                _ => return None,
            }
        }
        Some(Self::Pss { digest, mask, salt })
    }

    fn holds(&self, key: &PKeyRef<Public>, signature: &[u8], covered: &mut Digests<'_>) -> Option<bool> {
        let (Self::Pkcs1(digest) | Self::Pss { digest, .. } | Self::Plain(digest)) = self else {
            let mut verifier = Verifier::new_without_digest(key).ok()?;
            return verifier.verify_oneshot(signature, covered.content()).ok();
        };
        let mut context = PkeyCtx::new(key).ok()?;
        context.verify_init().ok()?;
        match self {
            Self::Pkcs1(_) => context.set_rsa_padding(Padding::PKCS1).ok()?,
            Self::Pss { .. } => context.set_rsa_padding(Padding::PKCS1_PSS).ok()?,
            Self::Plain(_) | Self::Pure => {}
        }
        context.set_signature_md(named(*digest)?).ok()?;
        if let Self::Pss { mask, salt, .. } = self {
            context.set_rsa_mgf1_md(named(*mask)?).ok()?;
            context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(*salt)).ok()?;
        }
        context.verify(covered.by(*digest)?, signature).ok()
    }
}

fn named(digest: MessageDigest) -> Option<&'static MdRef> {
    Md::from_nid(digest.type_())
}

/// A number from 0 to 32767.
fn small(value: &Element<'_>) -> Option<i32> {
    match value.primitive(tag::INTEGER).ok()? {
        [one] if *one < 0x80 => Some(i32::from(*one)),
        [high, low] if *high < 0x80 => Some(i32::from(*high) << 8 | i32::from(*low)),
        _ => None,
    }
}

/// The identifier of a public key's algorithm.
fn key_algorithm(key: &PKeyRef<Public>) -> Option<Vec<u8>> {
    let der = key.public_key_to_der().ok()?;
    let algorithm = Cursor::new(&der).inside(tag::SEQUENCE).ok()?.next().ok()?;
    Some(Algorithm::read(algorithm).ok()?.oid.to_vec())
}

#[derive(Clone, Copy)]
enum Kind {
    Rsa,
    Pss,
    Ecdsa,
    Dsa,
    Pure,
}

/// Signature algorithms, each with the digest that it has in its name.
const NAMED: [(der::asn1::ObjectIdentifier, Kind, Option<der::asn1::ObjectIdentifier>); 24] = [
    (oid::RSA, Kind::Rsa, None),
    (oid::RSA_MD5, Kind::Rsa, Some(oid::MD5)),
    (oid::RSA_SHA1, Kind::Rsa, Some(oid::SHA1)),
    (oid::RSA_SHA1_OIW, Kind::Rsa, Some(oid::SHA1)),
    (oid::RSA_SHA224, Kind::Rsa, Some(oid::SHA224)),
    (oid::RSA_SHA256, Kind::Rsa, Some(oid::SHA256)),
    (oid::RSA_SHA384, Kind::Rsa, Some(oid::SHA384)),
    (oid::RSA_SHA512, Kind::Rsa, Some(oid::SHA512)),
    (oid::RSA_PSS, Kind::Pss, None),
    (oid::EC, Kind::Ecdsa, None),
    (oid::ECDSA_SHA1, Kind::Ecdsa, Some(oid::SHA1)),
    (oid::ECDSA_SHA224, Kind::Ecdsa, Some(oid::SHA224)),
    (oid::ECDSA_SHA256, Kind::Ecdsa, Some(oid::SHA256)),
    (oid::ECDSA_SHA384, Kind::Ecdsa, Some(oid::SHA384)),
    (oid::ECDSA_SHA512, Kind::Ecdsa, Some(oid::SHA512)),
    (oid::DSA, Kind::Dsa, None),
    (oid::DSA_SHA1, Kind::Dsa, Some(oid::SHA1)),
    (oid::DSA_SHA224, Kind::Dsa, Some(oid::SHA224)),
    (oid::DSA_SHA256, Kind::Dsa, Some(oid::SHA256)),
    // Each has a digest of its own, which is not the one that the attributes bear.
    (oid::ED25519, Kind::Pure, None),
    (oid::ED448, Kind::Pure, None),
    (oid::ML_DSA_44, Kind::Pure, None),
    (oid::ML_DSA_65, Kind::Pure, None),
    (oid::ML_DSA_87, Kind::Pure, None),
];

/// Whether a signature algorithm is known, and names by itself a digest that protects: neither MD5, SHA-1 nor DSA.
pub(in crate::crypt::smime) fn protects(algorithm: &Algorithm<'_>) -> bool {
    let good = |digest: MessageDigest| digest != MessageDigest::md5() && digest != MessageDigest::sha1();
    let Some((_, kind, fixed)) = NAMED.iter().find(|(oid, ..)| algorithm.is(oid)) else { return false };
    match (kind, fixed) {
        (Kind::Pure, _) => true,
        (Kind::Pss, _) => matches!(Scheme::pss(algorithm), Some(Scheme::Pss { digest, .. }) if good(digest)),
        (Kind::Rsa | Kind::Ecdsa, Some(oid)) => digest(oid.as_bytes()).is_some_and(good),
        (Kind::Rsa | Kind::Ecdsa | Kind::Dsa, _) => false,
    }
}

/// What of a signature no longer protects, in words: MD5, SHA-1, DSA, RSA under 2048 bits, curves under 224.
pub(in crate::crypt::smime) fn weakness(key: &PKeyRef<Public>, digest: &Algorithm<'_>) -> Option<String> {
    if digest.is(&oid::MD5) {
        return Some("MD5".to_owned());
    }
    if digest.is(&oid::SHA1) {
        return Some("SHA-1".to_owned());
    }
    match (key.id(), key.bits()) {
        (Id::DSA, _) => Some("DSA".to_owned()),
        (Id::RSA | Id::RSA_PSS, bits @ ..2048) => Some(format!("RSA of {bits} bits")),
        (Id::EC, bits @ ..224) => Some(format!("an elliptic curve of {bits} bits")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use openssl::pkey::PKey;

    use super::*;
    use crate::crypt::smime::{asn1::der::algorithm, tests::authority};

    #[test]
    fn a_content_is_counted_once_for_all_keys() {
        let key = authority::ec();
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &key).unwrap();
        let signature = signer.sign_oneshot_to_vec(b"signed").unwrap();
        let public = PKey::public_key_from_der(&key.public_key_to_der().unwrap()).unwrap();
        let [scheme, stated] = [oid::ECDSA_SHA256, oid::SHA256].map(|name| algorithm(name, &[]));
        let [scheme, stated] =
            [&scheme, &stated].map(|der| Algorithm::read(Element::only(der.as_slice()).unwrap()).unwrap());
        // The digest that was counted is that of something else than stands there by now.
        let counted = vec![(Nid::SHA256, hash(MessageDigest::sha256(), b"signed").unwrap().to_vec())];
        let mut digests = Digests { content: b"another", counted };
        assert_eq!(verify(&public, &scheme, &stated, &signature, &mut digests), Ok(()));
        assert!(verify(&public, &scheme, &stated, &signature, &mut Digests::new(b"another")).is_err());
    }
}
