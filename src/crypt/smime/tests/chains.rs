//! One fault a certificate, and its own reason for each.
#![allow(clippy::unwrap_used)]

use openssl::{hash::MessageDigest, nid::Nid, pkey::PKey};

use super::{
    authority::{Ca, Identity, Wish, days, ec, now, revocations, rsa, signed_with},
    certificates::{alternatives, utf8_mailbox},
};
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
    assert_eq!(
        unknown,
        Err(ChainFault::Untrusted(
            "no certificate of its issuer CN=Between is at hand, and it is no trust anchor".to_owned()
        ))
    );
}

/// What is wrong, in a word, and where: 0 the leaf, 1 above.
fn kind(fault: &ChainFault) -> (&'static str, String) {
    let kind = match fault {
        ChainFault::Untrusted(_) => "untrusted",
        ChainFault::Expired(_) => "expired",
        ChainFault::NotYetValid(_) => "not yet",
        ChainFault::Revoked(_) => "revoked",
        ChainFault::Weak(_) => "weak",
        ChainFault::WrongUsage(_) => "usage",
        ChainFault::Issuer { fault, .. } => return (kind(fault).0, format!("{} {fault}", "above")),
    };
    (kind, fault.to_string())
}

#[test]
fn each_fault_of_a_leaf_has_its_reason() {
    let ca = Ca::new();
    let by = |wish: Wish| wish.issued_by(&ca.between);
    let leaf = || Wish::leaf(KIM);
    let usage = |value: &str| by(leaf().with(Nid::KEY_USAGE, value));
    let extended = |value: &str| by(leaf().with(Nid::EXT_KEY_USAGE, value));
    let no_ca = by(leaf());
    let by_rsa = Wish::authority("RSA", None).with_key(rsa(2048)).issued_by(&ca.root);
    let (sign, encrypt) = (Some(Purpose::Sign), Some(Purpose::Encrypt));
    // What, for which purpose (none: both), kind, a part of the words.
    let faults = [
        (usage("digitalSignature"), encrypt, "usage", "does not allow encryption"),
        (usage("keyAgreement"), sign, "usage", "does not allow signing"),
        (usage("keyEncipherment,digitalSignature"), encrypt, "usage", "does not allow encryption"),
        (extended("serverAuth"), None, "usage", "extended key usage"),
        (by(Wish { until: days(-1), ..leaf() }), None, "expired", "2026-02-28"),
        (by(Wish { from: days(1), ..leaf() }), None, "not yet", "2026-03-02"),
        (leaf().self_signed(), None, "untrusted", "self-signed"),
        (by(leaf().with_key(rsa(1024))), None, "weak", "RSA 1024"),
        (by(Wish { digest: MessageDigest::sha1(), ..leaf() }), None, "weak", "SHA1"),
        (Wish { digest: MessageDigest::md5(), ..leaf() }.issued_by(&by_rsa), None, "weak", "md5"),
        (by(with_raw(leaf(), "1.2.3.4.5", true)), None, "untrusted", "critical extension"),
        (Wish::leaf(KIM).issued_by(&no_ca), None, "untrusted", "above it is no authority"),
        (wrongly_signed(&ca), None, "untrusted", "signature"),
    ];
    let mut authorities = ca.authorities();
    authorities.add_intermediates([no_ca.certificate.clone(), by_rsa.certificate.clone()]);
    for (identity, purpose, expected, words) in faults {
        for purpose in purpose.map_or(vec![Purpose::Sign, Purpose::Encrypt], |purpose| vec![purpose]) {
            let fault = judge(&authorities, &identity, purpose).unwrap_err();
            let (kind, said) = kind(&fault);
            assert!(kind == expected && said.contains(words), "{expected} {words:?}: {kind} {said:?}");
        }
    }
}

fn with_raw(wish: Wish, id: &'static str, critical: bool) -> Wish {
    Wish { raw: vec![(id, critical, vec![5, 0])], ..wish }
}

/// By an impostor of the same name and without an identifier of the key, which would tell him apart.
fn wrongly_signed(ca: &Ca) -> Identity {
    let impostor = Identity { key: ec(), ..ca.between.clone() };
    Wish::leaf(KIM).issued_plainly_by(&impostor)
}

