//! `make bench`: sealpost beside what people use today, on the same machine, the same server, the same sizes.
//!
//! Each row alternates the two and gives medians. Processor time is that of the whole pipeline without the shell
//! around it; what gpg-agent, a daemon that is warm here, spends on signing and decrypting is not counted, which
//! favours gpg. The server is the demonstration's, on the loopback, with TCP_NODELAY.
//!
//! `SEALPOST_BENCH_RUNS` sets the runs of each row (20), a first argument picks rows by name.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../tests/it/support/ca.rs"]
#[allow(dead_code, reason = "flawed certificates are for the tests")]
mod ca;
#[path = "../../examples/demo/server.rs"]
mod server;
mod smime;

use std::{
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use server::{Login, Server};
use tempfile::TempDir;

const LOGIN: Login = Login { user: "alice", password: "correct horse battery" };
const SEALPOST: &str = env!("CARGO_BIN_EXE_sealpost");
const MESSAGES: usize = 1000;

/// Homes for both sides, with keys of the same algorithms.
struct Bench {
    folder: TempDir,
    server: Server,
    runs: usize,
    filter: Option<String>,
}

/// What one run cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: f64,
    processor: f64,
}

/// How the ratio of a row is to come out.
enum Goal {
    /// Ours by theirs, at most.
    AtMost(f64),
    /// Theirs by ours, at least.
    Faster(f64),
}

fn main() {
    let bench = Bench::new();
    println!("medians of {}; ratios are sealpost by rival\n", bench.runs);
    println!("| work | sealpost | rival | ratio | goal | |\n|---|---|---|---|---|---|");
    bench.send();
    bench.seal();
    bench.open();
    bench.smime();
    bench.start();
}

