//! A small HTTP/1.1 client (RFC 9110, RFC 9112) over our own resolver, sockets and TLS: one request a connection, for
//! what strangers serve.
//!
//! It says nothing of who asks: no user agent, no cookies, no credentials. Everything is bounded: the whole exchange by
//! a deadline, the body, the header, the number of redirects; and by default it does not reach into one's own network.
//! Whether a body without a length is whole nobody can tell: whoever reads it must check it by a signature or the like.

mod reach;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, LOCATION},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, timeout_at},
};
use url::{Host, Position, Url};

use super::{
    Heard, Socket, dns,
    proxy::{self, Proxy},
    tls::{Context, ContextError, TlsFault},
};

pub use reach::Reach;

/// The most redirects that are followed.
const MOST_REDIRECTS: usize = 3;

/// The largest header, in bytes.
const LARGEST_HEADER: usize = 64 * 1024;

/// Asks servers; cheap to clone.
#[derive(Clone, Default)]
pub struct Client {
    reach: Reach,
    /// What connections go through, but to hosts that the user placed.
    proxy: Option<Proxy>,
    /// Where the user says that a host is.
    hosts: Arc<HashMap<String, SocketAddr>>,
    /// Made with the first connection that needs it, since the system's roots take time to read.
    tls: Arc<OnceLock<Context>>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// An absolute URL, `http` or `https`.
    pub url: &'a str,
    /// The media type that is wanted.
    pub accept: &'a str,
    /// What is posted, and its media type; without it this is a GET.
    pub post: Option<(&'a str, Vec<u8>)>,
}

/// What bounds one exchange, redirects and all.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// When it ends.
    pub deadline: Instant,
    /// The largest body, in bytes.
    pub body: usize,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status: 200 and so on.
    pub status: u16,
    /// Its media type as sent.
    pub media_type: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not an absolute `http` or `https` URL with a host, or one that holds credentials; its beginning.
    #[error("{0:?} is not a URL that is asked")]
    Url(String),
    /// The name does not resolve.
    #[error("cannot resolve {host}: {error}")]
    Unresolved {
        /// Which.
        host: String,
        /// Why.
        error: io::Error,
    },
    /// The name, or the address, leads into a network that is not public.
    #[error("{0} is not on the public network")]
    Private(String),
    /// The proxy is not reached, or does not connect.
    #[error("cannot connect to {host} through the proxy {proxy}: {error}")]
    Proxy {
        /// To whom.
        host: String,
        /// Through which.
        proxy: Proxy,
        /// Why.
        error: io::Error,
    },
    /// No address takes a connection.
    #[error("cannot connect to {host}: {error}")]
    Refused {
        /// Which.
        host: String,
        /// Why.
        error: io::Error,
    },
    /// TLS cannot be set up at all.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// TLS failed.
    #[error("TLS with {host} failed: {fault}")]
    Tls {
        /// With whom.
        host: String,
        /// Why.
        fault: TlsFault,
    },
    /// What came is no HTTP, or broke off.
    #[error("{host} broke HTTP: {error}")]
    Protocol {
        /// Who.
        host: String,
        /// How.
        error: hyper::Error,
    },
    /// The body is larger than allowed, in bytes.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// Whose.
        host: String,
        /// The limit.
        limit: usize,
    },
    /// A redirect that leads nowhere, or one too many.
    #[error("{0} redirects without end or to nowhere")]
    Redirects(String),
    /// A redirect from `https` to something else.
    #[error("{0} redirects out of TLS")]
    Downgrade(String),
    /// The deadline came first.
    #[error("{0} did not answer in time")]
    Deadline(String),
}

