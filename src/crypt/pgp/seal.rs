//! Sealing: sign inside encrypt in one OpenPGP message (RFC 3156, 6.2), written straight into its MIME form.
//!
//! The payload goes through chunk by chunk, so that the ciphertext grows while the cleartext goes away.

mod container;

use std::{
    collections::HashSet,
    io::{self, Write},
};

use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::{
    packet::signature::SignatureBuilder,
    serialize::stream::{LiteralWriter, Message, Signer as MessageSigner},
    types::SignatureType::Binary,
};

use super::{
    Pgp, Signer,
    armor::Crc,
    policy::{self, Target},
};
use crate::crypt::{
    AgentFailure, PayloadUse, Recipients, SealError, Sealed, Sealing, Unusable,
    look::Hidden,
    wire::{Base64Lines, Pieces, fold},
};
use crate::{
    mail::Field,
    threads::{Relay, relay},
};

/// Signs, encrypts, and looks at the result once more.
pub(super) fn seal(sealing: Sealing<'_, Pgp>) -> Result<Sealed, SealError> {
    let Sealing { payload, outer, confidential_subject, unseen, envelope, recipients, signer, form: (), at, boundary } =
        sealing;
    // SEIPDv2 only when every recipient says that it reads it.
    let modern = recipients.iter().all(|recipient| recipient.usable().certificate().reads_seipdv2(at));
    let sink = ArmorSink::new(head(outer, boundary).into_bytes(), !modern);
    let pieces = encrypt(sink, modern, payload, recipients, signer, at)?
        .finish(boundary)
        .map_err(|error| SealError::Library(error.to_string()))?;
    // The sender stands in From, so a copy to oneself hides nobody.
    let hidden: Vec<_> = unseen.iter().filter(|address| *address != envelope.from()).cloned().collect();
    Sealed::new(pieces, envelope, recipients, Hidden { subject: confidential_subject, addresses: &hidden })
}

/// Signing, encrypting and armoring each go on beside the others.
fn encrypt(
    sink: ArmorSink,
    modern: bool,
    payload: PayloadUse<'_>,
    recipients: &Recipients<Pgp>,
    signer: Option<&Signer>,
    at: Timestamp,
) -> Result<ArmorSink, SealError> {
    let targets = targets(recipients)?;
    let amount = payload.payload().len();
    // Of the agent that has the key: it is told from what fails here.
    let mut refused: Option<AgentFailure> = None;
    let sign = |sink: &mut dyn Relay| {
        sign(sink, payload, recipients, signer, at).map_err(|error| match error.downcast() {
            Ok(failure) => io::Error::other(refused.insert(failure).to_string()),
            Err(error) => io::Error::other(error),
        })
    };
    let done = relay(amount, sink, |sink| {
        let done = match modern {
            true => container::seipdv2(sink, &targets, amount, sign),
            false => container::seipdv1(sink, &targets, amount, sign),
        };
        done.map_err(io::Error::other)
    });
    done.map_err(|error| match refused {
        Some(failure) => SealError::Agent(Box::new(failure)),
        None => SealError::Library(error.to_string()),
    })
}

/// Writes the packets that are encrypted.
fn sign(
    sink: &mut dyn Relay,
    payload: PayloadUse<'_>,
    recipients: &Recipients<Pgp>,
    signer: Option<&Signer>,
    at: Timestamp,
) -> openpgp::Result<()> {
    let message = Message::new(sink);
    let message = match signer {
        Some(signer) => signature(message, signer, recipients, at)?,
        None => message,
    };
    let mut message = LiteralWriter::new(message).build()?;
    payload.write_to(&mut message)?;
    message.finalize()
}

/// Adds the signature, which names everyone who is meant to read it (RFC 9580, 13.12).
fn signature<'a>(
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

/// Armors what is written to it, in pieces, with CRLF line breaks. The checksum is for SEIPDv1 alone: GnuPG 2.2
/// needs it there, RFC 9580, 6.1 forbids it with SEIPDv2.
struct ArmorSink {
    checksum: Option<Crc>,
    lines: Base64Lines<Pieces>,
}

impl ArmorSink {
    fn new(head: Vec<u8>, checksum: bool) -> Self {
        Self { checksum: checksum.then(Crc::new), lines: Base64Lines::new(Pieces::new(head)) }
    }

    fn finish(self, boundary: &str) -> io::Result<Vec<Vec<u8>>> {
        let mut pieces = self.lines.finish()?;
        if let Some(crc) = &self.checksum {
            write!(pieces, "={}\r\n", crc.encode())?;
        }
        write!(pieces, "-----END PGP MESSAGE-----\r\n\r\n--{boundary}--\r\n")?;
        Ok(pieces.finish())
    }
}

impl Write for ArmorSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(crc) = &mut self.checksum {
            crc.update(bytes);
        }
        self.lines.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
