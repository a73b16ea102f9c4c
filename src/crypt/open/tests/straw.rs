//! A suite whose ciphertext is its plaintext, for the rules above suites.

use super::*;

/// The suite of straw.
pub(super) struct Straw;

impl Reads for Straw {
    fn decrypt(&self, message: &[u8]) -> Result<pgp::Decrypted, OpenError> {
        let text = str::from_utf8(message).map_err(|_| OpenError::Undecryptable)?.trim_start();
        let text = text.strip_prefix("-----BEGIN PGP MESSAGE-----\n").unwrap_or(text);
        let text = text.strip_suffix("\n-----END PGP MESSAGE-----").unwrap_or(text);
        let (head, body) = text.split_once('\n').ok_or(OpenError::Undecryptable)?;
        let head = head.strip_prefix("encrypted").ok_or(OpenError::Malformed("not encrypted"))?;
        let layers = head.split('|').map(str::trim).filter(|layer| !layer.is_empty());
        Ok(pgp::Decrypted {
            plaintext: Zeroizing::new(body.as_bytes().to_vec()),
            signatures: layers.map(facts).collect(),
            opened_by: fingerprint('B'),
        })
    }

    fn verify_detached(&self, signatures: &[u8], over: &[u8]) -> Result<Vec<SignatureFact>, OpenError> {
        let text = str::from_utf8(signatures).map_err(|_| OpenError::Malformed("no signature"))?.trim();
        let text = text.strip_prefix("sig").ok_or(OpenError::Malformed("no signature"))?;
        assert!(!over.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r'), "lone LF in signed bytes");
        assert!(!over.ends_with(b"\r\n\r\n--"), "the delimiter is not signed");
        Ok(facts(text))
    }

    fn verify_inline(&self, message: &[u8]) -> Result<Inline, OpenError> {
        if message.windows(4).any(|word| word == b"bomb") {
            return Err(OpenError::Limit("its content is too large"));
        }
        let signer = if message.ends_with(b"-----END PGP SIGNATURE-----") { "alice" } else { "alice bad=invalid" };
        Ok((Zeroizing::new(b"inline\n".to_vec()), vec![facts(signer)]))
    }

    fn read_cms(&self, _message: Zeroizing<Vec<u8>>, _budget: &mut smime::Budget) -> Result<smime::Layer, OpenError> {
        Err(OpenError::Malformed("no CMS"))
    }

    fn verify_cms(
        &self,
        _signature: &[u8],
        _over: &[u8],
        _budget: &mut smime::Budget,
    ) -> Result<Vec<SignatureFact>, OpenError> {
        Err(OpenError::Malformed("no CMS"))
    }

    fn doubt(&self, _suite: SuiteName, _certificate: &Fingerprint, _address: &Address) -> Option<String> {
        None
    }

    fn complaint(&self, key: &Fingerprint) -> Option<Unusable> {
        Some(Unusable::Expired { fingerprint: key.clone(), at: AT.parse().unwrap() })
    }

    fn is_weak(&self, _certificate: &Fingerprint) -> bool {
        false
    }
}