impl HttpError {
    /// Whether another try may go better, with nothing changed: no connection, or no answer in time.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unresolved { .. } | Self::Refused { .. } | Self::Proxy { .. } | Self::Deadline(_))
    }
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Client {
    /// One that reaches so far.
    pub fn new(reach: Reach) -> Self {
        Self { reach, ..Self::default() }
    }

    /// One that believes the authorities of a PEM file too, besides those of the system.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn believing(self, ca_file: &Path) -> Result<Self, ContextError> {
        Ok(Self { tls: Arc::new(OnceLock::from(Context::new(Some(ca_file), None)?)), ..self })
    }

    /// One that connects to some hosts, named in lower case, where the user says that they are, and asks no resolver
    /// for them: within one's own network too, on any port. What they prove of their name stays the same.
    pub fn placing(self, hosts: HashMap<String, SocketAddr>) -> Self {
        Self { hosts: Arc::new(hosts), ..self }
    }

    /// One that connects through a proxy, which resolves the names: it is the proxy that keeps out of networks that are
    /// not public, but for addresses and names that are so by themselves.
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self }
    }

    /// Asks, follows at most 3 redirects, and gives what came at the end, whatever its status.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn ask(&self, request: &Request<'_>, limits: Limits) -> Result<Answer, HttpError> {
        let url = parse(request.url)?;
        let late = HttpError::Deadline(host_of(&url));
        timeout_at(limits.deadline, self.follow(request, url, limits.body)).await.unwrap_or(Err(late))
    }

    async fn follow(&self, request: &Request<'_>, mut url: Url, limit: usize) -> Result<Answer, HttpError> {
        let mut post = request.post.as_ref();
        for _ in 0..=MOST_REDIRECTS {
            let (status, header) = match self.exchange(&url, request.accept, post, limit).await? {
                Exchanged::Answer(answer) => return Ok(answer),
                Exchanged::Redirect(status, header) => (status, header),
            };
            let location = header.get(LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| HttpError::Redirects(host_of(&url)))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(HttpError::Downgrade(host_of(&url)));
            }
            // RFC 9110, 15.4.4; the others let the method stand.
            if status == StatusCode::SEE_OTHER {
                post = None;
            }
            url = checked(next)?;
        }
        Err(HttpError::Redirects(host_of(&url)))
    }

    /// One request and its answer.
    async fn exchange(
        &self,
        url: &Url,
        accept: &str,
        post: Option<&(&str, Vec<u8>)>,
        limit: usize,
    ) -> Result<Exchanged, HttpError> {
        let broken = |error| HttpError::Protocol { host: host_of(url), error };
        let mut request = hyper::Request::builder()
            .method(if post.is_some() { Method::POST } else { Method::GET })
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(ACCEPT, accept)
            .header(CONNECTION, "close");
        let mut body = Bytes::new();
        if let Some((media_type, bytes)) = post {
            request = request.header(CONTENT_TYPE, *media_type);
            body = Bytes::from(bytes.clone());
        }
        let request = request.body(Full::new(body)).map_err(|_| bad(url.as_str()))?;

        let stream = TokioIo::new(self.connect(url).await?);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(LARGEST_HEADER);
        let (mut sender, connection) = builder.handshake(stream).await.map_err(broken)?;
        // Ends with this function, whatever the server does.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        if matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(Exchanged::Redirect(head.status, head.headers));
        }
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            // What is no error of hyper's is that of the limit.
            let too_large = |_| HttpError::TooLarge { host: host_of(url), limit };
            error.downcast::<hyper::Error>().map_or_else(too_large, |error| broken(*error))
        })?;
        let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Exchanged::Answer(Answer { status: head.status.as_u16(), media_type, body: body.to_bytes().to_vec() }))
    }

    /// Connects to the host of a URL: in clear for `http`, by TLS for whatever else.
    pub(super) async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, HttpError> {
        let name = host_of(url);
        let socket = match (self.hosts.get(&name), &self.proxy) {
            (None, Some(proxy)) => self.connect_through(proxy, url).await?,
            (place, _) => {
                let allowed = match place {
                    Some(place) => vec![*place],
                    None => self.addresses(url).await?,
                };
                let socket = Socket::connect(&allowed, Heard::default()).await;
                socket.map_err(|error| HttpError::Refused { host: name.clone(), error })?
            }
        };
        if url.scheme() == "http" {
            return Ok(Box::new(socket));
        }
        let stream = self.context()?.handshake(&name, socket, &[]).await;
        Ok(Box::new(stream.map_err(|fault| HttpError::Tls { host: name, fault })?))
    }

    async fn connect_through(&self, proxy: &Proxy, url: &Url) -> Result<Socket, HttpError> {
        let name = host_of(url);
        let host = url.host().ok_or_else(|| bad(url.as_str()))?;
        let allowed = match host {
            Host::Ipv4(address) => self.reach.allows(address.into()),
            Host::Ipv6(address) => self.reach.allows(address.into()),
            Host::Domain(domain) => self.reach == Reach::Private || !proxy::is_own(domain),
        };
        if !allowed {
            return Err(HttpError::Private(name));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let socket = proxy.connect(&host, port).await;
        socket.map_err(|error| HttpError::Proxy { host: name, proxy: proxy.clone(), error })
    }

    /// The very addresses that are connected to: a name that resolves otherwise a moment later changes nothing.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, HttpError> {
        let (name, port) = (host_of(url), url.port_or_known_default().unwrap_or_default());
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
            Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
            _ => dns::addresses(&name, port)
                .await
                .map_err(|error| HttpError::Unresolved { host: name.clone(), error })?,
        };
        let allowed: Vec<_> = addresses.into_iter().filter(|address| self.reach.allows(address.ip())).collect();
        if allowed.is_empty() { Err(HttpError::Private(name)) } else { Ok(allowed) }
    }

    fn context(&self) -> Result<&Context, ContextError> {
        match self.tls.get() {
            Some(context) => Ok(context),
            None => {
                let made = Context::new(None, None)?;
                Ok(self.tls.get_or_init(|| made))
            }
        }
    }
}

enum Exchanged {
    Answer(Answer),
    Redirect(StatusCode, HeaderMap),
}

fn parse(text: &str) -> Result<Url, HttpError> {
    checked(Url::parse(text).map_err(|_| bad(text))?)
}

fn checked(url: Url) -> Result<Url, HttpError> {
    let plain = url.username().is_empty() && url.password().is_none();
    let good = matches!(url.scheme(), "http" | "https") && url.host().is_some() && plain;
    if good { Ok(url) } else { Err(bad(url.as_str())) }
}

/// Strangers write long ones.
fn bad(url: &str) -> HttpError {
    HttpError::Url(url.chars().take(200).collect())
}

/// Its host without the brackets of IPv6.
fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned()
}

#[cfg(test)]
mod tests;
