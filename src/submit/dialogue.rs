//! One SMTP session over lettre: commands out, replies in, each step with the deadline and a meaning for its end.

use std::{fmt, future::Future, pin::pin, time::Duration};

use lettre::transport::smtp::{
    Error,
    client::AsyncSmtpConnection,
    commands::{Quit, Rset},
    extension::ClientId,
};
use tokio::time::{Instant, timeout_at};

use super::{
    Cause, Endpoint, Offers, Reply, Step,
    opening::unwelcome,
    wire::{End, Seen, Wire},
};
use crate::net::tls::{TlsFault, TlsStream};

/// The name in EHLO: an address literal that says nothing about the machine (RFC 5321, 4.1.3).
const HELLO: ClientId = ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST);

/// How long the server may take to answer what changes nothing any more.
const GOODBYE: Duration = Duration::from_secs(1);

/// A session after EHLO.
pub(super) struct Dialogue {
    connection: AsyncSmtpConnection,
    seen: Seen,
    pub(super) endpoint: Endpoint,
    pub(super) offers: Offers,
    pub(super) deadline: Instant,
    over: bool,
}

/// How the end of a message went.
pub(super) enum Handed {
    /// The server replied.
    Replied(Reply),
    /// It broke before the final dot was out.
    Before(Cause),
    /// All of it was out, and no reply can be had.
    After(String),
}

impl Dialogue {
    /// Says EHLO inside TLS; what was said in clear is forgotten (RFC 3207, 4.2).
    pub(super) async fn begin(stream: TlsStream, endpoint: Endpoint, deadline: Instant) -> Result<Self, Cause> {
        let seen = Seen::default();
        let wire = Box::new(Wire::new(stream, seen.clone()));
        let step = Step::Ehlo;
        let begun = timeout_at(deadline, AsyncSmtpConnection::connect_with_transport(wire, &HELLO)).await;
        let Ok(Ok(connection)) = begun else { return Err(broken(&seen, &endpoint, step)) };
        let reply = seen.reply().ok_or_else(|| broken(&seen, &endpoint, step))?;
        if reply.class() != 2 {
            return Err(unwelcome(endpoint, step, reply));
        }
        let offers = Offers::read(&reply);
        Ok(Self { connection, seen, endpoint, offers, deadline, over: false })
    }

    /// One command and its reply, whatever it says.
    pub(super) async fn ask(&mut self, step: Step, command: impl fmt::Display) -> Result<Reply, Cause> {
        let mut replies = self.flight(step, command, 1).await?;
        replies.pop().ok_or_else(|| self.broken(step))
    }

    /// Several commands at once (RFC 2920), and as many replies.
    pub(super) async fn flight(
        &mut self,
        step: Step,
        commands: impl fmt::Display,
        count: usize,
    ) -> Result<Vec<Reply>, Cause> {
        if self.over {
            return Err(Cause::Lost { endpoint: self.endpoint.clone(), step });
        }
        self.seen.begin();
        let mut replies = Vec::with_capacity(count);
        let mut arrived = timed(self.deadline, self.connection.command(commands)).await;
        loop {
            match self.seen.reply() {
                Some(reply) if arrived => replies.push(reply),
                _ => break,
            }
            if replies.len() == count {
                return Ok(replies);
            }
            arrived = timed(self.deadline, self.connection.read_response()).await;
        }
        self.over = true;
        // A server that shuts down says so once, for all that it was asked.
        match self.seen.end() {
            Some(End::Early(reply)) => {
                replies.resize(count, reply);
                Ok(replies)
            }
            _ => match replies.last() {
                Some(last) if last.code() == 421 => {
                    let last = last.clone();
                    replies.resize(count, last);
                    Ok(replies)
                }
                _ => Err(self.broken(step)),
            },
        }
    }

    /// The content of a message, without its last CR LF, and the final dot. While bytes move, the time that is left
    /// begins anew with each, but for `allowance` at most.
    pub(super) async fn hand<'a>(&mut self, message: impl Iterator<Item = &'a [u8]>, allowance: Duration) -> Handed {
        self.seen.begin();
        let exchange = self.connection.message_iter(message);
        let arrived = moving(self.deadline, allowance, &self.seen, exchange).await;
        if let Some(reply) = self.seen.reply().filter(|_| arrived) {
            return Handed::Replied(reply);
        }
        self.over = true;
        if !self.seen.was_waiting() {
            return match self.seen.end() {
                Some(End::Early(reply)) => Handed::Before(unwelcome(self.endpoint.clone(), Step::Message, reply)),
                _ => Handed::Before(self.broken(Step::Message)),
            };
        }
        Handed::After(match self.seen.end() {
            None => "no reply came in time".to_owned(),
            Some(End::Closed) => "the connection was closed".to_owned(),
            Some(End::Tls(reason)) => format!("the connection broke: {reason}"),
            Some(End::Fault(fault)) => fault.to_string(),
            Some(End::Early(reply)) => reply.to_string(),
        })
    }

    /// Whether nothing more can be said.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes back what was said of a message, so that nobody gets it; what the server says to it changes nothing.
    pub(super) async fn reset(&mut self) {
        self.briefly(Rset).await;
    }

    /// Says goodbye.
    pub(super) async fn quit(&mut self) {
        self.briefly(Quit).await;
        self.over = true;
    }

    async fn briefly(&mut self, command: impl fmt::Display) {
        if !self.over {
            let deadline = self.deadline;
            self.deadline = deadline.min(Instant::now() + GOODBYE);
            let _ = self.ask(Step::Mail, command).await;
            self.deadline = deadline;
        }
    }

    fn broken(&self, step: Step) -> Cause {
        broken(&self.seen, &self.endpoint, step)
    }
}

/// Waits for lettre; what its answer says is in [`Seen`].
async fn timed<T>(deadline: Instant, exchange: impl Future<Output = Result<T, Error>>) -> bool {
    matches!(timeout_at(deadline, exchange).await, Ok(Ok(_)))
}

/// The same for what takes longer the larger it is, as long as it moves.
async fn moving<T>(
    deadline: Instant,
    allowance: Duration,
    seen: &Seen,
    exchange: impl Future<Output = Result<T, Error>>,
) -> bool {
    let patience = deadline.saturating_duration_since(Instant::now());
    let mut exchange = pin!(exchange);
    let mut until = deadline;
    loop {
        if let Ok(answer) = timeout_at(until, &mut exchange).await {
            return answer.is_ok();
        }
        let later = seen.moved().map_or(until, |moved| (moved + patience).min(deadline + allowance));
        if later <= until {
            return false;
        }
        until = later;
    }
}

fn broken(seen: &Seen, endpoint: &Endpoint, step: Step) -> Cause {
    let endpoint = endpoint.clone();
    match seen.end() {
        None => Cause::Silence { endpoint, step },
        Some(End::Closed) => Cause::Lost { endpoint, step },
        // With TLS 1.3 a client certificate is refused only after the client is done.
        Some(End::Tls(reason)) if step == Step::Ehlo => Cause::BadTls { endpoint, fault: TlsFault::Handshake(reason) },
        Some(End::Tls(_)) => Cause::Lost { endpoint, step },
        Some(End::Fault(fault)) => Cause::Protocol { endpoint, step, fault },
        Some(End::Early(reply)) => unwelcome(endpoint, step, reply),
    }
}
