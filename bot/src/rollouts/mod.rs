//! Deployments, carried out: claimed with a lease, driven by the same engine as the action, journaled
//! at every step, told on GitHub.
//!
//! Reading order: [`start`] (claim loop), `worker` (one deployment), `prepare` (policy → plan), `build`,
//! `images`, `back` and `putting_back` (what runs afterwards), `gating` (people say yes), `rolling` (the
//! drive), `steps` (people say yes in its middle), `ending`; `room` (how many at once); `keeper`, `kept`,
//! `journal` and `leased` hold the lease; `teller` and `reporter` speak to GitHub. Not here:
//! whether a deployment may run ([`crate::decision`]) and what comments say ([`crate::messages`]).
//!
//! Invariants: only a lease holder changes something, and whoever has lost the lease changes nothing
//! more; what may be under way is in the store before it begins; there is one way through, a crash
//! only makes it begin in its middle; waiting holds nothing; GitHub never decides how a rollout goes.

mod back;
mod build;
mod ending;
mod gating;
mod halt;
mod images;
mod journal;
mod keeper;
mod kept;
mod leased;
mod live;
mod opened;
mod prepare;
mod preview;
mod putting_back;
mod reporter;
mod rolling;
mod room;
mod steps;
mod teller;
mod telling;
mod wanted;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use shipline::engine::{Cancel, clock};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet, LocalSet};
use tracing::{Instrument as _, info, info_span, warn};

use crate::context::Bot;
use crate::store::Deployment;

pub use keeper::until;
pub use live::live;
pub use preview::preview;

/// How often it is looked for deployments that are due: their time came, a lease ran out, another
/// replica made them due. With short leases it is looked more often: whoever sets them wants that a
/// dead replica's deployments go on soon.
const LOOKS: Duration = Duration::from_secs(2);

/// Claims and works on deployments until `stop`; then hands back what it holds. The handle is done
/// when everything is handed back.
///
/// All of them share one thread of their own: they wait for others nearly all the time, and the
/// engine's futures stay where they were begun.
pub fn start(bot: Arc<Bot>, stop: Cancel) -> JoinHandle<()> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(LocalSet::new().run_until(claim(bot, stop))))
}

async fn claim(bot: Arc<Bot>, stop: Cancel) {
    let room = room::Room::new(bot.at_once);
    let mut running = JoinSet::new();
    let looks = LOOKS.min(bot.times.lease / 4);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = room.free() => {}
        }
        let now = clock::now();
        let claimed = bot.store.claim_deployment(&bot.worker, now, until(now, bot.times.lease)).await;
        match claimed {
            Ok(Some((deployment, lease))) => {
                let span = span(&deployment);
                let work = worker::work(Arc::clone(&bot), room.enter(), deployment, lease, stop.clone());
                running.spawn_local(work.instrument(span));
                continue;
            }
            Ok(None) => {}
            Err(error) => warn!(%error, "deployments could not be claimed, trying again"),
        }
        while let Some(ended) = running.try_join_next() {
            told(ended);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            // Ours or somebody else's: the wait is over or its time is.
            _due = tokio::time::timeout(looks, bot.deployments_due.notified()) => {}
        }
    }
    if !running.is_empty() {
        info!(deployments = running.len(), "stopping: handing back what is held");
    }
    while let Some(ended) = running.join_next().await {
        told(ended);
    }
}

/// A defect ends one deployment's work, never the loop: its lease runs out and it is tried again.
fn told(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        warn!(%error, "the work on a deployment ended with a defect");
    }
}

fn span(deployment: &Deployment) -> tracing::Span {
    let (id, asked) = (deployment.id, &deployment.asked);
    let (environment, repository) = (&asked.key.environment, &asked.repository.name);
    // The phase stands on the event of its change: a span field that is recorded again is written again
    // on every line.
    info_span!("rollout", deployment_id = %id, %environment, %repository)
}

#[cfg(test)]
mod tests;
