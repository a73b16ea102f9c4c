//! PKCS#12 files (RFC 7292): looked at first, then opened by the crypto library.
//!
//! The structure is read by memory-safe code as far as it is in clear, so that every algorithm is known by name and
//! every cost bounded before the passphrase is tried.

use der::{
    Encode, EncodingRules, Reader, Sequence, SliceReader, TagNumber,
    asn1::{Any, AnyRef, ContextSpecific, ObjectIdentifier, OctetString, SetOfVec, UintRef},
};
use openssl::{
    pkcs12::{ParsedPkcs12_2, Pkcs12},
    pkey::{PKey, Private},
    provider::Provider,
};
use spki::AlgorithmIdentifierRef;

use super::super::{
    Certificate, UnlockError,
    key::{
        MOST,
        scheme::{Demand, EncryptedKey},
    },
};
use crate::ffi;

/// Data and EncryptedData (RFC 5652, 4 and 8).
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
/// A locked key, and bags in a bag (RFC 7292, 4.2).
const SHROUDED_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const SAFE_CONTENTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.6");

/// More bags or layers of them than any file has.
const MOST_BAGS: usize = 2 * MOST;
const DEEPEST: usize = 4;

/// What a file held.
pub(in crate::crypt::smime) struct Opened {
    pub key: PKey<Private>,
    /// Its own certificate and the others, in the order of the file.
    pub certificates: Vec<Certificate>,
}

/// Whether bytes are the beginning of a PKCS#12 file: version 3, then a ContentInfo.
pub(in crate::crypt::smime) fn is_pkcs12(bytes: &[u8]) -> bool {
    let look = || -> der::Result<bool> {
        let mut reader = SliceReader::new_with_encoding_rules(bytes, EncodingRules::Ber)?;
        reader.sequence(|body| {
            let version: u8 = body.decode()?;
            let content = body.sequence(|content| {
                let kind: ObjectIdentifier = content.decode()?;
                rest(content)?;
                Ok::<_, der::Error>(kind)
            })?;
            rest(body)?;
            Ok(version == 3 && content == DATA)
        })
    };
    look().unwrap_or(false)
}

/// Opens a file.
///
/// # Errors
/// [`UnlockError`]; algorithms and costs first, without a look at the passphrase.
pub(in crate::crypt::smime) fn open(bytes: &[u8], passphrase: &str) -> Result<Opened, UnlockError> {
    let mut asks = look(bytes)?;
    let wrong = || UnlockError::WrongPassphrase("the PKCS#12 file".to_owned());
    if passphrase.contains('\0') {
        return Err(wrong());
    }
    if !asks.look_within(passphrase)? {
        return Err(wrong());
    }
    let file = Pkcs12::from_der(bytes).map_err(|_| UnlockError::Broken)?;
    let parsed = {
        let _legacy = asks.demand.legacy.then(legacy).transpose()?;
        file.parse2(passphrase)
    };
    let ParsedPkcs12_2 { pkey, cert, ca } = parsed.map_err(|errors| {
        // Where the integrity holds, the passphrase was right, and what is inside is not.
        let of_mac = errors.errors().iter().any(|error| error.reason() == Some("mac verify failure"));
        if of_mac || !asks.mac { wrong() } else { UnlockError::Broken }
    })?;
    let key = pkey.ok_or(UnlockError::NoSecret)?;
    if ca.as_ref().is_some_and(|others| others.len() > MOST) {
        return Err(UnlockError::TooCostly);
    }
    let others = ca.into_iter().flatten();
    // One that cannot be read is none.
    let certificates = cert.into_iter().chain(others).filter_map(|x509| Certificate::from_x509(x509).ok()).collect();
    Ok(Opened { key, certificates })
}

/// The algorithms that the library keeps apart, for as long as the value lives.
pub(in crate::crypt::smime) fn legacy() -> Result<Provider, UnlockError> {
    Provider::try_load(None, "legacy", true).map_err(|_| UnlockError::Algorithm("RC2, RC4 or DES".to_owned()))
}

/// What a file asks for, as far as that stands in clear.
struct Asks {
    demand: Demand,
    mac: bool,
    bags: usize,
    /// What is encrypted: the algorithm in DER, and the ciphertext.
    hidden: Vec<(Vec<u8>, Vec<u8>)>,
    fault: Option<UnlockError>,
}

fn look(bytes: &[u8]) -> Result<Asks, UnlockError> {
    let mut asks = Asks { demand: Demand::default(), mac: false, bags: 0, hidden: Vec::new(), fault: None };
    let read = asks.file(bytes);
    match asks.fault.take() {
        Some(fault) => Err(fault),
        None => read.map(|()| asks).map_err(|_| UnlockError::Broken),
    }
}

impl Asks {
    /// PFX (RFC 7292, 4).
    fn file(&mut self, bytes: &[u8]) -> der::Result<()> {
        ber(bytes)?.sequence(|body| {
            let _version: u8 = body.decode()?;
            let safes = body.sequence(|content| {
                let _kind: ObjectIdentifier = content.decode()?;
                explicit::<OctetString>(content)
            })?;
            if !body.is_finished() {
                self.mac = true;
                body.sequence(|mac| self.integrity(mac))?;
            }
            // AuthenticatedSafe (RFC 7292, 4.1)
            ber(safes.as_bytes())?.sequence(|safes| {
                while !safes.is_finished() {
                    safes.sequence(|safe| self.safe(safe))?;
                }
                Ok(())
            })
        })
    }

