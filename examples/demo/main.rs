//! `make demo`: a message goes from the shell through a submission server to its two readers, in S/MIME to Bob and
//! in OpenPGP to Carol, and the server's view of it is shown. Then one that cannot be sealed for all its recipients,
//! which goes to none.
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

    title("Alice's keys, one for each suite; Bob reads S/MIME, Carol OpenPGP");
    let anchor = stage.folder.path().join("mail-ca.pem");
    let config = format!("[smime]\ntrust_anchors = [\"{}\"]\n", anchor.display());
    println!("config.toml says whose S/MIME certificates count:\n\n{config}");
    fs::create_dir(stage.folder.path().join("state"))?;
    stage.write("state/config.toml", config.as_bytes())?;
    for key in ["alice.p12", "alice.key"] {
        stage.run(&format!("key import {key} --passphrase file:passphrase"), "")?.expect(0)?;
    }
    for certificate in ["bob.pem", "carol.asc"] {
        stage.run(&format!("cert import {certificate}"), "")?.expect(0)?;
    }

    title("Alice sends to both");
    let submission =
        format!("--host localhost --ports {ports} --user alice --password file:smtp-password --ca-file ca.pem");
    let send = format!(
        "send --from alice@example.test -t bob@example.test,carol@example.test -s '{SUBJECT}' {submission} --passphrase file:passphrase --json"
    );
    let receipt = stage.run(&send, TEXT)?.expect(0)?.json()?;
    expect("the receipt says accepted", receipt["status"] == "accepted")?;
    expect("by the open door", receipt["messages"][0]["endpoint"]["port"] == server.port())?;
    let outcomes: Vec<&str> =
        receipt["attempts"].as_array().into_iter().flatten().filter_map(|one| one["outcome"].as_str()).collect();
    expect("after one that refused and one that stayed silent", outcomes == ["refused", "silent"])?;

    let suites: Vec<&str> =
        receipt["messages"].as_array().into_iter().flatten().filter_map(|one| one["suite"].as_str()).collect();
    expect("one message in OpenPGP and one in S/MIME", suites == ["openpgp", "smime"])?;

    title("What the server saw");
    let sessions = server.sessions();
    let session = sessions.iter().find(|session| !session.messages.is_empty()).ok_or("the server saw no message")?;
    let [openpgp, smime] = &session.messages[..] else { return Err("the server saw other than two messages".into()) };
    let (openpgp, smime) = (String::from_utf8(openpgp.clone())?, String::from_utf8(smime.clone())?);
    show(session, &[&openpgp, &smime]);
    let clear = session.clear.iter().all(|line| line.starts_with("EHLO ") || line == "STARTTLS");
    expect("in clear only EHLO and STARTTLS", clear)?;
    let seen = format!("{}\n{openpgp}\n{smime}", session.commands.join("\n"));
    expect("neither subject nor text", !seen.contains("Dinner") && !seen.contains("usual place"))?;
    expect("an OpenPGP message", openpgp.contains("-----BEGIN PGP MESSAGE-----"))?;
    expect("an S/MIME message", smime.contains("smime-type=enveloped-data"))?;

    let bob = "--key bob.p12 --passphrase file:passphrase --trust-anchor mail-ca.pem bob.eml";
    let carol = "--key carol.key --passphrase file:passphrase --cert alice.asc carol.eml";
    stage.write("bob.eml", smime.as_bytes())?;
    stage.write("carol.eml", openpgp.as_bytes())?;
    for (who, with) in [("Bob", bob), ("Carol", carol)] {
        title(&format!("{who} reads"));
        let read = stage.run(&format!("open {with}"), "")?.expect(0)?;
        expect("the text is Alice's", read.stdout == TEXT)?;
        let read = stage.run(&format!("open --json {with}"), "")?.expect(0)?.json()?;
        expect("it was encrypted", read["encrypted"] == true)?;
        expect("signed by Alice", read["signature"]["state"] == "good")?;
        expect("with its subject inside", read["headers"]["subject"]["value"] == SUBJECT)?;
        let to = read["headers"]["to"]["value"].as_str().unwrap_or_default();
        expect("for Bob and Carol", to.contains("bob@") && to.contains("carol@"))?;
    }

    title("Erin has no certificate: nobody gets anything");
    let before = server.sessions().len();
    let send = format!(
        "send --from alice@example.test -t bob@example.test -t erin@example.test -s '{SUBJECT}' {submission} --passphrase file:passphrase"
    );
    let refused = stage.run(&send, TEXT)?.expect(67)?;
    expect("Erin is named", refused.stderr.contains("erin@example.test"))?;
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
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys");
        for name in
            ["alice.key", "alice.p12", "bob.p12", "carol.key", "alice.asc", "bob.pem", "carol.asc", "passphrase"]
        {
            stage.write(name, &fs::read(keys.join(name))?)?;
        }
        stage.write("mail-ca.pem", &fs::read(keys.join("ca.pem"))?)?;
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

/// The session, the middle of each ciphertext left out.
fn show(session: &Session, messages: &[&str]) {
    println!();
    for line in &session.clear {
        println!("in clear   {line}");
    }
    for line in &session.commands {
        println!("inside TLS {line}");
    }
    for message in messages {
        println!();
        let lines: Vec<&str> = message.lines().collect();
        // From the first line of Base64 on.
        let begin =
            lines.iter().position(|line| line.len() >= 60 && !line.contains(' ')).map_or(lines.len(), |at| at + 3);
        let end = lines.len().saturating_sub(5).max(begin);
        lines[..begin.min(lines.len())].iter().for_each(|line| println!("           {line}"));
        if begin < end {
            println!("           ... {} more lines of ciphertext ...", end - begin);
            lines[end..].iter().for_each(|line| println!("           {line}"));
        }
    }
}
