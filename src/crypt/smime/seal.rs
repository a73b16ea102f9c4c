//! Sealing: sign inside encrypt (RFC 8551, 3.7), written chunk by chunk into its MIME form.
//!
//! All lengths are known before: the payload is digested first and then goes through, so that the ciphertext grows
//! while the cleartext goes away.

mod envelope;
mod sign;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod wrap;

use std::io::{self, Write};

use jiff::Timestamp;

use super::{ContentEncryption, Form, SignatureForm, Signer, Smime};
use crate::crypt::{
    PayloadUse, PublicCertificate, SealError, Sealed, Sealing, Unusable,
    look::Hidden,
    wire::{Base64Lines, Pieces, base64_lines_len, fold},
};
use crate::mail::{Field, Payload};

/// Signs, encrypts, and looks at the result once more.
pub(super) fn seal(sealing: Sealing<'_, Smime>) -> Result<Sealed, SealError> {
    let Sealing { payload, outer, confidential_subject, unseen, envelope, recipients, signer, form, at, boundary } =
        sealing;
    let inside = match signer {
        Some(signer) => Inside::signed(signer, payload.payload(), form, at, boundary)?,
        None => Inside::Bare,
    };
    let recipient_infos = envelope::recipient_infos(recipients)?;
    let length = inside.len(payload.payload().len());
    let lines = Base64Lines::new(Pieces::new(head(outer, form.content).into_bytes()));
    let write = || -> io::Result<Vec<Vec<u8>>> {
        let mut sink = recipient_infos.encrypt(form.content, length, lines)?;
        inside.write(payload, &mut sink)?;
        Ok(sink.finish()?.finish()?.finish())
    };
    let pieces = write().map_err(|error| SealError::Library(error.to_string()))?;
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

/// What is encrypted: the payload and what stands around it.
enum Inside {
    /// It alone.
    Bare,
    /// multipart/signed (RFC 8551, 3.5.3).
    Detached { before: String, after: Vec<u8> },
    /// application/pkcs7-mime (RFC 8551, 3.5.2): a MIME header, and in base64 the rest.
    Opaque { header: String, before: Vec<u8>, after: Vec<u8> },
}

impl Inside {
    fn signed(
        signer: &Signer,
        payload: &Payload,
        form: Form,
        at: Timestamp,
        outer_boundary: &str,
    ) -> Result<Self, SealError> {
        let signature = sign::sign(signer, payload.chunks(), at).map_err(|refusal| match refusal {
            sign::Refusal::Kind => Unusable::CannotSign { fingerprint: signer.certificate.fingerprint() }.into(),
            sign::Refusal::Library(error) => SealError::Library(error.to_string()),
        })?;
        if form.signature == SignatureForm::Opaque {
            let (before, after) = signature.around(payload.len());
            return Ok(Self::Opaque { header: pkcs7_mime("signed-data"), before, after });
        }
        let boundary = inner_boundary(outer_boundary);
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
        let written = lines.write_all(&signature.detached()).and_then(|()| lines.finish());
        let mut after = written.map_err(|error| SealError::Library(error.to_string()))?;
        after.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Ok(Self::Detached { before, after })
    }

    /// The length of it all around a payload of some bytes.
    fn len(&self, payload: usize) -> usize {
        match self {
            Self::Bare => payload,
            Self::Detached { before, after } => before.len() + payload + after.len(),
            Self::Opaque { header, before, after } => {
                header.len() + base64_lines_len(before.len() + payload + after.len())
            }
        }
    }

    fn write(self, payload: PayloadUse<'_>, mut sink: impl Write) -> io::Result<()> {
        match self {
            Self::Bare => payload.write_to(&mut sink),
            Self::Detached { before, after } => {
                sink.write_all(before.as_bytes())?;
                payload.write_to(&mut sink)?;
                sink.write_all(&after)
            }
            Self::Opaque { header, before, after } => {
                sink.write_all(header.as_bytes())?;
                let mut lines = Base64Lines::new(sink);
                lines.write_all(&before)?;
                payload.write_to(&mut lines)?;
                lines.write_all(&after)?;
                lines.finish().map(|_| ())
            }
        }
    }
}

/// A boundary as hard to guess as the outer one, that neither is it nor begins like it. It is long: OpenSSL's own
/// reader does not find short ones.
fn inner_boundary(outer: &str) -> String {
    let digest = openssl::sha::sha256(outer.as_bytes());
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("=_signed_{digits}_=")
}
