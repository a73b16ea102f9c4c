//! Composition: from settings to the adapters that a verb works with.

use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

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
    crypt::{
        Fingerprint, PublicCertificate, Strength, Trust, pgp, random_passphrase,
        smime::{self, Authorities},
    },
    keystore::Keystore,
    mail::{Address, Composition, Draft, Mailbox, Uniques},
    net::tls::Identity,
    secret::{self, Destination, SecretError, Source},
    submit::{Dsn, Endpoint, Held, Notify, Port, SecretFailure, Secrets, Settings},
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
        let keystore = Keystore::open(&home.certificates, &home.keys, &home.x509);
        Ok(Self { home, keystore })
    }

    /// The passphrase sources for keys of the store, and for those of S/MIME where it is another: that of the flag, else
    /// of the account.
    pub fn passphrases(
        &self,
        global: &Global,
        flag: Option<&str>,
    ) -> Result<(Option<Source>, Option<Source>), Failure> {
        let flags =
            Overrides { account: global.account.clone(), passphrase: flag.map(str::to_owned), ..Overrides::default() };
        let config = Config::read(&self.home.config)?;
        let account = Account::resolve(config, &Overrides::from_environment(ENVIRONMENT)?, &flags)?;
        Ok((account.passphrase, account.smime_passphrase))
    }

    /// How a recipient's certificate is to be known at least, by the account.
    pub fn trust(&self, global: &Global) -> Result<Option<Trust>, Failure> {
        let flags = Overrides { account: global.account.clone(), ..Overrides::default() };
        Ok(Account::resolve(self.config()?, &Overrides::from_environment(ENVIRONMENT)?, &flags)?.trust)
    }

    /// The same for a key: of the account that writes as one of its addresses.
    pub fn passphrase_for(
        &self,
        global: &Global,
        flag: Option<&str>,
        addresses: &[Address],
    ) -> Result<Option<Source>, Failure> {
        let flags = Overrides {
            account: global.account.clone(),
            from: addresses.first().map(ToString::to_string),
            passphrase: flag.map(str::to_owned),
            ..Overrides::default()
        };
        let config = Config::read(&self.home.config)?;
        Ok(Account::resolve(config, &Overrides::from_environment(ENVIRONMENT)?, &flags)?.passphrase)
    }

    /// Says which files of the store could not be read, since they were left out.
    pub fn warn(&self, voice: Voice) {
        for damaged in self.keystore.damaged() {
            voice.say(format_args!("warning: {}", Printable(&damaged.to_string())));
        }
    }

    /// The endpoint of a host that worked the last time.
    fn remembered(&self, host: &str) -> Option<Endpoint> {
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
            account: global.account.clone(),
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
        let config = Config::read(&self.home.config)?;
        Ok(Account::resolve(config, &Overrides::from_environment(ENVIRONMENT)?, &flags)?)
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
    Composition { policy: account.header_policy, legacy_display }
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

/// Reads the text of a secret's source.
pub fn source(text: Option<&str>) -> Result<Option<Source>, Failure> {
    Ok(text.map(Source::parse).transpose()?)
}

/// How a key is to be locked.
pub struct Locking {
    pub passphrase: Zeroizing<String>,
    pub strength: Strength,
}

impl Locking {
    /// A passphrase that somebody chose.
    pub fn given(passphrase: Zeroizing<String>) -> Self {
        Self { passphrase, strength: Strength::Human }
    }

    /// A random one, put where it was asked for before it is used.
    pub fn generated(place: &str) -> Result<Self, Failure> {
        let place = Destination::parse(place)?;
        let passphrase =
            random_passphrase().map_err(|error| Failure::new(Kind::System, format!("no random bytes: {error}")))?;
        place.write(&passphrase)?;
        Ok(Self { passphrase, strength: Strength::Generated })
    }

    /// What the flags say.
    pub fn read(lock: &grammar::Lock) -> Result<Option<Self>, Failure> {
        if let Some(place) = &lock.new_passphrase {
            return Self::generated(place).map(Some);
        }
        let Some(source) = source(lock.passphrase.as_deref())? else { return Ok(None) };
        Ok(Some(Self::given(source.read()?)))
    }
}

/// A secret file, which only its owner may read.
pub fn secret_file(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    unexposed(path, what)?;
    input::file(path)
}

/// Refuses a file that others can read; stdin, `-`, has no such mode.
pub fn unexposed(path: &Path, what: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    if path.as_os_str() == "-" {
        return Ok(());
    }
    let shown = path.display().to_string();
    let meta = std::fs::metadata(path).map_err(|error| input::unreadable(&shown, &error))?;
    let mode = meta.permissions().mode() & 0o7777;
    if meta.is_file() && mode & 0o044 != 0 {
        let text = format!("the {what} file {shown} can be read by others (mode {mode:04o})");
        return Err(Failure::new(Kind::Permission, text).hint(["chmod", "600", &shown]));
    }
    Ok(())
}

/// The passphrase of a locked key: from its source, else asked for on a terminal.
pub fn passphrase_of(key: &str, source: Option<&Source>) -> Result<Zeroizing<String>, Failure> {
    match source {
        Some(source) => Ok(source.read()?),
        None => secret::ask(&format!("passphrase of {key}")).map_err(|error| {
            let failure = Failure::from(error);
            let text = format!("{key} is locked: {}; give --passphrase", failure.text);
            Failure { text, ..failure }
        }),
    }
}

/// A stored key for S/MIME, unlocked.
pub fn unlocked_smime(
    key: &smime::Key,
    place: &Place,
    global: &Global,
    flag: Option<&str>,
    at: Timestamp,
) -> Result<smime::Key, Failure> {
    let addresses = key.certificate().map(|certificate| certificate.addresses(at)).unwrap_or_default();
    let source = place.passphrase_for(global, flag, &addresses)?;
    let name = key.fingerprint().map(|fingerprint| format!("key {fingerprint}")).unwrap_or_default();
    Ok(key.unlock(&passphrase_of(&name, source.as_ref())?)?)
}

/// A key of either suite.
pub enum AnyKey {
    OpenPgp(Box<pgp::Key>),
    Smime(smime::Key),
    /// One that waits for its certificate.
    Waiting(smime::Waiting),
}

/// The one key of an address or a full fingerprint; of one that waits, that of its public key.
pub fn key_named(name: &str, place: &Place, at: Timestamp) -> Result<AnyKey, Failure> {
    let store = &place.keystore;
    let waiting = store.waiting()?;
    let (openpgp, smime, waiting): (Vec<_>, Vec<_>, Vec<_>) = match named(name)? {
        Name::Fingerprint(full) => (
            store.key(&full)?.into_iter().collect(),
            store.smime_key(&full)?.into_iter().collect(),
            waiting.into_iter().filter(|waiting| waiting.id() == full).collect(),
        ),
        Name::Address(address) => (
            store.keys_for(&address, at)?,
            store.smime_keys_for(&address, at)?,
            waiting.into_iter().filter(|waiting| waiting.addresses().contains(&address)).collect(),
        ),
    };
    let openpgp = openpgp.into_iter().map(|key| AnyKey::OpenPgp(Box::new(key)));
    let smime = smime.into_iter().map(AnyKey::Smime);
    let waiting = waiting.into_iter().map(AnyKey::Waiting);
    one(openpgp.chain(smime).chain(waiting).collect(), name, "key", AnyKey::fingerprint)
}

impl AnyKey {
    pub fn fingerprint(&self) -> String {
        match self {
            Self::OpenPgp(key) => key.fingerprint().to_string(),
            Self::Smime(key) => key.fingerprint().map(|fingerprint| fingerprint.to_string()).unwrap_or_default(),
            Self::Waiting(waiting) => waiting.id().to_string(),
        }
    }
}

/// A certificate of either suite.
pub enum AnyCertificate {
    OpenPgp(Box<pgp::Certificate>),
    Smime(smime::Certificate),
}

/// The one certificate of an address or a full fingerprint.
pub fn certificate_named(name: &str, place: &Place, at: Timestamp) -> Result<AnyCertificate, Failure> {
    let store = &place.keystore;
    let (openpgp, smime) = match named(name)? {
        Name::Fingerprint(full) => {
            (store.certificate(&full)?.into_iter().collect(), store.x509(&full)?.into_iter().collect())
        }
        Name::Address(address) => {
            let smime = store.x509_for(&address, at)?.into_iter().map(|(one, _)| one).collect();
            (store.certificates_for(&address, at)?, smime)
        }
    };
    let (openpgp, smime): (Vec<_>, Vec<_>) = (openpgp, smime);
    let openpgp = openpgp.into_iter().map(|one| AnyCertificate::OpenPgp(Box::new(one)));
    one(
        openpgp.chain(smime.into_iter().map(AnyCertificate::Smime)).collect(),
        name,
        "cert",
        AnyCertificate::fingerprint,
    )
}

impl AnyCertificate {
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::OpenPgp(certificate) => certificate.fingerprint(),
            Self::Smime(certificate) => certificate.fingerprint(),
        }
    }
}

