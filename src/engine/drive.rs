//! The drive loop: phase → effects → events → phase, until done.
//!
//! There is one loop for the first run, for a resumed one and for the way back. Follow effects only
//! read and may be dropped at any time; effects that change a target are always awaited, and the
//! next one for the same service starts only after them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tracing::{debug, info, warn};

use super::{Alarms, Cancel, Gates, Journal, JournalFailed, News, Reporter, Target, clock, effects};
use crate::rollout::{Effect, Entry, Event, Phase, Plan};
use crate::types::ServiceName;

/// The targets of a plan's services.
pub type Targets = BTreeMap<ServiceName, Arc<dyn Target>>;

/// What a rollout runs on.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The targets of the plan's services, and of its hooks.
    pub targets: &'a Targets,
    /// Where the plan's alarms are kept; needed when it has any.
    pub alarms: Option<&'a dyn Alarms>,
    /// Who may decide at a gate; without them what nobody decides goes back when its time is over.
    pub gates: Option<&'a dyn Gates>,
    /// What no other run of any plan is called: no task of a hook is started twice under it.
    pub run: &'a str,
}

/// How long the engine takes for what the provider does not bound.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// After a cancel: how long the way back may be asked for before the run ends with
    /// [`Driven::Interrupted`]. GitHub's runner sends SIGTERM 7.5 s after SIGINT.
    pub after_cancel: Duration,
    /// How long finding the cause of a failure may hold the way back up.
    pub explain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { after_cancel: Duration::from_secs(6), explain: Duration::from_secs(4) }
    }
}

/// How a run of the loop ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Driven {
    /// The rollout is done.
    Finished(Phase),
    /// Cancelled: the way back was asked for as far as time allowed, and is not proven.
    Interrupted(Phase),
}

impl Driven {
    /// Where the rollout stands.
    pub fn phase(&self) -> &Phase {
        match self {
            Self::Finished(phase) | Self::Interrupted(phase) => phase,
        }
    }
}

/// Runs a plan to its end, from the beginning or from the journal's last entry.
pub async fn drive(
    plan: &Plan,
    parts: Parts<'_>,
    journal: &dyn Journal,
    reporter: &dyn Reporter,
    cancel: &Cancel,
    limits: Limits,
) -> Result<Driven, JournalFailed> {
    let mut log = Log { journal, next: 0 };
    let mut phase = if let Some(entry) = journal.last().await? {
        log.next = entry.sequence + 1;
        entry.phase
    } else {
        let first = Phase::first(plan);
        log.write(None, &first).await?;
        first
    };
    reporter.tell(&News::Began { plan, phase: &phase });

    let shell = effects::Shell { plan, parts, reporter, limits };
    let mut running = FuturesUnordered::new();
    let mut known: BTreeMap<u64, (Effect, Cancel)> = BTreeMap::new();
    let mut next_id = 0_u64;
    let mut give_up: Option<Instant> = None;

    loop {
        let due = phase.effects(plan);
        drop_stale_reads(&mut known, &due);
        for effect in due {
            if known.values().any(|(other, _)| *other == effect || (other.mutates() && same_thing(other, &effect))) {
                continue;
            }
            let stop = Cancel::new();
            known.insert(next_id, (effect.clone(), stop.clone()));
            let state = effects::state_of(&effect, &phase);
            let shell = &shell;
            let id = next_id;
            running.push(async move { (id, shell.run(effect, state, stop).await) });
            next_id += 1;
        }
        if phase.outcome().is_some() && known.is_empty() {
            return Ok(Driven::Finished(phase));
        }

        let event = tokio::select! {
            biased;
            () = cancel.cancelled(), if give_up.is_none() => {
                give_up = Some(clock::instant() + limits.after_cancel);
                info!("cancelled: taking back what this deployment changed");
                Some(Event::CancelRequested)
            }
            Some((id, event)) = running.next() => {
                if known.remove(&id).is_some() { event } else { None }
            }
            () = reached(give_up) => return Ok(Driven::Interrupted(phase)),
        };
        let Some(event) = event else { continue };
        phase = match phase.apply(event.clone(), plan) {
            Ok(phase) => phase,
            Err(unexpected) => {
                // A repeat or a straggler; the state machine has refused it and nothing is lost.
                debug!(event = ?unexpected.event, phase = unexpected.phase.word(), "ignored an event that does not fit");
                *unexpected.phase
            }
        };
        log.write(Some(event.clone()), &phase).await?;
        reporter.tell(&News::Moved { at: clock::now(), event: &event, phase: &phase });
    }
}

struct Log<'a> {
    journal: &'a dyn Journal,
    next: u64,
}

impl Log<'_> {
    async fn write(&mut self, event: Option<Event>, phase: &Phase) -> Result<(), JournalFailed> {
        let entry = Entry { sequence: self.next, at: clock::now(), event, phase: phase.clone() };
        if let Err(error) = self.journal.append(entry).await {
            warn!(%error, "stopping: without a journal a crash would forget what is under way");
            return Err(error);
        }
        self.next += 1;
        Ok(())
    }
}

/// Stops reading effects that nobody waits for any more.
fn drop_stale_reads(known: &mut BTreeMap<u64, (Effect, Cancel)>, due: &[Effect]) {
    known.retain(|_, (effect, stop)| {
        let keep = effect.mutates() || due.contains(effect);
        if !keep {
            stop.cancel();
        }
        keep
    });
}

/// Whether two effects are about the same service, or the same hook.
fn same_thing(one: &Effect, other: &Effect) -> bool {
    effects::subject(one).is_some() && effects::subject(one) == effects::subject(other)
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
