//! recipients.toml: pins, preferences and groups, kept in git by its users.

mod edit;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
};

use super::{
    ConfigError, ValueError,
    document::{Document, Entry, Section},
    error::nearest,
};
use crate::{
    crypt::{Fingerprint, SuiteName},
    mail::{Address, AddressError, Mailbox},
};

pub use edit::{EditError, pin};

/// What is laid down for an address, or for all addresses of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// Only these certificates, also if they do not name the address; empty if any usable one will do.
    pub fingerprints: Vec<Fingerprint>,
    /// The suite preferred when certificates of both are usable.
    pub suite: Option<SuiteName>,
    /// Whether the reader takes AES-GCM in S/MIME.
    pub gcm: Option<bool>,
    /// Whether to write legacy display elements for this reader.
    pub legacy_display: Option<bool>,
    /// The user's own words.
    pub note: Option<String>,
}

/// All pins and groups of the file. A file that is not there has none.
#[derive(Clone, Debug, Default)]
pub struct Recipients {
    addresses: HashMap<Address, Pin>,
    domains: BTreeMap<String, Pin>,
    groups: BTreeMap<String, Vec<Member>>,
}

#[derive(Clone, Debug)]
enum Member {
    Address(Address),
    Group(String),
}

impl Recipients {
    /// Reads the file.
    ///
    /// # Errors
    /// All of [`ConfigError`] that have a file as their origin, among them a fingerprint that is not full, a
    /// member that is no known group, and a group that contains itself.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::from_document(&Document::read(path)?)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// As [`Recipients::read`].
    pub fn from_text(text: &str) -> Result<Self, ConfigError> {
        Self::from_document(&Document::new(Path::new("recipients.toml"), text.to_owned()))
    }

    /// The members of a group, with or without its `@`, those of its groups too, each once, in order.
    ///
    /// # Errors
    /// [`ConfigError::UnknownGroup`].
    pub fn expand(&self, group: &str) -> Result<Vec<Address>, ConfigError> {
        let name = group.strip_prefix('@').unwrap_or(group);
        let members = self.groups.get(name).ok_or_else(|| ConfigError::UnknownGroup {
            origin: None,
            name: name.to_owned(),
            nearest: nearest(name, self.groups.keys().map(String::as_str)),
        })?;
        let (mut addresses, mut seen, mut groups_seen) = (Vec::new(), HashSet::new(), HashSet::from([name]));
        let mut waiting: Vec<&Member> = members.iter().rev().collect();
        while let Some(member) = waiting.pop() {
            match member {
                Member::Address(address) => {
                    if seen.insert(address) {
                        addresses.push(address.clone());
                    }
                }
                Member::Group(name) => {
                    if groups_seen.insert(name) {
                        waiting.extend(self.groups.get(name).into_iter().flatten().rev());
                    }
                }
            }
        }
        Ok(addresses)
    }

    /// What is laid down for an address: its own entry, else that of its domain.
    pub fn pins_for(&self, address: &Address) -> Option<&Pin> {
        self.addresses.get(address).or_else(|| self.domains.get(address.domain()))
    }

    /// The only certificates that are allowed for an address; none if any usable one will do. An own entry that pins
    /// none, for it says something else, leaves the pins of the domain as they are.
    pub fn fingerprints_for(&self, address: &Address) -> &[Fingerprint] {
        let entries = [self.addresses.get(address), self.domains.get(address.domain())];
        let pinned = entries.into_iter().flatten().map(|pin| pin.fingerprints.as_slice());
        pinned.into_iter().find(|pins| !pins.is_empty()).unwrap_or_default()
    }

    /// All pinned certificates, each with the addresses that it is pinned for.
    pub fn pinned(&self) -> Vec<(Fingerprint, Vec<Address>)> {
        let mut pinned: BTreeMap<&Fingerprint, Vec<Address>> = BTreeMap::new();
        for (address, pin) in &self.addresses {
            for fingerprint in &pin.fingerprints {
                pinned.entry(fingerprint).or_default().push(address.clone());
            }
        }
        pinned.into_iter().map(|(fingerprint, addresses)| (fingerprint.clone(), addresses)).collect()
    }

    /// Whether a certificate is pinned for anybody, a domain or an address.
    pub fn pins(&self, fingerprint: &Fingerprint) -> bool {
        self.addresses.values().chain(self.domains.values()).any(|pin| pin.fingerprints.contains(fingerprint))
    }

