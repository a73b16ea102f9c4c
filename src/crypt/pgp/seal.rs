//! Sealing: sign inside encrypt in one OpenPGP message (RFC 3156, 6.2), written straight into its MIME form.
//!
//! The payload goes through chunk by chunk, so that the ciphertext grows while the cleartext goes away.

use std::{
    collections::HashSet,
    io::{self, Write},
};

use base64::Engine;
use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::{
    packet::signature::SignatureBuilder,
    serialize::stream::{Encryptor, LiteralWriter, Message, Recipient, Signer as MessageSigner, padding::Padder},
    types::{Features, SignatureType::Binary, SymmetricAlgorithm},
};

use super::{
    Pgp, Signer,
    armor::{BASE64, Crc},
    policy::{self, Target},
};
use crate::crypt::{PayloadUse, Recipients, SealError, Sealed, Sealing, Unusable, look::Hidden};
use crate::mail::Field;

/// Bytes that make one line of armor, and the line's length with its CRLF.
const LINE: usize = 48;
const ARMORED_LINE: usize = 66;

/// How many lines are encoded at a time.
const BLOCK: usize = 64;

/// The most wire bytes that one piece holds: what a chunk of payload leaves behind is used for it.
const PIECE: usize = ARMORED_LINE * BLOCK * 15;

/// Signs, encrypts, and looks at the result once more.
pub(super) fn seal(sealing: Sealing<'_, Pgp>) -> Result<Sealed, SealError> {
    let Sealing { payload, outer, confidential_subject, unseen, envelope, recipients, signer, form: (), at, boundary } =
        sealing;
    // SEIPDv2 only when every recipient says that it reads it.
    let modern = recipients.iter().all(|recipient| recipient.usable().certificate().reads_seipdv2(at));
    let mut sink = ArmorSink::new(head(outer, boundary).into_bytes(), !modern);
    encrypt(&mut sink, modern, payload, recipients, signer, at)?;
    let pieces = sink.finish(boundary).map_err(|error| SealError::Library(error.to_string()))?;
    // The sender stands in From, so a copy to oneself hides nobody.
    let hidden: Vec<_> = unseen.iter().filter(|address| *address != envelope.from()).cloned().collect();
    Sealed::new(pieces, envelope, recipients, Hidden { subject: confidential_subject, addresses: &hidden })
}

fn encrypt(
    sink: &mut ArmorSink,
    modern: bool,
    payload: PayloadUse<'_>,
    recipients: &Recipients<Pgp>,
    signer: Option<&Signer>,
    at: Timestamp,
) -> Result<(), SealError> {
    let targets = targets(recipients)?;
    let features = if modern { Features::empty().set_seipdv1().set_seipdv2() } else { Features::empty().set_seipdv1() };
    let to = targets.iter().map(|target| Recipient::new(features.clone(), target.handle(), &target.key));
    let write = || -> openpgp::Result<()> {
        let message = Message::new(sink);
        let message = Encryptor::for_recipients(message, to).symmetric_algo(SymmetricAlgorithm::AES256).build()?;
        // It pads SEIPDv2 alone: older readers do not know the padding packet (RFC 9580, 13.11).
        let message = Padder::new(message).build()?;
        let message = match signer {
            Some(signer) => sign(message, signer, recipients, at)?,
            None => message,
        };
        let mut message = LiteralWriter::new(message).build()?;
        match payload {
            PayloadUse::Borrowed(payload) => payload.chunks().try_for_each(|chunk| message.write_all(chunk))?,
            PayloadUse::Owned(payload) => payload.into_chunks().try_for_each(|chunk| message.write_all(&chunk))?,
        }
        message.finalize()
    };
    write().map_err(|error| SealError::Library(error.to_string()))
}

/// Adds the signature, which names everyone who is meant to read it (RFC 9580, 13.12).
fn sign<'a>(
    message: Message<'a>,
    signer: &Signer,
    recipients: &Recipients<Pgp>,
    at: Timestamp,
) -> openpgp::Result<Message<'a>> {
    let hash = policy::hash_for(signer.pair.public());
    let mut layer = MessageSigner::with_template(message, signer.pair.clone(), SignatureBuilder::new(Binary))?
        .hash_algo(hash)?
        .creation_time(policy::system_time(at));
    let mut named = HashSet::new();
    for certificate in recipients.iter().map(|recipient| recipient.usable().certificate()) {
        if named.insert(certificate.cert.fingerprint()) {
            layer = layer.add_intended_recipient(&certificate.cert);
        }
    }
    layer.build()
}

