//! A real name server, nsd, on a free loopback port, with zones that ldns-signzone signed, and faults in them. It answers
//! for the root too, so that all begins at a trust anchor of its own.

use std::{
    fmt::Write,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use openssl::sha::sha256;
use tempfile::TempDir;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A zone below the root.
pub struct Zone {
    origin: &'static str,
    records: String,
    fault: Fault,
    nsec3: bool,
}

/// What is wrong with a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is not signed, and the root says so.
    Unsigned,
    /// It is signed, and the root says that it is not.
    NoDs,
    /// It is not signed, and the root says that it is.
    Lost,
    /// The root names another key.
    OtherKey,
    /// Records are others than those that were signed.
    Changed,
    /// All signatures of records are gone, those of keys are not.
    Stripped,
    /// The time of the signatures is over.
    Expired,
    /// The time of the signatures has not come.
    Early,
    /// Records are gone, and nothing that was signed says so.
    Withheld,
}

/// The server; it ends with the value.
pub struct NameServer {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Zone {
    /// A signed one with nothing in it.
    pub fn new(origin: &'static str) -> Self {
        Self { origin, records: String::new(), fault: Fault::None, nsec3: false }
    }

    /// With a fault.
    pub fn faulty(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// That denies by NSEC3.
    pub fn hashed(self) -> Self {
        Self { nsec3: true, ..self }
    }

    /// With a certificate of OpenPGP for a local part.
    pub fn openpgp(self, local: &str, certificate: &[u8]) -> Self {
        self.record(&format!("{}._openpgpkey", hashed(local)), 61, certificate)
    }

    /// With a certificate of OpenPGP for whatever local part has none of its own.
    pub fn wildcard(self, certificate: &[u8]) -> Self {
        self.record("*._openpgpkey", 61, certificate)
    }

    /// With a record of SMIMEA for a local part.
    pub fn smimea(self, local: &str, [usage, selector, matching]: [u8; 3], data: &[u8]) -> Self {
        let data = [&[usage, selector, matching], data].concat();
        self.record(&format!("{}._smimecert", hashed(local)), 53, &data)
    }

    /// With an alias from a name of it to a whole name.
    pub fn alias(mut self, from: &str, to: &str) -> Self {
        writeln!(self.records, "{from}.{}. 300 IN CNAME {to}.", self.origin).unwrap();
        self
    }

    fn record(mut self, name: &str, kind: u16, data: &[u8]) -> Self {
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.records, "{name}.{}. 300 IN TYPE{kind} \\# {} {hex}", self.origin, data.len()).unwrap();
        self
    }
}

impl NameServer {
    /// Starts one with these zones, and waits until it answers.
    pub fn start(zones: &[Zone]) -> Self {
        let folder = tempfile::Builder::new().prefix("sealpost-dns-").tempdir().unwrap();
        let port = free_port();
        let mut root = String::new();
        for zone in zones {
            root += &zone.write(folder.path());
        }
        let key = make_key(folder.path(), ".");
        fs::copy(folder.path().join(format!("{key}.key")), folder.path().join("anchors")).unwrap();
        write_zone(folder.path(), ".", &root);
        sign(folder.path(), ".", &key, NOW, false);
        let names = zones.iter().map(|zone| zone.origin).chain(["."]);
        let zones: String =
            names.map(|name| format!("zone:\n name: \"{name}\"\n zonefile: \"{}\"\n", file(name))).collect();
        let path = folder.path().display();
        let config = format!(
            "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n chroot: \"\"\n database: \"\"\n server-count: 1\n \
             zonesdir: \"{path}\"\n pidfile: \"{path}/pid\"\n logfile: \"{path}/log\"\n xfrdfile: \"{path}/xfrd\"\n \
             zonelistfile: \"{path}/list\"\n xfrdir: \"{path}\"\n rrl-ratelimit: 0\nremote-control:\n \
             control-enable: no\n{zones}"
        );
        fs::write(folder.path().join("nsd.conf"), config).unwrap();
        let mut nsd = Command::new("/usr/sbin/nsd");
        nsd.args(["-d", "-c"]).arg(folder.path().join("nsd.conf"));
        // A group of its own, since it has children.
        nsd.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = nsd.spawn().expect("nsd is not there: install the Debian package nsd");
        let server = Self { folder, port, process };
        let start = Instant::now();
        while TcpStream::connect(server.address()).is_err() {
            let log = fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "nsd did not come in {PATIENCE:?}\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The file of its trust anchors.
    pub fn anchors(&self) -> PathBuf {
        self.folder.path().join("anchors")
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }
}

impl Zone {
    /// Writes and signs it, and gives what the root says of it.
    fn write(&self, folder: &Path) -> String {
        let origin = self.origin;
        let delegation = format!("{origin}. 300 IN NS ns.{origin}.\nns.{origin}. 300 IN A 127.0.0.1\n");
        write_zone(folder, origin, &self.records);
        if self.fault == Fault::Unsigned {
            return delegation;
        }
        let key = make_key(folder, origin);
        if self.fault != Fault::Lost {
            self.sign(folder, &key);
        }
        let named = match self.fault {
            Fault::NoDs => return delegation,
            Fault::OtherKey => make_key(folder, origin),
            _ => key,
        };
        delegation + &fs::read_to_string(folder.join(format!("{named}.ds"))).unwrap()
    }

    /// Signs it, and puts its fault into it.
    fn sign(&self, folder: &Path, key: &str) {
        let time = match self.fault {
            Fault::Expired => [-20, -10],
            Fault::Early => [10, 20],
            _ => NOW,
        };
        if self.fault == Fault::Changed {
            // Others are signed than those that are given.
            let others = self.records.lines().map(|line| match line.split_once("\\#") {
                Some((name, _)) => format!("{name}\\# 4 03000001\n"),
                None => format!("{line}\n"),
            });
            write_zone(folder, self.origin, &others.collect::<String>());
        }
        sign(folder, self.origin, key, time, self.nsec3);
        let path = folder.join(format!("{}.zone", self.origin));
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let kind = |line: &str, place| line.split_whitespace().nth(place).unwrap_or_default().to_owned();
        let published = |kind: &str| matches!(kind, "OPENPGPKEY" | "SMIMEA" | "CNAME");
        match self.fault {
            Fault::Stripped => lines.retain(|line| kind(line, 3) != "RRSIG" || !published(&kind(line, 4))),
            Fault::Withheld => lines.retain(|line| !published(&kind(line, 3)) && !published(&kind(line, 4))),
            Fault::Changed => {
                lines.retain(|line| !published(&kind(line, 3)));
                lines.extend(self.records.lines());
            }
            _ => return,
        }
        assert_ne!(lines.join("\n"), text.trim_end(), "the fault is not in it");
        fs::write(path, lines.join("\n") + "\n").unwrap();
    }
}

/// The days from now between which a signature is good.
const NOW: [i64; 2] = [-1, 10];

/// The label of a local part (RFC 7929, 3).
pub fn hashed(local: &str) -> String {
    sha256(local.as_bytes())[..28].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(origin: &str) -> String {
    format!("{}.zone", if origin == "." { "root" } else { origin })
}

fn write_zone(folder: &Path, origin: &str, records: &str) {
    let name = if origin == "." { String::new() } else { format!(".{origin}") };
    let head = format!(
        "{origin}. 300 IN SOA ns{name}. hostmaster{name}. 1 3600 600 86400 300\n{origin}. 300 IN NS ns{name}.\n"
    );
    fs::write(
        folder.join(file(origin)),
        head.replace("..", ".") + &format!("ns{name}. 300 IN A 127.0.0.1\n") + records,
    )
    .unwrap();
}

/// A key for a zone, and the name of its files.
fn make_key(folder: &Path, origin: &str) -> String {
    let mut keygen = ldns("ldns-keygen", folder);
    let made = keygen.args(["-a", "ECDSAP256SHA256", "-k", origin]).output().expect(ABSENT);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Signs a zone in its place.
fn sign(folder: &Path, origin: &str, key: &str, days: [i64; 2], nsec3: bool) {
    let [from, until] = days.map(|days| (jiff::Timestamp::now().as_second() + days * 24 * 60 * 60).to_string());
    let (zone, name) = (file(origin), format!("{}.", origin.trim_end_matches('.')));
    let mut signzone = ldns("ldns-signzone", folder);
    signzone.args(["-i", &from, "-e", &until, "-o", &name, "-f", &zone]);
    if nsec3 {
        signzone.args(["-n", "-t", "0"]);
    }
    let signed = signzone.args([&zone, key]).output().expect(ABSENT);
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
}

const ABSENT: &str = "the signer of zones is not there: install the Debian package ldnsutils";

fn ldns(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// A port that is free for UDP and TCP.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
