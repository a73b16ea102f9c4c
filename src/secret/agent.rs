//! gpg-agent: what it signs and decrypts with the secret halves that it keeps, those of a smartcard among them.
//!
//! It is told to ask nobody: a passphrase or a PIN is one that it has in its cache, or one that we were given. A wrong
//! one is told once, since a card counts them.

mod assuan;
mod expression;

use std::{
    cell::Cell,
    collections::BTreeSet,
    error::Error,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use self::{
    assuan::{Answer, AssuanError, Dialogue},
    expression::{Expression, atom, pair},
};
use super::{gnupg::Gnupg, program::DEADLINE};
use crate::crypt::{Agent, AgentError, Keygrip, MadeSignature, OpenedKey, SealedKey};

/// The codes of libgpg-error that say why, without the part that failed.
mod code {
    pub const BAD_PASSPHRASE: u32 = 11;
    pub const NO_SECKEY: u32 = 17;
    pub const INV_PASSPHRASE: u32 = 31;
    pub const NOT_SUPPORTED: u32 = 60;
    pub const NO_PIN_ENTRY: u32 = 85;
    pub const BAD_PIN: u32 = 87;
    pub const WRONG_CARD: u32 = 91;
    pub const CANCELED: u32 = 99;
    pub const NO_PASSPHRASE: u32 = 177;
    pub const NO_PIN: u32 = 178;
    pub const FULLY_CANCELED: u32 = 198;
    pub const ASS_CANCELED: u32 = 277;
    /// Card reset, removed, invalid, not present; no card daemon, or it failed; not initialized; PIN blocked. Not the card
    /// error 108, which may as well be about what it was to decrypt.
    pub const CARD: [u32; 8] = [109, 110, 111, 112, 119, 120, 123, 130];
}

/// The agent of a GnuPG home.
pub struct GpgAgent {
    home: PathBuf,
    socket: OnceLock<PathBuf>,
    passphrase: Option<Zeroizing<String>>,
    deadline: Duration,
    wrong: Mutex<Wrong>,
}

/// For what the passphrase is wrong. It is not told again: three wrong PINs lock a card.
#[derive(Default)]
struct Wrong {
    /// Keys that are no token's.
    keys: BTreeSet<Keygrip>,
    /// As the PIN of whatever token there is.
    pin: bool,
}

impl GpgAgent {
    /// That of a home, looked for when it is used; it is never started. The passphrase is for when it wants one.
    pub fn of(home: &Path, passphrase: Option<Zeroizing<String>>) -> Self {
        Self { home: home.to_owned(), socket: OnceLock::new(), passphrase, deadline: DEADLINE, wrong: Mutex::default() }
    }

    /// A dialogue about a key that asks nobody.
    fn dialogue(&self, grip: &Keygrip) -> Result<(Dialogue<Timed>, Passphrase<'_>), AgentError> {
        let end = Instant::now() + self.deadline;
        let stream = connect(self.socket()?, self.deadline)?.map_err(|error| self.not_there(&error))?;
        is_ours(&stream).map_err(|error| self.not_there(&error))?;
        let stream = Timed { stream, end };
        let mut dialogue = Dialogue::begin(stream).map_err(|error| self.broken(error))?;
        let withheld = self.is_wrong(&mut dialogue, grip)?;
        let given = self.passphrase.as_ref().filter(|_| !withheld);
        let mut passphrase = Passphrase { given, asked: Cell::new(0), withheld, refused: false };
        if passphrase.given.is_some() {
            match dialogue.command("OPTION pinentry-mode=loopback", &mut |_| None) {
                Ok(_) => return Ok((dialogue, passphrase)),
                // It may have it in its cache still.
                Err(AssuanError::Refused(code::NOT_SUPPORTED, _)) => passphrase.refused = true,
                Err(error) => return Err(self.broken(error)),
            }
        }
        dialogue.command("OPTION pinentry-mode=error", &mut |_| None).map_err(|error| self.broken(error))?;
        Ok((dialogue, passphrase))
    }

    /// Gives commands about a key in order, and what the last one brought.
    fn ask(
        &self,
        grip: &Keygrip,
        commands: &[String],
        more: &dyn Fn(&str) -> Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Answer, AgentError> {
        let (mut dialogue, passphrase) = self.dialogue(grip)?;
        let mut last = Answer::default();
        for command in commands {
            let answer = dialogue.command(command, &mut |keyword| more(keyword).or_else(|| passphrase.reply(keyword)));
            last = answer.map_err(|error| {
                let refused = self.refusal(error, &passphrase);
                if refused != AgentError::WrongPassphrase {
                    return refused;
                }
                let kind = kind(&mut dialogue, grip).unwrap_or_default();
                let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
                wrong.keys.insert(grip.clone());
                wrong.pin |= kind.as_deref() != Some(DISK);
                if kind.as_deref() == Some(TOKEN) { AgentError::WrongPin } else { refused }
            })?;
        }
        Ok(last)
    }

    /// Whether the passphrase is known to be wrong for a key.
    fn is_wrong(&self, dialogue: &mut Dialogue<Timed>, grip: &Keygrip) -> Result<bool, AgentError> {
        {
            let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            if !wrong.pin || wrong.keys.contains(grip) {
                return Ok(wrong.keys.contains(grip));
            }
        }
        let kind = kind(dialogue, grip).map_err(|error| self.broken(error))?;
        Ok(kind.as_deref() != Some(DISK))
    }

    /// Where it listens.
    fn socket(&self) -> Result<PathBuf, AgentError> {
        if let Some(known) = self.socket.get() {
            return Ok(known.clone());
        }
        let socket = Gnupg::open(Some(&self.home)).and_then(|gnupg| gnupg.agent_socket());
        let socket = socket.map_err(|error| self.not_there(&error))?;
        Ok(self.socket.get_or_init(|| socket).clone())
    }

    fn not_there(&self, why: &dyn Error) -> AgentError {
        AgentError::NotThere { home: self.home.clone(), why: why.to_string() }
    }

    fn broken(&self, error: AssuanError) -> AgentError {
        match error {
            AssuanError::Io(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                AgentError::Silent(self.deadline)
            }
            AssuanError::Io(error) => self.not_there(&error),
            AssuanError::Protocol(what) => AgentError::Protocol(what),
            AssuanError::Refused(_, words) => AgentError::Refused(words),
        }
    }

    fn refusal(&self, error: AssuanError, passphrase: &Passphrase<'_>) -> AgentError {
        let AssuanError::Refused(code, words) = error else { return self.broken(error) };
        match code {
            code::NO_SECKEY => AgentError::NoSecret,
            code::BAD_PASSPHRASE | code::INV_PASSPHRASE | code::BAD_PIN if passphrase.asked.get() > 0 => {
                AgentError::WrongPassphrase
            }
            code::NO_PIN_ENTRY
            | code::CANCELED
            | code::FULLY_CANCELED
            | code::ASS_CANCELED
            | code::NO_PASSPHRASE
            | code::NO_PIN
            | code::BAD_PASSPHRASE
            | code::INV_PASSPHRASE
            | code::BAD_PIN => match passphrase {
                Passphrase { refused: true, .. } => AgentError::TakesNoPassphrase,
                // It asked a second time.
                Passphrase { asked, withheld, .. } if asked.get() > 0 || *withheld => AgentError::WrongPassphrase,
                Passphrase { .. } => AgentError::NoPassphrase,
            },
            code::WRONG_CARD => AgentError::Card(words),
            code if code::CARD.contains(&code) => AgentError::Card(words),
            _ => AgentError::Refused(words),
        }
    }
}

impl Agent for GpgAgent {
    fn sign(&self, grip: &Keygrip, hash: u8, digest: &[u8]) -> Result<MadeSignature, AgentError> {
        let digest: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let commands = [format!("SIGKEY {grip}"), format!("SETHASH {hash} {digest}"), "PKSIGN".to_owned()];
        let answer = self.ask(grip, &commands, &|_| None)?;
        signature(&answer.data).ok_or(AgentError::Protocol("it gives no signature"))
    }

    fn decrypt(&self, grip: &Keygrip, sealed: SealedKey<'_>) -> Result<OpenedKey, AgentError> {
        let sealed = Zeroizing::new(enclosed(sealed));
        let reply = |keyword: &str| (keyword == "CIPHERTEXT").then(|| sealed.clone());
        let answer = self.ask(grip, &[format!("SETKEY {grip}"), "PKDECRYPT".to_owned()], &reply)?;
        // A card takes the padding away itself.
        let padded = !answer.status.iter().any(|(keyword, rest)| keyword == "PADDING" && rest == "0");
        let value = Expression::parse(&answer.data);
        let value = value.as_ref().and_then(|value| match value.named("value")? {
            [Expression::Atom(value)] => Some(*value),
            _ => None,
        });
        let value = value.ok_or(AgentError::Protocol("it gives nothing decrypted"))?;
        Ok(OpenedKey { bytes: Zeroizing::new(value.to_vec()), padded })
    }

    fn is_on_token(&self, grip: &Keygrip) -> Result<bool, AgentError> {
        // Of what it does not tell it may be.
        let kind = kind(&mut self.dialogue(grip)?.0, grip).map_err(|error| self.broken(error))?;
        Ok(kind.as_deref() != Some(DISK))
    }
}

/// Where a key is, in the answer to KEYINFO.
const TOKEN: &str = "T";
const DISK: &str = "D";

/// Where the agent says that a key is; none if it says nothing of it.
fn kind(dialogue: &mut Dialogue<Timed>, grip: &Keygrip) -> Result<Option<String>, AssuanError> {
    let told = match dialogue.command(&format!("KEYINFO {grip}"), &mut |_| None) {
        Err(AssuanError::Refused(..)) => return Ok(None),
        told => told?,
    };
    let info = told.status.iter().find(|(keyword, _)| keyword == "KEYINFO");
    Ok(info.and_then(|(_, rest)| rest.split(' ').nth(1)).map(str::to_owned))
}

/// What an agent is told when it asks.
struct Passphrase<'a> {
    given: Option<&'a Zeroizing<String>>,
    asked: Cell<u32>,
    /// It is wrong.
    withheld: bool,
    /// It takes none.
    refused: bool,
}

impl Passphrase<'_> {
    fn reply(&self, keyword: &str) -> Option<Zeroizing<Vec<u8>>> {
        if !matches!(keyword, "PASSPHRASE" | "PIN") {
            // A newer agent tells so that it asks somebody else.
            return None;
        }
        let given = self.given.filter(|_| self.asked.get() == 0)?;
        self.asked.set(1);
        Some(Zeroizing::new(given.as_bytes().to_vec()))
    }
}

