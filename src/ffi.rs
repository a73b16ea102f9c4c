//! The only unsafe code: the few OpenSSL calls that the `openssl` crate lacks.
