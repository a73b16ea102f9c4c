//! Legacy display elements (RFC 9788, 5.2.2 to 5.2.5): for readers that know no header protection, the Main Body
//! Part says what its header does not.

use zeroize::Zeroizing;

use crate::mail::protect::Protected;

/// What goes before a plain text: the fields, one line each, and a blank line (5.2.3); nothing if none is hidden.
pub(super) fn in_text(hidden: &[&Protected]) -> Zeroizing<String> {
    let mut lines = lines(hidden);
    if !lines.is_empty() {
        lines.push_str("\r\n");
    }
    lines
}

/// What goes into an HTML text: the fields as preformatted, escaped text in a `div` (5.2.4, 10.3).
pub(super) fn in_html(hidden: &[&Protected]) -> Zeroizing<String> {
    let mut element = Zeroizing::new(String::new());
    if hidden.is_empty() {
        return element;
    }
    element.push_str("<div class=\"header-protection-legacy-display\">\r\n<pre>");
    for c in lines(hidden).chars() {
        match c {
            '&' => element.push_str("&amp;"),
            '<' => element.push_str("&lt;"),
            '>' => element.push_str("&gt;"),
            '"' => element.push_str("&quot;"),
            '\'' => element.push_str("&#39;"),
            c => element.push(c),
        }
    }
    element.push_str("</pre>\r\n</div>\r\n");
    element
}

/// Where in an HTML text its body starts: behind `<body ...>`, or at the start if it has none.
pub(super) fn place_in_html(html: &str) -> usize {
    let bytes = html.as_bytes();
    let tag = bytes.windows(6).position(|window| {
        window[..5].eq_ignore_ascii_case(b"<body") && matches!(window[5], b'>' | b' ' | b'\t' | b'\r' | b'\n')
    });
    let Some(start) = tag else { return 0 };
    let mut quote = None;
    for (offset, &byte) in bytes[start..].iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return start + offset + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    0
}

fn lines(hidden: &[&Protected]) -> Zeroizing<String> {
    let lines = hidden.iter().map(|field| format!("{}: {}\r\n", field.inner.name(), field.shown));
    Zeroizing::new(lines.collect())
}
