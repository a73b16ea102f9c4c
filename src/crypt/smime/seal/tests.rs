//! What is sealed is opened by `openssl cms`, by libcrypto in the process, and by gpgsm.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ours;
mod peers;
mod people;
mod twin;

pub(in crate::crypt::smime) use people::*;
pub(in crate::crypt::smime) use twin::decoded;
