//! Answers with one fault each, forged octet by octet.
#![allow(clippy::unwrap_used)]

use jiff::{Timestamp, ToSpan};
use openssl::{hash::MessageDigest, nid::Nid, sign::Signer};

use super::authority::{Ca, Identity, Wish, days, now};
use crate::crypt::smime::{
    AnswerFault, Authorities, Certificate, Inquiry, Status, Unasked,
    asn1::der::{GENERALIZED_TIME, bit_string, context, element, oid, sequence},
    asn1::oid::{ECDSA_SHA1, ECDSA_SHA256},
    certificate::children,
};

const KIM: &str = "kim@example.org";
const RESPONDER: &str = "OCSP;URI:http://ocsp.example.org/a";
/// `id-pkix-ocsp-basic`.
const BASIC: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

/// An answer to be.
#[derive(Clone)]
struct Forged<'a> {
    /// CertID in DER.
    id: Vec<u8>,
    /// CertStatus in DER.
    status: Vec<u8>,
    from: Timestamp,
    until: Option<Timestamp>,
    signer: &'a Identity,
    digest: MessageDigest,
    /// The certificates that go with it.
    with: Vec<&'a Certificate>,
}

fn time(at: Timestamp) -> Vec<u8> {
    element(GENERALIZED_TIME, &[at.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()])
}

fn good() -> Vec<u8> {
    vec![0x80, 0]
}

fn revoked(since: Timestamp) -> Vec<u8> {
    element(context(1), &[&time(since)])
}

impl<'a> Forged<'a> {
    /// A good answer of an hour ago, for a day.
    fn new(inquiry: &Inquiry, signer: &'a Identity) -> Self {
        let (from, until) = (now() - 1.hour(), Some(now() + 23.hours()));
        Self {
            id: id(&inquiry.request().unwrap()),
            status: good(),
            from,
            until,
            signer,
            digest: MessageDigest::sha256(),
            with: Vec::new(),
        }
    }

    fn der(&self) -> Vec<u8> {
        let until = self.until.map(|until| element(context(0), &[&time(until)])).unwrap_or_default();
        let single = sequence(&[&self.id, &self.status, &time(self.from), &until]);
        let by = self.signer.certificate.x509.subject_name().to_der().unwrap();
        let data = sequence(&[&element(context(1), &[&by]), &time(self.from), &sequence(&[&single])]);
        let mut signer = Signer::new(self.digest, &self.signer.key).unwrap();
        let signature = bit_string(&signer.sign_oneshot_to_vec(&data).unwrap());
        let with: Vec<Vec<u8>> = self.with.iter().map(|one| one.to_der()).collect();
        let with = element(context(0), &[&sequence(&[&with.concat()])]);
        let algorithm = if self.digest == MessageDigest::sha1() { ECDSA_SHA1 } else { ECDSA_SHA256 };
        let basic = sequence(&[&data, &sequence(&[&oid(algorithm)]), &signature, &with]);
        let bytes = sequence(&[&oid(BASIC), &element(0x04, &[&basic])]);
        sequence(&[&[0x0a, 1, 0], &element(context(0), &[&bytes])])
    }
}

/// The CertID of a request (RFC 6960, 4.1.1).
fn id(request: &[u8]) -> Vec<u8> {
    // OCSPRequest, TBSRequest, requestList, Request, CertID.
    let mut der = request.to_vec();
    for _ in 0..5 {
        der = children(&der).unwrap()[0].value().to_vec();
    }
    sequence(&[&der])
}

fn wish() -> Wish {
    Wish::leaf(KIM).with(Nid::INFO_ACCESS, RESPONDER)
}

fn kim(ca: &Ca) -> Identity {
    wish().issued_by(&ca.between)
}

fn inquiry(ca: &Ca, leaf: &Identity) -> Inquiry {
    Inquiry::new(&leaf.certificate, &ca.authorities(), now()).unwrap()
}

/// Whom an authority lets answer for it.
fn delegate(issuer: &Identity) -> Identity {
    let wish = Wish::bare("Responder", super::authority::ec());
    wish.with(Nid::KEY_USAGE, "digitalSignature").with(Nid::EXT_KEY_USAGE, "OCSPSigning").issued_by(issuer)
}

