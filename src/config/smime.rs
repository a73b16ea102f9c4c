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
    /// Whether responders are asked for revocation (RFC 6960), which tells authorities whom one writes to.
    pub ocsp: bool,
    /// Whether responders in one's own network are asked too.
    pub ocsp_private: bool,
    /// How a message is signed inside.
    pub signature: SignatureForm,
}

const KEYS: [&str; 6] = ["trust_anchors", "crl", "system_roots", "ocsp", "ocsp_private", "signature"];

impl SmimeSettings {
    pub(super) fn from_root(root: &Section<'_>) -> Result<Self, ConfigError> {
        let Some(section) = root.section("smime", &KEYS)? else { return Ok(Self::default()) };
        let signature = section.typed("signature", |text| match text {
            "detached" => Ok(SignatureForm::Detached),
            "opaque" => Ok(SignatureForm::Opaque),
            _ => Err(ValueError::SignatureForm(text.to_owned())),
        })?;
        Ok(Self {
            trust_anchors: section.paths("trust_anchors")?,
            crl: section.paths("crl")?,
            system_roots: section.flag("system_roots")?.unwrap_or_default(),
            ocsp: section.flag("ocsp")?.unwrap_or_default(),
            ocsp_private: section.flag("ocsp_private")?.unwrap_or_default(),
            signature: signature.unwrap_or_default(),
        })
    }
}
