//! config.toml.

use std::{collections::BTreeMap, path::Path};

use super::{
    ConfigError, Origin,
    document::Document,
    error::nearest,
    find::FindSettings,
    layer::{ACCOUNT_KEYS, Layer},
    smime::SmimeSettings,
};
use crate::mail::Address;

/// All accounts of the file, typed. A file that is not there has none.
#[derive(Default)]
pub struct Config {
    accounts: BTreeMap<String, Layer>,
    default: Option<String>,
    smime: SmimeSettings,
    find: FindSettings,
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// All of [`ConfigError`] that have a file as their origin.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::from_document(&Document::read(path)?)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn from_text(text: &str) -> Result<Self, ConfigError> {
        Self::from_document(&Document::new(Path::new("config.toml"), text.to_owned()))
    }

    fn from_document(document: &Document) -> Result<Self, ConfigError> {
        let table = document.parse()?;
        let root = document.root(table.get_ref(), &["default", "account", "smime", "find"])?;
        let mut accounts = BTreeMap::new();
        for (name, entry) in root.named("account")? {
            accounts.insert(name.to_owned(), Layer::from_account(&entry.section(&ACCOUNT_KEYS)?)?);
        }
        let smime = SmimeSettings::from_root(&root)?;
        let find = FindSettings::from_root(&root)?;
        let default = match root.entry("default") {
            None => None,
            Some(entry) => {
                let name = entry.typed(|text| Ok(text.to_owned()))?;
                if !accounts.contains_key(&name) {
                    let nearest = nearest(&name, accounts.keys().map(String::as_str));
                    return Err(ConfigError::UnknownAccount { origin: entry.origin(), name, nearest });
                }
                Some(name)
            }
        };
        Ok(Self { accounts, default, smime, find })
    }

    /// The names of all accounts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// The settings of S/MIME, which are the same for all accounts.
    pub fn smime(&self) -> &SmimeSettings {
        &self.smime
    }

    /// Where certificates are looked for, which is the same for all accounts.
    pub fn find(&self) -> &FindSettings {
        &self.find
    }

    /// Chooses an account: the one named, else the one whose `from` is the address given (the default one if it
    /// is among several), else the default, else the only one; none if there is no such.
    pub(super) fn choose(
        self,
        named: Option<(&str, Origin)>,
        from: Option<&Address>,
    ) -> Result<(Option<String>, Layer), ConfigError> {
        let Self { mut accounts, default, .. } = self;
        let name = match named {
            Some((name, _)) if accounts.contains_key(name) => Some(name.to_owned()),
            Some((name, origin)) => {
                let nearest = nearest(name, accounts.keys().map(String::as_str));
                return Err(ConfigError::UnknownAccount { origin, name: name.to_owned(), nearest });
            }
            None => {
                let writes_as = |name: &&String| {
                    let mailbox = accounts.get(*name).and_then(|account| account.from.as_ref());
                    from.is_some() && mailbox.map(|mailbox| &mailbox.address) == from
                };
                let only = accounts.keys().next().filter(|_| accounts.len() == 1);
                let by_from = default.iter().chain(accounts.keys()).find(writes_as);
                by_from.or(default.as_ref()).or(only).cloned()
            }
        };
        let layer = name.as_ref().and_then(|name| accounts.remove(name)).unwrap_or_default();
        Ok((name, layer))
    }
}
