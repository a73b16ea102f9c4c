//! Content-Type and Content-Disposition (RFC 2045, 5.1; RFC 2183; RFC 2231).

use mail_parser::{HeaderValue, parsers::MessageStream};

use super::unfold;

/// A type, a subtype and parameters. A disposition has no subtype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads a field's value. What is not readable as a type is `application/octet-stream`.
    pub fn parse(value: &[u8]) -> Self {
        let line = format!("{}\n", unfold(value));
        let HeaderValue::ContentType(read) = MessageStream::new(line.as_bytes()).parse_content_type() else {
            return Self::plain("application/octet-stream");
        };
        let mut essence = read.c_type.trim().to_ascii_lowercase();
        if let Some(subtype) = &read.c_subtype {
            essence.push('/');
            essence.push_str(&subtype.trim().to_ascii_lowercase());
        }
        let parameters = read.attributes.unwrap_or_default();
        let parameters = parameters.into_iter().map(|one| (one.name.to_ascii_lowercase(), one.value.into_owned()));
        Self { essence, parameters: parameters.collect() }
    }

    /// One without parameters.
    pub fn plain(essence: &str) -> Self {
        Self { essence: essence.to_owned(), parameters: Vec::new() }
    }

    /// `type/subtype` in lower case; of a disposition its type alone.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The first parameter of a name, decoded.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter has a value, compared without case.
    pub fn says(&self, name: &str, value: &str) -> bool {
        self.parameter(name).is_some_and(|known| known.trim().eq_ignore_ascii_case(value))
    }

    /// Whether a parameter stands there twice. A name may: programs write it plain and by RFC 2231, and it decides
    /// nothing.
    pub fn repeats(&self) -> bool {
        let names = self.parameters.iter().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = names.filter(|name| *name != "name").collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Whether it holds parts.
    pub fn is_multipart(&self) -> bool {
        self.essence.starts_with("multipart/")
    }

    /// Whether it holds a message.
    pub fn is_message(&self) -> bool {
        matches!(self.essence.as_str(), "message/rfc822" | "message/global")
    }
}
