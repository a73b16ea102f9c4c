//! Path validation to the trust anchors at a given time (RFC 5280, 6; RFC 8550, 4), with revocation by CRLs.
//!
//! libcrypto builds the path and validates it. What a certificate is for is judged here, over the whole path, since
//! libcrypto refuses anyExtendedKeyUsage alone, which RFC 8550, 4.4.4 accepts.

mod fault;
mod revocation;

use std::{
    cmp::Ordering,
    fmt,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    stack::Stack,
    x509::{
        X509, X509Crl, X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult,
        store::{X509Store, X509StoreBuilder},
        verify::X509VerifyFlags,
    },
};

use super::{Certificate, CertificateError, certificate::parse_revocations};
use crate::{crypt::PublicCertificate, ffi};

pub use fault::ChainFault;
pub use revocation::Revocation;

/// 112 bits: no SHA-1 and no MD5 in signatures, no RSA under 2048.
pub(super) const LEVEL: i32 = 2;
/// The longest path.
const DEEPEST: i32 = 16;
/// The most certificates out of a message that are looked through.
const MOST_BETWEEN: usize = 200;
/// The most issuers that are left out again, each one way that led nowhere.
const MOST_DETOURS: usize = 8;
/// The most signatures that are verified to find the issuers that lead to an anchor.
const MOST_VERIFICATIONS: usize = 256;

/// Trust anchors, certificates that may lie between, and revocation lists. Cheap to clone.
#[derive(Clone, Default)]
pub struct Authorities(Arc<Held>);

#[derive(Clone, Default)]
struct Held {
    anchors: Vec<X509>,
    intermediates: Vec<X509>,
    revocations: Vec<Arc<X509Crl>>,
    /// Anchors and lists as libcrypto takes them; made when first asked for.
    store: OnceLock<Arc<X509Store>>,
}

/// For what a certificate is to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Signing mail.
    Sign,
    /// Encrypting mail to it.
    Encrypt,
}

/// What a path that counts tells beyond that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether anybody knows that nothing in it was revoked.
    pub revocation: Revocation,
    /// The subject of its trust anchor.
    pub anchor: String,
}

