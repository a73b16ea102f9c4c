//! Records that DNSSEC proves (RFC 4033 to 4035): validated here, from the keys of the root down, whatever the resolver
//! that is asked says of them. What is not proven is not given out. There is no deadline here: the caller has one.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use hickory_resolver::{
    TokioResolver,
    net::{DnsError, NetError},
    proto::{
        dnssec::{Proof, TrustAnchors},
        rr::{Name, RData, Record, RecordType},
    },
};

use super::dns;

/// The most aliases that are followed.
const MOST_ALIASES: usize = 8;

/// Looks names up, and believes what is signed.
#[derive(Clone, Default)]
pub struct Dnssec {
    server: Option<SocketAddr>,
    anchors: Option<Arc<TrustAnchors>>,
    // Made once, so that several questions share what was proven on the way to their zones.
    resolver: Arc<OnceLock<TokioResolver>>,
}

/// A record of SMIMEA (RFC 8162, 2): the fields of RFC 6698, 2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// What the certificate is: 1 and 3 are the holder's own.
    pub usage: u8,
    /// Of what: 0 is the whole certificate.
    pub selector: u8,
    /// In which form: 0 is the thing itself.
    pub matching: u8,
    /// The thing.
    pub data: Vec<u8>,
}

/// Why there are no records that are proven.
#[derive(Debug, thiserror::Error)]
pub enum DnssecError {
    /// There are none, which needs no proof.
    #[error("{0} has no such record")]
    Nothing(String),
    /// There are some, in a zone that is not signed, or not below signed ones only.
    #[error("the records of {0} are not signed, or no chain of signed zones leads to them")]
    Insecure(String),
    /// A signature is missing, wrong or out of date, or what says that there is no record is.
    #[error("what the resolver gave for {0} is not what its zone signed")]
    Bogus(String),
    /// Not even the keys of the root are proven, by a resolver that knows nothing of DNSSEC or anchors that are wrong.
    #[error("the resolver gives no signatures of DNSSEC that begin at a trust anchor")]
    Unaware,
    /// The name cannot be one.
    #[error("{0} is no name")]
    Name(String),
    /// There is no answer.
    #[error("looking {name} up failed: {error}")]
    Failed {
        /// Which.
        name: String,
        /// Why.
        error: NetError,
    },
}

/// Why a file gives no trust anchors.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// It cannot be read.
    #[error("the file of trust anchors {} cannot be read: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It holds something else, or nothing.
    #[error("{} holds no trust anchors of DNSSEC: DNSKEY records, one a line", .0.display())]
    Content(PathBuf),
}

impl Dnssec {
    /// One that asks a server, over UDP and TCP, instead of those of the system.
    #[must_use]
    pub fn asking(self, server: SocketAddr) -> Self {
        Self { server: Some(server), ..self }
    }

    /// One that believes the keys of a file instead of those of the root.
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn believing(self, file: &Path) -> Result<Self, AnchorError> {
        let text = fs::read_to_string(file).map_err(|error| AnchorError::Read { path: file.to_owned(), error })?;
        let anchors = text.parse::<TrustAnchors>().ok().filter(|_| text.contains("DNSKEY"));
        let anchors = anchors.ok_or_else(|| AnchorError::Content(file.to_owned()))?;
        Ok(Self { anchors: Some(Arc::new(anchors)), ..self })
    }

    /// The OPENPGPKEY records of a name (RFC 7929, 2).
    ///
    /// # Errors
    /// [`DnssecError`].
    pub async fn openpgp_keys(&self, name: &str) -> Result<Vec<Vec<u8>>, DnssecError> {
        let proven = self.proven(name, RecordType::OPENPGPKEY).await?.into_iter();
        Ok(proven
            .filter_map(|data| if let RData::OPENPGPKEY(key) = data { Some(key.public_key) } else { None })
            .collect())
    }

    /// The SMIMEA records of a name (RFC 8162, 2).
    ///
    /// # Errors
    /// [`DnssecError`].
    pub async fn smime_associations(&self, name: &str) -> Result<Vec<Association>, DnssecError> {
        let proven = self.proven(name, RecordType::SMIMEA).await?.into_iter();
        let association = |data| match data {
            RData::SMIMEA(record) => Some(Association {
                usage: record.cert_usage.into(),
                selector: record.selector.into(),
                matching: record.matching.into(),
                data: record.0.cert_data,
            }),
            _ => None,
        };
        Ok(proven.filter_map(association).collect())
    }

