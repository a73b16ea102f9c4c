//! File names from strangers, made safe: a base name that hides nothing, leads nowhere and fits.

use crate::mail::parse::harmless;

/// The longest name, in bytes; room is left for a number.
const LONGEST: usize = 200;

/// A base name without separators, controls or leading dots; `fallback` where nothing is left.
pub fn safe_file_name(suggested: &str, fallback: &str) -> String {
    // A NUL ends a name for some programs and not for others: what follows it is not let through.
    let suggested = suggested.split('\0').next().unwrap_or_default();
    let base = suggested.rsplit(['/', '\\']).next().unwrap_or_default();
    let base = base.strip_prefix(drive(base)).unwrap_or(base);
    let clean = harmless(base).replace([':', '*', '?', '"', '<', '>', '|'], "_");
    let name = clean.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    match name {
        "" => fallback.to_owned(),
        name if name.starts_with('-') => shorten(&format!("_{name}")),
        name => shorten(name),
    }
}

/// `C:` at the beginning.
fn drive(base: &str) -> &str {
    let bytes = base.as_bytes();
    if bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' { &base[..2] } else { "" }
}

/// Cut to [`LONGEST`] bytes, the extension kept.
fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let room = LONGEST - extension.len();
    let end =
        stem.char_indices().map(|(at, character)| at + character.len_utf8()).take_while(|end| *end <= room).last();
    format!("{}{extension}", &stem[..end.unwrap_or_default()])
}
