//! What a submission that failed tells: each cause with its data, each attempt with its outcome.

use std::{error::Error, fmt};

use super::{Auth, Endpoint, Reply, ReplyFault, Tls, look::Unsendable};
use crate::{
    mail::Address,
    net::tls::{ContextError, TlsFault},
};

/// How an attempt at one endpoint ended; `attempts[].outcome` of receipts and errors, whose words do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Refused, reset or closed before the greeting. The next is tried.
    Refused,
    /// No connection or no greeting within the head start. The next is tried.
    Silent,
    /// The name does not resolve. The next is tried.
    Unresolved,
    /// STARTTLS was not offered, or refused.
    Stripped,
    /// The certificate does not prove the host.
    BadCertificate,
    /// TLS failed otherwise.
    BadTls,
    /// The login was refused, no mechanism is in common, or the server did not prove itself.
    BadLogin,
    /// A reply that is none, or out of step, or bytes in clear behind STARTTLS.
    Protocol,
    /// Not now: trying again later is safe.
    Temporary,
    /// Refused for good.
    Rejected,
    /// Taken.
    Accepted,
}

/// One endpoint that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub endpoint: Endpoint,
    /// How it ended; none if the message may have been taken (status `unknown`).
    pub outcome: Option<Outcome>,
    /// The same in words, with what the server said.
    pub detail: String,
}

/// The step of the dialogue at which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first word of the server.
    Greeting,
    /// Ours.
    Ehlo,
    /// The upgrade.
    StartTls,
    /// The login.
    Login,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA.
    Data,
    /// From the first byte of the message to the final dot.
    Message,
    /// The reply to the final dot.
    Dot,
}

/// A recipient that the server did not take, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whom.
    pub address: Address,
    /// Why.
    pub reply: Reply,
}

/// What was out of order in the dialogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolFault {
    /// Not a reply.
    #[error(transparent)]
    Reply(#[from] ReplyFault),
    /// A reply that nobody asked for.
    #[error("the server spoke out of turn")]
    OutOfTurn,
    /// Bytes in clear behind the reply to STARTTLS: somebody tries to put words into the session.
    #[error("bytes in clear came behind the reply to STARTTLS")]
    Clear,
    /// A code that this step cannot have.
    #[error("unexpected reply: {0}")]
    Unexpected(Reply),
}

