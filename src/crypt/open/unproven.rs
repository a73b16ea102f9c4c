//! What an encryption without a tag held (S/MIME in CBC mode) while no signature proves it. Where a signature is
//! required, nobody may learn from the outcome what came of a changed ciphertext: a padding that does not fit, a form
//! that is none and a signature that does not hold are all withheld alike.

use super::{
    MailHeaders, caution,
    layers::SignatureLayer,
    summary::{Covers, Headers, Signature, State, Summary},
};
use crate::{
    crypt::{BadReason, OpenError, SuiteName, UnknownReason, Verdict},
    mail::protected::HeaderSection,
};

/// Why a message did not open.
pub(super) struct Stopped {
    pub error: OpenError,
    /// The header section that servers saw, where the reason lies in what nothing proves.
    pub unproven: Option<HeaderSection>,
}

impl From<OpenError> for Stopped {
    fn from(error: OpenError) -> Self {
        Self { error, unproven: None }
    }
}

/// Whether the outermost signature layer is over what was decrypted, whatever else is wrong with it.
pub(super) fn is_proven(signatures: &[SignatureLayer]) -> bool {
    let mut facts = signatures.first().into_iter().flat_map(|layer| layer.facts.iter().flatten());
    facts.any(|fact| match fact.verdict {
        Verdict::Good | Verdict::Unknown(UnknownReason::Untrusted) => true,
        Verdict::Bad(reason) => matches!(reason, BadReason::Expired | BadReason::Revoked | BadReason::Weak),
        Verdict::Unknown(UnknownReason::NoCertificate) => false,
    })
}

/// All that is told of it: nothing that was decrypted. No signature is known of, as of a message that has none.
pub(super) fn summary(outer: HeaderSection) -> Summary {
    let signature = Signature {
        state: State::None,
        covers: Covers::None,
        reason: None,
        detail: Some("nothing proves what was decrypted".to_owned()),
        signers: Vec::new(),
    };
    let headers = Headers(MailHeaders::outer(outer).shown(true, false));
    let mut warnings = Vec::new();
    caution::unauthenticated(&mut warnings);
    Summary { suite: Some(SuiteName::Smime), encrypted: true, signature, headers, warnings }
}

/// Whether bytes begin as a MIME entity does: with a header section, all of it fields, in text.
pub(super) fn begins_as_entity(bytes: &[u8]) -> bool {
    let mut section = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut fields = 0;
    for line in section.by_ref().take_while(|line| !line.is_empty()) {
        let text = str::from_utf8(line).is_ok_and(|text| !text.chars().any(|c| c.is_control() && c != '\t'));
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let named = line.iter().position(|byte| *byte == b':').is_some_and(|colon| {
            let name = line[..colon].trim_ascii_end();
            !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
        });
        if !text || !(named || folded && fields > 0) {
            return false;
        }
        fields += 1;
    }
    fields > 0
}
