//! A pause between two tries.

use std::time::Duration;

use shipline::engine::wait::{self, Backoff, Seen};
use shipline::engine::{Cancel, clock};

/// Waits that long, or until the cancel fires.
pub(super) async fn pause(length: Duration, cancel: &Cancel) {
    let steady = Backoff { first: length, most: length, throttled: length };
    let deadline = Some(clock::instant() + length);
    let _waited = wait::until::<(), _>(deadline, steady, cancel, async || Seen::NotYet).await;
}
