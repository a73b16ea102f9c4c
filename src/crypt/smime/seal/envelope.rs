//! EnvelopedData and AuthEnvelopedData (RFC 5652, 6.1; RFC 5083, 2.1), whose content is encrypted as it comes.

use std::{
    collections::HashSet,
    io::{self, Write},
};

use openssl::{
    cipher::{Cipher, CipherRef},
    cipher_ctx::CipherCtx,
    rand::rand_bytes,
};
use zeroize::Zeroizing;

use super::super::{
    ContentEncryption, Smime,
    asn1::{
        der::{self, OCTET_STRING, SEQUENCE, algorithm, context, element, sequence, set_of, small},
        oid,
    },
    seal::wrap::{self, ContentKey},
};
use crate::crypt::{PublicCertificate, Recipients, SealError, Unusable};

/// AES.
const BLOCK: usize = 16;
const TAG: usize = 16;
const NONCE: usize = 12;

/// How much is encrypted at a time.
const STEP: usize = 64 << 10;

/// A new content key, and the same wrapped for every recipient.
pub(super) struct RecipientInfos {
    key: ContentKey,
    infos: Vec<u8>,
    /// Of EnvelopedData that has these recipients.
    version: u8,
}

/// Makes a content key and wraps it for every certificate, once for each.
pub(super) fn recipient_infos(recipients: &Recipients<Smime>) -> Result<RecipientInfos, SealError> {
    let library = |error: openssl::error::ErrorStack| SealError::Library(error.to_string());
    let mut key: ContentKey = Zeroizing::new([0; 32]);
    rand_bytes(&mut key[..]).map_err(library)?;
    let mut known = HashSet::new();
    let (mut infos, mut version) = (Vec::new(), 0);
    for certificate in recipients.iter().map(|recipient| recipient.usable().certificate()) {
        let fingerprint = certificate.fingerprint();
        if !known.insert(fingerprint.clone()) {
            continue;
        }
        let wrapped = wrap::wrap(&key, certificate).map_err(|refusal| match refusal {
            wrap::Refusal::Kind => Unusable::CannotEncrypt { fingerprint }.into(),
            wrap::Refusal::Library(error) => library(error),
        })?;
        version = version.max(match wrapped.version {
            0 => 0,
            3 => 2,
            _ => 3,
        });
        infos.push(wrapped.der);
    }
    Ok(RecipientInfos { key, infos: set_of(der::SET, infos), version })
}

impl RecipientInfos {
    /// Begins a ContentInfo that will hold a content of some bytes, and gives what encrypts it into the sink.
    pub(super) fn encrypt<W: Write>(
        self,
        form: ContentEncryption,
        content: usize,
        mut sink: W,
    ) -> io::Result<Encrypting<W>> {
        let mut iv = [0; BLOCK];
        rand_bytes(&mut iv)?;
        let (cipher, scheme, iv, kind, version, length, behind): (&CipherRef, _, _, _, _, _, _) = match form {
            ContentEncryption::Cbc => {
                let scheme = algorithm(oid::AES256_CBC, &element(OCTET_STRING, &[&iv]));
                let padded = (content / BLOCK + 1) * BLOCK;
                (Cipher::aes_256_cbc(), scheme, &iv[..], oid::ENVELOPED_DATA, self.version, padded, 0)
            }
            ContentEncryption::Gcm => {
                let nonce = &iv[..NONCE];
                let parameters = sequence(&[&element(OCTET_STRING, &[nonce]), &small(TAG as u8)]);
                let scheme = algorithm(oid::AES256_GCM, &parameters);
                (Cipher::aes_256_gcm(), scheme, nonce, oid::AUTH_ENVELOPED_DATA, 0, content, TAG + 2)
            }
        };
        let octets = der::begin(0x80, &[], length);
        let encrypted = der::begin(SEQUENCE, &[&der::oid(oid::DATA), &scheme, &octets], length);
        let to_come = length + behind;
        let enveloped = der::begin(SEQUENCE, &[&small(version), &self.infos, &encrypted], to_come);
        let explicit = der::begin(context(0), &[&enveloped], to_come);
        sink.write_all(&der::begin(SEQUENCE, &[&der::oid(kind), &explicit], to_come))?;

        let mut cipher_context = CipherCtx::new()?;
        cipher_context.encrypt_init(Some(cipher), Some(&self.key[..]), Some(iv))?;
        let tagged = form == ContentEncryption::Gcm;
        Ok(Encrypting { cipher: cipher_context, tagged, to_come: content, buffer: Vec::new(), sink })
    }
}

/// Encrypts what is written to it.
pub(super) struct Encrypting<W> {
    cipher: CipherCtx,
    /// Whether a tag comes behind.
    tagged: bool,
    /// Bytes of content, whose number was written already.
    to_come: usize,
    buffer: Vec<u8>,
    sink: W,
}

impl<W: Write> Encrypting<W> {
    /// Writes what is left, the tag too.
    ///
    /// # Errors
    /// The content was not as long as was said.
    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.to_come != 0 {
            return Err(io::Error::other("the content is shorter than was said"));
        }
        self.buffer.clear();
        self.cipher.cipher_final_vec(&mut self.buffer)?;
        if self.tagged {
            let mut tag = [0; TAG];
            self.cipher.tag(&mut tag)?;
            self.buffer.extend_from_slice(&element(OCTET_STRING, &[&tag]));
        }
        self.sink.write_all(&self.buffer)?;
        Ok(self.sink)
    }
}

impl<W: Write> Write for Encrypting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = &bytes[..bytes.len().min(STEP)];
        self.to_come = self
            .to_come
            .checked_sub(now.len())
            .ok_or_else(|| io::Error::other("the content is longer than was said"))?;
        self.buffer.clear();
        self.cipher.cipher_update_vec(now, &mut self.buffer)?;
        self.sink.write_all(&self.buffer)?;
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
