//! From settings to a session, and messages over it (RFC 5321, 3.3).

use std::{fmt::Write, time::Duration};

use lettre::transport::smtp::commands::Data;
use tokio::time::{Instant, timeout_at};

use super::{
    Attempt, Cause, Dsn, Endpoint, Failure, Notify, Refusal, Reply, Secrets, Settings, Step, Tls, Unsendable,
    dialogue::{Dialogue, Handed},
    login::{Credentials, log_in},
    look::look,
    opening::unwelcome,
    race::race,
};
use crate::{crypt::Sealed, mail::Address, net::tls::Context};

/// The most commands in one flight, so that neither side can fill the other's buffers while it writes.
const FLIGHT: usize = 100;

/// The most bytes in one flight: it leaves as one record, before the first reply to it can come.
const FLIGHT_BYTES: usize = 12 * 1024;

/// What a connection must carry at least, in bytes a second, to get more than the timeout for a message.
const SLOWEST: u64 = 64 * 1024;

/// How much of a message is handed on at a time.
const CHUNK: usize = 64 * 1024;

/// A session that is ready for messages: TLS stands, the server is proven, the login is done.
///
/// Nothing but a sealed message can be handed to it:
///
/// ```compile_fail
/// # use sealpost::submit::{Accepted, Failure, Session};
/// async fn leak(session: &mut Session) -> Result<Accepted, Failure> { session.submit(b"hello").await }
/// ```
///
/// ```
/// # use sealpost::{crypt::Sealed, submit::{Accepted, Failure, Session}};
/// async fn send(session: &mut Session, sealed: &Sealed) -> Result<Accepted, Failure> { session.submit(sealed).await }
/// ```
pub struct Session {
    dialogue: Dialogue,
    report: EndpointReport,
    attempts: Vec<Attempt>,
    timeout: Duration,
    dsn: Option<Dsn>,
    fresh: bool,
}

/// Where a session leads and how it is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointReport {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How TLS began.
    pub tls: Tls,
    /// `TLSv1.3` or `TLSv1.2`.
    pub protocol: String,
    /// The group of the key exchange, for instance `X25519MLKEM768`.
    pub group: Option<String>,
}

/// A message that the server has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// By whom, and how it went there. Worth remembering for the next time.
    pub endpoint: EndpointReport,
    /// What the server said, without the code, bounded, control characters made U+FFFD.
    pub reply: String,
    /// The endpoints that were tried before.
    pub attempts: Vec<Attempt>,
}

impl EndpointReport {
    /// To be given as [`Settings::remembered`] the next time.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port, tls: self.tls }
    }
}

impl Session {
    /// Fetches the secrets, tries the endpoints in order, and logs in at the first that greets.
    ///
    /// # Errors
    /// See [`Cause`]. Nothing of a message was on the wire then.
    pub async fn connect(settings: &Settings, secrets: &mut dyn Secrets) -> Result<Self, Failure> {
        settings.check().map_err(Failure::early)?;
        let tls = Context::new(settings.ca_file.as_deref(), settings.identity.as_ref()).map_err(Failure::early)?;
        let credentials = Credentials::fetch(settings, secrets).map_err(Failure::early)?;
        let deadline = Instant::now() + settings.timeout;
        let endpoints = settings.endpoints(deadline).await.map_err(Failure::early)?;
        let (greeted, mut attempts) = race(endpoints, &tls, settings.head_start, deadline).await?;
        let endpoint = greeted.endpoint.clone();
        let opened = async {
            let stream = greeted.secure(&tls, deadline).await?;
            let report = EndpointReport {
                host: endpoint.host.clone(),
                port: endpoint.port,
                tls: endpoint.tls,
                protocol: stream.protocol().to_owned(),
                group: stream.group(),
            };
            let binding = stream.channel_binding();
            let mut dialogue = Dialogue::begin(stream, endpoint.clone(), deadline).await?;
            if let Err(cause) = log_in(&mut dialogue, credentials, secrets, binding).await {
                dialogue.quit().await;
                return Err(cause);
            }
            Ok((dialogue, report))
        };
        match opened.await {
            Ok((dialogue, report)) => {
                let (timeout, dsn) = (settings.timeout, settings.dsn.clone());
                Ok(Self { dialogue, report, attempts, timeout, dsn, fresh: true })
            }
            Err(cause) => {
                attempts.push(Attempt::of(endpoint, &cause));
                Err(Failure { attempts, cause: Box::new(cause) })
            }
        }
    }

