//! Tests of the suite.

pub(super) mod authority;
mod chains;
