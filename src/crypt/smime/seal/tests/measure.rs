//! What 100 MiB cost, to be run alone: `cargo test --release --lib -- --ignored --nocapture smime::seal::tests::measure`.

#![allow(clippy::print_stdout)]

use std::time::Instant;

use openssl::nid::Nid;

use super::*;
use crate::crypt::smime::{ContentEncryption, Form, SignatureForm};

/// The most memory that this process ever had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() >> 10
}

#[test]
#[ignore = "large, and needs a process of its own"]
fn a_hundred_mebibytes_fit_in_two_hundred_and_fifty() {
    let (alice, bob) = (person("alice", rsa()), person("bob", rsa()));
    let p256 = person("carol", ec(Nid::X9_62_PRIME256V1));
    let mut content = payload(b"Content-Type: application/octet-stream\r\n\r\n");
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    // Grown as composing does.
    while content.len() < 100 << 20 {
        std::io::Write::write_all(&mut content, &line).unwrap();
    }
    let signature = match std::env::var("OPAQUE") {
        Ok(_) => SignatureForm::Opaque,
        Err(_) => SignatureForm::Detached,
    };
    let form = if std::env::var("GCM").is_ok() { ContentEncryption::Gcm } else { ContentEncryption::Cbc };
    let form = Form { content: form, signature };
    let begun = Instant::now();
    let sealed = try_seal_payload(content, Some(&alice.signer()), &[&bob, &p256], form).unwrap();
    println!("{form:?}: {} bytes, {} ms, peak {} MiB", sealed.len(), begun.elapsed().as_millis(), peak());
    assert!(peak() < 250);
}