    /// Hands a sealed message to the server, for all its recipients or for none.
    ///
    /// # Errors
    /// See [`Cause`]. But for [`Cause::Unknown`] nobody gets the message.
    pub async fn submit(&mut self, sealed: &Sealed) -> Result<Accepted, Failure> {
        if !self.fresh {
            self.dialogue.deadline = Instant::now() + self.timeout;
        }
        self.fresh = false;
        match self.hand_over(sealed).await {
            Ok(reply) => {
                let (endpoint, attempts) = (self.report.clone(), self.attempts.clone());
                Ok(Accepted { endpoint, reply: reply.text(), attempts })
            }
            Err(cause) => {
                let mut attempts = self.attempts.clone();
                if !matches!(cause, Cause::Unsendable(_)) {
                    attempts.push(Attempt::of(self.report.endpoint(), &cause));
                }
                Err(Failure { attempts, cause: Box::new(cause) })
            }
        }
    }

    /// Ends the session politely, if the server lets it in a second.
    pub async fn quit(mut self) {
        self.dialogue.quit().await;
    }

    /// What the server offers.
    pub fn offers(&self) -> &super::Offers {
        &self.dialogue.offers
    }

    /// Where it leads and how it is protected.
    pub fn endpoint(&self) -> &EndpointReport {
        &self.report
    }

    async fn hand_over(&mut self, sealed: &Sealed) -> Result<Reply, Cause> {
        let eight_bit = look(sealed.pieces())?;
        let mail = self.mail(sealed, eight_bit)?;
        self.envelope(sealed, mail).await?;
        let endpoint = self.dialogue.endpoint.clone();
        let reply = self.dialogue.ask(Step::Data, Data).await?;
        if reply.code() != 354 {
            self.dialogue.reset().await;
            return Err(unwelcome(endpoint, Step::Data, reply));
        }

        let allowance = Duration::from_secs(sealed.len() as u64 / SLOWEST);
        // lettre ends the last line itself.
        let mut left = sealed.len() - 2;
        let content = sealed.pieces().flat_map(move |piece| {
            let now = piece.len().min(left);
            left -= now;
            piece[..now].chunks(CHUNK)
        });
        match self.dialogue.hand(content, allowance).await {
            Handed::Replied(reply) => match reply.class() {
                2 => Ok(reply),
                4 | 5 => Err(unwelcome(endpoint, Step::Dot, reply)),
                _ => Err(Cause::Unknown { endpoint, detail: format!("it said {reply}") }),
            },
            Handed::Before(cause) => Err(cause),
            Handed::After(detail) => Err(Cause::Unknown { endpoint, detail }),
        }
    }

    /// The MAIL command, if the server can take such a message at all.
    fn mail(&self, sealed: &Sealed, eight_bit: bool) -> Result<String, Cause> {
        let (offers, endpoint) = (&self.dialogue.offers, || self.dialogue.endpoint.clone());
        let envelope = sealed.envelope();
        let all = || std::iter::once(envelope.from()).chain(envelope.to());
        if all().any(|address| address.to_string().chars().any(char::is_control)) {
            return Err(Unsendable::Address.into());
        }
        let addresses: Vec<Address> = all().filter(|address| address.needs_smtputf8()).cloned().collect();
        let smtputf8 = sealed.needs_smtputf8();
        if smtputf8 && !offers.smtputf8 {
            return Err(Cause::NeedsSmtputf8 { endpoint: endpoint(), addresses });
        }
        if eight_bit && !offers.eight_bit {
            return Err(Cause::NeedsEightBit(endpoint()));
        }
        let size = sealed.len() as u64;
        if let Some(limit) = offers.size.filter(|limit| *limit > 0 && size > *limit) {
            return Err(Cause::TooLarge { endpoint: endpoint(), size, limit });
        }

        let mut command = format!("MAIL FROM:<{}>", envelope.from());
        if offers.size.is_some() {
            let _ = write!(command, " SIZE={size}");
        }
        if eight_bit {
            command.push_str(" BODY=8BITMIME");
        }
        if smtputf8 {
            command.push_str(" SMTPUTF8");
        }
        if let Some(dsn) = self.dsn.as_ref().filter(|_| offers.dsn) {
            if dsn.headers_only {
                command.push_str(" RET=HDRS");
            }
            if let Some(id) = &dsn.envelope_id {
                let _ = write!(command, " ENVID={}", xtext(id));
            }
        }
        command.push_str("\r\n");
        Ok(command)
    }