/// The caller's reason why a password or token could not be had, to be taken back as it was given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SecretFailure(pub Box<dyn Error + Send + Sync>);

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    // Nothing was on the wire yet.
    /// CA file or client certificate.
    #[error(transparent)]
    Tls(#[from] ContextError),
    /// The user name holds a control character.
    #[error("the user name {0:?} holds a control character")]
    User(String),
    /// The host is neither a name nor an address.
    #[error("{0:?} is not a host name")]
    Host(String),
    /// A mechanism that needs a user name, a secret or a certificate, and there is none.
    #[error("a login by {mechanism} needs {what}")]
    Incomplete {
        /// Which mechanism is set.
        mechanism: Auth,
        /// `a user name`, `a password`, `a token`, `a client certificate`.
        what: &'static str,
    },
    /// The password or the token cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretFailure),
    /// The bytes of the message break the rules of the wire.
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
    /// No host was given, and the domain names none.
    #[error("no submission server is known for {domain}: {detail}")]
    NoServer {
        /// The domain asked.
        domain: String,
        /// What the look-up gave.
        detail: String,
    },
    /// The domain names a host elsewhere, and nothing proves that it really does (RFC 6186, 6).
    #[error("{domain} names {target} as its submission server, which is outside of it and not proven")]
    ForeignServer {
        /// The domain asked.
        domain: String,
        /// The host that it names.
        target: String,
    },

    // No greeting came: the next endpoint was tried.
    /// The host's name does not resolve.
    #[error("{host} does not resolve: {detail}")]
    Unresolved {
        /// Which.
        host: String,
        /// The resolver's words.
        detail: String,
    },
    /// The connection was refused, reset or closed.
    #[error("{endpoint} refused the connection: {detail}")]
    Refused {
        /// Where.
        endpoint: Endpoint,
        /// The system's words.
        detail: String,
    },
    /// Nothing came.
    #[error("{0} stayed silent")]
    Silent(Endpoint),

    // From here on no other endpoint was tried.
    /// STARTTLS was not offered, or refused with this reply.
    #[error("{endpoint} does not offer STARTTLS{}", said(.reply))]
    Stripped {
        /// Where.
        endpoint: Endpoint,
        /// The refusal.
        reply: Option<Reply>,
    },
    /// TLS failed, the certificate among it.
    #[error("no TLS with {endpoint}: {fault}")]
    BadTls {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        fault: TlsFault,
    },
    /// The TLS handshake did not end in time.
    #[error("no TLS with {0}: the handshake hung")]
    HungTls(Endpoint),
    /// Nothing that the server offers can be used.
    #[error("{endpoint} offers no login that can be used: {}", offer_list(.offered))]
    NoMechanism {
        /// Where.
        endpoint: Endpoint,
        /// What is set.
        wanted: Auth,
        /// What the server offers.
        offered: Vec<String>,
    },
    /// The server refused the login.
    #[error("{endpoint} refused the login by {mechanism}: {reply}{}", reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    LoginRefused {
        /// Where.
        endpoint: Endpoint,
        /// By which mechanism.
        mechanism: &'static str,
        /// What it said.
        reply: Reply,
        /// What it said in its challenge, as JSON (RFC 7628, 3.2.2).
        reason: Option<String>,
    },
    /// The server could not prove that it knows the password, or asks for what would give it away.
    #[error("{endpoint} did not prove that it knows the password: {detail}")]
    Unproven {
        /// Where.
        endpoint: Endpoint,
        /// What was wrong.
        detail: &'static str,
    },
    /// Out of order.
    #[error("{endpoint} broke the protocol at {step}: {fault}")]
    Protocol {
        /// Where.
        endpoint: Endpoint,
        /// When.
        step: Step,
        /// How.
        fault: ProtocolFault,
    },
    /// A 4xx.
    #[error("{endpoint} said not now at {step}: {reply}")]
    Deferred {
        /// Where.
        endpoint: Endpoint,
        /// When.
        step: Step,
        /// What it said.
        reply: Reply,
    },
    /// Some recipients got a 4xx, none a 5xx; nobody gets the message.
    #[error("{endpoint} said not now for {}", names(.refused))]
    RecipientsDeferred {
        /// Where.
        endpoint: Endpoint,
        /// Which, with the reply for each.
        refused: Vec<Refusal>,
    },
    /// The connection broke before the final dot.
    #[error("{endpoint} closed the connection at {step}")]
    Lost {
        /// Where.
        endpoint: Endpoint,
        /// When.
        step: Step,
    },
    /// No reply in time, before the final dot.
    #[error("{endpoint} gave no reply in time at {step}")]
    Silence {
        /// Where.
        endpoint: Endpoint,
        /// When.
        step: Step,
    },
    /// A 5xx to anything but a recipient.
    #[error("{endpoint} refused at {step}: {reply}")]
    Rejected {
        /// Where.
        endpoint: Endpoint,
        /// When.
        step: Step,
        /// What it said.
        reply: Reply,
    },
    /// Larger than the server takes.
    #[error("the sealed message has {size} bytes, {endpoint} takes {limit}")]
    TooLarge {
        /// Where.
        endpoint: Endpoint,
        /// In bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// Addresses that the server cannot carry, for want of SMTPUTF8.
    #[error("{endpoint} does not offer SMTPUTF8, which is needed for {}", join(.addresses))]
    NeedsSmtputf8 {
        /// Where.
        endpoint: Endpoint,
        /// Which.
        addresses: Vec<Address>,
    },
    /// The message has bytes over 127 and the server does not offer 8BITMIME.
    #[error("{0} does not offer 8BITMIME, which the message needs")]
    NeedsEightBit(Endpoint),
    /// Some recipients got a 5xx; nobody gets the message.
    #[error("{endpoint} refused {}", names(.refused))]
    RecipientsRefused {
        /// Where.
        endpoint: Endpoint,
        /// Which, with the reply for each.
        refused: Vec<Refusal>,
    },
    /// The reply to the final dot is missing or unreadable: the message may have been taken.
    #[error("{endpoint} may have taken the message: after the final dot {detail}")]
    Unknown {
        /// Where.
        endpoint: Endpoint,
        /// What happened.
        detail: String,
    },
}

