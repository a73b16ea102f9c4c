//! Files under a passphrase: symmetrically encrypted messages (RFC 9580, 5.3 and 5.13) for backups.
//!
//! Version 4 and SEIPDv1, with AES-256 and the iterated SHA-256 of RFC 4880 at its highest count, whatever the
//! passphrase: a backup is opened years later with what is at hand, and no GnuPG reads Argon2 or version 6. It is
//! opened so seldom that stretching a random passphrase too costs nothing.

use std::io::Write;

use jiff::Timestamp;
use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

use openpgp::{
    Cert, KeyHandle,
    crypto::{Password, S2K, SessionKey},
    packet::{PKESK, SKESK},
    parse::{
        Parse,
        stream::{DecryptionHelper, DecryptorBuilder, MessageLayer, MessageStructure, VerificationHelper},
    },
    serialize::stream::{Compressor, Encryptor, LiteralWriter, Message},
    types::{CompressionAlgorithm, CompressionLevel, DataFormat, SymmetricAlgorithm},
};

use crate::crypt::collect::{Content, collect};

use super::{
    KeyError,
    armor::{Input, Kind},
    policy,
};

/// Why a file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The passphrase is not the right one, as far as that can be told.
    #[error("wrong passphrase for the backup")]
    WrongPassphrase,
    /// It was changed, or cut.
    #[error("the backup is damaged")]
    Damaged,
    /// It holds more than is read, in bytes.
    #[error("the backup holds more than {0} bytes")]
    TooLarge(usize),
}

/// Above 1 GiB, 2 to the 20th KiB, Argon2 is refused.
const MOST_MEMORY: u8 = 20;

/// Whether a file is made smaller first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// It stays as it is.
    Plain,
    /// Its length then tells a little of what it holds.
    Deflated,
}

/// Encrypts a file under a passphrase.
///
/// # Errors
/// [`KeyError::Library`].
pub fn seal_file(
    name: &str,
    bytes: &[u8],
    passphrase: &Zeroizing<String>,
    packing: Packing,
) -> Result<Vec<u8>, KeyError> {
    let mut sealed = Vec::with_capacity(bytes.len() + 1024);
    let mut write = || -> openpgp::Result<()> {
        let password = Password::from(passphrase.as_str());
        let message = Message::new(&mut sealed);
        let mut message =
            Encryptor::with_passwords(message, Some(password)).symmetric_algo(SymmetricAlgorithm::AES256).build()?;
        if packing == Packing::Deflated {
            message =
                Compressor::new(message).algo(CompressionAlgorithm::Zlib).level(CompressionLevel::best()).build()?;
        }
        let mut message = LiteralWriter::new(message).format(DataFormat::Binary).filename(name)?.build()?;
        message.write_all(bytes)?;
        message.finalize()
    };
    write().map_err(|error| KeyError::Library(error.to_string()))?;
    Ok(sealed)
}

/// Whether some bytes are a message under a passphrase.
pub fn is_sealed_file(bytes: &[u8]) -> bool {
    let Ok(input) = Input::find(bytes) else { return false };
    if matches!(input, Input::Armored(kind, _) if kind != Kind::Message) {
        return false;
    }
    let mut first = [0];
    // The tag of a packet of either format: 3, an encrypted session key under a passphrase.
    input.reader().read_exact(&mut first).is_ok() && matches!(first, [0xc3 | 0x8c..=0x8f])
}