impl Bench {
    fn new() -> Self {
        let authority = ca::Ca::new();
        let identity = authority.server();
        let server = Server::start(&identity.certificate, &identity.key, LOGIN).unwrap();
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in("/tmp").unwrap();
        let runs = std::env::var("SEALPOST_BENCH_RUNS").map_or(20, |runs| runs.parse().unwrap());
        // cargo passes --bench.
        let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
        let bench = Self { folder, server, runs, filter };
        bench.write("ca.pem", authority.pem());
        bench.write("smtp-password", format!("{}\n", LOGIN.password));
        bench.write("msmtprc", bench.msmtp());
        bench.write("carol.asc", fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("keys/carol.asc")).unwrap());
        bench.write("body", text(2_000));
        fs::create_dir(bench.folder.path().join("gnupg")).unwrap();
        fs::set_permissions(bench.folder.path().join("gnupg"), fs::Permissions::from_mode(0o700)).unwrap();
        bench.shell(
            "for who in alice bob; do gpg $G --passphrase '' --quick-gen-key \"<$who@example.test>\" future-default default 1y; done
             gpg $G --armor --export bob@example.test > bob.asc
             umask 077; gpg $G --passphrase '' --armor --export-secret-keys bob@example.test > bob.key
             sealpost key make alice@example.test --new-passphrase file:passphrase
             sealpost cert import bob.asc
             sealpost cert import carol.asc",
        );
        bench
    }

    /// `send`, 2 kB, signed, one recipient.
    fn send(&self) {
        if !self.wanted("send") {
            return;
        }
        let port = self.server.port();
        let ours = format!(
            "sealpost --quiet send --from alice@example.test -t bob@example.test -s figures --host localhost --ports {port}/starttls \
             --user alice --password file:smtp-password --ca-file ca.pem --passphrase file:passphrase < body"
        );
        let gpg = "gpg $G -es -a -u alice@example.test -r bob@example.test < body";
        let curl = format!(
            "{gpg} | curl -sS --ssl-reqd --cacert ca.pem --netrc-file netrc --mail-from alice@example.test \
             --mail-rcpt bob@example.test -T - smtp://localhost:{port}"
        );
        self.write("netrc", format!("machine localhost login {} password \"{}\"\n", LOGIN.user, LOGIN.password));
        let msmtp = format!("{gpg} | msmtp --file msmtprc bob@example.test");
        let (own, rival) = self.alternate(&ours, &curl);
        row("send 2 kB, processor, by gpg and curl", own.processor, rival.processor, Goal::AtMost(0.4));
        row("send 2 kB, wall, by gpg and curl", own.wall, rival.wall, Goal::AtMost(0.6));
        let (own, rival) = self.alternate(&ours, &msmtp);
        row("send 2 kB, wall, by gpg and msmtp", own.wall, rival.wall, Goal::Faster(5.0));
        let arrived = self.server.sessions().iter().map(|session| session.messages.len()).sum::<usize>();
        assert_eq!(arrived, 4 * (self.runs + 1), "a run delivered nothing");
    }

    /// `seal`, 100 MiB: AEAD to a version 6 key, SEIPDv1 to a version 4 key.
    fn seal(&self) {
        if !self.wanted("seal") {
            return;
        }
        let head = |to: &str| format!("From: alice@example.test\r\nTo: {to}\r\nSubject: figures\r\n\r\n");
        for (name, to) in [("four.eml", "bob@example.test"), ("six.eml", "carol@example.test")] {
            self.write(name, head(to) + &text(100 << 20));
        }
        let gpg = "gpg $G -es -z 0 -u alice@example.test -r bob@example.test < four.eml > /dev/null";
        let sealpost = |file: &str| format!("sealpost seal --passphrase file:passphrase < {file} > /dev/null");
        for (form, file, goal) in [("AEAD", "six.eml", 1.0), ("SEIPDv1", "four.eml", 1.5)] {
            let (own, rival) = self.alternate(&sealpost(file), gpg);
            row(&format!("seal 100 MiB, {form}, wall, by gpg -es -z 0"), own.wall, rival.wall, Goal::AtMost(goal));
            let (own, rival) = (own.processor, rival.processor);
            row(&format!("seal 100 MiB, {form}, processor, by gpg -es -z 0"), own, rival, Goal::AtMost(goal));
            let peak = self.peak(&[SEALPOST, "--quiet", "seal", "--passphrase", "file:passphrase"], file);
            let verdict = verdict(peak <= 250.0);
            println!("| seal 100 MiB, {form}, memory | {peak:.0} MiB | | | at most 250 MiB | {verdict} |");
        }
    }

    /// `open`, many small messages.
    fn open(&self) {
        if !self.wanted("open") {
            return;
        }
        fs::create_dir(self.folder.path().join("inbox")).unwrap();
        self.write("in.eml", format!("From: alice@example.test\r\nTo: bob@example.test\r\n\r\n{}", text(2_000)));
        self.shell("sealpost seal --passphrase file:passphrase < in.eml > sealed.eml; sealpost key export alice@example.test > alice.asc; gpg $G --import alice.asc");
        for number in 0..MESSAGES {
            fs::copy(self.folder.path().join("sealed.eml"), self.folder.path().join(format!("inbox/{number}.eml")))
                .unwrap();
        }
        let open = "sealpost open --json --key bob.key --cert alice.asc";
        let once = format!("{open} inbox/*.eml > /dev/null");
        let looped = format!("for f in inbox/*.eml; do {open} $f; done > /dev/null");
        let gpg = "for f in inbox/*.eml; do gpg $G -d $f; done > /dev/null";
        let (own, rival) = self.alternate(&once, gpg);
        row("open 1,000 in one call, wall, by a loop of gpg", own.wall, rival.wall, Goal::Faster(20.0));
        let (own, rival) = self.alternate(&looped, gpg);
        row("open 1,000 in a loop, wall, by a loop of gpg", own.wall, rival.wall, Goal::Faster(2.0));
    }

    /// Start to exit.
    fn start(&self) {
        if !self.wanted("start") {
            return;
        }
        let mut times: Vec<f64> = (0..self.runs.max(20))
            .map(|_| {
                let start = Instant::now();
                let status = Command::new(SEALPOST).arg("--version").stdout(Stdio::null()).status().unwrap();
                assert!(status.success());
                start.elapsed().as_secs_f64()
            })
            .collect();
        let time = median(&mut times) * 1e3;
        println!("| `--version`, start to exit | {time:.2} ms | | | at most 3 ms | {} |", verdict(time <= 3.0));
    }

    fn wanted(&self, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|filter| name.contains(filter))
    }

    /// Medians of both, run in turns, after one run of each that does not count.
    fn alternate(&self, ours: &str, theirs: &str) -> (Cost, Cost) {
        let (mut own, mut rival) = (Vec::new(), Vec::new());
        for run in 0..=self.runs {
            let (one, other) = (self.timed(ours), self.timed(theirs));
            if run > 0 {
                own.push(one);
                rival.push(other);
            }
        }
        (Cost::median(&own), Cost::median(&rival))
    }

    /// Runs a pipeline and reads what bash says that it cost.
    fn timed(&self, pipeline: &str) -> Cost {
        let output = self.bash(&format!("TIMEFORMAT='%3R %3U %3S'; time {{ {pipeline}; }}"));
        let line = output.lines().last().unwrap_or_default();
        let figures: Vec<f64> = line.split(' ').filter_map(|figure| figure.parse().ok()).collect();
        let [wall, user, system] = figures[..] else { panic!("no figures: {output}") };
        Cost { wall, processor: user + system }
    }

    fn shell(&self, script: &str) {
        self.bash(&format!("set -e; {script}"));
    }

    /// Runs bash in the folder, and gives its standard error.
    fn bash(&self, script: &str) -> String {
        let functions = format!(
            "set -o pipefail; sealpost() {{ '{SEALPOST}' \"$@\"; }}; G='--batch --no-tty --yes --quiet --trust-model always --pinentry-mode loopback'; {script}"
        );
        let output = Command::new("bash")
            .args(["-c", &functions])
            .current_dir(self.folder.path())
            .env("GNUPGHOME", self.folder.path().join("gnupg"))
            .env("SEALPOST_HOME", self.folder.path().join("state"))
            .env("LC_ALL", "C")
            // What a shell may have set, and a cron job has not: backtraces, a bundle of roots instead of the folder.
            .env_remove("RUST_BACKTRACE")
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}\n{words}");
        words
    }

    /// The most memory that a run of a program held at a time, in MiB.
    fn peak(&self, words: &[&str], stdin: &str) -> f64 {
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(self.folder.path())
            .env("SEALPOST_HOME", self.folder.path().join("state"))
            .stdin(fs::File::open(self.folder.path().join(stdin)).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The mark only rises, so that the last look before the end has it.
        let mut peak = 0.0;
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak = mark.and_then(|mark| mark.parse().ok()).unwrap_or(peak);
            std::thread::sleep(Duration::from_micros(500));
        }
        assert!(child.wait().unwrap().success());
        peak / 1024.0
    }

    fn msmtp(&self) -> String {
        format!(
            "account default\nhost localhost\nport {}\nfrom alice@example.test\ntls on\ntls_starttls on\n\
             tls_trust_file {}\nauth plain\nuser {}\npassword {}\n",
            self.server.port(),
            self.folder.path().join("ca.pem").display(),
            LOGIN.user,
            LOGIN.password
        )
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let home = self.folder.path().join("gnupg");
        let _ = Command::new("gpgconf").env("GNUPGHOME", home).args(["--kill", "all"]).status();
    }
}

impl Cost {
    fn median(costs: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| median(&mut costs.iter().map(part).collect::<Vec<_>>());
        Self { wall: of(|cost| cost.wall), processor: of(|cost| cost.processor) }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn row(work: &str, own: f64, rival: f64, goal: Goal) {
    let ratio = own / rival;
    let (goal, met) = match goal {
        Goal::AtMost(most) => (format!("at most {most}"), ratio <= most),
        Goal::Faster(times) => (format!("{times} times faster"), rival / own >= times),
    };
    let (own, rival) = (own * 1e3, rival * 1e3);
    println!("| {work} | {own:.0} ms | {rival:.0} ms | {ratio:.2} | {goal} | {} |", verdict(met));
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

/// Lines of text that no compression makes small and no transfer encoding is needed for, at least so many bytes.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 80);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while text.len() < bytes {
        for word in 0..4 {
            // xorshift64: the same text on each machine.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            write!(text, "{state:016x}{}", if word < 3 { " " } else { "\r\n" }).unwrap();
        }
    }
    text
}
