//! A real directory, slapd, on a free loopback port, behind TLS, with entries of its own.

use std::{
    fmt::Write,
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use super::Identity;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The entry below which all others lie.
pub const BASE: &str = "ou=people,dc=example,dc=test";

/// The entries of a directory.
pub struct Entries {
    ldif: String,
    count: usize,
}

/// The server; it ends with the value.
pub struct Directory {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Entries {
    /// None but the base.
    pub fn new() -> Self {
        let ldif = format!(
            "dn: dc=example,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n\
             dn: {BASE}\nobjectClass: organizationalUnit\nou: people\n\n"
        );
        Self { ldif, count: 0 }
    }

    /// A person with a mail address and values of an attribute.
    pub fn person(mut self, mail: &str, attribute: &str, values: &[&[u8]]) -> Self {
        self.count += 1;
        let uid = format!("u{}", self.count);
        write!(
            self.ldif,
            "dn: uid={uid},{BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nmail: {mail}\n"
        )
        .unwrap();
        for value in values {
            writeln!(self.ldif, "{attribute}:: {}", STANDARD.encode(value)).unwrap();
        }
        self.ldif.push('\n');
        self
    }

    /// An entry that says that more is to be had elsewhere.
    pub fn referral(mut self, url: &str) -> Self {
        write!(
            self.ldif,
            "dn: ou=elsewhere,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\nref: {url}\n\n"
        )
        .unwrap();
        self
    }
}

impl Directory {
    /// Starts one with a certificate and these entries, and waits until it answers.
    pub fn start(identity: &Identity, entries: &Entries) -> Self {
        let folder = tempfile::Builder::new().prefix("sealpost-ldap-").tempdir().unwrap();
        let path = folder.path().display();
        fs::create_dir(folder.path().join("db")).unwrap();
        fs::write(folder.path().join("server.pem"), identity.pem()).unwrap();
        fs::write(folder.path().join("entries.ldif"), &entries.ldif).unwrap();
        let config = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
             pidfile {path}/pid\nargsfile {path}/args\nTLSCACertificateFile {path}/server.pem\n\
             TLSCertificateFile {path}/server.pem\nTLSCertificateKeyFile {path}/server.pem\n\
             access to * by * read\ndatabase mdb\nmaxsize 67108864\nsuffix \"dc=example,dc=test\"\n\
             directory {path}/db\n"
        );
        fs::write(folder.path().join("slapd.conf"), config).unwrap();
        let slapd = |program: &str| {
            let mut command = Command::new(format!("/usr/sbin/{program}"));
            command.arg("-f").arg(folder.path().join("slapd.conf")).stdin(Stdio::null());
            command
        };
        let absent = "slapd is not there: install the Debian package slapd";
        let added = slapd("slapadd").arg("-l").arg(folder.path().join("entries.ldif")).output().expect(absent);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = slapd("slapd");
        server.args(["-d", "0", "-h", &format!("ldaps://127.0.0.1:{port}")]);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = server.stdout(Stdio::null()).stderr(log).spawn().expect(absent);
        let mut directory = Self { folder, port, process };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = || fs::read_to_string(directory.folder.path().join("log")).unwrap_or_default();
            assert!(directory.process.try_wait().unwrap().is_none(), "slapd ended\n{}", log());
            assert!(start.elapsed() < PATIENCE, "slapd did not come in {PATIENCE:?}\n{}", log());
            thread::sleep(Duration::from_millis(10));
        }
        directory
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
