//! A real submission server: Postfix with Dovecot's SASL, on free loopback ports, from a folder of its own.
//!
//! Both run as processes of the test, without systemd and syslog, and touch nothing of the machine's own
//! installation. Postfix must be started by root: where the tests are not, `sudo -n` is asked.

use std::{
    fmt::Write,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
use tempfile::TempDir;

use super::{Ca, Identity, Outcome, run};

/// How long a server may take to start, and a message to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// The domain of all mailboxes.
const DOMAIN: &str = "example.test";

/// The secret with which the tests sign tokens, and Dovecot verifies them.
const TOKEN_SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The running servers; they end with the value.
pub struct MailServer {
    folder: Folder,
    ports: [u16; 3],
    processes: Vec<Child>,
}

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// What 587 is: STARTTLS.
    StartTls = 0,
    /// What 465 is: TLS from the first byte.
    Implicit = 1,
    /// What 2525 is: STARTTLS.
    Third = 2,
}

impl MailServer {
    /// Who may log in, with [`MailServer::PASSWORD`], by any mechanism.
    pub const USER: &str = "alice";
    /// Of the user.
    pub const PASSWORD: &str = "correct horse battery";
    /// Whose mailboxes there are at `example.test`; anybody else is refused at RCPT.
    pub const MAILBOXES: [&str; 4] = ["alice", "bob", "carol", "dave"];

    /// Starts both servers with a certificate and waits until they answer.
    pub fn start(identity: &Identity) -> Self {
        let folder = Folder::new();
        let ports = free_ports();
        write_dovecot(&folder);
        write_postfix(&folder, ports, identity);
        let mut server = Self { folder, ports, processes: Vec::new() };
        server.spawn("dovecot", &["-F", "-c", &server.folder.text("dovecot.conf")]);
        server.wait("Dovecot", |server| UnixStream::connect(server.folder.path("auth")).is_ok());
        succeed(privileged("postfix").args(["-c", &server.folder.text("etc"), "check"]));
        let master = format!("{}/master", postconf("daemon_directory"));
        server.spawn(&master, &["-c", &server.folder.text("etc"), "-d"]);
        for port in ports {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            server.wait("Postfix", |_| TcpStream::connect(address).is_ok());
        }
        server
    }

    /// Starts both servers with a good certificate of a new authority.
    pub fn with_ca() -> (Self, Ca) {
        let ca = Ca::new();
        (Self::start(&ca.server()), ca)
    }

    /// The port of a door.
    pub fn port(&self, door: Door) -> u16 {
        self.ports[door as usize]
    }

    /// All doors as `--ports` takes them.
    pub fn ports(&self) -> String {
        let [start, implicit, third] = self.ports;
        format!("{start}/starttls,{implicit}/tls,{third}/starttls")
    }

    /// A bearer token that Dovecot accepts for the user for an hour, by OAUTHBEARER and XOAUTH2.
    pub fn token(&self) -> String {
        token(Self::USER, jiff::Timestamp::now().as_second() + 3600)
    }

    /// A bearer token whose time is over.
    pub fn expired_token(&self) -> String {
        token(Self::USER, jiff::Timestamp::now().as_second() - 3600)
    }

