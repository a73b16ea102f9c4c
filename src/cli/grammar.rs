//! The grammar: what may stand on the command line. It holds texts; the verbs give them types.

mod cert;
mod key;
mod mail;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use cert::*;
pub use key::*;
pub use mail::*;

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
  67 a recipient without a usable certificate, or refused by the server;
     cert check, find, refresh: not all is well, nothing found, or another one
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
    /// Judge certificates and signatures as of this time, instead of now
    #[arg(long, global = true, display_order = 900, help_heading = "For every verb", value_name = "RFC3339")]
    pub at: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Seal a message for all its recipients and submit it, or send nothing
    #[command(arg = hidden_at())]
    Send(Box<Send>),
    /// Seal an RFC 5322 message from stdin and write it, instead of submitting it
    #[command(arg = hidden_at())]
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

/// `--at` of the verbs that write, which do not show it: as of the past, certificates count that expired since.
fn hidden_at() -> clap::Arg {
    clap::Arg::new("at").long("at").global(true).value_name("RFC3339").hide(true)
}

/// Suites as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SuiteArgument {
    Openpgp,
    Smime,
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

/// The words of the verb with which some words begin.
pub fn verb_of(words: impl Iterator<Item = String>) -> Vec<String> {
    use clap::CommandFactory;
    let mut command = Arguments::command();
    let mut verb = Vec::new();
    for word in words {
        let Some(below) = command.find_subcommand(&word).cloned() else { break };
        command = below;
        verb.push(word);
    }
    verb
}
