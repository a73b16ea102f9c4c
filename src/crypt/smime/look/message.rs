//! What stands around the ciphertext of EnvelopedData and AuthEnvelopedData: for whom it is, and nothing else.

use std::{collections::HashMap, io::Read};

use der::asn1::ObjectIdentifier;

use super::Kind;
use crate::crypt::{
    Recipients,
    smime::{
        Certificate, Smime,
        asn1::der::{self as write, OCTET_STRING, SEQUENCE, SET, context},
        asn1::oid,
        asn1::pull::Pull,
        certificate::KeyKind,
        kem,
        seal::wrap::issuer_and_serial,
    },
};

const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const BLOCK: usize = 16;
const TAG: usize = 16;

/// The most octets of an algorithm with its parameters: OAEP and ECDH need fewer, and a text has no room.
const MOST_ALGORITHM: usize = 128;

/// The most octets of an originator's key, and of key material that a foreign program adds (RFC 5753, 3.1).
const MOST_ORIGINATOR: usize = 256;
const MOST_MATERIAL: usize = 80;

const ANOTHER: &str = "it names a recipient by something other than a certificate's issuer and serial number";
const SOMEBODY_ELSE: &str = "it is encrypted to somebody else too";
const NO_CERTIFICATE: &str = "it is encrypted to something that is no certificate";
const NOT_ENCRYPTED: &str = "it is not encrypted in a way that is allowed";

/// Whom a message is for.
pub(super) struct SealedTo(Vec<Named>);

/// One wrapped key.
struct Named {
    /// The certificate's issuer and serial number, as they stand there.
    name: Vec<u8>,
    way: Way,
    /// Of the wrapped key.
    length: usize,
}

/// How a key is wrapped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Transported,
    Agreed,
    /// With a ciphertext of this length.
    Encapsulated(usize),
}

impl Named {
    /// Whether a key of the certificate's kind is wrapped like that (RFC 8017, 7; RFC 3394, 2.2.1).
    fn fits(&self, certificate: &Certificate) -> bool {
        let Some(key) = certificate.public_key() else { return false };
        match (certificate.key_kind(), self.way) {
            (KeyKind::Rsa | KeyKind::RsaOaep, Way::Transported) => key.size() == self.length,
            (KeyKind::Ec | KeyKind::X25519, Way::Agreed) => matches!(self.length, 24 | 40),
            // For ML-KEM that is the length of its ciphertext (FIPS 203, 8).
            (KeyKind::MlKem, Way::Encapsulated(length)) => key.size() == length && matches!(self.length, 24 | 40),
            _ => false,
        }
    }
}

/// Reads a ContentInfo for at most so many: of one `made_here` up to its ciphertext, of any other all.
pub(super) fn sealed_to(
    content: impl Read,
    kind: Kind,
    most: usize,
    made_here: bool,
) -> Result<SealedTo, &'static str> {
    let mut read = Pull::new(content);
    let wanted = match kind {
        Kind::Enveloped => oid::ENVELOPED_DATA,
        Kind::AuthEnveloped => oid::AUTH_ENVELOPED_DATA,
    };
    read.enter(SEQUENCE)?;
    if read.element(OID)? != write::oid(wanted) {
        return Err("its content is not what its header says");
    }
    read.enter(context(0))?;
    read.enter(SEQUENCE)?;
    match (kind, read.value(INTEGER)?.as_slice()) {
        (Kind::Enveloped, [0 | 2 | 3]) | (Kind::AuthEnveloped, [0]) => {}
        _ => return Err("its version is not one that goes with certificates alone"),
    }
    if read.peek()? != Some(SET) {
        return Err("it holds certificates of its originator");
    }
    read.enter(SET)?;
    let mut named = Vec::new();
    while let Some(tag) = read.peek()? {
        let info = read.element(tag)?;
        recipient_info(&info, tag, &mut named)?;
        // What is kept stays bounded.
        if named.len() > most {
            return Err(SOMEBODY_ELSE);
        }
    }
    read.leave()?;
    encrypted_content(&mut read, kind, made_here)?;
    if made_here {
        return Ok(SealedTo(named));
    }
    if kind == Kind::AuthEnveloped && read.value(OCTET_STRING)?.len() != TAG {
        return Err("its tag is not one of 16 bytes");
    }
    if read.peek()?.is_some() {
        return Err("it holds attributes that nothing protects");
    }
    (0..3).try_for_each(|_| read.leave())?;
    read.end()?;
    Ok(SealedTo(named))
}

