//! One call for all who ask at the same time.
//!
//! What it is: [`Rounds`], the questions of one kind that several targets ask again and again. Who
//! asks goes aboard the round that has not left yet; its one call is answered to each. What it is
//! not: it remembers no answer and asks nothing by itself.
//!
//! Invariants: a round takes nobody aboard once its call may have begun, so no answer is older than
//! its question; nobody waits for a round that left before; a round is driven by those who wait for
//! it, so any of them may be dropped, and with the last one the call is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared, join_all};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::engine::target::FailureKind;
use crate::engine::wait::pause;
use crate::engine::{Cancel, ProviderFailure};

/// How rounds follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// How long the first aboard waits for the others.
    pub(super) gather: Duration,
    /// How long after the one before a round leaves that is not full.
    pub(super) apart: Duration,
}

/// After a provider asked for fewer calls: how long until the next, at first and at most.
const HELD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// What a call found, by what was asked for.
type Found<V> = Result<BTreeMap<String, V>, ProviderFailure>;
type Call<V> = Box<dyn Fn(Vec<String>) -> BoxFuture<'static, Found<V>> + Send + Sync>;
/// What each is answered; absent is what the provider does not know.
type Answer<V> = Result<Option<V>, ProviderFailure>;
type Answers<V> = Arc<BTreeMap<String, Answer<V>>>;
type Round<V> = Shared<BoxFuture<'static, Answers<V>>>;
type Awaited<V> = WeakShared<BoxFuture<'static, Answers<V>>>;

/// The rounds of one kind of question.
pub(super) struct Rounds<V>(Arc<Inner<V>>);

struct Inner<V> {
    call: Call<V>,
    /// How much one call may ask for.
    most: usize,
    pace: Pace,
    /// How many may ask at the same time: with all of them aboard there is nobody to wait for.
    members: AtomicUsize,
    state: Mutex<State<V>>,
}

struct State<V> {
    /// The newest round; it may have left.
    newest: Option<(Arc<Aboard>, Awaited<V>)>,
    times: Times,
}

impl<V: Clone + Send + Sync + 'static> Rounds<V> {
    /// Rounds of that call, which may ask for `most` at once.
    pub(super) fn new<C>(most: usize, pace: Pace, call: C) -> Self
    where
        C: Fn(Vec<String>) -> BoxFuture<'static, Found<V>> + Send + Sync + 'static,
    {
        let state = Mutex::new(State { newest: None, times: Times::default() });
        Self(Arc::new(Inner { call: Box::new(call), most, pace, members: AtomicUsize::new(0), state }))
    }

    /// One more who may ask at the same time as the others.
    pub(super) fn expect(&self) {
        self.0.members.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks, alone or with others, by a call that begins after this.
    pub(super) async fn ask(&self, key: &str) -> Answer<V> {
        let answers = self.aboard(key).await;
        answers.get(key).cloned().unwrap_or(Ok(None))
    }

    /// The round that has not left, or a new one.
    fn aboard(&self, key: &str) -> Round<V> {
        let mut state = self.0.state();
        if let Some((aboard, round)) = &state.newest
            && let Some(round) = round.upgrade()
            && aboard.join(key) == Joined::Yes
        {
            return round;
        }
        let aboard = Arc::new(Aboard::first(key));
        let round = Inner::round(Arc::clone(&self.0), Arc::clone(&aboard)).boxed().shared();
        state.newest = round.downgrade().map(|round| (aboard, round));
        round
    }
}

