//! Whatever is done to a message, it is read or refused.

use super::*;

/// Messages of every form, to be mangled.
fn specimens() -> Vec<String> {
    let cipher = payload("; hp=cipher");
    vec![
        encrypted(OUTER, "alice", &cipher),
        encrypted(OUTER, "", &signed("", "alice", &cipher)),
        signed(OUTER, "alice", &payload("; protected-headers=v1")),
        format!("{OUTER}\n{ARMOR}"),
        encrypted(
            OUTER,
            "alice",
            "Content-Type: message/rfc822\n\nFrom: alice@example.org\nContent-Type: text/html\n\n<p>x",
        ),
        format!(
            "{OUTER}Content-Type: multipart/mixed; boundary=m\n\n--m\n\n{ARMOR}\n--m\n{}\n--m--\n",
            signed("", "alice", &cipher)
        ),
    ]
}

proptest::proptest! {
    #[test]
    fn mangled_messages_are_read_or_refused(
        which in 0_usize..6,
        cuts in proptest::collection::vec((0_usize..2000, 0_usize..40, proptest::collection::vec(proptest::prelude::any::<u8>(), 0..4)), 0..6),
    ) {
        let mut message = specimens()[which].clone().into_bytes();
        for (at, length, with) in cuts {
            let at = at % message.len().max(1);
            let end = (at + length % 7).min(message.len());
            message.splice(at..end, with);
        }
        if let Ok(opened) = open(message, &Tolerant, AT.parse().unwrap()) {
            let released = opened.release(&Requirement::None).unwrap();
            serde_json::to_vec(&released.report(None)).unwrap();
            released.write_message(&mut std::io::sink()).unwrap();
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = open(bytes, &Tolerant, AT.parse().unwrap());
    }
}

/// Straw that calls every signature good by Alice, whatever it says, with a weak key.
pub(super) struct Tolerant;

fn weakly(mut facts: Vec<SignatureFact>) -> Vec<SignatureFact> {
    facts.iter_mut().filter_map(|fact| fact.certificate.as_mut()).for_each(|certificate| certificate.weak = true);
    facts
}

impl Reads for Tolerant {
    fn decrypt(&self, message: &[u8]) -> Result<pgp::Decrypted, OpenError> {
        let body = message.splitn(2, |byte| *byte == b'\n').nth(1).ok_or(OpenError::Undecryptable)?;
        let plaintext = Zeroizing::new(body.to_vec());
        Ok(pgp::Decrypted { plaintext, signatures: vec![weakly(facts("alice"))], opened_by: fingerprint('B') })
    }

    fn verify_detached(&self, _signatures: &[u8], _over: &[u8]) -> Result<Vec<SignatureFact>, OpenError> {
        Ok(weakly(facts("alice")))
    }

    fn verify_inline(&self, message: &[u8]) -> Result<Inline, OpenError> {
        Ok((Zeroizing::new(message.to_vec()), vec![weakly(facts("alice"))]))
    }

    fn read_cms(&self, message: Zeroizing<Vec<u8>>, _budget: &mut smime::Budget) -> Result<smime::Layer, OpenError> {
        let content = Zeroizing::new(message.to_vec());
        Ok(smime::Layer::Signed { content, facts: Ok(weakly(facts("alice"))) })
    }

    fn verify_cms(
        &self,
        _signature: &[u8],
        _over: &[u8],
        _budget: &mut smime::Budget,
    ) -> Result<Vec<SignatureFact>, OpenError> {
        Ok(weakly(facts("alice")))
    }

    fn doubt(&self, _suite: SuiteName, _certificate: &Fingerprint, _address: &Address) -> Option<String> {
        None
    }

    fn complaint(&self, _key: &Fingerprint) -> Option<Unusable> {
        None
    }

    fn is_weak(&self, _key: &Fingerprint) -> bool {
        false
    }
}
