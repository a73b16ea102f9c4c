//! Where certificates are looked for: the table `[find]` of config.toml.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, time::Duration};

use url::{Host, Url};

use super::{ConfigError, ValueError, document::Section, submission::parse_duration};
use crate::{
    keystore::{
        Keyserver,
        find::{PATIENCE, Source},
    },
    net::{Proxy, ldap::Directory},
};

/// The settings of looking up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindSettings {
    /// Which sources are asked, the first that has something being the last.
    pub order: Vec<Source>,
    /// The keyserver that checks addresses.
    pub vks: String,
    /// The keyserver of HKP; there is none by default.
    pub hkps: Option<String>,
    /// The directory of LDAP; there is none by default.
    pub ldap: Option<Directory>,
    /// PEM file of authorities that servers may be of, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What is gone through to ask; none goes without one, whatever the environment says.
    pub proxy: Option<Option<Proxy>>,
    /// The resolver that is asked for what DNSSEC proves, instead of those of the system.
    pub resolver: Option<SocketAddr>,
    /// File of DNSKEY records that DNSSEC begins at, instead of the root's keys.
    pub dns_anchors: Option<PathBuf>,
    /// Whether hosts in one's own network are asked.
    pub private: bool,
    /// Whether `send` asks for what is new of a certificate that has run out or soon will.
    pub on_send: bool,
    /// With so many days left a certificate is asked about on sending.
    pub soon: i64,
    /// Whether `send` looks up whom no certificate is known for.
    pub missing_on_send: bool,
    /// How long one source may take.
    pub timeout: Duration,
    /// Where hosts are, in place of what a resolver says.
    pub hosts: HashMap<String, SocketAddr>,
}

/// The days that are few, unless the settings say otherwise.
const SOON: i64 = 30;

const KEYS: &[&str] = &[
    "order",
    "vks",
    "hkps",
    "ldap",
    "ca_file",
    "proxy",
    "resolver",
    "dns_anchors",
    "private",
    "on_send",
    "soon",
    "missing_on_send",
    "timeout",
    "hosts",
];

impl Default for FindSettings {
    fn default() -> Self {
        Self {
            order: vec![
                Source::Wkd,
                Source::Vks,
                #[cfg(feature = "dane")]
                Source::Dane,
            ],
            vks: "https://keys.openpgp.org".to_owned(),
            hkps: None,
            ldap: None,
            ca_file: None,
            proxy: None,
            resolver: None,
            dns_anchors: None,
            private: false,
            on_send: false,
            soon: SOON,
            missing_on_send: false,
            timeout: PATIENCE,
            hosts: HashMap::new(),
        }
    }
}

impl FindSettings {
    /// The keyserver that one's own certificate is uploaded to, unless another is named: the first in the order, else
    /// the one that checks addresses.
    pub fn keyserver(&self) -> Keyserver {
        let first = self.order.iter().find_map(|source| match source {
            Source::Vks => Some(Keyserver::Vks(self.vks.clone())),
            Source::Hkps => self.hkps.clone().map(Keyserver::Hkps),
            Source::Wkd | Source::Dane | Source::Ldap | Source::Autocrypt | Source::Gossip => None,
        });
        first.unwrap_or_else(|| Keyserver::Vks(self.vks.clone()))
    }

    /// Reads the URL of a keyserver: `https://` for one that checks addresses, `hkps://` for one of HKP.
    ///
    /// # Errors
    /// It is neither, or has more than a host and a port.
    pub fn parse_keyserver(text: &str) -> Result<Keyserver, ValueError> {
        match text.strip_prefix("hkps://") {
            Some(rest) => parse_server(&format!("https://{rest}")).map(Keyserver::Hkps),
            None => parse_server(text).map(Keyserver::Vks),
        }
    }

