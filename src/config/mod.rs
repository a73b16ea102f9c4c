//! Layer 5: config.toml, recipients.toml, environment and flags, into typed settings.
