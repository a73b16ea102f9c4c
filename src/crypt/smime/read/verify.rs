//! What the signatures of one SignedData are worth (RFC 5652, 5.4 and 5.6; RFC 8551, 2.5): form first, then
//! mathematics, then algorithms, time and the certificate.

use ::der::Decode;
use jiff::Timestamp;

use super::super::{
    Announced, Capabilities, Certificate, ChainFault, Reader,
    asn1::{
        Algorithm, Attribute, Fault, Identifier, Signed,
        ber::{Element, tag},
        der::element,
        oid,
    },
    chain::{Judged, Purpose, Revocation, fit},
    read::{
        algorithm::{self, Digests},
        budget::Budget,
    },
};
use crate::{
    crypt::{
        BadReason, OpenError, PublicCertificate, SignatureFact, SignerCertificate, UnknownReason, Verdict, is_ahead,
    },
    mail::Address,
};

/// The most certificates that are tried for one signature: anybody can make some with one name.
const MOST_CANDIDATES: usize = 8;

/// A SignedData without its content.
pub(in crate::crypt::smime) struct Signatures {
    content_type: Vec<u8>,
    certificates: Vec<Certificate>,
    signers: Vec<Vec<u8>>,
}

/// Why a signature is not good, and on what that rests.
type Refusal = (Verdict, Option<String>);

fn bad(reason: BadReason, detail: impl Into<String>) -> Refusal {
    (Verdict::Bad(reason), Some(detail.into()))
}

/// SignerInfo (RFC 5652, 5.3).
struct SignerInfo<'a> {
    signer: Identifier<'a>,
    digest: Algorithm<'a>,
    /// Contents of signedAttrs.
    attributes: Option<&'a [u8]>,
    algorithm: Algorithm<'a>,
    signature: Vec<u8>,
}

/// The signed attributes that count.
#[derive(Default)]
struct Attributes<'a> {
    message_digest: Option<&'a [u8]>,
    signing_time: Option<Timestamp>,
    /// What the signer reads, if that is readable itself.
    capabilities: Option<Capabilities>,
    /// The certificate that the signature itself names (RFC 5035).
    certificate: Option<CertificateId<'a>>,
}

/// ESSCertID or ESSCertIDv2 (RFC 5035, 4).
struct CertificateId<'a> {
    digest: Option<Algorithm<'a>>,
    /// Of the digest where it says none.
    default: &'static ::der::asn1::ObjectIdentifier,
    hash: &'a [u8],
}

impl Signatures {
    /// Copies what is needed of a SignedData.
    pub(in crate::crypt::smime) fn of(signed: &Signed<'_>) -> Result<Self, OpenError> {
        const MOST: usize = 4 << 20;
        let size: usize = signed.signers.iter().map(|signer| signer.raw.len()).sum();
        if size > MOST {
            return Err(OpenError::Limit("its signatures are too large"));
        }
        Ok(Self {
            content_type: signed.content_type.to_vec(),
            certificates: certificates(signed),
            signers: signed.signers.iter().map(|signer| signer.raw.to_vec()).collect(),
        })
    }

    pub(in crate::crypt::smime) fn is_empty(&self) -> bool {
        self.signers.is_empty()
    }

    /// Whether they are over a MIME entity (RFC 8551, 2.4.2).
    pub(in crate::crypt::smime) fn are_over_entity(&self) -> bool {
        self.content_type == oid::DATA.as_bytes()
    }

    /// Judges each signature over a content.
    ///
    /// # Errors
    /// [`Fault::Limit`] if the budget does not suffice.
    pub(in crate::crypt::smime) fn judged(
        &self,
        reader: &Reader<'_>,
        over: &[u8],
        budget: &mut Budget,
    ) -> Result<Vec<SignatureFact>, Fault> {
        budget.take_signers(self.signers.len())?;
        let mut digests = Digests::new(over);
        self.signers.iter().map(|signer| self.fact(signer, reader, &mut digests, budget)).collect()
    }

    /// The certificates that made good signatures over a content, each with what its holder says there that he reads
    /// (RFC 8551, 2.5.2), if he says when.
    pub(in crate::crypt::smime) fn announced(&self, reader: &Reader<'_>, over: &[u8]) -> Vec<Certificate> {
        if !self.are_over_entity() {
            return Vec::new();
        }
        let (mut digests, mut budget) = (Digests::new(over), Budget::default());
        let announced = self.signers.iter().filter_map(|bytes| {
            let fact = self.fact(bytes, reader, &mut digests, &mut budget).ok()?;
            let fingerprint = fact.certificate.filter(|_| fact.verdict == Verdict::Good)?.fingerprint;
            let signer = SignerInfo::read(bytes).ok()?;
            let mut candidates = self.candidates(&signer.signer, reader).into_iter();
            let certificate = candidates.find(|one| one.fingerprint() == fingerprint)?.clone();
            let announced = Attributes::read(&signer).ok()?.capabilities.zip(fact.created);
            Some(match announced {
                Some((capabilities, at)) => certificate.announcing(Announced { capabilities, at }),
                None => certificate,
            })
        });
        announced.collect()
    }

