//! The `sealpost` program: run the command line, exit with its code.

#[global_allocator]
static MEMORY: sealpost::ffi::Memory = sealpost::ffi::Memory;

fn main() -> std::process::ExitCode {
    sealpost::cli::run()
}
