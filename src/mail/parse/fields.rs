//! Header fields as they stand, and their values made harmless (RFC 5322, 2.2).

use std::borrow::Cow;

use crate::mail::character::{is_control, is_invisible};

/// One header field as it stands: its name without the colon, its value with its folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawField<'a> {
    /// The name as written.
    pub name: &'a str,
    /// The value with line breaks inside, without the last one.
    pub value: &'a [u8],
    /// The whole field with its last line break.
    pub line: &'a [u8],
}

/// The fields of a header section in order. A line that is none is skipped, with the lines that continue it.
pub fn fields(header: &[u8]) -> impl Iterator<Item = RawField<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (field, after) = rest.split_at(extent(rest));
            rest = after;
            if let Some(field) = RawField::read(field) {
                return Some(field);
            }
        }
        None
    })
}

impl<'a> RawField<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = line[..colon].trim_ascii_end();
        let printable = !name.is_empty() && name.iter().all(|byte| (33..=126).contains(byte));
        if !printable || line[..colon].contains(&b'\n') {
            return None;
        }
        let value = &line[colon + 1..];
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        Some(Self { name: str::from_utf8(name).ok()?, value, line })
    }

    /// Whether it bears a name, which is compared without case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value in one line, not decoded.
    pub fn text(&self) -> Cow<'a, str> {
        unfold(self.value)
    }
}

/// The length of the first field: a line and those that continue it.
fn extent(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match bytes[at..].iter().position(|byte| *byte == b'\n') {
            None => return bytes.len(),
            Some(offset) => at += offset + 1,
        }
        if !matches!(bytes.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
}

/// A value without its line breaks (RFC 5322, 2.2.3) and the white space around it.
pub fn unfold(value: &[u8]) -> Cow<'_, str> {
    let value = value.trim_ascii();
    if !value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return String::from_utf8_lossy(value);
    }
    let joined: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    Cow::Owned(String::from_utf8_lossy(&joined).into_owned())
}

/// A text without characters that command, hide or reorder: controls, bidi controls, what is of zero width and
/// joins nothing; tabs and line breaks become spaces.
pub fn harmless(text: &str) -> String {
    let visible = text.chars().filter_map(|character| match character {
        '\t' | '\r' | '\n' | '\u{2028}' | '\u{2029}' | '\u{85}' => Some(' '),
        _ if is_control(character) || is_hidden(character) => None,
        _ => Some(character),
    });
    visible.collect::<String>().trim().to_owned()
}

/// Format characters that pass in a draft and are not shown. Joiners and variation selectors shape emoji and
/// whole scripts: they stay.
fn is_hidden(character: char) -> bool {
    is_invisible(character)
        && !matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0020}'..='\u{e007f}')
}