    /// The messages that lie in a mailbox now, the bytes as delivered, in the order of delivery.
    pub fn mailbox(&self, name: &str) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.folder.path("mail").join(name).join("new")) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_by_key(|path| (fs::metadata(path).unwrap().modified().unwrap(), path.clone()));
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Waits until a mailbox holds so many messages, and gives the last.
    pub fn delivered(&self, name: &str, count: usize) -> Vec<u8> {
        self.wait("the message", |server| server.mailbox(name).len() >= count);
        self.mailbox(name).pop().unwrap()
    }

    /// What Postfix and Dovecot wrote.
    pub fn log(&self) -> String {
        ["mail.log", "dovecot.log"].map(|name| fs::read_to_string(self.folder.path(name)).unwrap_or_default()).concat()
    }

    fn spawn(&mut self, program: &str, arguments: &[&str]) {
        let child = privileged(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}; `make test` installs it"));
        self.processes.push(child);
    }

    #[track_caller]
    fn wait(&self, what: &str, ready: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !ready(self) {
            assert!(start.elapsed() < PATIENCE, "{what} did not come in {PATIENCE:?}\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for MailServer {
    /// Ends both by the ids that they wrote down themselves: behind sudo the child is not the server.
    fn drop(&mut self) {
        for file in ["spool/pid/master.pid", "run/master.pid"] {
            if let Ok(pid) = fs::read_to_string(self.folder.path(file)) {
                let _ = privileged("kill").arg(pid.trim()).stderr(Stdio::null()).status();
            }
        }
        for process in &mut self.processes {
            let start = Instant::now();
            while process.try_wait().is_ok_and(|ended| ended.is_none()) {
                if start.elapsed() > PATIENCE {
                    let _ = process.kill();
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// A folder into which the servers' own users may look, and whose removal needs their rights.
struct Folder(Option<TempDir>);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sealpost-mail-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(Some(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.as_ref().map(|folder| folder.path().join(name)).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn give(&self, name: &str, owner: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
        succeed(privileged("chown").arg(owner).arg(self.path(name)));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take() {
            let _ = privileged("rm").arg("-rf").arg(folder.path()).status();
        }
    }
}

fn write_dovecot(folder: &Folder) {
    let root = folder.text("");
    let root = root.trim_end_matches('/');
    let user = format!("{}:{{PLAIN}}{}\n", MailServer::USER, MailServer::PASSWORD);
    folder.write("users", user);
    folder.write("tokens/default/HS256/default", base64::engine::general_purpose::STANDARD.encode(TOKEN_SECRET));
    folder.write(
        "oauth2.conf",
        format!(
            "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={root}/tokens/\nusername_attribute = sub\n"
        ),
    );
    // Refusals come at once: neither a delay after a failure nor a penalty for the next one.
    folder.write(
        "dovecot.conf",
        format!(
            "base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
protocols =
ssl = no
auth_mechanisms = plain login scram-sha-256 oauthbearer xoauth2
disable_plaintext_auth = no
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {root}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {root}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={root}/mail/%n
}}
service auth {{
  unix_listener {root}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"
        ),
    );
}

fn write_postfix(folder: &Folder, ports: [u16; 3], identity: &Identity) {
    let root = folder.text("");
    let root = root.trim_end_matches('/');
    let temp = folder.path("").parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    let owner = mailbox_owner();
    folder.write("chain.pem", identity.pem());
    fs::set_permissions(folder.path("chain.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let mut mailboxes = String::new();
    for name in MailServer::MAILBOXES {
        writeln!(mailboxes, "{name}@{DOMAIN} {name}/").unwrap();
    }
    folder.write("etc/mailboxes", mailboxes);
    folder.write(
        "etc/main.cf",
        format!(
            "compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
daemon_directory = {}
command_directory = {}
maillog_file = {root}/mail.log
maillog_file_prefixes = {temp}
myhostname = mail.{DOMAIN}
mydestination =
local_transport = error:no local delivery
default_transport = error:no relaying
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = texthash:{root}/etc/mailboxes
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
virtual_mailbox_limit = 0
message_size_limit = 200000000
smtpd_tls_chain_files = {root}/chain.pem
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = unix:{root}/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
smtpd_error_sleep_time = 0
smtpd_client_connection_rate_limit = 0
",
            postconf("daemon_directory"),
            postconf("command_directory"),
        ),
    );
    let [start, implicit, third] = ports;
    folder.write(
        "etc/master.cf",
        format!(
            "127.0.0.1:{start} inet n - n - - smtpd
127.0.0.1:{implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{third} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"
        ),
    );
    fs::create_dir(folder.path("spool")).unwrap();
    folder.give("data", &postconf("mail_owner"));
    folder.give("mail", &owner.to_string());
    if !is_root() {
        succeed(privileged("chown").args(["-R", "root"]).arg(folder.path("etc")));
        succeed(privileged("chown").arg("root").arg(folder.path("spool")).arg(folder.path("chain.pem")));
    }
}

/// Postfix delivers as this user, who must not be root, and whose files the tests can read.
fn mailbox_owner() -> u32 {
    let nobody = 65534;
    if is_root() { nobody } else { rustix::process::getuid().as_raw() }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command with the rights of root, as Debian's administrators find it.
fn privileged(program: &str) -> Command {
    let mut command = if is_root() { Command::new(program) } else { Command::new("sudo") };
    if !is_root() {
        command.args(["-n", program]);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

#[track_caller]
fn succeed(command: &mut Command) {
    let words = format!("{command:?}");
    let status = command.status().unwrap_or_else(|error| panic!("{words}: {error}; `make test` installs it"));
    assert!(status.success(), "{words}: {status}; Postfix needs root, or sudo without a question");
}

fn postconf(parameter: &str) -> String {
    let mut command = Command::new("/usr/sbin/postconf");
    command.args(["-d", "-h", parameter]);
    run(command, b"").expect(0).text().trim().to_owned()
}

/// Ports that nobody listens on at the moment, all different.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A JSON Web Token signed with HMAC-SHA-256 (RFC 7519).
fn token(subject: &str, expires: i64) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = serde_json::json!({ "sub": subject, "iat": expires - 3600, "exp": expires, "scope": "mail" });
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = PKey::hmac(TOKEN_SECRET).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.update(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signer.sign_to_vec().unwrap()))
}

/// Submits with curl, the peer that shows the servers to be good: the outcome of its run.
pub fn curl(server: &MailServer, door: Door, ca: &Path, login: &[&str], recipient: &str, message: &[u8]) -> Outcome {
    let scheme = if door == Door::Implicit { "smtps" } else { "smtp" };
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "20", "--ssl-reqd", "--upload-file", "-"])
        .arg("--cacert")
        .arg(ca)
        .args(["--mail-from", "alice@example.test", "--mail-rcpt", recipient])
        .args(login)
        .arg(format!("{scheme}://localhost:{}", server.port(door)));
    run(command, message)
}
