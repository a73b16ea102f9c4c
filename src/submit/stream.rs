//! The stream that lettre speaks over: TLS underneath, replies read by us on the way.
//!
//! lettre awaits a greeting that came long before, throws the EHLO reply away, keeps no reason of a refusal, fails on
//! bytes outside of ASCII, and reads a line of any length. So it is given one short line for each reply, and the
//! replies themselves go to the session.

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Reply, ReplyFault,
    reply::Replies,
};
use crate::net::tls::TlsStream;

/// What came and was not taken yet.
#[derive(Debug, Default)]
struct Inbox {
    replies: VecDeque<Reply>,
    unfinished: Replies,
    fault: Option<ReplyFault>,
}

/// The replies, shared between the stream and the session.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<Mutex<Inbox>>);

/// The stream.
pub(super) struct ReplyStream {
    tls: TlsStream,
    heard: Heard,
    /// What lettre is to read.
    lines: VecDeque<u8>,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest reply that was not taken yet.
    pub(super) fn take(&self) -> Option<Reply> {
        self.lock().replies.pop_front()
    }

    /// What came and is no reply.
    pub(super) fn fault(&self) -> Option<ReplyFault> {
        self.lock().fault.clone()
    }

    /// Whether something came that nothing asked for.
    pub(super) fn is_ahead(&self) -> bool {
        let inbox = self.lock();
        !inbox.replies.is_empty() || inbox.unfinished.has_begun()
    }
}

impl ReplyStream {
    /// The stream, and what it hears.
    pub(super) fn new(tls: TlsStream) -> (Self, Heard) {
        let heard = Heard::default();
        // The greeting that lettre awaits came before it.
        let lines = b"220 .\r\n".iter().copied().collect();
        (Self { tls, heard: heard.clone(), lines }, heard)
    }
}

impl AsyncRead for ReplyStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.lines.is_empty() {
            let mut piece = [0; 4096];
            let mut read = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.tls).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let mut inbox = this.heard.lock();
            inbox.unfinished.push(read.filled());
            loop {
                match inbox.unfinished.next() {
                    Ok(None) => break,
                    Ok(Some(reply)) => {
                        this.lines.extend(format!("{} .\r\n", reply.code()).bytes());
                        inbox.replies.push_back(reply);
                    }
                    Err(fault) => {
                        inbox.fault = Some(fault.clone());
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
                    }
                }
            }
        }
        let take = this.lines.len().min(buffer.remaining());
        for byte in this.lines.drain(..take) {
            buffer.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ReplyStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for ReplyStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.tls.peer())
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyStream({})", self.tls.peer())
    }
}