    pub(super) fn from_root(root: &Section<'_>) -> Result<Self, ConfigError> {
        let standard = Self::default();
        let Some(section) = root.section("find", KEYS)? else { return Ok(standard) };
        let hkps = section.typed("hkps", parse_server)?;
        let ldap = section.typed("ldap", |text| Directory::parse(text).ok_or(ValueError::Directory))?;
        let order = match section.list("order")? {
            // Who names a directory wants it to be asked.
            None if ldap.is_some() => standard.order.into_iter().chain([Source::Ldap]).collect(),
            None => standard.order,
            Some(entries) => {
                let mut order = Vec::new();
                for entry in &entries {
                    let source = entry.typed(|text| match Source::parse(text) {
                        Some(Source::Hkps) if hkps.is_none() => Err(ValueError::NoServer("hkps")),
                        Some(Source::Ldap) if ldap.is_none() => Err(ValueError::NoServer("ldap")),
                        Some(source) if order.contains(&source) => Err(ValueError::Twice),
                        Some(source) => Ok(source),
                        None => Err(ValueError::Source(text.to_owned())),
                    })?;
                    order.push(source);
                }
                order
            }
        };
        let mut hosts = HashMap::new();
        for (name, entry) in section.named("hosts")? {
            let name = match Host::parse(name) {
                Ok(Host::Domain(name)) => name,
                _ => return Err(entry.bad_value(ValueError::Host(name.to_owned()))),
            };
            let place = entry.typed(parse_place)?;
            if hosts.insert(name, place).is_some() {
                return Err(entry.bad_value(ValueError::Twice));
            }
        }
        Ok(Self {
            order,
            vks: section.typed("vks", parse_server)?.unwrap_or(standard.vks),
            hkps,
            ldap,
            ca_file: section.path("ca_file")?,
            proxy: section.typed("proxy", parse_proxy)?,
            resolver: section.typed("resolver", parse_place)?,
            dns_anchors: section.path("dns_anchors")?,
            private: section.flag("private")?.unwrap_or_default(),
            on_send: section.flag("on_send")?.unwrap_or_default(),
            soon: section.typed("soon", parse_days)?.unwrap_or(standard.soon),
            missing_on_send: section.flag("missing_on_send")?.unwrap_or_default(),
            timeout: section.typed("timeout", parse_duration)?.unwrap_or(standard.timeout),
            hosts,
        })
    }
}

/// A proxy, or none by the word `direct`.
fn parse_proxy(text: &str) -> Result<Option<Proxy>, ValueError> {
    // What should be a URL may hold a password.
    if text == "direct" { Ok(None) } else { Proxy::parse(text).map(Some).ok_or(ValueError::Proxy) }
}

/// An IP address with a port.
fn parse_place(text: &str) -> Result<SocketAddr, ValueError> {
    text.parse().map_err(|_| ValueError::SocketAddress(text.to_owned()))
}

/// A number of days such as `30d`.
fn parse_days(text: &str) -> Result<i64, ValueError> {
    let days = text.strip_suffix('d').and_then(|digits| digits.parse::<u16>().ok());
    days.map(i64::from).ok_or_else(|| ValueError::Days(text.to_owned()))
}

