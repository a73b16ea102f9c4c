//! `make demo`: a message goes from the shell through a submission server to its reader, and the server's view
//! of it is shown. Then one that cannot be sealed for all its recipients, which goes to none.
//!
//! The server is embedded (`server.rs`), the keys are the specimens of `keys/`, the program is the real one.
//! Neither root nor network is needed. Whatever is not as claimed ends it with exit code 1.
#![allow(clippy::print_stdout)]

#[path = "../../tests/it/support/ca.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "made for tests, whose flawed certificates are not needed here")]
mod ca;
mod server;

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use server::{Login, Server, Session};

type Failure = Box<dyn std::error::Error>;

const LOGIN: Login = Login { user: "alice", password: "correct horse battery" };
const TEXT: &str = "Dinner at eight, at the usual place.\n";
const SUBJECT: &str = "Dinner plans";

/// A folder with all that the demonstration writes, and the program.
struct Stage {
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// What a run of the program came to.
struct Outcome {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

fn main() -> Result<(), Failure> {
    let stage = Stage::new()?;
    let authority = ca::Ca::new();
    let identity = authority.server();
    stage.write("ca.pem", &authority.pem())?;
    let server = Server::start(&identity.certificate, &identity.key, LOGIN)?;
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ports = format!("{closed}/starttls,{}/tls,{}/starttls", silent.local_addr()?.port(), server.port());
    println!("A server listens on the loopback. Of its three doors one is closed (as 587 would be),");
    println!("one accepts and stays silent (465), one is open (2525).");

    title("Alice's key and Bob's certificate");
    stage.run("key import alice.key --passphrase file:passphrase", "")?.expect(0)?;
    stage.run("cert import bob.asc", "")?.expect(0)?;

    title("Alice sends");
    let submission =
        format!("--host localhost --ports {ports} --user alice --password file:smtp-password --ca-file ca.pem");
    let send = format!(
        "send --from alice@example.test -t bob@example.test -s '{SUBJECT}' {submission} --passphrase file:passphrase --json"
    );
    let receipt = stage.run(&send, TEXT)?.expect(0)?.json()?;
    expect("the receipt says accepted", receipt["status"] == "accepted")?;
    expect("by the open door", receipt["messages"][0]["endpoint"]["port"] == server.port())?;
    let outcomes: Vec<&str> =
        receipt["attempts"].as_array().into_iter().flatten().filter_map(|one| one["outcome"].as_str()).collect();
    expect("after one that refused and one that stayed silent", outcomes == ["refused", "silent"])?;

    title("What the server saw");
    let sessions = server.sessions();
    let session = sessions.iter().find(|session| !session.messages.is_empty()).ok_or("the server saw no message")?;
    let [message] = &session.messages[..] else { return Err("the server saw more than one message".into()) };
    let message = String::from_utf8(message.clone())?;
    show(session, &message);
    let clear = session.clear.iter().all(|line| line.starts_with("EHLO ") || line == "STARTTLS");
    expect("in clear only EHLO and STARTTLS", clear)?;
    let seen = format!("{}\n{message}", session.commands.join("\n"));
    expect("neither subject nor text", !seen.contains("Dinner") && !seen.contains("usual place"))?;
    expect("an encrypted message", message.contains("-----BEGIN PGP MESSAGE-----"))?;

    title("Bob reads");
    stage.write("message.eml", message.as_bytes())?;
    let open = "open --key bob.key --cert alice.asc --passphrase file:passphrase message.eml";
    let read = stage.run(open, "")?.expect(0)?;
    expect("the text is Alice's", read.stdout == TEXT)?;
    let open = "open --json --key bob.key --cert alice.asc --passphrase file:passphrase message.eml";
    let read = stage.run(open, "")?.expect(0)?.json()?;
    expect("it was encrypted", read["encrypted"] == true)?;
    expect("signed by Alice", read["signature"]["state"] == "good")?;
    expect("with its subject inside", read["headers"]["subject"]["value"] == SUBJECT)?;

    title("Dave has no certificate: nobody gets anything");
    let before = server.sessions().len();
    let send = format!(
        "send --from alice@example.test -t bob@example.test -t dave@example.test -s '{SUBJECT}' {submission} --passphrase file:passphrase"
    );
    let refused = stage.run(&send, TEXT)?.expect(67)?;
    expect("Dave is named", refused.stderr.contains("dave@example.test"))?;
    expect("nothing on the wire", server.sessions().len() == before)?;
    println!("\nAll as claimed.");
    Ok(())
}

impl Stage {
    fn new() -> Result<Self, Failure> {
        // target/debug/examples/demo stands beside target/debug/sealpost.
        let own = std::env::current_exe()?;
        let program = own.ancestors().nth(2).ok_or("no folder above the example")?.join("sealpost");
        if !program.exists() {
            return Err(format!("{} is not there: run `make demo`", program.display()).into());
        }
        let stage = Self { folder: tempfile::Builder::new().prefix("sealpost-demo-").tempdir()?, program };
        for name in ["alice.key", "bob.key", "alice.asc", "bob.asc", "passphrase"] {
            stage.write(name, &fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("keys").join(name))?)?;
        }
        stage.write("smtp-password", format!("{}\n", LOGIN.password).as_bytes())?;
        Ok(stage)
    }

