//! Layer 4: certificates and keys at rest.
