//! The printable form of a backup: numbered lines of letters and digits, to be typed in again.
//!
//! A line holds 25 bytes as 40 characters of Crockford's base32, and 6 more that check it and its number, by the code of
//! BIP 173: it notices any four wrong characters, so that a typing error names its line. All of it together is checked
//! by a hash. What is no letter and no digit does not count.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

/// No I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Bytes on a line.
const BYTES: usize = 25;

/// Characters on a line: of its bytes, and of its check.
const DATA: usize = 40;
const CHECK: usize = 6;

/// Characters that stand together.
const GROUP: usize = 5;

/// More lines than anybody types.
const MOST_LINES: usize = 9999;

/// Before the message: the version of this form, and the length in three bytes. Behind it: the hash.
const VERSION: u8 = 1;
const HEAD: usize = 4;
const HASH: usize = 8;

/// How every such text begins.
const TITLE: &str = "SEALPOST PAPER BACKUP";

/// The most lines that are named of many that are wrong.
const MOST_NAMED: usize = 20;

/// Why a text is not the backup that was printed, or a backup cannot be printed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaperError {
    /// It would take so many lines.
    #[error("it would take {0} lines")]
    TooLong(usize),
    /// Lines that are not as they were printed, and lines that are missing, by their numbers.
    #[error("{}", faults(wrong, missing))]
    Lines {
        /// Those whose check fails.
        wrong: Vec<usize>,
        /// Those that are not there.
        missing: Vec<usize>,
    },
    /// Each line is as it was printed, but not all are of one backup.
    #[error("each line is right by itself, but they are not the lines of one backup")]
    Mixed,
    /// Of another version.
    #[error("it is of version {0} of this form, which is not known")]
    Version(u8),
}

/// Writes sealed bytes, with words of what they are above them.
///
/// # Errors
/// [`PaperError::TooLong`].
pub fn print(sealed: &[u8], what: &str) -> Result<String, PaperError> {
    let count = (HEAD + sealed.len() + HASH).div_ceil(BYTES);
    let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX).to_be_bytes();
    if count > MOST_LINES {
        return Err(PaperError::TooLong(count));
    }
    let mut bytes = vec![VERSION, length[1], length[2], length[3]];
    bytes.extend_from_slice(sealed);
    bytes.extend_from_slice(&hash(&bytes));
    bytes.resize(count * BYTES, 0);
    let mut out = format!(
        "{TITLE}\n\n\
         {what},\n\
         sealed under a passphrase that stands elsewhere.\n\n\
         To restore it: type the lines with numbers into a file, or scan them, then\n\n    \
         sealpost key import FILE\n\n\
         Capital or small letters, spaces, dashes, empty lines and these words do not\n\
         matter. No line has the letters I, L, O or U. The last six characters of a line\n\
         check it: a line that was mistyped is named by its number.\n\n\
         Without sealpost: the other forty characters of a line are 25 bytes in base32\n\
         by Crockford (0123456789ABCDEFGHJKMNPQRSTVWXYZ). All bytes: four in front, the\n\
         last three of them the length of what follows, an OpenPGP message, in which\n\
         gpg --decrypt finds a tar archive; then eight of the SHA-256 of all before.\n\n"
    );
    for (place, bytes) in bytes.chunks_exact(BYTES).enumerate() {
        let number = place + 1;
        let mut symbols = symbols_of(bytes);
        symbols.extend(check_of(number, &symbols));
        let (data, check) = symbols.split_at(DATA);
        let groups: Vec<_> = data.chunks(GROUP).map(letters).collect();
        out += &format!("{number:4}  {}  {}\n", groups.join(" "), letters(check));
    }
    out += &format!("\nEnd of the paper backup, after line {count}.\n");
    Ok(out)
}

/// Whether a text is meant to be such a one: its title stands there, or one good line, and no armor.
pub fn is_paper(text: &str) -> bool {
    let plain = plain(text);
    let text = plain.as_str();
    let titled = |line: &str| {
        let title = TITLE.split(' ').map(str::to_ascii_lowercase);
        line.split_whitespace().take(3).map(str::to_ascii_lowercase).eq(title)
    };
    // What may be a secret key is not taken to pieces, of which copies would stay.
    !text.contains("-----BEGIN ") && (text.lines().any(titled) || !Typed::read(text).good.is_empty())
}

