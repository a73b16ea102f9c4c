//! Which characters may stand in a header at all.

/// Whether a character ends a line, steers a terminal or cannot be seen: C0, C1, DEL, line and paragraph
/// separators, marks and overrides of direction, zero-width characters, the byte order mark.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The same, with a tab allowed, as in values of unstructured fields.
pub(super) fn is_unseen_in_text(c: char) -> bool {
    c != '\t' && is_unseen(c)
}
