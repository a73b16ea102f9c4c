//! Which characters may stand in a header (RFC 5322, 2.2; RFC 6532, 3.2), and what hides in encoded words.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;

/// How far one encoded word may reach, in bytes; longer ones are text. RFC 2047 allows 75, programs write more.
const LONGEST_WORD: usize = 1000;

/// Whether a character breaks lines, commands a terminal, or turns the direction of the text around it.
///
/// Joiners (U+200C, U+200D) and the marks U+200E, U+200F are letters' business and pass.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a character cannot be seen: what [`is_control`] names, and all of zero width.
pub(crate) fn is_invisible(c: char) -> bool {
    is_control(c)
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{3164}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a text holds a control character, in the clear or within an encoded word.
pub(crate) fn holds_control(text: &str) -> bool {
    text.contains(is_control) || (text.contains("=?") && decode_words(text).contains(is_control))
}

/// Decodes the encoded words of a text (RFC 2047, 5 and 6.2); white space between two of them goes.
pub(crate) fn decode_words(text: &str) -> Cow<'_, str> {
    if !text.contains("=?") {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        match decode_word(word) {
            Some((content, length)) => {
                if !(after_word && before.chars().all(|c| c.is_ascii_whitespace())) {
                    decoded.push_str(before);
                }
                decoded.push_str(&content);
                rest = &word[length..];
                after_word = true;
            }
            None => {
                decoded.push_str(before);
                decoded.push_str("=?");
                rest = &word[2..];
                after_word = false;
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Decodes the encoded word at the start of a text, which starts with `=?`; with its length.
fn decode_word(text: &str) -> Option<(String, usize)> {
    let window = &text.as_bytes()[1..text.len().min(LONGEST_WORD)];
    let mut stream = MessageStream::new(window);
    let content = stream.decode_rfc2047()?;
    let length = 1 + stream.offset();
    text.is_char_boundary(length).then_some((content, length))
}
