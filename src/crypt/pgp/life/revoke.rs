//! Revoking a whole key: with a reason, or by the revocation certificate that was made with it.

use jiff::Timestamp;
use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

use openpgp::{Packet, cert::CertRevocationBuilder, types::ReasonForRevocation};

use super::{ChangeError, Key, library};
use crate::crypt::pgp::{Certificate, policy};

/// Why a key is revoked (RFC 9580, 5.2.3.31). To many programs what it signed before still counts where it was
/// superseded or retired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is said.
    #[default]
    Unspecified,
    /// Somebody else has, or may have, its secret half.
    Compromised,
    /// Another key takes its place.
    Superseded,
    /// It is no longer used.
    Retired,
}

/// How a key is revoked.
#[derive(Clone, Copy)]
pub enum Revocation<'a> {
    /// By the certificate that was made for this, armored: no secret is needed.
    Ready(&'a str),
    /// By its primary key.
    Signed {
        /// None if it is not locked.
        passphrase: Option<&'a Zeroizing<String>>,
        /// Why.
        reason: Reason,
        /// What else people are told.
        text: &'a str,
    },
}

impl Key {
    /// Revokes it. One that is revoked already gets a further reason.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn revoke(&self, by: Revocation<'_>, at: Timestamp) -> Result<Self, ChangeError> {
        let revoked = match by {
            Revocation::Ready(armored) => self.revoke_by(armored)?,
            Revocation::Signed { passphrase, reason, text } => {
                let mut signer = self.primary_pair(passphrase)?;
                let code = match reason {
                    Reason::Unspecified => ReasonForRevocation::Unspecified,
                    Reason::Compromised => ReasonForRevocation::KeyCompromised,
                    Reason::Superseded => ReasonForRevocation::KeySuperseded,
                    Reason::Retired => ReasonForRevocation::KeyRetired,
                };
                let signature = CertRevocationBuilder::new()
                    .set_reason_for_revocation(code, text.as_bytes())
                    .and_then(|one| one.set_signature_creation_time(policy::system_time(at)))
                    .and_then(|one| one.build(&mut signer, &self.cert, None))
                    .map_err(library)?;
                self.with_packets(vec![Packet::from(signature)])?
            }
        };
        match policy::revoked(&revoked.cert, at) {
            Some(_) => Ok(revoked),
            None => Err(ChangeError::NoRevocation(self.fingerprint())),
        }
    }

    fn revoke_by(&self, armored: &str) -> Result<Self, ChangeError> {
        let none = || ChangeError::NoRevocation(self.fingerprint());
        let certificates = Certificate::parse_all(armored.as_bytes()).map_err(|_| none())?;
        certificates.into_iter().try_fold(self.clone(), |key, one| key.merge(one)).map_err(|_| none())
    }
}