/// Opens what [`seal_file`] made, or another program; nothing comes out before its end is proven. What is not
/// authenticated at all is refused by the policy of that time.
///
/// # Errors
/// [`FileError`].
pub fn open_file(
    bytes: &[u8],
    passphrase: &Zeroizing<String>,
    limit: usize,
    at: Timestamp,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let input = Input::find(bytes).map_err(|_| FileError::Damaged)?;
    let policy = policy::strict(at);
    let mut helper = Helper { password: Password::from(passphrase.as_str()), opened: false };
    let decryptor = DecryptorBuilder::from_reader(input.reader())
        .and_then(|builder| builder.with_policy(&policy, None, &mut helper));
    let mut decryptor = match decryptor {
        Ok(decryptor) => decryptor,
        Err(error) => {
            let missing =
                error.downcast_ref().is_some_and(|error| matches!(error, openpgp::Error::MissingSessionKey(_)));
            return Err(if missing { FileError::WrongPassphrase } else { FileError::Damaged });
        }
    };
    match collect(&mut decryptor, input.size(), limit) {
        Ok(Content::Whole(clear)) => Ok(clear),
        Ok(Content::TooLarge) => Err(FileError::TooLarge(limit)),
        Err(_) => Err(FileError::Damaged),
    }
}

struct Helper {
    password: Password,
    opened: bool,
}

impl VerificationHelper for &mut Helper {
    fn get_certs(&mut self, _: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(Vec::new())
    }

    /// Whoever knows the passphrase made it; it must be encrypted, and may be compressed.
    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        match structure.into_iter().next() {
            Some(MessageLayer::Encryption { .. }) if self.opened => Ok(()),
            _ => Err(openpgp::Error::MalformedMessage("not encrypted".into()).into()),
        }
    }
}

impl DecryptionHelper for &mut Helper {
    fn decrypt(
        &mut self,
        _: &[PKESK],
        skesks: &[SKESK],
        _: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> openpgp::Result<Option<Cert>> {
        for skesk in skesks.iter().take(8).filter(|skesk| is_bearable(skesk)) {
            let opened = skesk.decrypt(&self.password).is_ok_and(|(algorithm, key)| decrypt(algorithm, &key));
            if opened {
                self.opened = true;
                return Ok(None);
            }
        }
        Err(openpgp::Error::MissingSessionKey("none".into()).into())
    }
}

fn is_bearable(skesk: &SKESK) -> bool {
    let s2k = match skesk {
        SKESK::V4(skesk) => skesk.s2k(),
        SKESK::V6(skesk) => skesk.s2k(),
        _ => return false,
    };
    !matches!(s2k, S2K::Argon2 { m, t, .. } if *m > MOST_MEMORY || *t > 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    fn at() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_file_opens_with_its_passphrase_and_whole_only() {
        let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_be_bytes).collect();
        let small = seal_file("file", &bytes, &secret("correct horse"), Packing::Deflated).unwrap();
        assert_eq!(*open_file(&small, &secret("correct horse"), 1 << 20, at()).unwrap(), bytes);
        assert_eq!(open_file(&small, &secret("correct horse"), 1000, at()), Err(FileError::TooLarge(1000)));
        let sealed = seal_file("file", &bytes, &secret("correct horse"), Packing::Plain).unwrap();
        assert!(small.len() < sealed.len());
        assert!(is_sealed_file(&sealed));
        assert_eq!(*open_file(&sealed, &secret("correct horse"), 1 << 20, at()).unwrap(), bytes);
        assert_eq!(open_file(&sealed, &secret("correct horse"), 1000, at()), Err(FileError::TooLarge(1000)));
        assert_eq!(open_file(&sealed, &secret("wrong"), 1 << 20, at()), Err(FileError::WrongPassphrase));
        for cut in [0, 1, 20, 100, sealed.len() / 2, sealed.len() - 1] {
            assert!(open_file(&sealed[..cut], &secret("correct horse"), 1 << 20, at()).is_err(), "{cut}");
        }
        for place in [100, sealed.len() / 2, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(
                open_file(&changed, &secret("correct horse"), 1 << 20, at()),
                Err(FileError::Damaged),
                "{place}"
            );
        }
        assert!(!is_sealed_file(b"") && !is_sealed_file(b"rubbish") && !is_sealed_file(&[0xc6, 1, 2]));
    }
}
