//! `key`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{Export, Lock, Named, SuiteArgument};

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key for an address
    Make(KeyMake),
    /// Take keys from a file, or from GnuPG
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
    /// Write everything into one file under a passphrase, or the keys on paper; `key import` brings it back
    Backup(Backup),
    /// Lock a key with another passphrase
    ChangePassphrase(ChangePassphrase),
    /// Give a certificate out where other people's programs look it up: by a web server, or a keyserver
    Publish(Publish),
}

#[derive(Debug, Args)]
pub struct Backup {
    /// Write to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Write a text to be printed and, one day, typed in again: own keys and their revocation certificates alone
    ///
    /// It is sealed like the file, in numbered lines, each with a check that names it if it was mistyped. Certificates of
    /// others, config.toml and recipients.toml are left out: they can be had again. `key import` brings it back.
    #[arg(long)]
    pub paper: bool,
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
#[command(group = ArgGroup::new("way").args(["wkd", "keyserver"]).required(true))]
pub struct Publish {
    /// An address or a full fingerprint
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    pub name: String,
    /// The folder that a web server gives out as its root: a Web Key Directory is made or updated below it
    #[arg(long, value_name = "DIR")]
    pub wkd: Option<PathBuf>,
    /// Upload to a keyserver instead: https://HOST (the API of keys.openpgp.org), hkps://HOST (HKP), else that of [find]
    ///
    /// Everybody can have it from there, and a keyserver may never forget it. The name decides what goes out: of an address
    /// its user IDs alone, of a fingerprint the certificate with all its user IDs. Without a URL it is the first keyserver
    /// of `order` in [find], else its `vks`. One that checks addresses sends a mail to each that it has not yet proven: the
    /// certificate is found by the address once the link in it is opened.
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    pub keyserver: Option<Option<String>>,
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
    /// Take an end that is earlier than the present one, too
    #[arg(long)]
    pub shorten: bool,
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
    /// Version 6: readers of RFC 9580; GnuPG and Thunderbird show nothing of what such a key signs
    Rfc9580,
    /// Version 6 with post-quantum algorithms (RFC 9980); the same holds for it
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
pub struct KeyImport {
    /// OpenPGP, PKCS#12, PKCS#8 or PEM, the certificate that a key waits for, or a backup, typed in or not; - is stdin
    #[arg(value_name = "FILE|-", required_unless_present = "from_gnupg", conflicts_with = "from_gnupg")]
    pub file: Option<PathBuf>,
    /// Take all secret keys of a GnuPG home instead: of this one, else of $GNUPGHOME, else of ~/.gnupg
    ///
    /// gpg and gpgsm are run for it. Without --passphrase gpg-agent asks for the passphrase of each key on the terminal,
    /// for OpenPGP keys only. A key that does not open is refused, and the others are imported. Keys of which a part is
    /// on a smartcard or missing are not imported. The certificates of other people and of authorities are not either:
    /// gpg --export | sealpost cert import -
    #[arg(long, value_name = "HOME", num_args = 0..=1)]
    pub from_gnupg: Option<Option<PathBuf>>,
    /// Leave the secret halves in gpg-agent, or on the smartcard behind it, and use them there: all, or this key's
    ///
    /// For OpenPGP, and for S/MIME what gpgsm lists. Only certificates are stored, and where the agent is. Taken again,
    /// what gpg changed of them, and what gpgsm got anew, comes along. gpg-agent has to run when such a key is used, and never asks anybody: it takes the passphrase, or the
    /// PIN, from --passphrase or the account, else it must have it already. Three wrong PINs lock a card.
    #[arg(
        long,
        value_name = "ADDRESS|FINGERPRINT",
        num_args = 0..=1,
        requires = "from_gnupg",
        conflicts_with_all = ["passphrase", "new_passphrase"]
    )]
    pub agent: Option<Option<String>>,
    #[command(flatten)]
    pub lock: Lock,
}
