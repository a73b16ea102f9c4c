//! The one TLS policy: TLS 1.2 and up, hybrid post-quantum groups first, certificates always checked against the
//! system's roots and the host's name (RFC 8314, RFC 9325).
//!
//! There is no way to switch a check off.

mod fault;
mod roots;

use std::{
    fmt, io,
    net::IpAddr,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslVerifyMode, SslVersion},
    x509::{X509, verify::X509CheckFlags},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;

use super::Socket;
use crate::ffi;

pub use fault::{CertificateFault, TlsFault};

/// Key exchange in the order of liking; the first is hybrid post-quantum.
const GROUPS: &str = "X25519MLKEM768:X25519:P-256:P-384";

/// Everything that OpenSSL calls default, without what no server of today needs.
const CIPHERS: &str = "DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!kRSA:!SRP:!PSK:!CAMELLIA:!ARIA";

/// A client certificate with its key, for servers that know their users by it.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<X509>,
    key: PKey<Private>,
}

/// Why no context can be made.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The file with further roots cannot be read.
    #[error("cannot read the CA file {}: {error}", .path.display())]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It holds no certificate.
    #[error("the CA file {} holds no certificate in PEM", .path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// The client certificate, its chain or its key is not readable as PEM, or they do not belong together.
    #[error("the client certificate and its key cannot be used: {0}")]
    Identity(ErrorStack),
    /// OpenSSL itself failed.
    #[error("cannot set TLS up: {0}")]
    Library(#[from] ErrorStack),
}

/// What every connection of one account shares; made once, cheap to clone.
#[derive(Clone)]
pub struct Context(SslContext);

/// A connection that TLS protects, its certificate checked. Nothing else makes one.
pub struct TlsStream(Pin<Box<SslStream<Socket>>>);

impl Identity {
    /// Reads a certificate (its chain behind it) and its unencrypted key, both PEM.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, ContextError> {
        let chain = X509::stack_from_pem(certificate).map_err(ContextError::Identity)?;
        // A callback that gives nothing: OpenSSL would ask on the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0)).map_err(ContextError::Identity)?;
        match chain.first() {
            Some(leaf) if leaf.public_key().is_ok_and(|public| public.public_eq(&key)) => Ok(Self { chain, key }),
            _ => Err(ContextError::Identity(ErrorStack::get())),
        }
    }
}

impl Context {
    /// Makes one that trusts the system's roots, and besides those of a PEM file.
    pub fn new(ca_file: Option<&Path>, identity: Option<&Identity>) -> Result<Self, ContextError> {
        let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_groups_list(GROUPS)?;
        builder.set_cipher_list(CIPHERS)?;
        builder.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION);
        builder.set_mode(
            SslMode::AUTO_RETRY
                | SslMode::ACCEPT_MOVING_WRITE_BUFFER
                | SslMode::ENABLE_PARTIAL_WRITE
                | SslMode::RELEASE_BUFFERS,
        );
        builder.set_verify(SslVerifyMode::PEER);
        builder.set_cert_store(roots::store(ca_file)?);
        if let Some(Identity { chain, key }) = identity {
            let mut chain = chain.iter();
            if let Some(leaf) = chain.next() {
                builder.set_certificate(leaf)?;
            }
            for issuer in chain {
                builder.add_extra_chain_cert(issuer.clone())?;
            }
            builder.set_private_key(key)?;
        }
        Ok(Self(builder.build()))
    }

    /// Begins TLS on a fresh connection, or behind the answer to STARTTLS. `behind` are the bytes that were read
    /// in clear past that answer: a single one ends it (RFC 3207, 6).
    ///
    /// There is no deadline here: the caller has one.
    pub async fn handshake(&self, host: &str, socket: Socket, behind: &[u8]) -> Result<TlsStream, TlsFault> {
        if !behind.is_empty() {
            return Err(TlsFault::Clear);
        }
        let heard = socket.heard().clone();
        heard.forget();
        let ssl = self.session(host).map_err(|error| TlsFault::Handshake(error.to_string()))?;
        let stream = SslStream::new(ssl, socket).map_err(|error| TlsFault::Handshake(error.to_string()))?;
        let mut stream = Box::pin(stream);
        match stream.as_mut().connect().await {
            Ok(()) => Ok(TlsStream(stream)),
            Err(error) => Err(TlsFault::of(host, &error, stream.ssl(), heard.first())),
        }
    }

    fn session(&self, host: &str) -> Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(&self.0)?;
        let parameters = ssl.param_mut();
        parameters.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
        match host.parse::<IpAddr>() {
            Ok(address) => parameters.set_ip(address)?,
            Err(_) => {
                parameters.set_host(host)?;
                ssl.set_hostname(host)?;
            }
        }
        ssl.set_connect_state();
        Ok(ssl)
    }
}

impl TlsStream {
    /// `TLSv1.3` or `TLSv1.2`.
    pub fn protocol(&self) -> &'static str {
        self.0.ssl().version_str()
    }

    /// The group of the key exchange, for instance `X25519MLKEM768`.
    pub fn group(&self) -> Option<String> {
        ffi::group_name(self.0.ssl())
    }

    /// Where it leads.
    pub fn peer(&self) -> std::net::SocketAddr {
        self.0.get_ref().peer()
    }

    /// The name and the data that tie a login to this connection: `tls-exporter` (RFC 9266) for TLS 1.3,
    /// `tls-unique` (RFC 5929, 3) before.
    pub fn channel_binding(&self) -> Option<(&'static str, Vec<u8>)> {
        let ssl = self.0.ssl();
        if ssl.version2() == Some(SslVersion::TLS1_3) {
            let mut data = vec![0; 32];
            ssl.export_keying_material(&mut data, "EXPORTER-Channel-Binding", Some(b"")).ok()?;
            return Some(("tls-exporter", data));
        }
        // No session is ever resumed here, so the client's Finished was the first.
        let mut data = vec![0; 64];
        let length = ssl.finished(&mut data);
        data.truncate(length);
        (length > 0).then_some(("tls-unique", data))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, to)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsStream({})", self.peer())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}