impl Authorities {
    /// Adds anchors from PEM (one or several) or DER: roots, or authorities beneath one, which then stand for
    /// themselves. Lists of revoked certificates among them are taken too. Gives how many there were of both.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn add_anchors(&mut self, bytes: &[u8]) -> Result<usize, CertificateError> {
        let lists = match parse_revocations(bytes) {
            Err(CertificateError::NoRevocations(_)) => Vec::new(),
            other => other?,
        };
        let anchors = match Certificate::parse_all(bytes) {
            Err(CertificateError::SomethingElse(_)) if !lists.is_empty() => Vec::new(),
            other => other?,
        };
        let count = anchors.len() + lists.len();
        let held = self.change();
        held.anchors.extend(anchors.into_iter().map(|anchor| anchor.x509));
        held.revocations.extend(lists.into_iter().map(Arc::new));
        Ok(count)
    }

    /// Adds lists of revoked certificates from PEM (one or several) or DER. Gives how many there were.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn add_revocations(&mut self, bytes: &[u8]) -> Result<usize, CertificateError> {
        let lists = parse_revocations(bytes)?;
        let count = lists.len();
        self.change().revocations.extend(lists.into_iter().map(Arc::new));
        Ok(count)
    }

    /// Adds certificates that may lie between an anchor and a leaf. They are trusted for nothing.
    pub fn add_intermediates(&mut self, certificates: impl IntoIterator<Item = Certificate>) {
        self.change().intermediates.extend(certificates.into_iter().map(|certificate| certificate.x509));
    }

    /// Whether lists of revoked certificates are at hand.
    pub(super) fn has_revocations(&self) -> bool {
        !self.0.revocations.is_empty()
    }

    /// Whether there is no anchor.
    pub fn is_empty(&self) -> bool {
        self.0.anchors.is_empty()
    }

    /// Validates the path of a certificate at a time. Of the certificates `between`, which are trusted for nothing,
    /// the first 200 are looked through.
    ///
    /// # Errors
    /// [`ChainFault`].
    pub(super) fn judge(
        &self,
        leaf: &Certificate,
        between: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<Judged, ChainFault> {
        let between = between.iter().take(MOST_BETWEEN).map(|certificate| &certificate.x509);
        // What is known comes before what a stranger's message brings.
        let between: Vec<&X509> = self.0.intermediates.iter().chain(between).collect();
        let path = self.path(leaf, &between, at)?;
        fit(leaf, purpose)?;
        for issuer in path.iter().skip(1) {
            if !issuer.is_for_mail() {
                return Err(ChainFault::WrongUsage(FOR_MAIL.to_owned()).of_issuer(issuer.subject()));
            }
            for address in leaf.addresses(at) {
                if issuer.limits().excludes(&address) {
                    return Err(ChainFault::Untrusted(fault::EXCLUDED.to_owned()));
                }
                if !issuer.limits().permits(&address) {
                    return Err(ChainFault::Untrusted(fault::NOT_PERMITTED.to_owned()));
                }
            }
        }
        let anchor = path.last().unwrap_or(leaf).subject();
        Ok(Judged { revocation: self.revocation(&path, &between, at)?, anchor })
    }

    /// Whether it has a chain as the certificate of one who signs.
    pub fn vouch_for(&self, signer: &Certificate, at: Timestamp) -> bool {
        self.judge(signer, &[], Purpose::Sign, at).is_ok()
    }

    /// Who issued a certificate, by its validated path; none if it has no such path, or is an anchor itself.
    pub(super) fn issuer(&self, leaf: &Certificate, at: Timestamp) -> Option<Certificate> {
        let between: Vec<&X509> = self.0.intermediates.iter().collect();
        self.path(leaf, &between, at).ok()?.into_iter().nth(1)
    }

    /// The validated path, the leaf first and the anchor last. libcrypto follows the first issuer of the right name,
    /// which anybody can give to a certificate: where that leads nowhere, only those count that did sign, and lead to an anchor.
    fn path(&self, leaf: &Certificate, between: &[&X509], at: Timestamp) -> Result<Vec<Certificate>, ChainFault> {
        let first = match self.path_by(leaf, between, at) {
            Ok(path) => return Ok(path),
            Err((fault, _)) => fault,
        };
        let (mut leading, mut left) = (Vec::new(), MOST_VERIFICATIONS);
        self.leads(&leaf.x509, between, &mut leading, &mut left);
        for _ in 0..=MOST_DETOURS {
            let suspect = match self.path_by(leaf, &leading, at) {
                Ok(path) => return Ok(path),
                Err((_, suspect)) => suspect,
            };
            let Some(index) = suspect.and_then(|suspect| leading.iter().position(|one| **one == suspect)) else {
                break;
            };
            leading.remove(index);
        }
        Err(first)
    }

    /// Whether a certificate leads to an anchor by signatures that hold, and by which of those `between`; `left` is how
    /// many more are verified.
    fn leads<'a>(&self, one: &X509, between: &[&'a X509], leading: &mut Vec<&'a X509>, left: &mut usize) -> bool {
        let mut signed_by = |issuer: &X509| {
            let named = issuer.subject_name().try_cmp(one.issuer_name()).is_ok_and(Ordering::is_eq);
            if !named || *left == 0 {
                return false;
            }
            *left -= 1;
            issuer.public_key().and_then(|key| one.verify(&key)).unwrap_or(false)
        };
        let mut found = self.0.anchors.iter().any(|anchor| anchor == one || signed_by(anchor));
        let issuers: Vec<_> = between.iter().copied().filter(|issuer| *issuer != one && signed_by(issuer)).collect();
        for issuer in issuers {
            if leading.contains(&issuer) {
                found = true;
                continue;
            }
            // Certificates may sign in a circle.
            let rest: Vec<_> = between.iter().copied().filter(|other| *other != issuer).collect();
            if self.leads(issuer, &rest, leading, left) {
                leading.push(issuer);
                found = true;
            }
        }
        found
    }

    /// The path that libcrypto takes; or why it leads nowhere, and the issuer on it that may be the wrong one.
    fn path_by(
        &self,
        leaf: &Certificate,
        between: &[&X509],
        at: Timestamp,
    ) -> Result<Vec<Certificate>, (ChainFault, Option<X509>)> {
        let outcome = |context: &X509StoreContextRef, good: bool| {
            let chain = || context.chain().into_iter().flatten();
            if !good {
                let depth = context.error_depth() as usize;
                let [at_fault, suspect] = [depth, depth.max(1)].map(|at| chain().nth(at).map(X509Ref::to_owned));
                return Err((fault::of(context.error(), context.error_depth(), at_fault, leaf), suspect));
            }
            let issuers = chain().skip(1).map(|x509| Certificate::from_x509(x509.to_owned()));
            let path: Result<Vec<_>, _> = std::iter::once(Ok(leaf.clone())).chain(issuers).collect();
            let unread = || ChainFault::Untrusted("a certificate of its chain cannot be read".to_owned());
            path.map_err(|_| (unread(), None))
        };
        let between = between.iter().copied();
        self.store()
            .and_then(|store| verify(&store, &leaf.x509, between, Some(at), X509VerifyFlags::POLICY_CHECK, outcome))
            .unwrap_or_else(|_| Err((unjudged(), None)))
    }

    fn store(&self) -> Result<Arc<X509Store>, ErrorStack> {
        if let Some(store) = self.0.store.get() {
            return Ok(store.clone());
        }
        let store = self.store_with(self.0.revocations.iter().map(|list| &**list))?;
        Ok(self.0.store.get_or_init(|| Arc::new(store)).clone())
    }

    /// The anchors with some lists.
    fn store_with<'a>(&self, lists: impl Iterator<Item = &'a X509Crl>) -> Result<X509Store, ErrorStack> {
        let mut builder = X509StoreBuilder::new()?;
        for anchor in &self.0.anchors {
            builder.add_cert(anchor.clone())?;
        }
        for list in lists {
            ffi::store_add_crl(&mut builder, list)?;
        }
        Ok(builder.build())
    }

    fn change(&mut self) -> &mut Held {
        let held = Arc::make_mut(&mut self.0);
        held.store = OnceLock::new();
        held
    }
}

