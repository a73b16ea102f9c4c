//! Lists of mailboxes and groups (RFC 5322, 3.4), in one pass.

use mail_parser::{HeaderValue, parsers::MessageStream};

use super::{Address, AddressError, Mailbox, is_unseen};

/// One token of a list.
enum Token<'a> {
    /// A run of atom characters, with its dots and at signs.
    Atom(&'a str),
    /// A quoted string, as written and without its quotes.
    Quoted { raw: &'a str, text: String },
    /// A whole `<...>`, without its brackets.
    Angle(&'a str),
    /// One of `,`, `:` and `;`.
    Mark(char),
}

pub(super) fn parse(text: &str) -> Result<Vec<Mailbox>, AddressError> {
    if text.chars().any(|c| c != '\t' && is_unseen(c)) {
        return Err(AddressError::Control(text.to_owned()));
    }
    let mut mailboxes = Vec::new();
    let mut words = Vec::new();
    let mut in_group = false;
    let mut rest = text;
    loop {
        let token = next(&mut rest).ok_or_else(|| AddressError::Malformed(rest.to_owned()))?;
        match token {
            Some(Token::Mark(':')) if !in_group && !words.is_empty() => {
                words.clear();
                in_group = true;
            }
            Some(Token::Mark(';')) if in_group => {
                mailboxes.extend(mailbox(&mut words)?);
                in_group = false;
            }
            Some(Token::Mark(',')) => mailboxes.extend(mailbox(&mut words)?),
            Some(Token::Mark(mark)) => return Err(AddressError::Malformed(format!("{mark}{rest}"))),
            Some(word) => words.push(word),
            None if in_group => return Err(AddressError::Malformed(text.to_owned())),
            None => {
                mailboxes.extend(mailbox(&mut words)?);
                return Ok(mailboxes);
            }
        }
    }
}

/// Takes the next token off the front: none at the end, outer none if a quote, comment or bracket never closes.
fn next<'a>(rest: &mut &'a str) -> Option<Option<Token<'a>>> {
    loop {
        *rest = rest.trim_start_matches([' ', '\t']);
        if !rest.starts_with('(') {
            break;
        }
        let end = comment_end(rest)?;
        *rest = &rest[end..];
    }
    let Some(first) = rest.chars().next() else { return Some(None) };
    let (token, end) = match first {
        ',' | ':' | ';' => (Token::Mark(first), 1),
        '<' => {
            let end = angle_end(rest)?;
            (Token::Angle(&rest[1..end - 1]), end)
        }
        '"' => {
            let (text, end) = quoted(rest)?;
            // A quoted local part runs on with its domain: the whole is one address.
            if rest[end..].starts_with('@') {
                let end = end + atom_end(&rest[end..]);
                (Token::Atom(&rest[..end]), end)
            } else {
                (Token::Quoted { raw: &rest[..end], text }, end)
            }
        }
        _ => {
            let end = atom_end(rest);
            (Token::Atom(&rest[..end]), end)
        }
    };
    *rest = &rest[end..];
    (end > 0).then_some(Some(token))
}

fn atom_end(text: &str) -> usize {
    let mut literal = false;
    let ends = |c: char| {
        match c {
            '[' => literal = true,
            ']' => literal = false,
            _ => {}
        }
        matches!(c, ' ' | '\t' | ',' | ';' | '<' | '>' | '(' | ')' | '"') || (c == ':' && !literal)
    };
    text.find(ends).unwrap_or(text.len())
}

fn quoted(text: &str) -> Option<(String, usize)> {
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((inner, at + 1)),
            '\\' => inner.push(chars.next()?.1),
            _ => inner.push(c),
        }
    }
    None
}

fn angle_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quoted => drop(chars.next()),
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn comment_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Makes a mailbox of the tokens between two commas; none if there are none.
fn mailbox(words: &mut Vec<Token<'_>>) -> Result<Option<Mailbox>, AddressError> {
    let words: Vec<_> = std::mem::take(words);
    let Some((last, before)) = words.split_last() else { return Ok(None) };
    match last {
        Token::Angle(spec) => {
            let name = before.iter().map(word).collect::<Option<Vec<_>>>();
            let name = name.ok_or_else(|| AddressError::Malformed(shown(&words)))?.join(" ");
            let name = display_name(&name)?;
            Ok(Some(Mailbox { name, address: Address::parse(spec.trim())? }))
        }
        Token::Atom(spec) if before.is_empty() => Ok(Some(Mailbox { name: None, address: Address::parse(spec)? })),
        _ => Err(AddressError::Malformed(shown(&words))),
    }
}

fn word(token: &Token<'_>) -> Option<String> {
    match token {
        Token::Atom(text) => Some((*text).to_owned()),
        Token::Quoted { text, .. } => Some(text.clone()),
        Token::Angle(_) | Token::Mark(_) => None,
    }
}

fn shown(words: &[Token<'_>]) -> String {
    let words = words.iter().map(|token| match token {
        Token::Atom(text) | Token::Quoted { raw: text, .. } => (*text).to_owned(),
        Token::Angle(text) => format!("<{text}>"),
        Token::Mark(mark) => mark.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Decodes RFC 2047 and refuses what an encoded word may have hidden.
fn display_name(raw: &str) -> Result<Option<String>, AddressError> {
    let name = if raw.contains("=?") {
        let line = format!("{raw}\r\n");
        match MessageStream::new(line.as_bytes()).parse_unstructured() {
            HeaderValue::Text(text) => text.into_owned(),
            _ => raw.to_owned(),
        }
    } else {
        raw.to_owned()
    };
    if name.chars().any(is_unseen) {
        return Err(AddressError::Control(name));
    }
    let name = name.trim();
    Ok((!name.is_empty()).then(|| name.to_owned()))
}