    /// MAIL and RCPT; when one is refused, RSET, so that nobody gets the message.
    async fn envelope(&mut self, sealed: &Sealed, mail: String) -> Result<(), Cause> {
        let most = if self.dialogue.offers.pipelining { FLIGHT } else { 1 };
        let notify = self.notify();
        let mut waiting = sealed.envelope().to().iter().peekable();
        let mut refused: Vec<Refusal> = Vec::new();
        let mut commands = mail;
        let mut with_mail = true;
        let mut ended = None;
        while with_mail || waiting.peek().is_some() {
            let mut flight: Vec<&Address> = Vec::new();
            while flight.len() + usize::from(with_mail) < most && commands.len() < FLIGHT_BYTES {
                let Some(address) = waiting.next() else { break };
                let _ = write!(commands, "RCPT TO:<{address}>{notify}\r\n");
                flight.push(address);
            }
            let step = if with_mail { Step::Mail } else { Step::Recipient };
            let count = flight.len() + usize::from(with_mail);
            let mut replies = self.dialogue.flight(step, &commands, count).await?.into_iter();
            commands.clear();
            if with_mail {
                with_mail = false;
                match replies.next() {
                    Some(reply) if reply.class() == 2 => {}
                    Some(reply) => ended = Some(unwelcome(self.dialogue.endpoint.clone(), Step::Mail, reply)),
                    None => {}
                }
            }
            for (address, reply) in flight.into_iter().zip(replies) {
                match reply.class() {
                    2 => {}
                    4 | 5 => refused.push(Refusal { address: address.clone(), reply }),
                    _ if ended.is_some() => {}
                    _ => ended = Some(unwelcome(self.dialogue.endpoint.clone(), Step::Recipient, reply)),
                }
            }
            if ended.is_some() || self.dialogue.is_over() {
                break;
            }
        }
        let cause = match ended {
            Some(cause) => cause,
            None if refused.is_empty() => return Ok(()),
            None => self.refusal(refused),
        };
        self.dialogue.reset().await;
        Err(cause)
    }

    /// A refusal for good outweighs one for now, and names those alone whom it concerns.
    fn refusal(&self, refused: Vec<Refusal>) -> Cause {
        let endpoint = self.dialogue.endpoint.clone();
        let (for_good, for_now): (Vec<_>, Vec<_>) = refused.into_iter().partition(|refusal| refusal.reply.class() == 5);
        if for_good.is_empty() {
            Cause::RecipientsDeferred { endpoint, refused: for_now }
        } else {
            Cause::RecipientsRefused { endpoint, refused: for_good }
        }
    }

    fn notify(&self) -> String {
        match &self.dsn {
            Some(dsn) if self.dialogue.offers.dsn && !dsn.notify.is_empty() => {
                let never = dsn.notify.contains(&Notify::Never);
                let kept = dsn.notify.iter().filter(|notify| !never || **notify == Notify::Never);
                let keywords: Vec<&str> = kept.map(|notify| notify.keyword()).collect();
                format!(" NOTIFY={}", keywords.join(","))
            }
            _ => String::new(),
        }
    }
}

impl Settings {
    /// Where to try, in order: the ports of the host, or what the domain's SRV records name.
    async fn endpoints(&self, deadline: Instant) -> Result<Vec<Endpoint>, Cause> {
        let mut endpoints = match &self.host {
            Some(host) => {
                let at = |port: &super::Port| Endpoint { host: host.clone(), port: port.number(), tls: port.tls() };
                self.ports.iter().map(at).collect()
            }
            None => match timeout_at(deadline, self.published()).await {
                Ok(found) => found?,
                Err(_) => return Err(self.no_server("no answer in time".to_owned())),
            },
        };
        if let Some(remembered) = &self.remembered
            && let Some(at) = endpoints.iter().position(|endpoint| endpoint == remembered)
        {
            endpoints[..=at].rotate_right(1);
        }
        Ok(endpoints)
    }

    async fn published(&self) -> Result<Vec<Endpoint>, Cause> {
        let mut endpoints = Vec::new();
        let mut detail = "the domain names none".to_owned();
        for (service, tls) in [("_submission", Tls::StartTls), ("_submissions", Tls::Implicit)] {
            match self.dns.services(&format!("{service}._tcp.{}", self.domain)).await {
                Ok(services) => endpoints.extend(services.into_iter().map(|found| Endpoint {
                    host: found.target,
                    port: found.port,
                    tls,
                })),
                Err(error) => detail = error.to_string(),
            }
        }
        // Without DNSSEC anybody on the way can name a host of his own, with a good certificate (RFC 6186, 6).
        let inside = |host: &str| host == self.domain || host.ends_with(&format!(".{}", self.domain));
        if let Some(foreign) = endpoints.iter().find(|endpoint| !inside(&endpoint.host)) {
            return Err(Cause::ForeignServer { domain: self.domain.clone(), target: foreign.host.clone() });
        }
        endpoints.retain(|endpoint| endpoint.port != 25);
        if endpoints.is_empty() { Err(self.no_server(detail)) } else { Ok(endpoints) }
    }

    fn no_server(&self, detail: String) -> Cause {
        Cause::NoServer { domain: self.domain.clone(), detail }
    }
}

/// RFC 3461, 4.
fn xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'+' && byte != b'=' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "+{byte:02X}");
            }
        }
    }
    encoded
}