    /// Adds what the bags ask for that are encrypted themselves, each of which the library would compute as it comes.
    /// False if the passphrase does not open them.
    fn look_within(&mut self, passphrase: &str) -> Result<bool, UnlockError> {
        let _legacy = self.demand.legacy.then(legacy).transpose()?;
        for (algorithm, content) in std::mem::take(&mut self.hidden) {
            // Some write no passphrase as the empty one, others as none.
            let tries = [Some(passphrase), None];
            let count = if passphrase.is_empty() { 2 } else { 1 };
            let mut garbage = false;
            for passphrase in tries.into_iter().take(count) {
                let Ok(clear) = ffi::decrypt_by_passphrase(&algorithm, passphrase, &content) else { continue };
                // It may have a padding that fits.
                garbage = clear.first() != Some(&0x30);
                if garbage {
                    continue;
                }
                let read = ber(&clear).and_then(|mut clear| clear.sequence(|bags| self.bags(bags, 0)));
                match (self.fault.take(), read) {
                    (Some(fault), _) => return Err(fault),
                    // A stream cipher gives garbage that begins like a sequence, one time in 256.
                    (None, Err(_)) => garbage = true,
                    (None, Ok(())) => break,
                }
            }
            if garbage {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// MacData (RFC 7292, 4).
    fn integrity<'a>(&mut self, mac: &mut SliceReader<'a>) -> der::Result<()> {
        let algorithm = mac.sequence(|digest| {
            let algorithm: AlgorithmIdentifierRef<'a> = digest.decode()?;
            rest(digest)?;
            Ok::<_, der::Error>(algorithm)
        })?;
        let _salt: OctetString = mac.decode()?;
        let rounds = mac.decode::<Option<UintRef<'_>>>()?;
        let rounds = rounds.map_or(1, |rounds| super::scheme::number(&rounds));
        let asked = self.demand.add_mac(&algorithm, rounds);
        self.note(asked)
    }

    /// One ContentInfo of the AuthenticatedSafe.
    fn safe<'a>(&mut self, safe: &mut SliceReader<'a>) -> der::Result<()> {
        let kind: ObjectIdentifier = safe.decode()?;
        match kind {
            DATA => {
                let bags = explicit::<OctetString>(safe)?;
                ber(bags.as_bytes())?.sequence(|bags| self.bags(bags, 0))
            }
            ENCRYPTED_DATA => {
                let data = explicit::<EncryptedData<'a>>(safe)?;
                let asked = self.demand.add(&data.info.algorithm);
                self.note(asked)?;
                let content = data.info.content.map(OctetString::into_bytes).unwrap_or_default();
                self.hidden.push((data.info.algorithm.to_der()?, content.into()));
                Ok(())
            }
            // public-key privacy (RFC 7292, 3.1): nobody makes it, the library passes over it
            _ => rest(safe),
        }
    }

    /// The bags of a SafeContents (RFC 7292, 4.2).
    fn bags<'a>(&mut self, bags: &mut SliceReader<'a>, depth: usize) -> der::Result<()> {
        while !bags.is_finished() {
            self.bags += 1;
            if self.bags > MOST_BAGS || depth > DEEPEST {
                return self.note(Err(UnlockError::TooCostly));
            }
            bags.sequence(|bag| {
                match bag.decode::<ObjectIdentifier>()? {
                    SHROUDED_KEY => {
                        let asked = self.demand.add(&explicit::<EncryptedKey<'a>>(bag)?.algorithm);
                        self.note(asked)?;
                    }
                    SAFE_CONTENTS => {
                        let inner = explicit::<AnyRef<'a>>(bag)?;
                        self.bags(&mut ber(inner.value())?, depth + 1)?;
                    }
                    _ => {}
                }
                rest(bag)
            })?;
        }
        Ok(())
    }

    /// Keeps the reason, and ends the reading.
    fn note(&mut self, asked: Result<(), UnlockError>) -> der::Result<()> {
        asked.map_err(|fault| {
            self.fault = Some(fault);
            der::Error::from(der::ErrorKind::Failed)
        })
    }
}

/// EncryptedData (RFC 5652, 8).
#[derive(Sequence)]
struct EncryptedData<'a> {
    version: u8,
    info: EncryptedContent<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    attributes: Option<SetOfVec<Any>>,
}

/// EncryptedContentInfo (RFC 5652, 6.1).
#[derive(Sequence)]
struct EncryptedContent<'a> {
    kind: ObjectIdentifier,
    algorithm: AlgorithmIdentifierRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    content: Option<OctetString>,
}

fn ber(bytes: &[u8]) -> der::Result<SliceReader<'_>> {
    SliceReader::new_with_encoding_rules(bytes, EncodingRules::Ber)
}

/// The value in `[0] EXPLICIT`.
fn explicit<'a, T: der::Decode<'a, Error = der::Error>>(reader: &mut SliceReader<'a>) -> der::Result<T> {
    let missing = || der::Error::from(der::ErrorKind::Failed);
    ContextSpecific::<T>::decode_explicit(reader, TagNumber(0))?.map(|field| field.value).ok_or_else(missing)
}

/// Passes over what is left.
fn rest(reader: &mut SliceReader<'_>) -> der::Result<()> {
    reader.drain(reader.remaining_len())
}
