//! What one who speaks to GitHub has left, and has to keep to.
//!
//! Requests an hour are counted by GitHub and told with every answer. What makes or changes content
//! is counted here, too: GitHub allows 80 a minute and 500 an hour, one after another, and answers
//! whoever does not keep to it with ever longer bans.
//!
//! Invariants: nothing is sent while GitHub wants a pause; a wait that would outlast the deadline is a
//! `github-limited` problem at once, which says when to come back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shipline::engine::clock;
use shipline::github::{Effect, Request, Seen, Turn, limited, sleep_before};
use shipline::problem::Problem;
use tokio::sync::Mutex as Queue;

use super::Budget;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Writes in a minute and in an hour (GitHub, "About secondary rate limits").
const A_MINUTE: usize = 80;
const AN_HOUR: usize = 500;

/// The limits of one installation, or of the App itself.
#[derive(Default)]
pub(super) struct Limits {
    state: Mutex<State>,
    writers: Arc<Queue<()>>,
}

#[derive(Default)]
struct State {
    /// No request before then.
    closed: Option<Instant>,
    /// No request against one of the hourly limits before then.
    spent: BTreeMap<String, Instant>,
    budgets: BTreeMap<String, Budget>,
    pace: Pace,
}

/// When something was written in the last hour, oldest first.
#[derive(Default)]
struct Pace(VecDeque<Instant>);

impl Pace {
    /// When the next write keeps to the limits.
    fn next(&mut self, now: Instant) -> Instant {
        while self.0.front().is_some_and(|&first| now.saturating_duration_since(first) >= HOUR) {
            self.0.pop_front();
        }
        let after = |most: usize, span| self.0.len().checked_sub(most).map(|from| self.0[from] + span);
        [after(A_MINUTE, MINUTE), after(AN_HOUR, HOUR)].into_iter().flatten().fold(now, Instant::max)
    }

    fn note(&mut self, now: Instant) {
        self.0.push_back(now);
    }
}

impl Limits {
    /// Waits until a request may be sent.
    pub(super) async fn admit(&self, request: &Request, deadline: Instant) -> Result<Turn, Problem> {
        let writes = request.does() == Effect::Writes;
        let turn = if writes { self.alone(request, deadline).await? } else { Turn::free() };
        loop {
            let now = clock::instant();
            let open = self.open_at(request.resource(), writes, now);
            if open <= now {
                return Ok(turn);
            }
            if !sleep_before(deadline, open - now).await {
                return Err(limited(request.doing(), "it asked for a pause that is not over", open - now));
            }
        }
    }

    async fn alone(&self, request: &Request, deadline: Instant) -> Result<Turn, Problem> {
        let waiting = Arc::clone(&self.writers).lock_owned();
        match tokio::time::timeout_at(deadline.into(), waiting).await {
            Ok(held) => Ok(Turn::alone(held)),
            Err(_) => Err(limited(request.doing(), "too much else is being written", Duration::from_secs(5))),
        }
    }

    /// When a request may be sent; one that may be sent now and writes is counted.
    fn open_at(&self, resource: &str, writes: bool, now: Instant) -> Instant {
        let mut state = self.state();
        let mut open = now;
        open = state.closed.map_or(open, |closed| open.max(closed));
        open = state.spent.get(resource).map_or(open, |&spent| open.max(spent));
        if writes {
            open = open.max(state.pace.next(now));
            if open <= now {
                state.pace.note(now);
            }
        }
        open
    }

    /// What an answer told.
    pub(super) fn seen(&self, seen: &Seen<'_>) {
        let mut state = self.state();
        let now = clock::instant();
        let resource = seen.resource.unwrap_or("core").to_owned();
        if let (Some(remaining), Some(reset)) = (seen.remaining, seen.reset) {
            if remaining == 0 {
                let left = u64::try_from(reset - clock::now().as_second() + 1).unwrap_or(0);
                // No limit is longer than an hour: a clock that is wrong must not close us for longer.
                state.spent.insert(resource.clone(), now + Duration::from_secs(left).min(HOUR));
            } else {
                state.spent.remove(&resource);
            }
            state.budgets.insert(resource, Budget { remaining, reset });
        }
        // A spent hour closes its own limit only; everything else GitHub limits concerns all requests.
        if let Some(wait) = seen.limited.filter(|_| seen.remaining != Some(0)) {
            state.closed = state.closed.max(Some(now + wait.min(HOUR)));
        }
    }

    /// The scarcest of the hourly limits that are not over.
    pub(super) fn budget(&self) -> Option<Budget> {
        let now = clock::now().as_second();
        let state = self.state();
        state.budgets.values().filter(|budget| budget.reset > now).min_by_key(|budget| budget.remaining).copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_writes_fit_into_a_minute_and_five_hundred_into_an_hour() {
        let start = clock::instant();
        let mut pace = Pace::default();
        for _ in 0..80 {
            assert_eq!(pace.next(start), start);
            pace.note(start);
        }
        assert_eq!(pace.next(start), start + MINUTE, "the 81st waits for the first to be a minute old");
        let mut now = start;
        for n in 80..500_u32 {
            now = pace.next(now);
            assert_eq!(now, start + MINUTE * (n / 80));
            pace.note(now);
        }
        assert_eq!(pace.next(now), start + HOUR, "the 501st waits for the first to be an hour old");
        assert_eq!(pace.next(start + HOUR), start + HOUR);
        assert_eq!(pace.0.len(), 420, "what is older than an hour is forgotten");
    }
}
