//! Round trips, faults and foreign peers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cloned_ref_to_slice_refs)]

mod faults;
mod keys;
mod peers;
mod sealing;
mod vectors;
mod verdicts;

use std::io::Write;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::*;
use crate::{
    crypt::{Binding, PayloadUse, Recipient},
    mail::{Address, Envelope, Field, Mailbox, Payload},
};

pub(super) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn later(days: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() + days * 86_400).unwrap()
}

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

pub(super) fn make(name: &str, profile: Profile) -> Key {
    Key::make(&Mailbox::from(address(name)), profile, now()).unwrap().0
}

fn recipients(of: &[(&str, &Key)]) -> Recipients<Pgp> {
    let bind = |(name, key): &(&str, &Key)| {
        let usable = Pgp::check(&key.certificate(), &(), now()).unwrap();
        Recipient::new(address(name), usable, Binding::Named).unwrap()
    };
    Recipients::new(of.iter().map(bind).collect()).unwrap()
}

fn payload(bytes: &[u8]) -> Payload {
    let mut payload = Payload::new();
    payload.write_all(bytes).unwrap();
    payload
}

/// Seals as a message from alice.
pub(super) fn seal_bytes(bytes: &[u8], signer: Option<&Key>, to: &[(&str, &Key)]) -> Sealed {
    try_seal(bytes, signer, to, None, &[]).unwrap()
}

fn try_seal(
    bytes: &[u8],
    signer: Option<&Key>,
    to: &[(&str, &Key)],
    subject: Option<&str>,
    unseen: &[Address],
) -> Result<Sealed, SealError> {
    let signer = signer.map(|key| key.signer(now()).unwrap());
    let outer = [Field::new("From", "alice@example.org").unwrap(), Field::new("Subject", "[...]").unwrap()];
    Pgp::seal(Sealing {
        payload: PayloadUse::Owned(payload(bytes)),
        outer: &outer,
        confidential_subject: subject,
        unseen,
        envelope: Envelope::new(address("alice"), to.iter().map(|(name, _)| address(name)).collect()).unwrap(),
        recipients: &recipients(to),
        signer: signer.as_ref(),
        form: (),
        at: now(),
        boundary: "=_b_=",
    })
}

pub(super) fn wire(sealed: &Sealed) -> Vec<u8> {
    sealed.pieces().flatten().copied().collect()
}

pub(super) fn armor_of(wire: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(wire).unwrap();
    let start = text.find("-----BEGIN PGP MESSAGE-----").unwrap();
    let end = text.find("-----END PGP MESSAGE-----").unwrap() + "-----END PGP MESSAGE-----\r\n".len();
    text.as_bytes()[start..end].to_vec()
}

fn open(message: &[u8], keys: &[Key], certificates: &[Certificate]) -> Result<Decrypted, OpenError> {
    Reader { keys, lent: &[], certificates, at: now(), limit: 256 << 20 }.decrypt(message)
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}
