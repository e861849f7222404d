//! A pause between two tries, never beyond a deadline.

use std::time::{Duration, Instant};

use crate::engine::wait::{Backoff, Seen, until};
use crate::engine::{Cancel, clock};

/// Waits, unless the wait would end after the deadline; says whether it waited.
pub async fn sleep_before(deadline: Instant, wait: Duration) -> bool {
    let end = clock::instant() + wait;
    if end > deadline {
        return false;
    }
    let once = Backoff { first: wait, most: wait, throttled: wait };
    until(Some(end), once, &Cancel::new(), async || Seen::<()>::NotYet).await;
    true
}
