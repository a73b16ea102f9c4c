//! The Web Key Directory (draft-koch-openpgp-webkey-service, 3.1): under which name a certificate lies there, and what
//! of it is given out.

use super::Certificate;
use crate::mail::Address;

/// The alphabet of z-base-32 (RFC 6189, 5.1.6).
const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// The name of an address within its domain's directory: SHA-1 of its local part, ASCII letters in lower case, in
/// z-base-32; 32 characters. It hides nothing and protects nothing.
pub fn directory_name(address: &Address) -> String {
    name_of(address.local())
}

fn name_of(local: &str) -> String {
    let digest = openssl::sha::sha1(local.to_ascii_lowercase().as_bytes());
    let bits = |eight: &[u8]| eight.iter().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    let digit = |five: u64| char::from(ALPHABET[usize::try_from(five & 31).unwrap_or_default()]);
    // 160 bits are four times eight digits.
    let digits = digest.chunks(5).flat_map(|five| (0..8).rev().map(move |at| bits(five) >> (at * 5)));
    digits.map(digit).collect()
}

impl Certificate {
    /// The same with the user IDs alone that name an address, and without images; none if there is no such.
    pub fn only_for(&self, address: &Address) -> Option<Self> {
        let cert = self.cert.clone().retain_userids(|user_id| {
            let email = user_id.userid().email().ok().flatten();
            email.and_then(|email| Address::parse(email).ok()).is_some_and(|named| named == *address)
        });
        let cert = cert.retain_user_attributes(|_| false);
        (cert.userids().count() > 0).then_some(Self { cert })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_draft() {
        // draft-koch-openpgp-webkey-service, 3.1
        assert_eq!(name_of("Joe.Doe"), "iy9q119eutrkn8s1mk4r39qejnbu3n5q");
        assert_eq!(name_of("joe.doe"), "iy9q119eutrkn8s1mk4r39qejnbu3n5q");
    }
}
