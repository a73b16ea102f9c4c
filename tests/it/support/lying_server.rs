//! A submission server that says just what a test wants it to say, when it wants it, and remembers every byte that it
//! was told, in clear and inside TLS.
//!
//! Each connection runs the same script from its beginning, in a thread of its own; when the script ends, the
//! connection is closed.

#![allow(clippy::type_complexity, reason = "closures that a test hands in")]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use openssl::{
    pkey::{PKey, Private},
    ssl::{Ssl, SslAcceptor, SslMethod, SslOptions, SslRef, SslStream, SslVerifyMode, SslVersion},
    x509::{X509, store::X509StoreBuilder},
};

/// How long a connection may last: scripts that wait forever end with it.
const LONGEST: Duration = Duration::from_secs(30);

/// One thing that the server does.
#[derive(Clone)]
pub enum Step {
    /// Says these bytes.
    Say(Vec<u8>),
    /// Says so many bytes, one at a time, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Says these bytes over and over, this many in all, or until the client hangs up.
    Flood(&'static [u8], usize),
    /// Reads a line.
    Line,
    /// Reads to the line that is a dot.
    Message,
    /// Reads this many bytes.
    Bytes(usize),
    /// Begins TLS.
    Tls,
    /// Waits.
    Pause(Duration),
    /// Says and reads nothing until the client hangs up.
    Silence,
    /// Reads all that comes and says nothing until the client hangs up.
    Listen,
    /// Closes with a reset.
    Reset,
    /// Whatever else.
    Do(Arc<dyn Fn(&mut Conversation) -> io::Result<()> + Send + Sync>),
}

/// A running server. Its threads end with the process, or with their clients.
pub struct LyingServer {
    port: u16,
    records: Arc<Mutex<Vec<Record>>>,
}

/// All that one client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Before TLS.
    pub clear: Vec<u8>,
    /// Inside TLS.
    pub secured: Vec<u8>,
}

/// The server's side of TLS.
#[derive(Clone)]
pub struct Face {
    certificate: X509,
    key: PKey<Private>,
    newest: SslVersion,
    groups: Option<&'static str>,
    clients: Option<X509>,
}

/// A connection under way.
pub struct Conversation {
    tcp: TcpStream,
    tls: Option<SslStream<TcpStream>>,
    face: Face,
    unread: Vec<u8>,
    record: Box<dyn Fn(bool, &[u8]) + Send>,
}

/// Says a line, CR LF added.
pub fn say(line: &str) -> Step {
    Step::Say(format!("{line}\r\n").into_bytes())
}

/// An honest opening up to the EHLO inside STARTTLS, which offers these lines.
pub fn opening(offers: &[&str]) -> Vec<Step> {
    let mut steps = vec![
        say("220 lying.example.test ESMTP"),
        Step::Line,
        say("250-lying.example.test\r\n250 STARTTLS"),
        Step::Line,
        say("220 go ahead"),
        Step::Tls,
    ];
    steps.extend(hello(offers));
    steps
}

/// Reads EHLO and offers these lines.
pub fn hello(offers: &[&str]) -> Vec<Step> {
    let mut reply = String::from("250-lying.example.test");
    for offer in offers {
        reply.push_str(&format!("\r\n250-{offer}"));
    }
    vec![Step::Line, say(&format!("{reply}\r\n250 OK"))]
}

/// A command and what is said to it.
pub fn answer(line: &str) -> Vec<Step> {
    vec![Step::Line, say(line)]
}

impl Face {
    /// Shows this certificate.
    pub fn new(certificate: X509, key: PKey<Private>) -> Self {
        Self { certificate, key, newest: SslVersion::TLS1_3, groups: None, clients: None }
    }

    /// Speaks nothing newer.
    pub fn up_to(mut self, version: SslVersion) -> Self {
        self.newest = version;
        self
    }

    /// Agrees on these groups only.
    pub fn groups(mut self, groups: &'static str) -> Self {
        self.groups = Some(groups);
        self
    }

    /// Demands a client certificate of this authority.
    pub fn demand(mut self, authority: X509) -> Self {
        self.clients = Some(authority);
        self
    }

    fn accept(&self, stream: TcpStream) -> io::Result<SslStream<TcpStream>> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        builder.clear_options(SslOptions::NO_TLSV1 | SslOptions::NO_TLSV1_1);
        builder.set_min_proto_version(None)?;
        builder.set_max_proto_version(Some(self.newest))?;
        // Old versions need what nobody should allow.
        builder.set_security_level(0);
        builder.set_cipher_list("ALL")?;
        builder.set_certificate(&self.certificate)?;
        builder.set_private_key(&self.key)?;
        if let Some(groups) = self.groups {
            builder.set_groups_list(groups)?;
        }
        if let Some(authority) = &self.clients {
            let mut store = X509StoreBuilder::new()?;
            store.add_cert(authority.clone())?;
            builder.set_verify_cert_store(store.build())?;
            builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        let acceptor = builder.build();
        let mut stream = SslStream::new(Ssl::new(acceptor.context())?, stream)?;
        stream.accept().map_err(io::Error::other)?;
        Ok(stream)
    }
}

