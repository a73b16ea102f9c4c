//! How a verb speaks: data to stdout, words to stderr, JSON when asked for.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::{
    exit::Kind,
    failure::{Failure, Hint, shell_words},
    printable::{Printable, printable_json},
};

/// Where words and data go.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// One object on stdout instead of words.
    pub json: bool,
    /// Errors only.
    pub quiet: bool,
}

impl Voice {
    /// Says something to a person; silent with `--json` and `--quiet`.
    pub fn say(self, words: impl std::fmt::Display) {
        if !self.json && !self.quiet {
            // Nobody may be reading: that must not end the work.
            let _ = io::stderr().write_all(format!("{words}\n").as_bytes());
        }
    }

    /// Names a command that goes on from here, as a shell takes it.
    pub fn hint<T: Into<String>>(self, words: impl IntoIterator<Item = T>) {
        let words: Hint = words.into_iter().map(Into::into).collect();
        self.say(format_args!("hint: {}", Printable(&shell_words(&words))));
    }

    /// Writes data to stdout, whole and flushed.
    pub fn data(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| stdout_failed(&error))
    }

    /// Writes one object and a line break to stdout.
    pub fn object(self, value: &impl Serialize) -> Result<(), Failure> {
        self.data((json(value) + "\n").as_bytes())
    }

    /// Prints a failure on stderr; with several files, the one that it is about.
    pub fn fail(self, failure: &Failure, file: Option<&str>) {
        let _ = io::stderr().write_all(self.failure(failure, file).as_bytes());
    }

    /// A failure as it is printed.
    pub fn failure(self, failure: &Failure, file: Option<&str>) -> String {
        if self.json {
            return failure.json(file) + "\n";
        }
        match file {
            Some(file) => format!("{}: {}", Printable(file), failure.words()),
            None => failure.words(),
        }
    }
}

/// A value as JSON that steers no terminal; the types that are printed cannot fail to serialise.
pub fn json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value);
    printable_json(json.unwrap_or_else(|_| r#"{"version":1,"error":{"kind":"bug","exit":70}}"#.to_owned()))
}

/// The failure to write to stdout.
pub fn stdout_failed(error: &io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot write to standard output: {error}"))
}

/// Whether stdout is a terminal, where text from outside must not steer it.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}
