//! A TOML file read with its lines, table by table, each against the keys that it may have.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, Origin, ValueError, error::nearest};

/// The text of a settings file.
pub(super) struct Document {
    path: PathBuf,
    text: String,
}

/// A table whose keys are all known.
pub(super) struct Section<'d> {
    document: &'d Document,
    name: String,
    table: &'d DeTable<'d>,
}

/// A value and where it stands.
pub(super) struct Entry<'d> {
    document: &'d Document,
    name: String,
    value: &'d Spanned<DeValue<'d>>,
}

impl Document {
    /// Reads a file; one that is not there is empty.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| ConfigError::Read { path: path.to_owned(), error })?,
        };
        Ok(Self::new(path, text))
    }

    pub(super) fn new(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), text }
    }

    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, ConfigError> {
        DeTable::parse(&self.text).map_err(|error| ConfigError::Syntax {
            path: self.path.clone(),
            line: self.line(&error.span().unwrap_or_default()),
            reason: error.message().to_owned(),
        })
    }

    /// The outermost table.
    pub(super) fn root<'d>(&'d self, table: &'d DeTable<'d>, known: &[&str]) -> Result<Section<'d>, ConfigError> {
        Section::new(self, String::new(), table, known)
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
    }
}

impl<'d> Section<'d> {
    fn new(document: &'d Document, name: String, table: &'d DeTable<'d>, known: &[&str]) -> Result<Self, ConfigError> {
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let nearest = nearest(key.get_ref(), known.iter().copied()).map(|near| join(&name, &near));
            let origin = Origin::File {
                path: document.path.clone(),
                line: document.line(&key.span()),
                key: join(&name, key.get_ref()),
            };
            return Err(ConfigError::UnknownKey { origin, nearest });
        }
        Ok(Self { document, name, table })
    }

    /// The value under a key.
    pub(super) fn entry(&self, key: &str) -> Option<Entry<'d>> {
        let value = self.table.get(key)?;
        Some(Entry { document: self.document, name: join(&self.name, key), value })
    }

    /// The table under a key.
    pub(super) fn section(&self, key: &str, known: &[&str]) -> Result<Option<Section<'d>>, ConfigError> {
        self.entry(key).map(|entry| entry.section(known)).transpose()
    }

    /// All entries of the table under a key, whose keys are names that the user chose.
    pub(super) fn named(&self, key: &str) -> Result<Vec<(&'d str, Entry<'d>)>, ConfigError> {
        let Some(outer) = self.entry(key) else { return Ok(Vec::new()) };
        let table = outer.value.get_ref().as_table().ok_or_else(|| outer.wrong_type("a table"))?;
        let entry = |(name, value): (&'d Spanned<_>, &'d Spanned<DeValue<'d>>)| {
            let name: &'d std::borrow::Cow<'d, str> = name.get_ref();
            let entry = Entry { document: self.document, name: join(&outer.name, &quoted(name)), value };
            (name.as_ref(), entry)
        };
        Ok(table.iter().map(entry).collect())
    }

    /// The value under a key, typed from its text; a whole number counts as its text.
    pub(super) fn typed<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, ConfigError> {
        self.entry(key).map(|entry| entry.typed(read)).transpose()
    }

    /// A path; a relative one counts from the folder of the file that holds it, never from the working folder:
    /// whoever owns that would choose whom to trust.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        self.entry(key).map(|entry| entry.path()).transpose()
    }

    /// A list of paths, or one path.
    pub(super) fn paths(&self, key: &str) -> Result<Vec<PathBuf>, ConfigError> {
        self.list(key)?.unwrap_or_default().iter().map(Entry::path).collect()
    }

    /// A boolean.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        entry.value.get_ref().as_bool().map(Some).ok_or_else(|| entry.wrong_type("true or false"))
    }

    /// A list of strings, or one string.
    pub(super) fn list(&self, key: &str) -> Result<Option<Vec<Entry<'d>>>, ConfigError> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let Some(array) = entry.value.get_ref().as_array() else { return Ok(Some(vec![entry])) };
        let element = |value| Entry { document: self.document, name: entry.name.clone(), value };
        Ok(Some(array.iter().map(element).collect()))
    }
}

impl<'d> Entry<'d> {
    /// The table that this is.
    pub(super) fn section(&self, known: &[&str]) -> Result<Section<'d>, ConfigError> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Section::new(self.document, self.name.clone(), table, known)
    }

    pub(super) fn typed<T>(&self, read: impl FnOnce(&str) -> Result<T, ValueError>) -> Result<T, ConfigError> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => return Err(self.wrong_type("a string")),
        };
        read(text).map_err(|error| self.bad_value(error))
    }

    fn path(&self) -> Result<PathBuf, ConfigError> {
        let folder = self.document.path.parent().unwrap_or(Path::new(""));
        match self.value.get_ref().as_str() {
            None => Err(self.wrong_type("a path")),
            Some("") => Err(self.bad_value(ValueError::Empty)),
            Some(text) => Ok(folder.join(text)),
        }
    }

    pub(super) fn bad_value(&self, error: ValueError) -> ConfigError {
        ConfigError::BadValue { origin: self.origin(), error }
    }

    /// Where it stands.
    pub(super) fn origin(&self) -> Origin {
        let line = self.document.line(&self.value.span());
        Origin::File { path: self.document.path.clone(), line, key: self.name.clone() }
    }

    fn wrong_type(&self, expected: &'static str) -> ConfigError {
        ConfigError::WrongType { origin: self.origin(), expected }
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// A key as TOML writes it.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { key.to_owned() } else { format!("\"{key}\"") }
}
