//! Tests of the suite.

pub(super) mod authority;
mod certificates;
mod chains;
mod ocsp;
