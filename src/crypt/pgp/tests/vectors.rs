//! The samples of RFC 9580, appendix A.

use super::*;
use crate::crypt::Verdict;

/// A.4, whose public half is A.3.
const SECRET_KEY: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----

xUsGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laMAGXKB
exK+cH6NX1hs5hNhIB00TrJmosgv3mg1ditlsLfCsQYfGwoAAABCBYJjh3/jAwsJ
BwUVCg4IDAIWAAKbAwIeCSIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJBScJAgcCAAAAAK0oIBA+LX0ifsDm185Ecds2v8lwgyU2kCcUmKfvBXbAf6rh
RYWzuQOwEn7E/aLwIwRaLsdry0+VcallHhSu4RN6HWaEQsiPlR4zxP/TP7mhfVEe
7XWPxtnMUMtf15OyA51YBMdLBmOHf+MZAAAAIIaTJINn+eUBXbki+PSAld2nhJh/
LVmFsS+60WyvXkQ1AE1gCk95TUR3XFeibg/u/tVY6a//1q0NWC1X+yui3O24wpsG
GBsKAAAALAWCY4d/4wKbDCIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJAAAAAAQBIKbpGG2dWTX8j+VjFM21J0hqWlEg+bdiojWnKfA5AQpWUWtnNwDE
M0g12vYxoWM8Y81W+bHBw805I8kWVkXU6vFOi+HWvv/ira7ofJu16NnoUkhclkUr
k0mXubZvyl4GBg==
-----END PGP PRIVATE KEY BLOCK-----
";

/// A.7.
const SIGNED: &str = "-----BEGIN PGP MESSAGE-----

xEYGAQobIHZJX1AhiJD39eLuPBgiUU9wUA9VHYblySHkBONKU/usyxhsTwYJppfk
1S36bHIrDB8eJ8GKVnCPZSXsJ7rZrMkBy0p1AAAAAABXaGF0IHdlIG5lZWQgZnJv
bSB0aGUgZ3JvY2VyeSBzdG9yZToKCi0gdG9mdQotIHZlZ2V0YWJsZXMKLSBub29k
bGVzCsKYBgEbCgAAACkFgmOYo2MiIQbLGGxPBgmml+TVLfpscisMHx4nwYpWcI9l
JewnutmsyQAAAABpNiB2SV9QIYiQ9/Xi7jwYIlFPcFAPVR2G5ckh5ATjSlP7rCfQ
b7gKqPxbyxbhljGygHQPnqau1eBzrQD5QVplPEDnemrnfmkrpx0GmhCfokxYz9jj
FtCgazStmsuOXF9SFQE=
-----END PGP MESSAGE-----
";

/// A.8, X25519 and OCB.
const ENCRYPTED: &str = "-----BEGIN PGP MESSAGE-----

wV0GIQYSyD8ecG9jCP4VGkF3Q6HwM3kOk+mXhIjR2zeNqZMIhRmHzxjV8bU/gXzO
WgBM85PMiVi93AZfJfhK9QmxfdNnZBjeo1VDeVZheQHgaVf7yopqR6W1FT6NOrfS
aQIHAgZhZBZTW+CwcW1g4FKlbExAf56zaw76/prQoN+bAzxpohup69LA7JW/Vp0l
yZnuSj3hcFj0DfqLTGgr4/u717J+sPWbtQBfgMfG9AOIwwrUBqsFE9zW+f1zdlYo
bhF30A+IitsxxA==
-----END PGP MESSAGE-----
";

fn key() -> Key {
    Key::parse_all(SECRET_KEY.as_bytes()).unwrap().remove(0)
}

#[test]
fn a3_is_the_public_half_of_a4_and_usable() {
    let certificate = key().certificate();
    let fingerprint = "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9";
    assert_eq!(certificate.fingerprint().as_str(), fingerprint);
    assert_eq!((certificate.version(), certificate.algorithms().as_str()), (6, "Ed25519, X25519"));
    assert!(certificate.reads_seipdv2(now()));
    assert!(Pgp::check(&certificate, &(), now()).is_ok());
    assert!(certificate.addresses(now()).is_empty());
}

#[test]
fn a7_verifies() {
    let certificates = [key().certificate()];
    let reader = Reader { keys: &[], lent: &[], certificates: &certificates, at: now(), limit: 1000 };
    let (text, layers) = reader.verify_inline(SIGNED.as_bytes()).unwrap();
    let expected = "What we need from the grocery store:\n\n- tofu\n- vegetables\n- noodles\n";
    assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
    assert_eq!(layers[0][0].verdict, Verdict::Good);
}

#[test]
fn a8_decrypts() {
    let opened = open(ENCRYPTED.as_bytes(), &[key()], &[]).unwrap();
    assert_eq!(opened.plaintext.as_slice(), b"Hello, world!");
    assert!(opened.signatures.is_empty());
}
