//! LDAP (RFC 4511) as far as one search needs it: over TLS from the first byte, without a login, with one equality as its
//! filter. Referrals are not followed, and what comes is bounded.

mod ber;

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};
use url::Url;

use self::ber::{Reader, whole, write};
use super::http::{Client, HttpError};

/// The port of LDAP over TLS.
const PORT: u16 = 636;

/// The first and only question on a connection.
const MESSAGE: u8 = 1;

/// Tags of RFC 4511.
mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const OCTETS: u8 = 0x04;
    pub const ENUMERATED: u8 = 0x0a;
    pub const SEQUENCE: u8 = 0x30;
    pub const UNBIND: u8 = 0x42;
    pub const SEARCH: u8 = 0x63;
    pub const ENTRY: u8 = 0x64;
    pub const DONE: u8 = 0x65;
    pub const REFERENCE: u8 = 0x73;
    pub const EQUALITY: u8 = 0xa3;
}

/// A directory: a server and the entry below which is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    // With the scheme of another protocol, whose hosts are read as hosts; the port is always the right one.
    server: Url,
    base: String,
}

/// What a search is bounded by.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// When it ends.
    pub deadline: Instant,
    /// The most octets that are read.
    pub octets: usize,
    /// The most entries.
    pub entries: usize,
}

/// A value of an entry.
pub type Value = Vec<u8>;

/// The most values that one entry may have.
const MOST_VALUES: usize = 256;

/// Why a search gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// There is no connection, or no answer in time.
    #[error(transparent)]
    Connection(#[from] HttpError),
    /// The connection broke off.
    #[error("the directory {host} broke off: {error}")]
    Io {
        /// Which.
        host: String,
        /// How.
        error: io::Error,
    },
    /// What came is not LDAP.
    #[error("the directory {0} broke LDAP")]
    Broken(String),
    /// More octets than are read.
    #[error("the answer of the directory {0} is too large")]
    TooLarge(String),
    /// More entries than one holder has.
    #[error("the directory {0} has too many entries for it")]
    TooMany(String),
    /// It does not want to; its code and words.
    #[error("the directory {host} refused with code {code}: {text}")]
    Refused {
        /// Which.
        host: String,
        /// Of RFC 4511, 4.1.9.
        code: u8,
        /// Its own words, cut short.
        text: String,
    },
}

