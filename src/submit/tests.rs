//! What each failure of a submission means: its outcome and whether the next port is tried, told by a server that lies.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// The servers of the integration tests.
#[allow(dead_code, unused_imports, missing_docs)]
#[path = "../../tests/it/support"]
mod support {
    mod ca;
    pub mod lying_server;
    mod mail_server;
    mod process;

    pub use ca::{Ca, Flaw, Identity};
    pub use mail_server::{Door, MailServer};
    pub use process::{Outcome, run};
}

mod logins;
mod messages;
mod openings;
mod postfix;
mod publishing;

use std::{
    io::Write,
    sync::LazyLock,
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::*;
use crate::{
    crypt::Sealed,
    mail::{Address, Envelope},
};
use support::{
    Ca, Flaw, Identity,
    lying_server::{Face, LyingServer, Step as S, answer, closed_port, hello, opening, say},
};

/// One authority for all tests, with its PEM file.
static AUTHORITY: LazyLock<(Ca, NamedTempFile)> = LazyLock::new(|| {
    let ca = Ca::new();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&ca.pem()).unwrap();
    (ca, file)
});

const MESSAGE: &[u8] = b"Subject: [...]\r\n\r\nciphertext\r\n";

/// A password, a token for each time that it is asked for, or neither.
#[derive(Default)]
struct Given {
    password: Option<&'static str>,
    tokens: Vec<String>,
    asked: usize,
}

impl Secrets for Given {
    fn held(&self) -> Held {
        Held { password: self.password.is_some(), token: !self.tokens.is_empty() }
    }

    fn password(&mut self) -> Result<Zeroizing<String>, SecretFailure> {
        Ok(Zeroizing::new(self.password.unwrap().to_owned()))
    }

    fn token(&mut self) -> Result<Zeroizing<String>, SecretFailure> {
        let token = self.tokens[self.asked.min(self.tokens.len() - 1)].clone();
        self.asked += 1;
        Ok(Zeroizing::new(token))
    }
}

fn face() -> Face {
    face_of(AUTHORITY.0.server())
}

fn face_of(Identity { certificate, key }: Identity) -> Face {
    Face::new(certificate, key)
}

/// Settings for these ports of `localhost`, without a login, with a deadline of five seconds.
fn settings(ports: &[(u16, Tls)]) -> Settings {
    let mut settings = Settings::new(Some("localhost".to_owned()), "example.test".to_owned());
    settings.ports = ports.iter().map(|(number, tls)| Port::new(*number, *tls).unwrap()).collect();
    settings.ca_file = Some(AUTHORITY.1.path().to_owned());
    settings.timeout = Duration::from_secs(5);
    settings
}

fn starttls(server: &LyingServer) -> Settings {
    settings(&[(server.port(), Tls::StartTls)])
}

fn message(to: &[&str], bytes: &[u8]) -> Sealed {
    let to = to.iter().map(|address| Address::parse(address).unwrap()).collect();
    Sealed::stand_in(Envelope::new(Address::parse("alice@example.test").unwrap(), to).unwrap(), bytes)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Submits one message to one recipient.
fn send(settings: &Settings, secrets: &mut Given) -> Result<Accepted, Failure> {
    deliver(settings, secrets, &message(&["bob@example.test"], MESSAGE))
}

fn deliver(settings: &Settings, secrets: &mut Given, sealed: &Sealed) -> Result<Accepted, Failure> {
    run(async {
        let mut session = Session::connect(settings, secrets).await?;
        let accepted = session.submit(sealed).await;
        session.quit().await;
        accepted
    })
}

/// The failure of a message without a login to one STARTTLS port that runs this script.
#[track_caller]
fn failure(script: Vec<S>) -> (Failure, LyingServer) {
    let server = LyingServer::start(&face(), script);
    let failure = send(&starttls(&server), &mut Given::default()).unwrap_err();
    (failure, server)
}

fn outcomes(attempts: &[Attempt]) -> Vec<Outcome> {
    attempts.iter().map(|attempt| attempt.outcome.unwrap()).collect()
}

fn join(parts: impl IntoIterator<Item = Vec<S>>) -> Vec<S> {
    parts.into_iter().flatten().collect()
}

/// MAIL, RCPT and DATA taken, one by one.
fn envelope_taken() -> Vec<S> {
    join([answer("250 sender ok"), answer("250 recipient ok"), answer("354 go on")])
}

/// The message taken, and QUIT.
fn taken() -> Vec<S> {
    join([vec![S::Message, say("250 2.0.0 Ok: queued as 4711")], answer("221 bye")])
}

/// A server as it should be.
fn honest(offers: &[&str]) -> Vec<S> {
    join([opening(offers), envelope_taken(), taken()])
}

#[test]
fn a_message_goes_through_and_the_receipt_says_how() {
    let server = LyingServer::start(&face(), honest(&[]));
    let accepted = send(&starttls(&server), &mut Given::default()).unwrap();
    assert_eq!(
        accepted.endpoint,
        EndpointReport {
            host: "localhost".into(),
            port: server.port(),
            tls: Tls::StartTls,
            protocol: "TLSv1.3".into(),
            group: Some("X25519MLKEM768".into()),
        }
    );
    assert_eq!(accepted.reply, "2.0.0 Ok: queued as 4711");
    assert_eq!(accepted.attempts, []);
    let record = server.record();
    assert_eq!(&record.clear_text()[.."EHLO [127.0.0.1]\r\nSTARTTLS\r\n".len()], "EHLO [127.0.0.1]\r\nSTARTTLS\r\n");
    assert_eq!(
        record.secured_text(),
        "EHLO [127.0.0.1]\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\
         Subject: [...]\r\n\r\nciphertext\r\n.\r\nQUIT\r\n"
    );
}

#[test]
fn implicit_tls_greets_inside() {
    let script = join([vec![S::Tls, say("220 lying.example.test")], hello(&[]), envelope_taken(), taken()]);
    let server = LyingServer::start(&face(), script);
    let accepted = send(&settings(&[(server.port(), Tls::Implicit)]), &mut Given::default()).unwrap();
    assert_eq!(accepted.endpoint.tls, Tls::Implicit);
}

#[test]
fn several_messages_share_a_session() {
    let script = join([opening(&[]), envelope_taken(), taken()[..2].to_vec(), envelope_taken(), taken()]);
    let server = LyingServer::start(&face(), script);
    run(async {
        let mut session = Session::connect(&starttls(&server), &mut Given::default()).await.unwrap();
        let sealed = message(&["bob@example.test"], MESSAGE);
        session.submit(&sealed).await.unwrap();
        session.submit(&sealed).await.unwrap();
        session.quit().await;
    });
    assert_eq!(server.record().secured_text().matches("MAIL FROM").count(), 2);
}
