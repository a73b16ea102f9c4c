//! Proof tokens: a certificate that passed policy, and the recipients it was checked for.

use jiff::Timestamp;

use super::{PublicCertificate, Suite, Unusable};
use crate::mail::Address;

/// A certificate that could be encrypted to at a time. [`Suite::check`] alone makes it:
///
/// ```compile_fail
/// # use sealpost::crypt::{Usable, pgp::{Pgp, Certificate}};
/// fn forge(certificate: Certificate, at: jiff::Timestamp) -> Usable<Pgp> { Usable { certificate, at } }
/// ```
///
/// ```
/// # use sealpost::crypt::{Suite, Unusable, Usable, pgp::{Pgp, Certificate}};
/// fn check(certificate: &Certificate, at: jiff::Timestamp) -> Result<Usable<Pgp>, Unusable> { Pgp::check(certificate, &(), at) }
/// ```
#[derive(Clone)]
pub struct Usable<S: Suite> {
    certificate: S::Certificate,
    at: Timestamp,
}

impl<S: Suite> Usable<S> {
    pub(in crate::crypt) fn new(certificate: S::Certificate, at: Timestamp) -> Self {
        Self { certificate, at }
    }

    /// The certificate.
    pub fn certificate(&self) -> &S::Certificate {
        &self.certificate
    }

    /// The time of the check.
    pub fn checked_at(&self) -> Timestamp {
        self.at
    }
}

/// What ties a certificate to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The certificate names the address itself.
    Named,
    /// The user gave the full fingerprint for this address.
    Pinned,
}

/// An address and a certificate for it.
#[derive(Clone)]
pub struct Recipient<S: Suite> {
    address: Address,
    usable: Usable<S>,
}

impl<S: Suite> Recipient<S> {
    /// Binds a certificate to an address.
    ///
    /// # Errors
    /// [`Unusable::Misnamed`] if it is to name the address and does not.
    pub fn new(address: Address, usable: Usable<S>, binding: Binding) -> Result<Self, Unusable> {
        let named = || usable.certificate.addresses(usable.at).contains(&address);
        if binding == Binding::Named && !named() {
            return Err(Unusable::Misnamed { fingerprint: usable.certificate.fingerprint(), address });
        }
        Ok(Self { address, usable })
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The certificate.
    pub fn usable(&self) -> &Usable<S> {
        &self.usable
    }
}

/// At least one recipient, all of one suite; a certificate of the other does not go in:
///
/// ```compile_fail
/// # use sealpost::crypt::{Recipient, Recipients, pgp::Pgp, smime::Smime};
/// fn mix(recipient: Recipient<Smime>) -> Option<Recipients<Pgp>> { Recipients::<Pgp>::new(vec![recipient]) }
/// ```
///
/// ```
/// # use sealpost::crypt::{Recipient, Recipients, pgp::Pgp, smime::Smime};
/// fn alone(recipient: Recipient<Smime>) -> Option<Recipients<Smime>> { Recipients::<Smime>::new(vec![recipient]) }
/// ```
pub struct Recipients<S: Suite>(Vec<Recipient<S>>);

impl<S: Suite> Recipients<S> {
    /// None if there is no recipient.
    pub fn new(recipients: Vec<Recipient<S>>) -> Option<Self> {
        (!recipients.is_empty()).then_some(Self(recipients))
    }

    /// In the order given.
    pub fn iter(&self) -> std::slice::Iter<'_, Recipient<S>> {
        self.0.iter()
    }
}