/// A submission that failed.
#[derive(Debug)]
pub struct Failure {
    /// Every endpoint that was tried, in order; the last is the one that ended it.
    pub attempts: Vec<Attempt>,
    /// Why.
    pub cause: Box<Cause>,
}

impl Cause {
    /// The outcome of the attempt that it ended; none where nothing was tried, or the message may have been taken.
    pub fn outcome(&self) -> Option<Outcome> {
        Some(match self {
            Self::Tls(_)
            | Self::User(_)
            | Self::Host(_)
            | Self::Incomplete { .. }
            | Self::Secret(_)
            | Self::Unsendable(_)
            | Self::Unknown { .. } => return None,
            Self::NoServer { .. } | Self::ForeignServer { .. } | Self::Unresolved { .. } => Outcome::Unresolved,
            Self::Refused { .. } => Outcome::Refused,
            Self::Silent(_) => Outcome::Silent,
            Self::Stripped { .. } => Outcome::Stripped,
            Self::BadTls { fault: TlsFault::Certificate { .. }, .. } => Outcome::BadCertificate,
            Self::BadTls { .. } | Self::HungTls(_) => Outcome::BadTls,
            Self::NoMechanism { .. } | Self::LoginRefused { .. } | Self::Unproven { .. } => Outcome::BadLogin,
            Self::Protocol { .. } => Outcome::Protocol,
            Self::Deferred { .. } | Self::RecipientsDeferred { .. } | Self::Lost { .. } | Self::Silence { .. } => {
                Outcome::Temporary
            }
            Self::Rejected { .. }
            | Self::TooLarge { .. }
            | Self::NeedsSmtputf8 { .. }
            | Self::NeedsEightBit(_)
            | Self::RecipientsRefused { .. } => Outcome::Rejected,
        })
    }

    /// Whether the next endpoint is tried: only where none has greeted.
    pub(super) fn moves_on(&self) -> bool {
        matches!(self, Self::Unresolved { .. } | Self::Refused { .. } | Self::Silent(_))
    }
}

impl Failure {
    /// Before any endpoint was tried.
    pub(super) fn early(cause: impl Into<Cause>) -> Self {
        Self { attempts: Vec::new(), cause: Box::new(cause.into()) }
    }

    /// The recipients that the server did not take, with the reply for each.
    pub fn refused(&self) -> &[Refusal] {
        match &*self.cause {
            Cause::RecipientsRefused { refused, .. } | Cause::RecipientsDeferred { refused, .. } => refused,
            _ => &[],
        }
    }

    /// What the server said to the message that it did not take, of several replies the first.
    pub fn reply(&self) -> Option<&Reply> {
        match &*self.cause {
            Cause::Rejected { reply, .. } | Cause::Deferred { reply, .. } => Some(reply),
            _ => self.refused().first().map(|refusal| &refusal.reply),
        }
    }

    /// Whether the message may have been taken: it must not be sent again unasked.
    pub fn unknown(&self) -> bool {
        matches!(*self.cause, Cause::Unknown { .. })
    }
}

impl Attempt {
    pub(super) fn of(endpoint: Endpoint, cause: &Cause) -> Self {
        Self { endpoint, outcome: cause.outcome(), detail: cause.to_string() }
    }

    /// How TLS was to begin.
    pub fn tls(&self) -> Tls {
        self.endpoint.tls
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Message => "the message",
            Self::Dot => "the final dot",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

fn said(reply: &Option<Reply>) -> String {
    reply.as_ref().map(|reply| format!(": {reply}")).unwrap_or_default()
}

fn offer_list(mechanisms: &[String]) -> String {
    if mechanisms.is_empty() { "none".to_owned() } else { mechanisms.join(", ") }
}

fn names(refused: &[Refusal]) -> String {
    refused.iter().map(|refusal| format!("{} ({})", refusal.address, refusal.reply)).collect::<Vec<_>>().join(", ")
}

fn join(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}
