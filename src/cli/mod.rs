//! Layer 6: the grammar, one file for each verb; composition; words, JSON, hints and exit codes.

use std::process::ExitCode;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    ExitCode::from(70)
}
