//! The program itself, run as a script runs it: arguments, standard input, a cleared environment.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use tempfile::TempDir;

/// A `SEALPOST_HOME` of its own, with a folder for files beside it; both go with the value.
///
/// `HOME`, `TMPDIR` and the current folder of the program lie inside too, so that whatever it leaves behind can
/// be looked for in one place ([`Home::root`]).
pub struct Home {
    root: TempDir,
}

/// One run of the program, being prepared.
pub struct Run {
    command: Command,
    stdin: Vec<u8>,
}

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

impl Home {
    /// Makes the folders.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("sealpost-home-").tempdir().unwrap();
        for folder in ["state", "home", "tmp", "work"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    /// The folder that holds all that the program could write to.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `SEALPOST_HOME`.
    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Writes a file (mode 0600) into the folder in which the program runs, and gives its path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
        path
    }

    /// The path of a file in the folder in which the program runs, there or not.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// Prepares a run of the program.
    pub fn sealpost<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command
            .args(arguments)
            .env_clear()
            .env("SEALPOST_HOME", self.state())
            .env("HOME", self.root.path().join("home"))
            .env("TMPDIR", self.root.path().join("tmp"))
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.root.path().join("work"));
        Run { command, stdin: Vec::new() }
    }
}

impl Run {
    /// What it reads on standard input; nothing by default.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// One more environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        run(self.command, &self.stdin)
    }
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

/// Runs a command to its end with something on its standard input, both outputs caught.
#[track_caller]
pub fn run(mut command: Command, stdin: &[u8]) -> Outcome {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("cannot start {:?}: {error}; `make test` installs it", command.get_program())
        });
    let mut pipe = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // A program that does not read all of it closes the pipe early, which is its right.
        scope.spawn(move || pipe.write_all(stdin));
        child.wait_with_output().unwrap()
    });
    Outcome { exit: code(output.status), stdout: output.stdout, stderr: output.stderr }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
