//! What protects the process as a whole: no core dumps, and a defect ends with exit 70, never with a trace of data.

use std::io::Write;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use super::exit::Kind;

/// Raises the guards; what the system refuses is left as it was.
pub fn raise() {
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    let _ = setrlimit(Resource::Core, limit);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    std::panic::set_hook(Box::new(|defect| {
        // The message of a panic may quote data: the place alone is told.
        let place = defect.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let _ =
            writeln!(std::io::stderr(), "sealpost: a defect of sealpost, at {place}; nothing more was sent or written");
        std::process::exit(i32::from(Kind::Bug.exit()));
    }));
}
