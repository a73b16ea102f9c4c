//! Connections through a proxy: HTTP's CONNECT (RFC 9110, 9.3.6) or SOCKS 5 (RFC 1928), without a login. The proxy
//! resolves the names, so that nobody else is told them.

use std::{fmt, io, net::IpAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::{Host, Url};

use super::{Heard, Socket, dns};

/// The longest answer of an HTTP proxy that is read, in bytes.
const LONGEST: usize = 8 << 10;

/// Where connections go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Socks,
}

impl Proxy {
    /// Reads `http://HOST:PORT`, `socks5://HOST:PORT` or `socks5h://HOST:PORT`; none if it is something else, or holds a
    /// login.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "socks5" | "socks5h" => (Kind::Socks, 1080),
            _ => return None,
        };
        let host = url.host_str().filter(|host| bare && anonymous && !host.is_empty())?;
        Some(Self { kind, host: host.trim_matches(['[', ']']).to_owned(), port: url.port().unwrap_or(port) })
    }

    /// Connects to a host by its name, or its address.
    ///
    /// # Errors
    /// The proxy is not reached, or does not connect. There is no deadline here: the caller has one.
    pub async fn connect(&self, host: &Host<&str>, port: u16) -> io::Result<Socket> {
        let addresses = dns::addresses(&self.host, self.port).await?;
        let mut socket = Socket::connect(&addresses, Heard::default()).await?;
        match self.kind {
            Kind::Http => tunnel(&mut socket, host, port).await?,
            Kind::Socks => socks(&mut socket, host, port).await?,
        }
        Ok(socket)
    }
}

async fn tunnel(socket: &mut Socket, host: &Host<&str>, port: u16) -> io::Result<()> {
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    // Not one byte more than the answer: what follows is the host's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == LONGEST {
            return Err(io::Error::other("its answer has no end"));
        }
        answer.push(socket.read_u8().await?);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2', _, _, rest @ ..]
            if !matches!(rest, [b'0'..=b'9', ..]) =>
        {
            Ok(())
        }
        line => Err(io::Error::other(format!("it answers {}", line[..line.len().min(80)].escape_ascii()))),
    }
}

async fn socks(socket: &mut Socket, host: &Host<&str>, port: u16) -> io::Result<()> {
    // Version 5, one method: no login.
    socket.write_all(&[5, 1, 0]).await?;
    let mut method = [0; 2];
    socket.read_exact(&mut method).await?;
    if method != [5, 0] {
        return Err(io::Error::other("it is no SOCKS 5 proxy, or wants a login"));
    }
    let mut request = vec![5, 1, 0];
    match host {
        Host::Ipv4(address) => request.extend([&[1][..], &address.octets()].concat()),
        Host::Ipv6(address) => request.extend([&[4][..], &address.octets()].concat()),
        Host::Domain(name) => {
            let length = u8::try_from(name.len()).map_err(|_| io::Error::other("the name is too long"))?;
            request.extend([&[3, length][..], name.as_bytes()].concat());
        }
    }
    request.extend(port.to_be_bytes());
    socket.write_all(&request).await?;
    let mut head = [0; 4];
    socket.read_exact(&mut head).await?;
    let [5, reply, _, kind] = head else { return Err(io::Error::other("it is no SOCKS 5 proxy")) };
    if reply != 0 {
        return Err(io::Error::other(format!("it does not connect (reply {reply} of RFC 1928, 6)")));
    }
    let bound = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(socket.read_u8().await?),
        _ => return Err(io::Error::other("it is no SOCKS 5 proxy")),
    };
    socket.read_exact(&mut vec![0; bound + 2]).await?;
    Ok(())
}

/// Whether a name is of one's own machine or network, whatever a proxy makes of it.
pub fn is_own(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let ends = |end: &str| name == end || name.strip_suffix(end).is_some_and(|front| front.ends_with('.'));
    !name.contains('.') && name.parse::<IpAddr>().is_err()
        || ["localhost", "local", "internal", "home.arpa"].into_iter().any(ends)
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_a_proxy() {
        let read = |text| Proxy::parse(text).map(|proxy| (proxy.kind, proxy.to_string()));
        assert_eq!(read("http://proxy.example:3128"), Some((Kind::Http, "proxy.example:3128".to_owned())));
        assert_eq!(read("http://proxy.example/"), Some((Kind::Http, "proxy.example:80".to_owned())));
        assert_eq!(read("socks5h://127.0.0.1:9050"), Some((Kind::Socks, "127.0.0.1:9050".to_owned())));
        assert_eq!(read("socks5://proxy.example"), Some((Kind::Socks, "proxy.example:1080".to_owned())));
        for text in [
            "",
            "proxy.example:3128",
            "https://proxy.example",
            "http://u:p@proxy.example",
            "http://a/path",
            "socks5://",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_ones_own() {
        for name in ["localhost", "a.localhost", "printer", "nas.local", "db.internal", "x.home.arpa."] {
            assert!(is_own(name), "{name}");
        }
        for name in ["example.org", "local.example", "mylocal.example.org", "notlocal.org"] {
            assert!(!is_own(name), "{name}");
        }
    }
}
