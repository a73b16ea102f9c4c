//! Layer 4: where received messages come from; for now a file or standard input.
