//! The only unsafe code: the few OpenSSL calls that the `openssl` crate lacks.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use foreign_types::ForeignTypeRef;
use openssl::ssl::SslRef;

unsafe extern "C" {
    fn SSL_get0_group_name(ssl: *mut openssl_sys::SSL) -> *const c_char;
}

/// The name of the group that the handshake agreed on, for instance `X25519MLKEM768`; none where no key exchange
/// by group took place. OpenSSL 3.2 and up, `SSL_get0_group_name(3)`.
pub fn group_name(ssl: &SslRef) -> Option<String> {
    // SAFETY: the reference keeps the SSL object alive during the call, which only reads it.
    let name = unsafe { SSL_get0_group_name(ssl.as_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: OpenSSL gives a NUL-terminated string that lives at least as long as the object, and the text is
    // copied before the reference ends.
    Some(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}
