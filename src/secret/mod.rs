//! Layer 4: where passwords and passphrases come from.
