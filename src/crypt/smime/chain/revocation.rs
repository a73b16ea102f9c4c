//! Revocation by lists (RFC 5280, 5 and 6.3). No list, or none of the time, leaves it unknown, which is no fault.

use std::cmp::Ordering;

use jiff::Timestamp;
use openssl::x509::{CrlStatus, X509, X509CrlRef, X509VerifyResult, verify::X509VerifyFlags};

use super::{Authorities, ChainFault};
use crate::crypt::smime::{Certificate, certificate::timestamp};

/// What the lists say of a chain of which nothing is known to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// For each certificate beneath the anchor a list of the time says that it was not.
    Good,
    /// For one at least there is no such list.
    Unknown,
}

const REVOKED: i32 = 23;

impl Authorities {
    /// What is known of a validated path. That one was revoked is also taken from lists that its issuer signed with
    /// another key, of a certificate `between`; that none was is not, since nobody knows whether that one was.
    ///
    /// # Errors
    /// [`ChainFault::Revoked`], for the first of the path that was revoked at the time or before.
    pub(super) fn revocation(
        &self,
        path: &[Certificate],
        between: &[&X509],
        at: Timestamp,
    ) -> Result<Revocation, ChainFault> {
        let own: Vec<&X509> = path.iter().map(|one| &one.x509).collect();
        let issuers = [&own, between].concat();
        let mut all = Revocation::Good;
        for (index, pair) in path.windows(2).enumerate() {
            let [one, issuer] = pair else { continue };
            match self.revocation_of(one, issuer, (&own, &issuers), at) {
                Ok(Revocation::Good) => {}
                Ok(Revocation::Unknown) => all = Revocation::Unknown,
                Err(fault) if index == 0 => return Err(fault),
                Err(fault) => return Err(fault.of_issuer(one.subject())),
            }
        }
        // An anchor that is the leaf itself has nobody who could revoke it.
        Ok(if path.len() < 2 { Revocation::Unknown } else { all })
    }

    fn revocation_of(
        &self,
        one: &Certificate,
        issuer: &Certificate,
        (own, issuers): (&[&X509], &[&X509]),
        at: Timestamp,
    ) -> Result<Revocation, ChainFault> {
        let name = one.x509.issuer_name();
        let named = |list: &X509CrlRef| matches!(list.issuer_name().try_cmp(name), Ok(Ordering::Equal));
        let lists: Vec<_> = self.0.revocations.iter().filter(|list| named(list)).collect();
        if lists.is_empty() {
            return Ok(Revocation::Unknown);
        }
        // What was revoked stays so, however old or young the list that says it. Large lists take long to verify.
        let entry = |list: &X509CrlRef| match list.get_by_cert(&one.x509) {
            CrlStatus::Revoked(entry) => Some(timestamp(entry.revocation_date())),
            CrlStatus::NotRevoked | CrlStatus::RemoveFromCrl(_) => None,
        };
        if lists.iter().any(|list| entry(list).is_some()) && self.look_up(one, issuers, None) == Some(REVOKED) {
            let key = issuer.x509.public_key().ok();
            let signed = |list: &X509CrlRef| key.as_ref().is_some_and(|key| list.verify(key).unwrap_or(false));
            let since = lists.iter().filter(|list| signed(list)).filter_map(|list| entry(list)).min().flatten();
            if since.is_none_or(|since| since <= at) {
                return Err(ChainFault::Revoked(since));
            }
        }
        let good = self.look_up(one, own, Some(at)) == Some(X509VerifyResult::OK.as_raw());
        Ok(if good { Revocation::Good } else { Revocation::Unknown })
    }

    /// libcrypto's result for one certificate of the path with its lists.
    fn look_up(&self, one: &Certificate, issuers: &[&X509], at: Option<Timestamp>) -> Option<i32> {
        // Without the first libcrypto takes a delta for a whole list, on which most that was revoked is missing.
        let flags = X509VerifyFlags::EXTENDED_CRL_SUPPORT | X509VerifyFlags::USE_DELTAS | X509VerifyFlags::CRL_CHECK;
        self.verify(&one.x509, issuers.iter().copied(), at, flags, |context, _| context.error().as_raw()).ok()
    }
}
