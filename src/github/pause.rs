//! A pause between two tries, never beyond a deadline.

use std::time::{Duration, Instant};

use crate::engine::wait::pause;
use crate::engine::{Cancel, clock};

/// Waits, unless the wait would end after the deadline; says whether it waited.
pub async fn sleep_before(deadline: Instant, wait: Duration) -> bool {
    if clock::instant() + wait > deadline {
        return false;
    }
    pause(wait, &Cancel::new()).await;
    true
}
