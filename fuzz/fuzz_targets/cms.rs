#![no_main]

#[path = "../entries.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::cms(bytes));
