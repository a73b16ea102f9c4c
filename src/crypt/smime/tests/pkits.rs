//! Paths of NIST's Public Key Interoperability Test Suite (PKITS 1.0.1), by the names that they have there.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use crate::crypt::smime::{Authorities, Certificate, Revocation, chain::Purpose};

/// Path, and what becomes of it: `good`; `unknown` where it is valid and no list that counts says whether it was
/// revoked, for which PKITS has `Invalid`; or a part of the words of its fault.
const PATHS: &[(&str, &str)] = &[
    // 4.1 signatures
    ("ValidCertificatePathTest1", "good"),
    ("InvalidCASignatureTest2", "CN=Bad Signed CA,O=Test Certificates 2011,C=US in its chain: its signature is not"),
    ("InvalidEESignatureTest3", "its signature is not"),
    // 4.2 validity
    ("InvalidEEnotBeforeDateTest2", "it is valid from 2047-01-01"),
    ("InvalidCAnotAfterDateTest5", "in its chain: it expired on 2011-01-01"),
    ("InvalidEEnotAfterDateTest6", "it expired on 2011-01-01"),
    // 4.3 names
    ("InvalidNameChainingTest1", "no certificate of its issuer CN=Good CA Root"),
    ("ValidNameChainingCapitalizationTest5", "good"),
    // 4.4 revocation
    ("InvalidMissingCRLTest1", "unknown"),
    (
        "InvalidRevokedCATest2",
        "CN=Revoked subCA,O=Test Certificates 2011,C=US in its chain: it was revoked on 2010-01-01",
    ),
    ("InvalidRevokedEETest3", "it was revoked on 2010-01-01"),
    ("InvalidBadCRLSignatureTest4", "unknown"),
    ("InvalidWrongCRLTest6", "unknown"),
    ("InvalidUnknownCRLEntryExtensionTest8", "unknown"),
    ("InvalidOldCRLnextUpdateTest11", "unknown"),
    ("InvalidLongSerialNumberTest18", "it was revoked on 2010-01-01"),
    // A list by a key of its own: what it revokes is revoked, what it does not is unknown, since nobody looks whether
    // that key was revoked, as it was in test 21.
    ("ValidSeparateCertificateandCRLKeysTest19", "unknown"),
    ("InvalidSeparateCertificateandCRLKeysTest20", "it was revoked"),
    ("InvalidSeparateCertificateandCRLKeysTest21", "unknown"),
    // 4.5 self-issued certificates
    ("InvalidBasicSelfIssuedNewWithOldTest5", "it was revoked"),
    // 4.6 basic constraints
    ("InvalidMissingbasicConstraintsTest1", "in its chain: it is no authority's"),
    ("InvalidcAFalseTest2", "in its chain: it is no authority's"),
    ("InvalidcAFalseTest3", "in its chain: it is no authority's"),
    ("ValidbasicConstraintsNotCriticalTest4", "good"),
    ("InvalidpathLenConstraintTest5", "it does not allow so many authorities beneath it"),
    ("InvalidpathLenConstraintTest6", "it does not allow so many authorities beneath it"),
    ("ValidpathLenConstraintTest7", "good"),
    ("ValidpathLenConstraintTest8", "good"),
    ("InvalidpathLenConstraintTest9", "it does not allow so many authorities beneath it"),
    ("ValidpathLenConstraintTest13", "good"),
    // 4.7 key usage
    ("InvalidkeyUsageCriticalkeyCertSignFalseTest1", "in its chain: it is no authority's"),
    ("InvalidkeyUsageNotCriticalkeyCertSignFalseTest2", "in its chain: it is no authority's"),
    ("ValidkeyUsageNotCriticalTest3", "good"),
    ("InvalidkeyUsageCriticalcRLSignFalseTest4", "unknown"),
    // 4.8 to 4.12 policies; any is wanted, and one is asked for where an authority does
    ("DifferentPoliciesTest3", "good"),
    ("DifferentPoliciesTest4", POLICY),
    ("InvalidrequireExplicitPolicyTest3", POLICY),
    ("ValidrequireExplicitPolicyTest4", "good"),
    ("ValidPolicyMappingTest1", "good"),
    ("InvalidPolicyMappingTest2", POLICY),
    ("InvalidMappingFromanyPolicyTest7", "its certificate policies cannot be read or contradict each other"),
    ("InvalidinhibitAnyPolicyTest1", POLICY),
    ("ValidinhibitAnyPolicyTest2", "good"),
    // 4.13 name constraints
    ("ValidDNnameConstraintsTest1", "good"),
    ("InvalidDNnameConstraintsTest2", "none of those permitted"),
    ("ValidRFC822nameConstraintsTest21", "good"),
    ("InvalidRFC822nameConstraintsTest22", "none of those permitted"),
    ("ValidRFC822nameConstraintsTest23", "good"),
    ("InvalidRFC822nameConstraintsTest24", "none of those permitted"),
    ("ValidRFC822nameConstraintsTest25", "good"),
    ("InvalidRFC822nameConstraintsTest26", "one of those excluded"),
    ("ValidDNandRFC822nameConstraintsTest27", "good"),
    ("InvalidDNandRFC822nameConstraintsTest28", "none of those permitted"),
    ("InvalidDNandRFC822nameConstraintsTest29", "none of those permitted"),
    // 4.14 distribution points, lists for some reasons, indirect lists
    ("ValiddistributionPointTest1", "good"),
    ("InvaliddistributionPointTest2", "it was revoked on 2010-01-01"),
    ("InvaliddistributionPointTest3", "unknown"),
    ("InvalidonlyContainsUserCertsTest11", "unknown"),
    ("InvalidonlySomeReasonsTest15", "it was revoked on 2010-01-01"),
    ("ValidonlySomeReasonsTest18", "good"),
    ("InvalidcRLIssuerTest34", "it was revoked on 2010-01-01"),
    // 4.15 deltas, which are no whole lists
    ("InvaliddeltaCRLIndicatorNoBaseTest1", "unknown"),
    ("ValiddeltaCRLTest2", "good"),
    ("InvaliddeltaCRLTest3", "it was revoked on 2010-01-01"),
    ("InvaliddeltaCRLTest4", "it was revoked on 2010-06-01"),
    ("ValiddeltaCRLTest5", "good"),
    ("ValiddeltaCRLTest8", "good"),
    ("InvaliddeltaCRLTest10", "unknown"),
    // 4.16 private extensions
    ("ValidUnknownNotCriticalCertificateExtensionTest1", "good"),
    ("InvalidUnknownCriticalCertificateExtensionTest2", "it has a critical extension that is not known"),
];