    /// Writes a file that only its owner can read.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.folder.path().join(name);
        Ok(fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)?)
    }

    /// Shows a command line, runs it, and shows what came out.
    fn run(&self, line: &str, stdin: &str) -> Result<Outcome, Failure> {
        let pipe = if stdin.is_empty() { String::new() } else { format!("echo '{}' | ", stdin.trim_end()) };
        println!("\n$ {pipe}sealpost {line}");
        let mut child = Command::new(&self.program)
            .args(words(line))
            .env_clear()
            .env("SEALPOST_HOME", self.folder.path().join("state"))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that reads nothing may close it first.
            let _ = pipe.write_all(stdin.as_bytes());
        }
        let output = child.wait_with_output()?;
        let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        print!("{stderr}");
        match serde_json::from_str::<Value>(&stdout) {
            Ok(object) => println!("{object:#}"),
            Err(_) => print!("{stdout}"),
        }
        Ok(Outcome { exit: output.status.code(), stdout, stderr })
    }
}

impl Outcome {
    fn expect(self, exit: i32) -> Result<Self, Failure> {
        expect(&format!("exit code {exit}"), self.exit == Some(exit)).map(|()| self)
    }

    fn json(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_str(&self.stdout)?)
    }
}

/// Takes a shown command line apart: words, and single quotes around those with blanks.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

fn title(text: &str) {
    println!("\n=== {text}");
}

fn expect(claim: &str, holds: bool) -> Result<(), Failure> {
    println!("  [{}] {claim}", if holds { "ok" } else { "NOT SO" });
    holds.then_some(()).ok_or_else(|| format!("not as claimed: {claim}").into())
}

/// The session, the middle of the ciphertext left out.
fn show(session: &Session, message: &str) {
    let lines: Vec<&str> = message.lines().collect();
    println!();
    for line in &session.clear {
        println!("in clear   {line}");
    }
    for line in &session.commands {
        println!("inside TLS {line}");
    }
    let begin = lines.iter().position(|line| line.starts_with("-----BEGIN")).map_or(lines.len(), |at| at + 4);
    let end = lines.iter().position(|line| line.starts_with("-----END")).map_or(lines.len(), |at| at - 1);
    for line in &lines[..begin.min(lines.len())] {
        println!("           {line}");
    }
    if begin < end {
        println!("           ... {} more lines of ciphertext ...", end - begin);
        lines[end..].iter().for_each(|line| println!("           {line}"));
    }
}
