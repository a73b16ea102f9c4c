//! The stream that lettre gets: TLS below, and a strict reading of replies before lettre sees any.
//!
//! lettre reads a line of any length, throws the EHLO reply away, takes what comes out of turn for the next answer,
//! and answers a refused EHLO with QUIT. So the replies are read here, kept in [`Seen`] for us to judge, and lettre
//! is told `250` each time one has come. The greeting is made up too: after STARTTLS none comes (RFC 3207, 4.2).

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use zeroize::Zeroizing;

use super::{
    ProtocolFault, Reply,
    opening::tls_reason,
    reply::{Replies, ReplyFault},
};
use crate::net::tls::TlsStream;

/// All that lettre learns of a reply.
const CAME: &[u8] = b"250 x\r\n";

/// How much is gathered before it goes out: one record of TLS (RFC 8446, 5.1).
const RECORD: usize = 16 * 1024;

/// The stream.
pub(super) struct Wire {
    stream: TlsStream,
    seen: Seen,
    replies: Replies,
    out: Zeroizing<Vec<u8>>,
    written: usize,
    checked: bool,
    told: usize,
}

/// What was seen on the wire, shared with the one who drives lettre.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    replies: VecDeque<Reply>,
    end: Option<End>,
    /// Whether all that was written is out, and a reply is being waited for.
    waiting: bool,
    /// When the last byte went out.
    moved: Option<Instant>,
}

/// What ended the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Tls(String),
    Fault(ProtocolFault),
    /// The server refused before it was asked: 421 when it shuts down, a 5xx in the middle of a message.
    Early(Reply),
}

impl Seen {
    /// Begins a step: what was seen before does not count for it.
    pub(super) fn begin(&self) {
        let mut state = self.lock();
        state.replies.clear();
        state.waiting = false;
    }

    pub(super) fn reply(&self) -> Option<Reply> {
        self.lock().replies.pop_front()
    }

    pub(super) fn end(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// Whether all that was written went out before the step ended.
    pub(super) fn was_waiting(&self) -> bool {
        self.lock().waiting
    }

    /// When the last byte went out.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.lock().moved
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    pub(super) fn new(stream: TlsStream, seen: Seen) -> Self {
        let out = Zeroizing::new(Vec::with_capacity(RECORD));
        Self { stream, seen, replies: Replies::default(), out, written: 0, checked: false, told: 0 }
    }

    fn fail<T>(&self, end: End) -> Poll<io::Result<T>> {
        let mut state = self.seen.lock();
        state.end.get_or_insert(end);
        Poll::Ready(Err(io::Error::other("the session is over")))
    }

    fn broken<T>(&self, error: &io::Error) -> Poll<io::Result<T>> {
        self.fail(tls_reason(error).map_or(End::Closed, End::Tls))
    }

    /// Before anything goes out, nothing may have come in that nobody asked for.
    fn check_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.checked {
            match self.fill(cx) {
                Poll::Ready(Ok(0)) => return self.fail(End::Closed),
                Poll::Ready(Err(error)) => return self.broken(&error),
                Poll::Ready(Ok(_)) | Poll::Pending => {}
            }
            if self.replies.has_begun() {
                return match self.replies.next() {
                    Ok(Some(reply)) if reply.class() >= 4 => self.fail(End::Early(reply)),
                    Err(fault @ ReplyFault::TooLong) => self.fail(End::Fault(fault.into())),
                    _ => self.fail(End::Fault(ProtocolFault::OutOfTurn)),
                };
            }
            self.checked = true;
        }
        Poll::Ready(Ok(()))
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.check_turn(cx))?;
        while self.written < self.out.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..])) {
                Ok(0) => return self.fail(End::Closed),
                Ok(written) => self.written += written,
                Err(error) => return self.broken(&error),
            }
        }
        zeroize::Zeroize::zeroize(&mut *self.out);
        self.written = 0;
        self.checked = false;
        self.seen.lock().moved = Some(Instant::now());
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = [0; 2048];
        let mut buffer = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.replies.push(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.told == CAME.len() {
            ready!(this.drain(cx))?;
            this.seen.lock().waiting = true;
            loop {
                match this.replies.next() {
                    Ok(Some(reply)) => {
                        this.seen.lock().replies.push_back(reply);
                        this.told = 0;
                        break;
                    }
                    Ok(None) => {}
                    Err(fault) => return this.fail(End::Fault(fault.into())),
                }
                match ready!(this.fill(cx)) {
                    Ok(0) => return this.fail(End::Closed),
                    Ok(_) => {}
                    Err(error) => return this.broken(&error),
                }
            }
        }
        let now = to.remaining().min(CAME.len() - this.told);
        to.put_slice(&CAME[this.told..this.told + now]);
        this.told += now;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.out.len() >= RECORD {
            ready!(this.drain(cx))?;
        }
        let now = bytes.len().min(RECORD - this.out.len());
        this.out.extend_from_slice(&bytes[..now]);
        Poll::Ready(Ok(now))
    }

    /// Does nothing: what was written goes out when a reply is asked for, so that the end of a message and its dot
    /// share a packet.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.stream.peer())
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({:?})", self.stream)
    }
}
