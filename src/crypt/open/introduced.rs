//! The certificates that a signed message brings (RFC 8551, 2.3 and 3.8): candidates, genuine for nothing.

use super::layers::{Layer, classify, parse};
use crate::crypt::{PublicCertificate, SuiteName, smime};

/// The S/MIME certificates that the outermost layer of a message brings, whether it is signed or holds nothing else.
/// Those that made a good signature over all of it bear what their holders say there that they read (RFC 8551,
/// 2.7.1). None if it is no such message.
pub fn introduced(message: &[u8], reader: &smime::Reader<'_>) -> Option<Vec<smime::Certificate>> {
    let tree = parse(message).ok()?;
    let (cms, over) = match classify(&tree, 0, message, true).ok()? {
        Layer::Cms => (tree.part(0).decoded(message), None),
        Layer::Signed { suite: SuiteName::Smime, form: Ok((payload, signature)) } => {
            (tree.part(signature).decoded(message), Some(tree.part(payload).canonical(message)))
        }
        _ => return None,
    };
    let brought = smime::certificates_in(&cms).ok()?;
    let signers = reader.announced(&cms, over.as_deref()).unwrap_or_default();
    let told = |certificate: smime::Certificate| {
        let signer = signers.iter().find(|signer| signer.fingerprint() == certificate.fingerprint());
        signer.map_or(certificate, Clone::clone)
    };
    Some(brought.into_iter().map(told).collect())
}