impl Directory {
    /// Reads a URL (RFC 4516) such as `ldaps://ldap.example.org/ou=people,dc=example,dc=org`: no other scheme, no login,
    /// nothing behind the base.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "ldaps")?;
        let port = url.port().unwrap_or(PORT);
        let mut server = Url::parse(&format!("https{}", text.get("ldaps".len()..)?)).ok()?;
        let bare = server.query().is_none() && server.fragment().is_none();
        let anonymous = server.username().is_empty() && server.password().is_none();
        server.set_port(Some(port)).ok()?;
        let base = decoded(server.path().strip_prefix('/')?)?;
        server.set_path("");
        (bare && anonymous && base.contains('=')).then_some(Self { server, base })
    }

    /// The host, for words.
    pub fn host(&self) -> &str {
        self.server.host_str().unwrap_or_default()
    }

    /// The values of some attributes of all entries below the base in which an attribute is equal to a value. The value is
    /// one of the protocol's own texts, in which no character means anything but itself.
    ///
    /// # Errors
    /// [`LdapError`].
    pub async fn search(
        &self,
        client: &Client,
        (attribute, value): (&str, &str),
        wanted: &[&str],
        bounds: Bounds,
    ) -> Result<Vec<Value>, LdapError> {
        let late = || HttpError::Deadline(self.host().to_owned()).into();
        let left = bounds.deadline.saturating_duration_since(Instant::now());
        let search = self.request((attribute, value), wanted, left, bounds.entries);
        let asked = timeout_at(bounds.deadline, self.exchange(client, &search, bounds)).await;
        asked.unwrap_or_else(|_| Err(late()))
    }

    /// A message with a SearchRequest (RFC 4511, 4.5.1): the whole subtree, aliases not followed.
    fn request(&self, equal: (&str, &str), wanted: &[&str], left: Duration, entries: usize) -> Vec<u8> {
        let octets = |text: &str| write(tag::OCTETS, text.as_bytes());
        let number = |number: u64| {
            let number = number.min(i32::MAX as u64);
            // One octet at least, and a first bit that is no sign.
            let start = (number.leading_zeros().saturating_sub(1) / 8).min(7) as usize;
            write(tag::INTEGER, &number.to_be_bytes()[start..])
        };
        let attributes: Vec<u8> = wanted.iter().flat_map(|one| octets(one)).collect();
        let search = [
            octets(&self.base),
            write(tag::ENUMERATED, &[2]),
            write(tag::ENUMERATED, &[0]),
            number(entries as u64 + 1),
            number(left.as_secs().max(1)),
            write(tag::BOOLEAN, &[0]),
            write(tag::EQUALITY, &[octets(equal.0), octets(equal.1)].concat()),
            write(tag::SEQUENCE, &attributes),
        ];
        let message = [write(tag::INTEGER, &[MESSAGE]), write(tag::SEARCH, &search.concat())];
        write(tag::SEQUENCE, &message.concat())
    }

    async fn exchange(&self, client: &Client, search: &[u8], bounds: Bounds) -> Result<Vec<Value>, LdapError> {
        let host = || self.host().to_owned();
        let broke_off = |error| LdapError::Io { host: host(), error };
        let broken = || LdapError::Broken(host());
        let mut stream = client.connect(&self.server).await?;
        stream.write_all(search).await.map_err(broke_off)?;
        stream.flush().await.map_err(broke_off)?;
        let (mut buffer, mut read) = (Vec::new(), 0);
        let (mut values, mut entries) = (Vec::new(), 0);
        loop {
            let length = loop {
                match whole(&buffer, bounds.octets).ok_or_else(broken)? {
                    Some(length) if length <= buffer.len() => break length,
                    Some(length) if length > bounds.octets - read => return Err(LdapError::TooLarge(host())),
                    _ => {}
                }
                if stream.read_buf(&mut buffer).await.map_err(broke_off)? == 0 {
                    return Err(broke_off(io::ErrorKind::UnexpectedEof.into()));
                }
            };
            let message: Vec<u8> = buffer.drain(..length).collect();
            read += length;
            if read > bounds.octets {
                return Err(LdapError::TooLarge(host()));
            }
            let (kind, mut body) = operation(&message).ok_or_else(broken)?;
            match kind {
                tag::ENTRY => {
                    entries += 1;
                    if entries > bounds.entries {
                        return Err(LdapError::TooMany(host()));
                    }
                    values.extend(entry(body).ok_or_else(broken)?);
                }
                // To somewhere else, where nobody goes.
                tag::REFERENCE => {}
                tag::DONE => {
                    let code = body.read(tag::ENUMERATED).ok_or_else(broken)?;
                    let [code] = code else { return Err(broken()) };
                    let text = body.read(tag::OCTETS).and_then(|_| body.read(tag::OCTETS)).ok_or_else(broken)?;
                    let text = String::from_utf8_lossy(text).chars().take(200).collect();
                    let farewell = [write(tag::INTEGER, &[MESSAGE + 1]), write(tag::UNBIND, &[])].concat();
                    let _ = stream.write_all(&write(tag::SEQUENCE, &farewell)).await;
                    let _ = stream.shutdown().await;
                    return match *code {
                        0 => Ok(values),
                        4 => Err(LdapError::TooMany(host())),
                        code => Err(LdapError::Refused { host: host(), code, text }),
                    };
                }
                _ => return Err(broken()),
            }
        }
    }
}

impl LdapError {
    /// Whether another try may go better, with nothing changed.
    pub fn is_temporary(&self) -> bool {
        // timeLimitExceeded, busy, unavailable.
        matches!(self, Self::Io { .. } | Self::Refused { code: 3 | 51 | 52, .. })
    }
}

/// The operation that a message to us holds.
fn operation(message: &[u8]) -> Option<(u8, Reader<'_>)> {
    let mut message = Reader(Reader(message).read(tag::SEQUENCE)?);
    if message.read(tag::INTEGER)? != [MESSAGE] {
        return None;
    }
    let (kind, body) = message.next()?;
    Some((kind, Reader(body)))
}

