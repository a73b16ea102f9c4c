//! Whom S/MIME believes, and what it writes: the table `[smime]` of config.toml.

use std::path::PathBuf;

use super::{ConfigError, ValueError, document::Section};
use crate::crypt::smime::SignatureForm;

/// The settings of S/MIME.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmimeSettings {
    /// PEM files of trust anchors; an intermediate can be one.
    pub trust_anchors: Vec<PathBuf>,
    /// Files of revocation lists, PEM or DER.
    pub crl: Vec<PathBuf>,
    /// Whether the roots of the system are anchors too.
    pub system_roots: bool,
    /// How a message is signed inside.
    pub signature: SignatureForm,
}

const KEYS: [&str; 5] = ["trust_anchors", "crl", "system_roots", "ocsp", "signature"];

impl SmimeSettings {
    pub(super) fn from_root(root: &Section<'_>) -> Result<Self, ConfigError> {
        let Some(section) = root.section("smime", &KEYS)? else { return Ok(Self::default()) };
        if section.flag("ocsp")? == Some(true) {
            let origin = section.entry("ocsp").map(|entry| entry.bad_value(ValueError::NoOcsp));
            return origin.map_or(Ok(Self::default()), Err);
        }
        let signature = section.typed("signature", |text| match text {
            "detached" => Ok(SignatureForm::Detached),
            "opaque" => Ok(SignatureForm::Opaque),
            _ => Err(ValueError::SignatureForm(text.to_owned())),
        })?;
        Ok(Self {
            trust_anchors: section.paths("trust_anchors")?,
            crl: section.paths("crl")?,
            system_roots: section.flag("system_roots")?.unwrap_or_default(),
            signature: signature.unwrap_or_default(),
        })
    }
}