#[test]
fn what_is_allowed_is_good() {
    let ca = Ca::new();
    let leaf = || Wish::leaf(KIM);
    let good = [
        leaf().with(Nid::EXT_KEY_USAGE, "anyExtendedKeyUsage"),
        leaf().with(Nid::EXT_KEY_USAGE, "serverAuth,emailProtection"),
        leaf().without(Nid::EXT_KEY_USAGE),
        leaf().without(Nid::KEY_USAGE),
        leaf().without(Nid::BASIC_CONSTRAINTS),
        leaf().with_key(rsa(2048)),
        with_raw(leaf(), "1.2.3.4.5", false),
        Wish::bare("Kim", ec()),
    ];
    for wish in good {
        for purpose in [Purpose::Sign, Purpose::Encrypt] {
            for identity in [wish.issued_by(&ca.between), wish.issued_plainly_by(&ca.between)] {
                judge(&ca.authorities(), &identity, purpose).unwrap();
            }
        }
    }
    let signs = leaf().with(Nid::KEY_USAGE, "nonRepudiation").issued_by(&ca.between);
    judge(&ca.authorities(), &signs, Purpose::Sign).unwrap();
    for id in [openssl::pkey::Id::ED25519, openssl::pkey::Id::X25519] {
        let key = if id == openssl::pkey::Id::ED25519 { PKey::generate_ed25519() } else { PKey::generate_x25519() };
        let identity = leaf().with_key(key.unwrap()).issued_by(&ca.between);
        let signs = id == openssl::pkey::Id::ED25519;
        assert_eq!(judge(&ca.authorities(), &identity, Purpose::Sign).is_ok(), signs);
        assert_eq!(judge(&ca.authorities(), &identity, Purpose::Encrypt).is_ok(), !signs);
    }
}

#[test]
fn each_fault_of_an_issuer_has_its_reason() {
    let ca = Ca::new();
    let between = || Wish::authority("Odd", None);
    let below = Wish::authority("Below", None).issued_by(&ca.between);
    // Who issued it, kind, a part of the words.
    let faults = [
        (Wish { until: days(-1), ..between() }.issued_by(&ca.root), "expired", "2026-02-28"),
        (Wish { from: days(1), ..between() }.issued_by(&ca.root), "not yet", "2026-03-02"),
        (between().with(Nid::BASIC_CONSTRAINTS, "critical,CA:FALSE").issued_by(&ca.root), "untrusted", "authority"),
        (between().without(Nid::BASIC_CONSTRAINTS).issued_by(&ca.root), "untrusted", "authority"),
        (below.clone(), "untrusted", "so many authorities"),
        (
            between().with(Nid::NAME_CONSTRAINTS, "permitted;email:other.example").issued_by(&ca.root),
            "untrusted",
            "permitted",
        ),
        (
            between().with(Nid::NAME_CONSTRAINTS, "excluded;email:example.org").issued_by(&ca.root),
            "untrusted",
            "excluded",
        ),
        (between().with(Nid::EXT_KEY_USAGE, "serverAuth").issued_by(&ca.root), "usage", "does not allow mail"),
        (Wish { digest: MessageDigest::sha1(), ..between() }.issued_by(&ca.root), "weak", "SHA1"),
        (between().with_key(rsa(1024)).issued_by(&ca.root), "weak", "RSA 1024"),
        (with_raw(between(), "1.2.3.4.5", true).issued_by(&ca.root), "untrusted", "critical extension"),
        (between().issued_plainly_by(&Identity { key: ec(), ..ca.root.clone() }), "untrusted", "signature"),
    ];
    for (issuer, expected, words) in faults {
        let leaf = Wish::leaf(KIM).issued_by(&issuer);
        let fault = ca.authorities().judge(&leaf.certificate, &[issuer.certificate], Purpose::Sign, now()).unwrap_err();
        let (kind, said) = kind(&fault);
        assert!(kind == expected && said.contains(words), "{expected} {words:?}: {kind} {said:?}");
    }
    let good = [
        between().with(Nid::NAME_CONSTRAINTS, "permitted;email:example.org").issued_by(&ca.root),
        between().with(Nid::NAME_CONSTRAINTS, "excluded;email:other.example").issued_by(&ca.root),
        between().with(Nid::EXT_KEY_USAGE, "anyExtendedKeyUsage").issued_by(&ca.root),
        between().with(Nid::EXT_KEY_USAGE, "emailProtection").issued_by(&ca.root),
    ];
    for issuer in good {
        let leaf = Wish::leaf(KIM).issued_by(&issuer);
        ca.authorities().judge(&leaf.certificate, &[issuer.certificate], Purpose::Encrypt, now()).unwrap();
    }
}

