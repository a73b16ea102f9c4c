//! Whether certificates were revoked, where the settings have their authorities asked (RFC 6960).

use jiff::{SignedDuration, Timestamp};

use super::{composition::drive, failure::Failure};
use crate::{
    config::SmimeSettings,
    crypt::smime::{Authorities, Certificate},
    flow::revocation::{self, Standing},
    net::http::{Client, Reach},
};

/// By how much `--at` may lie behind the clock, and be now.
const NOW: SignedDuration = SignedDuration::from_mins(5);

/// What is known of each certificate, in order; none where nobody is to be asked.
pub fn ask(
    certificates: &[Certificate],
    authorities: impl FnOnce() -> Result<Authorities, Failure>,
    settings: &SmimeSettings,
    at: Timestamp,
) -> Result<Option<Vec<Standing>>, Failure> {
    // A responder says what is so now. With --at in the past a run is judged as it would have been then, of which no
    // answer speaks; and a run for a record must not depend on the network.
    if !settings.ocsp || is_past(at) || certificates.is_empty() {
        return Ok(None);
    }
    let authorities = authorities()?;
    let client = Client::new(if settings.ocsp_private { Reach::Private } else { Reach::Public });
    drive(revocation::ask(certificates, &authorities, &client, at)).map(Some)
}

/// Whether `--at` lies behind the clock.
pub fn is_past(at: Timestamp) -> bool {
    at.checked_add(NOW).is_ok_and(|at| at < Timestamp::now())
}
