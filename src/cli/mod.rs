//! Layer 6: the grammar, one file for each verb; composition; words, JSON, hints and exit codes.

mod agent;
mod alert;
mod cert;
mod completions;
mod composition;
mod draft;
mod examples;
mod exit;
mod failure;
mod grammar;
mod guard;
mod input;
mod key;
mod known;
mod man;
mod named;
mod open;
mod printable;
mod progress;
mod receipt;
mod responders;
mod seal;
mod sealing;
mod secrets;
mod send;
mod sources;
mod submission;
mod voice;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use jiff::Timestamp;

use exit::Kind;
use failure::Failure;
use grammar::{Arguments, Verb};
use voice::Voice;

/// Runs the command line of this process and gives its exit code.
pub fn run() -> ExitCode {
    guard::raise(Voice { json: before_data().any(|argument| argument == "--json"), quiet: false });
    let parsed = examples::in_help(Arguments::command()).try_get_matches();
    let read = |matches: clap::ArgMatches| Arguments::from_arg_matches(&matches).map(|read| (read, verb(&matches)));
    let (arguments, verb) = match parsed.and_then(read) {
        Ok(read) => read,
        Err(error) => return refused(&error),
    };
    let voice = Voice { json: arguments.global.json, quiet: arguments.global.quiet };
    match dispatch(arguments, voice) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let kind = failure.kind;
            voice.fail(&failure.or_help(verb), None);
            ExitCode::from(kind.exit())
        }
    }
}

/// The words of the verb.
fn verb(matches: &clap::ArgMatches) -> Vec<String> {
    let below = std::iter::successors(matches.subcommand(), |(_, matches)| matches.subcommand());
    below.map(|(name, _)| name.to_owned()).collect()
}

/// Runs one verb. What it gives is the exit code; a failure is printed by the caller.
fn dispatch(Arguments { global, verb }: Arguments, voice: Voice) -> Result<u8, Failure> {
    let at = match &global.at {
        Some(text) => text.parse().map_err(|_| {
            Failure::new(Kind::Usage, format!("--at {text:?} is not a time such as 2026-11-24T12:00:00Z"))
        })?,
        None => Timestamp::now(),
    };
    match verb {
        Verb::Send(arguments) => send::run(*arguments, &global, at, voice),
        Verb::Seal(arguments) => seal::run(*arguments, &global, at, voice),
        Verb::Open(arguments) => open::run(&arguments, &global, at, voice),
        Verb::Key(verb) => key::run(verb, &global, at, voice),
        Verb::Cert(verb) => cert::run(verb, &global, at, voice),
        Verb::Completions { shell } => completions::run(shell, voice),
        Verb::Man { dir } => man::run(&dir, voice),
    }
}

/// The arguments before `--`, as they stand.
fn before_data() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::args_os().take_while(|argument| argument != "--")
}

/// Help and version go to stdout; everything else is a usage error.
fn refused(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::from(Kind::Io.exit()) };
    }
    let voice = Voice { json: before_data().any(|argument| argument == "--json"), quiet: false };
    let rendered = error.render().to_string();
    let fact = match error.kind() {
        // Clap answers with the whole help, which is no fact.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => "no verb is given".into(),
        _ => rendered.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").replace('\n', " "),
    };
    let words = before_data().skip(1).filter_map(|word| word.into_string().ok()).filter(|word| !word.starts_with('-'));
    let failure = Failure::new(Kind::Usage, fact).or_help(grammar::verb_of(words));
    voice.fail(&failure, None);
    ExitCode::from(Kind::Usage.exit())
}
