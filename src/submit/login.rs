//! Logins (RFC 4954): SCRAM-SHA-256 with channel binding, PLAIN, LOGIN, OAUTHBEARER, XOAUTH2, EXTERNAL.
//!
//! Secrets are asked for before the first connection. Nothing here is said outside of TLS.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    Auth, Cause, ProtocolFault, Reply, Secrets, Session, Settings, Step,
    reply::shown,
    scram::{Binding, Scram, ScramFault},
};

/// The longest initial response that goes with the AUTH command: some servers take commands of 512 bytes only.
const LONGEST_INITIAL: usize = 400;

/// What ties a login to its connection.
pub(super) struct Channel {
    /// The name of the binding, and its data.
    pub(super) binding: Option<(&'static str, Vec<u8>)>,
}

/// A login that has all it needs.
pub(super) struct Login {
    auth: Auth,
    user: String,
    password: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
    certificate: bool,
}

/// A mechanism as it is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    ScramPlus,
    Scram,
    Plain,
    Login,
    OAuthBearer,
    XOAuth2,
    External,
}

impl Login {
    /// Fetches the secrets that the settings ask for.
    pub(super) fn prepare(settings: &Settings, secrets: &mut impl Secrets) -> Result<Self, Cause> {
        let held = secrets.held();
        let certificate = settings.identity.is_some();
        let incomplete = |what| Err(Cause::Incomplete { mechanism: settings.auth, what });
        let (password, token) = match settings.auth {
            Auth::None => (false, false),
            Auth::Auto => {
                let any = held.password || held.token || certificate;
                if settings.user.is_some() && !any {
                    return incomplete("a password or a token");
                }
                (held.password, held.token)
            }
            Auth::ScramSha256 | Auth::Plain | Auth::Login if !held.password => return incomplete("a password"),
            Auth::OAuthBearer | Auth::XOAuth2 if !held.token => return incomplete("a token"),
            Auth::External if !certificate => return incomplete("a client certificate"),
            Auth::ScramSha256 | Auth::Plain | Auth::Login => (true, false),
            Auth::OAuthBearer | Auth::XOAuth2 => (false, true),
            Auth::External => (false, false),
        };
        if (password || token) && settings.user.is_none() {
            return incomplete("a user name");
        }
        Ok(Self {
            auth: settings.auth,
            user: settings.user.clone().unwrap_or_default(),
            password: if password { Some(secrets.password()?) } else { None },
            token: if token { Some(secrets.token()?) } else { None },
            certificate,
        })
    }

    /// Logs in, or does nothing where no login is set.
    pub(super) async fn perform(
        self,
        session: &mut Session,
        settings: &Settings,
        secrets: &mut impl Secrets,
    ) -> Result<(), Cause> {
        let wanted = self.wanted(session);
        if wanted.is_empty() {
            return Ok(());
        }
        let offered = &session.offers.auth;
        let Some(&mechanism) = wanted.iter().find(|one| offered.iter().any(|offer| offer == one.name())) else {
            // A certificate alone may be all that the server wants.
            if self.auth == Auth::Auto && self.password.is_none() && self.token.is_none() {
                return Ok(());
            }
            return Err(Cause::NoMechanism {
                endpoint: session.endpoint().clone(),
                wanted: settings.auth,
                offered: offered.clone(),
            });
        };
        match (mechanism, &self.password, &self.token) {
            (Mechanism::ScramPlus | Mechanism::Scram, Some(password), _) => {
                self.scram(session, mechanism, password).await
            }
            (Mechanism::Plain, Some(password), _) => {
                let response = Zeroizing::new(format!("\0{}\0{}", self.user, **password));
                let reply = begin(session, mechanism, &response).await?;
                success(session, mechanism, reply, None)
            }
            (Mechanism::Login, Some(password), _) => self.login(session, password).await,
            (Mechanism::OAuthBearer | Mechanism::XOAuth2, _, Some(token)) => {
                match self.bearer(session, mechanism, token).await {
                    Err(Cause::LoginRefused { .. }) => {
                        let fresh = secrets.token()?;
                        self.bearer(session, mechanism, &fresh).await
                    }
                    ended => ended,
                }
            }
            (Mechanism::External, ..) => {
                let reply = begin(session, mechanism, &self.user).await?;
                success(session, mechanism, reply, None)
            }
            _ => Ok(()),
        }
    }

    /// The mechanisms that can be used, the strongest first.
    fn wanted(&self, session: &Session) -> Vec<Mechanism> {
        use Mechanism as M;
        let scram = if session.channel.binding.is_some() { vec![M::ScramPlus, M::Scram] } else { vec![M::Scram] };
        match self.auth {
            Auth::None => Vec::new(),
            Auth::ScramSha256 => scram,
            Auth::Plain => vec![M::Plain],
            Auth::Login => vec![M::Login],
            Auth::OAuthBearer => vec![M::OAuthBearer],
            Auth::XOAuth2 => vec![M::XOAuth2],
            Auth::External => vec![M::External],
            Auth::Auto => {
                let mut all = Vec::new();
                if self.certificate && self.password.is_none() && self.token.is_none() {
                    all.push(M::External);
                }
                if self.token.is_some() {
                    all.extend([M::OAuthBearer, M::XOAuth2]);
                }
                if self.password.is_some() {
                    all.extend(scram);
                    all.extend([M::Plain, M::Login]);
                }
                all
            }
        }
    }

