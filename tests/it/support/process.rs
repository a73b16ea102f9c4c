//! Commands that are run to their end.

use std::{
    fmt,
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// What a run came to.
#[derive(Clone)]
pub struct Outcome {
    /// How it ended: the exit code, or 128 and the signal as a shell counts it.
    pub exit: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Standard error as text.
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The one JSON object on standard output.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("no JSON on stdout ({error}): {self:?}"))
    }

    /// The `error` of the one JSON object on standard error.
    pub fn error(&self) -> serde_json::Value {
        let object: serde_json::Value = serde_json::from_slice(&self.stderr)
            .unwrap_or_else(|error| panic!("no JSON on stderr ({error}): {self:?}"));
        object["error"].clone()
    }

    /// Fails the test unless the run ended with this code.
    #[track_caller]
    pub fn expect(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{self:?}");
        self
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exit, stdout, stderr } = self;
        let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
        write!(f, "exit {exit}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// The most that one command may take: far more than any does, so that one that waits for ever is named.
const DEADLINE: Duration = Duration::from_secs(300);

/// Runs a command to its end with something on its standard input, both outputs caught.
#[track_caller]
pub fn run(mut command: Command, stdin: &[u8]) -> Outcome {
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {:?}: {error}; `make test` installs it", command.get_program()));
    let group = rustix::process::Pid::from_child(&child);
    let (mut pipe, stdin) = (child.stdin.take().unwrap(), stdin.to_vec());
    // A program that does not read all of it closes the pipe early, which is its right.
    thread::spawn(move || pipe.write_all(&stdin));
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(DEADLINE) else {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        panic!("{command:?} has not ended after {DEADLINE:?}");
    };
    let output = output.unwrap();
    Outcome { exit: code(output.status), stdout: output.stdout, stderr: output.stderr }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
