//! From settings to the sources of certificates, and what a failure to find means.

use std::sync::Arc;

#[cfg(feature = "dane")]
use crate::{
    keystore::find::Dane,
    net::dnssec::{AnchorError, Dnssec},
};

use super::{composition::drive, exit::Kind, failure::Failure, grammar::SourceArgument, progress::Progress};
use crate::{
    config::FindSettings,
    flow::find::{self, Looked, Patience},
    keystore::find::{FindError, Finds, Hkps, Ldap, Question, Source, Vks, Wkd},
    net::{
        Proxy,
        http::{Client, HttpError, Reach},
        tls::ContextError,
    },
};

impl From<SourceArgument> for Source {
    fn from(argument: SourceArgument) -> Self {
        match argument {
            SourceArgument::Wkd => Self::Wkd,
            SourceArgument::Vks => Self::Vks,
            SourceArgument::Hkps => Self::Hkps,
            #[cfg(feature = "dane")]
            SourceArgument::Dane => Self::Dane,
            SourceArgument::Ldap => Self::Ldap,
        }
    }
}

/// The sources to ask, in order: the one that was named, else those of the settings.
pub fn sources(settings: &FindSettings, only: Option<SourceArgument>) -> Result<Vec<Arc<dyn Finds>>, Failure> {
    let client = client(settings)?;
    let order = only.map_or_else(|| settings.order.clone(), |only| vec![only.into()]);
    let made = order.into_iter().map(|source| -> Result<Arc<dyn Finds>, Failure> {
        Ok(match source {
            Source::Wkd => Arc::new(Wkd::new(client.clone())),
            Source::Vks => Arc::new(Vks::new(client.clone(), &settings.vks)),
            Source::Hkps => match &settings.hkps {
                Some(server) => Arc::new(Hkps::new(client.clone(), server)),
                None => return Err(Failure::new(Kind::Config, "no keyserver of HKP is set: give hkps in [find]")),
            },
            #[cfg(feature = "dane")]
            Source::Dane => Arc::new(dane(settings, proxy(settings)?.is_some())?),
            #[cfg(not(feature = "dane"))]
            Source::Dane => return Err(Failure::new(Kind::Config, "this sealpost was built without DANE")),
            Source::Ldap => match &settings.ldap {
                Some(directory) => Arc::new(Ldap::new(client.clone(), directory.clone())),
                None => return Err(Failure::new(Kind::Config, "no directory is set: give ldap in [find]")),
            },
            Source::Autocrypt | Source::Gossip => {
                return Err(Failure::new(Kind::Config, "messages are not asked, they are imported"));
            }
        })
    });
    let made: Vec<_> = made.collect::<Result<_, _>>()?;
    if made.is_empty() {
        return Err(Failure::new(Kind::Config, "no source is set: find.order is empty")
            .hint(["sealpost", "cert", "find", "--help"]));
    }
    Ok(made)
}

/// What asks, by the settings.
pub fn client(settings: &FindSettings) -> Result<Client, Failure> {
    let reach = if settings.private { Reach::Private } else { Reach::Public };
    let client = Client::new(reach).placing(settings.hosts.clone()).through(proxy(settings)?);
    match &settings.ca_file {
        Some(file) => client.believing(file).map_err(|error| no_context(&error)),
        None => Ok(client),
    }
}

fn proxy(settings: &FindSettings) -> Result<Option<Proxy>, Failure> {
    settings.proxy.clone().map_or_else(proxy_of_environment, Ok)
}

/// The DNS as a source; behind a proxy only a resolver is asked that the settings name, for the system's would be past
/// the proxy.
#[cfg(feature = "dane")]
fn dane(settings: &FindSettings, proxied: bool) -> Result<Dane, Failure> {
    let mut dnssec = Dnssec::default();
    if let Some(server) = settings.resolver {
        dnssec = dnssec.asking(server);
    }
    if let Some(file) = &settings.dns_anchors {
        dnssec = dnssec.believing(file).map_err(|error| {
            let kind = match &error {
                AnchorError::Read { error, .. } if error.kind() == std::io::ErrorKind::NotFound => Kind::NoInput,
                _ => Kind::Config,
            };
            Failure::new(kind, error.to_string())
        })?;
    }
    Ok(if proxied && settings.resolver.is_none() { Dane::past_proxy() } else { Dane::new(dnssec) })
}

/// The proxy for `https` that the environment names, as other programs have it.
fn proxy_of_environment() -> Result<Option<Proxy>, Failure> {
    let named = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| (name, text)));
    let Some((name, text)) = named else { return Ok(None) };
    Proxy::parse(&text).map(Some).ok_or_else(|| {
        let text = format!(
            "{name} is not a proxy that can be used: http:// or socks5h://, without a login; \
                            proxy = \"direct\" in [find] goes without"
        );
        Failure::new(Kind::Config, text)
    })
}

/// Asks the sources for everything, and gives the answers with the places of their questions, as they came.
pub fn ask(
    questions: Vec<Question>,
    settings: &FindSettings,
    only: Option<SourceArgument>,
    patience: Patience,
    progress: &Progress,
) -> Result<Vec<(usize, Looked)>, Failure> {
    let sources = sources(settings, only)?;
    let mut answers = Vec::with_capacity(questions.len());
    let tell = |index, looked| {
        answers.push((index, looked));
        progress.step(1);
    };
    drive(progress.beside(find::ask(questions, &sources, patience, tell)))?;
    Ok(answers)
}

/// How long each source may take by the settings.
pub fn patience(settings: &FindSettings) -> Patience {
    Patience { each: settings.timeout, all: None }
}

/// A failure of a source as its kind: what is worth another try, and what is not what it is to be.
pub fn kind(looked: &Looked) -> Kind {
    match looked.failure() {
        None if looked.tried.is_empty() => Kind::Temporary,
        None => Kind::Recipients,
        Some(error) if error.is_temporary() => Kind::Temporary,
        Some(FindError::Http(error)) => http_kind(error),
        Some(_) => Kind::Protocol,
    }
}

/// A failure of HTTP as its kind.
pub fn http_kind(error: &HttpError) -> Kind {
    match error {
        HttpError::Tls { .. } => Kind::Tls,
        HttpError::Context(_) => Kind::System,
        error if error.is_temporary() => Kind::Temporary,
        _ => Kind::Protocol,
    }
}

/// Why nothing was found, in words: what each source said.
pub fn reason(looked: &Looked) -> String {
    if looked.tried.is_empty() {
        return "the time was over before a source could be asked".to_owned();
    }
    let said = looked.tried.iter().map(|(source, error)| format!("{source}: {error}"));
    said.collect::<Vec<_>>().join("; ")
}

fn no_context(error: &ContextError) -> Failure {
    let kind = match error {
        ContextError::CaFile { error, .. } if error.kind() == std::io::ErrorKind::NotFound => Kind::NoInput,
        _ => Kind::Config,
    };
    Failure::new(kind, error.to_string())
}
