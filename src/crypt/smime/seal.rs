//! Sealing: sign inside encrypt (RFC 8551, 3.7), written chunk by chunk into its MIME form.
//!
//! All lengths are known before, that of the signature too, so that the payload is digested, encrypted and encoded at
//! the same time, and the ciphertext grows while the cleartext goes away.

mod envelope;
mod sign;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod wrap;

use std::io::{self, Write};

use jiff::Timestamp;

use self::sign::{Signature, Signing};
use super::{ContentEncryption, Form, SignatureForm, Signer, Smime};
use crate::crypt::{
    AgentFailure, PayloadUse, PublicCertificate, SealError, Sealed, Sealing, Unusable,
    look::Hidden,
    wire::{Base64Lines, Pieces, base64_lines_len, fold},
};
use crate::{mail::Field, threads::relay};

/// Signs, encrypts, and looks at the result once more.
pub(super) fn seal(sealing: Sealing<'_, Smime>) -> Result<Sealed, SealError> {
    let Sealing { payload, outer, confidential_subject, unseen, envelope, recipients, signer, form, at, boundary } =
        sealing;
    let inside = match signer {
        Some(signer) => Inside::signed(signer, form, at, boundary)?,
        None => Inside::Bare,
    };
    let recipient_infos = envelope::recipient_infos(recipients)?;
    let lines = Base64Lines::new(Pieces::new(head(outer, form.content).into_bytes()));
    // Of the agent that has the key: it is told from what fails here.
    let mut refused: Option<Box<AgentFailure>> = None;
    let write = || -> io::Result<Vec<Vec<u8>>> {
        let length = inside.len(payload.payload().len())?;
        let lines = relay(length, lines, |lines| {
            let mut sink = recipient_infos.encrypt(form.content, length, lines)?;
            inside.write(payload, &mut sink).map_err(|error| match error.downcast() {
                Ok(sign::Refusal::Agent(failure)) => io::Error::other(refused.insert(failure).to_string()),
                Ok(refusal) => io::Error::other(refusal),
                Err(error) => error,
            })?;
            sink.finish().map(|_| ())
        });
        Ok(lines?.finish()?.finish())
    };
    let pieces = write();
    let pieces = pieces.map_err(|error| match refused {
        Some(failure) => SealError::Agent(failure),
        None => SealError::Library(error.to_string()),
    })?;
    // The sender stands in From, so a copy to oneself hides nobody.
    let hidden: Vec<_> = unseen.iter().filter(|address| *address != envelope.from()).cloned().collect();
    Sealed::new(pieces, envelope, recipients, Hidden { subject: confidential_subject, addresses: &hidden })
}

/// The outer header (RFC 8551, 3.2 and 3.3).
fn head(outer: &[Field], content: ContentEncryption) -> String {
    let kind = match content {
        ContentEncryption::Cbc => "enveloped-data",
        ContentEncryption::Gcm => "authEnveloped-data",
    };
    let mut head = String::new();
    for field in outer {
        fold(&mut head, field.name(), field.value());
    }
    head.push_str("MIME-Version: 1.0\r\n");
    head.push_str(&pkcs7_mime(kind));
    head
}

/// The fields of an application/pkcs7-mime, and the line behind them.
fn pkcs7_mime(kind: &str) -> String {
    format!(
        "Content-Type: application/pkcs7-mime; name=\"smime.p7m\";\r\n smime-type={kind}\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n"
    )
}

/// What is encrypted.
enum Inside<'a> {
    /// The payload alone.
    Bare,
    /// The payload and its signature.
    Signed(Box<Signing<'a>>, Frame),
}

/// What stands around a payload that is signed.
enum Frame {
    /// multipart/signed with a boundary (RFC 8551, 3.5.3).
    Detached { boundary: String },
    /// application/pkcs7-mime (RFC 8551, 3.5.2): a MIME header, and in base64 the rest.
    Opaque,
}

impl<'a> Inside<'a> {
    fn signed(signer: &'a Signer, form: Form, at: Timestamp, outer_boundary: &str) -> Result<Self, SealError> {
        let signing = Signing::new(signer, at).map_err(|refusal| match refusal {
            sign::Refusal::Kind => Unusable::CannotSign { fingerprint: signer.certificate.fingerprint() }.into(),
            refusal => SealError::Library(refusal.to_string()),
        })?;
        let frame = match form.signature {
            SignatureForm::Detached => Frame::Detached { boundary: inner_boundary(outer_boundary) },
            SignatureForm::Opaque => Frame::Opaque,
        };
        Ok(Self::Signed(Box::new(signing), frame))
    }

    /// The length of it all around a payload of some bytes.
    fn len(&self, payload: usize) -> io::Result<usize> {
        let Self::Signed(signing, frame) = self else { return Ok(payload) };
        let (before, after) = frame.around(&signing.blank(), payload)?;
        let around = before.len() + payload + after.len();
        Ok(match frame {
            Frame::Detached { .. } => around,
            Frame::Opaque => pkcs7_mime("signed-data").len() + base64_lines_len(around),
        })
    }

    fn write(self, payload: PayloadUse<'_>, sink: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Bare => payload.write_to(sink),
            Self::Signed(signing, frame @ Frame::Detached { .. }) => frame.write(*signing, payload, sink),
            Self::Signed(signing, frame @ Frame::Opaque) => {
                sink.write_all(pkcs7_mime("signed-data").as_bytes())?;
                let mut lines = Base64Lines::new(sink);
                frame.write(*signing, payload, &mut lines)?;
                lines.finish().map(|_| ())
            }
        }
    }
}

impl Frame {
    /// What stands before and behind the payload. A blank signature and the true one differ in what is behind.
    fn around(&self, signature: &Signature, payload: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Opaque => Ok(signature.around(payload)),
            Self::Detached { boundary } => {
                let before = format!(
                    "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg={};\r\n \
                     boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n",
                    signature.micalg
                );
                let header = format!(
                    "\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
                     Content-Transfer-Encoding: base64\r\n\
                     Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
                );
                let mut lines = Base64Lines::new(header.into_bytes());
                lines.write_all(&signature.detached())?;
                let mut after = lines.finish()?;
                after.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
                Ok((before.into_bytes(), after))
            }
        }
    }

    fn write(&self, mut signing: Signing<'_>, payload: PayloadUse<'_>, sink: &mut impl Write) -> io::Result<()> {
        let length = payload.payload().len();
        sink.write_all(&self.around(&signing.blank(), length)?.0)?;
        payload.write_and_show_to(sink, &mut |bytes| Ok(signing.update(bytes)?))?;
        let signature = signing.finish().map_err(io::Error::other)?;
        sink.write_all(&self.around(&signature, length)?.1)
    }
}

/// A boundary as hard to guess as the outer one, that neither is it nor begins like it. It is long: OpenSSL's own
/// reader does not find short ones.
fn inner_boundary(outer: &str) -> String {
    let digest = openssl::sha::sha256(outer.as_bytes());
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("=_signed_{digits}_=")
}
