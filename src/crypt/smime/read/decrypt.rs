//! Decrypting a content where it stands (RFC 3565, RFC 5084, RFC 3370, 5.1).

use std::ops::Range;

use openssl::{
    cipher::{Cipher, CipherRef},
    cipher_ctx::CipherCtx,
    error::ErrorStack,
};
use zeroize::{Zeroize, Zeroizing};

use super::super::asn1::{Algorithm, ber::tag, oid};

/// How much is decrypted at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The only lengths of nonce and tag that are taken (RFC 5084, 3.2 allows more, and shorter tags).
const GCM_NONCE: usize = 12;
const GCM_TAG: usize = 16;

/// A content encryption algorithm that is read.
pub(in crate::crypt::smime) struct ContentCipher {
    cipher: &'static CipherRef,
    nonce: Vec<u8>,
    /// Whether its blocks are too short for much mail (3DES; RFC 8551, B.2).
    pub weak: bool,
}

/// What proves an AuthEnvelopedData.
pub(in crate::crypt::smime) struct Proof {
    /// The authenticated attributes as a SET OF (RFC 5083, 2.2); empty if there are none.
    pub attributes: Vec<u8>,
    pub tag: Vec<u8>,
}

impl ContentCipher {
    /// Finds one of the kind that the structure asks for: with a tag in AuthEnvelopedData, in CBC mode otherwise.
    pub(in crate::crypt::smime) fn named(algorithm: &Algorithm<'_>, authenticated: bool) -> Option<Self> {
        let known = [
            (oid::AES128_CBC, Cipher::aes_128_cbc(), false),
            (oid::AES192_CBC, Cipher::aes_192_cbc(), false),
            (oid::AES256_CBC, Cipher::aes_256_cbc(), false),
            (oid::TRIPLE_DES_CBC, Cipher::des_ede3_cbc(), false),
            (oid::AES128_GCM, Cipher::aes_128_gcm(), true),
            (oid::AES192_GCM, Cipher::aes_192_gcm(), true),
            (oid::AES256_GCM, Cipher::aes_256_gcm(), true),
        ];
        let is_it =
            |(oid, _, tagged): &(der::asn1::ObjectIdentifier, _, bool)| *tagged == authenticated && algorithm.is(oid);
        let (_, cipher, tagged) = known.into_iter().find(is_it)?;
        let parameters = algorithm.parameters?;
        let nonce = if tagged {
            let mut fields = parameters.inside(tag::SEQUENCE).ok()?;
            let nonce = fields.next().ok()?.octets(tag::OCTET_STRING).ok()?;
            let length = fields.next().ok()?.primitive(tag::INTEGER).ok()?;
            fields.end().ok()?;
            (nonce.len() == GCM_NONCE && usize::from(*length.first()?) == GCM_TAG && length.len() == 1)
                .then_some(nonce)?
        } else {
            parameters.octets(tag::OCTET_STRING).ok().filter(|iv| iv.len() == cipher.iv_length())?
        };
        Some(Self { cipher, nonce: nonce.to_vec(), weak: algorithm.is(&oid::TRIPLE_DES_CBC) })
    }

    /// The length of its key, in bytes.
    pub(in crate::crypt::smime) fn key_length(&self) -> usize {
        self.cipher.key_length()
    }

    /// Decrypts what stands at a range of a buffer, which holds the plaintext alone then. On failure the buffer is
    /// wiped.
    pub(in crate::crypt::smime) fn decrypt(
        &self,
        key: &[u8],
        buffer: &mut Zeroizing<Vec<u8>>,
        at: Range<usize>,
        proof: Option<&Proof>,
    ) -> Option<()> {
        let decrypted = if proof.is_some_and(|proof| proof.tag.len() != GCM_TAG) || key.len() != self.key_length() {
            None
        } else {
            self.in_place(key, buffer, at, proof).ok()
        };
        match decrypted {
            Some(length) => buffer.truncate(length),
            None => buffer.zeroize(),
        }
        decrypted.map(|_| ())
    }

    fn in_place(
        &self,
        key: &[u8],
        buffer: &mut [u8],
        at: Range<usize>,
        proof: Option<&Proof>,
    ) -> Result<usize, ErrorStack> {
        let mut context = CipherCtx::new()?;
        context.decrypt_init(Some(self.cipher), Some(key), Some(&self.nonce))?;
        if let Some(proof) = proof {
            context.set_tag(&proof.tag)?;
            if !proof.attributes.is_empty() {
                context.cipher_update(&proof.attributes, None)?;
            }
        }
        let mut chunk = Zeroizing::new(vec![0; CHUNK + 64]);
        let (mut read, mut written) = (at.start, 0);
        // What is written never passes what was read: no plaintext is longer than its ciphertext.
        while read < at.end {
            let end = at.end.min(read + CHUNK);
            let length = context.cipher_update(buffer.get(read..end).unwrap_or_default(), Some(&mut chunk))?;
            put(buffer, &mut written, chunk.get(..length).unwrap_or_default());
            read = end;
        }
        let length = context.cipher_final(&mut chunk)?;
        put(buffer, &mut written, chunk.get(..length).unwrap_or_default());
        Ok(written)
    }
}

fn put(buffer: &mut [u8], written: &mut usize, piece: &[u8]) {
    if let Some(place) = buffer.get_mut(*written..*written + piece.len()) {
        place.copy_from_slice(piece);
        *written += piece.len();
    }
}
