//! From an endpoint to a connection that TLS protects: the greeting, and STARTTLS byte for byte (RFC 3207).
//!
//! In clear nothing but EHLO, STARTTLS and QUIT is said, and of what the server says there nothing is believed but
//! whether it offers STARTTLS.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    Cause, Endpoint, Offers, ProtocolFault, Reply, ReplyFault, Step, Tls,
    reply::{Replies, shown},
};
use crate::net::{
    Heard, Socket,
    tls::{Context, TlsFault, TlsStream},
};

/// What another task may know of an opening under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    heard: Heard,
    secured: Arc<AtomicBool>,
}

/// A connection whose server has greeted.
pub(super) struct Greeted {
    pub(super) endpoint: Endpoint,
    line: Line,
}

enum Line {
    Clear(Socket, Replies),
    Secured(TlsStream),
}

/// Why no reply came.
enum Ended {
    Closed(String),
    Tls(String),
    Fault(ReplyFault),
}

impl Progress {
    /// Whether a handshake of an endpoint with implicit TLS was begun by the server and is not done yet.
    pub(super) fn in_handshake(&self, endpoint: &Endpoint) -> bool {
        endpoint.tls == Tls::Implicit && self.heard.first().is_some() && !self.secured.load(Ordering::Relaxed)
    }
}

/// Connects, with TLS where it is implicit, and reads the greeting. There is no deadline here: the race has one.
pub(super) async fn greet(
    endpoint: Endpoint,
    addresses: Vec<SocketAddr>,
    tls: Context,
    progress: Progress,
) -> Result<Greeted, Cause> {
    let refused = |detail: String| Cause::Refused { endpoint: endpoint.clone(), detail };
    let socket = match Socket::connect(&addresses, progress.heard.clone()).await {
        Ok(socket) => socket,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(Cause::Silent(endpoint)),
        Err(error) => return Err(refused(error.to_string())),
    };
    let mut replies = Replies::default();
    let (line, read) = match endpoint.tls {
        Tls::StartTls => {
            let mut socket = socket;
            let read = read_reply(&mut socket, &mut replies).await;
            (Line::Clear(socket, replies), read)
        }
        Tls::Implicit => {
            let mut stream = match tls.handshake(&endpoint.host, socket, &[]).await {
                Ok(stream) => stream,
                Err(fault @ TlsFault::Refused) => return Err(refused(fault.to_string())),
                Err(fault) => return Err(Cause::BadTls { endpoint, fault }),
            };
            progress.secured.store(true, Ordering::Relaxed);
            let read = read_reply(&mut stream, &mut replies).await;
            if read.is_ok() && replies.has_begun() {
                let fault = ProtocolFault::OutOfTurn;
                return Err(Cause::Protocol { endpoint, step: Step::Greeting, fault });
            }
            (Line::Secured(stream), read)
        }
    };
    let step = Step::Greeting;
    let greeting = match read {
        Ok(reply) => reply,
        Err(Ended::Closed(detail)) => return Err(refused(format!("closed before the greeting: {detail}"))),
        Err(Ended::Tls(reason)) => return Err(Cause::BadTls { endpoint, fault: TlsFault::Handshake(reason) }),
        Err(Ended::Fault(fault)) => return Err(Cause::Protocol { endpoint, step, fault: fault.into() }),
    };
    match greeting.code() {
        220 => Ok(Greeted { endpoint, line }),
        _ => Err(unwelcome(endpoint, step, greeting)),
    }
}

impl Greeted {
    /// Brings TLS about where it is not there yet.
    pub(super) async fn secure(self, tls: &Context, deadline: Instant) -> Result<TlsStream, Cause> {
        let Self { endpoint, line } = self;
        let (mut socket, mut replies) = match line {
            Line::Secured(stream) => return Ok(stream),
            Line::Clear(socket, replies) => (socket, replies),
        };
        let step = Step::Ehlo;
        let reply = ask(&mut socket, &mut replies, "EHLO [127.0.0.1]\r\n", &endpoint, step, deadline).await?;
        match reply.class() {
            2 if Offers::read(&reply).starttls => {}
            2 => {
                quit(&mut socket, deadline).await;
                return Err(Cause::Stripped { endpoint, reply: None });
            }
            5 => return Err(Cause::Stripped { endpoint, reply: Some(reply) }),
            _ => return Err(unwelcome(endpoint, step, reply)),
        }
        let step = Step::StartTls;
        let reply = ask(&mut socket, &mut replies, "STARTTLS\r\n", &endpoint, step, deadline).await?;
        if reply.code() != 220 {
            quit(&mut socket, deadline).await;
            return Err(Cause::Stripped { endpoint, reply: Some(reply) });
        }
        match timeout_at(deadline, tls.handshake(&endpoint.host, socket, replies.behind())).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(TlsFault::Clear)) => Err(Cause::Protocol { endpoint, step, fault: ProtocolFault::Clear }),
            Ok(Err(fault)) => Err(Cause::BadTls { endpoint, fault }),
            Err(_) => Err(Cause::HungTls(endpoint)),
        }
    }
}

/// What a reply means that is not the one hoped for.
pub(super) fn unwelcome(endpoint: Endpoint, step: Step, reply: Reply) -> Cause {
    match reply.class() {
        4 => Cause::Deferred { endpoint, step, reply },
        5 => Cause::Rejected { endpoint, step, reply },
        _ => Cause::Protocol { endpoint, step, fault: ProtocolFault::Unexpected(reply) },
    }
}

async fn ask(
    socket: &mut Socket,
    replies: &mut Replies,
    command: &str,
    endpoint: &Endpoint,
    step: Step,
    deadline: Instant,
) -> Result<Reply, Cause> {
    let endpoint = || endpoint.clone();
    if replies.has_begun() {
        return Err(Cause::Protocol { endpoint: endpoint(), step, fault: ProtocolFault::OutOfTurn });
    }
    let exchange = async {
        // A server that closes may have said why: the reply is read whether the command got out or not.
        let _ = socket.write_all(command.as_bytes()).await;
        read_reply(socket, replies).await
    };
    match timeout_at(deadline, exchange).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(Ended::Fault(fault))) => Err(Cause::Protocol { endpoint: endpoint(), step, fault: fault.into() }),
        Ok(Err(Ended::Closed(_) | Ended::Tls(_))) => Err(Cause::Lost { endpoint: endpoint(), step }),
        Err(_) => Err(Cause::Silence { endpoint: endpoint(), step }),
    }
}

async fn quit(stream: &mut (impl AsyncWrite + Unpin), deadline: Instant) {
    let _ = timeout_at(deadline, stream.write_all(b"QUIT\r\n")).await;
}

async fn read_reply(stream: &mut (impl AsyncRead + Unpin), replies: &mut Replies) -> Result<Reply, Ended> {
    let mut buffer = [0; 1024];
    loop {
        if let Some(reply) = replies.next().map_err(Ended::Fault)? {
            return Ok(reply);
        }
        match stream.read(&mut buffer).await {
            Ok(0) => return Err(Ended::Closed("end of stream".to_owned())),
            Ok(read) => replies.push(&buffer[..read]),
            Err(error) => return Err(tls_reason(&error).map_or_else(|| Ended::Closed(error.to_string()), Ended::Tls)),
        }
    }
}

/// OpenSSL's reason, where TLS itself failed: an alert, a broken record.
pub(super) fn tls_reason(error: &io::Error) -> Option<String> {
    let ssl = error.get_ref()?.downcast_ref::<openssl::ssl::Error>()?;
    let reason = ssl.ssl_error()?.errors().first()?.reason()?;
    Some(shown(reason.as_bytes()))
}
