//! The last look at the bytes of a message before a connection is made (RFC 5321, 2.3.8, 4.5.3.1.6).

/// The longest line without its CR LF.
const LONGEST_LINE: usize = 998;

/// What must not go on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// A CR without LF or a LF without CR, as in SMTP smuggling.
    #[error("the message holds a lone CR or LF")]
    LoneBreak,
    /// A NUL.
    #[error("the message holds a NUL")]
    Nul,
    /// A line of more than 998 bytes.
    #[error("the message holds a line of more than 998 bytes")]
    LongLine,
    /// The last line has no end.
    #[error("the message does not end with CR LF")]
    OpenEnd,
    /// An address of the envelope holds what could end its command.
    #[error("an address of the envelope holds a control character")]
    Address,
}

/// Looks at a message once; tells whether it holds bytes over 127.
pub(super) fn look<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<bool, Unsendable> {
    let mut line = 0;
    let mut after_cr = false;
    let mut eight_bit = false;
    let mut ended = false;
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        if memchr::memchr(0, piece).is_some() {
            return Err(Unsendable::Nul);
        }
        eight_bit |= !piece.is_ascii();
        let mut rest = piece;
        loop {
            if after_cr {
                rest = rest.strip_prefix(b"\n").ok_or(Unsendable::LoneBreak)?;
                (after_cr, line) = (false, 0);
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            line += end.unwrap_or(rest.len());
            if line > LONGEST_LINE {
                return Err(Unsendable::LongLine);
            }
            let Some(end) = end else { break };
            if rest[end] == b'\n' {
                return Err(Unsendable::LoneBreak);
            }
            after_cr = true;
            rest = &rest[end + 1..];
            if rest.is_empty() {
                break;
            }
        }
        ended = piece.ends_with(b"\n");
    }
    if ended { Ok(eight_bit) } else { Err(Unsendable::OpenEnd) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn judge(bytes: &[u8]) -> Result<bool, Unsendable> {
        let whole = look(std::iter::once(bytes));
        for cut in 0..bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(look([a, b].into_iter()), whole);
        }
        whole
    }

    #[test]
    fn smuggling_is_seen_wherever_pieces_end() {
        for bytes in [&b"a\n.\r\n"[..], b"a\r.\r\n", b"a\n.\nMAIL FROM:<x@y>\r\n", b"a\r\r\n", b"\n", b"a\r\n.\r"] {
            assert!(matches!(judge(bytes), Err(Unsendable::LoneBreak | Unsendable::OpenEnd)), "{bytes:?}");
        }
        assert_eq!(judge(b"a\0b\r\n"), Err(Unsendable::Nul));
        assert_eq!(judge(b"a"), Err(Unsendable::OpenEnd));
        assert_eq!(judge(b""), Err(Unsendable::OpenEnd));
    }

    #[test]
    fn lines_of_998_bytes_pass() {
        assert_eq!(judge(&[&[b'a'; 998][..], b"\r\n"].concat()), Ok(false));
        assert_eq!(judge(&[&[b'a'; 999][..], b"\r\n"].concat()), Err(Unsendable::LongLine));
        assert_eq!(judge("grün\r\n".as_bytes()), Ok(true));
    }
}
