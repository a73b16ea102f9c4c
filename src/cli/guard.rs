//! What protects the process as a whole: no core dumps; a defect ends with exit 70, never with a trace of data, and
//! want of memory with exit 71.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use super::{exit::Kind, failure::Failure, voice::Voice};
use crate::ffi;

/// Raises the guards; what the system refuses is left as it was.
pub fn raise(voice: Voice) {
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    let _ = setrlimit(Resource::Core, limit);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let exhausted = Failure::new(Kind::System, "the system gives no more memory; nothing more was sent or written");
    ffi::set_last_words(exhausted.kind.exit(), voice.failure(&exhausted, None));
    std::panic::set_hook(Box::new(move |defect| {
        // The message of a panic may quote data: the place alone is told.
        let place = defect.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let text = format!("a defect of sealpost, at {place}; nothing more was sent or written");
        voice.fail(&Failure::new(Kind::Bug, text), None);
        std::process::exit(i32::from(Kind::Bug.exit()));
    }));
}