/// EncryptedContentInfo; at its ciphertext it ends where that was `made_here`.
fn encrypted_content(read: &mut Pull<impl Read>, kind: Kind, made_here: bool) -> Result<(), &'static str> {
    if read.enter(SEQUENCE)?.is_none() && made_here {
        return Err(NOT_ENCRYPTED);
    }
    if read.element(OID)? != write::oid(oid::DATA) {
        return Err("its content is not of the type that mail has");
    }
    algorithm(&read.element(SEQUENCE)?, kind, made_here)?;
    if made_here {
        let length = read.open(0x80)?;
        return length_fits(length, kind);
    }
    match read.peek()? {
        Some(0x80) => {
            let length = read.open(0x80)?;
            length_fits(length, kind)?;
            read.pass(length)?;
        }
        Some(0xa0) => {
            read.enter(0xa0)?;
            let mut length = 0usize;
            while read.peek()?.is_some() {
                let more = read.open(OCTET_STRING)?;
                read.pass(more)?;
                length = length.saturating_add(more);
            }
            read.leave()?;
            length_fits(length, kind)?;
        }
        _ => return Err("its ciphertext is elsewhere"),
    }
    read.leave()
}

fn length_fits(length: usize, kind: Kind) -> Result<(), &'static str> {
    let fits = match kind {
        Kind::Enveloped => length > 0 && length.is_multiple_of(BLOCK),
        Kind::AuthEnveloped => true,
    };
    if fits { Ok(()) } else { Err("its ciphertext is not complete") }
}

/// ContentEncryptionAlgorithmIdentifier (RFC 3565, 2.3; RFC 5084, 3.2).
fn algorithm(element: &[u8], kind: Kind, made_here: bool) -> Result<(), &'static str> {
    let mut read = Pull::new(element);
    read.enter(SEQUENCE)?;
    let name = read.element(OID)?;
    let is = |long: ObjectIdentifier, short| name == write::oid(long) || (!made_here && name == write::oid(short));
    let allowed = match kind {
        Kind::Enveloped => is(oid::AES256_CBC, oid::AES128_CBC) && read.value(OCTET_STRING)?.len() == BLOCK,
        Kind::AuthEnveloped if is(oid::AES256_GCM, oid::AES128_GCM) => {
            read.enter(SEQUENCE)?;
            let nonce = read.value(OCTET_STRING)?.len() == 12;
            let tag = read.value(INTEGER)? == [TAG as u8];
            read.leave()?;
            nonce && tag
        }
        Kind::AuthEnveloped => false,
    };
    if !allowed {
        return Err(NOT_ENCRYPTED);
    }
    read.leave()?;
    read.end()
}

