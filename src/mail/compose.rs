//! A draft becomes a Cryptographic Payload and the few fields that servers may see (RFC 9788, 5.2).

mod entity;
mod legacy;
mod parts;
#[cfg(test)]
mod tests;

use mail_builder::{headers::content_type::ContentType, writer::Writer};
use zeroize::Zeroizing;

use super::{
    Content, Draft, DraftError, Field, Payload,
    protect::{HeaderPolicy, Protected},
};

/// How to compose.
#[derive(Clone, Debug, Default)]
pub struct Composition {
    /// Which fields servers see, and how.
    pub policy: HeaderPolicy,
    /// Whether to write legacy display elements (RFC 9788, 5.2.2). A finished MIME entity gets none: it is kept.
    pub legacy_display: bool,
    /// A field for servers and readers alone, which nothing protects: Autocrypt.
    pub autocrypt: Option<Field>,
}

/// The random texts that one message needs, given by the caller so that composing stays pure.
pub struct Uniques {
    next: Box<dyn FnMut() -> [u8; 16]>,
}

impl Uniques {
    /// Draws from a source of 16 random bytes a time.
    pub fn new(source: impl FnMut() -> [u8; 16] + 'static) -> Self {
        Self { next: Box::new(source) }
    }

    /// A boundary that no text contains by chance: 32 hexadecimal digits with a prefix and a suffix.
    pub fn boundary(&mut self) -> String {
        format!("=_{:032x}_=", u128::from_be_bytes((self.next)()))
    }
}

/// What is to be sealed, and what stands outside.
#[derive(Debug)]
pub struct Composed {
    /// The cleartext, with all protected fields on its root.
    pub payload: Payload,
    /// The fields that servers see, in order, encoded; no MIME fields. Printable ASCII, but for the local parts of
    /// addresses that need SMTPUTF8, which RFC 6532 writes as they are. [`Field::folded`] gives the lines.
    pub outer: Vec<Field>,
    /// The true subject if it is confidential, for the last look at the final bytes.
    pub confidential_subject: Option<String>,
}

/// Why a draft cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A text in the draft that its types would have refused.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// A NUL in a multipart entity, which no transfer encoding there can carry (RFC 2045, 2.7 and 2.8).
    #[error("the message holds a NUL byte at {0}, in a part that is not encoded")]
    Nul(usize),
}

impl Composed {
    /// Whether the outer header needs SMTPUTF8 (RFC 6531): an address in it has a local part that is not ASCII.
    pub fn needs_smtputf8(&self) -> bool {
        self.outer.iter().any(|field| !field.value().is_ascii())
    }
}

/// Composes a draft. The same arguments give the same bytes. What goes inside as it stands is taken out of the draft,
/// so that a large text is never there twice.
///
/// # Errors
/// [`ComposeError`]; nothing of the draft is lost.
pub fn compose(draft: &mut Draft, how: &Composition, uniques: &mut Uniques) -> Result<Composed, ComposeError> {
    draft.check()?;
    let protected = how.policy.protect(draft);
    let outer: Vec<Field> = protected.iter().filter_map(|field| field.outer.clone()).collect();
    let visible = outer.iter().cloned().chain(how.autocrypt.clone()).collect();
    let mut payload = Sink(Payload::new());
    for field in &protected {
        payload.write(field.inner.folded().as_bytes());
    }
    for field in &outer {
        let copy = Field::encoded("HP-Outer", format!("{}: {}", field.name(), field.value()));
        payload.write(copy.folded().as_bytes());
    }
    match &mut draft.content {
        Content::Parts { text, html, attachments } => {
            let hidden: Vec<&Protected> = match how.legacy_display {
                true => protected.iter().filter(|field| field.is_hidden_from_people()).collect(),
                false => Vec::new(),
            };
            parts::write(text, html.as_ref().map(|html| html.as_str()), attachments, &hidden, uniques, &mut payload);
        }
        Content::Entity { fields, body } => entity::write(fields, body, uniques, &mut payload)?,
    }
    let confidential_subject = draft.subject.clone().filter(|subject| !subject.is_empty());
    Ok(Composed { payload: payload.0, outer: visible, confidential_subject })
}

/// Marks the Content-Type of the payload's root: as that of an encrypted message with protected headers (RFC 9788,
/// 2.1.1), and for older readers.
fn marked(content_type: ContentType<'_>) -> ContentType<'_> {
    content_type.attribute("hp", "cipher").attribute("protected-headers", "v1")
}

/// A payload that mail-builder writes into; what passes between them is wiped.
struct Sink(Payload);

impl Writer for Sink {
    fn write(&mut self, bytes: &[u8]) {
        self.0.append(bytes);
    }

    fn write_with(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) {
        let mut buffer = Zeroizing::new(vec![0; len]);
        let written = fill(&mut buffer).min(len);
        self.write(&buffer[..written]);
    }

    fn append_with<T>(&mut self, len: usize, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut buffer = Zeroizing::new(Vec::with_capacity(len));
        let result = append(&mut buffer);
        self.write(&buffer);
        result
    }
}