/// Every key to encrypt to, each once.
fn targets(recipients: &Recipients<Pgp>) -> Result<Vec<Target>, SealError> {
    let mut targets = Vec::new();
    let mut known = HashSet::new();
    for usable in recipients.iter().map(|recipient| recipient.usable()) {
        let cert = &usable.certificate().cert;
        let keys = policy::encryption_keys(cert, usable.checked_at());
        if keys.is_empty() {
            return Err(Unusable::CannotEncrypt { fingerprint: policy::fingerprint_of(cert) }.into());
        }
        targets.extend(keys.into_iter().filter(|target| known.insert(target.key.fingerprint())));
    }
    Ok(targets)
}

/// The outer header, and the parts down to where the armor begins (RFC 3156, 4).
fn head(outer: &[Field], boundary: &str) -> String {
    let mut head = String::new();
    for field in outer {
        fold(&mut head, field.name(), field.value());
    }
    head.push_str("MIME-Version: 1.0\r\n");
    head.push_str("Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n");
    head.push_str(&format!(" boundary=\"{boundary}\"\r\n\r\n"));
    head.push_str(&format!("--{boundary}\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"));
    head.push_str(&format!("--{boundary}\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"));
    head.push_str("Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n");
    head.push_str("-----BEGIN PGP MESSAGE-----\r\n\r\n");
    head
}

/// Writes one field, folded before a word that would pass column 78 (RFC 5322, 2.1.1).
fn fold(head: &mut String, name: &str, value: &str) {
    head.push_str(name);
    head.push(':');
    let mut column = name.len() + 1;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        if column + 1 + word.len() > 78 && column > name.len() + 1 {
            head.push_str("\r\n");
            column = 0;
        }
        head.push(' ');
        head.push_str(word);
        column += 1 + word.len();
    }
    head.push_str("\r\n");
}

/// Armors what is written to it, in pieces, with CRLF line breaks. The checksum is for SEIPDv1 alone: GnuPG 2.2
/// needs it there, RFC 9580, 6.1 forbids it with SEIPDv2.
struct ArmorSink {
    checksum: Option<Crc>,
    pieces: Vec<Vec<u8>>,
    current: Vec<u8>,
    pending: Vec<u8>,
}

impl ArmorSink {
    fn new(head: Vec<u8>, checksum: bool) -> Self {
        let checksum = checksum.then(Crc::new);
        Self { checksum, pieces: vec![head], current: Vec::with_capacity(PIECE), pending: Vec::with_capacity(LINE) }
    }

    /// Writes at most [`BLOCK`] lines, of which the last may be short.
    fn block(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.current.len() + ARMORED_LINE * BLOCK > PIECE {
            self.pieces.push(std::mem::replace(&mut self.current, Vec::with_capacity(PIECE)));
        }
        let mut digits = [0u8; (ARMORED_LINE - 2) * BLOCK];
        let count = BASE64.encode_slice(bytes, &mut digits).map_err(io::Error::other)?;
        for line in digits[..count].chunks(ARMORED_LINE - 2) {
            self.current.extend_from_slice(line);
            self.current.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn finish(mut self, boundary: &str) -> io::Result<Vec<Vec<u8>>> {
        if !self.pending.is_empty() {
            let last = std::mem::take(&mut self.pending);
            self.block(&last)?;
        }
        if let Some(crc) = &self.checksum {
            self.current.extend_from_slice(format!("={}\r\n", crc.encode()).as_bytes());
        }
        self.current.extend_from_slice(format!("-----END PGP MESSAGE-----\r\n\r\n--{boundary}--\r\n").as_bytes());
        self.current.shrink_to_fit();
        self.pieces.push(self.current);
        Ok(self.pieces)
    }
}

impl Write for ArmorSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        if let Some(crc) = &mut self.checksum {
            crc.update(bytes);
        }
        if !self.pending.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(LINE - self.pending.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if self.pending.len() < LINE {
                return Ok(bytes.len());
            }
            let line = std::mem::replace(&mut self.pending, Vec::with_capacity(LINE));
            self.block(&line)?;
        }
        let whole = rest.len() - rest.len() % LINE;
        rest[..whole].chunks(LINE * BLOCK).try_for_each(|block| self.block(block))?;
        self.pending.extend_from_slice(&rest[whole..]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
