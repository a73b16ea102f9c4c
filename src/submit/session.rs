//! A session inside TLS: EHLO, login, and one transaction for each message (RFC 5321, 3.3; RFC 6409).
//!
//! Commands go through lettre one by one, or in one flight where the server offers PIPELINING (RFC 2920). DATA waits
//! until every recipient was taken: one that is refused means RSET, and nobody gets the message.

use std::{cell::Cell, time::Duration};

use lettre::transport::smtp::{client::AsyncSmtpConnection, extension::ClientId};
use tokio::time::{Instant, timeout_at};

use super::{
    Attempt, Cause, Dsn, Endpoint, Failure, Offers, ProtocolFault, Refusal, Reply, Secrets, Settings, Step, Tls, connect,
    login::{Channel, Login},
    look,
    stream::{Inbox, ReplyStream},
};
use crate::{
    crypt::Sealed,
    mail::Address,
    net::tls::{Context, TlsStream},
};

/// How many recipients go in one flight, so that neither side's buffers fill up while nobody reads.
const FLIGHT: usize = 64;

/// The slowest transfer that is waited for, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// How long the answer to QUIT is waited for: nothing depends on it.
const FAREWELL: Duration = Duration::from_secs(1);

/// An open session.
pub struct Session {
    connection: AsyncSmtpConnection,
    inbox: Inbox,
    endpoint: Endpoint,
    report: EndpointReport,
    pub(super) channel: Channel,
    pub(super) offers: Offers,
    attempts: Vec<Attempt>,
    dsn: Option<Dsn>,
    timeout: Duration,
    deadline: Instant,
    used: bool,
}

/// What a server took.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Where.
    pub endpoint: EndpointReport,
    /// What it said at the end.
    pub reply: Reply,
    /// The endpoints that were tried before.
    pub attempts: Vec<Attempt>,
    /// Whether delivery notices were asked for and the server does not offer them.
    pub without_notices: bool,
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointReport {
    /// Where.
    pub endpoint: Endpoint,
    /// `TLSv1.3` or `TLSv1.2`.
    pub protocol: &'static str,
    /// The group of the key exchange, for instance `X25519MLKEM768`.
    pub group: Option<String>,
}

impl Session {
    /// Goes to the first endpoint that greets, and logs in.
    ///
    /// # Errors
    /// Everything up to the login; nothing of a message was on the wire.
    pub async fn connect(settings: &Settings, secrets: &mut impl Secrets) -> Result<Self, Failure> {
        settings.check().map_err(Failure::early)?;
        let deadline = Instant::now() + settings.timeout;
        let login = Login::prepare(settings, secrets).map_err(Failure::early)?;
        let context = Context::new(settings.ca_file.as_deref(), settings.identity.as_ref()).map_err(Failure::early)?;
        let endpoints = connect::endpoints(settings, deadline).await?;
        let (door, attempts) = connect::race(endpoints, &context, settings, deadline).await?;
        let endpoint = door.endpoint().clone();
        let failed = |attempts: Vec<Attempt>, cause: Cause| failure(attempts, &endpoint, cause);
        let tls = match door.enter(&context, &settings.domain, deadline).await {
            Ok(tls) => tls,
            Err(cause) => return Err(failed(attempts, cause)),
        };
        let mut session = match Self::begin(tls, endpoint.clone(), settings, deadline).await {
            Ok(session) => session,
            Err(cause) => return Err(failed(attempts, cause)),
        };
        if let Err(cause) = login.perform(&mut session, settings, secrets).await {
            session.quit().await;
            return Err(failed(attempts, cause));
        }
        session.attempts = attempts;
        Ok(session)
    }

    async fn begin(tls: TlsStream, endpoint: Endpoint, settings: &Settings, deadline: Instant) -> Result<Self, Cause> {
        let report =
            EndpointReport { endpoint: endpoint.clone(), protocol: tls.protocol(), group: tls.group() };
        let channel = Channel { binding: tls.channel_binding() };
        let (stream, inbox) = ReplyStream::new(tls);
        let hello = ClientId::Domain(settings.domain.clone());
        let connecting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        let connected = timeout_at(deadline, connecting).await;
        let step = Step::Ehlo;
        let connected = connected.map_err(|_| Cause::Silence { endpoint: endpoint.clone(), step })?;
        let reply = inbox.reply(&endpoint, step)?;
        match (reply.class(), connected) {
            (2, Ok(connection)) => Ok(Self {
                connection,
                offers: Offers::read(&reply),
                inbox,
                endpoint,
                report,
                channel,
                attempts: Vec::new(),
                dsn: settings.dsn.clone(),
                timeout: settings.timeout,
                deadline,
                used: false,
            }),
            (4, _) => Err(Cause::Deferred { endpoint, step, reply }),
            (5, _) => Err(Cause::Rejected { endpoint, step, reply }),
            (_, Err(_)) => Err(Cause::Lost { endpoint, step }),
            _ => Err(Cause::Protocol { endpoint, step, fault: ProtocolFault::Unexpected(reply) }),
        }
    }