    /// Everybody who has an entry or is a member of a group, each once, in order.
    pub fn everybody(&self) -> Vec<Address> {
        let members = self.groups.values().flatten().filter_map(|member| match member {
            Member::Address(address) => Some(address),
            Member::Group(_) => None,
        });
        self.addresses.keys().chain(members).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The domains for which a certificate is pinned, each with an address that its pins count for.
    pub fn pinned_domains(&self) -> Vec<(&str, Address)> {
        let pinned = self.domains.iter().filter(|(_, pin)| !pin.fingerprints.is_empty());
        let anybody = |domain: &str| {
            let locals = std::iter::once("anybody".to_owned()).chain((1..).map(|number| format!("anybody-{number}")));
            let addresses = locals.map_while(|local| Address::parse(&format!("{local}@{domain}")).ok());
            addresses.into_iter().find(|address| !self.addresses.contains_key(address))
        };
        pinned.filter_map(|(domain, _)| Some((domain.as_str(), anybody(domain)?))).collect()
    }

    /// The names of all groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    fn from_document(document: &Document) -> Result<Self, ConfigError> {
        let table = document.parse()?;
        let root = document.root(table.get_ref(), &["recipient", "group"])?;
        let mut recipients = Self::default();
        for (name, entry) in root.named("recipient")? {
            let pin = Pin::from_section(&entry.section(&["pin", "suite", "gcm", "legacy_display", "note"])?)?;
            // two spellings of one address would hide each other's pins
            let twice = match name.strip_prefix('@') {
                Some(domain) => recipients.domains.insert(parse_domain(domain, &entry)?, pin).is_some(),
                None => {
                    let address = Address::parse(name).map_err(|error| entry.bad_value(error.into()))?;
                    recipients.addresses.insert(address, pin).is_some()
                }
            };
            if twice {
                return Err(entry.bad_value(ValueError::Twice));
            }
        }
        let mut memberships = BTreeMap::new();
        for (name, entry) in root.named("group")? {
            if name.is_empty() || name.contains(|letter: char| letter == '@' || letter == ',' || letter.is_control()) {
                return Err(entry.bad_value(ValueError::GroupName(name.to_owned())));
            }
            let members = entry.section(&["members"])?.list("members")?.unwrap_or_default();
            let typed = members.iter().map(|member| member.typed(Member::parse)).collect::<Result<_, _>>()?;
            recipients.groups.insert(name.to_owned(), typed);
            memberships.insert(name, (entry, members));
        }
        recipients.check_groups(&memberships)?;
        Ok(recipients)
    }

    /// Every group that is a member exists, and none contains itself. Without recursion: a chain may be long.
    fn check_groups(&self, entries: &BTreeMap<&str, (Entry<'_>, Vec<Entry<'_>>)>) -> Result<(), ConfigError> {
        let mut finished: HashSet<&str> = HashSet::new();
        for start in self.groups.keys() {
            let mut way: Vec<(&str, usize)> = vec![(start, 0)];
            while let Some((group, index)) = way.pop() {
                if finished.contains(group) {
                    continue;
                }
                let Some(member) = self.groups.get(group).and_then(|members| members.get(index)) else {
                    finished.insert(group);
                    continue;
                };
                way.push((group, index + 1));
                let Member::Group(next) = member else { continue };
                let origin = || entries.get(group).and_then(|(_, members)| members.get(index)).map(Entry::origin);
                if !self.groups.contains_key(next) {
                    let nearest = nearest(next, self.groups.keys().map(String::as_str));
                    return Err(ConfigError::UnknownGroup { origin: origin(), name: next.clone(), nearest });
                }
                if let Some(first) = way.iter().position(|(group, _)| group == next) {
                    let mut groups: Vec<String> =
                        way.iter().skip(first).map(|(group, _)| (*group).to_owned()).collect();
                    groups.push(next.clone());
                    return Err(ConfigError::GroupLoop { origin: origin(), groups });
                }
                way.push((next, 0));
            }
        }
        Ok(())
    }
}

impl Pin {
    fn from_section(section: &Section<'_>) -> Result<Self, ConfigError> {
        let full = |text: &str| Fingerprint::parse(text).ok_or_else(|| ValueError::Fingerprint(text.to_owned()));
        let pins = section.list("pin")?.unwrap_or_default();
        Ok(Self {
            fingerprints: pins.iter().map(|pin| pin.typed(full)).collect::<Result<_, _>>()?,
            suite: section.typed("suite", |text| match text {
                "openpgp" => Ok(SuiteName::OpenPgp),
                "smime" => Ok(SuiteName::Smime),
                _ => Err(ValueError::Suite(text.to_owned())),
            })?,
            gcm: section.flag("gcm")?,
            legacy_display: section.flag("legacy_display")?,
            note: section.typed("note", |text| Ok(text.to_owned()))?,
        })
    }
}

impl Member {
    fn parse(text: &str) -> Result<Self, ValueError> {
        match text.strip_prefix('@') {
            Some(group) => Ok(Self::Group(group.to_owned())),
            None => Ok(Self::Address(Mailbox::parse(text)?.address)),
        }
    }
}

/// The domain in the form that addresses have it.
fn parse_domain(domain: &str, entry: &Entry<'_>) -> Result<String, ConfigError> {
    let malformed = |_| entry.bad_value(AddressError::Malformed(format!("@{domain}")).into());
    Address::parse(&format!("any@{domain}")).map(|address| address.domain().to_owned()).map_err(malformed)
}

#[cfg(test)]
mod tests;