    fn fact(
        &self,
        signer: &[u8],
        reader: &Reader<'_>,
        digests: &mut Digests<'_>,
        budget: &mut Budget,
    ) -> Result<SignatureFact, Fault> {
        let mut fact = SignatureFact {
            verdict: Verdict::Bad(BadReason::Malformed),
            certificate: None,
            issuer: String::new(),
            created: None,
            detail: None,
        };
        let Ok(signer) = SignerInfo::read(signer) else { return Ok(fact) };
        fact.issuer = signer.signer.words();
        let attributes = match Attributes::read(&signer) {
            Ok(attributes) => attributes,
            Err(detail) => return Ok(SignatureFact { detail: Some(detail.to_owned()), ..fact }),
        };
        fact.created = attributes.signing_time;
        if let Err((verdict, detail)) = attributes.match_content(&signer, digests) {
            return Ok(SignatureFact { verdict, detail, ..fact });
        }
        let candidates = self.candidates(&signer.signer, reader);
        let judge = Judge { signer: &signer, attributes: &attributes, reader, between: &self.certificates };
        match signer.attributes.map(|set| element(tag::SET, &[set])) {
            Some(set) => judge.choose(&candidates, &mut Digests::new(&set), 0, budget, fact),
            None => {
                let length = digests.content().len();
                judge.choose(&candidates, digests, length, budget, fact)
            }
        }
    }

    /// The certificates that a signature may mean.
    fn candidates<'a>(&'a self, signer: &Identifier<'_>, reader: &'a Reader<'_>) -> Vec<&'a Certificate> {
        let keys = reader.keys.iter().filter_map(|key| key.certificate.as_ref());
        let mut found: Vec<&Certificate> = Vec::new();
        for certificate in self.certificates.iter().chain(reader.certificates).chain(keys) {
            if found.len() < MOST_CANDIDATES
                && signer.names(certificate)
                && !found.iter().any(|known| known.fingerprint() == certificate.fingerprint())
            {
                found.push(certificate);
            }
        }
        found
    }
}

/// The certificates that come with a SignedData, as far as they are readable.
pub(in crate::crypt::smime) fn certificates(signed: &Signed<'_>) -> Vec<Certificate> {
    signed.certificates.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
}

impl<'a> SignerInfo<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut fields = Element::only(bytes)?.inside(tag::SEQUENCE)?;
        fields.next()?.primitive(tag::INTEGER)?;
        let signer = Identifier::read(&fields.next()?)?;
        let digest = Algorithm::read(fields.next()?)?;
        let attributes = fields.next_if(&[tag::context(0)])?.map(|attributes| attributes.contents);
        let algorithm = Algorithm::read(fields.next()?)?;
        let signature = fields.next()?.octets(tag::OCTET_STRING)?.into_owned();
        fields.next_if(&[tag::context(1)])?;
        fields.end()?;
        Ok(Self { signer, digest, attributes, algorithm, signature })
    }
}

impl<'a> Attributes<'a> {
    /// Reads them; each stands there once, those that count with one value.
    fn read(signer: &SignerInfo<'a>) -> Result<Self, &'static str> {
        const BROKEN: &str = "its signed attributes cannot be read";
        let mut read = Self::default();
        let Some(contents) = signer.attributes else { return Ok(read) };
        let attributes = Attribute::read_all(contents).map_err(|_| BROKEN)?;
        let mut seen: Vec<&[u8]> = attributes.iter().map(|attribute| attribute.oid).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a signed attribute stands there twice");
        }
        let mut content_type = None;
        for attribute in &attributes {
            let is = |oid: &::der::asn1::ObjectIdentifier| attribute.oid == oid.as_bytes();
            let value = || attribute.single().ok_or("a signed attribute has not just one value");
            if is(&oid::CONTENT_TYPE) {
                content_type = Some(value()?.primitive(tag::OID).map_err(|_| BROKEN)?);
            } else if is(&oid::MESSAGE_DIGEST) {
                read.message_digest = Some(value()?.primitive(tag::OCTET_STRING).map_err(|_| BROKEN)?);
            } else if is(&oid::SIGNING_TIME) {
                read.signing_time = Some(time(&value()?).ok_or("its signing time cannot be read")?);
            } else if is(&oid::CAPABILITIES) {
                read.capabilities = Capabilities::from_der(value()?.raw);
            } else if is(&oid::SIGNING_CERTIFICATE_V2) {
                read.certificate = Some(CertificateId::read(&value()?, &oid::SHA256).ok_or(BROKEN)?);
            } else if is(&oid::SIGNING_CERTIFICATE) && read.certificate.is_none() {
                read.certificate = Some(CertificateId::read(&value()?, &oid::SHA1).ok_or(BROKEN)?);
            }
        }
        if content_type != Some(oid::DATA.as_bytes()) {
            return Err("its signed content type is not that of its content");
        }
        if read.message_digest.is_none() {
            return Err("it signs no digest of its content");
        }
        Ok(read)
    }

