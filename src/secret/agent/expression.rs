//! S-expressions in their canonical form, in which gpg-agent has its numbers: lists in parentheses, and atoms with their
//! length before a colon.

/// The deepest that an answer of an agent is nested is three.
const DEEPEST: usize = 8;

/// An atom or a list, over the bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub enum Expression<'a> {
    Atom(&'a [u8]),
    List(Vec<Expression<'a>>),
}

impl<'a> Expression<'a> {
    /// Reads one that fills the bytes, but for the zero that agents put at the end.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (expression, rest) = read(bytes, 0)?;
        matches!(rest, [] | [0]).then_some(expression)
    }

    /// What is behind the name in a list of that name.
    pub fn named(&self, name: &str) -> Option<&[Self]> {
        let Self::List(members) = self else { return None };
        let (first, rest) = members.split_first()?;
        matches!(first, Self::Atom(first) if *first == name.as_bytes()).then_some(rest)
    }

    /// The one value behind the name in a member of that name.
    pub fn value(members: &[Self], name: &str) -> Option<&'a [u8]> {
        match members.iter().find_map(|member| member.named(name))? {
            [Self::Atom(value)] => Some(value),
            _ => None,
        }
    }
}

/// Writes an atom.
pub fn atom(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(format!("{}:", value.len()).as_bytes());
    out.extend_from_slice(value);
}

/// Writes a list of a name and a value.
pub fn pair(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.push(b'(');
    atom(out, name.as_bytes());
    atom(out, value);
    out.push(b')');
}

fn read(bytes: &[u8], depth: usize) -> Option<(Expression<'_>, &[u8])> {
    if bytes.first() != Some(&b'(') {
        let colon = bytes.iter().take(7).position(|byte| *byte == b':')?;
        let digits = bytes.get(..colon).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let (value, rest) = bytes.get(colon + 1..)?.split_at_checked(length)?;
        return Some((Expression::Atom(value), rest));
    }
    if depth == DEEPEST {
        return None;
    }
    let mut rest = bytes.get(1..)?;
    let mut members = Vec::new();
    while rest.first()? != &b')' {
        let (member, after) = read(rest, depth + 1)?;
        members.push(member);
        rest = after;
    }
    Some((Expression::List(members), rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_an_agent_answers_is_read() {
        let signature = b"(7:sig-val(5:eddsa(1:r2:\x01\x02)(1:s1:))))\0";
        let read = Expression::parse(signature).unwrap();
        let eddsa = read.named("sig-val").unwrap()[0].named("eddsa").unwrap();
        assert_eq!(Expression::value(eddsa, "r"), Some(&[1, 2][..]));
        assert_eq!(Expression::value(eddsa, "s"), Some(&b")"[..]));
        assert_eq!(Expression::value(eddsa, "t"), None);
        assert_eq!(Expression::parse(b"(5:value0:)").unwrap().named("value").unwrap(), [Expression::Atom(b"")]);
    }

    #[test]
    fn what_is_none_is_not_read() {
        let deep = [vec![b'('; 9], vec![b')'; 9]].concat();
        let all: [&[u8]; 12] = [
            b"",
            b"(",
            b")",
            b"3:ab",
            b":",
            b"99999999999999999999:",
            b"-1:",
            b"+1:a",
            b"(1:a",
            b"1:ab",
            b"(1:a)\0\0",
            &deep,
        ];
        for bytes in all {
            assert_eq!(Expression::parse(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in prop::collection::vec(prop_oneof![Just(b'('), Just(b')'), Just(b':'), b'0'..=b'9', any::<u8>()], 0..200)) {
            if let Some(read) = Expression::parse(&bytes) {
                let _ = read.named("value");
            }
        }

        #[test]
        fn what_is_written_is_read(name in "[a-z]{1,20}", value in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut out = Vec::new();
            pair(&mut out, &name, &value);
            let read = Expression::parse(&out).unwrap();
            prop_assert_eq!(read.named(&name).unwrap(), &[Expression::Atom(&value)]);
        }
    }
}
