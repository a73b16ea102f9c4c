//! Asking for a passphrase on a terminal, where no source is declared.

use std::io::{self, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::{Zeroize, Zeroizing};

use super::{LIMIT, SecretError};

/// Asks on stderr and reads one line from stdin, with echo off; an empty answer is the empty secret.
///
/// # Errors
/// [`SecretError::NoTerminal`] unless stderr and stdin are terminals; [`SecretError::Cancelled`] after ctrl-C, or
/// ctrl-D on an empty line.
pub fn ask(prompt: &str) -> Result<Zeroizing<String>, SecretError> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Err(SecretError::NoTerminal);
    }
    let quiet = Quiet::new().map_err(|error| SecretError::Terminal(error.into()))?;
    write!(stderr, "{} ", prompt.escape_debug()).and_then(|()| stderr.flush()).map_err(SecretError::Terminal)?;
    let answer = read_line(|| {
        let mut byte = [0];
        // past std's buffer, which would keep a copy
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) => Err(error.into()),
        }
    });
    drop(quiet);
    let _ = writeln!(stderr);
    answer
}

/// Reads keys up to the end of the line, with the erasing keys done here, since the terminal leaves them to us.
fn read_line(mut key: impl FnMut() -> io::Result<Option<u8>>) -> Result<Zeroizing<String>, SecretError> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const BACKSPACE: u8 = 8;
    const CLEAR: u8 = 21;
    const DELETE: u8 = 127;
    let mut line = Zeroizing::new(Vec::with_capacity(LIMIT));
    loop {
        match key() {
            Ok(None | Some(END)) if line.is_empty() => return Err(SecretError::Cancelled),
            Ok(None | Some(b'\n' | b'\r' | END)) => break,
            Ok(Some(INTERRUPT)) => return Err(SecretError::Cancelled),
            Ok(Some(BACKSPACE | DELETE)) => while line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {},
            Ok(Some(CLEAR)) => line.clear(),
            Ok(Some(byte)) if line.len() < LIMIT => line.push(byte),
            Ok(Some(_)) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SecretError::Terminal(error)),
        }
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => {
            line.zeroize();
            Err(SecretError::Terminal(io::ErrorKind::InvalidData.into()))
        }
    }
}

/// Stdin without echo, line editing and signals, until dropped: so no signal can leave the echo off.
struct Quiet(Termios);

impl Quiet {
    fn new() -> rustix::io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn typed(keys: &[u8]) -> Result<Zeroizing<String>, SecretError> {
        let mut keys = keys.iter();
        read_line(|| Ok(keys.next().copied()))
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(*typed(b"secret\nmore").unwrap(), "secret");
        assert_eq!(*typed("a\u{e4}\u{20ac}\x7f\x7fb\r".as_bytes()).unwrap(), "ab");
        assert_eq!(*typed(b"wrong\x15right\n").unwrap(), "right");
        assert_eq!(*typed(b"\x7f\x7fx\x04").unwrap(), "x");
        assert_eq!(*typed(b"\n").unwrap(), "");
    }

    #[test]
    fn giving_up_gives_nothing() {
        for keys in [&b"sec\x03"[..], b"\x04", b""] {
            assert!(matches!(typed(keys), Err(SecretError::Cancelled)));
        }
        assert!(matches!(typed(b"\xff\n"), Err(SecretError::Terminal(_))));
    }
}
