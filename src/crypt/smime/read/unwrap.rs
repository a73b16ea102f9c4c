//! From the recipients of a message to its content key (RFC 5652, 6.2; RFC 8017, 7; RFC 5753, 3; RFC 8418).
//!
//! Whatever goes wrong once a key fits gives a random content key of the right length, so that nobody can tell
//! what it was (RFC 3218). Only why an agent did nothing at all with its key is told.

use std::borrow::Cow;

use openssl::{
    bn::BigNumContext,
    cipher::{Cipher, CipherRef},
    cipher_ctx::{CipherCtx, CipherCtxFlags},
    derive::Deriver,
    ec::{EcKey, EcPoint, PointConversionForm},
    error::ErrorStack,
    hash::MessageDigest,
    md::Md,
    pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
};
use zeroize::Zeroizing;

use super::super::{
    Certificate, Key,
    agent_key::{Half, Lender},
    asn1::{
        Algorithm, Fault, Identifier, MOST_RECIPIENTS,
        ber::{Element, tag},
        oid,
    },
    derivation::{Derivation, shared_info},
    kem::{self, Encapsulated},
};
use super::oaep::Oaep;
use crate::crypt::{AgentError, AgentFailure, Fingerprint, OpenError, PublicCertificate, SealedKey};

/// The most keys that are unwrapped for one message.
const MOST_TRIALS: usize = 16;

/// What the content is encrypted with.
pub(in crate::crypt::smime) struct ContentKey {
    pub key: Zeroizing<Vec<u8>>,
    /// Whose key opened it.
    pub opened_by: Fingerprint,
}

/// Why no key comes out.
pub(in crate::crypt::smime) enum Failure {
    /// Not one of the keys is a recipient's; whom the message names.
    NoKey(Vec<String>),
    Fault(Fault),
    /// A key that may open it is in an agent, which did not.
    Agent(Box<AgentFailure>),
    /// The crypto library has no random bytes.
    Library,
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoKey(recipients) => Self::NoKey { recipients, hidden: false },
            Failure::Fault(fault) => fault.into(),
            Failure::Agent(failure) => Self::Agent(failure),
            Failure::Library => Self::Undecryptable,
        }
    }
}

/// One wrapped key, and for whom.
struct Wrapped<'a> {
    recipient: Identifier<'a>,
    method: Method<'a>,
    key: Cow<'a, [u8]>,
}

