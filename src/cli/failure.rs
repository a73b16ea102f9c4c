//! A failure as scripts and people are told it: fact, affected addresses, hints, exit code.

use serde::Serialize;

use super::{exit::Kind, printable::Printable, receipt::AttemptJson};

/// A command that works, as an argument vector.
pub type Hint = Vec<String>;

/// What ends a verb. It is printed once, by [`super::voice::Voice::fail`].
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which kind; it decides the exit code.
    pub kind: Kind,
    /// The fact: lower case, names the address and what was tried.
    pub text: String,
    /// The recipients concerned, each with its reason.
    pub recipients: Vec<RecipientReason>,
    /// Endpoints tried, the last one being the one that ended it.
    pub attempts: Vec<AttemptJson>,
    /// Cures.
    pub hints: Vec<Hint>,
}

/// A recipient and what is wrong with it.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientReason {
    /// Whom.
    pub address: String,
    /// Why.
    pub reason: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    kind: Kind,
    exit: u8,
    text: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    recipients: &'a [RecipientReason],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attempts: &'a [AttemptJson],
    hints: &'a [Hint],
}

impl Failure {
    /// A failure with nothing but a kind and a fact.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), recipients: Vec::new(), attempts: Vec::new(), hints: Vec::new() }
    }

    /// Adds a cure.
    #[must_use]
    pub fn hint<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.hints.push(words.into_iter().map(Into::into).collect());
        self
    }

    /// With how the verb is used, where nothing better can be said.
    #[must_use]
    pub fn or_help(self, verb: impl IntoIterator<Item = String>) -> Self {
        if !self.hints.is_empty() {
            return self;
        }
        let words = ["sealpost".to_owned()].into_iter().chain(verb);
        self.hint(words.chain(["--help".to_owned()]))
    }

    /// As words: the fact, a line for each recipient, and the hints.
    pub fn words(&self) -> String {
        let mut out = format!("sealpost: {}\n", Printable(&self.text));
        for recipient in &self.recipients {
            out += &format!("  {}: {}\n", Printable(&recipient.address), Printable(&recipient.reason));
        }
        for attempt in &self.attempts {
            out += &format!("  tried {attempt}\n");
        }
        for hint in &self.hints {
            out += &format!("hint: {}\n", Printable(&shell_words(hint)));
        }
        out
    }

    /// As one JSON object, without a line break.
    pub fn json(&self, file: Option<&str>) -> String {
        let body = Body {
            kind: self.kind,
            exit: self.kind.exit(),
            text: &self.text,
            recipients: &self.recipients,
            attempts: &self.attempts,
            hints: &self.hints,
        };
        super::voice::json(&Envelope { version: 1, file, error: body })
    }
}

/// An argument vector as a line that a shell reads back as the same vector.
pub fn shell_words(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&b);
        if !word.is_empty() && word.bytes().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
