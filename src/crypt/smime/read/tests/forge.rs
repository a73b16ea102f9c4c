//! SignedData made by hand, so that one thing in it can be wrong.

use jiff::Timestamp;
use openssl::{
    hash::{MessageDigest, hash},
    pkey::Id,
    rsa::Padding,
    sign::{RsaPssSaltlen, Signer},
};

use crate::crypt::smime::{
    asn1::der::{OCTET_STRING, SET, UTC_TIME, algorithm, context, element, oid as named, sequence, set_of, small},
    asn1::oid,
    seal::wrap::issuer_and_serial,
    tests::authority::Identity,
};

/// What is signed, and how; what is not said is as it should be.
#[derive(Clone)]
pub(super) struct Forge<'a> {
    pub signer: &'a Identity,
    /// What the digest is of.
    pub content: &'a [u8],
    pub digest: (MessageDigest, ::der::asn1::ObjectIdentifier),
    /// The signature algorithm as it is stated.
    pub scheme: Option<Vec<u8>>,
    pub pss: bool,
    /// None: the signature is over the content itself.
    pub attributes: Option<Vec<Vec<u8>>>,
    pub by_key_id: bool,
    /// What is flipped in the signature.
    pub flipped: bool,
}

pub(super) fn attribute(name: ::der::asn1::ObjectIdentifier, values: &[&[u8]]) -> Vec<u8> {
    sequence(&[&named(name), &element(SET, values)])
}

pub(super) fn octets(value: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, &[value])
}

pub(super) fn signing_time(at: Timestamp) -> Vec<u8> {
    let text = at.strftime("%y%m%d%H%M%SZ").to_string();
    attribute(oid::SIGNING_TIME, &[&element(UTC_TIME, &[text.as_bytes()])])
}

pub(super) fn content_type(kind: ::der::asn1::ObjectIdentifier) -> Vec<u8> {
    attribute(oid::CONTENT_TYPE, &[&named(kind)])
}

pub(super) fn message_digest(digest: MessageDigest, content: &[u8]) -> Vec<u8> {
    attribute(oid::MESSAGE_DIGEST, &[&octets(&hash(digest, content).unwrap())])
}

impl<'a> Forge<'a> {
    pub(super) fn new(signer: &'a Identity, content: &'a [u8]) -> Self {
        let digest = (MessageDigest::sha256(), oid::SHA256);
        let attributes = Some(vec![content_type(oid::DATA), message_digest(digest.0, content)]);
        Self { signer, content, digest, scheme: None, pss: false, attributes, by_key_id: false, flipped: false }
    }

    pub(super) fn with(mut self, attribute: Vec<u8>) -> Self {
        self.attributes.get_or_insert_default().push(attribute);
        self
    }

    pub(super) fn attributes(self, attributes: Vec<Vec<u8>>) -> Self {
        Self { attributes: Some(attributes), ..self }
    }

    pub(super) fn digest(self, digest: MessageDigest, name: ::der::asn1::ObjectIdentifier) -> Self {
        let attributes = Some(vec![content_type(oid::DATA), message_digest(digest, self.content)]);
        Self { digest: (digest, name), attributes, ..self }
    }

    /// SignerInfo.
    pub(super) fn info(&self) -> Vec<u8> {
        let covered = match &self.attributes {
            Some(attributes) => element(SET, &[&attributes.concat()]),
            None => self.content.to_vec(),
        };
        let key = &self.signer.key;
        let (mut signer, default) = match key.id() {
            Id::ED25519 => (Signer::new_without_digest(key).unwrap(), algorithm(oid::ED25519, &[])),
            Id::EC => (Signer::new(self.digest.0, key).unwrap(), algorithm(oid::ECDSA_SHA256, &[])),
            _ => (Signer::new(self.digest.0, key).unwrap(), algorithm(oid::RSA, &[5, 0])),
        };
        if self.pss {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32)).unwrap();
            signer.set_rsa_mgf1_md(self.digest.0).unwrap();
        }
        let mut signature = signer.sign_oneshot_to_vec(&covered).unwrap();
        if self.flipped {
            *signature.last_mut().unwrap() ^= 1;
        }
        let name = match self.by_key_id {
            true => element(0x80, &[self.signer.certificate.x509.subject_key_id().unwrap().as_slice()]),
            false => issuer_and_serial(&self.signer.certificate).unwrap(),
        };
        let attributes = self.attributes.as_ref().map(|all| element(context(0), &[&all.concat()]));
        let scheme = self.scheme.clone().unwrap_or(default);
        sequence(&[
            &small(1),
            &name,
            &algorithm(self.digest.1, &[]),
            &attributes.unwrap_or_default(),
            &scheme,
            &octets(&signature),
        ])
    }

    /// The whole message, the content in it, the signer's certificate beside.
    pub(super) fn message(&self) -> Vec<u8> {
        signed_data(oid::DATA, Some(self.content), &[self.signer], &[self.info()])
    }
}

/// SignedData in its ContentInfo.
pub(super) fn signed_data(
    kind: ::der::asn1::ObjectIdentifier,
    content: Option<&[u8]>,
    certificates: &[&Identity],
    signers: &[Vec<u8>],
) -> Vec<u8> {
    let content = content.map(|content| element(context(0), &[&octets(content)])).unwrap_or_default();
    let certificates = certificates.iter().map(|identity| identity.certificate.to_der()).collect::<Vec<_>>();
    info(
        oid::SIGNED_DATA,
        &[
            &small(1),
            &set_of(SET, vec![algorithm(oid::SHA256, &[])]),
            &sequence(&[&named(kind), &content]),
            &element(context(0), &[&certificates.concat()]),
            &element(SET, &[&signers.concat()]),
        ],
    )
}

/// ContentInfo.
pub(super) fn info(kind: ::der::asn1::ObjectIdentifier, fields: &[&[u8]]) -> Vec<u8> {
    sequence(&[&named(kind), &element(context(0), &[&sequence(fields)])])
}
