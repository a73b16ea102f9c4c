//! The grammar: what may stand on the command line. It holds texts; the verbs give them types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Send and read end-to-end encrypted mail from scripts: sealed for every recipient, or not sent.
#[derive(Debug, Parser)]
#[command(name = "sealpost", bin_name = "sealpost", version, propagate_version = true, after_help = EXIT_CODES, disable_help_subcommand = true)]
#[command(max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 accepted, sealed or opened   3 a required signature is missing or bad
  4 unknown: the server may have it, do not send again unasked
  64 usage   65 malformed or undecryptable input   66 no input
  67 a recipient without a usable certificate, or refused by the server
  68 host unknown   69 no port open, or refused for good
  70 bug   71 system   73 cannot create   74 input or output
  75 temporary, trying again is safe   76 TLS or protocol
  77 credentials or permission   78 configuration";

/// Flags that every verb has.
#[derive(Debug, Args)]
pub struct Global {
    /// Print one JSON object on stdout, errors as one on stderr
    #[arg(long, global = true, display_order = 900, help_heading = "For every verb")]
    pub json: bool,
    /// Say nothing but errors
    #[arg(long, global = true, display_order = 900, help_heading = "For every verb")]
    pub quiet: bool,
    /// The account of config.toml to use
    #[arg(long, global = true, display_order = 900, help_heading = "For every verb", value_name = "NAME")]
    pub account: Option<String>,
    /// Keep everything in this folder, instead of SEALPOST_HOME or the XDG folders
    #[arg(long, global = true, display_order = 900, help_heading = "For every verb", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Judge certificates and signatures at this time
    #[arg(long, global = true, value_name = "RFC3339", hide = true)]
    pub at: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Seal a message for all its recipients and submit it, or send nothing
    Send(Box<Send>),
    /// Seal an RFC 5322 message from stdin and write it, instead of submitting it
    Seal(Box<Seal>),
    /// Decrypt, verify and show a message
    Open(Open),
    /// Keys of one's own
    #[command(subcommand)]
    Key(Key),
    /// Certificates of others
    #[command(subcommand)]
    Cert(Cert),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    Man {
        /// The folder; made if it is not there
        dir: PathBuf,
    },
}

/// Suites as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SuiteArgument {
    Openpgp,
    Smime,
}

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

#[derive(Debug, Args)]
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
    /// Where the passphrase of the signing key comes from (file:, fd:, command:, credential:, keyring:, env:)
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

#[derive(Debug, Args)]
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

#[derive(Debug, Args)]
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
    /// A certificate held genuine for the addresses that it names
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
    /// Write the attachments into this folder, under new names where names are taken
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Write the decrypted message to this file, mode 0600
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key for an address
    Make(KeyMake),
    /// Take keys from a file
    Import(KeyImport),
    /// List the keys
    List,
    /// Show all of one key but its secrets
    Show(Named),
    /// Write a key, locked with its passphrase
    Export(Export),
    /// Give a key a later expiry
    Extend(Extend),
    /// Declare that a key is not to be used any more; this cannot be undone
    Revoke(Revoke),
    /// Make new subkeys; the old ones still open old mail
    Rotate(Rotate),
    /// Write everything into one file under a passphrase; `key import` brings it back
    Backup(Backup),
    /// Lock a key with another passphrase
    ChangePassphrase(ChangePassphrase),
    /// Lay a certificate out for a web server, where other people's programs look it up
    Publish(Publish),
}

#[derive(Debug, Args)]
pub struct Backup {
    /// Write to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub lock: Lock,
}

#[derive(Debug, Args)]
pub struct ChangePassphrase {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
    /// Where the present passphrase comes from, if not from the account
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
    /// Make a random passphrase and keep it there: file:PATH or keyring:NAME
    #[arg(long, value_name = "file:PATH|keyring:NAME", conflicts_with = "to_passphrase")]
    pub new_passphrase: Option<String>,
    /// Where the other passphrase comes from
    #[arg(long, value_name = "SOURCE", required_unless_present = "new_passphrase")]
    pub to_passphrase: Option<String>,
}

#[derive(Debug, Args)]
pub struct Publish {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
    /// The folder that a web server gives out as its root: a Web Key Directory is made or updated below it
    #[arg(long, value_name = "DIR")]
    pub wkd: PathBuf,
}

/// Why a key is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReasonArgument {
    /// Nothing is said; to nobody does what it signed count any more
    Unspecified,
    /// Somebody else may have it; to nobody does what it signed count any more
    Compromised,
    /// Another key takes its place
    Superseded,
    /// It is no longer used
    Retired,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
    /// Why; without a reason the revocation certificate that was made with the key serves, and no passphrase is needed
    #[arg(long, value_enum, default_value = "unspecified")]
    pub reason: ReasonArgument,
    /// What else everybody is told
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Where the passphrase comes from, if not from the account
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
}