/// The URL of a keyserver: `https`, a host, perhaps a port, and nothing else.
fn parse_server(text: &str) -> Result<String, ValueError> {
    let url = Url::parse(text).ok().filter(|url| {
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        url.scheme() == "https" && url.host().is_some() && bare && anonymous
    });
    // What should be a URL may hold a password.
    url.map(|url| url.as_str().trim_end_matches('/').to_owned()).ok_or(ValueError::Server)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<FindSettings, String> {
        let config = Config::from_text(&format!("[find]\n{text}"));
        config.map(|config| config.find().clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        assert_eq!(Config::from_text("").unwrap().find(), &FindSettings::default());
        assert_eq!(read("").unwrap(), FindSettings::default());
        let set = read(
            "order = [\"hkps\", \"wkd\"]\nhkps = \"https://Keys.example.org:8443/\"\nprivate = true\non_send = true\n\
             timeout = \"3s\"\nsoon = \"90d\"\nresolver = \"127.0.0.1:53\"\ndns_anchors = \"root.key\"\n[find.hosts]\n\"OpenPGPkey.example.org\" = \"127.0.0.1:8443\"\n",
        )
        .unwrap();
        assert_eq!(set.order, [Source::Hkps, Source::Wkd]);
        assert_eq!(set.hkps.as_deref(), Some("https://keys.example.org:8443"));
        assert!(set.private && set.on_send && set.timeout == Duration::from_secs(3) && set.soon == 90);
        assert_eq!(set.resolver, Some(([127, 0, 0, 1], 53).into()));
        assert!(set.dns_anchors.is_some_and(|file| file.ends_with("root.key")));
        assert_eq!(set.hosts, HashMap::from([("openpgpkey.example.org".to_owned(), ([127, 0, 0, 1], 8443).into())]));
        assert_eq!(read("order = []").unwrap().order, []);
        let directory = read("ldap = \"ldaps://ldap.example.org/dc=example\"").unwrap();
        assert_eq!(directory.order, [Source::Wkd, Source::Vks, Source::Dane, Source::Ldap]);
    }

    #[test]
    fn a_keyserver_to_upload_to() {
        let (vks, hkps) = ("https://keys.openpgp.org", "https://keys.example.org:8443");
        for (order, expected) in [
            ("[]", Keyserver::Vks(vks.to_owned())),
            ("[\"wkd\", \"hkps\", \"vks\"]", Keyserver::Hkps(hkps.to_owned())),
            ("[\"vks\", \"hkps\"]", Keyserver::Vks(vks.to_owned())),
        ] {
            assert_eq!(read(&format!("order = {order}\nhkps = \"{hkps}\"")).unwrap().keyserver(), expected);
        }
        assert_eq!(
            FindSettings::parse_keyserver("hkps://Keys.example.org:8443").unwrap(),
            Keyserver::Hkps(hkps.to_owned())
        );
        assert_eq!(FindSettings::parse_keyserver("https://keys.openpgp.org/").unwrap(), Keyserver::Vks(vks.to_owned()));
        for wrong in [
            "",
            "keys.openpgp.org",
            "http://keys.openpgp.org",
            "hkp://a.example",
            "hkps://",
            "hkps://u:p@a.example",
            "hkps://a.example/x",
            "hkps://https://a.example",
            "ldap://a.example",
        ] {
            assert!(FindSettings::parse_keyserver(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_an_error_with_its_line() {
        for (text, said) in [
            ("odrer = []", "find.odrer is not a known key"),
            ("order = [\"ldap\"]", "no server is set"),
            ("order = [\"finger\"]", "\"finger\" is not a source"),
            ("ldap = \"ldap://ldap.example.org/dc=example\"", "ldaps://HOST/BASE"),
            ("ldap = \"ldaps://u:secret@ldap.example.org/dc=example\"", "ldaps://HOST/BASE"),
            ("resolver = \"127.0.0.1\"", "is not an address and a port"),
            ("order = [\"wkd\", \"wkd\"]", "it stands there twice"),
            ("order = [\"hkps\"]", "no server is set"),
            ("vks = \"http://keys.openpgp.org\"", "https://"),
            ("vks = \"https://u:secret@keys.openpgp.org\"", "https://"),
            ("hkps = \"https://keys.example.org/path\"", "https://"),
            ("hkps = \"keys.example.org\"", "https://"),
            ("timeout = \"0s\"", "is not a time"),
            ("soon = \"a month\"", "is not a number of days"),
            ("private = 1", "true or false"),
            ("hosts = { \"a.example\" = \"127.0.0.1\" }", "is not an address and a port"),
            ("hosts = { \"127.0.0.1\" = \"127.0.0.1:1\" }", "is not a host name"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains("line 2") && error.contains(said) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
