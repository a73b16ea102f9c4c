//! Layer 5: one file for each job, a straight line over the adapters.

pub mod check;
pub mod find;
pub mod known;
pub mod open;
pub mod revocation;
pub mod send;
