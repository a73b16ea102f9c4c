//! Text from outside, made safe for a terminal: control, bidi and zero-width characters become visible.

use std::fmt;

/// Shows a text with every character that could steer a terminal or deceive the eye written as `\u{..}`.
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_visible(f, self.0, |_| false)
    }
}

/// The same for a text of several lines: line feeds and tabs stay.
pub struct PrintableText<'a>(pub &'a str);

impl fmt::Display for PrintableText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_visible(f, self.0, |c| matches!(c, '\n' | '\t'))
    }
}

/// JSON that steers no terminal and reads back as the same: such characters by their numbers, `\u001b`. They stand in
/// strings only.
pub fn printable_json(json: String) -> String {
    if json.bytes().all(|byte| byte < 0x7f) || !json.contains(steers) {
        return json;
    }
    let mut visible = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if steers(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                visible.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            visible.push(c);
        }
    }
    visible
}

fn write_visible(f: &mut fmt::Formatter<'_>, text: &str, keep: impl Fn(char) -> bool) -> fmt::Result {
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if steers(c) && !keep(c) {
            f.write_str(&text[from..at])?;
            write!(f, "\\u{{{:x}}}", u32::from(c))?;
            from = at + c.len_utf8();
        }
    }
    f.write_str(&text[from..])
}

/// C0, C1 and DEL; line and paragraph separators; marks, embeddings, overrides and isolates of direction;
/// zero-width characters, joiners, variation selectors and tags; soft hyphen and invisible fillers.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{Printable, PrintableText, printable_json};

    #[test]
    fn json_steers_nothing_and_says_the_same() {
        let hostile = serde_json::json!({ "a\u{9b}": "\u{1b}\u{7f}\u{85}\u{202e}b\u{200b}\u{e0041}\\é" });
        let shown = printable_json(hostile.to_string());
        assert!(shown.contains(r"\u009b") && shown.contains(r"\udb40\udc41") && shown.contains('é'), "{shown}");
        assert!(!shown.contains(super::steers));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(hostile));
        assert_eq!(printable_json("{}".to_owned()), "{}");
    }

    #[test]
    fn what_steers_becomes_visible() {
        let hostile = "a\u{1b}]52;c;x\u{7}\u{9b}2J\r\u{202e}b\u{200b}c\u{2028}é";
        let shown = Printable(hostile).to_string();
        assert_eq!(shown, r"a\u{1b}]52;c;x\u{7}\u{9b}2J\u{d}\u{202e}b\u{200b}c\u{2028}é");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(PrintableText("a\n\tb\r\u{1b}").to_string(), "a\n\tb\\u{d}\\u{1b}");
    }
}