#[test]
fn an_authority_beneath_a_root_can_be_an_anchor_and_so_can_a_leaf() {
    let ca = Ca::new();
    let leaf = ca.leaf(KIM);
    for anchor in [&ca.between, &leaf] {
        let mut authorities = Authorities::default();
        assert!(authorities.is_empty());
        assert_eq!(authorities.add_anchors(&anchor.certificate.to_der()), Ok(1));
        assert!(!authorities.is_empty());
        let judged = judge(&authorities, &leaf, Purpose::Sign).unwrap();
        assert_eq!(judged.anchor, anchor.certificate.subject());
        judge(&authorities, &Ca::new().leaf(KIM), Purpose::Sign).unwrap_err();
    }
}

#[test]
fn revocation_has_three_results() {
    let ca = Ca::new();
    let leaf = ca.leaf(KIM);
    let list = |issuer, from, until, revoked: &[_]| revocations(issuer, days(from), days(until), revoked);
    let root = list(&ca.root, -9, 9, &[]);
    let judged = |lists: &[&[u8]]| {
        let mut authorities = ca.authorities();
        for list in lists {
            assert_eq!(authorities.add_revocations(list), Ok(1));
        }
        judge(&authorities, &leaf, Purpose::Sign).map(|judged| judged.revocation)
    };
    let revoked = |since| Err(ChainFault::Revoked(Some(days(since))));
    assert_eq!(judged(&[&root]), Ok(Revocation::Unknown));
    assert_eq!(judged(&[&list(&ca.between, -9, 9, &[])]), Ok(Revocation::Unknown));
    assert_eq!(judged(&[&root, &list(&ca.between, -9, 9, &[(8, days(-3))])]), Ok(Revocation::Good));
    assert_eq!(judged(&[&root, &list(&ca.between, -9, -1, &[])]), Ok(Revocation::Unknown), "stale");
    assert_eq!(judged(&[&root, &list(&ca.between, 1, 9, &[])]), Ok(Revocation::Unknown), "too new");
    assert_eq!(judged(&[&root, &list(&ca.between, -9, 9, &[(7, days(-3))])]), revoked(-3));
    assert_eq!(judged(&[&list(&ca.between, -9, -1, &[(7, days(-3))])]), revoked(-3), "stale, but so it stays");
    assert_eq!(judged(&[&list(&ca.between, 1, 9, &[(7, days(-3))])]), revoked(-3), "said later");
    assert_eq!(judged(&[&list(&ca.between, 1, 9, &[(7, days(1))])]), Ok(Revocation::Unknown), "not yet");
    let old = list(&ca.between, -9, 9, &[]);
    assert_eq!(judged(&[&old, &list(&ca.between, -2, 9, &[(7, days(-3))])]), revoked(-3), "the newer list counts");
    assert_eq!(judged(&[&root, &old, &list(&ca.between, 1, 9, &[(7, days(1))])]), Ok(Revocation::Good), "good then");
    let forged = Identity { key: ec(), ..ca.between.clone() };
    assert_eq!(judged(&[&root, &list(&forged, -9, 9, &[(7, days(-3))])]), Ok(Revocation::Unknown), "forged");
    let revoking = list(&ca.between, -9, 9, &[(7, days(-3))]);
    for (other, why) in [(&ca.between, "a newer list that is silent"), (&forged, "a newer list that is forged")] {
        let silent = list(other, -1, 9, &[]);
        assert_eq!(judged(&[&root, &silent, &revoking]), revoked(-3), "{why}");
        assert_eq!(judged(&[&root, &revoking, &silent]), revoked(-3), "{why}");
    }
    let mut weak = list(&ca.between, -9, 9, &[(8, days(-3))]);
    assert_eq!(judged(&[&root, &weak]), Ok(Revocation::Good));
    weak = signed_with(MessageDigest::sha1(), &ca.between, days(-9), days(9), &[(8, days(-3))]);
    assert_eq!(judged(&[&root, &weak]), Ok(Revocation::Unknown), "SHA-1 vouches for nobody");
    weak = signed_with(MessageDigest::sha1(), &ca.between, days(-9), days(9), &[(7, days(-3))]);
    assert_eq!(judged(&[&root, &weak]), revoked(-3), "and is believed where it warns");
    let above = judged(&[&list(&ca.root, -9, 9, &[(7, days(-3))])]).unwrap_err();
    assert_eq!(above.to_string(), "of CN=Between in its chain: it was revoked on 2026-02-26");
}

