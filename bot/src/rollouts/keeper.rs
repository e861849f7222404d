//! Keeps a lease while its deployment is worked on, and listens for a cancel.
//!
//! Invariant: [`Signals::lost`] fires before anybody else can have the lease: at the first answer
//! that says so, and at the latest when the lease has run out without having been renewed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shipline::engine::wait::pause;
use shipline::engine::{Cancel, clock};
use shipline::types::Timestamp;
use tracing::{debug, warn};

use super::kept::Kept;
use crate::store::{Deployment, StoreFailed};

/// How often a wish to cancel is looked for.
const LISTEN: Duration = Duration::from_secs(1);

/// What ends the work on a deployment.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// The process stops: hand the lease back after the current step.
    pub(super) stop: Cancel,
    /// The lease is lost: drop everything, somebody else goes on.
    pub(super) lost: Cancel,
    /// Somebody wants the deployment cancelled.
    pub(super) cancel: Cancel,
}

/// The end of what begins now and lasts so long, as a lease does.
pub fn until(now: Timestamp, long: Duration) -> Timestamp {
    now.checked_add(long).unwrap_or(Timestamp::MAX)
}

/// Renews every third of the lease until it is lost. Whoever ends the work drops this.
pub(super) async fn keep(kept: Arc<Kept>, lease: Duration, taken: Instant, signals: Signals) {
    let mut good_until = taken + lease;
    let mut renewed = taken;
    while !signals.lost.is_cancelled() {
        let now = clock::instant();
        if now >= renewed + lease / 3 {
            let at = clock::now();
            // Bounded: a database that hangs must not hide that the lease runs out.
            let renewal = tokio::time::timeout(lease / 3, kept.store.renew(&kept.lease, at, until(at, lease))).await;
            match renewal.unwrap_or_else(|_| Err(StoreFailed::Database("it does not answer".to_owned()))) {
                Ok(()) => {
                    renewed = now;
                    good_until = now + lease;
                }
                Err(StoreFailed::LeaseLost(_)) => {
                    warn!("the lease is lost: stopping at once");
                    signals.lost.cancel();
                }
                Err(error) => warn!(%error, "the lease could not be renewed, trying again"),
            }
        }
        if clock::instant() >= good_until {
            warn!("the lease has run out: stopping at once");
            signals.lost.cancel();
        }
        let _heard = tokio::time::timeout(lease / 3, listen(&kept, &signals)).await;
        pause(LISTEN.min(lease / 3), &signals.lost).await;
    }
}

async fn listen(kept: &Kept, signals: &Signals) {
    if signals.cancel.is_cancelled() {
        return;
    }
    match kept.store.deployment(kept.id()).await {
        Ok(Some(Deployment { cancel: Some(actor), .. })) => {
            kept.cancelled_by(actor);
            signals.cancel.cancel();
        }
        Ok(_) => {}
        // Asked again in a second.
        Err(error) => debug!(%error, "whether a cancel was asked for is not known"),
    }
}