/// Reads what was typed in: the sealed bytes.
///
/// # Errors
/// [`PaperError`], with all lines that are wrong or missing.
pub fn read(text: &str) -> Result<Vec<u8>, PaperError> {
    let typed = Typed::read(plain(text).as_str());
    let first = typed.good.get(&1);
    if let Some(version) = first.map(|first| first[0]).filter(|version| *version != VERSION) {
        return Err(PaperError::Version(version));
    }
    let length = first.map(|first| first[1..HEAD].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)));
    let count = length.map(|length| (HEAD + length + HASH).div_ceil(BYTES));
    // Without the first line nothing says how many there are.
    let last = count.or(typed.good.keys().chain(&typed.wrong).max().copied()).unwrap_or(1);
    let absent = (1..=last.min(MOST_LINES)).filter(|number| !typed.good.contains_key(number));
    let (wrong, missing): (Vec<_>, Vec<_>) = absent.partition(|number| typed.wrong.contains(number));
    if !wrong.is_empty() || !missing.is_empty() {
        return Err(PaperError::Lines { wrong, missing });
    }
    let bytes: Vec<u8> = typed.good.into_values().take(last).flatten().collect();
    let end = HEAD + length.unwrap_or_default();
    match (bytes.get(..end), bytes.get(end..end + HASH)) {
        (Some(all), Some(proof)) if hash(all) == proof => Ok(all[HEAD..].to_vec()),
        _ => Err(PaperError::Mixed),
    }
}

/// A text without what is left of UTF-16, as editors of Windows save it, where it was read as UTF-8: every other byte is
/// zero then, since all that counts is ASCII, and the mark in front is no character.
fn plain(text: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let of_utf_16 = text.contains('\0');
    plain.extend(text.chars().filter(|c| !of_utf_16 || !matches!(*c, '\0' | char::REPLACEMENT_CHARACTER)));
    plain
}

/// What was typed: the good lines, and those that are meant to be lines and are not good.
#[derive(Default)]
struct Typed {
    good: BTreeMap<usize, Vec<u8>>,
    wrong: BTreeSet<usize>,
}

impl Typed {
    fn read(text: &str) -> Self {
        let mut typed = Self::default();
        let mut next = 1;
        for line in text.lines() {
            let all: Vec<Option<u8>> = line.chars().filter(|c| c.is_alphanumeric()).map(symbol).collect();
            let word = line.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
            let said = word.chars().map(symbol).collect::<Option<Vec<_>>>().and_then(|word| number(&word));
            // By its number, whose place is before a line's length at the end; or, if that was mistyped, by its turn.
            let before = all.len().checked_sub(DATA + CHECK);
            let data = before.and_then(|before| all[before..].iter().copied().collect::<Option<Vec<_>>>());
            let named = before.and_then(|before| number(&all[..before].iter().copied().collect::<Option<Vec<_>>>()?));
            let good = data.as_ref().and_then(|data| {
                named.into_iter().chain([next]).find(|number| check_of(*number, &data[..DATA]) == data[DATA..])
            });
            match (good, said, data) {
                (Some(number), _, Some(data)) => {
                    typed.good.insert(number, bytes_of(&data[..DATA]));
                    next = number + 1;
                }
                (_, Some(number), _) => {
                    typed.wrong.insert(number);
                    next = number + 1;
                }
                // Words, unless they are as long as a line.
                _ if all.len().abs_diff(DATA + CHECK) <= GROUP => {
                    typed.wrong.insert(next);
                    next += usize::from(!typed.good.is_empty());
                }
                _ => {}
            }
        }
        typed
    }
}

/// What a character stands for; those that are not in the alphabet for what they look like.
fn symbol(character: char) -> Option<u8> {
    let plain = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        'U' => 'V',
        plain => plain,
    };
    ALPHABET.iter().position(|letter| char::from(*letter) == plain).and_then(|place| u8::try_from(place).ok())
}

/// The number of a line, of at most four digits.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.len() > 4 || digits.iter().any(|digit| *digit > 9) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + usize::from(*digit))).filter(|number| *number > 0)
}

fn letters(symbols: &[u8]) -> String {
    symbols.iter().map(|symbol| char::from(ALPHABET[usize::from(*symbol) & 31])).collect()
}

/// Five bits each, the highest first.
fn symbols_of(bytes: &[u8]) -> Vec<u8> {
    let mut symbols = Vec::with_capacity(DATA + CHECK);
    for group in bytes.chunks(5) {
        let bits = group.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        symbols.extend((0..8).rev().map(|place| (bits >> (5 * place)) as u8 & 31));
    }
    symbols
}

fn bytes_of(symbols: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES);
    for group in symbols.chunks(8) {
        let bits = group.iter().fold(0u64, |bits, symbol| bits << 5 | u64::from(*symbol));
        bytes.extend((0..5).rev().map(|place| (bits >> (8 * place)) as u8));
    }
    bytes
}

