//! `sealpost completions`: a completion script on stdout.

use clap::CommandFactory;

use super::{failure::Failure, grammar::Arguments, voice::Voice};

pub fn run(shell: clap_complete::Shell, voice: Voice) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "sealpost", &mut script);
    if voice.json {
        voice.object(&serde_json::json!({ "version": 1, "script": String::from_utf8_lossy(&script) }))?;
    } else {
        voice.data(&script)?;
    }
    Ok(0)
}
