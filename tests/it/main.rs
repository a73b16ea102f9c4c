//! The one integration binary: the program and its peers as their users meet them.
//!
//! One file per verb, named like it; `forgotten.rs` fails when a file here is not listed below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod alert;
mod canary;
mod cert;
mod cert_check;
mod cert_conflict;
mod cert_from_mail;
mod cert_verify;
mod cli;
mod corpus;
mod examples;
mod find;
mod forgotten;
mod key;
mod key_agent;
mod key_backup;
mod key_gnupg;
mod key_life;
mod key_paper;
mod key_smime;
mod killed;
mod layers;
mod licences;
mod ocsp;
mod open;
mod peers;
mod seal;
mod send;
mod smime;
mod support;
