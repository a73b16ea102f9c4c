//! A submission server on the loopback: STARTTLS, a login, one mailbox for all, and a memory of what it saw.
//!
//! Enough of RFC 5321, 3207 and 4954 for an honest client; it is a stage, not a product.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    pkey::{PKey, Private},
    ssl::{SslAcceptor, SslMethod},
    x509::X509,
};

/// A listening server; its threads end with the process.
pub struct Server {
    port: u16,
    sessions: Arc<Mutex<Vec<Session>>>,
}

/// What one connection brought.
#[derive(Clone, Default)]
pub struct Session {
    /// Before TLS, line by line.
    pub clear: Vec<String>,
    /// Commands inside TLS, those of the login shortened to their first words.
    pub commands: Vec<String>,
    /// Messages as they came, dots unstuffed, CRLF line breaks.
    pub messages: Vec<Vec<u8>>,
}

/// Who may log in.
#[derive(Clone, Copy)]
pub struct Login {
    /// Name.
    pub user: &'static str,
    /// Password.
    pub password: &'static str,
}

impl Server {
    /// Listens on a free port with a certificate.
    pub fn start(certificate: &X509, key: &PKey<Private>, login: Login) -> io::Result<Self> {
        let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        tls.set_certificate(certificate)?;
        tls.set_private_key(key)?;
        let tls = tls.build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sessions);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, seen) = (tls.clone(), Arc::clone(&seen));
                thread::spawn(move || {
                    let number = open(&seen);
                    let note = |change: &mut dyn FnMut(&mut Session)| {
                        if let Some(session) = lock(&seen).get_mut(number) {
                            change(session);
                        }
                    };
                    // A client that goes away ends its own session only.
                    let _ = serve(stream, &tls, login, &note);
                });
            }
        });
        Ok(Self { port, sessions })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All connections so far.
    pub fn sessions(&self) -> Vec<Session> {
        lock(&self.sessions).clone()
    }
}

/// Writes into the session that is going on.
type Note<'a> = &'a dyn Fn(&mut dyn FnMut(&mut Session));

fn lock(sessions: &Mutex<Vec<Session>>) -> MutexGuard<'_, Vec<Session>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(sessions: &Mutex<Vec<Session>>) -> usize {
    let mut sessions = lock(sessions);
    sessions.push(Session::default());
    sessions.len() - 1
}

fn serve(stream: TcpStream, tls: &SslAcceptor, login: Login, note: Note<'_>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = &stream;
    writer.write_all(b"220 mail.example.test ESMTP\r\n")?;
    loop {
        let Some(line) = line(&mut reader)? else { return Ok(()) };
        note(&mut |session| session.clear.push(line.clone()));
        match verb(&line).as_str() {
            "EHLO" => writer.write_all(b"250-mail.example.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n")?,
            "STARTTLS" => break,
            "QUIT" => return writer.write_all(b"221 2.0.0 bye\r\n"),
            _ => writer.write_all(b"530 5.7.0 STARTTLS first\r\n")?,
        }
    }
    writer.write_all(b"220 2.0.0 go ahead\r\n")?;
    // What lies in the buffer came in clear and is dropped with it (RFC 3207, 4.2).
    drop(reader);
    let stream = tls.accept(stream).map_err(io::Error::other)?;
    converse(&mut BufReader::with_capacity(1 << 16, stream), login, note)
}

fn converse(stream: &mut BufReader<impl Read + Write>, login: Login, note: Note<'_>) -> io::Result<()> {
    let mut known = false;
    while let Some(line) = line(stream)? {
        let verb = verb(&line);
        let shown = if verb == "AUTH" { line.split(' ').take(2).collect::<Vec<_>>().join(" ") } else { line.clone() };
        note(&mut |session| session.commands.push(shown.clone()));
        let reply: &[u8] = match verb.as_str() {
            "EHLO" => {
                b"250-mail.example.test\r\n250-PIPELINING\r\n250-SIZE 200000000\r\n250-8BITMIME\r\n\
                  250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN\r\n"
            }
            "AUTH" => {
                known = authenticate(stream, &line, login)?;
                if known { b"235 2.7.0 welcome\r\n" } else { b"535 5.7.8 wrong user or password\r\n" }
            }
            "MAIL" | "RCPT" if !known => b"530 5.7.0 log in first\r\n",
            "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 2.0.0 ok\r\n",
            "DATA" if known => {
                answer(stream, b"354 end with a dot\r\n")?;
                let message = data(stream)?;
                note(&mut |session| session.messages.push(message.clone()));
                b"250 2.0.0 queued as 1A2B3C\r\n"
            }
            "QUIT" => return answer(stream, b"221 2.0.0 bye\r\n"),
            _ => b"502 5.5.1 not known here\r\n",
        };
        answer(stream, reply)?;
    }
    Ok(())
}

/// AUTH PLAIN (RFC 4616), with or without an initial response.
fn authenticate(stream: &mut BufReader<impl Read + Write>, command: &str, login: Login) -> io::Result<bool> {
    let response = match command.split(' ').nth(2) {
        Some(response) => response.to_owned(),
        None => {
            answer(stream, b"334 \r\n")?;
            line(stream)?.unwrap_or_default()
        }
    };
    let expected = format!("\0{}\0{}", login.user, login.password);
    Ok(STANDARD.decode(response).is_ok_and(|given| given == expected.as_bytes()))
}

fn data(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let start = message.len();
        if stream.read_until(b'\n', &mut message)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if &message[start..] == b".\r\n" {
            message.truncate(start);
            return Ok(message);
        }
        if message[start] == b'.' {
            message.remove(start);
        }
    }
}

fn answer(stream: &mut BufReader<impl Read + Write>, reply: &[u8]) -> io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(reply)?;
    stream.flush()
}

fn line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    let text = String::from_utf8_lossy(&line);
    Ok((!line.is_empty()).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn verb(line: &str) -> String {
    line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase()
}
