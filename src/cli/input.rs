//! Input files and stdin, which is read once.

use std::{io, path::Path};

use zeroize::Zeroizing;

use super::{exit::Kind, failure::Failure};
use crate::{mail::Message, receive::Input};

/// Stdin, for the one use that it has in a run.
#[derive(Debug, Default)]
pub struct Stdin {
    taken_for: Option<&'static str>,
}

impl Stdin {
    /// Reads all of stdin.
    ///
    /// # Errors
    /// Usage, if something else took it before.
    pub fn read(&mut self, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        Ok(self.take(what)?.read()?)
    }

    /// Reads a file, or stdin for `-`.
    pub fn file(&mut self, path: &Path, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if path.as_os_str() == "-" { self.read(what) } else { file(path) }
    }

    /// Reads a whole message from a file, or from stdin for `-`.
    pub fn message(&mut self, path: &Path) -> Result<Message, Failure> {
        let input = if path.as_os_str() == "-" { self.take("the message")? } else { Input::File(path.to_owned()) };
        Ok(input.read_message()?)
    }

    fn take(&mut self, what: &'static str) -> Result<Input, Failure> {
        match self.taken_for.replace(what) {
            None => Ok(Input::Stdin),
            Some(before) => {
                Err(Failure::new(Kind::Usage, format!("standard input cannot be {before} and {what} at once")))
            }
        }
    }
}

/// Reads a whole file, whatever its name, within the bound of a message.
pub fn file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(Input::File(path.to_owned()).read()?)
}

/// Text that must be UTF-8; the bytes become it without a copy.
pub fn text(mut bytes: Zeroizing<Vec<u8>>, what: &str) -> Result<Zeroizing<String>, Failure> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(refused) => {
            let at = refused.utf8_error().valid_up_to();
            drop(Zeroizing::new(refused.into_bytes()));
            Err(Failure::new(Kind::Malformed, format!("{what} is not UTF-8 text, at byte {at}")))
        }
    }
}

/// The failure to read an input.
pub fn unreadable(what: &str, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Kind::NoInput,
        io::ErrorKind::PermissionDenied => Kind::Permission,
        _ => Kind::Io,
    };
    Failure::new(kind, format!("cannot read {what}: {error}"))
}