    async fn proven(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, DnssecError> {
        let failed = |error| DnssecError::Failed { name: name.to_owned(), error };
        let resolver = self.resolver().map_err(failed)?;
        // The dot keeps the search list of the machine out.
        let asked = Name::from_ascii(format!("{name}.")).map_err(|_| DnssecError::Name(name.to_owned()))?;
        let proof = match resolver.lookup(asked.clone(), kind).await {
            Ok(answer) => match secure(&asked, kind, answer.answers()) {
                Ok(records) => return Ok(records),
                Err(proof) => proof,
            },
            Err(error) if error.is_no_records_found() => return Err(DnssecError::Nothing(name.to_owned())),
            Err(NetError::Dns(DnsError::Nsec { proof, .. })) => proof,
            Err(NetError::Dns(DnsError::DnssecBogus)) => Proof::Bogus,
            Err(error) => return Err(failed(error)),
        };
        if proof.is_insecure() {
            return Err(DnssecError::Insecure(name.to_owned()));
        }
        // What fails on the way to a proof is no proof either: the root tells whether anything at all is proven here.
        match proves_the_root(resolver).await {
            Ok(true) => Err(DnssecError::Bogus(name.to_owned())),
            Ok(false) => Err(DnssecError::Unaware),
            Err(error) => Err(failed(error)),
        }
    }

    fn resolver(&self) -> Result<&TokioResolver, NetError> {
        if let Some(made) = self.resolver.get() {
            return Ok(made);
        }
        let anchors = self.anchors.clone().unwrap_or_else(|| Arc::new(TrustAnchors::default()));
        let mut builder = dns::builder(self.server)?.with_trust_anchor(anchors);
        builder.options_mut().validate = true;
        // Each alias on the way is to be proven too.
        builder.options_mut().preserve_intermediates = true;
        let made = builder.build()?;
        Ok(self.resolver.get_or_init(|| made))
    }
}

/// The records of a kind that a name has, itself or by its aliases, if all that leads to them is proven; else how far it
/// is.
fn secure(asked: &Name, kind: RecordType, answers: &[Record]) -> Result<Vec<RData>, Proof> {
    let mut name = asked;
    for _ in 0..=MOST_ALIASES {
        let of = |kind| answers.iter().filter(move |record| record.name == *name && record.record_type() == kind);
        let (found, aliases): (Vec<_>, Vec<_>) = (of(kind).collect(), of(RecordType::CNAME).collect());
        let proof = found.iter().chain(&aliases).map(|record| record.proof).min().unwrap_or(Proof::Bogus);
        if !proof.is_secure() {
            return Err(proof);
        }
        match aliases.as_slice() {
            [] => return Ok(found.into_iter().map(|record| record.data.clone()).collect()),
            [Record { data: RData::CNAME(alias), .. }] if found.is_empty() => name = &alias.0,
            _ => return Err(Proof::Bogus),
        }
    }
    Err(Proof::Bogus)
}

/// Whether the resolver gives the keys of the root with their proof.
async fn proves_the_root(resolver: &TokioResolver) -> Result<bool, NetError> {
    match resolver.lookup(Name::root(), RecordType::DNSKEY).await {
        Ok(answer) => Ok(secure(&Name::root(), RecordType::DNSKEY, answer.answers()).is_ok()),
        Err(NetError::Dns(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hickory_resolver::proto::rr::rdata::{CNAME, OPENPGPKEY};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, data: RData, proof: Proof) -> Record {
        let mut record = Record::from_rdata(name(owner), 300, data);
        record.proof = proof;
        record
    }

    fn key(owner: &str, proof: Proof) -> Record {
        record(owner, RData::OPENPGPKEY(OPENPGPKEY::new(owner.as_bytes().to_vec())), proof)
    }

    fn alias(owner: &str, to: &str, proof: Proof) -> Record {
        record(owner, RData::CNAME(CNAME(name(to))), proof)
    }

    #[test]
    fn only_what_leads_from_the_name_in_proven_steps_counts() {
        use Proof::{Bogus, Indeterminate, Insecure, Secure};
        let answer = |records: &[Record]| {
            secure(&name("kim.test."), RecordType::OPENPGPKEY, records).map(|records| records.len())
        };
        assert_eq!(answer(&[key("kim.test.", Secure), key("kim.test.", Secure)]), Ok(2));
        assert_eq!(answer(&[key("KIM.test.", Secure)]), Ok(1));
        for proof in [Bogus, Insecure, Indeterminate] {
            assert_eq!(answer(&[key("kim.test.", proof)]), Err(proof));
            assert_eq!(answer(&[key("kim.test.", Secure), key("kim.test.", proof)]), Err(proof));
            let to = key("lee.test.", Secure);
            assert_eq!(answer(&[alias("kim.test.", "lee.test.", proof), to]), Err(proof));
            assert_eq!(answer(&[alias("kim.test.", "lee.test.", Secure), key("lee.test.", proof)]), Err(proof));
        }
        // What is signed for another name, or an alias of another one.
        assert_eq!(answer(&[key("lee.test.", Secure)]), Err(Bogus));
        assert_eq!(answer(&[alias("max.test.", "lee.test.", Secure), key("lee.test.", Secure)]), Err(Bogus));
        assert_eq!(answer(&[]), Err(Bogus));
        assert_eq!(answer(&[alias("kim.test.", "lee.test.", Secure), key("lee.test.", Secure)]), Ok(1));
        assert_eq!(answer(&[alias("kim.test.", "lee.test.", Secure), key("kim.test.", Secure)]), Err(Bogus));
        assert_eq!(answer(&[alias("kim.test.", "kim.test.", Secure)]), Err(Bogus));
    }
}
