//! Writing DER (X.690, 10): headers whose lengths are known in advance, so that large contents can follow as they
//! come.

use der::{Encode, asn1::ObjectIdentifier};

pub(in crate::crypt::smime) const BIT_STRING: u8 = 0x03;
pub(in crate::crypt::smime) const OCTET_STRING: u8 = 0x04;
pub(in crate::crypt::smime) const UTC_TIME: u8 = 0x17;
pub(in crate::crypt::smime) const GENERALIZED_TIME: u8 = 0x18;
pub(in crate::crypt::smime) const SEQUENCE: u8 = 0x30;
pub(in crate::crypt::smime) const SET: u8 = 0x31;
pub(in crate::crypt::smime) const NULL: &[u8] = &[0x05, 0x00];

/// A context-specific tag of a constructed type, or of an explicit one.
pub(in crate::crypt::smime) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// The header of an element and the beginning of its contents, of which `to_come` bytes are still to follow.
pub(in crate::crypt::smime) fn begin(tag: u8, contents: &[&[u8]], to_come: usize) -> Vec<u8> {
    let here: usize = contents.iter().map(|part| part.len()).sum();
    let length = here + to_come;
    let mut bytes = Vec::with_capacity(here + 10);
    bytes.push(tag);
    let octets = length.to_be_bytes();
    let used = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
    match used {
        [] => bytes.push(0),
        [short @ 0..=0x7f] => bytes.push(*short),
        // At most eight.
        long => {
            bytes.push(0x80 | long.len() as u8);
            bytes.extend_from_slice(long);
        }
    }
    contents.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// A whole element.
pub(in crate::crypt::smime) fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    begin(tag, contents, 0)
}

/// A SEQUENCE.
pub(in crate::crypt::smime) fn sequence(contents: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, contents)
}

/// A SET OF under any tag, its elements in the order of DER (X.690, 11.6), each once.
pub(in crate::crypt::smime) fn set_of(tag: u8, mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort();
    elements.dedup();
    element(tag, &[&elements.concat()])
}

/// An INTEGER from 0 through 127.
pub(in crate::crypt::smime) fn small(value: u8) -> [u8; 3] {
    [0x02, 0x01, value & 0x7f]
}

/// A BIT STRING of whole octets.
pub(in crate::crypt::smime) fn bit_string(octets: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], octets])
}

/// An OBJECT IDENTIFIER.
pub(in crate::crypt::smime) fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    // A constant always has a form.
    oid.to_der().unwrap_or_default()
}

/// An AlgorithmIdentifier with the DER of its parameters, which may be empty (RFC 5280, 4.1.1.2).
pub(in crate::crypt::smime) fn algorithm(name: ObjectIdentifier, parameters: &[u8]) -> Vec<u8> {
    sequence(&[&oid(name), parameters])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_are_the_shortest_there_are() {
        let head = |to_come| begin(OCTET_STRING, &[], to_come);
        assert_eq!(head(0), [4, 0]);
        assert_eq!(head(0x7f), [4, 0x7f]);
        assert_eq!(head(0x80), [4, 0x81, 0x80]);
        assert_eq!(head(0xff), [4, 0x81, 0xff]);
        assert_eq!(head(0x100), [4, 0x82, 1, 0]);
        assert_eq!(head(104_857_600), [4, 0x84, 6, 0x40, 0, 0]);
        assert_eq!(begin(SEQUENCE, &[b"ab", b"c"], 2), b"\x30\x05abc");
    }

    #[test]
    fn sets_are_in_the_order_of_der() {
        let set = set_of(SET, vec![vec![4, 2, 1, 1], vec![4, 1, 9], vec![4, 1, 2], vec![4, 1, 9]]);
        assert_eq!(set, [0x31, 10, 4, 1, 2, 4, 1, 9, 4, 2, 1, 1]);
    }
}
