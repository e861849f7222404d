//! Hands stored deliveries to their handlers: several lanes at once, each lane in its order.
//!
//! A delivery that fails is tried again after growing pauses and at last put aside with the reason,
//! where `shipline_queue_parked` shows it. Invariants: a claim is renewed as long as its work goes
//! on, and work stops when it is lost; a panic is a failure of one delivery, not of the bot; a dead
//! process's deliveries are free again after one lease; nothing is claimed after the stop.

mod retry;
mod work;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use shipline::engine::{Cancel, clock};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet, LocalSet};

use crate::context::Bot;
use crate::handlers::{self, HandlerFailed};
use crate::metrics::Metrics;
use crate::store::{Claimed, Store};
use crate::types::WorkerId;

/// Does the work of one delivery. It stays on the inbox's thread.
pub type Handler = Arc<dyn Fn(Arc<Claimed>) -> LocalBoxFuture<'static, Result<(), HandlerFailed>> + Send + Sync>;

/// How the inbox works.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Lanes at once.
    pub lanes: usize,
    /// How long a claim holds without being renewed.
    pub claim: Duration,
    /// How long one try may take.
    pub within: Duration,
    /// How often it looks without being woken: for deliveries of other replicas and second tries.
    pub look: Duration,
    /// How long work that is going on at the stop may take.
    pub last: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lanes: 16,
            claim: Duration::from_secs(15),
            within: Duration::from_mins(2),
            look: Duration::from_secs(1),
            last: Duration::from_secs(7),
        }
    }
}

/// How long deliveries that are done are remembered: longer than GitHub offers to send them again.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
/// How often old ones are forgotten.
const FORGET: Duration = Duration::from_hours(1);

/// The inbox of one process.
pub struct Inbox {
    store: Store,
    worker: WorkerId,
    metrics: Metrics,
    wake: Arc<Notify>,
    pace: Pace,
    handler: Handler,
}

/// Works on deliveries until the stop; the handle is done when the last one was ended or handed back.
pub fn start(bot: &Arc<Bot>, stop: &Cancel) -> JoinHandle<()> {
    let pace = Pace { claim: bot.times.lease, ..Pace::default() };
    let handler: Handler = {
        let bot = Arc::clone(bot);
        Arc::new(move |claimed| {
            let bot = Arc::clone(&bot);
            async move { handlers::handle(&bot, &claimed).await }.boxed_local()
        })
    };
    let (worker, wake) = (bot.worker.clone(), Arc::clone(&bot.deliveries_due));
    Inbox::new(bot.store.clone(), worker, bot.metrics.clone(), wake, pace, handler).start(stop.clone())
}

impl Inbox {
    /// An inbox over this store.
    pub fn new(
        store: Store,
        worker: WorkerId,
        metrics: Metrics,
        wake: Arc<Notify>,
        pace: Pace,
        handler: Handler,
    ) -> Self {
        Self { store, worker, metrics, wake, pace, handler }
    }

    /// Works until the stop. All deliveries share one thread of their own: they wait for others
    /// nearly all the time, and what they call of the engine stays where it was begun.
    pub fn start(self, stop: Cancel) -> JoinHandle<()> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(LocalSet::new().run_until(self.run(&stop))))
    }

    async fn run(self, stop: &Cancel) {
        let inbox = Arc::new(self);
        let mut working = JoinSet::new();
        let mut forget_at = clock::instant();
        while !stop.is_cancelled() {
            if clock::instant() >= forget_at {
                forget_at = clock::instant() + FORGET;
                inbox.forget().await;
            }
            let more = inbox.fill(&mut working).await;
            let woken = async {
                match more {
                    // Every lane is busy, or the store failed: an end or the time is waited for.
                    Next::Wait => tokio::time::timeout(inbox.pace.look, stop.cancelled()).await.is_ok(),
                    Next::Wake => tokio::time::timeout(inbox.pace.look, inbox.wake.notified()).await.is_ok(),
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(_) = working.join_next() => {
                    // Ends that came together are answered with one claim.
                    while working.try_join_next().is_some() {}
                }
                _ = woken => {}
            }
        }
        let left = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(inbox.pace.last, left).await.is_err() {
            // Their claims run out, and somebody else goes on.
            tracing::warn!(deliveries = working.len(), "stopped in the middle of deliveries");
            working.abort_all();
        }
    }

    /// Claims as much as there are free lanes.
    async fn fill(self: &Arc<Self>, working: &mut JoinSet<()>) -> Next {
        let free = self.pace.lanes.saturating_sub(working.len());
        if free == 0 {
            return Next::Wait;
        }
        let now = clock::now();
        match self.store.claim_deliveries(&self.worker, now, now + self.pace.claim, free).await {
            Ok(claimed) => {
                for claimed in claimed {
                    let inbox = Arc::clone(self);
                    working.spawn_local(async move { inbox.work(Arc::new(claimed)).await });
                }
                Next::Wake
            }
            Err(failure) => {
                tracing::error!(%failure, "no deliveries could be claimed");
                Next::Wait
            }
        }
    }

    async fn forget(&self) {
        let now = clock::now();
        match self.store.forget_deliveries(now - REMEMBERED).await {
            Ok(0) => {}
            Ok(deliveries) => tracing::info!(deliveries, "old deliveries forgotten"),
            Err(failure) => tracing::warn!(%failure, "old deliveries could not be forgotten"),
        }
    }
}

/// What to wait for.
enum Next {
    /// A lane, or some time.
    Wait,
    /// A delivery.
    Wake,
}

#[cfg(test)]
mod tests;