#[derive(Debug, Args)]
pub struct Rotate {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
    /// Revoke the old subkeys as superseded, instead of letting them expire
    #[arg(long)]
    pub revoke_old: bool,
    /// Where the passphrase comes from, if not from the account
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
}

#[derive(Debug, Args)]
pub struct Extend {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
    /// From now on for so long (90d, 6w, 18m, 2y), or until this day
    #[arg(long = "for", value_name = "TIME|DATE", default_value = "2y")]
    pub period: String,
    /// Where the passphrase comes from, if not from the account
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
    /// S/MIME: write a request for a new certificate of the same key to this file
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
}

/// Which readers a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileArgument {
    /// Version 4: every reader
    Rfc4880,
    /// Version 6: readers of RFC 9580
    Rfc9580,
    /// Version 6 with post-quantum algorithms (RFC 9980)
    Pqc,
}

#[derive(Debug, Args)]
pub struct KeyMake {
    /// For whom: an address, or a mailbox with a name
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// For which family of standards
    #[arg(long, value_enum, default_value = "openpgp")]
    pub suite: SuiteArgument,
    /// OpenPGP: for which readers; rfc4880 unless given
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArgument>,
    /// S/MIME: of what it is made; rsa3072, which every reader knows, unless given
    #[arg(long, value_enum)]
    pub algorithm: Option<AlgorithmArgument>,
    /// S/MIME: make a certificate too, for closed groups; it is trusted only where it is pinned
    #[arg(long, conflicts_with = "request")]
    pub self_signed: bool,
    /// S/MIME: write the request for a certificate to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    #[command(flatten)]
    pub lock: Lock,
}

/// What a key for S/MIME is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AlgorithmArgument {
    Rsa3072,
    Rsa4096,
    P256,
    P384,
}

#[derive(Debug, Args)]
pub struct Lock {
    /// Where the passphrase comes from
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
    /// Make a random passphrase and keep it there: file:PATH or keyring:NAME
    #[arg(long, value_name = "file:PATH|keyring:NAME")]
    pub new_passphrase: Option<String>,
}

#[derive(Debug, Args)]
pub struct KeyImport {
    /// OpenPGP, PKCS#12, PKCS#8 or PEM, the certificate that a key waits for, or a backup; - is stdin
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    #[command(flatten)]
    pub lock: Lock,
}

#[derive(Debug, Args)]
pub struct Named {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Export {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Take certificates from a file
    Import {
        /// Armored or binary; - is stdin
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    /// Ask again for what is new of OpenPGP certificates that are known: a later expiry, a revocation
    Refresh(CertRefresh),
    /// Look for the certificate of an address: in the store, then where others publish theirs
    Find(CertFind),
    /// List the certificates
    List(CertList),
    /// Show all of one certificate, and whether and why it is usable
    Show(Named),
    /// Write a certificate
    Export(Export),
    /// Forget a certificate
    Remove(Named),
    /// Look whether everybody can be written to, and for how long; exit 0 only if all is well
    Check(CertCheck),
    /// Pin a certificate, whose fingerprint was compared with its owner's word, for its address in recipients.toml
    Verify(CertVerify),
}

#[derive(Debug, Args)]
pub struct CertList {
    /// List instead whom of recipients.toml no usable certificate is there for
    #[arg(long)]
    pub missing: bool,
}

#[derive(Debug, Args)]
pub struct CertVerify {
    /// The full fingerprint, as its owner says it
    #[arg(value_name = "FINGERPRINT")]
    pub fingerprint: String,
    /// For which address, if the certificate names several
    #[arg(value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Accept it in place of another one that is pinned
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, Args)]
pub struct CertCheck {
    /// Whom, or @group of recipients.toml; without any, everybody of recipients.toml, or of the store if that names nobody
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// How long a certificate is to be usable still, in days
    #[arg(long, value_name = "30d", default_value = "30d")]
    pub within: String,
    /// Write the result for a Prometheus node exporter's textfile collector too
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
}

/// Where to look for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SourceArgument {
    /// The Web Key Directory of the address's domain
    Wkd,
    /// The keyserver that checks addresses
    Vks,
    /// The keyserver of HKP that config.toml names
    Hkps,
}

#[derive(Debug, Args)]
pub struct CertFind {
    /// Whose; whoever is asked learns whom one writes to
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Ask this source, whatever the store has; else those of config.toml in their order
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<SourceArgument>,
    /// Keep what is found, unless it is in conflict with what is known
    #[arg(long)]
    pub import: bool,
}

#[derive(Debug, Args)]
pub struct CertRefresh {
    /// Whose
    #[arg(value_name = "ADDRESS", required_unless_present = "all", conflicts_with = "all")]
    pub addresses: Vec<String>,
    /// Of all addresses that certificates of the store name, or that recipients.toml pins
    #[arg(long)]
    pub all: bool,
    /// Ask this source alone
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<SourceArgument>,
}

/// Whether a word is the name of a verb.
pub fn is_verb(word: &str) -> bool {
    use clap::CommandFactory;
    Arguments::command().find_subcommand(word).is_some()
}
