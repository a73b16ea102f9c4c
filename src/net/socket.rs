//! A TCP connection that remembers whether the other side has spoken yet.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// How long one address of a host may stay silent before the next is tried beside it (RFC 8305, 5).
const ADDRESS_HEAD_START: Duration = Duration::from_millis(250);

/// How many addresses of one host are tried.
const MOST_ADDRESSES: usize = 8;

/// The first byte that came from the other side, to be watched from another task.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<AtomicU16>);

impl Heard {
    /// The first byte since the connection was made, or since [`Heard::forget`].
    pub fn first(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            shifted => Some((shifted - 1) as u8),
        }
    }

    /// Waits for a first byte anew.
    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn note(&self, byte: u8) {
        let _ = self.0.compare_exchange(0, u16::from(byte) + 1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A TCP connection without Nagle's delay.
pub struct Socket {
    tcp: TcpStream,
    peer: SocketAddr,
    heard: Heard,
}

impl Socket {
    /// Connects to the first of these addresses that accepts; each gets a short start before the next is tried
    /// beside it.
    ///
    /// # Errors
    /// That of the last address that refused. There is no deadline here: the caller has one.
    pub async fn connect(addresses: &[SocketAddr], heard: Heard) -> io::Result<Self> {
        let mut waiting = addresses.iter().take(MOST_ADDRESSES).copied();
        let mut running: JoinSet<io::Result<(TcpStream, SocketAddr)>> = JoinSet::new();
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let mut next = waiting.next();
        let mut start = Instant::now();
        loop {
            tokio::select! {
                biased;
                Some(joined) = running.join_next() => match joined {
                    Ok(Ok((tcp, peer))) => {
                        tcp.set_nodelay(true)?;
                        return Ok(Self { tcp, peer, heard });
                    }
                    Ok(Err(error)) => {
                        last = error;
                        start = Instant::now();
                    }
                    Err(_) => {}
                },
                () = sleep_until(start), if next.is_some() => {
                    if let Some(address) = next {
                        running.spawn(async move { Ok((TcpStream::connect(address).await?, address)) });
                    }
                    next = waiting.next();
                    start = Instant::now() + ADDRESS_HEAD_START;
                }
                else => return Err(last),
            }
        }
    }

    /// Where it leads.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the other side has spoken.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        if let Some(first) = buffer.filled().get(before) {
            self.heard.note(*first);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.peer)
    }
}