    async fn scram(&self, session: &mut Session, mechanism: Mechanism, password: &str) -> Result<(), Cause> {
        let binding = match (mechanism, session.channel.binding.clone()) {
            (Mechanism::ScramPlus, Some((name, data))) => Binding::Bound(name, data),
            // "We could, you do not": a server that does will notice who took its offer away (RFC 5802, 6).
            (_, Some(_)) => Binding::NotOffered,
            (_, None) => Binding::Impossible,
        };
        let mut nonce = [0; 18];
        let unproven = |detail: &'static str, session: &Session| Cause::Unproven {
            endpoint: session.endpoint().clone(),
            detail,
        };
        openssl::rand::rand_bytes(&mut nonce).map_err(|_| unproven("no random bytes", session))?;
        let mut scram = Scram::new(&self.user, binding, &nonce);
        let fault = |fault: ScramFault, reply: Reply, session: &Session| match fault {
            ScramFault::Server(detail) => unproven(detail, session),
            ScramFault::Library(_) => unproven("the crypto library failed", session),
            ScramFault::Refused(reason) => refused(session, mechanism, reply, Some(reason)),
        };
        let first = Zeroizing::new(scram.first());
        let reply = begin(session, mechanism, &first).await?;
        let challenge = self::challenge(session, mechanism, &reply)?;
        let last = match scram.last(&challenge, password) {
            Ok(last) => Zeroizing::new(last),
            Err(error) => {
                let _ = session.say(Step::Login, "*\r\n").await;
                return Err(fault(error, reply, session));
            }
        };
        let reply = respond(session, &last).await?;
        let challenge = self::challenge(session, mechanism, &reply)?;
        if let Err(error) = scram.verify(&challenge) {
            let _ = session.say(Step::Login, "*\r\n").await;
            return Err(fault(error, reply, session));
        }
        let reply = respond(session, "").await?;
        success(session, mechanism, reply, None)
    }

    async fn login(&self, session: &mut Session, password: &str) -> Result<(), Cause> {
        let reply = session.say(Step::Login, "AUTH LOGIN\r\n").await?;
        challenge(session, Mechanism::Login, &reply)?;
        let reply = respond(session, &self.user).await?;
        challenge(session, Mechanism::Login, &reply)?;
        let reply = respond(session, password).await?;
        success(session, Mechanism::Login, reply, None)
    }

    async fn bearer(&self, session: &mut Session, mechanism: Mechanism, token: &str) -> Result<(), Cause> {
        let (host, port) = (session.endpoint().host.clone(), session.endpoint().port);
        let response = Zeroizing::new(match mechanism {
            Mechanism::OAuthBearer => {
                let user = self.user.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01")
            }
            _ => format!("user={}\x01auth=Bearer {token}\x01\x01", self.user),
        });
        let reply = begin(session, mechanism, &response).await?;
        if reply.code() != 334 {
            return success(session, mechanism, reply, None);
        }
        // The challenge is the server's reason as JSON; it wants an answer before it refuses (RFC 7628, 3.2.3).
        let reason = challenge(session, mechanism, &reply)?;
        let reason = shown(&reason);
        let answer = if mechanism == Mechanism::OAuthBearer { "\x01" } else { "" };
        let reply = respond(session, answer).await?;
        success(session, mechanism, reply, Some(reason))
    }
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::ScramPlus => "SCRAM-SHA-256-PLUS",
            Self::Scram => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::External => "EXTERNAL",
        }
    }
}

/// AUTH with its initial response, which goes apart where it is long.
async fn begin(session: &mut Session, mechanism: Mechanism, response: &str) -> Result<Reply, Cause> {
    let encoded = Zeroizing::new(STANDARD.encode(response));
    if encoded.len() > LONGEST_INITIAL {
        let reply = session.say(Step::Login, &format!("AUTH {}\r\n", mechanism.name())).await?;
        challenge(session, mechanism, &reply)?;
        return respond(session, response).await;
    }
    // An initial response that is empty is written as one (RFC 4954, 4).
    let encoded = if encoded.is_empty() { "=" } else { &encoded };
    let line = Zeroizing::new(format!("AUTH {} {encoded}\r\n", mechanism.name()));
    session.say(Step::Login, &line).await
}

async fn respond(session: &mut Session, response: &str) -> Result<Reply, Cause> {
    let line = Zeroizing::new(STANDARD.encode(response) + "\r\n");
    session.say(Step::Login, &line).await
}

/// The data of a 334, or why there is none.
fn challenge(session: &Session, mechanism: Mechanism, reply: &Reply) -> Result<Vec<u8>, Cause> {
    match reply.code() {
        334 => {
            let text = reply.lines().concat();
            STANDARD.decode(text.trim()).map_err(|_| session.out_of_order(Step::Login, reply.clone()))
        }
        235 => Err(Cause::Unproven {
            endpoint: session.endpoint().clone(),
            detail: "it let us in before the exchange was over",
        }),
        _ => Err(unsuccessful(session, mechanism, reply.clone(), None)),
    }
}

fn success(session: &Session, mechanism: Mechanism, reply: Reply, reason: Option<String>) -> Result<(), Cause> {
    match (reply.code(), &reason) {
        (235, None) => Ok(()),
        _ => Err(unsuccessful(session, mechanism, reply, reason)),
    }
}

fn unsuccessful(session: &Session, mechanism: Mechanism, reply: Reply, reason: Option<String>) -> Cause {
    let endpoint = session.endpoint().clone();
    match reply.class() {
        4 => Cause::Deferred { endpoint, step: Step::Login, reply },
        5 => refused(session, mechanism, reply, reason),
        _ => Cause::Protocol { endpoint, step: Step::Login, fault: ProtocolFault::Unexpected(reply) },
    }
}

fn refused(session: &Session, mechanism: Mechanism, reply: Reply, reason: Option<String>) -> Cause {
    Cause::LoginRefused { endpoint: session.endpoint().clone(), mechanism: mechanism.name(), reply, reason }
}
