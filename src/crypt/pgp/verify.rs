//! What one signature is worth: mathematics first, then algorithms, certificate and time.

use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::{
    Cert, KeyHandle,
    cert::prelude::*,
    packet::{Signature, key},
    types::{RevocationStatus, SignatureType},
};

use super::{Certificate, PublicCertificate, policy};
use crate::crypt::{BadReason, CLOCK_TOLERANCE, SignatureFact, SignerCertificate, UnknownReason, Verdict, is_ahead};

/// By what signatures are judged.
pub(super) struct Judge<'a> {
    /// Certificates held genuine.
    pub certificates: &'a [Certificate],
    /// The time of judging.
    pub at: Timestamp,
    /// The certificate whose key decrypted the message, where one did.
    pub reader: Option<openpgp::Fingerprint>,
}

impl Judge<'_> {
    /// Judges a signature whose digest is known.
    pub(super) fn judge(&self, signature: &Signature) -> SignatureFact {
        let issuers = signature.get_issuers();
        let mut fact = SignatureFact {
            verdict: Verdict::Unknown(UnknownReason::NoCertificate),
            certificate: None,
            issuer: name(&issuers),
            created: signature.signature_creation_time().map(policy::timestamp),
            detail: None,
        };
        let Some(created) = fact.created else {
            return SignatureFact { verdict: Verdict::Bad(BadReason::Malformed), ..fact };
        };
        if !matches!(signature.typ(), SignatureType::Binary | SignatureType::Text) {
            return SignatureFact { verdict: Verdict::Bad(BadReason::Malformed), ..fact };
        }
        for certificate in self.certificates {
            for key in certificate.cert.keys().filter(|key| issuers.iter().any(|i| i.aliases(key.key().key_handle()))) {
                let verdict = match self.reason_against(signature, created, &certificate.cert, &key) {
                    None => Verdict::Good,
                    Some(reason) => Verdict::Bad(reason),
                };
                // Two keys may share a key ID; the one that made the signature counts.
                if fact.certificate.is_none() || verdict != Verdict::Bad(BadReason::Invalid) {
                    fact.verdict = verdict;
                    fact.certificate = Some(SignerCertificate {
                        fingerprint: certificate.fingerprint(),
                        addresses: certificate.addresses(self.at),
                        weak: certificate.weak_key(),
                    });
                }
                if verdict == Verdict::Good {
                    return fact;
                }
            }
        }
        fact
    }

    fn reason_against(
        &self,
        signature: &Signature,
        created: Timestamp,
        cert: &Cert,
        key: &ErasedKeyAmalgamation<'_, key::PublicParts>,
    ) -> Option<BadReason> {
        // The library takes this for broken mathematics.
        if created < policy::timestamp(key.key().creation_time()) {
            return Some(BadReason::NotYetValid);
        }
        if signature.verify_document(key.key()).is_err() {
            return Some(BadReason::Invalid);
        }
        if !self.is_meant_for_reader(signature) {
            return Some(BadReason::Invalid);
        }
        let weak_key = policy::weakness(key.key()).or(policy::weakness(cert.primary_key().key())).is_some();
        if weak_key || policy::weak_hash(signature) {
            return Some(BadReason::Weak);
        }
        // What else the policy refuses in a signature: critical subpackets that nobody here knows.
        if !policy::takes(signature, self.at) {
            return Some(BadReason::Invalid);
        }
        if is_ahead(created, self.at) {
            return Some(BadReason::NotYetValid);
        }
        self.reason_against_key(created, cert, key).or_else(|| {
            let alive = signature.signature_alive(policy::system_time(self.at), CLOCK_TOLERANCE.unsigned_abs());
            alive.is_err().then_some(BadReason::Expired)
        })
    }

    /// A signature that names its readers counts for these only (RFC 9580, 13.12).
    fn is_meant_for_reader(&self, signature: &Signature) -> bool {
        let Some(reader) = &self.reader else { return true };
        signature.intended_recipients().next().is_none() || signature.intended_recipients().any(|meant| meant == reader)
    }

    /// Whether the key could sign, when it did and at the time of judging.
    fn reason_against_key(
        &self,
        created: Timestamp,
        cert: &Cert,
        key: &ErasedKeyAmalgamation<'_, key::PublicParts>,
    ) -> Option<BadReason> {
        if policy::revoked(cert, self.at).is_some() || policy::revoked(cert, created).is_some() {
            return Some(BadReason::Revoked);
        }
        for moment in [created, self.at] {
            let (strict, lenient, time) =
                (policy::strict(self.at), policy::lenient(self.at), policy::system_time(moment));
            if key.key().creation_time() > time || cert.primary_key().key().creation_time() > time {
                return Some(BadReason::NotYetValid);
            }
            let Ok(valid) = key.clone().with_policy(&strict, time) else {
                return Some(if key.clone().with_policy(&lenient, time).is_ok() {
                    BadReason::Weak
                } else if key.clone().with_policy(&strict, policy::system_time(self.at)).is_ok() {
                    BadReason::NotYetValid
                } else {
                    BadReason::Invalid
                });
            };
            if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
                return Some(BadReason::Revoked);
            }
            if !valid.for_signing() {
                return Some(BadReason::Invalid);
            }
            if valid.valid_cert().alive().is_err() || valid.alive().is_err() {
                return Some(BadReason::Expired);
            }
        }
        None
    }
}

/// What cannot be read as a signature.
pub(super) fn malformed() -> SignatureFact {
    SignatureFact {
        verdict: Verdict::Bad(BadReason::Malformed),
        certificate: None,
        issuer: String::new(),
        created: None,
        detail: None,
    }
}

/// The best name that a signature gives its maker: a fingerprint before a key ID.
fn name(issuers: &[KeyHandle]) -> String {
    let fingerprint = issuers.iter().find(|issuer| matches!(issuer, KeyHandle::Fingerprint(_)));
    fingerprint.or(issuers.first()).map(KeyHandle::to_hex).unwrap_or_default()
}
