//! Whether a certificate can be encrypted to, and whether one may sign (RFC 8550, 4.4; RFC 8551, 2).

use jiff::Timestamp;

use super::{
    Certificate, Grounds,
    certificate::KeyKind,
    chain::{ChainFault, Purpose, fit},
};
use crate::crypt::{PublicCertificate, Unusable};

/// Judges a certificate to be encrypted to. A pin stands for its chain and for nothing else: what was revoked stays so.
pub(super) fn check(certificate: &Certificate, grounds: &Grounds, at: Timestamp) -> Result<(), Unusable> {
    by_itself(certificate, Purpose::Encrypt, at)?;
    let (Grounds::Chain(authorities) | Grounds::Pinned(authorities)) = grounds;
    match authorities.judge(certificate, &[], Purpose::Encrypt, at) {
        Ok(_) => Ok(()),
        Err(ChainFault::Untrusted(_) | ChainFault::Issuer { .. }) if matches!(grounds, Grounds::Pinned(_)) => Ok(()),
        Err(fault) => Err(refused(certificate, fault)),
    }
}

/// Judges one's own certificate to be signed with; its chain is for those to judge who read.
pub(super) fn may_sign(certificate: &Certificate, at: Timestamp) -> Result<(), Unusable> {
    by_itself(certificate, Purpose::Sign, at)
}

/// All that is judged without an issuer.
fn by_itself(certificate: &Certificate, purpose: Purpose, at: Timestamp) -> Result<(), Unusable> {
    let fingerprint = || certificate.fingerprint();
    if certificate.created() > at {
        return Err(Unusable::NotYetValid { fingerprint: fingerprint(), at: certificate.created() });
    }
    if certificate.not_after() < at {
        return Err(Unusable::Expired { fingerprint: fingerprint(), at: certificate.not_after() });
    }
    let small_curve =
        certificate.key_kind() == KeyKind::Ec && certificate.public_key().is_none_or(|key| key.bits() < 224);
    if small_curve || certificate.rsa_bits().is_some_and(|bits| bits < 2048) {
        return Err(Unusable::Weak { fingerprint: fingerprint(), what: certificate.algorithms() });
    }
    match (purpose, certificate.key_kind()) {
        (Purpose::Encrypt, KeyKind::RsaPss | KeyKind::Signing | KeyKind::Other) => {
            return Err(Unusable::CannotEncrypt { fingerprint: fingerprint() });
        }
        (Purpose::Sign, KeyKind::RsaOaep | KeyKind::X25519 | KeyKind::MlKem | KeyKind::Other) => {
            return Err(Unusable::CannotSign { fingerprint: fingerprint() });
        }
        _ => {}
    }
    fit(certificate, purpose).map_err(|fault| match fault {
        ChainFault::WrongUsage(_) if certificate.is_authority() => {
            let why = "it is an authority's, which stands between others and a trust anchor".to_owned();
            Unusable::WrongUsage { fingerprint: fingerprint(), why }
        }
        fault => refused(certificate, fault),
    })
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
        ChainFault::Issuer { .. } => Unusable::Untrusted { fingerprint, why: fault.to_string() },
    }
}