/// The values of an entry (RFC 4511, 4.5.2).
fn entry(mut body: Reader<'_>) -> Option<Vec<Value>> {
    body.read(tag::OCTETS)?;
    let mut attributes = Reader(body.read(tag::SEQUENCE)?);
    let mut values = Vec::new();
    while !attributes.0.is_empty() {
        let mut attribute = Reader(attributes.read(tag::SEQUENCE)?);
        attribute.read(tag::OCTETS)?;
        let mut set = Reader(attribute.next()?.1);
        while !set.0.is_empty() {
            if values.len() == MOST_VALUES {
                return None;
            }
            values.push(set.read(tag::OCTETS)?.to_vec());
        }
    }
    Some(values)
}

/// The octets of a part of a URL (RFC 3986, 2.1) as a text.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        let mut byte = *first;
        if byte == b'%' {
            let (digits, behind) = more.split_at_checked(2)?;
            byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
            rest = behind;
        }
        out.push(byte);
    }
    String::from_utf8(out).ok()
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ldaps://{}/{}", self.host(), self.base)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn directories_are_hosts_with_a_base_behind_tls() {
        let read = |text: &str| Directory::parse(text).map(|one| (one.to_string(), one.server.port_or_known_default()));
        let people = "ldaps://ldap.example.org/ou=people,dc=example,dc=org";
        assert_eq!(read(people), Some((people.to_owned(), Some(636))));
        assert_eq!(
            read("ldaps://LDAP.example.org:443/o=a%20b").unwrap(),
            ("ldaps://ldap.example.org/o=a b".into(), Some(443))
        );
        for bad in [
            "ldap://ldap.example.org/dc=example",
            "https://ldap.example.org/dc=example",
            "ldaps://ldap.example.org",
            "ldaps://ldap.example.org/",
            "ldaps:///dc=example",
            "ldaps://u:secret@ldap.example.org/dc=example",
            "ldaps://ldap.example.org/dc=example?mail?sub?(uid=*)",
            "ldaps://ldap.example.org/dc=%ff",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_value_leaves_its_place_in_the_filter() {
        let directory = Directory::parse("ldaps://ldap.example.org/dc=example").unwrap();
        let value = "a*)(uid=*";
        let request = directory.request(("mail", value), &["userCertificate;binary"], Duration::from_secs(5), 16);
        let mut message = Reader(Reader(&request).read(tag::SEQUENCE).unwrap());
        message.read(tag::INTEGER).unwrap();
        let mut search = Reader(message.read(tag::SEARCH).unwrap());
        for _ in 0..6 {
            search.next().unwrap();
        }
        let mut filter = Reader(search.read(tag::EQUALITY).unwrap());
        assert_eq!(filter.read(tag::OCTETS), Some(&b"mail"[..]));
        assert_eq!(filter.read(tag::OCTETS), Some(value.as_bytes()));
        assert!(filter.0.is_empty());
    }

    #[test]
    fn an_entry_has_so_many_values() {
        let entry_of = |count: usize| {
            let values = write(tag::OCTETS, b"x").repeat(count);
            let attribute = write(tag::SEQUENCE, &[write(tag::OCTETS, b"name"), write(0x31, &values)].concat());
            [write(tag::OCTETS, b"dn"), write(tag::SEQUENCE, &attribute)].concat()
        };
        assert_eq!(entry(Reader(&entry_of(MOST_VALUES))).unwrap().len(), MOST_VALUES);
        assert!(entry(Reader(&entry_of(MOST_VALUES + 1))).is_none());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>) {
            let _ = whole(&bytes, 1000);
            if let Some((_, body)) = operation(&bytes) {
                let _ = entry(body);
            }
            let _ = entry(Reader(&bytes));
        }

        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let written = write(tag::OCTETS, &content);
            prop_assert_eq!(whole(&written, 1 << 20), Some(Some(written.len())));
            prop_assert_eq!(Reader(&written).read(tag::OCTETS), Some(&content[..]));
        }
    }
}