impl<V: Clone + Send + Sync + 'static> Inner<V> {
    async fn round(self: Arc<Self>, aboard: Arc<Aboard>) -> Answers<V> {
        self.gather(&aboard).await;
        let keys = aboard.leave();
        self.state().times.left = Some(Instant::now());
        let asked = join_all(keys.chunks(self.most).map(|some| self.asked(some))).await;
        let answers: BTreeMap<String, Answer<V>> = asked.into_iter().flatten().collect();
        let throttled = |answer: &Answer<V>| matches!(answer, Err(failure) if failure.kind == FailureKind::Throttled);
        let busy = answers.values().any(throttled);
        let mut state = self.state();
        if busy {
            state.times.throttled(Instant::now());
        } else {
            state.times.answered();
        }
        drop(state);
        Arc::new(answers)
    }

    /// Waits until the round may leave.
    async fn gather(&self, aboard: &Aboard) {
        let (opened, never) = (Instant::now(), Cancel::new());
        loop {
            let full = aboard.count() >= self.members.load(Ordering::Relaxed);
            let leaves = self.state().times.leaves(opened, if full { Filled::Yes } else { Filled::No }, self.pace);
            let left = leaves.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = aboard.joined.notified() => {}
                () = pause(left, &never) => {}
            }
        }
    }

    /// One call; where it is refused, one for each: it may be refused for one of them alone.
    async fn asked(&self, keys: &[String]) -> Vec<(String, Answer<V>)> {
        let failure = match (self.call)(keys.to_vec()).await {
            Ok(mut found) => return keys.iter().map(|key| (key.clone(), Ok(found.remove(key)))).collect(),
            Err(failure) => failure,
        };
        if keys.len() == 1 || !may_be_of_one(failure.kind) {
            return keys.iter().map(|key| (key.clone(), Err(failure.clone()))).collect();
        }
        let each = keys.iter().map(async |key| {
            let answer = (self.call)(vec![key.clone()]).await.map(|mut found| found.remove(key));
            (key.clone(), answer)
        });
        join_all(each).await
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> fmt::Debug for Rounds<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rounds").field("most", &self.0.most).field("pace", &self.0.pace).finish_non_exhaustive()
    }
}

/// Whether a call for several may have been refused because of one of them.
fn may_be_of_one(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Denied | FailureKind::Missing | FailureKind::Rejected => true,
        FailureKind::Throttled | FailureKind::Unknown | FailureKind::Credentials | FailureKind::Unavailable => false,
    }
}

/// What a round is about to ask for; nothing any more once it has left.
#[derive(Debug)]
struct Aboard {
    keys: Mutex<Option<BTreeSet<String>>>,
    joined: Notify,
}

/// Whether a round could still be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    Yes,
    TooLate,
}

impl Aboard {
    fn first(key: &str) -> Self {
        Self { keys: Mutex::new(Some(BTreeSet::from([key.to_owned()]))), joined: Notify::new() }
    }

    fn join(&self, key: &str) -> Joined {
        let mut keys = self.keys();
        let Some(keys) = keys.as_mut() else { return Joined::TooLate };
        keys.insert(key.to_owned());
        self.joined.notify_one();
        Joined::Yes
    }

    fn count(&self) -> usize {
        self.keys().as_ref().map_or(0, BTreeSet::len)
    }

    fn leave(&self) -> Vec<String> {
        self.keys().take().into_iter().flatten().collect()
    }

    fn keys(&self) -> MutexGuard<'_, Option<BTreeSet<String>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When rounds leave: pure.
#[derive(Debug, Default)]
struct Times {
    /// When the one before left.
    left: Option<Instant>,
    /// Until when the provider wants no call, and how long that is.
    held: Option<(Instant, Duration)>,
}

/// Whether all who may ask are aboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    Yes,
    No,
}

impl Times {
    /// When a round leaves that was opened then.
    fn leaves(&self, opened: Instant, filled: Filled, pace: Pace) -> Instant {
        let gathered = match filled {
            Filled::Yes => opened,
            Filled::No => self.left.map_or(opened, |left| left + pace.apart).max(opened + pace.gather),
        };
        self.held.map_or(gathered, |(until, _)| gathered.max(until))
    }

    fn throttled(&mut self, now: Instant) {
        let (first, most) = HELD;
        let length = self.held.map_or(first, |(_, length)| (length * 2).min(most));
        self.held = Some((now + length, length));
    }

    fn answered(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests;
