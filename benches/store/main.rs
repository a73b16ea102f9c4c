//! `make bench`: a store of 100,000 certificates, imported, and asked by processes that each ask once.
//!
//! The certificates are Sequoia's (Ed25519, X25519, one user ID), made once and kept in `target/`. A look-up is a whole
//! `sealpost cert show ADDRESS`, beside the same in a store that holds that one certificate alone.
//!
//! `SEALPOST_BENCH_CERTIFICATES` sets how many (100,000), `SEALPOST_BENCH_RUNS` the runs of each row (20).
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use sequoia_openpgp::{
    cert::{CertBuilder, CipherSuite},
    serialize::Serialize,
    types::KeyFlags,
};
use tempfile::TempDir;

const SEALPOST: &str = env!("CARGO_BIN_EXE_sealpost");

/// A home for sealpost.
struct Home {
    folder: TempDir,
}

fn main() {
    let count = number("SEALPOST_BENCH_CERTIFICATES", 100_000);
    let runs = number("SEALPOST_BENCH_RUNS", 20);
    let ring = ring(count);
    println!("{count} certificates of {} bytes; look-ups are medians of {runs}\n", fs::metadata(&ring).unwrap().len());
    println!("| work | time | goal | |\n|---|---|---|---|");

    let home = Home::new();
    let import = home.run(&["cert", "import", ring.to_str().unwrap()]);
    row("import", import, Some(60.0));

    row("first look-up, which makes the index", home.show(&name(1)), None);
    let one = home.folder.path().join("one.pgp");
    fs::write(&one, home.output(&["cert", "export", &name(count / 2)])).unwrap();
    let small = Home::new();
    small.run(&["cert", "import", one.to_str().unwrap()]);
    let start = small.median(runs, |_| name(count / 2));

    // Until times of change are past (`src/keystore/index/shelf.rs`).
    thread::sleep(Duration::from_millis(100));
    home.show(&name(1));
    let found = home.median(runs, |run| name(run * count / runs));
    row("look-up, the whole process", found, None);
    row("the same of a store with that one certificate", start, None);
    row("look-up among all, beyond that", (found - start).max(0.0), Some(0.005));
    let missing = home.median(runs, |run| format!("nobody{run}@example.org"));
    row("look-up that finds nothing, the whole process", missing, None);
    let written = home.median(runs, |run| {
        home.touch(run);
        name(run)
    });
    row("look-up after another program wrote, the whole process", written, None);
    row("look-up without an index, the whole process", home.without_index(|| home.show(&name(7))), None);
    row("import of one more", home.run(&["cert", "import", one.to_str().unwrap()]), None);
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir_in(target()).unwrap() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(SEALPOST);
        command.args(words).env_clear().env("SEALPOST_HOME", self.folder.path()).stdin(Stdio::null());
        command
    }

    /// The seconds of one run.
    fn run(&self, words: &[&str]) -> f64 {
        let start = Instant::now();
        let status = self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert!(status.code().is_some(), "{words:?} was killed");
        seconds
    }

    fn output(&self, words: &[&str]) -> Vec<u8> {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn show(&self, address: &str) -> f64 {
        self.run(&["cert", "show", address])
    }

    fn median(&self, runs: usize, name: impl Fn(usize) -> String) -> f64 {
        let mut seconds: Vec<f64> = (0..runs).map(|run| self.show(&name(run))).collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }

    /// Puts a file in the place of itself, as other programs do.
    fn touch(&self, run: usize) {
        let folder = self.folder.path().join(format!("pgp.cert.d/{:02x}", run % 256));
        let path = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let aside = folder.join(".aside");
        fs::copy(&path, &aside).unwrap();
        fs::rename(aside, path).unwrap();
    }

    /// Runs while nothing can be kept.
    fn without_index(&self, run: impl Fn() -> f64) -> f64 {
        let (state, aside) = (self.folder.path().join("state"), self.folder.path().join("aside"));
        fs::rename(&state, &aside).unwrap();
        fs::write(&state, "").unwrap();
        let seconds = run();
        fs::remove_file(&state).unwrap();
        fs::rename(aside, state).unwrap();
        seconds
    }
}

fn name(number: usize) -> String {
    format!("user{number}@example{}.org", number % 1000)
}

/// The file of so many certificates.
fn ring(count: usize) -> PathBuf {
    let path = target().join(format!("bench-{count}.pgp"));
    if !path.exists() {
        let aside = path.with_extension("aside");
        let mut file = std::io::BufWriter::new(fs::File::create(&aside).unwrap());
        let threads = thread::available_parallelism().unwrap().get();
        thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| {
                    scope.spawn(move || (part..count).step_by(threads).flat_map(certificate).collect::<Vec<u8>>())
                })
                .collect();
            for part in parts {
                file.write_all(&part.join().unwrap()).unwrap();
            }
        });
        file.flush().unwrap();
        fs::rename(aside, &path).unwrap();
    }
    path
}

fn certificate(number: usize) -> Vec<u8> {
    let (cert, _) = CertBuilder::new()
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_creation_time(SystemTime::now() - Duration::from_secs(24 * 3600))
        .add_userid(format!("User {number} <{}>", name(number)))
        .add_subkey(KeyFlags::empty().set_transport_encryption().set_storage_encryption(), None, None)
        .generate()
        .unwrap();
    let mut bytes = Vec::new();
    cert.serialize(&mut bytes).unwrap();
    bytes
}

fn target() -> PathBuf {
    // The program lies in target/release.
    Path::new(SEALPOST).ancestors().nth(2).unwrap().to_owned()
}

fn number(variable: &str, otherwise: usize) -> usize {
    env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn row(work: &str, seconds: f64, goal: Option<f64>) {
    let text =
        |seconds: f64| if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") };
    let verdict = goal.map_or("", |goal| if seconds <= goal { "met" } else { "missed" });
    println!("| {work} | {} | {} | {verdict} |", text(seconds), goal.map(text).unwrap_or_default());
}
