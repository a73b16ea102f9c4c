//! End-to-end encrypted mail from scripts.
//!
//! The law that everything follows: no cleartext leaves the process. The layers, from the top:
//!
//! | layer | modules | charge |
//! |---|---|---|
//! | 6 | [`cli`] | grammar, composition, words, JSON, hints, exit codes |
//! | 5 | [`config`], [`flow`] | typed settings; one straight line for each job: send, open, check, find, revocation |
//! | 4 | [`keystore`], [`submit`], [`receive`], [`secret`] | adapters to disk, servers, directories of certificates and secret sources |
//! | 3 | [`net`] | one TLS policy, the STARTTLS upgrade, DNS, HTTP |
//! | 2 | [`crypt`] | pure: suites, policy, sealing, opening, judging |
//! | 1 | [`mail`] | pure: addresses, drafts, composing, parsing, header protection |
//! | 0 | [`ffi`], [`threads`] | the only unsafe code; long work side by side |
//!
//! Imports go downward only; `tests/it/layers.rs` fails on a breach.

pub mod cli;
pub mod config;
pub mod crypt;
pub mod ffi;
pub mod flow;
pub mod keystore;
pub mod mail;
pub mod net;
pub mod receive;
pub mod secret;
pub mod submit;
pub mod threads;