    /// Whether they are about the content that is there.
    fn match_content(&self, signer: &SignerInfo<'_>, digests: &mut Digests<'_>) -> Result<(), Refusal> {
        let invalid = |detail: &str| Err(bad(BadReason::Invalid, detail));
        let Some(signed) = self.message_digest else {
            // Signed attributes of one message would make the content of another (RFC 5652, 11).
            let looks_like_attributes = Element::only(digests.content())
                .and_then(|set| set.inside(tag::SET))
                .is_ok_and(|set| !matches!(Attribute::read_all(set.rest()), Err(Fault::Malformed)));
            return if looks_like_attributes { invalid("its content is that of signed attributes") } else { Ok(()) };
        };
        match digests.of(&signer.digest) {
            None => invalid("its digest algorithm is not known"),
            Some(digest) if digest != signed => invalid("its content was changed"),
            Some(_) => Ok(()),
        }
    }
}

fn time(value: &Element<'_>) -> Option<Timestamp> {
    let since = match value.tag {
        tag::UTC_TIME => ::der::asn1::UtcTime::from_der(value.raw).ok()?.to_unix_duration(),
        tag::GENERALIZED_TIME => ::der::asn1::GeneralizedTime::from_der(value.raw).ok()?.to_unix_duration(),
        _ => return None,
    };
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()
}

impl<'a> CertificateId<'a> {
    /// Reads SigningCertificate or SigningCertificateV2; the first certificate is the signer's.
    fn read(value: &Element<'a>, default: &'static ::der::asn1::ObjectIdentifier) -> Option<Self> {
        let mut list = value.inside(tag::SEQUENCE).ok()?.inside(tag::SEQUENCE).ok()?;
        let mut fields = list.inside(tag::SEQUENCE).ok()?;
        let digest = fields.next_if(&[tag::SEQUENCE]).ok()?.map(Algorithm::read).transpose().ok()?;
        let hash = fields.next().ok()?.primitive(tag::OCTET_STRING).ok()?;
        Some(Self { digest, default, hash })
    }

    fn names(&self, certificate: &Certificate) -> bool {
        let digest = match &self.digest {
            Some(digest) => algorithm::digest(digest.oid),
            None => algorithm::digest(self.default.as_bytes()),
        };
        digest.and_then(|digest| certificate.x509.digest(digest).ok()).is_some_and(|hash| *hash == *self.hash)
    }
}

/// By what one signature is judged.
struct Judge<'a> {
    signer: &'a SignerInfo<'a>,
    attributes: &'a Attributes<'a>,
    reader: &'a Reader<'a>,
    between: &'a [Certificate],
}

