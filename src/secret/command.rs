//! Secrets that a program prints.

use std::{
    collections::BTreeSet,
    io,
    io::Read,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{SecretError, Source, source::read_bounded};

/// How long a program may take; a human may have to unlock something.
const DEADLINE: Duration = Duration::from_secs(60);

/// How much of its stderr is kept, in bytes.
const STDERR_KEPT: u64 = 2048;

/// Environment variables that hold secrets of ours: no child gets them, whatever the order of the sources.
static WITHHELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps a variable from all programs that are run from now on.
pub(super) fn withhold(name: &str) {
    WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
}

/// Runs the program without a shell, with nothing on its stdin, and gives its stdout.
///
/// # Errors
/// It does not exist, cannot be run, takes longer than a minute (with it whoever holds its stdout open), prints
/// too much, or exits with another code than 0.
pub(super) fn run(from: &Source, words: &[String]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    run_within(from, words, DEADLINE)
}

fn run_within(from: &Source, words: &[String], limit: Duration) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SecretError::Missing(from.clone()),
        _ => SecretError::Unreadable { from: from.clone(), error },
    };
    let end = Instant::now() + limit;
    let (program, arguments) = words.split_first().ok_or(SecretError::Malformed("command: lacks its program"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        command.env_remove(name);
    }
    let mut child = Guard(command.spawn().map_err(unreadable)?);
    let stdout = in_background(child.0.stdout.take(), |mut stdout| read_bounded(&mut stdout));
    let stderr = in_background(child.0.stderr.take(), |stderr| {
        let mut kept = Vec::new();
        let mut stderr = stderr.take(STDERR_KEPT);
        stderr.read_to_end(&mut kept)?;
        io::copy(&mut stderr.into_inner(), &mut io::sink())?;
        Ok::<_, io::Error>(kept)
    });

    let late = || SecretError::Deadline { from: from.clone(), after: limit };
    let printed = stdout.recv_timeout(end.saturating_duration_since(Instant::now())).map_err(|_| late())?;
    let printed = printed.map_err(unreadable)?.ok_or_else(|| SecretError::TooLong(from.clone()))?;
    let status = loop {
        match child.0.try_wait().map_err(unreadable)? {
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
    let stderr = String::from_utf8_lossy(&said).trim().to_owned();
    Err(SecretError::CommandFailed { from: from.clone(), status, stderr })
}

/// Reads a pipe to its end beside the caller, who may stop waiting.
fn in_background<P, T>(pipe: Option<P>, read: impl FnOnce(P) -> T + Send + 'static) -> mpsc::Receiver<T>
where
    P: Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = pipe {
        thread::spawn(move || sender.send(read(pipe)));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn command(text: &str) -> (Source, Vec<String>) {
        match Source::parse(text).unwrap() {
            Source::Command(words) => (Source::Command(words.clone()), words),
            other => unreachable!("{other}"),
        }
    }

    #[test]
    fn a_command_that_hangs_is_given_up_and_does_not_stay() {
        let (source, words) = command("command:sh -c 'echo x; exec sleep 600'");
        let start = Instant::now();
        let error = run_within(&source, &words, Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, SecretError::Deadline { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_command_that_closes_its_stdout_and_stays_is_given_up() {
        let (source, words) = command("command:sh -c 'exec >&-; exec sleep 600'");
        let error = run_within(&source, &words, Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, SecretError::Deadline { .. }), "{error}");
    }

    #[test]
    fn an_endless_answer_is_cut_off() {
        let (source, words) = command("command:cat /dev/zero");
        let error = run_within(&source, &words, Duration::from_secs(20)).unwrap_err();
        assert!(matches!(error, SecretError::TooLong(_)), "{error}");
    }

    #[test]
    fn a_full_stderr_does_not_block_the_answer() {
        let (source, words) = command("command:sh -c 'head -c 300000 /dev/zero >&2; echo done'");
        let printed = run_within(&source, &words, Duration::from_secs(20)).unwrap();
        assert_eq!(&**printed, b"done\n");
    }
}
