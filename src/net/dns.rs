//! Names: addresses by the system's resolver, services by SRV records (RFC 2782, RFC 6186, RFC 8314 5.1).
//!
//! Answers are not proven by DNSSEC here, but in `dnssec`: what follows from them is the caller's, who trusts a target inside the
//! mail domain only. There is no deadline here: the caller has one.

use std::{io, net::SocketAddr};

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};

/// Looks names up.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    server: Option<SocketAddr>,
}

/// One SRV record whose target is a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The less the earlier.
    pub priority: u16,
    /// Among equals, the more the likelier.
    pub weight: u16,
    /// The host in lower case, without the last dot.
    pub target: String,
    /// Its port.
    pub port: u16,
}

/// Why a name gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("looking {name} up failed: {error}")]
pub struct DnsError {
    /// Which.
    pub name: String,
    /// Why.
    pub error: NetError,
}

impl Dns {
    /// Asks one server over UDP and TCP instead of those of the system.
    pub fn asking(server: SocketAddr) -> Self {
        Self { server: Some(server) }
    }

    /// The SRV records of a name, the first to try first; none if the name has none, or says by a target of `.`
    /// that there is no such service.
    pub async fn services(&self, name: &str) -> Result<Vec<Service>, DnsError> {
        let failed = |error| DnsError { name: name.to_owned(), error };
        let resolver = self.resolver().map_err(failed)?;
        // The dot keeps the search list of the machine out.
        let answer = match resolver.srv_lookup(format!("{name}.")).await {
            Ok(answer) => answer,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found: Vec<Service> = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) if !srv.target.is_root() => Some(Service {
                    priority: srv.priority,
                    weight: srv.weight,
                    target: srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
                    port: srv.port,
                }),
                _ => None,
            })
            .collect();
        found.sort_by_key(|service| (service.priority, u16::MAX - service.weight));
        Ok(found)
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        builder(self.server)?.build()
    }
}

/// A resolver that asks one server over UDP and TCP, or those of the system.
pub(super) fn builder(server: Option<SocketAddr>) -> Result<ResolverBuilder<TokioRuntimeProvider>, NetError> {
    let Some(address) = server else { return TokioResolver::builder_tokio() };
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
}

/// The addresses of a host, as the system resolves it; address literals stand for themselves.
///
/// # Errors
/// The name does not resolve, or to nothing.
pub async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")) } else { Ok(found) }
}
