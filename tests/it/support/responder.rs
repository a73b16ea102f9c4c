//! A responder of OCSP (RFC 6960) by `openssl ocsp`, behind a server that can lie.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use super::{
    Ca, Identity, Mailbox,
    authority::database,
    lying_server::{Conversation, Face, LyingServer, Step},
    run,
};

/// A server whose address a certificate can name before it is known what the server is to say.
pub struct Responder {
    server: LyingServer,
    how: Arc<Mutex<How>>,
}

/// What it does with a question.
#[derive(Clone)]
pub enum How {
    /// Says nothing.
    Silent,
    /// Says these bytes.
    Say(Vec<u8>),
    /// Says so many bytes of an answer.
    Flood(usize),
    /// Lets a daemon at this port answer.
    Relay(u16),
    /// Answers by `openssl ocsp`.
    Answer(Books),
}

/// What an authority knows, and who answers for it.
#[derive(Clone)]
pub struct Books {
    issuer: Mailbox,
    signer: Mailbox,
    database: String,
    /// Further flags of `openssl ocsp`.
    flags: Vec<&'static str>,
    /// Answers about this one, whatever was asked.
    about: Option<Mailbox>,
}

/// `openssl ocsp` as a daemon, which ends with this value.
pub struct Daemon {
    child: Child,
    /// Where it listens.
    pub port: u16,
    _folder: tempfile::TempDir,
}

impl Responder {
    /// Listens, and says nothing until it is told what.
    pub fn new() -> Self {
        let how = Arc::new(Mutex::new(How::Silent));
        let told = Arc::clone(&how);
        let Identity { certificate, key } = Ca::new().server();
        let answer = Step::Do(Arc::new(move |conversation| {
            let request = request(conversation)?;
            let how = told.lock().unwrap().clone();
            how.answer(conversation, &request)
        }));
        Self { server: LyingServer::start(&Face::new(certificate, key), vec![answer, Step::Silence]), how }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/ocsp", self.server.port())
    }

    /// Tells it what to say from now on.
    pub fn will(&self, how: How) {
        *self.how.lock().unwrap() = how;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.server.records().len()
    }
}

/// Header and body of a request.
fn request(conversation: &mut Conversation) -> io::Result<(String, Vec<u8>)> {
    let (mut header, mut length) = (String::new(), 0);
    loop {
        let line = conversation.line()?;
        if line.is_empty() {
            return Ok((header, conversation.bytes(length)?));
        }
        if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = number.parse().unwrap();
        }
        header += &format!("{line}\r\n");
    }
}

impl How {
    fn answer(&self, conversation: &mut Conversation, (header, body): &(String, Vec<u8>)) -> io::Result<()> {
        let head = |length: usize| {
            format!("HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: {length}\r\n\r\n")
        };
        match self {
            Self::Silent => Ok(()),
            Self::Say(bytes) => conversation.say(bytes),
            Self::Flood(total) => {
                conversation.say(head(*total).as_bytes())?;
                (0..total.div_ceil(65_536)).try_for_each(|_| conversation.say(&[0x30; 65_536]))
            }
            Self::Relay(port) => {
                let mut daemon = TcpStream::connect(("127.0.0.1", *port))?;
                daemon.write_all(&[header.as_bytes(), b"\r\n", body].concat())?;
                let mut answer = Vec::new();
                daemon.read_to_end(&mut answer)?;
                conversation.say(&answer)
            }
            Self::Answer(books) => {
                let answer = books.answer(body);
                conversation.say(head(answer.len()).as_bytes())?;
                conversation.say(&answer)
            }
        }
    }
}

impl Books {
    /// Of an authority that issued some certificates, and revoked some yesterday; it answers itself.
    pub fn new(issuer: &Mailbox, issued: &[&Mailbox], revoked: &[&Mailbox]) -> Self {
        let database = database(issued, revoked);
        Self { issuer: issuer.clone(), signer: issuer.clone(), database, flags: vec!["-ndays", "1"], about: None }
    }

    /// Somebody else answers.
    pub fn signed_by(mut self, signer: &Mailbox) -> Self {
        self.signer = signer.clone();
        self
    }

    /// With other flags of `openssl ocsp`.
    pub fn flags(mut self, flags: &[&'static str]) -> Self {
        self.flags = flags.to_vec();
        self
    }

    /// Answers about this one, whatever was asked.
    pub fn about(mut self, other: &Mailbox) -> Self {
        self.about = Some(other.clone());
        self
    }

    /// A command in a folder with its files.
    fn command(&self) -> (Command, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
        write("index.txt", self.database.clone().into_bytes());
        write("ca.pem", self.issuer.certificate_pem());
        write("signer.pem", self.signer.certificate_pem());
        write("signer.key", self.signer.key_pem());
        let mut command = Command::new("openssl");
        command.args(["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "signer.pem", "-rkey", "signer.key"]);
        command.args(&self.flags).current_dir(folder.path());
        (command, folder)
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let (mut command, folder) = self.command();
        match &self.about {
            None => {
                fs::write(folder.path().join("request.der"), request).unwrap();
                command.args(["-reqin", "request.der"]);
            }
            Some(other) => {
                fs::write(folder.path().join("other.pem"), other.certificate_pem()).unwrap();
                command.args(["-issuer", "ca.pem", "-cert", "other.pem"]);
            }
        }
        command.args(["-respout", "answer.der"]);
        run(command, b"").expect(0);
        fs::read(folder.path().join("answer.der")).unwrap()
    }

    /// Starts `openssl ocsp` on a free port.
    pub fn daemon(&self) -> Daemon {
        let (mut command, folder) = self.command();
        command.args(["-port", "0"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // "ACCEPT 0.0.0.0:41543 PID=17".
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.starts_with("ACCEPT"))).unwrap();
        let port = line.split_whitespace().nth(1).and_then(|at| at.rsplit_once(':')).unwrap().1;
        Daemon { child, port: port.parse().unwrap(), _folder: folder }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
