//! Files that go along (RFC 2183, RFC 2045 5.1).

use zeroize::Zeroizing;

use super::DraftError;
use crate::mail::character::holds_control;

/// A file that goes along.
pub struct Attachment {
    /// A base name, any Unicode but control characters and separators.
    pub name: String,
    /// The media type, `type/subtype`; none guesses it from the name.
    pub media_type: Option<String>,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Attachment {
    /// Checks the name: a base name of at most 255 bytes without control characters or separators.
    pub fn new(name: &str, bytes: Zeroizing<Vec<u8>>) -> Result<Self, DraftError> {
        let attachment = Self { name: name.to_owned(), media_type: None, bytes };
        attachment.check()?;
        Ok(attachment)
    }

    /// Gives a media type, for instance `text/csv`, without parameters.
    ///
    /// # Errors
    /// [`DraftError::Control`], or [`DraftError::Malformed`] for what is no type, and for `multipart/*`.
    pub fn with_media_type(mut self, media_type: &str) -> Result<Self, DraftError> {
        self.media_type = Some(media_type.to_ascii_lowercase());
        self.check()?;
        Ok(self)
    }

    /// Checks what `new` and `with_media_type` check, for the fields are open.
    pub(in crate::mail) fn check(&self) -> Result<(), DraftError> {
        let (what, name) = ("attachment name", &self.name);
        if holds_control(name) {
            return Err(DraftError::Control { what, text: name.clone() });
        }
        if name.is_empty() || name.len() > 255 || matches!(name.as_str(), "." | "..") || name.contains(['/', '\\']) {
            return Err(DraftError::Malformed { what, text: name.clone() });
        }
        let Some(media_type) = &self.media_type else { return Ok(()) };
        let what = "attachment type";
        if holds_control(media_type) {
            return Err(DraftError::Control { what, text: media_type.clone() });
        }
        let token = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !text.is_empty() && text.len() <= 127 && text.bytes().all(allowed)
        };
        match media_type.split_once('/') {
            Some((kind, subtype)) if token(kind) && token(subtype) && !kind.eq_ignore_ascii_case("multipart") => Ok(()),
            _ => Err(DraftError::Malformed { what, text: media_type.clone() }),
        }
    }
}