/// Lets libcrypto verify, at a time or at none, and gives what is made of the outcome.
fn verify<'a, T>(
    store: &X509Store,
    leaf: &X509Ref,
    between: impl Iterator<Item = &'a X509>,
    at: Option<Timestamp>,
    flags: X509VerifyFlags,
    outcome: impl FnOnce(&X509StoreContextRef, bool) -> T,
) -> Result<T, ErrorStack> {
    let mut untrusted = Stack::new()?;
    for x509 in between {
        untrusted.push(x509.clone())?;
    }
    X509StoreContext::new()?.init(store, leaf, &untrusted, |context| {
        if let Some(param) = ffi::verify_param(context) {
            param.set_flags(flags | X509VerifyFlags::PARTIAL_CHAIN)?;
            param.set_auth_level(LEVEL);
            param.set_depth(DEEPEST);
            ffi::accept_any_policy(param)?;
            match at {
                Some(at) => param.set_time(at.as_second()),
                // Or the clock would be asked.
                None => param.set_flags(X509VerifyFlags::NO_CHECK_TIME)?,
            }
        } else {
            context.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
            return Ok(outcome(context, false));
        }
        let good = context.verify_cert()? && context.error() == X509VerifyResult::OK;
        Ok(outcome(context, good))
    })
}

fn unjudged() -> ChainFault {
    ChainFault::Untrusted("the crypto library cannot judge its chain".to_owned())
}

const FOR_MAIL: &str = "its extended key usage does not allow mail";

/// Whether a certificate is made for this use of mail (RFC 8550, 4.4.2, 4.4.4).
pub(super) fn fit(leaf: &Certificate, purpose: Purpose) -> Result<(), ChainFault> {
    let (may, use_) = match purpose {
        Purpose::Sign => (leaf.may_sign(), "signing"),
        Purpose::Encrypt => (leaf.may_encrypt(), "encryption"),
    };
    if !leaf.is_for_mail() {
        return Err(ChainFault::WrongUsage(FOR_MAIL.to_owned()));
    }
    match may {
        true => Ok(()),
        false => Err(ChainFault::WrongUsage(format!("its key usage does not allow {use_}"))),
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held { anchors, intermediates, revocations, .. } = &*self.0;
        let counts = (anchors.len(), intermediates.len(), revocations.len());
        write!(f, "Authorities({} anchors, {} between, {} lists)", counts.0, counts.1, counts.2)
    }
}
