//! AUTH (RFC 4954): which mechanism, and what is said in it.
//!
//! A refusal is final: no other mechanism is tried after it, since a weaker one would give more away.

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::rand::rand_bytes;
use zeroize::Zeroizing;

use super::{
    Auth, Cause, Reply, Secrets, Settings, Step,
    dialogue::Dialogue,
    opening::unwelcome,
    reply::shown,
    scram::{Binding, Scram, ScramFault},
};

/// The longest AUTH command that any server must read (RFC 4954, 4): a longer secret goes into a line of its own.
const LONGEST_COMMAND: usize = 512;

/// What a login needs, fetched before there is a connection.
pub(super) struct Credentials {
    wanted: Auth,
    user: String,
    password: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
    certificate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    OAuthBearer,
    XOAuth2,
    ScramPlus,
    Scram,
    Plain,
    Login,
    External,
}

/// The strongest first.
const ALL: [Mechanism; 7] = [
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
    Mechanism::ScramPlus,
    Mechanism::Scram,
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::External,
];

impl Credentials {
    /// Fetches what the settings ask for; none if there is to be no login.
    pub(super) fn fetch(settings: &Settings, secrets: &mut dyn Secrets) -> Result<Option<Self>, Cause> {
        let mechanism = settings.auth;
        let incomplete = |what| Cause::Incomplete { mechanism, what };
        let certificate = settings.identity.is_some();
        let mut credentials = Self {
            wanted: mechanism,
            user: settings.user.clone().unwrap_or_default(),
            password: None,
            token: None,
            certificate,
        };
        let held = secrets.held();
        match mechanism {
            Auth::None => return Ok(None),
            Auth::External if !certificate => return Err(incomplete("a client certificate")),
            Auth::External => return Ok(Some(credentials)),
            Auth::Auto if settings.user.is_none() => return Ok(certificate.then_some(credentials)),
            _ if settings.user.is_none() => return Err(incomplete("a user name")),
            Auth::Auto if !held.password && !held.token && !certificate => {
                return Err(incomplete("a password or a token"));
            }
            Auth::ScramSha256 | Auth::Plain | Auth::Login if !held.password => return Err(incomplete("a password")),
            Auth::OAuthBearer | Auth::XOAuth2 if !held.token => return Err(incomplete("a token")),
            _ => {}
        }
        if held.token && matches!(mechanism, Auth::Auto | Auth::OAuthBearer | Auth::XOAuth2) {
            credentials.token = Some(secrets.token()?);
        }
        if held.password && !matches!(mechanism, Auth::OAuthBearer | Auth::XOAuth2) {
            credentials.password = Some(secrets.password()?);
        }
        Ok(Some(credentials))
    }

    fn choose(&self, offered: &[String]) -> Option<Mechanism> {
        ALL.into_iter().find(|mechanism| self.allows(*mechanism) && offered.iter().any(|name| name == mechanism.name()))
    }

    fn allows(&self, mechanism: Mechanism) -> bool {
        let (auth, held) = match mechanism {
            Mechanism::OAuthBearer => (Auth::OAuthBearer, self.token.is_some()),
            Mechanism::XOAuth2 => (Auth::XOAuth2, self.token.is_some()),
            Mechanism::ScramPlus | Mechanism::Scram => (Auth::ScramSha256, self.password.is_some()),
            Mechanism::Plain => (Auth::Plain, self.password.is_some()),
            Mechanism::Login => (Auth::Login, self.password.is_some()),
            Mechanism::External => (Auth::External, self.certificate),
        };
        held && (self.wanted == Auth::Auto || self.wanted == auth)
    }
}

