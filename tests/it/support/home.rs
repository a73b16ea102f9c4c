//! The program itself, run as a script runs it: arguments, standard input, a cleared environment.

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{Outcome, run};

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
    stdout_full: bool,
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
        Run { command, stdin: Vec::new(), stdout_full: false }
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

    /// Its standard output takes nothing, as on a full disk.
    pub fn stdout_full(mut self) -> Self {
        self.stdout_full = true;
        self
    }

    /// Runs a line of a shell instead, in which the program is found by its name.
    pub fn shell(mut self, line: &str) -> Outcome {
        let program = Path::new(env!("CARGO_BIN_EXE_sealpost"));
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env_clear().current_dir(self.command.get_current_dir().unwrap());
        shell.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.parent().unwrap().display()));
        self.command = shell;
        self.run()
    }

    /// Runs it and kills it (SIGKILL) after a while, unless it has ended by then.
    pub fn killed_after(mut self, while_: Duration) {
        self.command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = self.command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let feeder = thread::spawn(move || pipe.write_all(&self.stdin));
        thread::sleep(while_);
        let _ = child.kill();
        child.wait().unwrap();
        let _ = feeder.join().unwrap();
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        if !self.stdout_full {
            return run(self.command, &self.stdin);
        }
        // The shell gives the place of standard output to what it becomes.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" > /dev/full"]).arg(self.command.get_program());
        shell.args(self.command.get_args()).env_clear().current_dir(self.command.get_current_dir().unwrap());
        shell.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(shell, &self.stdin)
    }
}
