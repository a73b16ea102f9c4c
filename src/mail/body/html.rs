//! HTML as text: without markup, style, script, head or comments, entities decoded, nothing fetched. One pass with
//! counters instead of a tree, so that nesting costs nothing.

use mail_parser::decoders::html::add_html_token;

/// Elements whose content is not text for a reader, and runs to their end tag whatever stands in it.
const RAW: [&str; 8] = ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"];
/// Elements whose content is left out, and which nest.
const HIDDEN: [&str; 4] = ["template", "svg", "math", "select"];
/// Elements that stand on lines of their own.
const BLOCKS: [&str; 18] = [
    "div", "tr", "li", "dt", "dd", "section", "article", "header", "footer", "main", "address", "center", "form", "hr",
    "caption", "figure", "nav", "aside",
];
/// Elements with an empty line around them.
const PARAGRAPHS: [&str; 13] =
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "dl", "table", "pre"];
/// The class of a legacy display element (RFC 9788, 4.5.3.3).
const LEGACY_DISPLAY: &str = "header-protection-legacy-display";

/// The text of an HTML document, LF line breaks. With `legacy`, legacy display elements are left out.
pub fn to_text(html: &str, legacy: bool) -> String {
    let mut text = Text { out: String::with_capacity(html.len() / 2), space: false, breaks: 0, pre: 0 };
    // The element whose content is being left out, and how often it is open.
    let mut hidden: Option<(String, usize)> = None;
    let mut rest = html;
    while !rest.is_empty() {
        let Some(open) = rest.find('<') else {
            text.add(rest, hidden.is_some());
            break;
        };
        text.add(&rest[..open], hidden.is_some());
        rest = &rest[open..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let Some(tag) = Tag::read(rest) else {
            text.add("<", hidden.is_some());
            rest = &rest[1..];
            continue;
        };
        rest = &rest[tag.length..];
        if !tag.closes && RAW.contains(&tag.name.as_str()) {
            rest = after_end_tag(rest, &tag.name);
            continue;
        }
        if let Some((name, count)) = &mut hidden {
            let body_begins = name == "head" && tag.name == "body";
            if *name == tag.name {
                *count = if tag.closes { *count - 1 } else { *count + 1 };
            }
            if *count == 0 || body_begins {
                hidden = None;
            }
            continue;
        }
        let legacy_display = legacy && tag.name == "div" && tag.has_class(LEGACY_DISPLAY);
        let empty = tag.attributes.ends_with('/');
        if !tag.closes && (tag.name == "head" || HIDDEN.contains(&tag.name.as_str()) && !empty || legacy_display) {
            hidden = Some((tag.name, 1));
            continue;
        }
        text.element(&tag);
    }
    text.finish()
}

/// What follows the end tag of a raw element; nothing if it never ends.
fn after_end_tag<'a>(html: &'a str, name: &str) -> &'a str {
    let mut from = 0;
    while let Some(offset) = html[from..].find("</") {
        let at = from + offset + 2;
        if html.as_bytes()[at..].get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes())) {
            return html[at..].find('>').map_or("", |end| &html[at + end + 1..]);
        }
        from = at;
    }
    ""
}

/// A start or end tag, a declaration or a processing instruction.
struct Tag<'a> {
    name: String,
    closes: bool,
    attributes: &'a str,
    length: usize,
}

impl<'a> Tag<'a> {
    /// Reads one that begins with `<`; none if that is a mere character.
    fn read(html: &'a str) -> Option<Self> {
        let inner = &html[1..];
        let (inner, closes) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '!' | '?')) {
            return None;
        }
        let name_end = inner.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(inner.len());
        let name = inner[..name_end].to_ascii_lowercase();
        let (mut quote, mut after_equals) = (None, false);
        let bytes = inner.as_bytes();
        let mut at = name_end;
        while let Some(&byte) = bytes.get(at) {
            match (quote, byte) {
                (Some(open), _) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'>') => break,
                (None, b'"' | b'\'') if after_equals => quote = Some(byte),
                (None, _) => after_equals = byte == b'=' || after_equals && byte.is_ascii_whitespace(),
            }
            if quote.is_some() {
                after_equals = false;
            }
            at += 1;
        }
        let length = html.len() - inner.len() + (at + 1).min(inner.len());
        Some(Self { name, closes, attributes: &inner[name_end..at], length })
    }

    fn has_class(&self, class: &str) -> bool {
        let lower = self.attributes.to_ascii_lowercase();
        let Some(at) = lower.find("class") else { return false };
        let value = lower[at + 5..].trim_start();
        let Some(value) = value.strip_prefix('=') else { return false };
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
            _ => value.split_ascii_whitespace().next().unwrap_or_default(),
        };
        value.split_ascii_whitespace().any(|word| word == class)
    }
}

/// Text as it grows: white space collapses, breaks are counted and written before the next word.
struct Text {
    out: String,
    space: bool,
    breaks: usize,
    pre: usize,
}

impl Text {
    fn add(&mut self, html: &str, hidden: bool) {
        if hidden || html.is_empty() {
            return;
        }
        let mut rest = html;
        while let Some(character) = rest.chars().next() {
            if character == '&'
                && let Some(end) = rest.as_bytes().iter().take(40).position(|byte| *byte == b';')
            {
                let mut decoded = String::new();
                add_html_token(&mut decoded, &rest.as_bytes()[..=end], false);
                for character in decoded.chars() {
                    self.push(character, true);
                }
                rest = &rest[end + 1..];
                continue;
            }
            self.push(character, false);
            rest = &rest[character.len_utf8()..];
        }
    }

    fn push(&mut self, character: char, entity: bool) {
        match character {
            '\n' if self.pre > 0 => self.breaks += 1,
            ' ' | '\t' if self.pre > 0 => {
                self.flush();
                self.out.push(character);
            }
            ' ' | '\t' | '\n' | '\r' | '\u{c}' => self.space = true,
            '\u{a0}' => {
                self.flush();
                self.out.push(' ');
            }
            _ if entity && character.is_control() => {}
            _ => {
                self.flush();
                self.out.push(character);
            }
        }
    }

    fn flush(&mut self) {
        if self.breaks > 0 {
            if !self.out.is_empty() {
                self.out.extend(std::iter::repeat_n('\n', self.breaks));
            }
        } else if self.space && !self.out.is_empty() {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.space = false;
    }

    fn element(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_str();
        if name == "pre" {
            self.pre = if tag.closes { self.pre.saturating_sub(1) } else { self.pre + 1 };
        }
        if name == "br" {
            self.breaks += 1;
        } else if PARAGRAPHS.contains(&name) {
            self.breaks = self.breaks.max(2);
        } else if BLOCKS.contains(&name) {
            self.breaks = self.breaks.max(1);
        } else if matches!(name, "td" | "th") {
            self.space = true;
        }
        if name == "li" && !tag.closes {
            self.flush();
            self.out.push_str("- ");
        }
    }

    fn finish(mut self) -> String {
        let end = self.out.trim_end().len();
        self.out.truncate(end);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }
}
