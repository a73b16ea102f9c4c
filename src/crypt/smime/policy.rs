//! Whether a certificate can be encrypted to, and whether one may sign (RFC 8550, 4.4; RFC 8551, 2).

use jiff::Timestamp;

use super::{
    Certificate, Grounds,
    chain::{ChainFault, Purpose},
};
use crate::crypt::{PublicCertificate, Unusable};

/// Judges a certificate to be encrypted to.
pub(super) fn check(certificate: &Certificate, grounds: &Grounds, at: Timestamp) -> Result<(), Unusable> {
    match grounds {
        Grounds::Pinned => Ok(()),
        Grounds::Chain(authorities) => {
            authorities.judge(certificate, &[], Purpose::Encrypt, at).map_err(|fault| refused(certificate, fault))
        }
    }
}

fn refused(certificate: &Certificate, fault: ChainFault) -> Unusable {
    let fingerprint = certificate.fingerprint();
    match fault {
        ChainFault::Untrusted(why) => Unusable::Untrusted { fingerprint, why },
        ChainFault::Expired(at) => Unusable::Expired { fingerprint, at },
        ChainFault::NotYetValid(at) => Unusable::NotYetValid { fingerprint, at },
        ChainFault::Revoked(at) => Unusable::Revoked { fingerprint, at },
        ChainFault::Weak(what) => Unusable::Weak { fingerprint, what },
        ChainFault::WrongUsage(why) => Unusable::WrongUsage { fingerprint, why },
    }
}
