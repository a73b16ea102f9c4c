//! Wrapping the content key for each recipient (RFC 5652, 6.2; RFC 8017, 7; RFC 5753, 3; RFC 8418).

use openssl::{
    cipher::Cipher,
    cipher_ctx::{CipherCtx, CipherCtxFlags},
    derive::Deriver,
    ec::EcKey,
    error::ErrorStack,
    hash::{Hasher, MessageDigest},
    md::Md,
    nid::Nid,
    pkey::{Id, PKey, PKeyRef, Private, Public},
    pkey_ctx::{HkdfMode, PkeyCtx},
    rsa::Padding,
};
use zeroize::Zeroizing;

use super::{
    Certificate,
    certificate::KeyKind,
    der::{self, OCTET_STRING, SEQUENCE, algorithm, bit_string, context, element, sequence, small},
    oid,
    pull::Pull,
};

/// A content key for AES-256.
pub(super) type ContentKey = Zeroizing<[u8; 32]>;

/// One RecipientInfo.
pub(super) struct Wrapped {
    pub der: Vec<u8>,
    /// Its version (RFC 5652, 6.1), on which that of the whole depends.
    pub version: u8,
}

/// Why a key is not wrapped.
pub(super) enum Refusal {
    /// The certificate's key is of no kind that can be encrypted to.
    Kind,
    Library(ErrorStack),
}

impl From<ErrorStack> for Refusal {
    fn from(error: ErrorStack) -> Self {
        Self::Library(error)
    }
}

/// How a key on a curve is agreed on and made into one that wraps.
#[derive(Clone, Copy)]
enum Agreement {
    /// X9.63 with this digest (RFC 5753, 7.2).
    Ecdh(MessageDigest, ::der::asn1::ObjectIdentifier),
    /// HKDF with SHA-256 (RFC 8418, 2.2).
    X25519,
}

/// Wraps a content key for the holder of a certificate.
pub(super) fn wrap(key: &ContentKey, certificate: &Certificate) -> Result<Wrapped, Refusal> {
    let name = issuer_and_serial(certificate).ok_or(Refusal::Kind)?;
    let theirs = certificate.public_key().ok_or(Refusal::Kind)?;
    match certificate.key_kind() {
        KeyKind::Rsa | KeyKind::RsaOaep => transport(key, &name, theirs, certificate.takes_oaep()),
        KeyKind::Ec => {
            let ec = theirs.ec_key()?;
            let agreement = match ec.group().curve_name() {
                Some(Nid::X9_62_PRIME256V1) => Agreement::Ecdh(MessageDigest::sha256(), oid::ECDH_SHA256),
                Some(Nid::SECP384R1) => Agreement::Ecdh(MessageDigest::sha384(), oid::ECDH_SHA384),
                Some(Nid::SECP521R1) => Agreement::Ecdh(MessageDigest::sha512(), oid::ECDH_SHA512),
                _ => return Err(Refusal::Kind),
            };
            let mine = PKey::from_ec_key(EcKey::generate(ec.group())?)?;
            agree(key, &name, theirs, &mine, agreement)
        }
        KeyKind::X25519 => agree(key, &name, theirs, &PKey::generate_x25519()?, Agreement::X25519),
        _ => Err(Refusal::Kind),
    }
}

/// The IssuerAndSerialNumber of a certificate (RFC 5652, 10.2.4), its parts as they stand in it.
pub(super) fn issuer_and_serial(certificate: &Certificate) -> Option<Vec<u8>> {
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
        algorithm(oid::RSA, der::NULL)
    };
    let mut wrapped = Vec::new();
    context.encrypt_to_vec(&key[..], &mut wrapped)?;
    let info = sequence(&[&small(0), name, &scheme, &element(OCTET_STRING, &[&wrapped])]);
    Ok(Wrapped { der: info, version: 0 })
}

/// The AlgorithmIdentifier of OAEP with SHA-256 for both of its hashes and no label (RFC 4055, 4.1).
pub(super) fn oaep_sha256() -> Vec<u8> {
    let hash = algorithm(oid::SHA256, der::NULL);
    let mask = algorithm(oid::MGF1, &hash);
    let parameters = sequence(&[&element(context(0), &[&hash]), &element(context(1), &[&mask])]);
    algorithm(oid::RSA_OAEP, &parameters)
}

/// KeyAgreeRecipientInfo, from a key made for this message alone to the certificate's (RFC 5753, 3.1).
fn agree(
    key: &ContentKey,
    name: &[u8],
    theirs: &PKeyRef<Public>,
    mine: &PKey<Private>,
    agreement: Agreement,
) -> Result<Wrapped, Refusal> {
    let mut deriver = Deriver::new(mine)?;
    deriver.set_peer(theirs)?;
    let shared = Zeroizing::new(deriver.derive_to_vec()?);
    let wrapping = algorithm(oid::AES256_WRAP, &[]);
    let info = shared_info(&wrapping);
    let mut wrapping_key = Zeroizing::new([0; 32]);
    let (scheme, curve, point) = match agreement {
        Agreement::Ecdh(digest, scheme) => {
            // One round: each of the digests is at least as long as the key (RFC 5753, 7.2; X9.63).
            let mut hasher = Hasher::new(digest)?;
            hasher.update(&shared)?;
            hasher.update(&[0, 0, 0, 1])?;
            hasher.update(&info)?;
            let derived = Zeroizing::new(hasher.finish()?.to_vec());
            wrapping_key.iter_mut().zip(derived.iter()).for_each(|(to, from)| *to = *from);
            let ec = mine.ec_key()?;
            let mut numbers = openssl::bn::BigNumContext::new()?;
            let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
            (scheme, oid::EC, ec.public_key().to_bytes(ec.group(), form, &mut numbers)?)
        }
        Agreement::X25519 => {
            let mut context = PkeyCtx::new_id(Id::HKDF)?;
            context.derive_init()?;
            context.set_hkdf_mode(HkdfMode::EXTRACT_THEN_EXPAND)?;
            context.set_hkdf_md(Md::sha256())?;
            context.set_hkdf_key(&shared)?;
            context.add_hkdf_info(&info)?;
            context.derive(Some(&mut wrapping_key[..]))?;
            (oid::ECDH_HKDF_SHA256, oid::X25519, mine.raw_public_key()?)
        }
    };
    let wrapped = aes_wrap(&wrapping_key, key)?;
    let originator = element(context(1), &[&algorithm(curve, &[]), &bit_string(&point)]);
    let encrypted = sequence(&[name, &element(OCTET_STRING, &[&wrapped])]);
    let parts: [&[u8]; 4] =
        [&small(3), &element(context(0), &[&originator]), &algorithm(scheme, &wrapping), &sequence(&[&encrypted])];
    Ok(Wrapped { der: element(context(1), &parts), version: 3 })
}

/// ECC-CMS-SharedInfo without key material of the user (RFC 5753, 7.2): 256 bits for this way of wrapping.
fn shared_info(wrapping: &[u8]) -> Vec<u8> {
    let bits = element(OCTET_STRING, &[&256u32.to_be_bytes()]);
    sequence(&[wrapping, &element(context(2), &[&bits])])
}

/// RFC 3394.
fn aes_wrap(wrapping_key: &[u8; 32], key: &ContentKey) -> Result<Vec<u8>, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
    context.encrypt_init(Some(Cipher::aes_256_wrap()), Some(wrapping_key), None)?;
    let mut wrapped = Vec::new();
    context.cipher_update_vec(&key[..], &mut wrapped)?;
    context.cipher_final_vec(&mut wrapped)?;
    Ok(wrapped)
}
