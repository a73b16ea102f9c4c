//! `sealpost man`: a page for the program and for each verb.

use std::{fs, io, path::Path};

use clap::CommandFactory;

use super::{examples, exit::Kind, failure::Failure, grammar::Arguments, voice::Voice};

pub fn run(dir: &Path, voice: Voice) -> Result<u8, Failure> {
    let failed = |error: &io::Error| {
        Failure::new(Kind::CannotCreate, format!("cannot write the man pages into {}: {error}", dir.display()))
    };
    fs::create_dir_all(dir).map_err(|error| failed(&error))?;
    clap_mangen::generate_to(examples::in_help(Arguments::command()), dir).map_err(|error| failed(&error))?;
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "dir": dir.display().to_string() }))?;
    }
    voice.say(format_args!("wrote the man pages into {}", super::printable::Printable(&dir.display().to_string())));
    Ok(0)
}