    /// Where it leads.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Hands one message in.
    ///
    /// # Errors
    /// The message was not taken, and by [`Failure::unknown`] that it may have been. After a failure the session is
    /// of no more use.
    pub async fn submit(&mut self, sealed: &Sealed) -> Result<Accepted, Failure> {
        if std::mem::replace(&mut self.used, true) {
            // Each further message has the deadline for itself.
            self.deadline = Instant::now() + self.timeout;
        }
        match self.transact(sealed).await {
            Ok(reply) => Ok(Accepted {
                endpoint: self.report.clone(),
                reply,
                attempts: self.attempts.clone(),
                without_notices: self.dsn.is_some() && !self.offers.dsn,
            }),
            Err(cause) => Err(failure(self.attempts.clone(), &self.endpoint, cause)),
        }
    }

    /// Says goodbye; whatever becomes of that changes nothing.
    pub async fn quit(mut self) {
        let patience = self.deadline.min(Instant::now() + FAREWELL);
        let _ = timeout_at(patience, self.connection.command("QUIT\r\n")).await;
    }

    async fn transact(&mut self, sealed: &Sealed) -> Result<Reply, Cause> {
        let eight_bit = look::look(sealed.pieces())?;
        let size = sealed.len() as u64;
        let mail = self.mail(sealed, size, eight_bit)?;
        self.envelope(&mail, sealed.envelope().to()).await?;

        let reply = self.say(Step::Data, "DATA\r\n").await?;
        match reply.class() {
            3 if reply.code() == 354 => {}
            4 => return Err(Cause::Deferred { endpoint: self.endpoint.clone(), step: Step::Data, reply }),
            5 => return Err(Cause::Rejected { endpoint: self.endpoint.clone(), step: Step::Data, reply }),
            _ => return Err(self.out_of_order(Step::Data, reply)),
        }
        self.deadline += Duration::from_secs(size / SLOWEST);
        self.message(sealed).await
    }

    /// The MAIL command with its parameters, if the server can carry the message at all.
    fn mail(&self, sealed: &Sealed, size: u64, eight_bit: bool) -> Result<String, Cause> {
        let envelope = sealed.envelope();
        let mut mail = format!("MAIL FROM:<{}>", envelope.from());
        if let Some(limit) = self.offers.size {
            if limit > 0 && size > limit {
                return Err(Cause::TooLarge { endpoint: self.endpoint.clone(), size, limit });
            }
            mail += &format!(" SIZE={size}");
        }
        if eight_bit && !self.offers.eight_bit {
            return Err(Cause::NeedsEightBit(self.endpoint.clone()));
        }
        if eight_bit {
            mail += " BODY=8BITMIME";
        }
        if sealed.needs_smtputf8() {
            if !self.offers.smtputf8 {
                let all = std::iter::once(envelope.from()).chain(envelope.to());
                let addresses = all.filter(|address| address.needs_smtputf8()).cloned().collect();
                return Err(Cause::NeedsSmtputf8 { endpoint: self.endpoint.clone(), addresses });
            }
            mail += " SMTPUTF8";
        }
        if let Some(dsn) = self.dsn.as_ref().filter(|_| self.offers.dsn) {
            if dsn.headers_only {
                mail += " RET=HDRS";
            }
            if let Some(id) = &dsn.envelope_id {
                mail += &format!(" ENVID={}", xtext(id));
            }
        }
        Ok(mail + "\r\n")
    }

