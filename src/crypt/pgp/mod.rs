//! OpenPGP (RFC 9580, RFC 9980) in PGP/MIME (RFC 3156). Sequoia lives here only.

mod agent_key;
mod armor;
mod certificate;
mod key;
mod life;
mod lock;
mod look;
mod policy;
mod read;
mod seal;
mod sealed_file;
mod verify;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::{
    Fingerprint, OpenError, PublicCertificate, Recipients, SealError, Sealed, Sealing, SignatureFact, Suite, SuiteName,
    Unusable, Usable, look::Header,
};

pub use agent_key::{AgentKey, Lent};
pub use certificate::{Certificate, CertificateError, KeyDescription};
pub use key::{Key, KeyError, Profile, Signer, SignerError};
pub use life::{ChangeError, Reason, Revocation};
pub use lock::UnlockError;
pub use read::{Decrypted, Layers, Reader, recipients_of};
pub use sealed_file::{FileError, Packing, is_sealed_file, open_file, seal_file};

/// The suite.
#[derive(Clone, Copy, Debug)]
pub enum Pgp {}

impl Suite for Pgp {
    const NAME: SuiteName = SuiteName::OpenPgp;
    type Certificate = Certificate;
    type Signer = Signer;
    type Grounds = ();
    type Form = ();

    fn check(certificate: &Certificate, (): &(), at: Timestamp) -> Result<Usable<Self>, Unusable> {
        policy::check(&certificate.cert, at)?;
        Ok(Usable::new(certificate.clone(), at))
    }

    fn seal(sealing: Sealing<'_, Self>) -> Result<Sealed, SealError> {
        seal::seal(sealing)
    }

    fn look(pieces: &[Vec<u8>], recipients: &Recipients<Self>, made_here: bool) -> Result<Header, &'static str> {
        look::look(pieces, recipients, made_here)
    }
}