#[test]
fn each_status_is_told_by_the_issuer_and_by_its_delegate() {
    let ca = Ca::new();
    let leaf = kim(&ca);
    let (inquiry, delegate) = (inquiry(&ca, &leaf), delegate(&ca.between));
    assert_eq!(inquiry.responders(), ["http://ocsp.example.org/a"]);
    for signer in [&ca.between, &delegate] {
        let answer = Forged { with: vec![&signer.certificate], ..Forged::new(&inquiry, signer) };
        assert_eq!(inquiry.judge(&answer.der(), now()), Ok(Status::Good));
        let status = revoked(days(-3));
        assert_eq!(
            inquiry.judge(&Forged { status, ..answer.clone() }.der(), now()),
            Ok(Status::Revoked(Some(days(-3))))
        );
        assert_eq!(inquiry.judge(&Forged { status: vec![0x82, 0], ..answer }.der(), now()), Ok(Status::Unknown));
    }
    // An issuer named by another digest.
    let id = id(&inquiry.request_by(MessageDigest::sha256()).unwrap());
    let answer = Forged { id, ..Forged::new(&inquiry, &ca.between) };
    assert_eq!(inquiry.judge(&answer.der(), now()), Ok(Status::Good));
    // The issuer needs no certificate beside the answer.
    assert_eq!(inquiry.judge(&Forged::new(&inquiry, &ca.between).der(), now()), Ok(Status::Good));
}

#[test]
fn nobody_else_is_believed() {
    let ca = Ca::new();
    let stranger = Ca::new();
    let leaf = kim(&ca);
    let inquiry = inquiry(&ca, &leaf);
    let late = Wish { until: days(-1), ..Wish::bare("Responder", super::authority::ec()) };
    let late = late.with(Nid::EXT_KEY_USAGE, "OCSPSigning").issued_by(&ca.between);
    let others = [
        // The anchor above the issuer, and its delegate.
        ca.root.clone(),
        delegate(&ca.root),
        // The certificate itself; one of the same issuer that is for mail.
        leaf.clone(),
        ca.leaf("eve@example.org"),
        // Another authority of the same names, and its delegate.
        stranger.between.clone(),
        delegate(&stranger.between),
        // A delegate whose time is over, and one below a delegate.
        late,
        delegate(&delegate(&ca.between)),
    ];
    for (number, signer) in others.iter().enumerate() {
        let with = vec![&signer.certificate, &ca.between.certificate, &stranger.between.certificate];
        for status in [good(), revoked(days(-3))] {
            let answer = Forged { status, with: with.clone(), ..Forged::new(&inquiry, signer) };
            assert_eq!(inquiry.judge(&answer.der(), now()), Err(AnswerFault::Signature), "{number}");
        }
    }
}

#[test]
fn a_weak_signature_counts_for_nothing() {
    let ca = Ca::new();
    let leaf = kim(&ca);
    let inquiry = inquiry(&ca, &leaf);
    let weak = Forged { digest: MessageDigest::sha1(), ..Forged::new(&inquiry, &ca.between) };
    assert_eq!(inquiry.judge(&weak.der(), now()), Err(AnswerFault::Weak));
}

