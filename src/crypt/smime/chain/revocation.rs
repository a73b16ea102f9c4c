//! Revocation by lists (RFC 5280, 5 and 6.3). No list, or none of the time, leaves it unknown, which is no fault.

use std::cmp::Ordering;

use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    x509::{CrlStatus, X509Crl, X509CrlRef, X509VerifyResult, store::X509Store, verify::X509VerifyFlags},
};

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
    /// What is known of a validated path.
    ///
    /// # Errors
    /// [`ChainFault::Revoked`], for the first of the path that was revoked at the time or before.
    pub(super) fn revocation(&self, path: &[Certificate], at: Timestamp) -> Result<Revocation, ChainFault> {
        let mut all = Revocation::Good;
        for (index, pair) in path.windows(2).enumerate() {
            let [one, _issuer] = pair else { continue };
            match self.revocation_of(one, path, at) {
                Ok(Revocation::Good) => {}
                Ok(Revocation::Unknown) => all = Revocation::Unknown,
                Err(fault) if index == 0 => return Err(fault),
                Err(fault) => return Err(fault.of_issuer(one.subject())),
            }
        }
        // An anchor that is the leaf itself has nobody who could revoke it.
        Ok(if path.len() < 2 { Revocation::Unknown } else { all })
    }

    fn revocation_of(&self, one: &Certificate, path: &[Certificate], at: Timestamp) -> Result<Revocation, ChainFault> {
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
        // Each by itself: libcrypto asks the newest only, whoever signed it.
        let said = lists.iter().filter_map(|list| entry(list).filter(|_| self.says_revoked(list, one, path)));
        if let Some(since) = said.min()
            && since.is_none_or(|since| since <= at)
        {
            return Err(ChainFault::Revoked(since));
        }
        let found = self.store().and_then(|store| look_up(&store, one, path, Some(at)));
        let good = found.is_ok_and(|found| found == X509VerifyResult::OK.as_raw());
        Ok(if good { Revocation::Good } else { Revocation::Unknown })
    }

    /// Whether a list, were there no other, revokes a certificate of the path.
    fn says_revoked(&self, list: &X509Crl, one: &Certificate, path: &[Certificate]) -> bool {
        let store = self.store_with(std::iter::once(list));
        store.and_then(|store| look_up(&store, one, path, None)).is_ok_and(|found| found == REVOKED)
    }
}

/// libcrypto's result for one certificate of the path with the lists of a store.
fn look_up(
    store: &X509Store,
    one: &Certificate,
    path: &[Certificate],
    at: Option<Timestamp>,
) -> Result<i32, ErrorStack> {
    let path = path.iter().map(|certificate| &certificate.x509);
    super::verify(store, &one.x509, path, at, X509VerifyFlags::CRL_CHECK, |context, _| context.error().as_raw())
}
