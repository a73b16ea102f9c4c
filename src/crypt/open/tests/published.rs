#![allow(clippy::unwrap_used)]

//! Published S/MIME mail: of NIST's PKITS, and of RFC 4134.

use std::{fs, path::PathBuf};

use super::super::*;
use crate::crypt::smime::{Authorities, Certificate, Key};

fn path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/smime").join(path)
}

fn file(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn opened(name: &str, keys: &[Key], authorities: &Authorities, at: &str) -> Result<Opened, OpenError> {
    let at = at.parse().unwrap();
    let readers = Readers {
        pgp: pgp::Reader { keys: &[], lent: &[], certificates: &[], at, limit: 1 << 20 },
        smime: smime::Reader { keys, certificates: &[], authorities, pins: &[], at, limit: 1 << 20 },
        doubt: &|_, _, _| None,
    };
    open(file(name), &readers, at)
}

/// State, reason and detail.
fn judged(opened: &Opened) -> String {
    let Signature { state, reason, detail, .. } = &opened.summary().signature;
    let reason = serde_json::to_string(reason).unwrap();
    format!("{state:?} {} {}", reason.trim_matches('"'), detail.as_deref().unwrap_or_default())
}

#[test]
fn mail_of_pkits_is_judged_as_its_name_says() {
    let mut authorities = Authorities::default();
    authorities.add_anchors(&file("pkits/certs/TrustAnchorRootCertificate.crt")).unwrap();
    for entry in fs::read_dir(path("pkits/crls")).unwrap() {
        authorities.add_revocations(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
    }
    let permitted =
        "Unknown untrusted its certificate: it has a name that its issuers may not give: none of those permitted";
    let excluded =
        "Unknown untrusted its certificate: it has a name that its issuers may not give: one of those excluded";
    for (name, expected) in [
        ("ValidRFC822nameConstraintsTest21", "Good null "),
        ("InvalidRFC822nameConstraintsTest22", permitted),
        ("ValidRFC822nameConstraintsTest23", "Good null "),
        ("InvalidRFC822nameConstraintsTest24", permitted),
        ("ValidRFC822nameConstraintsTest25", "Good null "),
        ("InvalidRFC822nameConstraintsTest26", excluded),
        ("ValidDNandRFC822nameConstraintsTest27", "Good null "),
        ("InvalidDNandRFC822nameConstraintsTest29", permitted),
        ("InvalidRevokedEETest3", "Bad revoked its certificate: it was revoked on 2010-01-01"),
    ] {
        let opened =
            opened(&format!("pkits/smime/Signed{name}.eml"), &[], &authorities, "2015-01-01T00:00:00Z").unwrap();
        assert_eq!(judged(&opened), expected, "{name}");
        let text = opened.release(&Requirement::None).unwrap().text().to_owned();
        assert_eq!(text, "This is a sample signed message.\n", "{name}");
    }
}

#[test]
fn mail_of_rfc_4134_is_weak_and_its_encrypted_content_is_no_entity() {
    let mut authorities = Authorities::default();
    for anchor in ["CarlRSASelf", "CarlDSSSelf"] {
        authorities.add_anchors(&file(&format!("rfc4134/{anchor}.cer"))).unwrap();
    }
    for name in ["4.8", "4.9"] {
        let opened = opened(&format!("rfc4134/{name}.eml"), &[], &authorities, "2005-07-01T00:00:00Z").unwrap();
        assert_eq!(judged(&opened), "Bad weak SHA-1", "{name}");
        let text = opened.release(&Requirement::None).unwrap().text().to_owned();
        assert_eq!(text.trim_end(), "This is some sample content.", "{name}");
    }
    // What is encrypted begins with no header field, against RFC 8551, 3.1; so may what a wrong key gives.
    let mut key = Key::parse_all(&file("rfc4134/BobPrivRSAEncrypt.pri")).unwrap().remove(0);
    assert!(key.adopt(&Certificate::parse_all(&file("rfc4134/BobRSASignByCarl.cer")).unwrap()));
    let refused = opened("rfc4134/5.3.eml", &[key], &authorities, "2005-07-01T00:00:00Z");
    assert!(matches!(refused, Err(OpenError::Undecryptable)));
}
