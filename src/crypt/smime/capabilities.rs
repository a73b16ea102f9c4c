//! What a mail program says that it reads (RFC 8551, 2.5.2).

use super::{
    der::{algorithm, sequence},
    oid, wrap,
};

/// The SMIMECapabilities of this program, the best first. Those of an RSA key's holder are said to take OAEP.
pub(super) fn ours() -> Vec<u8> {
    let contents = [oid::AES256_GCM, oid::AES128_GCM, oid::AES256_CBC, oid::AES128_CBC];
    let contents = contents.map(|cipher| algorithm(cipher, &[])).concat();
    sequence(&[&contents, &wrap::oaep_sha256()])
}
