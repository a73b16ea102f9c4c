//! Composition: from settings to the adapters that a verb works with.

use std::path::Path;

use super::{
    exit::Kind,
    failure::Failure,
    grammar::{self, Global},
    input,
    printable::Printable,
    voice::Voice,
};
use crate::{
    config::{self, Account, Config, Environment, Home, Overrides, SmimeSettings},
    crypt::smime::{self, Authorities},
    keystore::{Keystore, StoreError},
    mail::{Address, Composition, Draft, Mailbox, Uniques},
    submit::{Endpoint, Port, Settings},
};

const ENVIRONMENT: Environment<'static> = &|name| std::env::var_os(name);

/// Where everything lies, and the store that lies there.
pub struct Place {
    pub home: Home,
    pub keystore: Keystore,
}

impl Place {
    pub fn open(global: &Global) -> Result<Self, Failure> {
        let home = Home::find(global.home.as_deref(), ENVIRONMENT)?;
        let keystore = Keystore::open(&home.certificates, &home.keys, &home.x509, &home.state);
        Ok(Self { home, keystore })
    }

    /// The account with the environment and some flags laid over it.
    pub fn settle(&self, global: &Global, flags: Overrides) -> Result<Account, Failure> {
        let flags = Overrides { account: global.account.clone(), ..flags };
        Ok(Account::resolve(self.config()?, &Overrides::from_environment(ENVIRONMENT)?, &flags)?)
    }

    /// Says which files of the store could not be read, since they were left out, and gives why.
    pub fn warn(&self, voice: Voice) -> Vec<StoreError> {
        let damaged = self.keystore.damaged();
        for one in &damaged {
            voice.say(format_args!("warning: {}", Printable(&one.to_string())));
        }
        damaged
    }

    /// The endpoint of a host that worked the last time.
    pub fn remembered(&self, host: &str) -> Option<Endpoint> {
        let text = std::fs::read_to_string(self.home.state.join("endpoint")).ok()?;
        let (last, port) = text.trim_end().split_once(' ')?;
        let port: Port = port.parse().ok()?;
        (last == host).then(|| Endpoint { host: last.to_owned(), port: port.number(), tls: port.tls() })
    }

    /// Remembers the endpoint that worked. A loss costs a little time only, so a failure is nobody's business.
    pub fn remember(&self, settings: &Settings, endpoint: &Endpoint) {
        let Ok(port) = Port::new(endpoint.port, endpoint.tls) else { return };
        if settings.host.is_some() && settings.remembered.as_ref() != Some(endpoint) {
            let line = format!("{} {port}\n", endpoint.host);
            let _ = crate::keystore::replace(&self.home.state.join("endpoint"), line.as_bytes());
        }
    }

    /// config.toml.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(Config::read(&self.home.config)?)
    }

    /// Whom S/MIME believes: the anchors and lists of config.toml, and what is stored that may lie between.
    pub fn authorities(&self, settings: &SmimeSettings) -> Result<Authorities, Failure> {
        let mut authorities = anchors(settings)?;
        authorities.add_intermediates(self.keystore.authorities()?);
        Ok(authorities)
    }

    /// recipients.toml.
    pub fn recipients(&self) -> Result<config::Recipients, Failure> {
        Ok(config::Recipients::read(&self.home.recipients)?)
    }

    /// The account for this run, with environment and flags laid over it. `author` is the From of a whole message.
    pub fn account(
        &self,
        global: &Global,
        sealing: &grammar::Sealing,
        submission: Option<&grammar::Submission>,
        author: Option<&Address>,
    ) -> Result<Account, Failure> {
        if let (Some(given), Some(author)) = (&sealing.from, author)
            && Mailbox::parse(given).is_ok_and(|given| given.address != *author)
        {
            let text = format!("--from {given} is not the author of the message, which is {author}");
            return Err(Failure::new(Kind::Usage, text));
        }
        let mut flags = Overrides {
            from: sealing.from.clone().or_else(|| author.map(ToString::to_string)),
            sign: sealing.no_sign.then_some(false),
            passphrase: sealing.passphrase.clone(),
            ..Overrides::default()
        };
        if let Some(given) = submission {
            flags.host = given.host.clone();
            flags.ports = given.ports.clone();
            flags.user = given.user.clone();
            flags.auth = given.auth.clone();
            flags.password = given.password.clone();
            flags.token = given.token.clone();
            flags.ca_file = given.ca_file.clone();
            flags.client_cert = given.client_cert.clone();
            flags.client_key = given.client_key.clone();
            flags.timeout = given.timeout.clone();
        }
        self.settle(global, flags)
    }
}

