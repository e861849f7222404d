//! Waiting is one function: [`until`], and [`pause`] where there is nothing to look at. There is no
//! other sleep in the program.
//!
//! Invariants: the first look happens at once; a pass never waits beyond the deadline; a cancel
//! ends the wait at once, between looks and during them.

use std::time::{Duration, Instant};

use super::{Cancel, clock};

/// How long to pause between looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first look.
    pub first: Duration,
    /// The longest pause while all goes well.
    pub most: Duration,
    /// The longest pause while the provider asks us to slow down.
    pub throttled: Duration,
}

impl Backoff {
    /// For deployments: at most a second and a half behind the truth, and for one service less than a
    /// tenth of what ECS refills a second (20 calls for Describe and List, AWS "Request throttling for
    /// the Amazon ECS API").
    pub const DEPLOYMENT: Self = Self {
        first: Duration::from_millis(250),
        most: Duration::from_millis(1500),
        throttled: Duration::from_secs(10),
    };

    fn next(self, pause: Duration, look: &Look) -> Duration {
        match look {
            Look::Again => pause.mul_f64(1.5).clamp(self.first, self.most),
            Look::SlowDown => (pause * 2).clamp(self.most, self.throttled),
        }
    }
}

enum Look {
    Again,
    SlowDown,
}

/// What one look says.
#[derive(Debug)]
pub enum Seen<T> {
    /// The wait is over.
    Ready(T),
    /// Not yet.
    NotYet,
    /// Not yet, and the provider asks for fewer calls.
    Throttled,
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// With what was waited for.
    Ready(T),
    /// The deadline passed.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

/// Looks until there is something to return, the deadline passes or the cancel fires.
pub async fn until<T, F>(deadline: Option<Instant>, backoff: Backoff, cancel: &Cancel, mut observe: F) -> Waited<T>
where
    F: AsyncFnMut() -> Seen<T>,
{
    let mut length = backoff.first;
    loop {
        let seen = tokio::select! {
            biased;
            () = cancel.cancelled() => return Waited::Cancelled,
            seen = observe() => seen,
        };
        let look = match seen {
            Seen::Ready(value) => return Waited::Ready(value),
            Seen::NotYet => Look::Again,
            Seen::Throttled => Look::SlowDown,
        };
        let left = deadline.map(|deadline| deadline.saturating_duration_since(clock::instant()));
        if left.is_some_and(|left| left.is_zero()) {
            return Waited::TimedOut;
        }
        // A cancel meanwhile is seen before the next look.
        pause(left.map_or(length, |left| length.min(left)), cancel).await;
        length = backoff.next(length, &look);
    }
}

/// Waits that long, or until the cancel fires.
pub async fn pause(length: Duration, cancel: &Cancel) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = slept(length) => {}
    }
}

#[expect(clippy::disallowed_methods, reason = "the one sleep of the program")]
async fn slept(length: Duration) {
    tokio::time::sleep(length).await;
}
