//! Addresses that look like others (UTS 39, in the small): a mix of scripts within one label or local part, or a
//! label written wholly in letters that pass for Latin ones.

use super::Address;

/// The scripts whose letters pass for one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
    Other,
}

/// Cyrillic, Greek and Armenian letters that look like Latin ones.
const LATIN_LOOKING: &str = "аеорсухіјѕһԁԛԝѵӏкмтвнАВЕКМНОРСТУХІЈЅԌԚԜοαρυνκιτχΑΒΕΖΗΙΚΜΝΟΡΤΥΧօսոհցզ";

/// Whether an address may be taken for another.
pub fn is_lookalike(address: &Address) -> bool {
    let (domain, _) = idna::domain_to_unicode(address.domain());
    domain.split('.').any(is_suspect) || is_suspect(address.local())
}

fn is_suspect(label: &str) -> bool {
    let letters: Vec<char> = label.chars().filter(|character| character.is_alphabetic()).collect();
    let mut scripts: Vec<Script> = letters.iter().map(|letter| script(*letter)).collect();
    scripts.retain(|script| *script != Script::Other);
    scripts.dedup();
    let mixed = scripts.iter().any(|script| Some(script) != scripts.first());
    let disguised = !letters.is_empty() && letters.iter().all(|letter| LATIN_LOOKING.contains(*letter));
    let styled = label.chars().any(is_styled);
    mixed || disguised || styled
}

fn script(letter: char) -> Script {
    match letter {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{250}'..='\u{2af}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Script::Greek,
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' => {
            Script::Cyrillic
        }
        '\u{530}'..='\u{58f}' => Script::Armenian,
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => Script::Cherokee,
        _ => Script::Other,
    }
}

/// Full-width, mathematical and IPA forms of Latin letters, and dots and slashes that are none.
fn is_styled(character: char) -> bool {
    matches!(
        character,
        '\u{250}'..='\u{2af}' | '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' | '\u{2044}' | '\u{2215}'
            | '\u{2024}' | '\u{3002}' | '\u{ff61}' | '\u{1d00}'..='\u{1d7f}' | '\u{2100}'..='\u{214f}'
    )
}