/// Connects, which waits too while an agent takes nobody.
fn connect(socket: PathBuf, deadline: Duration) -> Result<io::Result<UnixStream>, AgentError> {
    let (sender, receiver) = mpsc::channel();
    let asked = thread::Builder::new().spawn(move || sender.send(UnixStream::connect(socket)));
    if let Err(error) = asked {
        return Ok(Err(error));
    }
    receiver.recv_timeout(deadline).map_err(|_| AgentError::Silent(deadline))
}

/// Whether who listens is of the same user, or of the system: it may be told a passphrase. A home that is gone may be
/// somebody else's by now.
fn is_ours(stream: &UnixStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let peer = rustix::net::sockopt::socket_peercred(stream)?.uid;
        if !peer.is_root() && peer != rustix::process::geteuid() {
            return Err(io::Error::other(format!("the agent belongs to another user, {}", peer.as_raw())));
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
    Ok(())
}

/// A connection with an end.
struct Timed {
    stream: UnixStream,
    end: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// `(sig-val (rsa (s ..)))`, `(sig-val (eddsa (r ..) (s ..)))`, `(sig-val (ecdsa (r ..) (s ..)))`.
fn signature(answer: &[u8]) -> Option<MadeSignature> {
    let read = Expression::parse(answer)?;
    let members = read.named("sig-val")?;
    let value = |members, name| Expression::value(members, name).map(<[u8]>::to_vec);
    members.iter().find_map(|member| {
        if let Some(numbers) = member.named("rsa") {
            return Some(MadeSignature::Rsa(value(numbers, "s")?));
        }
        let both = |numbers| Some((value(numbers, "r")?, value(numbers, "s")?));
        if let Some(numbers) = member.named("ecdsa") {
            return both(numbers).map(|(r, s)| MadeSignature::Ecdsa(r, s));
        }
        both(member.named("eddsa")?).map(|(r, s)| MadeSignature::Eddsa(r, s))
    })
}

/// `(enc-val (rsa (a ..)))` or `(enc-val (ecdh (s ..) (e ..)))`.
fn enclosed(sealed: SealedKey<'_>) -> Vec<u8> {
    let mut out = b"(7:enc-val(".to_vec();
    match sealed {
        SealedKey::Rsa(number) => {
            atom(&mut out, b"rsa");
            pair(&mut out, "a", number);
        }
        SealedKey::Ecdh(point, wrapped) => {
            atom(&mut out, b"ecdh");
            pair(&mut out, "s", wrapped);
            pair(&mut out, "e", point);
        }
    }
    out.extend_from_slice(b"))");
    out
}

#[cfg(test)]
mod tests;
