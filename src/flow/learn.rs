//! What a signed message teaches: the certificates that it brings, and what the makers of good signatures say that
//! they read. Nothing of it is trusted for having come along.

use crate::{
    crypt::{
        Fingerprint, OpenError, PublicCertificate,
        smime::{Certificate, Reader, certificates_in},
    },
    mail::parse::Tree,
};

/// All certificates of an S/MIME message: signed, or with certificates only (RFC 8551, 3.5 and 3.8). Those of good
/// signatures come with what their holders announce.
///
/// # Errors
/// [`OpenError::Malformed`] if it is none; [`OpenError::Limit`].
pub fn learn(message: &[u8], reader: &Reader<'_>) -> Result<Vec<Certificate>, OpenError> {
    const NONE: OpenError = OpenError::Malformed("it is no signed S/MIME message");
    let tree = Tree::parse(message).map_err(|_| OpenError::Limit("too many parts"))?;
    let root = tree.part(0);
    let (signed, over) = match (root.media.essence(), &root.children[..]) {
        ("application/pkcs7-mime" | "application/x-pkcs7-mime", _) => (root.decoded(message), None),
        ("multipart/signed", [payload, signature]) => {
            let signature = tree.part(*signature);
            let kind = signature.media.essence();
            if !matches!(kind, "application/pkcs7-signature" | "application/x-pkcs7-signature") {
                return Err(NONE);
            }
            (signature.decoded(message), Some(tree.part(*payload).canonical(message)))
        }
        _ => return Err(NONE),
    };
    let mut certificates = reader.announced(&signed, over.as_deref()).unwrap_or_default();
    let known: Vec<Fingerprint> = certificates.iter().map(PublicCertificate::fingerprint).collect();
    let others = certificates_in(&signed)?.into_iter();
    certificates.extend(others.filter(|one| !known.contains(&one.fingerprint())));
    Ok(certificates)
}

/// Whether some bytes are a message that can teach something, and no file of certificates.
pub fn is_message(bytes: &[u8]) -> bool {
    Tree::parse(bytes).is_ok_and(|tree| {
        let kind = tree.part(0).media.essence();
        kind == "multipart/signed" || kind.ends_with("pkcs7-mime")
    })
}
