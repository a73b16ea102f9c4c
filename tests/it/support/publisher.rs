//! A server of certificates over https that can be told what to say to which path.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{
    Ca, Identity,
    lying_server::{Conversation, Face, LyingServer, Step},
};

/// A server for some hosts.
pub struct Publisher {
    server: LyingServer,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
}

/// What it says.
#[derive(Clone)]
pub enum Reply {
    /// This, with status 200.
    Body(Vec<u8>),
    /// This status and nothing else.
    Status(u16),
    /// This status with these words.
    Says(u16, String),
    /// A redirect.
    Redirect(String),
    /// So many octets.
    Flood(usize),
    /// This, an octet each hundredth of a second.
    Drip(Vec<u8>),
}

impl Publisher {
    /// One that shows a certificate of an authority for these hosts, and has nothing yet.
    pub fn new(ca: &Ca, hosts: &[&str]) -> Self {
        Self::showing(ca.serving(hosts))
    }

    /// One that shows this certificate.
    pub fn showing(Identity { certificate, key }: Identity) -> Self {
        let replies = Arc::new(Mutex::new(HashMap::new()));
        let told = Arc::clone(&replies);
        let answer = Step::Do(Arc::new(move |conversation| {
            let (host, target) = request(conversation)?;
            let reply = told.lock().unwrap().get(&format!("{host}{target}")).cloned();
            reply.unwrap_or(Reply::Status(404)).say(conversation)
        }));
        Self { server: LyingServer::start(&Face::new(certificate, key), vec![Step::Tls, answer]), replies }
    }

    /// Tells it what to say at a host and a path with its query, such as `keys.example.test/a?b=c`.
    pub fn will(&self, target: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(target.to_owned(), reply);
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// What was posted, in order.
    pub fn posted(&self) -> Vec<String> {
        let records = self.server.records();
        let posts = records.iter().map(|record| record.secured_text()).filter(|text| text.starts_with("POST "));
        posts.filter_map(|text| text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())).collect()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.server.records().len()
    }

    /// All that it was told.
    pub fn heard(&self) -> String {
        self.server.records().iter().map(|record| record.secured_text()).collect()
    }
}

impl Reply {
    fn say(&self, conversation: &mut Conversation) -> io::Result<()> {
        let head = |status: u16, length: usize| format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n");
        match self {
            Self::Body(body) => conversation.say(&[head(200, body.len()).as_bytes(), body].concat()),
            Self::Status(status) => conversation.say(head(*status, 0).as_bytes()),
            Self::Says(status, words) => conversation.say((head(*status, words.len()) + words).as_bytes()),
            Self::Redirect(to) => conversation
                .say(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").as_bytes()),
            Self::Flood(total) => {
                conversation.say(b"HTTP/1.1 200 OK\r\n\r\n")?;
                (0..total.div_ceil(65_536)).try_for_each(|_| conversation.say(&[b'x'; 65_536]))
            }
            Self::Drip(body) => {
                conversation.say(head(200, body.len()).as_bytes())?;
                body.iter().try_for_each(|byte| {
                    thread::sleep(Duration::from_millis(10));
                    conversation.say(&[*byte])
                })
            }
        }
    }
}

/// Host and target of a request, once all of it is read.
fn request(conversation: &mut Conversation) -> io::Result<(String, String)> {
    let (mut host, mut target, mut length) = (String::new(), String::new(), 0);
    loop {
        let line = conversation.line()?;
        if line.is_empty() {
            conversation.bytes(length)?;
            return Ok((host, target));
        }
        if let Some(named) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = named.parse().unwrap();
        }
        if let Some(named) = line.to_ascii_lowercase().strip_prefix("host: ") {
            host = named.to_owned();
        }
        if let Some(rest) = line.strip_prefix("GET ").or_else(|| line.strip_prefix("POST ")) {
            target = rest.trim_end_matches(" HTTP/1.1").to_owned();
        }
    }
}
