//! One endpoint, up to its greeting, and from there to TLS (RFC 3207, RFC 8314).
//!
//! In clear nothing is said but EHLO, STARTTLS and QUIT, and of what the server says in clear nothing is kept.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    Cause, Endpoint, Offers, ProtocolFault, Reply, Step, Tls,
    reply::Replies,
};
use crate::net::{
    Heard, Socket, dns,
    tls::{Context, TlsFault, TlsStream},
};

/// A server that has greeted.
pub(super) struct Door {
    endpoint: Endpoint,
    stream: Stream,
    greeting: Reply,
}

enum Stream {
    Clear(Socket),
    Tls(TlsStream),
}

impl Door {
    /// Goes to an endpoint and awaits its greeting; with implicit TLS the handshake comes before it. What ends it
    /// before the greeting moves on to the next endpoint, but for a handshake that failed.
    pub(super) async fn reach(endpoint: Endpoint, context: Context, heard: Heard) -> Result<Self, Cause> {
        let addresses = dns::addresses(&endpoint.host, endpoint.port).await;
        let addresses = addresses.map_err(|error| Cause::Unresolved {
            host: endpoint.host.clone(),
            detail: error.to_string(),
        })?;
        let refused = |detail: String| Cause::Refused { endpoint: endpoint.clone(), detail };
        let socket = Socket::connect(&addresses, heard).await.map_err(|error| refused(error.to_string()))?;
        let mut stream = match endpoint.tls {
            Tls::StartTls => Stream::Clear(socket),
            Tls::Implicit => match context.handshake(&endpoint.host, socket, b"").await {
                Ok(tls) => Stream::Tls(tls),
                Err(TlsFault::Refused) => return Err(refused("closed before TLS began".to_owned())),
                Err(fault) => return Err(Cause::BadTls { endpoint, fault }),
            },
        };
        let greeting = match &mut stream {
            Stream::Clear(socket) => read(socket).await,
            Stream::Tls(tls) => read(tls).await,
        };
        let greeting = match greeting {
            Ok(greeting) => greeting,
            Err(NoAnswer::Lost(detail)) => return Err(refused(detail)),
            Err(NoAnswer::Fault(fault)) => return Err(Cause::Protocol { endpoint, step: Step::Greeting, fault }),
        };
        Ok(Self { endpoint, stream, greeting })
    }

    /// Where it stands.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Goes through: to a connection that TLS protects.
    pub(super) async fn enter(self, context: &Context, ehlo: &str, deadline: Instant) -> Result<TlsStream, Cause> {
        let Self { endpoint, stream, greeting } = self;
        match greeting.class() {
            2 => {}
            4 => return Err(Cause::Deferred { endpoint, step: Step::Greeting, reply: greeting }),
            5 => return Err(Cause::Rejected { endpoint, step: Step::Greeting, reply: greeting }),
            _ => return Err(unexpected(endpoint, Step::Greeting, greeting)),
        }
        let mut socket = match stream {
            Stream::Tls(tls) => return Ok(tls),
            Stream::Clear(socket) => socket,
        };
        let mut say = async |step: Step, command: &str| -> Result<(Reply, Vec<u8>), Cause> {
            let both = async {
                let write = socket.write_all(command.as_bytes());
                write.await.map_err(|error| NoAnswer::Lost(error.to_string()))?;
                read_and_behind(&mut socket).await
            };
            match timeout_at(deadline, both).await {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(NoAnswer::Lost(_))) => Err(Cause::Lost { endpoint: endpoint.clone(), step }),
                Ok(Err(NoAnswer::Fault(fault))) => Err(Cause::Protocol { endpoint: endpoint.clone(), step, fault }),
                Err(_) => Err(Cause::Silence { endpoint: endpoint.clone(), step }),
            }
        };
        let (reply, behind) = say(Step::Ehlo, &format!("EHLO {ehlo}\r\n")).await?;
        if !behind.is_empty() {
            return Err(Cause::Protocol { endpoint, step: Step::Ehlo, fault: ProtocolFault::OutOfTurn });
        }
        match reply.class() {
            2 => {}
            4 => return Err(Cause::Deferred { endpoint, step: Step::Ehlo, reply }),
            5 => return Err(Cause::Stripped { endpoint, reply: Some(reply) }),
            _ => return Err(unexpected(endpoint, Step::Ehlo, reply)),
        }
        if !Offers::read(&reply).starttls {
            let _ = timeout_at(deadline, socket.write_all(b"QUIT\r\n")).await;
            return Err(Cause::Stripped { endpoint, reply: None });
        }
        let (reply, behind) = say(Step::StartTls, "STARTTLS\r\n").await?;
        if reply.code() != 220 {
            let _ = timeout_at(deadline, socket.write_all(b"QUIT\r\n")).await;
            return Err(Cause::Stripped { endpoint, reply: Some(reply) });
        }
        match timeout_at(deadline, context.handshake(&endpoint.host, socket, &behind)).await {
            Ok(Ok(tls)) => Ok(tls),
            Ok(Err(TlsFault::Clear)) => {
                Err(Cause::Protocol { endpoint, step: Step::StartTls, fault: ProtocolFault::Clear })
            }
            Ok(Err(fault)) => Err(Cause::BadTls { endpoint, fault }),
            Err(_) => Err(Cause::HungTls(endpoint)),
        }
    }
}

/// Why no reply came.
enum NoAnswer {
    Lost(String),
    Fault(ProtocolFault),
}

/// Reads one reply that nothing may stand behind.
async fn read(from: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Reply, NoAnswer> {
    match read_and_behind(from).await? {
        (reply, behind) if behind.is_empty() => Ok(reply),
        _ => Err(NoAnswer::Fault(ProtocolFault::OutOfTurn)),
    }
}

/// Reads one reply, and what came behind it.
async fn read_and_behind(from: &mut (impl AsyncRead + Unpin)) -> Result<(Reply, Vec<u8>), NoAnswer> {
    let mut replies = Replies::default();
    let mut piece = [0; 4096];
    loop {
        let length = from.read(&mut piece).await.map_err(|error| NoAnswer::Lost(error.to_string()))?;
        if length == 0 {
            return Err(NoAnswer::Lost("the connection was closed".to_owned()));
        }
        replies.push(&piece[..length]);
        match replies.next() {
            Ok(None) => {}
            Ok(Some(reply)) => return Ok((reply, replies.behind().to_vec())),
            Err(fault) => return Err(NoAnswer::Fault(fault.into())),
        }
    }
}

fn unexpected(endpoint: Endpoint, step: Step, reply: Reply) -> Cause {
    Cause::Protocol { endpoint, step, fault: ProtocolFault::Unexpected(reply) }
}
