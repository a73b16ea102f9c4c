//! Wrapping the content key for each recipient (RFC 5652, 6.2; RFC 8017, 7; RFC 5753, 3; RFC 8418).

use der::asn1::ObjectIdentifier;
use openssl::{
    bn::BigNumContext,
    cipher::Cipher,
    cipher_ctx::{CipherCtx, CipherCtxFlags},
    derive::Deriver,
    ec::{EcKey, PointConversionForm},
    error::ErrorStack,
    hash::MessageDigest,
    md::Md,
    pkey::{PKey, PKeyRef, Private, Public},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
};
use zeroize::Zeroizing;

use super::super::{
    Certificate,
    asn1::{
        der::{self as write, OCTET_STRING, SEQUENCE, algorithm, bit_string, context, element, sequence, small},
        oid,
        pull::Pull,
    },
    certificate::KeyKind,
    derivation::{Derivation, shared_info},
    kem,
};

/// A content key for AES-256.
pub(in crate::crypt::smime) type ContentKey = Zeroizing<[u8; 32]>;

/// One RecipientInfo.
pub(in crate::crypt::smime) struct Wrapped {
    pub der: Vec<u8>,
    /// Its version, on which that of the whole depends (RFC 5652, 6.1); 4 for one of another kind, which has none.
    pub version: u8,
}

/// Why a key is not wrapped.
pub(in crate::crypt::smime) enum Refusal {
    /// The certificate's key is of no kind that can be encrypted to.
    Kind,
    Library(ErrorStack),
}

impl From<ErrorStack> for Refusal {
    fn from(error: ErrorStack) -> Self {
        Self::Library(error)
    }
}

/// Wraps a content key for the holder of a certificate.
pub(in crate::crypt::smime) fn wrap(key: &ContentKey, certificate: &Certificate) -> Result<Wrapped, Refusal> {
    let name = issuer_and_serial(certificate).ok_or(Refusal::Kind)?;
    let theirs = certificate.public_key().ok_or(Refusal::Kind)?;
    match certificate.key_kind() {
        KeyKind::Rsa | KeyKind::RsaOaep => transport(key, &name, theirs, certificate.takes_oaep()),
        KeyKind::Ec => Agreement::ecdh(theirs)?.wrap(key, &name, theirs),
        KeyKind::X25519 => Agreement::x25519()?.wrap(key, &name, theirs),
        KeyKind::MlKem => kem::wrap(key, &name, theirs)?.ok_or(Refusal::Kind),
        _ => Err(Refusal::Kind),
    }
}

/// The IssuerAndSerialNumber of a certificate (RFC 5652, 10.2.4), its parts as they stand in it.
pub(in crate::crypt::smime) fn issuer_and_serial(certificate: &Certificate) -> Option<Vec<u8>> {
    let der = certificate.x509.to_der().ok()?;
    let mut read = Pull::new(der.as_slice());
    let mut parts = || {
        read.enter(SEQUENCE)?;
        read.enter(SEQUENCE)?;
        if read.peek()? == Some(context(0)) {
            read.element(context(0))?;
        }
        let serial = read.element(0x02)?;
        read.element(SEQUENCE)?;
        Ok::<_, &'static str>(sequence(&[&read.element(SEQUENCE)?, &serial]))
    };
    parts().ok()
}

/// KeyTransRecipientInfo (RFC 5652, 6.2.1).
fn transport(key: &ContentKey, name: &[u8], theirs: &PKeyRef<Public>, oaep: bool) -> Result<Wrapped, Refusal> {
    let mut context = PkeyCtx::new(theirs)?;
    context.encrypt_init()?;
    let scheme = if oaep {
        context.set_rsa_padding(Padding::PKCS1_OAEP)?;
        context.set_rsa_oaep_md(Md::sha256())?;
        context.set_rsa_mgf1_md(Md::sha256())?;
        oaep_sha256()
    } else {
        context.set_rsa_padding(Padding::PKCS1)?;
        algorithm(oid::RSA, write::NULL)
    };
    let mut wrapped = Vec::new();
    context.encrypt_to_vec(&key[..], &mut wrapped)?;
    let info = sequence(&[&small(0), name, &scheme, &element(OCTET_STRING, &[&wrapped])]);
    Ok(Wrapped { der: info, version: 0 })
}

