//! `send`, `seal` and `open`.

use std::path::PathBuf;

use clap::Args;

use super::SuiteArgument;

#[derive(Debug, Args)]
pub struct Recipients {
    /// A recipient: an RFC 5322 mailbox, or @group of recipients.toml; commas allowed
    #[arg(short = 't', long = "to", value_name = "ADDRESS")]
    pub to: Vec<String>,
    /// A recipient of a copy that everybody sees
    #[arg(long, value_name = "ADDRESS")]
    pub cc: Vec<String>,
    /// A recipient of a copy that nobody else can tell
    #[arg(long, value_name = "ADDRESS")]
    pub bcc: Vec<String>,
}

#[derive(Debug, Default, Args)]
pub struct Sealing {
    /// The author; picks the account and the signing key
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// Encrypt only
    #[arg(long)]
    pub no_sign: bool,
    /// Use certificates of this suite only
    #[arg(long, value_name = "SUITE")]
    pub suite: Option<SuiteArgument>,
    /// Use these certificates besides the store, for this run; FILE#FINGERPRINT need not name the address
    #[arg(long, value_name = "FILE[#FINGERPRINT]")]
    pub cert: Vec<String>,
    /// Sign with this key, for this run
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Where the passphrase of the signing keys comes from (file:, fd:, command:, credential:, keyring:, env:)
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
    /// Seal for these of the recipients alone: the others, who stand in the message too, have it already
    #[arg(long, value_name = "ADDRESS")]
    pub only: Vec<String>,
    /// The Message-ID, instead of a random one; its domain is From's
    #[arg(long, value_name = "ID")]
    pub message_id: Option<String>,
    /// Refuse if the plan is not the one in this file
    #[arg(long, value_name = "FILE")]
    pub expect_plan: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub struct Text {
    /// The subject; it is sealed, servers see [...]
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub subject: Option<String>,
    /// Attach a file, under another name if one is given; - is stdin
    #[arg(short, long, value_name = "FILE[:NAME]", allow_hyphen_values = true)]
    pub attach: Vec<String>,
    /// Take the text from a file instead of stdin
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Offer the text as HTML too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// An additional header field; it is sealed
    #[arg(long, value_name = "'NAME: VALUE'")]
    pub header: Vec<String>,
    /// The Message-ID that this answers
    #[arg(long, value_name = "ID")]
    pub in_reply_to: Option<String>,
    /// The Message-IDs of the thread
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub references: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Send {
    #[command(flatten)]
    pub recipients: Recipients,
    #[command(flatten)]
    pub text: Text,
    /// Take a whole RFC 5322 message instead; its To, Cc and Bcc are the recipients
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["to", "cc", "bcc", "subject", "attach", "body", "html", "header", "in_reply_to", "references"])]
    pub message: Option<PathBuf>,
    #[command(flatten)]
    pub sealing: Sealing,
    /// Show who, which certificate, days left and which ports; send nothing
    #[arg(short = 'n', long)]
    pub plan: bool,
    /// What to do when no server accepts now; the outbox, which the other values need, is not there yet
    #[arg(long, value_name = "never", default_value = "never")]
    pub queue: String,
    #[command(flatten)]
    pub submission: Submission,
}

#[derive(Debug, Default, Args)]
pub struct Submission {
    /// The submission server; without it the SRV records of From's domain
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Ports in the order of trying: 465 is TLS from the first byte, others STARTTLS; N/tls and N/starttls say so
    #[arg(long, value_name = "LIST")]
    pub ports: Option<String>,
    /// The login
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// auto, scram-sha-256, plain, login, oauthbearer, xoauth2, external or none
    #[arg(long, value_name = "MECH")]
    pub auth: Option<String>,
    /// Where the password comes from
    #[arg(long, value_name = "SOURCE")]
    pub password: Option<String>,
    /// Where the OAuth token comes from
    #[arg(long, value_name = "SOURCE")]
    pub token: Option<String>,
    /// PEM file of a certificate authority to trust besides the system's
    #[arg(long, value_name = "PEM")]
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate, for --auth external
    #[arg(long, value_name = "PEM", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "PEM", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// The most time that all may take, name resolution included
    #[arg(long, value_name = "SECS")]
    pub timeout: Option<String>,
    /// Ask for a delivery notice: never, or a list of success, failure, delay
    #[arg(long, value_name = "LIST")]
    pub notify: Option<String>,
}

#[derive(Debug, Args)]
pub struct Seal {
    #[command(flatten)]
    pub recipients: Recipients,
    #[command(flatten)]
    pub text: Text,
    /// Take the message from this file instead of stdin
    #[arg(long, value_name = "FILE|-")]
    pub message: Option<PathBuf>,
    #[command(flatten)]
    pub sealing: Sealing,
    /// Show who, which certificate and days left; write nothing
    #[arg(short = 'n', long)]
    pub plan: bool,
    /// Write NAME.eml and NAME.json into this folder; needed for several messages
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Open {
    /// RFC 5322 messages; - is stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A secret key to open with; only --key and --cert count then, not the store
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// A certificate held genuine for the addresses that it names; an S/MIME one still needs its chain
    #[arg(long, value_name = "FILE")]
    pub cert: Vec<PathBuf>,
    /// Where the passphrase of the keys comes from
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
    /// PEM file whose certificates are trust anchors for S/MIME
    #[arg(long, value_name = "FILE")]
    pub trust_anchor: Vec<PathBuf>,
    /// Certificate revocation lists for S/MIME
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// Require a good signature by this address, else exit 3 and release nothing
    #[arg(long, value_name = "ADDR")]
    pub signed_by: Option<String>,
    /// Write the attachments into this folder, under new names where names are taken; the JSON names the files
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Write the decrypted message to this file, mode 0600
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