#[derive(Clone, Copy)]
enum Method<'a> {
    /// KeyTransRecipientInfo.
    Transport(Algorithm<'a>),
    /// KeyAgreeRecipientInfo: the originator's element, the keying material of the user, the algorithm.
    Agreement { originator: Element<'a>, material: Option<Element<'a>>, algorithm: Algorithm<'a> },
    /// KEMRecipientInfo.
    Encapsulation(Encapsulated<'a>),
}

/// Finds the content key, which is to have a length.
///
/// All is read and counted before the first key is used; those in agents come last. A key wrapped by RSA v1.5 ends the
/// search whatever comes of it: whether another one is tried, and opens the message, would tell of its padding
/// (RFC 3218, 2.3). What fails is told by the content alone, under a random key; why an agent did nothing, if nothing was
/// decrypted by then.
pub(in crate::crypt::smime) fn content_key(
    recipients: &[Element<'_>],
    keys: &[Key],
    length: usize,
) -> Result<ContentKey, Failure> {
    let wrapped = every_key(recipients).map_err(Failure::Fault)?;
    let keys: Vec<_> = keys.iter().filter_map(|key| Some((key.half()?, key.certificate()?))).collect();
    let mut trials = Vec::new();
    for wrapped in &wrapped {
        for (half, certificate) in keys.iter().filter(|(_, certificate)| wrapped.recipient.names(certificate)) {
            trials.push((wrapped, half, *certificate));
            if trials.len() > MOST_TRIALS {
                return Err(Failure::Fault(Fault::Limit("it names one recipient too often")));
            }
        }
    }
    trials.sort_by_key(|(_, half, _)| half.is_lent());
    let mut tried = false;
    let mut failed: Option<Box<AgentFailure>> = None;
    for (wrapped, half, certificate) in &trials {
        let opened = match half {
            Half::Here(secret) => wrapped.open(secret),
            Half::Lent(lender) if is_gone(lender, failed.as_deref()) => continue,
            Half::Lent(lender) => match wrapped.open_by(lender, certificate, length) {
                Ok(opened) => opened,
                Err(failure) => {
                    failed = Some(failure);
                    continue;
                }
            },
        };
        if let Some(key) = opened.filter(|key| key.len() == length) {
            return Ok(ContentKey { key, opened_by: certificate.fingerprint() });
        }
        // What an agent says from here on would tell how far this one came.
        tried = true;
        if wrapped.is_malleable() && certificate.public_key().is_some_and(|key| key.id() == Id::RSA) {
            break;
        }
    }
    let Some((.., certificate)) = trials.first() else {
        return Err(Failure::NoKey(wrapped.iter().map(|wrapped| wrapped.recipient.words()).collect()));
    };
    if let Some(failure) = failed.filter(|_| !tried) {
        return Err(Failure::Agent(failure));
    }
    let opened_by = certificate.fingerprint();
    let mut key = Zeroizing::new(vec![0; length]);
    openssl::rand::rand_bytes(&mut key).map_err(|_| Failure::Library)?;
    Ok(ContentKey { key, opened_by })
}

/// Whom the recipients are, in words.
pub(in crate::crypt::smime) fn names(recipients: &[Element<'_>]) -> Result<Vec<String>, Fault> {
    Ok(every_key(recipients)?.iter().map(|wrapped| wrapped.recipient.words()).collect())
}

/// Whether its agent need not be asked again.
fn is_gone(lender: &Lender, failed: Option<&AgentFailure>) -> bool {
    failed.is_some_and(|failure| failure.error.is_final() && failure.home == lender.home())
}

/// The wrapped keys of all recipients, of whom a key agreement alone may have many.
fn every_key<'a>(recipients: &[Element<'a>]) -> Result<Vec<Wrapped<'a>>, Fault> {
    let mut all = Vec::new();
    for recipient in recipients {
        all.extend(wrapped_keys(recipient)?);
        if all.len() > MOST_RECIPIENTS {
            return Err(TOO_MANY);
        }
    }
    Ok(all)
}

const TOO_MANY: Fault = Fault::Limit("it has too many recipients");

/// The wrapped keys of a RecipientInfo; none of the kinds that are for others than holders of certificates.
fn wrapped_keys<'a>(recipient: &Element<'a>) -> Result<Vec<Wrapped<'a>>, Fault> {
    const AGREEMENT: u8 = tag::context(1);
    match recipient.tag {
        tag::SEQUENCE => {
            let mut fields = recipient.inside(tag::SEQUENCE)?;
            fields.next()?.primitive(tag::INTEGER)?;
            let recipient = Identifier::read(&fields.next()?)?;
            let method = Method::Transport(Algorithm::read(fields.next()?)?);
            let key = fields.next()?.octets(tag::OCTET_STRING)?;
            fields.end()?;
            Ok(vec![Wrapped { recipient, method, key }])
        }
        AGREEMENT => {
            let mut fields = recipient.inside(AGREEMENT)?;
            fields.next()?.primitive(tag::INTEGER)?;
            let originator = fields.inside(tag::context(0))?.next()?;
            let material = match fields.next_if(&[tag::context(1)])? {
                Some(material) => Some(material.inside(tag::context(1))?.next()?),
                None => None,
            };
            let algorithm = Algorithm::read(fields.next()?)?;
            let method = Method::Agreement { originator, material, algorithm };
            let keys = fields.inside(tag::SEQUENCE)?.all(MOST_RECIPIENTS)?.ok_or(TOO_MANY)?;
            fields.end()?;
            keys.into_iter().map(|key| agreed(key, method)).collect()
        }
        kem::OTHER => {
            let read = kem::read(recipient)?;
            let wrapped = |(recipient, how, key)| Wrapped { recipient, method: Method::Encapsulation(how), key };
            Ok(read.into_iter().map(wrapped).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Reads a RecipientEncryptedKey (RFC 5652, 6.2.2).
fn agreed<'a>(element: Element<'a>, method: Method<'a>) -> Result<Wrapped<'a>, Fault> {
    let mut fields = element.inside(tag::SEQUENCE)?;
    let id = fields.next()?;
    let recipient = match id.tag {
        tag::SEQUENCE => Identifier::read(&id)?,
        _ => Identifier::KeyId(id.inside(tag::context(0))?.next()?.octets(tag::OCTET_STRING)?),
    };
    let key = fields.next()?.octets(tag::OCTET_STRING)?;
    fields.end()?;
    Ok(Wrapped { recipient, method, key })
}

impl Wrapped<'_> {
    /// Whether nothing in it proves that it was not changed: RSA v1.5.
    fn is_malleable(&self) -> bool {
        matches!(self.method, Method::Transport(algorithm) if algorithm.is(&oid::RSA))
    }

    /// Unwraps it; none if that does not work, for whatever reason.
    fn open(&self, secret: &PKey<Private>) -> Option<Zeroizing<Vec<u8>>> {
        match self.method {
            Method::Transport(algorithm) => transported(secret, &algorithm, &self.key),
            Method::Agreement { originator, material, algorithm } => {
                let shared = |peer: &PKey<Public>| {
                    let mut deriver = Deriver::new(secret).ok()?;
                    deriver.set_peer(peer).ok()?;
                    deriver.derive_to_vec().ok().map(Zeroizing::new)
                };
                let peer = peer(secret, &originator)?;
                agreed_key(&shared(&peer)?, material, &algorithm, &self.key)
            }
            Method::Encapsulation(how) => how.open(secret, &self.key),
        }
    }

    /// The same by an agent.
    fn open_by(
        &self,
        lender: &Lender,
        certificate: &Certificate,
        length: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Box<AgentFailure>> {
        let Some(public) = certificate.public_key() else { return Ok(None) };
        match self.method {
            Method::Transport(algorithm) if algorithm.is(&oid::RSA) && public.id() == Id::RSA => {
                let opened = lender.open(public, SealedKey::Rsa(&self.key))?;
                Ok(opened.and_then(|opened| Some(Zeroizing::new(opened.text_of(length)?.to_vec()))))
            }
            Method::Transport(algorithm) if algorithm.is(&oid::RSA_OAEP) && public.id() == Id::RSA => {
                // A token would take the padding of v1.5 away, and tell of it.
                if lender.is_on_token()? {
                    return Err(lender.failure(AgentError::NoOaep));
                }
                let Some(oaep) = Oaep::read(&algorithm) else { return Ok(None) };
                let opened = lender.open(public, SealedKey::Rsa(&self.key))?.filter(|opened| opened.padded);
                Ok(opened.and_then(|opened| oaep.unpad(&opened.bytes, public.size(), length)))
            }
            Method::Agreement { originator, material, algorithm } if public.id() == Id::EC => {
                // No point that is not on the curve is handed on.
                let point = peer(public, &originator).and_then(|peer| uncompressed(&peer));
                let Some(point) = point else { return Ok(None) };
                let Some(opened) = lender.open(public, SealedKey::Ecdh(&point, &self.key))? else { return Ok(None) };
                let shared = opened.x((point.len() - 1) / 2);
                Ok(shared.and_then(|shared| agreed_key(shared, material, &algorithm, &self.key)))
            }
            _ => Ok(None),
        }
    }
}

/// A public key on a curve, as agents know it (SEC 1, 2.3.3).
fn uncompressed(key: &PKey<Public>) -> Option<Vec<u8>> {
    let key = key.ec_key().ok()?;
    let mut context = BigNumContext::new().ok()?;
    key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context).ok()
}

/// RSA v1.5 and OAEP (RFC 8017, 7; RFC 3560; RFC 4055, 4.1).
fn transported(secret: &PKey<Private>, algorithm: &Algorithm<'_>, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if secret.id() != Id::RSA {
        return None;
    }
    let mut context = PkeyCtx::new(secret).ok()?;
    context.decrypt_init().ok()?;
    if algorithm.is(&oid::RSA) {
        context.set_rsa_padding(Padding::PKCS1).ok()?;
    } else if algorithm.is(&oid::RSA_OAEP) {
        Oaep::read(algorithm)?.prepare(&mut context).ok()?;
    } else {
        return None;
    }
    let mut key = Zeroizing::new(vec![0; secret.size()]);
    let length = context.decrypt(wrapped, Some(&mut key)).ok()?;
    key.truncate(length);
    Some(key)
}

/// By the name of the whole scheme (RFC 5753, 7.1.4; RFC 8418, 2.1).
fn derivation(algorithm: &Algorithm<'_>) -> Option<Derivation> {
    let x963 = [
        (oid::ECDH_SHA1, MessageDigest::sha1()),
        (oid::ECDH_SHA224, MessageDigest::sha224()),
        (oid::ECDH_SHA256, MessageDigest::sha256()),
        (oid::ECDH_SHA384, MessageDigest::sha384()),
        (oid::ECDH_SHA512, MessageDigest::sha512()),
    ];
    let hkdf = [
        (oid::ECDH_HKDF_SHA256, Md::sha256()),
        (oid::ECDH_HKDF_SHA384, Md::sha384()),
        (oid::ECDH_HKDF_SHA512, Md::sha512()),
    ];
    let x963 = x963.into_iter().find(|(oid, _)| algorithm.is(oid)).map(|(_, digest)| Derivation::X963(digest));
    x963.or_else(|| hkdf.into_iter().find(|(oid, _)| algorithm.is(oid)).map(|(_, digest)| Derivation::Hkdf(digest)))
}

/// What was wrapped by key agreement, from the shared secret (RFC 5753, 3.1; RFC 8418, 3).
fn agreed_key(
    shared: &[u8],
    material: Option<Element<'_>>,
    algorithm: &Algorithm<'_>,
    wrapped: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let derivation = derivation(algorithm)?;
    let wrap = Algorithm::read(algorithm.parameters?).ok()?;
    let cipher = wrapping(&wrap)?;
    let material = material.map(|material| material.octets(tag::OCTET_STRING)).transpose().ok()?;
    let info = shared_info(wrap.raw, material.as_deref(), cipher.key_length());
    let key = derivation.derive(shared, &info, cipher.key_length()).ok()?;
    unwrapped(cipher, &key, wrapped).ok()
}

/// The ephemeral public key, on the curve of one's own.
fn peer(own: &PKeyRef<impl HasPublic>, originator: &Element<'_>) -> Option<PKey<Public>> {
    const PUBLIC_KEY: u8 = tag::context(1);
    let mut fields = originator.inside(PUBLIC_KEY).ok()?;
    fields.next().ok()?;
    let bits = fields.next().ok()?.octets(tag::BIT_STRING).ok()?;
    let (unused, point) = bits.split_first()?;
    if *unused != 0 {
        return None;
    }
    match own.id() {
        Id::EC => {
            let own = own.ec_key().ok()?;
            let mut context = BigNumContext::new().ok()?;
            let point = EcPoint::from_bytes(own.group(), point, &mut context).ok()?;
            let key = EcKey::from_public_key(own.group(), &point).ok()?;
            key.check_key().ok()?;
            PKey::from_ec_key(key).ok()
        }
        id @ (Id::X25519 | Id::X448) => PKey::public_key_from_raw_bytes(point, id).ok(),
        _ => None,
    }
}

/// What a key is wrapped with (RFC 3565, 2.3.2; RFC 3370, 4.3.1).
pub(in crate::crypt::smime) fn wrapping(algorithm: &Algorithm<'_>) -> Option<&'static CipherRef> {
    let known = [
        (oid::AES128_WRAP, Cipher::aes_128_wrap()),
        (oid::AES192_WRAP, Cipher::aes_192_wrap()),
        (oid::AES256_WRAP, Cipher::aes_256_wrap()),
    ];
    known.into_iter().find(|(oid, _)| algorithm.is(oid)).map(|(_, cipher)| cipher)
}

/// RFC 3394.
pub(in crate::crypt::smime) fn unwrapped(
    cipher: &CipherRef,
    key: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
    context.decrypt_init(Some(cipher), Some(key), None)?;
    let mut out = Zeroizing::new(vec![0; wrapped.len() + 16]);
    let mut length = context.cipher_update(wrapped, Some(&mut out))?;
    length += context.cipher_final(out.get_mut(length..).unwrap_or_default())?;
    out.truncate(length);
    Ok(out)
}