const POLICY: &str = "an authority of its chain asks for certificate policies that the chain does not have";

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/smime/pkits").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn every_path_is_judged_as_its_name_says() {
    let at = "2015-01-01T00:00:00Z".parse().unwrap();
    let (mut authorities, mut leaves) = (Authorities::default(), Vec::new());
    for (name, bytes) in files("certs") {
        if name == "TrustAnchorRootCertificate" {
            authorities.add_anchors(&bytes).unwrap();
            continue;
        }
        let certificate = Certificate::from_der(&bytes).unwrap();
        match name.strip_suffix("EE") {
            Some(name) => leaves.push((name.to_owned(), certificate)),
            None => authorities.add_intermediates([certificate]),
        }
    }
    for (_, bytes) in files("crls") {
        authorities.add_revocations(&bytes).unwrap();
    }
    assert_eq!(leaves.len(), PATHS.len());
    for (name, leaf) in leaves {
        let (_, expected) = PATHS.iter().find(|(path, _)| *path == name).unwrap();
        let outcome = match authorities.judge(&leaf, &[], Purpose::Sign, at) {
            Ok(judged) if judged.revocation == Revocation::Good => "good".to_owned(),
            Ok(_) => "unknown".to_owned(),
            Err(fault) => fault.to_string(),
        };
        assert!(outcome.contains(expected), "{name}: {outcome}");
        assert!(!name.starts_with("Invalid") || outcome != "good", "{name}");
    }
}
