//! A message taken apart (RFC 5322, RFC 2045), flat and bounded.
