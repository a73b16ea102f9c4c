//! Mailboxes and lists of them (RFC 5322, 3.4): one pass over the text, whatever its length.

#[cfg(test)]
mod tests;

use super::{
    Address, AddressError,
    character::{decode_words, is_control},
};

/// An address with the display name it goes under (RFC 5322, 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, decoded, without control characters.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Mailbox {
    /// Reads one mailbox: `kim@example.org` or `Kim <kim@example.org>`.
    ///
    /// # Errors
    /// As [`Address::parse`]; a list or a group is malformed.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let mut list = List::read(text)?;
        match list.found.pop() {
            Some(mailbox) if list.found.is_empty() && !list.plural => Ok(mailbox),
            _ => Err(AddressError::Malformed(text.to_owned())),
        }
    }

    /// Reads a comma-separated list of mailboxes and groups as they stand in To, Cc or Bcc; encoded words
    /// in display names are decoded. An empty list is an empty vector.
    ///
    /// Comments are passed over, the members of a group count, its name does not. Empty places between commas
    /// pass; source routes do not (RFC 5322, 4.4).
    ///
    /// # Errors
    /// As [`Address::parse`], with the text of the offending mailbox.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        List::read(text).map(|list| list.found)
    }
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Self { name: None, address }
    }
}

/// A list being read.
#[derive(Default)]
struct List {
    found: Vec<Mailbox>,
    /// Whether a comma or a group was seen.
    plural: bool,
    in_group: bool,
    /// A group ended: nothing but a comma may follow.
    after_group: bool,
}

/// A mailbox being read.
#[derive(Default)]
struct Item {
    /// The words, quotes undone, comments left out, white space as one blank.
    phrase: String,
    /// The same as written, for an address without angle brackets.
    bare: String,
    /// What stood in angle brackets.
    angle: Option<String>,
    /// Whether an `@` or a domain literal stood outside of quotes, as in no display name.
    addressed: bool,
}

impl List {
    fn read(text: &str) -> Result<Self, AddressError> {
        if let Some(index) = text.find(|c| is_control(c) && c != '\t') {
            return Err(AddressError::Control(excerpt(text, index.saturating_sub(EXCERPT / 2))));
        }
        let mut list = Self::default();
        let mut item = Item::default();
        let (mut start, mut at) = (0, 0);
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            let length = match c {
                ',' | ';' | ':' => {
                    list.separate(&mut item, c, &text[start..at])?;
                    start = at + 1;
                    Some(1)
                }
                '(' => comment_length(rest),
                c if is_blank(c) => {
                    item.blank();
                    Some(1)
                }
                _ if item.angle.is_some() => None,
                '"' => quoted_length(rest).inspect(|&length| item.quoted(&rest[..length])),
                '<' => angle_length(rest).inspect(|&length| item.angle = Some(rest[1..length - 1].to_owned())),
                '[' => rest.find(']').map(|end| end + 1).inspect(|&length| item.literal(&rest[..length])),
                '>' | ')' | ']' | '\\' => None,
                c => {
                    item.character(c);
                    Some(c.len_utf8())
                }
            };
            at += length.ok_or_else(|| AddressError::Malformed(excerpt(text, start)))?;
        }
        list.end(item, &text[start..])?;
        if list.in_group { Err(AddressError::Malformed(excerpt(text, 0))) } else { Ok(list) }
    }

    /// Takes a comma, or the colon or semicolon of a group, behind the text of an item.
    fn separate(&mut self, item: &mut Item, separator: char, text: &str) -> Result<(), AddressError> {
        let item = std::mem::take(item);
        self.plural = true;
        match separator {
            ':' => {
                let named = !item.phrase.trim().is_empty() && item.angle.is_none() && !item.addressed;
                if self.in_group || self.after_group || !named {
                    return Err(AddressError::Malformed(excerpt(text, 0)));
                }
                checked_name(&item.phrase, text)?;
                self.in_group = true;
            }
            ';' => {
                self.end(item, text)?;
                if !self.in_group {
                    return Err(AddressError::Malformed(excerpt(text, 0)));
                }
                (self.in_group, self.after_group) = (false, true);
            }
            _ => {
                self.end(item, text)?;
                self.after_group = false;
            }
        }
        Ok(())
    }

    /// Ends the mailbox being read, if there is one.
    fn end(&mut self, item: Item, text: &str) -> Result<(), AddressError> {
        if item.angle.is_none() && item.bare.trim().is_empty() {
            return Ok(());
        }
        if self.after_group || (item.angle.is_some() && item.addressed) {
            return Err(AddressError::Malformed(excerpt(text, 0)));
        }
        self.found.push(match item.angle {
            None => Address::parse(item.bare.trim())?.into(),
            Some(angle) => Mailbox {
                name: checked_name(&item.phrase, text)?,
                address: Address::parse(angle.trim_matches(is_blank))?,
            },
        });
        Ok(())
    }
}

impl Item {
    fn blank(&mut self) {
        for text in [&mut self.phrase, &mut self.bare] {
            if !text.ends_with(' ') && !text.is_empty() {
                text.push(' ');
            }
        }
    }

    fn character(&mut self, c: char) {
        self.addressed |= c == '@';
        self.phrase.push(c);
        self.bare.push(c);
    }

    fn literal(&mut self, literal: &str) {
        self.addressed = true;
        self.bare.push_str(literal);
    }

    fn quoted(&mut self, quoted: &str) {
        self.bare.push_str(quoted);
        let mut characters = quoted[1..quoted.len() - 1].chars();
        while let Some(c) = characters.next() {
            self.phrase.extend(if c == '\\' { characters.next() } else { Some(c) });
        }
    }
}

/// The display name that a phrase spells, encoded words decoded in quotes too, as readers do; none if empty.
fn checked_name(phrase: &str, text: &str) -> Result<Option<String>, AddressError> {
    let name = decode_words(phrase.trim());
    if name.contains(is_control) {
        return Err(AddressError::Control(excerpt(text, 0)));
    }
    let name = name.trim();
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The length of the quoted string at the start of a text, with its quotes; none if it does not end.
fn quoted_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some(end + 2)
}

/// The length of the comment at the start of a text, those within it included; none if it does not end.
fn comment_length(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0_usize, false);
    let end = text.find(|c| {
        match c {
            _ if escaped => {}
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        depth == 0
    })?;
    Some(end + 1)
}

/// The length of the angle brackets at the start of a text and what they hold; none if they do not end.
fn angle_length(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    let end = text.find(|c| {
        let ends = c == '>' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some(end + 1)
}

/// How much of a text an error shows, in characters.
const EXCERPT: usize = 120;

/// The part of a text from about a place on, short enough for an error.
fn excerpt(text: &str, from: usize) -> String {
    let part: String =
        text.char_indices().skip_while(|(index, _)| *index < from).take(EXCERPT).map(|(_, c)| c).collect();
    part.trim_matches(is_blank).to_owned()
}
