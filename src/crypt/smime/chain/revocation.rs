//! Revocation by lists (RFC 5280, 5 and 6.3). No list, or none of the time, leaves it unknown, which is no fault.

use std::cmp::Ordering;

use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    x509::{
        CrlStatus, ReasonCode, X509, X509Crl, X509CrlRef, X509RevokedRef, X509VerifyResult, store::X509Store,
        verify::X509VerifyFlags,
    },
};

use super::{Authorities, ChainFault};
use crate::crypt::smime::{
    Certificate,
    asn1::{
        Algorithm, Fault,
        ber::{Element, tag},
    },
    certificate::timestamp,
    read::algorithm,
};

/// What the lists say of a chain of which nothing is known to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// For each certificate beneath the anchor a list of the time says that it was not.
    Good,
    /// For one at least there is no such list.
    Unknown,
}

const REVOKED: i32 = 23;

/// Lists for all reasons together, with their deltas. Without the second libcrypto takes a delta for a whole list, on
/// which most that was revoked is missing.
const WHOLE: X509VerifyFlags =
    X509VerifyFlags::CRL_CHECK.union(X509VerifyFlags::EXTENDED_CRL_SUPPORT).union(X509VerifyFlags::USE_DELTAS);

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
            let [one, _issuer] = pair else { continue };
            match self.revocation_of(one, &own, &issuers, at) {
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
        own: &[&X509],
        issuers: &[&X509],
        at: Timestamp,
    ) -> Result<Revocation, ChainFault> {
        let name = one.x509.issuer_name();
        let named = |list: &X509CrlRef| matches!(list.issuer_name().try_cmp(name), Ok(Ordering::Equal));
        let lists: Vec<_> = self.0.revocations.iter().filter(|list| named(list)).collect();
        if lists.is_empty() {
            return Ok(Revocation::Unknown);
        }
        let found = self.store().and_then(|store| look_up(&store, one, own, Some(at), WHOLE));
        // libcrypto takes any digest here. A forger would rather say good than revoked, which is believed of any.
        let good = found.is_ok_and(|found| found == X509VerifyResult::OK.as_raw())
            && lists.iter().all(|list| signature_protects(list).unwrap_or(false));
        // What was revoked stays so, however old or young the list that says it; what was on hold may be let go.
        let entry = |list: &X509CrlRef| match list.get_by_cert(&one.x509) {
            CrlStatus::Revoked(entry) if good && is_on_hold(entry) => None,
            CrlStatus::Revoked(entry) => Some(timestamp(entry.revocation_date())),
            CrlStatus::NotRevoked | CrlStatus::RemoveFromCrl(_) => None,
        };
        // Each by itself: libcrypto asks the newest only, whoever signed it. Large lists take long to verify.
        let said = lists.iter().filter_map(|list| entry(list).filter(|_| self.says_revoked(list, one, issuers)));
        if let Some(since) = said.min()
            && since.is_none_or(|since| since <= at)
        {
            return Err(ChainFault::Revoked(since));
        }
        Ok(if good { Revocation::Good } else { Revocation::Unknown })
    }

    /// Whether a list, were there no other, revokes a certificate of the path.
    fn says_revoked(&self, list: &X509Crl, one: &Certificate, issuers: &[&X509]) -> bool {
        let Ok(store) = self.store_with(std::iter::once(list)) else { return false };
        let says = |flags| look_up(&store, one, issuers, None, flags).is_ok_and(|found| found == REVOKED);
        // A delta by itself is a list to libcrypto only without the second.
        says(WHOLE) || says(X509VerifyFlags::CRL_CHECK)
    }
}

/// CertificateList (RFC 5280, 5.1).
fn signature_protects(list: &X509CrlRef) -> Result<bool, Fault> {
    let der = list.to_der().map_err(|_| Fault::Malformed)?;
    let mut list = Element::only(&der)?.inside(tag::SEQUENCE)?;
    list.next()?;
    Ok(algorithm::protects(&Algorithm::read(list.next()?)?))
}

/// Whether the reason of an entry is certificateHold (RFC 5280, 5.3.1).
fn is_on_hold(entry: &X509RevokedRef) -> bool {
    const HOLD: i64 = 6;
    let reason = entry.extension::<ReasonCode>().ok().flatten();
    reason.is_some_and(|(_, reason)| reason.get_i64().is_ok_and(|reason| reason == HOLD))
}

/// libcrypto's result for one certificate of the path with the lists of a store.
fn look_up(
    store: &X509Store,
    one: &Certificate,
    issuers: &[&X509],
    at: Option<Timestamp>,
    flags: X509VerifyFlags,
) -> Result<i32, ErrorStack> {
    super::verify(store, &one.x509, issuers.iter().copied(), at, flags, |context, _| context.error().as_raw())
}