/// The AlgorithmIdentifier of OAEP with SHA-256 for both of its hashes and no label (RFC 4055, 4.1).
pub(in crate::crypt::smime) fn oaep_sha256() -> Vec<u8> {
    let hash = algorithm(oid::SHA256, write::NULL);
    let mask = algorithm(oid::MGF1, &hash);
    let parameters = sequence(&[&element(context(0), &[&hash]), &element(context(1), &[&mask])]);
    algorithm(oid::RSA_OAEP, &parameters)
}

/// One half of a key agreement, made for one message alone.
struct Agreement {
    mine: PKey<Private>,
    /// The algorithm of both keys, and the public half of this one.
    curve: ObjectIdentifier,
    point: Vec<u8>,
    scheme: ObjectIdentifier,
    derivation: Derivation,
}

impl Agreement {
    /// On the curve of a key, with the digest that fits it (RFC 5753, 7.1.4).
    fn ecdh(theirs: &PKeyRef<Public>) -> Result<Self, ErrorStack> {
        let theirs = theirs.ec_key()?;
        let group = theirs.group();
        let (scheme, digest) = match group.order_bits() {
            0..=256 => (oid::ECDH_SHA256, MessageDigest::sha256()),
            257..=384 => (oid::ECDH_SHA384, MessageDigest::sha384()),
            _ => (oid::ECDH_SHA512, MessageDigest::sha512()),
        };
        let mine = EcKey::generate(group)?;
        let form = PointConversionForm::UNCOMPRESSED;
        let point = mine.public_key().to_bytes(group, form, &mut *BigNumContext::new()?)?;
        let (mine, derivation) = (PKey::from_ec_key(mine)?, Derivation::X963(digest));
        Ok(Self { mine, curve: oid::EC, point, scheme, derivation })
    }

    /// RFC 8418, 3.
    fn x25519() -> Result<Self, ErrorStack> {
        let mine = PKey::generate_x25519()?;
        let point = mine.raw_public_key()?;
        let derivation = Derivation::Hkdf(Md::sha256());
        Ok(Self { mine, curve: oid::X25519, point, scheme: oid::ECDH_HKDF_SHA256, derivation })
    }

    /// KeyAgreeRecipientInfo (RFC 5753, 3.1).
    fn wrap(self, key: &ContentKey, name: &[u8], theirs: &PKeyRef<Public>) -> Result<Wrapped, Refusal> {
        let mut deriver = Deriver::new(&self.mine)?;
        deriver.set_peer(theirs)?;
        let shared = Zeroizing::new(deriver.derive_to_vec()?);
        let wrapping = algorithm(oid::AES256_WRAP, &[]);
        let wrapping_key = self.derivation.derive(&shared, &shared_info(&wrapping, None, 32), 32)?;
        let wrapped = aes_wrap(&wrapping_key, key)?;
        let originator = element(context(1), &[&algorithm(self.curve, &[]), &bit_string(&self.point)]);
        let encrypted = sequence(&[name, &element(OCTET_STRING, &[&wrapped])]);
        let info = element(
            context(1),
            &[
                &small(3),
                &element(context(0), &[&originator]),
                &algorithm(self.scheme, &wrapping),
                &sequence(&[&encrypted]),
            ],
        );
        Ok(Wrapped { der: info, version: 3 })
    }
}

/// RFC 3394.
pub(in crate::crypt::smime) fn aes_wrap(wrapping_key: &[u8], key: &ContentKey) -> Result<Vec<u8>, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
    context.encrypt_init(Some(Cipher::aes_256_wrap()), Some(wrapping_key), None)?;
    let mut wrapped = Vec::new();
    context.cipher_update_vec(&key[..], &mut wrapped)?;
    context.cipher_final_vec(&mut wrapped)?;
    Ok(wrapped)
}
