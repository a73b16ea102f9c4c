//! Edits of recipients.toml that keep comments, order and spelling of all else.

use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::Recipients;
use crate::{
    config::{ConfigError, document::Document},
    crypt::Fingerprint,
    mail::Address,
};

/// Why recipients.toml cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// As it is, it cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It is written in a way that takes no entry of this kind.
    #[error("{0} is written so that nothing can be added: write the pin of {1} yourself")]
    Shape(std::path::PathBuf, Address),
}

/// The text of recipients.toml with just these pins in an address's own entry, which is made if need be. `path` is for
/// errors.
///
/// # Errors
/// [`EditError`]; also if the outcome would not read back as it is meant.
pub fn pin(text: &str, path: &Path, address: &Address, pins: &[Fingerprint]) -> Result<String, EditError> {
    // Its own reader has the better errors.
    Recipients::from_document(&Document::new(path, text.to_owned()))?;
    let shape = || EditError::Shape(path.to_owned(), address.clone());
    let mut document: DocumentMut = text.parse().map_err(|_| shape())?;
    let entries = document.entry("recipient").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let own = entry(entries.as_table_like_mut().ok_or_else(shape)?, address).ok_or_else(shape)?;
    set(own, pins);
    let mut edited = document.to_string();
    if text.contains("\r\n") {
        edited = edited.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    let reread = Recipients::from_document(&Document::new(path, edited.clone()))?;
    let counts = reread.fingerprints_for(address);
    let same = counts.iter().all(|pin| pins.contains(pin)) && pins.iter().all(|pin| counts.contains(pin));
    if same { Ok(edited) } else { Err(shape()) }
}

/// The entry of an address, however it is spelled.
fn entry<'a>(entries: &'a mut dyn TableLike, address: &Address) -> Option<&'a mut dyn TableLike> {
    let spelled = entries.iter().map(|(key, _)| key.to_owned()).find(|key| Address::parse(key).as_ref() == Ok(address));
    let key = spelled.unwrap_or_else(|| address.to_string());
    entries.entry(&key).or_insert_with(|| Item::Table(Table::new())).as_table_like_mut()
}

/// Adds and removes what differs, in the form that is there.
fn set(own: &mut dyn TableLike, pins: &[Fingerprint]) {
    let is = |value: &Value, pin: &Fingerprint| value.as_str().and_then(Fingerprint::parse).as_ref() == Some(pin);
    if let Some(array) = own.get_mut("pin").and_then(Item::as_array_mut) {
        array.retain(|value| pins.iter().any(|pin| is(value, pin)));
        for pin in pins {
            if !array.iter().any(|value| is(value, pin)) {
                array.push(pin.as_str());
            }
        }
        return;
    }
    let array: Array = pins.iter().map(Fingerprint::as_str).collect();
    match own.get_mut("pin").and_then(Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone();
            *value = Value::Array(array);
            *value.decor_mut() = decor;
        }
        None => {
            own.insert("pin", Item::Value(Value::Array(array)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const A: &str = "EB85BB5FA33A75E15E944E63F231550C4F47E38E";
    const B: &str = "D1A66E1A23B182C9980F788CFBFCC82A015E7330";

    fn edited(text: &str, pins: &[&str]) -> String {
        let pins: Vec<_> = pins.iter().map(|pin| Fingerprint::parse(pin).unwrap()).collect();
        pin(text, Path::new("recipients.toml"), &Address::parse("kim@example.org").unwrap(), &pins).unwrap()
    }

    #[test]
    fn a_pin_is_added_where_it_belongs_and_all_else_stays() {
        for (before, after) in [
            ("", "[recipient.\"kim@example.org\"]\npin = [\"A\"]\n"),
            (
                "# ours\n[group.ops] # of the night\nmembers = [ 'kim@example.org' ]",
                "# ours\n[group.ops] # of the night\nmembers = [ 'kim@example.org' ]\n\n[recipient.\"kim@example.org\"]\npin = [\"A\"]\n",
            ),
            (
                "[recipient.\"KIM@example.org\"] # met her\nnote=\"x\" # y\nsuite = 'smime'\n\n# end\n",
                "[recipient.\"KIM@example.org\"] # met her\nnote=\"x\" # y\nsuite = 'smime'\npin = [\"A\"]\n\n# end\n",
            ),
            (
                "[recipient]\n\"kim@example.org\" = { gcm = true }\n\"lee@example.org\" = {}\n",
                "[recipient]\n\"kim@example.org\" = { gcm = true , pin = [\"A\"] }\n\"lee@example.org\" = {}\n",
            ),
            ("recipient.\"kim@example.org\".pin = []\n", "recipient.\"kim@example.org\".pin = [\"A\"]\n"),
            (
                "[recipient.\"kim@example.org\"]\npin   = \"B\" # by phone\n",
                "[recipient.\"kim@example.org\"]\npin   = [\"A\"] # by phone\n",
            ),
        ] {
            let [before, after] = [before, after]
                .map(|text| text.replace("\"A\"", &format!("\"{A}\"")).replace("\"B\"", &format!("\"{B}\"")));
            assert_eq!(edited(&before, &[A]), after);
            assert_eq!(edited(&after, &[A]), after, "once is enough");
            let windows = before.replace('\n', "\r\n");
            if !before.is_empty() {
                assert_eq!(edited(&windows, &[A]), after.replace('\n', "\r\n"));
            }
        }
    }

    #[test]
    fn lists_keep_their_form_and_comments() {
        let before = format!(
            "[recipient.\"kim@example.org\"]\npin = [\n    # old\n    \"{}\", # until 2027\n]\n",
            B.to_lowercase()
        );
        let both = edited(&before, &[B, A]);
        assert!(both.contains("# old") && both.contains("# until 2027") && both.contains(&B.to_lowercase()), "{both}");
        let one = edited(&both, &[A]);
        assert!(one.contains(A) && !one.contains(&B.to_lowercase()), "{one}");
    }

    #[test]
    fn what_cannot_be_read_is_not_edited() {
        let address = Address::parse("kim@example.org").unwrap();
        let pins = [Fingerprint::parse(A).unwrap()];
        for text in ["[recipient", "[recipients]", "recipient = 1", "[recipient.\"kim@example.org\"]\npin = 5"] {
            assert!(matches!(pin(text, Path::new("r"), &address, &pins), Err(EditError::Config(_))), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_there_stays_readable(
            pins in proptest::collection::vec(proptest::bool::ANY, 0..3),
            quoted in proptest::bool::ANY, inline in proptest::bool::ANY, before in "(# [a-z]{0,5}\n|\n){0,3}",
        ) {
            let list: Vec<_> = pins.iter().map(|first| format!("\"{}\"", if *first { A } else { B })).collect();
            let list = if quoted && list.len() == 1 { list[0].clone() } else { format!("[{}]", list.join(" , ")) };
            let text = if inline {
                format!("{before}[recipient]\n\"Kim@Example.org\" = {{ note = \"n\", pin = {list} }} # z\n")
            } else {
                format!("{before}[recipient.\"Kim@Example.org\"] # z\nnote = \"n\"\npin = {list}\n[group.g]\nmembers = []\n")
            };
            let out = edited(&text, &[A]);
            proptest::prop_assert!(out.starts_with(&before) && out.contains("# z") && out.contains("note = \"n\""));
        }
    }
}