enum Name {
    Fingerprint(Fingerprint),
    Address(Address),
}

fn named(name: &str) -> Result<Name, Failure> {
    if let Some(fingerprint) = Fingerprint::parse(name) {
        return Ok(Name::Fingerprint(fingerprint));
    }
    let address = Address::parse(name)
        .map_err(|_| Failure::new(Kind::Usage, format!("{name:?} is neither an address nor a full fingerprint")))?;
    Ok(Name::Address(address))
}

fn one<T, F: ToString>(mut found: Vec<T>, name: &str, what: &str, fingerprint: impl Fn(&T) -> F) -> Result<T, Failure> {
    if found.len() > 1 {
        let all: Vec<_> = found.iter().map(|one| fingerprint(one).to_string()).collect();
        let text = format!("there are several for {name}: {}; name one by its fingerprint", all.join(", "));
        let failure = Failure::new(Kind::Usage, text);
        return Err(all.iter().fold(failure, |failure, full| failure.hint(["sealpost", what, "show", full])));
    }
    found.pop().ok_or_else(|| {
        Failure::new(Kind::NoInput, format!("there is none for {name} in the store")).hint(["sealpost", what, "list"])
    })
}

/// Writes an armored export to stdout, to a new file, or into the JSON.
pub fn export(armored: &str, what: &'static str, output: Option<&Path>, voice: Voice) -> Result<u8, Failure> {
    match output {
        Some(path) => {
            crate::keystore::write_new(path, std::iter::once(armored.as_bytes()))?;
            voice.say(format_args!("wrote the {what} to {}", Printable(&path.display().to_string())));
            if voice.json {
                voice.object(&serde_json::json!({ "version": 1, "file": path.display().to_string() }))?;
            }
        }
        None if voice.json => voice.object(&serde_json::json!({ "version": 1, what: armored }))?,
        None => voice.data(armored.as_bytes())?,
    }
    Ok(0)
}