/// The check of a line and its number: the remainder by the generator of BIP 173.
fn check_of(number: usize, data: &[u8]) -> [u8; CHECK] {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let digits = [number / 1000, number / 100, number / 10, number].map(|digit| (digit % 10) as u8);
    let mut rest = 1u32;
    for symbol in digits.iter().chain(data).chain(&[0; CHECK]) {
        let top = rest >> 25;
        rest = (rest & 0x1ff_ffff) << 5 ^ u32::from(*symbol);
        for (_, term) in GENERATOR.iter().enumerate().filter(|(place, _)| top >> place & 1 == 1) {
            rest ^= term;
        }
    }
    rest ^= 1;
    std::array::from_fn(|place| (rest >> (5 * (CHECK - 1 - place))) as u8 & 31)
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    openssl::sha::sha256(bytes)[..HASH].to_vec()
}

fn faults(wrong: &[usize], missing: &[usize]) -> String {
    let told = |numbers: &[usize], one: &str, many: &str| match numbers {
        [] => None,
        [number] => Some(format!("line {number} {one}")),
        _ => {
            let mut named: Vec<_> = numbers.iter().take(MOST_NAMED).map(ToString::to_string).collect();
            let more = numbers.len() - named.len();
            let last = if more > 0 { format!("{more} more") } else { named.pop().unwrap_or_default() };
            Some(format!("lines {} and {last} {many}", named.join(", ")))
        }
    };
    let wrong = told(wrong, "is not as it was printed", "are not as they were printed");
    let missing = told(missing, "is missing", "are missing");
    wrong.into_iter().chain(missing).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn printed(sealed: &[u8]) -> String {
        print(sealed, "Two keys").unwrap()
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place * place % 251) as u8).collect()
    }

    /// The lines with numbers.
    fn numbered(text: &str) -> Vec<String> {
        let numbered = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        text.lines().filter(numbered).map(str::to_owned).collect()
    }

    fn wrong(numbers: &[usize]) -> Result<Vec<u8>, PaperError> {
        Err(PaperError::Lines { wrong: numbers.to_vec(), missing: Vec::new() })
    }

    fn missing(numbers: &[usize]) -> Result<Vec<u8>, PaperError> {
        Err(PaperError::Lines { wrong: Vec::new(), missing: numbers.to_vec() })
    }

    #[test]
    fn the_text_is_what_it_is() {
        let text = printed(b"abc");
        assert_eq!(numbered(&text), ["   1  04000 0V1C9 HPYM6 G9TYC ZJ9F0 00000 00000 00000  QX133B"], "{text}");
        assert!(text.starts_with("SEALPOST PAPER BACKUP\n") && text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(
            numbered(&printed(&sample(3000)))
                .iter()
                .all(|line| line.len() == 61 && !line.contains(['I', 'L', 'O', 'U']))
        );
        assert_eq!(print(&vec![0; 250_000], "x"), Err(PaperError::TooLong(10_001)));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_however_it_is_typed(
            sealed in prop::collection::vec(any::<u8>(), 0..700),
            changes in prop::collection::vec(0u8..12, 1..200),
            headed in any::<bool>(),
        ) {
            let text = printed(&sealed);
            let lines = if headed { text.lines().map(str::to_owned).collect() } else { numbered(&text) };
            let mut changes = changes.into_iter().cycle();
            let mut typed = String::new();
            for line in lines {
                for character in line.chars() {
                    match (changes.next().unwrap(), character) {
                        (0, ' ') => {}
                        (1, ' ') => typed += "\u{a0} - ",
                        (2, ' ') => typed += "\t",
                        (0..=3, '0') => typed.push('O'),
                        (4, '0') => typed.push('o'),
                        (0..=2, '1') => typed.push('l'),
                        (3..=4, '1') => typed.push('I'),
                        (0..=1, 'V') => typed.push('u'),
                        (0..=5, character) => typed.push(character.to_ascii_lowercase()),
                        (_, character) => typed.push(character),
                    }
                }
                typed += if changes.next() == Some(0) { "\r\n \r\n" } else { "\n" };
            }
            prop_assert!(is_paper(&typed));
            prop_assert_eq!(read(&typed), Ok(sealed));
        }

        #[test]
        fn no_text_is_too_much(text in "\\PC{0,300}", sealed in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&text);
            prop_assert_eq!(read(&format!("{text}\n{}{text}\n", printed(&sealed))), Ok(sealed));
        }
    }

    #[test]
    fn one_fault_names_its_line() {
        let sealed = sample(100);
        let lines = numbered(&printed(&sealed));
        let with = |place: usize, line: &str| {
            let mut lines = lines.clone();
            line.clone_into(&mut lines[place]);
            read(&lines.join("\n"))
        };
        for (place, line) in lines.iter().enumerate() {
            let number = place + 1;
            let (head, symbols) = line.split_at(6);
            for (at, one) in symbols.char_indices().filter(|(_, one)| *one != ' ') {
                for other in ALPHABET.iter().map(|letter| char::from(*letter)).filter(|other| *other != one) {
                    let changed = format!("{head}{}{other}{}", &symbols[..at], &symbols[at + 1..]);
                    assert_eq!(with(place, &changed), wrong(&[number]), "{changed}");
                }
                let (before, after) = (&symbols[..at], &symbols[at + 1..]);
                assert_eq!(with(place, &format!("{head}{before}{after}")), wrong(&[number]), "{line}, {at}");
                let doubled = with(place, &format!("{head}{before}{one}{one}{after}"));
                // The first may as well be one of the number.
                assert!(doubled == wrong(&[number]) || (at == 0 && doubled.as_ref() == Ok(&sealed)), "{line}, {at}");
                if let Some(next) = after.chars().next().filter(|next| *next != ' ' && *next != one) {
                    let changed = format!("{head}{before}{next}{one}{}", &after[1..]);
                    assert_eq!(with(place, &changed), wrong(&[number]), "{changed}");
                }
            }
            // Its number is known by its turn, and its turn by its number.
            for head in ["", "99: ", "x ", "0 "] {
                assert_eq!(with(place, &format!("{head}{symbols}")).as_ref(), Ok(&sealed), "{head}{symbols}");
            }
            let without: Vec<_> = lines.iter().filter(|other| *other != line).cloned().collect();
            match read(&without.join("\n")) {
                Err(PaperError::Lines { wrong, missing }) => assert_eq!((wrong, missing), (vec![], vec![number])),
                other => panic!("{other:?}"),
            }
        }
        let mut turned = lines.clone();
        turned.reverse();
        turned.push(lines[3].clone());
        assert_eq!(read(&turned.join("\n")), Ok(sealed));
    }

    /// As Notepad saves it, and as it comes from bytes of which nobody knows what they are.
    #[test]
    fn what_was_saved_in_utf_16_is_read() {
        let sealed = sample(300);
        let utf_16 = |text: &str, big: bool| {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            String::from_utf8_lossy(&units.flat_map(bytes).collect::<Vec<u8>>()).into_owned()
        };
        for big in [true, false] {
            let text = printed(&sealed).replace('\n', "\r\n");
            assert!(is_paper(&utf_16(&text, big)));
            assert_eq!(read(&utf_16(&text, big)).as_ref(), Ok(&sealed));
            assert!(is_paper(&utf_16("SEALPOST PAPER BACKUP\r\n", big)), "by its title alone");
            let lines = numbered(&text);
            let typed = lines.iter().map(|line| if line.contains(" 12 ") { "12 and so on" } else { line });
            let typed = typed.collect::<Vec<_>>().join("\r\n");
            assert_eq!(read(&utf_16(&typed, big)), wrong(&[12]), "by its number alone");
            let armored = format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\r\n{text}");
            assert!(!is_paper(&utf_16(&armored, big)));
        }
    }

    #[test]
    fn several_faults_are_all_named() {
        let mut lines = numbered(&printed(&sample(300)));
        lines[1] += "ZZ";
        lines[3] = "4 and so on".to_owned();
        lines.remove(6);
        let error = read(&lines.join("\n")).unwrap_err();
        assert_eq!(error.to_string(), "lines 2 and 4 are not as they were printed; line 7 is missing");
        assert!(is_paper(&lines.join("\n")));
        assert_eq!(read("Sealpost  paper backup\n"), missing(&[1]));
        assert!(
            is_paper(" SEALPOST\u{a0}PAPER BACKUP of mine\n")
                && !is_paper("a SEALPOST PAPER BACKUP")
                && !is_paper("a letter\n1 2 3\n")
                && !is_paper("")
        );
        let many = faults(&(1..=30).collect::<Vec<_>>(), &[]);
        assert!(many.ends_with("19, 20 and 10 more are not as they were printed"), "{many}");
    }

    #[test]
    fn lines_of_two_backups_make_none() {
        let (one, other) = (numbered(&printed(&sample(300))), numbered(&printed(&vec![7; 300])));
        let mixed = [&one[..5], &other[5..]].concat().join("\n");
        assert_eq!(read(&mixed), Err(PaperError::Mixed));
        let mut bytes = sample(BYTES);
        bytes[0] = 2;
        let mut symbols = symbols_of(&bytes);
        symbols.extend(check_of(1, &symbols));
        assert_eq!(read(&format!("1 {}", letters(&symbols))), Err(PaperError::Version(2)));
    }
}