/// The anchors and revocation lists that config.toml names.
pub fn anchors(settings: &SmimeSettings) -> Result<Authorities, Failure> {
    let mut authorities = Authorities::default();
    let named = |setting: &str, failure: Failure| Failure { text: format!("{setting}: {}", failure.text), ..failure };
    for path in &settings.trust_anchors {
        read_into(path, |bytes| authorities.add_anchors(bytes)).map_err(|why| named("smime.trust_anchors", why))?;
    }
    for path in &settings.crl {
        read_into(path, |bytes| authorities.add_revocations(bytes)).map_err(|why| named("smime.crl", why))?;
    }
    if settings.system_roots {
        let bundle = openssl_probe::probe().cert_file.ok_or_else(|| {
            Failure::new(Kind::NoInput, "smime.system_roots is set, and the system has no bundle of roots")
        })?;
        read_into(&bundle, |bytes| authorities.add_anchors(bytes))?;
    }
    Ok(authorities)
}

/// Reads a file of anchors or of revocation lists.
pub fn read_into(
    path: &Path,
    mut add: impl FnMut(&[u8]) -> Result<usize, smime::CertificateError>,
) -> Result<(), Failure> {
    add(&input::file(path)?).map(drop).map_err(|error| {
        let failure = Failure::from(error);
        Failure { text: format!("{}: {}", path.display(), failure.text), ..failure }
    })
}

/// Who writes.
pub fn author(account: &Account) -> Result<Mailbox, Failure> {
    account.from.clone().ok_or_else(|| {
        let text = "no author: give --from, or from in the account of config.toml";
        Failure::new(Kind::Config, text).hint(["sealpost", "send", "--help"])
    })
}

/// How to compose: as the account has it, and legacy display elements as recipients.toml has them for a reader. All
/// get the same text, so one who needs them decides; a Bcc recipient does not, for the others would see it.
pub fn how(account: &Account, draft: &Draft, known: &config::Recipients) -> Composition {
    let needs = |mailbox: &Mailbox| {
        let set = known.pins_for(&mailbox.address).and_then(|pin| pin.legacy_display);
        set.unwrap_or(account.legacy_display)
    };
    let mut visible = draft.to.iter().chain(&draft.cc).peekable();
    let legacy_display = if visible.peek().is_some() { visible.any(needs) } else { draft.bcc.iter().any(needs) };
    Composition { policy: account.header_policy, legacy_display, autocrypt: None }
}

/// Random bytes from the crypto library.
pub fn random() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes)
        .map_err(|error| Failure::new(Kind::System, format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// The random texts of one message.
pub fn uniques() -> Result<Uniques, Failure> {
    // A counter under a random start never gives the same text twice, and cannot fail half-way.
    let mut next = u128::from_be_bytes(random()?);
    Ok(Uniques::new(move || {
        next = next.wrapping_add(1);
        openssl::sha::sha256(&next.to_be_bytes())[..16].try_into().unwrap_or([0; 16])
    }))
}

/// Drives what waits for sockets to its end, in one thread.
pub fn drive<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("cannot start: {error}")))?;
    let output = runtime.block_on(future);
    // A name look-up that hangs must not hold the exit up.
    runtime.shutdown_background();
    Ok(output)
}
