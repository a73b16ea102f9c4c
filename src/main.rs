//! The `sealpost` program: run the command line, exit with its code.

fn main() -> std::process::ExitCode {
    sealpost::cli::run()
}
