//! The encoding of LDAP (RFC 4511, 5.1): tags of one octet and definite lengths, read level by level, so that no depth of
//! what a stranger sends takes room on the stack.

/// What is left to be read of some contents.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its tag and its contents.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (head, length) = header(self.0)??;
        let end = head.checked_add(length)?;
        let contents = self.0.get(head..end)?;
        let tag = *self.0.first()?;
        self.0 = self.0.get(end..)?;
        Some((tag, contents))
    }

    /// The contents of the next element, if it has this tag.
    pub(super) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(is, _)| *is == tag).map(|(_, contents)| contents)
    }
}

/// The length of the element that some bytes begin with, if they tell it already; none if it is none, or longer than a
/// limit would make it out of all reason.
pub(super) fn whole(bytes: &[u8], limit: usize) -> Option<Option<usize>> {
    match header(bytes)? {
        None => Some(None),
        // Longer than the limit is told by the caller; this keeps the sum in its bounds.
        Some((head, length)) => Some(Some(head + length.min(limit.saturating_add(1)))),
    }
}

/// The octets of tag and length, and the length that they tell; an inner none if some are still to come.
fn header(bytes: &[u8]) -> Option<Option<(usize, usize)>> {
    let [tag, length, rest @ ..] = bytes else { return Some(None) };
    if tag & 0x1f == 0x1f {
        return None;
    }
    match length {
        0..=0x7f => Some(Some((2, usize::from(*length)))),
        0x81..=0x84 => {
            let count = usize::from(length & 0x7f);
            let Some(octets) = rest.get(..count) else { return Some(None) };
            let length = octets.iter().fold(0u32, |length, octet| length << 8 | u32::from(*octet));
            Some(Some((2 + count, usize::try_from(length).ok()?)))
        }
        _ => None,
    }
}

/// An element.
pub(super) fn write(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u32).to_be_bytes();
    let mut out = vec![tag];
    if contents.len() < 0x80 {
        out.push(length[3]);
    } else {
        out.push(0x84);
        out.extend(length);
    }
    out.extend(contents);
    out
}
