//! What an authority says of one certificate on request (RFC 6960): the question, and the judgement of an answer. The
//! asking is for others.
//!
//! The answer must be signed by the issuer of the certificate's validated path, or by whom that issuer certified for
//! it (RFC 6960, 4.2.2.2); nobody else is believed, whatever anchors there are.

use jiff::{SignedDuration, Timestamp};
use openssl::{
    asn1::Asn1GeneralizedTimeRef,
    error::ErrorStack,
    hash::MessageDigest,
    ocsp::{
        OcspBasicResponseRef, OcspCertId, OcspCertStatus, OcspFlag, OcspRequest, OcspResponse, OcspResponseStatus,
        OcspStatus,
    },
    stack::Stack,
    x509::{
        X509,
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};

use super::{
    Authorities, Certificate,
    asn1::{
        Algorithm, Fault,
        ber::{Element, tag},
    },
    certificate::timestamp,
    chain::LEVEL,
    read::algorithm,
};
use crate::{
    crypt::{CLOCK_TOLERANCE, PublicCertificate},
    ffi,
};

/// How old an answer may be that does not say how long it holds: newer information was there all the time, it says
/// (RFC 6960, 4.2.2.1).
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// The most responders of a certificate.
const MOST_RESPONDERS: usize = 3;

/// The longest URL of one.
const LONGEST_URL: usize = 1024;

/// A question whether one certificate was revoked.
#[derive(Clone)]
pub struct Inquiry {
    leaf: Certificate,
    issuer: X509,
    responders: Vec<String>,
}

/// Why nobody can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// It has no issuer but itself, and counts by a pin or as an anchor.
    #[error("it is self-signed, so there is nobody else who could revoke it")]
    SelfSigned,
    /// The certificate has no chain, which a pin lets pass, or is a trust anchor itself.
    #[error("it has no issuer whose answer would count")]
    NoIssuer,
    /// It does not say whom to ask by HTTP.
    #[error("it names no responder")]
    NoResponder,
}

/// What an authority says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was not revoked.
    Good,
    /// It was, since then.
    Revoked(Option<Timestamp>),
    /// The responder does not know it.
    Unknown,
}

/// Why an answer counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It is not one of OCSP.
    #[error("its answer cannot be read")]
    Unreadable,
    /// It is one without content: the responder could not, or would not.
    #[error("it refused to answer")]
    Refused,
    /// Neither the issuer signed it, nor one whom the issuer certified for that.
    #[error("its answer is not signed by the issuer or for it")]
    Signature,
    /// The signature is made in a way that no longer protects.
    #[error("the signature of its answer is too weak")]
    Weak,
    /// It speaks of another certificate.
    #[error("its answer is about another certificate")]
    Other,
    /// It is not of the time.
    #[error("its answer is not of this time")]
    Stale,
}

impl Inquiry {
    /// A question about a certificate, to be judged at a time.
    ///
    /// # Errors
    /// [`Unasked`].
    pub fn new(certificate: &Certificate, authorities: &Authorities, at: Timestamp) -> Result<Self, Unasked> {
        let alone = || if self_signed(&certificate.x509) { Unasked::SelfSigned } else { Unasked::NoIssuer };
        let issuer = authorities.issuer(certificate, at).ok_or_else(alone)?.x509;
        let all = certificate.x509.ocsp_responders().ok();
        let named = all.iter().flatten().map(|url| url.to_string());
        let http = |url: &String| {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            url.len() <= LONGEST_URL && ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        };
        let responders: Vec<_> = named.filter(http).take(MOST_RESPONDERS).collect();
        if responders.is_empty() {
            return Err(Unasked::NoResponder);
        }
        Ok(Self { leaf: certificate.clone(), issuer, responders })
    }

    /// The URLs that the certificate names (RFC 5280, 4.2.2.1), `http` or `https`, in order; 1 to 3.
    pub fn responders(&self) -> &[String] {
        &self.responders
    }

    /// OCSPRequest in DER, for one certificate.
    ///
    /// # Errors
    /// Those of the library.
    pub fn request(&self) -> Result<Vec<u8>, ErrorStack> {
        // Here SHA-1 names the issuer, which nothing rests on; many responders know no other (RFC 5019, 2.1.1).
        self.request_by(MessageDigest::sha1())
    }

