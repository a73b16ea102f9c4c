//! From a shared secret to the key that wraps the content key (RFC 5753, 7.2; RFC 8418, 2.2).

use openssl::{
    error::ErrorStack,
    hash::{Hasher, MessageDigest},
    md::MdRef,
    pkey::Id,
    pkey_ctx::{HkdfMode, PkeyCtx},
};
use zeroize::{Zeroize, Zeroizing};

use super::asn1::der::{OCTET_STRING, context, element, sequence};

/// How a shared secret becomes a key.
pub(super) enum Derivation {
    /// ANSI X9.63 (RFC 5753, 7.1.4 and 7.2).
    X963(MessageDigest),
    /// HKDF (RFC 8418, 2.2; RFC 5869).
    Hkdf(&'static MdRef),
}

impl Derivation {
    /// A key of some bytes.
    pub(super) fn derive(&self, shared: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut key = Zeroizing::new(Vec::with_capacity(length + 64));
        match self {
            Self::X963(digest) => {
                let mut counter = 1u32;
                while key.len() < length {
                    let mut hasher = Hasher::new(*digest)?;
                    hasher.update(shared)?;
                    hasher.update(&counter.to_be_bytes())?;
                    hasher.update(info)?;
                    let mut block = hasher.finish()?;
                    key.extend_from_slice(&block);
                    block.zeroize();
                    counter += 1;
                }
                key.truncate(length);
            }
            Self::Hkdf(digest) => {
                key.resize(length, 0);
                let mut kdf = PkeyCtx::new_id(Id::HKDF)?;
                kdf.derive_init()?;
                kdf.set_hkdf_mode(HkdfMode::EXTRACT_THEN_EXPAND)?;
                kdf.set_hkdf_md(digest)?;
                kdf.set_hkdf_key(shared)?;
                kdf.add_hkdf_info(info)?;
                kdf.derive(Some(&mut key))?;
            }
        }
        Ok(key)
    }
}

/// ECC-CMS-SharedInfo (RFC 5753, 7.2), from the AlgorithmIdentifier of the key wrap, the key material of the user,
/// and the length of the wrapping key in bytes.
pub(super) fn shared_info(wrapping: &[u8], material: Option<&[u8]>, length: usize) -> Vec<u8> {
    let bits = u32::try_from(length * 8).unwrap_or_default().to_be_bytes();
    let mut info = wrapping.to_vec();
    if let Some(material) = material {
        info.extend(element(context(0), &[&element(OCTET_STRING, &[material])]));
    }
    info.extend(element(context(2), &[&element(OCTET_STRING, &[&bits])]));
    sequence(&[&info])
}