#[test]
fn an_issuer_that_only_has_the_right_name_does_not_stand_in_the_way() {
    let ca = Ca::new();
    let leaf = ca.leaf(KIM);
    // Of the same name, and with the identifier of its key: libcrypto takes them for it.
    let identifier: String = {
        let own = ca.between.certificate.x509.subject_key_id().unwrap();
        own.as_slice().iter().map(|byte| format!("{byte:02X}")).collect()
    };
    let fake = || Wish::authority("Between", Some(0)).with(Nid::SUBJECT_KEY_IDENTIFIER, &identifier);
    let fakes: Vec<_> = (0..30).map(|_| fake().issued_by(&Ca::new().root).certificate).collect();
    // Of the same key, too, which anybody can have certified by anybody.
    let stranger = Ca::new();
    let same_key = || Wish::authority("Between", Some(0)).with_key(ca.between.key.clone());
    let certified: Vec<_> = (0..30).map(|_| same_key().issued_by(&stranger.root).certificate).collect();
    let circle = [certified.clone(), vec![stranger.root.certificate.clone()]].concat();
    for known in [&fakes[..1], &fakes[..], &certified, &circle] {
        let mut authorities = Authorities::default();
        authorities.add_anchors(&ca.root.certificate.to_der()).unwrap();
        authorities.add_intermediates(known.iter().cloned());
        let none = judge(&authorities, &leaf, Purpose::Sign).unwrap_err();
        assert!(matches!(none, ChainFault::Untrusted(_) | ChainFault::Issuer { .. }), "{none:?}");
        authorities.add_intermediates([ca.between.certificate.clone()]);
        assert!(judge(&authorities, &leaf, Purpose::Sign).is_ok());
    }
}

#[test]
fn lists_come_with_the_anchors_in_one_file() {
    let ca = Ca::new();
    let list = revocations(&ca.between, days(-9), days(9), &[(7, days(-3))]);
    let list = String::from_utf8(openssl::x509::X509Crl::from_der(&list).unwrap().to_pem().unwrap()).unwrap();
    let mut authorities = Authorities::default();
    assert_eq!(authorities.add_anchors((ca.between.certificate.to_pem() + &list).as_bytes()), Ok(2));
    assert_eq!(judge(&authorities, &ca.leaf(KIM), Purpose::Sign), Err(ChainFault::Revoked(Some(days(-3)))));
}

