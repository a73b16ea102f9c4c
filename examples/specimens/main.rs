//! Makes the specimen keys of `keys/`: `cargo run --example specimens -- keys`.
//!
//! Their passphrase is public and they never expire, so that tests can judge at any time. That is why they are
//! made here and not by `sealpost key make`, which does neither. A file that is there already is kept.
#![allow(clippy::print_stdout)]

mod openpgp;
mod smime;

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What opens them all.
const PASSPHRASE: &str = "specimen";

/// 1 January 2026, 00:00 UTC, in seconds since 1970: when they claim to have been made.
const MADE: u64 = 1_767_225_600;

fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).ok_or("usage: specimens FOLDER")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    openpgp::make(folder)?;
    smime::make(folder)?;
    let passphrase = folder.join("passphrase");
    if !passphrase.exists() {
        write(&passphrase, format!("{PASSPHRASE}\n").as_bytes())?;
    }
    Ok(())
}

/// Alice Specimen for alice.
fn display(name: &str) -> String {
    format!("{}{} Specimen", name[..1].to_uppercase(), &name[1..])
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)?)
}
