//! Secrets that a program prints.

use std::{ffi::OsString, io, time::Duration};

use zeroize::Zeroizing;

use super::{
    LIMIT, SecretError, Source,
    program::{DEADLINE, Program, ProgramError},
};

/// How much of its stderr is kept, in bytes.
const STDERR_KEPT: u64 = 2048;

/// Runs the program without a shell, with nothing on its stdin, and gives its stdout.
///
/// # Errors
/// It does not exist, cannot be run, takes longer than a minute (with it whoever holds its stdout open), prints
/// too much, or exits with another code than 0.
pub(super) fn run(from: &Source, words: &[String]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    run_within(from, words, DEADLINE)
}

fn run_within(from: &Source, words: &[String], deadline: Duration) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (name, arguments) = words.split_first().ok_or(SecretError::Malformed("command: lacks its program"))?;
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let program = Program {
        name: name.as_ref(),
        arguments: &arguments,
        stdin: None,
        environment: None,
        most: LIMIT,
        stderr: STDERR_KEPT,
        deadline,
    };
    program.run().map_err(|error| match error {
        ProgramError::Io(error) if error.kind() == io::ErrorKind::NotFound => SecretError::Missing(from.clone()),
        ProgramError::Io(error) => SecretError::Unreadable { from: from.clone(), error },
        ProgramError::TooLong => SecretError::TooLong(from.clone()),
        ProgramError::Deadline(after) => SecretError::Deadline { from: from.clone(), after },
        ProgramError::Failed(status, stderr) => SecretError::CommandFailed { from: from.clone(), status, stderr },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

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
