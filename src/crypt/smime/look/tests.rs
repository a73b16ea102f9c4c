//! The last look takes what is sealed for just these people, here or elsewhere, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod foreign;

use std::io::Write;

use crate::crypt::{
    SealError, Sealed,
    smime::{
        asn1::der::{self, context, element, sequence},
        asn1::pull::Pull,
        seal::tests::*,
    },
    wire::Base64Lines,
};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nLet's eat\r\n";

/// What the last look says of a message that is said to be for these people.
fn parse(message: &[u8], to: &[&Person]) -> Result<(), &'static str> {
    match Sealed::parse(message.to_vec(), envelope(to), &recipients(to)) {
        Ok(sealed) => {
            assert_eq!(sealed.pieces().flatten().copied().collect::<Vec<u8>>(), message);
            Ok(())
        }
        Err(SealError::LastLook(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

/// A message taken apart.
#[derive(Clone)]
struct Parts {
    header: Vec<u8>,
    kind: Vec<u8>,
    version: Vec<u8>,
    /// OriginatorInfo, which none has.
    originator: Vec<u8>,
    infos: Vec<Vec<u8>>,
    data: Vec<u8>,
    algorithm: Vec<u8>,
    ciphertext: Vec<u8>,
    /// Behind the encrypted content.
    tail: Vec<u8>,
    /// Behind it all.
    behind: Vec<u8>,
}

impl Parts {
    fn of(message: &[u8]) -> Self {
        let body = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let whole = decoded(&message[body..]);
        let content_info = children(&whole);
        let enveloped = children(&children(&content_info[1])[0]);
        let encrypted = children(&enveloped[2]);
        Self {
            header: message[..body].to_vec(),
            kind: content_info[0].clone(),
            version: enveloped[0].clone(),
            originator: Vec::new(),
            infos: children(&enveloped[1]),
            data: encrypted[0].clone(),
            algorithm: encrypted[1].clone(),
            ciphertext: encrypted[2].clone(),
            tail: enveloped[3..].concat(),
            behind: Vec::new(),
        }
    }

    fn der(&self) -> Vec<u8> {
        let encrypted = sequence(&[&self.data, &self.algorithm, &self.ciphertext]);
        let infos = element(der::SET, &[&self.infos.concat()]);
        let enveloped = sequence(&[&self.version, &self.originator, &infos, &encrypted, &self.tail]);
        [sequence(&[&self.kind, &element(context(0), &[&enveloped])]), self.behind.clone()].concat()
    }

    fn message(&self) -> Vec<u8> {
        wire(&self.header, &self.der())
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut changed = self.clone();
        change(&mut changed);
        changed.message()
    }
}

fn wire(header: &[u8], der: &[u8]) -> Vec<u8> {
    let mut lines = Base64Lines::new(header.to_vec());
    lines.write_all(der).unwrap();
    lines.finish().unwrap()
}

/// The elements within an element.
fn children(element: &[u8]) -> Vec<Vec<u8>> {
    let mut read = Pull::new(element);
    read.enter(element[0]).unwrap();
    let mut found = Vec::new();
    while let Some(tag) = read.peek().unwrap() {
        found.push(read.element(tag).unwrap());
    }
    found
}