#[test]
fn a_pin_stands_for_the_chain_and_for_nothing_else() {
    let ca = Ca::new();
    let check = |wish: &Wish| {
        Smime::check(&wish.self_signed().certificate, &Grounds::Pinned(Authorities::default()), now()).map(|_| ())
    };
    let leaf = || Wish::leaf(KIM);
    assert_eq!(check(&leaf()), Ok(()));
    let refused = |wish: Wish| check(&wish).unwrap_err();
    assert!(matches!(refused(Wish { until: days(-1), ..leaf() }), Unusable::Expired { at, .. } if at == days(-1)));
    assert!(matches!(refused(Wish { from: days(1), ..leaf() }), Unusable::NotYetValid { at, .. } if at == days(1)));
    assert!(matches!(refused(leaf().with_key(rsa(1024))), Unusable::Weak { what, .. } if what == "RSA 1024"));
    let usage = leaf().with(Nid::KEY_USAGE, "digitalSignature");
    assert!(matches!(refused(usage), Unusable::WrongUsage { .. }));
    let extended = leaf().with(Nid::EXT_KEY_USAGE, "serverAuth");
    assert!(matches!(refused(extended), Unusable::WrongUsage { .. }));
    // What an authority's certificate may be used for stands in its key usage; that of `openssl req -x509` has none.
    let authority = leaf().with(Nid::BASIC_CONSTRAINTS, "critical,CA:TRUE");
    assert_eq!(check(&authority), Ok(()));
    let usage = authority.with(Nid::KEY_USAGE, "keyCertSign,cRLSign");
    assert!(matches!(refused(usage), Unusable::WrongUsage { .. }));
    let signs = leaf().with_key(PKey::generate_ed25519().unwrap());
    assert!(matches!(refused(signs), Unusable::CannotEncrypt { .. }));
    let unknown = Smime::check(&leaf().self_signed().certificate, &Grounds::Chain(ca.authorities()), now());
    assert!(matches!(unknown.map(|_| ()), Err(Unusable::Untrusted { .. })));
    let known = Smime::check(&ca.leaf(KIM).certificate, &Grounds::Chain(ca.authorities()), now()).unwrap();
    assert_eq!(known.certificate().addresses(now()), [KIM.parse().unwrap()]);
}

#[test]
fn no_flipped_byte_makes_another_certificate_good() {
    let ca = Ca::new();
    let (leaf, authorities) = (ca.leaf(KIM), ca.authorities());
    let der = leaf.certificate.to_der();
    let mut read = 0;
    for index in 0..der.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = der.clone();
            changed[index] ^= flip;
            let Ok(changed) = Certificate::from_der(&changed) else { continue };
            read += 1;
            let good = authorities.judge(&changed, &[], Purpose::Encrypt, now()).is_ok();
            assert!(!good, "byte {index} ^ {flip:#x}");
        }
    }
    assert!(read > 100);
}

#[test]
fn name_constraints_bind_addresses_of_every_kind() {
    let ca = Ca::new();
    let judged = |constraint: &str, leaf: &Wish| {
        let issuer = Wish::authority("Odd", None).with(Nid::NAME_CONSTRAINTS, constraint).issued_by(&ca.root);
        let leaf = leaf.issued_by(&issuer);
        ca.authorities().judge(&leaf.certificate, &[issuer.certificate], Purpose::Sign, now()).map(|_| ())
    };
    let mailbox = |address| alternatives(&[utf8_mailbox(address)]);
    let mut in_name = Wish::bare("Kim", ec());
    in_name.subject.push(("emailAddress", KIM.to_owned()));
    // A limit, and whether it lets through: by SubjectAltName, by the subject, by SmtpUTF8Mailbox.
    for (constraint, good) in [
        ("permitted;email:example.org", true),
        ("permitted;email:.org", true),
        ("permitted;email:EXAMPLE.org", true),
        ("permitted;email:other.example", false),
        ("permitted;email:.example.org", false),
        ("excluded;email:example.org", false),
        ("excluded;email:.org", false),
        ("excluded;email:EXAMPLE.org", false),
        ("excluded;email:other.example", true),
    ] {
        for leaf in [Wish::leaf(KIM), Wish::leaf("kim@Example.ORG"), in_name.clone(), mailbox("søren@example.org")] {
            let judged = judged(constraint, &leaf);
            // libcrypto does not see SmtpUTF8Mailbox beneath a domain; then nothing is permitted.
            let unseen = constraint == "permitted;email:.org" && leaf.extensions.is_empty() && leaf.raw.len() == 1;
            assert_eq!(judged.is_ok(), good && !unseen, "{constraint} {:?} {:?}", leaf.subject, leaf.extensions);
        }
    }
    for address in [KIM, "Kim@example.org", "KIM@EXAMPLE.ORG"] {
        assert!(judged("excluded;email:kim@example.org", &Wish::leaf(address)).is_err(), "{address}");
    }
    judged("excluded;email:kim@example.org", &Wish::leaf("lee@example.org")).unwrap();
}