    /// MAIL and every RCPT; all or nothing.
    async fn envelope(&mut self, mail: &str, to: &[Address]) -> Result<(), Cause> {
        let notify = self.dsn.as_ref().filter(|dsn| self.offers.dsn && !dsn.notify.is_empty()).map(|dsn| {
            let words: Vec<_> = dsn.notify.iter().map(|notify| notify.keyword()).collect();
            format!(" NOTIFY={}", words.join(","))
        });
        let rcpt = |address: &Address| format!("RCPT TO:<{address}>{}\r\n", notify.as_deref().unwrap_or_default());
        let flight = if self.offers.pipelining { FLIGHT } else { 1 };
        let mut refused = Vec::new();
        let mut first = Some(mail);
        if flight == 1 {
            let reply = self.say(Step::Mail, mail).await?;
            self.taken(Step::Mail, reply)?;
            first = None;
        }
        for group in to.chunks(flight) {
            let mut commands = first.unwrap_or_default().to_owned();
            commands.extend(group.iter().map(rcpt));
            let mut reply = self.say(if first.is_some() { Step::Mail } else { Step::Recipient }, &commands).await?;
            let mut mail_refused = None;
            if first.take().is_some() {
                mail_refused = self.taken(Step::Mail, reply.clone()).err();
                reply = self.hear(Step::Recipient).await?;
            }
            for (index, address) in group.iter().enumerate() {
                if index > 0 {
                    reply = self.hear(Step::Recipient).await?;
                }
                match reply.class() {
                    2 => {}
                    4 | 5 => refused.push(Refusal { address: address.clone(), reply: reply.clone() }),
                    _ => return Err(self.out_of_order(Step::Recipient, reply)),
                }
            }
            if let Some(cause) = mail_refused {
                return Err(cause);
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        // Whatever the answer, nothing was sent.
        let _ = self.say(Step::Recipient, "RSET\r\n").await;
        let endpoint = self.endpoint.clone();
        if refused.iter().any(|refusal| refusal.reply.class() == 5) {
            Err(Cause::RecipientsRefused { endpoint, refused })
        } else {
            Err(Cause::RecipientsDeferred { endpoint, refused })
        }
    }

    /// The message and its final dot. Once the dot may have gone out, the message may have been taken.
    async fn message(&mut self, sealed: &Sealed) -> Result<Reply, Cause> {
        let dot = Cell::new(false);
        // lettre ends the message with CR LF, dot, CR LF: the last line break of ours is that first one.
        let mut rest = sealed.len() - 2;
        let mut pieces = sealed.pieces();
        let pieces = std::iter::from_fn(|| {
            let piece = pieces.next().filter(|_| rest > 0);
            let Some(piece) = piece else {
                dot.set(true);
                return None;
            };
            let piece = &piece[..piece.len().min(rest)];
            rest -= piece.len();
            Some(piece)
        });
        let sent = timeout_at(self.deadline, self.connection.message_iter(pieces)).await;
        let endpoint = self.endpoint.clone();
        if !dot.get() {
            return Err(match sent {
                Err(_) => Cause::Silence { endpoint, step: Step::Message },
                Ok(_) => Cause::Lost { endpoint, step: Step::Message },
            });
        }
        let unknown = |detail: String| Cause::Unknown { endpoint: endpoint.clone(), detail };
        let step = Step::Dot;
        match self.inbox.take() {
            Some(reply) if reply.class() == 2 => Ok(reply),
            Some(reply) if reply.class() == 4 => Err(Cause::Deferred { endpoint, step, reply }),
            Some(reply) if reply.class() == 5 => Err(Cause::Rejected { endpoint, step, reply }),
            Some(reply) => Err(unknown(format!("it said {reply}"))),
            None => Err(unknown(match (sent, self.inbox.fault()) {
                (Err(_), _) => "no reply came in time".to_owned(),
                (_, Some(fault)) => fault.to_string(),
                _ => "the connection was lost".to_owned(),
            })),
        }
    }

    /// Says something and hears the first reply to it.
    pub(super) async fn say(&mut self, step: Step, command: &str) -> Result<Reply, Cause> {
        if self.inbox.is_ahead() {
            let fault = ProtocolFault::OutOfTurn;
            return Err(Cause::Protocol { endpoint: self.endpoint.clone(), step, fault });
        }
        let said = timeout_at(self.deadline, self.connection.command(command)).await;
        self.heard(step, said.is_err())
    }

    /// Hears one more reply of a flight.
    async fn hear(&mut self, step: Step) -> Result<Reply, Cause> {
        let heard = timeout_at(self.deadline, self.connection.read_response()).await;
        self.heard(step, heard.is_err())
    }

    fn heard(&self, step: Step, late: bool) -> Result<Reply, Cause> {
        match self.inbox.reply(&self.endpoint, step) {
            Err(Cause::Lost { endpoint, step }) if late => Err(Cause::Silence { endpoint, step }),
            heard => heard,
        }
    }

    /// A 2xx, or why not.
    fn taken(&self, step: Step, reply: Reply) -> Result<(), Cause> {
        let endpoint = self.endpoint.clone();
        match reply.class() {
            2 => Ok(()),
            4 => Err(Cause::Deferred { endpoint, step, reply }),
            5 => Err(Cause::Rejected { endpoint, step, reply }),
            _ => Err(self.out_of_order(step, reply)),
        }
    }

    pub(super) fn out_of_order(&self, step: Step, reply: Reply) -> Cause {
        Cause::Protocol { endpoint: self.endpoint.clone(), step, fault: ProtocolFault::Unexpected(reply) }
    }
}

impl EndpointReport {
    /// How TLS began.
    pub fn tls(&self) -> Tls {
        self.endpoint.tls
    }
}

fn failure(mut attempts: Vec<Attempt>, endpoint: &Endpoint, cause: Cause) -> Failure {
    attempts.push(Attempt::of(endpoint.clone(), &cause));
    Failure { attempts, cause: Box::new(cause) }
}

/// RFC 3461, 4: printable ASCII but `+` and `=`, all else as `+HH`; at most 100 characters.
fn xtext(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let piece = match byte {
            b'+' | b'=' | 0..=b' ' | 0x7f.. => format!("+{byte:02X}"),
            _ => char::from(byte).to_string(),
        };
        if out.len() + piece.len() > 100 {
            break;
        }
        out += &piece;
    }
    out
}
