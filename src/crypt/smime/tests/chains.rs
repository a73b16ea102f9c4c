//! One fault a certificate, and its own reason for each.
#![allow(clippy::unwrap_used)]

use openssl::{hash::MessageDigest, nid::Nid, pkey::PKey};

use super::authority::{Ca, Identity, Wish, days, ec, now, revocations, rsa};
use crate::crypt::{
    PublicCertificate, Suite, Unusable,
    smime::{
        Authorities, Certificate, ChainFault, Grounds, Revocation, Smime,
        chain::{Judged, Purpose},
    },
};

const KIM: &str = "kim@example.org";

fn judge(authorities: &Authorities, leaf: &Identity, purpose: Purpose) -> Result<Judged, ChainFault> {
    authorities.judge(&leaf.certificate, &[], purpose, now())
}

#[test]
fn a_good_chain_is_good_for_both() {
    let ca = Ca::new();
    let leaf = ca.leaf(KIM);
    for purpose in [Purpose::Sign, Purpose::Encrypt] {
        let judged = judge(&ca.authorities(), &leaf, purpose).unwrap();
        assert_eq!(judged, Judged { revocation: Revocation::Unknown, anchor: "CN=Root".to_owned() });
    }
    let unknown = judge(&Ca::new().authorities(), &leaf, Purpose::Sign);
    assert_eq!(unknown, Err(ChainFault::Untrusted("no certificate of its issuer CN=Between is at hand".to_owned())));
}