impl Judge<'_> {
    /// Finds the certificate that made a signature. Several may have one name; the one that fits counts. `length` is
    /// that of the content, where the signature is over it.
    fn choose(
        &self,
        candidates: &[&Certificate],
        covered: &mut Digests<'_>,
        length: usize,
        budget: &mut Budget,
        mut fact: SignatureFact,
    ) -> Result<SignatureFact, Fault> {
        (fact.verdict, fact.detail) = (Verdict::Unknown(UnknownReason::NoCertificate), None);
        for certificate in candidates {
            budget.take_verification(length)?;
            let (verdict, detail) = self.refusal(certificate, covered).unwrap_or((Verdict::Good, None));
            if fact.certificate.is_none() || verdict != Verdict::Bad(BadReason::Invalid) {
                (fact.verdict, fact.detail) = (verdict, detail);
                fact.certificate = Some(self.described(certificate));
            }
            if verdict != Verdict::Bad(BadReason::Invalid) {
                break;
            }
        }
        Ok(fact)
    }

    /// Why a signature by a certificate is not good; none if it is.
    fn refusal(&self, certificate: &Certificate, covered: &mut Digests<'_>) -> Option<Refusal> {
        let Some(key) = certificate.public_key() else {
            return Some(bad(BadReason::Invalid, "the key of its certificate is not known"));
        };
        let SignerInfo { digest, algorithm, signature, .. } = self.signer;
        if let Err(detail) = algorithm::verify(key, algorithm, digest, signature, covered) {
            return Some(bad(BadReason::Invalid, detail));
        }
        if self.attributes.certificate.as_ref().is_some_and(|named| !named.names(certificate)) {
            return Some(bad(BadReason::Invalid, "it names another certificate than its signer's"));
        }
        if let Some(weakness) = algorithm::weakness(key, digest) {
            return Some(bad(BadReason::Weak, weakness));
        }
        let at = self.reader.at;
        if self.attributes.signing_time.is_some_and(|created| is_ahead(created, at)) {
            return Some(bad(BadReason::NotYetValid, "its signing time is after the time of judging"));
        }
        for moment in self.attributes.signing_time.into_iter().chain([at]) {
            match outside(certificate, moment) {
                Some(BadReason::NotYetValid) => {
                    let detail = format!("its certificate was not valid yet on {}", moment.strftime("%Y-%m-%d"));
                    return Some(bad(BadReason::NotYetValid, detail));
                }
                Some(reason) => {
                    let detail = format!("its certificate had expired on {}", moment.strftime("%Y-%m-%d"));
                    return Some(bad(reason, detail));
                }
                None => {}
            }
        }
        let judged = self.reader.authorities.judge(certificate, self.between, Purpose::Sign, at);
        match judged {
            // Said where lists were given: whoever gave none did not ask.
            Ok(Judged { revocation: Revocation::Unknown, .. }) if self.reader.authorities.has_revocations() => {
                let detail = format!("no list says whether certificate {} was revoked", certificate.fingerprint());
                Some((Verdict::Good, Some(detail)))
            }
            Ok(_) => None,
            // A pin stands for the chain and for nothing else.
            Err(ChainFault::Untrusted(_) | ChainFault::Issuer { .. }) if self.pinned(certificate).is_some() => {
                fit(certificate, Purpose::Sign).err().map(|fault| refused(&fault))
            }
            Err(fault) => Some(refused(&fault)),
        }
    }

    /// The addresses for which the user pinned a certificate.
    fn pinned(&self, certificate: &Certificate) -> Option<&[Address]> {
        let fingerprint = certificate.fingerprint();
        let pin = self.reader.pins.iter().find(|(pinned, _)| *pinned == fingerprint);
        pin.map(|(_, addresses)| addresses.as_slice())
    }

    /// A certificate that is genuine by a pin alone speaks for the pinned addresses only.
    fn described(&self, certificate: &Certificate) -> SignerCertificate {
        let at = self.reader.at;
        let pinned = self.pinned(certificate).unwrap_or_default();
        let chained =
            pinned.is_empty() || self.reader.authorities.judge(certificate, self.between, Purpose::Sign, at).is_ok();
        let mut addresses = if chained { certificate.addresses(at) } else { Vec::new() };
        for address in pinned {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        SignerCertificate { fingerprint: certificate.fingerprint(), addresses, weak: certificate.weak_key() }
    }
}

/// Whether a time lies outside a certificate's validity, and where.
fn outside(certificate: &Certificate, moment: Timestamp) -> Option<BadReason> {
    if moment < certificate.created() {
        Some(BadReason::NotYetValid)
    } else {
        (moment > certificate.not_after()).then_some(BadReason::Expired)
    }
}

fn refused(fault: &ChainFault) -> Refusal {
    let own = match fault {
        ChainFault::Issuer { fault, .. } => fault,
        own => own,
    };
    let verdict = match own {
        ChainFault::Expired(_) => Verdict::Bad(BadReason::Expired),
        ChainFault::NotYetValid(_) => Verdict::Bad(BadReason::NotYetValid),
        ChainFault::Revoked(_) => Verdict::Bad(BadReason::Revoked),
        ChainFault::Weak(_) => Verdict::Bad(BadReason::Weak),
        ChainFault::Untrusted(_) | ChainFault::WrongUsage(_) | ChainFault::Issuer { .. } => {
            Verdict::Unknown(UnknownReason::Untrusted)
        }
    };
    (verdict, Some(format!("its certificate: {fault}")))
}