#[test]
fn an_answer_is_about_one_certificate_and_of_the_time() {
    let ca = Ca::new();
    let leaf = kim(&ca);
    let inquiry = inquiry(&ca, &leaf);
    let answer = Forged::new(&inquiry, &ca.between);
    let judge = |answer: Forged<'_>| inquiry.judge(&answer.der(), now());

    let other = Wish { serial: 8, ..wish() }.issued_by(&ca.between);
    let other = Inquiry::new(&other.certificate, &ca.authorities(), now()).unwrap();
    let other = Forged::new(&other, &ca.between);
    assert_eq!(judge(other.clone()), Err(AnswerFault::Other));
    assert_eq!(judge(Forged { status: revoked(days(-3)), ..other }), Err(AnswerFault::Other));

    let times = [
        (now() - 1.hour(), Some(now() + 1.hour()), true),
        (now() - 1.hour(), Some(now() - 4.minutes()), true),
        (now() - 1.hour(), Some(now() - 6.minutes()), false),
        (now() + 4.minutes(), Some(now() + 1.hour()), true),
        (now() + 6.minutes(), Some(now() + 1.hour()), false),
        (days(-9), Some(days(1)), true),
        (days(-9), Some(days(-2)), false),
        (now() - 23.hours(), None, true),
        (now() - 25.hours(), None, false),
    ];
    for (from, until, of_the_time) in times {
        for (status, told) in [(good(), Status::Good), (revoked(days(-30)), Status::Revoked(Some(days(-30))))] {
            let expected = if of_the_time { Ok(told) } else { Err(AnswerFault::Stale) };
            assert_eq!(judge(Forged { status, from, until, ..answer.clone() }), expected, "{from} {until:?}");
        }
    }
    // The clock has no say: the same answer a year before.
    let then = days(-300);
    let old = Forged { from: then - 1.hour(), until: Some(then + 1.hour()), ..answer };
    assert_eq!(inquiry.judge(&old.der(), then), Ok(Status::Good));
}

#[test]
fn no_octet_can_be_changed_to_say_more() {
    let ca = Ca::new();
    let leaf = kim(&ca);
    let inquiry = inquiry(&ca, &leaf);
    for (status, told) in [(revoked(days(-3)), Status::Revoked(Some(days(-3)))), (vec![0x82, 0], Status::Unknown)] {
        let der = Forged { status, ..Forged::new(&inquiry, &ca.between) }.der();
        for at in 0..der.len() {
            for flip in [1, 2, 0x80, 0xff] {
                let mut changed = der.clone();
                changed[at] ^= flip;
                assert!(!matches!(inquiry.judge(&changed, now()), Ok(other) if other != told), "{at} {flip}");
            }
            assert!(inquiry.judge(&der[..at], now()).is_err());
        }
    }
    // Those without content: malformedRequest, tryLater and so on.
    for number in [1, 2, 3, 5, 6] {
        assert_eq!(inquiry.judge(&[0x30, 3, 0x0a, 1, number], now()), Err(AnswerFault::Refused));
    }
    assert_eq!(inquiry.judge(b"<html>", now()), Err(AnswerFault::Unreadable));
    assert_eq!(inquiry.judge(b"", now()), Err(AnswerFault::Unreadable));
}

#[test]
fn nobody_is_asked_without_an_issuer_or_a_responder() {
    let ca = Ca::new();
    let unasked = |leaf: &Identity, authorities: &Authorities| {
        Inquiry::new(&leaf.certificate, authorities, now()).map(|inquiry| inquiry.responders().to_vec())
    };
    assert_eq!(unasked(&kim(&ca), &Ca::new().authorities()), Err(Unasked::NoIssuer));
    assert_eq!(unasked(&wish().self_signed(), &ca.authorities()), Err(Unasked::SelfSigned));
    assert_eq!(unasked(&ca.leaf(KIM), &ca.authorities()), Err(Unasked::NoResponder));
    let with = |access: &str| Wish::leaf(KIM).with(Nid::INFO_ACCESS, access).issued_by(&ca.between);
    let others = "caIssuers;URI:http://a.example.org/,OCSP;URI:ldap://b.example.org/,OCSP;email:c@example.org";
    assert_eq!(unasked(&with(others), &ca.authorities()), Err(Unasked::NoResponder));
    let many: Vec<_> = (0..9).map(|number| format!("OCSP;URI:HTTP://{number}.example.org/")).collect();
    let three = (0..3).map(|number| format!("HTTP://{number}.example.org/")).collect();
    assert_eq!(unasked(&with(&many.join(",")), &ca.authorities()), Ok(three));
    // An anchor that is the issuer itself, with a root above it that nobody named.
    let mut authorities = Authorities::default();
    authorities.add_anchors(ca.between.certificate.to_pem().as_bytes()).unwrap();
    let leaf = kim(&ca);
    let inquiry = Inquiry::new(&leaf.certificate, &authorities, now()).unwrap();
    assert_eq!(inquiry.judge(&Forged::new(&inquiry, &ca.between).der(), now()), Ok(Status::Good));
}