impl LyingServer {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(face: &Face, script: Vec<Step>) -> Self {
        Self::starts(face, vec![script])
    }

    /// Each connection runs the next script; the last one serves all that are left.
    pub fn starts(face: &Face, scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let records = Arc::new(Mutex::new(Vec::new()));
        let (face, seen) = (face.clone(), Arc::clone(&records));
        thread::spawn(move || {
            for (number, tcp) in listener.incoming().flatten().enumerate() {
                lock(&seen).push(Record::default());
                let script = scripts[number.min(scripts.len() - 1)].clone();
                let (face, seen) = (face.clone(), Arc::clone(&seen));
                thread::spawn(move || {
                    let record = Box::new(move |secured: bool, bytes: &[u8]| {
                        let record = &mut lock(&seen)[number];
                        if secured { &mut record.secured } else { &mut record.clear }.extend_from_slice(bytes);
                    });
                    // A client that goes away ends the script, which is what it is for.
                    let _ = Conversation { tcp, tls: None, face, unread: Vec::new(), record }.run(script);
                });
            }
        });
        Self { port, records }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All connections so far.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.records).clone()
    }

    /// The one connection that there was.
    #[track_caller]
    pub fn record(&self) -> Record {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }

    /// Waits until a client has said this inside TLS.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let start = Instant::now();
        while !self.records().iter().any(|record| record.secured_text().contains(text)) {
            assert!(start.elapsed() < Duration::from_secs(5), "{text:?} did not come: {:?}", self.records());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Record {
    /// What was said in clear, as text.
    pub fn clear_text(&self) -> String {
        String::from_utf8_lossy(&self.clear).into_owned()
    }

    /// What was said inside TLS, as text.
    pub fn secured_text(&self) -> String {
        String::from_utf8_lossy(&self.secured).into_owned()
    }
}

impl Conversation {
    /// The TLS session.
    pub fn ssl(&self) -> Option<&SslRef> {
        self.tls.as_ref().map(SslStream::ssl)
    }

    /// Says bytes.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.write_all(bytes),
            None => self.tcp.write_all(bytes),
        }
    }

    /// Reads a line, without its end.
    pub fn line(&mut self) -> io::Result<String> {
        self.until(b"\r\n").map(|line| String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
    }

    /// Reads so many bytes.
    pub fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            if self.read()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..count).collect())
    }

    fn run(mut self, script: Vec<Step>) -> io::Result<()> {
        self.tcp.set_nodelay(true)?;
        self.tcp.set_read_timeout(Some(LONGEST))?;
        self.tcp.set_write_timeout(Some(LONGEST))?;
        for step in script {
            match step {
                Step::Say(bytes) => self.say(&bytes)?,
                Step::Drip(bytes, pause) => {
                    for byte in bytes {
                        thread::sleep(pause);
                        self.say(&[byte])?;
                    }
                }
                Step::Flood(piece, total) => {
                    let block = piece.repeat(65_536 / piece.len());
                    for _ in 0..total.div_ceil(block.len()) {
                        self.say(&block)?;
                    }
                }
                Step::Line => drop(self.line()?),
                Step::Message => drop(self.until(b"\r\n.\r\n")?),
                Step::Bytes(count) => drop(self.bytes(count)?),
                Step::Tls => {
                    // What lies here unread came in clear.
                    self.unread.clear();
                    self.tls = Some(self.face.accept(self.tcp.try_clone()?)?);
                }
                Step::Pause(time) => thread::sleep(time),
                Step::Silence => {
                    let start = Instant::now();
                    let mut byte = [0];
                    self.tcp.set_nonblocking(true)?;
                    while start.elapsed() < LONGEST && !matches!(self.tcp.peek(&mut byte), Ok(0)) {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
                Step::Listen => while self.read()? > 0 {},
                Step::Reset => {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
                    let _guard = runtime.enter();
                    self.tcp.set_nonblocking(true)?;
                    tokio::net::TcpStream::from_std(self.tcp.try_clone()?)?.set_zero_linger()?;
                    return Ok(());
                }
                Step::Do(what) => what(&mut self)?,
            }
        }
        if let Some(tls) = &mut self.tls {
            let _ = tls.shutdown();
        }
        Ok(())
    }

    fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return Ok(self.unread.drain(..at + end.len()).collect());
            }
            if self.read()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16_384];
        let read = match &mut self.tls {
            Some(tls) => tls.read(&mut buffer)?,
            None => self.tcp.read(&mut buffer)?,
        };
        (self.record)(self.tls.is_some(), &buffer[..read]);
        self.unread.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

/// A port of 127.0.0.1 that refuses.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    listener.local_addr().unwrap().port()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
