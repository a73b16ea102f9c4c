//! Header fields as bytes: encoded words (RFC 2047) and folding (RFC 5322, 2.2.3; RFC 5321, 4.5.3.1.6).
//!
//! mail-builder is not used for these: it lets a long token, or text that looks like an encoded word, through, and
//! what is written here must read back as exactly the same text, for the outside is compared with it.

#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Address, Mailbox, address::quote};

/// Where lines fold (RFC 5322, 2.1.1).
const FOLD_AT: usize = 78;

/// How long an encoded word gets: with `Subject: ` before it, it fits the line.
const LONGEST_WORD: usize = 66;

const WORD_START: (&str, &str) = ("=?utf-8?q?", "=?utf-8?b?");
const WORD_END: &str = "?=";

/// Unstructured text as printable ASCII: as it is where that reads back the same, else as encoded words.
pub(crate) fn encode_text(text: &str) -> String {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let short = text.split(' ').all(|word| word.len() <= LONGEST_WORD);
    if printable && short && !text.contains("=?") && !text.contains("  ") && text.trim() == text {
        text.to_owned()
    } else {
        encode_words(text)
    }
}

/// A display name as a phrase: atoms, a quoted string, or encoded words (RFC 5322, 3.2.5; RFC 2047, 5).
fn encode_phrase(name: &str) -> String {
    let printable = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !printable || name.len() > LONGEST_WORD || name.contains("=?") || name.contains("  ") || name.trim() != name {
        return encode_words(name);
    }
    let atoms = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~ ".contains(c);
    match name {
        _ if name.chars().all(atoms) => name.to_owned(),
        _ if name.contains(['"', '\\']) => encode_words(name),
        _ => quote(name),
    }
}

/// Mailboxes as they stand in a field: all ASCII but for local parts that need SMTPUTF8.
pub(crate) fn encode_mailboxes<'a>(mailboxes: impl IntoIterator<Item = &'a Mailbox>) -> String {
    let mut value = String::new();
    for mailbox in mailboxes {
        separate(&mut value);
        match &mailbox.name {
            Some(name) => value.push_str(&format!("{} <{}>", encode_phrase(name), mailbox.address)),
            None => value.push_str(&mailbox.address.to_string()),
        }
    }
    value
}

/// The same without display names.
pub(crate) fn encode_addresses<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> String {
    let mut value = String::new();
    for address in addresses {
        separate(&mut value);
        value.push_str(&address.to_string());
    }
    value
}

fn separate(list: &mut String) {
    if !list.is_empty() {
        list.push_str(", ");
    }
}

/// A text as encoded words of whole characters, in the shorter of the two encodings, one blank between them.
fn encode_words(text: &str) -> String {
    let q = text.chars().map(q_length).sum::<usize>() <= text.len().div_ceil(3) * 4;
    let room = LONGEST_WORD - WORD_START.0.len() - WORD_END.len();
    let mut words = String::with_capacity(text.len() * 2);
    let (mut start, mut used) = (0, 0);
    let mut word = |content: &str| {
        if !words.is_empty() {
            words.push(' ');
        }
        if q {
            words.push_str(WORD_START.0);
            content.chars().for_each(|c| push_q(&mut words, c));
        } else {
            words.push_str(WORD_START.1);
            STANDARD.encode_string(content, &mut words);
        }
        words.push_str(WORD_END);
    };
    for (index, c) in text.char_indices() {
        let more = if q { q_length(c) } else { c.len_utf8() };
        if used + more > if q { room } else { room / 4 * 3 } {
            word(&text[start..index]);
            (start, used) = (index, 0);
        }
        used += more;
    }
    word(&text[start..]);
    words
}

/// What "Q" leaves as it is in a phrase as well (RFC 2047, 5 (3)).
fn q_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '!' | '*' | '+' | '-' | '/')
}

fn q_length(c: char) -> usize {
    if q_plain(c) || c == ' ' { 1 } else { 3 * c.len_utf8() }
}

fn push_q(words: &mut String, c: char) {
    match c {
        ' ' => words.push('_'),
        c if q_plain(c) => words.push(c),
        c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| words.push_str(&format!("={byte:02X}"))),
    }
}

/// A field with its line break, folded at single blanks; it unfolds to `Name: value` again.
pub(crate) fn fold(name: &str, value: &str) -> String {
    let mut folded = String::with_capacity(name.len() + value.len() + value.len() / 32 + 4);
    folded.push_str(name);
    folded.push(':');
    let mut column = folded.len();
    // A blank beside another is no place to fold: a line of blanks alone is obsolete, and readers lose it.
    let mut rest = value;
    while !rest.is_empty() {
        let end = next_fold(rest);
        let (word, later) = rest.split_at(end);
        if column + 1 + word.len() > FOLD_AT && column > 1 {
            folded.push_str("\r\n");
            column = 0;
        }
        folded.push(' ');
        folded.push_str(word);
        column += 1 + word.len();
        rest = later.get(1..).unwrap_or_default();
    }
    folded.push_str("\r\n");
    folded
}

/// Where the first blank stands that has no blank on either side and something behind it; else the end.
fn next_fold(text: &str) -> usize {
    let bytes = text.as_bytes();
    (1..bytes.len().saturating_sub(1))
        .find(|&at| bytes[at] == b' ' && bytes[at - 1] != b' ' && bytes[at + 1] != b' ')
        .unwrap_or(bytes.len())
}