/// Takes the names out of a RecipientInfo (RFC 5652, 6.2), which has no room for anything but keys.
fn recipient_info(element: &[u8], tag: u8, named: &mut Vec<Named>) -> Result<(), &'static str> {
    const KEY_AGREEMENT: u8 = context(1);
    let mut read = Pull::new(element);
    read.enter(tag)?;
    if tag == kem::OTHER {
        named.push(encapsulated(&mut read)?);
        read.leave()?;
        return read.end();
    }
    match (tag, read.value(INTEGER)?.as_slice()) {
        (SEQUENCE, [0]) => {
            let name = name(&mut read)?;
            bounded(&read.element(SEQUENCE)?, MOST_ALGORITHM)?;
            named.push(Named { name, way: Way::Transported, length: read.value(OCTET_STRING)?.len() });
        }
        (KEY_AGREEMENT, [3]) => {
            read.enter(context(0))?;
            // A certificate named here would be the sender's (RFC 5753, 3.1.1).
            if read.peek()? != Some(context(1)) {
                return Err("it names a certificate of its originator");
            }
            bounded(&read.element(context(1))?, MOST_ORIGINATOR)?;
            read.leave()?;
            if read.peek()? == Some(context(1)) {
                bounded(&read.element(context(1))?, MOST_MATERIAL)?;
            }
            bounded(&read.element(SEQUENCE)?, MOST_ALGORITHM)?;
            read.enter(SEQUENCE)?;
            while read.peek()?.is_some() {
                read.enter(SEQUENCE)?;
                let name = name(&mut read)?;
                named.push(Named { name, way: Way::Agreed, length: read.value(OCTET_STRING)?.len() });
                read.leave()?;
            }
            read.leave()?;
        }
        _ => return Err(NO_CERTIFICATE),
    }
    read.leave()?;
    read.end()
}

/// KEMRecipientInfo (RFC 9629, 3) in OtherRecipientInfo.
fn encapsulated(read: &mut Pull<impl Read>) -> Result<Named, &'static str> {
    if read.element(OID)? != write::oid(oid::KEM_RECIPIENT) {
        return Err(NO_CERTIFICATE);
    }
    read.enter(SEQUENCE)?;
    if read.value(INTEGER)? != [0] {
        return Err(NO_CERTIFICATE);
    }
    let name = name(read)?;
    bounded(&read.element(SEQUENCE)?, MOST_ALGORITHM)?;
    let way = Way::Encapsulated(read.value(OCTET_STRING)?.len());
    bounded(&read.element(SEQUENCE)?, MOST_ALGORITHM)?;
    bounded(&read.value(INTEGER)?, 2)?;
    if read.peek()? == Some(context(0)) {
        bounded(&read.element(context(0))?, MOST_MATERIAL)?;
    }
    bounded(&read.element(SEQUENCE)?, MOST_ALGORITHM)?;
    let length = read.value(OCTET_STRING)?.len();
    read.leave()?;
    Ok(Named { name, way, length })
}

fn name(read: &mut Pull<impl Read>) -> Result<Vec<u8>, &'static str> {
    if read.peek()? == Some(SEQUENCE) { read.element(SEQUENCE) } else { Err(ANOTHER) }
}

fn bounded(bytes: &[u8], most: usize) -> Result<(), &'static str> {
    if bytes.len() <= most { Ok(()) } else { Err("what is said of a recipient is longer than keys need") }
}

impl SealedTo {
    /// Each name is that of a recipient's certificate, and each certificate is named once.
    pub(super) fn compare(self, recipients: &Recipients<Smime>) -> Result<(), &'static str> {
        let mut left: HashMap<Vec<u8>, Named> = HashMap::new();
        for named in self.0 {
            if left.insert(named.name.clone(), named).is_some() {
                return Err("it is encrypted twice to one certificate");
            }
        }
        let mut reached: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        for certificate in recipients.iter().map(|recipient| recipient.usable().certificate()) {
            let der = certificate.to_der();
            let Some(name) = issuer_and_serial(certificate) else { return Err("a certificate cannot be read") };
            match (reached.get(&name), left.remove(&name)) {
                // Several addresses may share one.
                (Some(known), _) if *known == der => {}
                (Some(_), _) => return Err("two certificates have one issuer and serial number"),
                (None, Some(named)) if named.fits(certificate) => {
                    reached.insert(name, der);
                }
                (None, Some(_)) => return Err("a recipient's key is wrapped in a way that does not fit it"),
                (None, None) => return Err("it is not encrypted to every recipient"),
            }
        }
        if left.is_empty() { Ok(()) } else { Err(SOMEBODY_ELSE) }
    }
}