/// Logs in, if there is anything to log in with. `binding` is the data of the channel.
pub(super) async fn log_in(
    dialogue: &mut Dialogue,
    credentials: Option<Credentials>,
    secrets: &mut dyn Secrets,
    binding: Option<(&'static str, Vec<u8>)>,
) -> Result<(), Cause> {
    let Some(mut credentials) = credentials else { return Ok(()) };
    let offered = &dialogue.offers.auth;
    let Some(mechanism) = credentials.choose(offered) else {
        if credentials.user.is_empty() && credentials.wanted == Auth::Auto {
            // A certificate alone, which the server has seen in the handshake.
            return Ok(());
        }
        let (endpoint, offered) = (dialogue.endpoint.clone(), offered.clone());
        return Err(Cause::NoMechanism { endpoint, wanted: credentials.wanted, offered });
    };
    let first = attempt(dialogue, mechanism, &credentials, binding).await;
    let by_token = matches!(mechanism, Mechanism::OAuthBearer | Mechanism::XOAuth2);
    match first {
        Err(refused @ Cause::LoginRefused { .. }) if by_token && !dialogue.is_over() => {
            credentials.token = Some(secrets.token()?);
            match attempt(dialogue, mechanism, &credentials, None).await {
                // A server that hangs up after a refusal has still said why.
                Err(Cause::Lost { .. }) => Err(refused),
                second => second,
            }
        }
        first => first,
    }
}

async fn attempt(
    dialogue: &mut Dialogue,
    mechanism: Mechanism,
    credentials: &Credentials,
    binding: Option<(&'static str, Vec<u8>)>,
) -> Result<(), Cause> {
    let mut login = Exchange { dialogue, mechanism, credentials };
    let user = &credentials.user;
    let password = credentials.password.as_ref().map_or("", |password| password.as_str());
    let token = credentials.token.as_ref().map_or("", |token| token.as_str());
    match mechanism {
        Mechanism::Plain => {
            let initial = Zeroizing::new(format!("\0{user}\0{password}"));
            let reply = login.begin(Some(initial.as_bytes())).await?;
            login.finish(reply, None)
        }
        Mechanism::Login => {
            let reply = login.begin(None).await?;
            let reply = login.answer(reply, user.as_bytes()).await?;
            let reply = login.answer(reply, password.as_bytes()).await?;
            login.finish(reply, None)
        }
        Mechanism::External => {
            let reply = login.begin(Some(user.as_bytes())).await?;
            login.finish(reply, None)
        }
        Mechanism::XOAuth2 => {
            let initial = Zeroizing::new(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
            login.bearer(&initial, "").await
        }
        Mechanism::OAuthBearer => {
            let name = user.replace('=', "=3D").replace(',', "=2C");
            let at = &login.dialogue.endpoint;
            let initial = Zeroizing::new(format!(
                "n,a={name},\x01host={}\x01port={}\x01auth=Bearer {token}\x01\x01",
                at.host, at.port
            ));
            // An answer of one ^A (RFC 7628, 3.2.3).
            login.bearer(&initial, "AQ==").await
        }
        Mechanism::Scram => {
            let offered = login.dialogue.offers.auth.iter().any(|name| name == Mechanism::ScramPlus.name());
            let none = if binding.is_none() || offered { Binding::Impossible } else { Binding::NotOffered };
            login.scram(none, password).await
        }
        Mechanism::ScramPlus => match binding {
            Some((name, data)) => login.scram(Binding::Bound(name, data), password).await,
            None => Err(login.unproven("it asks for a channel binding that TLS does not give")),
        },
    }
}

/// One AUTH exchange under way.
struct Exchange<'a> {
    dialogue: &'a mut Dialogue,
    mechanism: Mechanism,
    credentials: &'a Credentials,
}

impl Exchange<'_> {
    async fn begin(&mut self, initial: Option<&[u8]>) -> Result<Reply, Cause> {
        let name = self.mechanism.name();
        let Some(initial) = initial else { return self.say(format!("AUTH {name}")).await };
        let encoded = Zeroizing::new(STANDARD.encode(initial));
        // An initial response that is there and empty (RFC 4954, 4).
        let word = if encoded.is_empty() { "=" } else { encoded.as_str() };
        if name.len() + word.len() + "AUTH  \r\n".len() <= LONGEST_COMMAND {
            return self.say(format!("AUTH {name} {word}")).await;
        }
        let reply = self.say(format!("AUTH {name}")).await?;
        self.answer(reply, initial).await
    }

    /// Answers a challenge, if it is one.
    async fn answer(&mut self, reply: Reply, with: &[u8]) -> Result<Reply, Cause> {
        match reply.code() {
            334 => self.say(STANDARD.encode(with)).await,
            _ => Err(self.refused(reply, None)),
        }
    }

    async fn say(&mut self, line: String) -> Result<Reply, Cause> {
        let line = Zeroizing::new(line);
        let reply = self.dialogue.ask(Step::Login, Line(&line)).await?;
        let secret = line.rsplit(' ').next().unwrap_or_default();
        Ok(self.without_secrets(reply, secret))
    }

    fn finish(&self, reply: Reply, reason: Option<String>) -> Result<(), Cause> {
        if reply.code() == 235 { Ok(()) } else { Err(self.refused(reply, reason)) }
    }

    /// XOAUTH2 and OAUTHBEARER: the reason of a refusal comes as a challenge, which must be answered.
    async fn bearer(&mut self, initial: &str, answer: &str) -> Result<(), Cause> {
        let reply = self.begin(Some(initial.as_bytes())).await?;
        if reply.code() != 334 {
            return self.finish(reply, None);
        }
        let reason = STANDARD.decode(challenge(&reply)).map(|json| shown(&json)).ok();
        let token = self.credentials.token.as_ref().map_or("", |token| token.as_str());
        let reason = reason.map(|reason| if token.is_empty() { reason } else { reason.replace(token, "***") });
        let reply = self.say(answer.to_owned()).await?;
        match reply.code() {
            235 => Err(self.refused_protocol(reply)),
            _ => self.finish(reply, reason),
        }
    }

    async fn scram(&mut self, binding: Binding, password: &str) -> Result<(), Cause> {
        let mut nonce = [0; 18];
        if rand_bytes(&mut nonce).is_err() {
            return Err(self.unproven("no random bytes are to be had"));
        }
        let mut scram = Scram::new(&self.credentials.user, binding, &nonce);
        let reply = self.begin(Some(scram.first().as_bytes())).await?;
        if reply.code() != 334 {
            return self.proof_missing(reply);
        }
        let last = STANDARD.decode(challenge(&reply)).map_err(|_| ScramFault::Server("its challenge is not base64"));
        let last = match last.and_then(|challenge| scram.last(&challenge, password)) {
            Ok(last) => last,
            Err(fault) => return Err(self.abort(fault).await),
        };
        let reply = self.say(STANDARD.encode(last)).await?;
        if reply.code() != 334 {
            return self.proof_missing(reply);
        }
        let proof = STANDARD.decode(challenge(&reply)).map_err(|_| ScramFault::Server("its proof is not base64"));
        if let Err(fault) = proof.and_then(|proof| scram.verify(&proof)) {
            return Err(self.abort(fault).await);
        }
        let reply = self.say(String::new()).await?;
        self.finish(reply, None)
    }

    /// A refusal is one; a welcome without the server's proof is none.
    fn proof_missing(&self, reply: Reply) -> Result<(), Cause> {
        match reply.code() {
            235 => Err(self.unproven("it accepted the login without its proof")),
            _ => self.finish(reply, None),
        }
    }

    /// Ends the exchange from our side (RFC 4954, 4).
    async fn abort(&mut self, fault: ScramFault) -> Cause {
        let reply = self.say("*".to_owned()).await;
        match (fault, reply) {
            (ScramFault::Server(detail), _) => self.unproven(detail),
            (ScramFault::Refused(reason), Ok(reply)) => self.refused(reply, Some(reason)),
            (ScramFault::Refused(_), Err(cause)) => cause,
            (ScramFault::Library(_), _) => self.unproven("OpenSSL cannot compute the proof"),
        }
    }

    fn refused(&self, reply: Reply, reason: Option<String>) -> Cause {
        let endpoint = self.dialogue.endpoint.clone();
        match reply.class() {
            5 => Cause::LoginRefused { endpoint, mechanism: self.mechanism.name(), reply, reason },
            _ => unwelcome(endpoint, Step::Login, reply),
        }
    }

    fn refused_protocol(&self, reply: Reply) -> Cause {
        let fault = super::ProtocolFault::Unexpected(reply);
        Cause::Protocol { endpoint: self.dialogue.endpoint.clone(), step: Step::Login, fault }
    }

    fn unproven(&self, detail: &'static str) -> Cause {
        Cause::Unproven { endpoint: self.dialogue.endpoint.clone(), detail }
    }

    /// A server that says a secret back must not bring it into a log.
    fn without_secrets(&self, reply: Reply, line: &str) -> Reply {
        let held = [&self.credentials.password, &self.credentials.token].into_iter().flatten();
        held.map(|secret| secret.as_str()).chain([line]).fold(reply, |reply, secret| reply.without(secret))
    }
}

/// The base64 of a challenge, which stands in one line.
fn challenge(reply: &Reply) -> &str {
    reply.lines().first().map_or("", |line| line.trim())
}

/// A line of an exchange, for lettre.
struct Line<'a>(&'a str);

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\r\n", self.0)
    }
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::ScramPlus => "SCRAM-SHA-256-PLUS",
            Self::Scram => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::External => "EXTERNAL",
        }
    }
}
