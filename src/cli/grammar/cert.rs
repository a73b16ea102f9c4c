//! `cert`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Export, Named};

#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Take certificates from a file
    Import {
        /// Armored or binary; - is stdin
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
        /// The file is a message: take what its Autocrypt header brings of its author, as a candidate, and what it
        /// says, where it is encrypted and opens, of its other readers, as gossip
        #[arg(long)]
        from_mail: bool,
        /// Where the passphrase of the keys that open it comes from, if not from the account
        #[arg(long, value_name = "SOURCE", requires = "from_mail")]
        passphrase: Option<String>,
    },
    /// Ask again for what is new of certificates that are known: a later expiry, a revocation; of S/MIME what renews them
    Refresh(CertRefresh),
    /// Look for the certificate of an address: in the store, then where others publish theirs
    Find(CertFind),
    /// List the certificates, and how well each is known for its addresses
    List(CertList),
    /// Show all of one certificate, how well it is known, and whether and why it is usable
    Show(Named),
    /// Write a certificate
    Export(Export),
    /// Forget a certificate; a damaged one by its full fingerprint
    Remove(Named),
    /// Look, without the network, whether everybody can be written to, and for how long; exit 0 only if all is well
    Check(CertCheck),
    /// Pin a certificate, whose fingerprint was compared with its owner's word, for its address in recipients.toml
    Verify(CertVerify),
}

#[derive(Debug, Args)]
pub struct CertList {
    /// List instead whom of recipients.toml no usable certificate is there for; the network is not asked
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
    /// Accept it in place of another one that is pinned; both stay in the store
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
    /// Write the result for a Prometheus node exporter's textfile collector too; no link is followed
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
    /// The DNS of the address's domain, where DNSSEC proves it
    #[cfg(feature = "dane")]
    Dane,
    /// The directory of LDAP that config.toml names
    Ldap,
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
    /// Ask this source alone; else those of config.toml in their order
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<SourceArgument>,
}