/// How the account's mail is handed in.
pub fn submission(
    account: &Account,
    arguments: &grammar::Submission,
    draft: &Draft,
    place: &Place,
) -> Result<Settings, Failure> {
    let from = &account.submission;
    let identity = match (&from.client_cert, &from.client_key) {
        (Some(certificate), Some(key)) => {
            let key = secret_file(key, "client key")?;
            let identity = Identity::from_pem(&input::file(certificate)?, &key);
            Some(identity.map_err(|error| Failure::new(Kind::Config, error.to_string()))?)
        }
        (None, None) => None,
        _ => return Err(Failure::new(Kind::Config, "client_cert and client_key go together")),
    };
    let dsn = arguments.notify.as_deref().map(|list| dsn(list, draft)).transpose()?;
    let host = from.host.clone();
    Ok(Settings {
        ports: from.ports.clone(),
        user: from.user.clone(),
        auth: from.auth,
        ca_file: from.ca_file.clone(),
        identity,
        timeout: from.timeout,
        dsn,
        remembered: host.as_deref().and_then(|host| place.remembered(host)),
        ..Settings::new(host, draft.from.address.domain().to_owned())
    })
}

fn dsn(list: &str, draft: &Draft) -> Result<Dsn, Failure> {
    let notify = list.split(',').map(|word| match word.trim().to_ascii_lowercase().as_str() {
        "never" => Some(Notify::Never),
        "success" => Some(Notify::Success),
        "failure" => Some(Notify::Failure),
        "delay" => Some(Notify::Delay),
        _ => None,
    });
    let notify: Option<Vec<_>> = notify.collect();
    let notify = notify.filter(|all| all.len() == 1 || !all.contains(&Notify::Never)).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("--notify {list:?} is neither never nor a list of success, failure, delay"))
    })?;
    let envelope_id = draft.message_id.as_str().trim_matches(['<', '>']).to_owned();
    Ok(Dsn { notify, headers_only: true, envelope_id: Some(envelope_id) })
}

/// The secrets of a login, each from its source.
pub struct Login<'a> {
    account: &'a Account,
}

impl<'a> Login<'a> {
    pub fn new(account: &'a Account) -> Self {
        Self { account }
    }
}

fn read(source: Option<&Source>) -> Result<Zeroizing<String>, SecretFailure> {
    let none = || SecretError::Malformed("no source is declared");
    source.ok_or_else(none).and_then(Source::read).map_err(|error| SecretFailure(Box::new(error)))
}

impl Secrets for Login<'_> {
    fn held(&self) -> Held {
        let from = &self.account.submission;
        Held { password: from.password.is_some(), token: from.token.is_some() }
    }

    fn password(&mut self) -> Result<Zeroizing<String>, SecretFailure> {
        read(self.account.submission.password.as_ref())
    }

    fn token(&mut self) -> Result<Zeroizing<String>, SecretFailure> {
        read(self.account.submission.token.as_ref())
    }
}

/// The runtime that drives sockets: one thread.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("cannot start: {error}")))
}