    /// The same with the issuer named by a digest.
    pub(super) fn request_by(&self, digest: MessageDigest) -> Result<Vec<u8>, ErrorStack> {
        let mut request = OcspRequest::new()?;
        request.add_id(self.id(digest)?)?;
        request.to_der()
    }

    /// Judges what came, at a time.
    ///
    /// # Errors
    /// [`AnswerFault`], where the answer counts for nothing.
    pub fn judge(&self, answer: &[u8], at: Timestamp) -> Result<Status, AnswerFault> {
        let response = OcspResponse::from_der(answer).map_err(|_| AnswerFault::Unreadable)?;
        if response.status() != OcspResponseStatus::SUCCESSFUL {
            return Err(AnswerFault::Refused);
        }
        let basic = response.basic().map_err(|_| AnswerFault::Unreadable)?;
        if !signature_protects(answer).map_err(|_| AnswerFault::Unreadable)? {
            return Err(AnswerFault::Weak);
        }
        self.verify(&basic, at).map_err(|_| AnswerFault::Signature)?;
        let ids = [MessageDigest::sha1(), MessageDigest::sha256()].into_iter().filter_map(|kind| self.id(kind).ok());
        let ids: Vec<_> = ids.collect();
        let single = ids.iter().find_map(|id| basic.find_status(id)).ok_or(AnswerFault::Other)?;
        if !of_the_time(&single, at) {
            return Err(AnswerFault::Stale);
        }
        Ok(match single.status {
            OcspCertStatus::GOOD => Status::Good,
            OcspCertStatus::REVOKED => Status::Revoked(single.revocation_time.and_then(instant)),
            _ => Status::Unknown,
        })
    }

    fn id(&self, digest: MessageDigest) -> Result<OcspCertId, ErrorStack> {
        OcspCertId::from_cert(digest, &self.leaf.x509, &self.issuer)
    }

    fn verify(&self, basic: &OcspBasicResponseRef, at: Timestamp) -> Result<(), ErrorStack> {
        let mut param = X509VerifyParam::new()?;
        param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        param.set_auth_level(LEVEL);
        param.set_time(at.as_second());
        let mut store = X509StoreBuilder::new()?;
        store.add_cert(self.issuer.clone())?;
        store.set_param(&param)?;
        let mut signers = Stack::new()?;
        signers.push(self.issuer.clone())?;
        basic.verify(&signers, &store.build(), OcspFlag::NO_EXPLICIT)
    }
}

fn self_signed(x509: &X509) -> bool {
    x509.public_key().and_then(|key| x509.verify(&key)).unwrap_or(false)
}

/// The library takes any digest here. OCSPResponse and BasicOCSPResponse (RFC 6960, 4.2.1).
fn signature_protects(answer: &[u8]) -> Result<bool, Fault> {
    let mut response = Element::only(answer)?.inside(tag::SEQUENCE)?;
    response.next()?;
    let mut bytes = response.inside(tag::context(0))?.inside(tag::SEQUENCE)?;
    bytes.next()?;
    let basic = bytes.next()?.octets(tag::OCTET_STRING)?;
    let mut basic = Element::only(&basic)?.inside(tag::SEQUENCE)?;
    basic.next()?;
    Ok(algorithm::protects(&Algorithm::read(basic.next()?)?))
}

/// RFC 6960, 4.2.2.1. The library would ask the clock.
fn of_the_time(single: &OcspStatus<'_>, at: Timestamp) -> bool {
    let until = match single.next_update() {
        Some(next) => instant(next),
        None => instant(single.this_update).and_then(|from| from.checked_add(OLDEST).ok()),
    };
    let since = instant(single.this_update).and_then(|from| from.checked_sub(CLOCK_TOLERANCE).ok());
    let until = until.and_then(|until| until.checked_add(CLOCK_TOLERANCE).ok());
    since.is_some_and(|since| since <= at) && until.is_some_and(|until| at <= until)
}

fn instant(time: &Asn1GeneralizedTimeRef) -> Option<Timestamp> {
    timestamp(ffi::time(time))
}

impl std::fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inquiry({})", self.leaf.fingerprint())
    }
}
