//! The one place that reads the clock; everybody else is given the time.

use std::time::Instant;

use crate::types::Timestamp;

/// The time of day, for records and people.
#[expect(clippy::disallowed_methods, reason = "this is the shell that reads the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The steady clock, for deadlines and durations.
#[expect(clippy::disallowed_methods, reason = "this is the shell that reads the clock")]
pub fn instant() -> Instant {
    Instant::now()
}
