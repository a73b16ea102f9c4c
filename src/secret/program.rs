//! Programs that give secrets or take them: run without a shell, with bounds on time and output. No secret is in
//! their arguments or their environment.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io,
    io::{Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::source::read_bounded;

/// How long a program may take; a human may have to unlock something.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// Environment variables that hold secrets of ours: no child gets them, whatever the order of the sources.
static WITHHELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps a variable from all programs that are run from now on.
pub(super) fn withhold(name: &str) {
    WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
}

/// What is to be run, and within which bounds.
pub(super) struct Program<'a> {
    /// Its name, looked for in `PATH`, or its path.
    pub name: &'a OsStr,
    pub arguments: &'a [OsString],
    /// What it reads on its stdin; nothing unless given.
    pub stdin: Option<Zeroizing<Vec<u8>>>,
    /// All of its environment; else it is our own without what is withheld.
    pub environment: Option<&'a [(&'static str, OsString)]>,
    /// The most that it may print, in bytes.
    pub most: usize,
    /// How much of its stderr is kept, in bytes.
    pub stderr: u64,
    pub deadline: Duration,
}

/// Why a program gave nothing.
#[derive(Debug)]
pub(super) enum ProgramError {
    /// It does not exist (`NotFound`) or cannot be run or read.
    Io(io::Error),
    /// It printed more than it may.
    TooLong,
    /// It, or whoever holds its stdout open, took longer.
    Deadline(Duration),
    /// It ended with another exit code than 0; with the start of its stderr.
    Failed(ExitStatus, String),
}

impl Program<'_> {
    /// Runs it to its end, and gives its stdout.
    pub fn run(self) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
        let end = Instant::now() + self.deadline;
        let late = || ProgramError::Deadline(self.deadline);
        let mut command = Command::new(self.name);
        command.args(self.arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        match self.environment {
            Some(all) => drop(command.env_clear().envs(all.iter().map(|(name, value)| (name, value)))),
            None => {
                for name in WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                    command.env_remove(name);
                }
            }
        }
        let mut child = Guard(command.spawn().map_err(ProgramError::Io)?);
        let (most, kept) = (self.most, self.stderr);
        // it may end without reading, which is its own affair
        in_background(child.0.stdin.take().zip(self.stdin), |(mut stdin, given)| stdin.write_all(&given));
        let stdout = in_background(child.0.stdout.take(), move |mut stdout| read_bounded(&mut stdout, most));
        let stderr = in_background(child.0.stderr.take(), move |stderr| {
            let mut start = Vec::new();
            let mut stderr = stderr.take(kept);
            stderr.read_to_end(&mut start)?;
            io::copy(&mut stderr.into_inner(), &mut io::sink())?;
            Ok::<_, io::Error>(start)
        });

        let printed = stdout.recv_timeout(end.saturating_duration_since(Instant::now())).map_err(|_| late())?;
        let printed = printed.map_err(ProgramError::Io)?.ok_or(ProgramError::TooLong)?;
        let status = loop {
            match child.0.try_wait().map_err(ProgramError::Io)? {
                Some(status) => break status,
                None if Instant::now() >= end => return Err(late()),
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        if status.success() {
            return Ok(printed);
        }
        // what a grandchild may still hold open is not waited for
        let said = stderr.recv_timeout(Duration::from_secs(1)).ok().and_then(Result::ok).unwrap_or_default();
        Err(ProgramError::Failed(status, String::from_utf8_lossy(&said).trim().to_owned()))
    }
}

/// Reads or writes a pipe to its end beside the caller, who may stop waiting.
fn in_background<P, T>(pipe: Option<P>, work: impl FnOnce(P) -> T + Send + 'static) -> mpsc::Receiver<T>
where
    P: Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = pipe {
        // Without a thread nobody answers.
        let _ = thread::Builder::new().spawn(move || sender.send(work(pipe)));
    }
    receiver
}

/// Leaves no program running and no zombie behind.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
