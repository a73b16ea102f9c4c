//! How a message is handed in: the account's settings as `submit` takes them, and the secrets of its login.

use zeroize::Zeroizing;

use super::{composition::Place, exit::Kind, failure::Failure, grammar, input, secrets::secret_file};
use crate::{
    config::Account,
    mail::Draft,
    net::tls::Identity,
    secret::{SecretError, Source},
    submit::{Dsn, Held, Notify, SecretFailure, Secrets, Settings},
};

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
