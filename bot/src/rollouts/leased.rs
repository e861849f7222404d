//! A target that only a lease holder can change.
//!
//! Before every changing call the lease is renewed: the store checks its fence. When it is lost the
//! call is not made and never answers; whoever drives drops it. When the process stops, changing
//! calls under way are finished and no further one begins.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use shipline::engine::wait::pause;
use shipline::engine::{
    Back, NotApplied, Past, Preparation, Sides, Sight, Target, TargetError, Targets, TaskSight, Tasks, Wish, clock,
};
use shipline::problem::Problem;
use shipline::redact::Redactor;
use shipline::rollout::{Cause, CauseCode, Pause, ServicePlan, Shift, TargetPlace, Task, Touched};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tracing::warn;

use super::keeper::{Signals, until};
use super::kept::Kept;
use crate::store::StoreFailed;

/// The pause before the lease is checked again.
const AGAIN: Duration = Duration::from_millis(200);

/// Lets changing calls through while the lease holds.
pub(super) struct Gate {
    kept: Arc<Kept>,
    lease: Duration,
    signals: Signals,
    /// Read while a changing call is under way; written by who waits until there is none.
    moving: RwLock<()>,
}

impl Gate {
    pub(super) fn new(kept: Arc<Kept>, lease: Duration, signals: Signals) -> Arc<Self> {
        Arc::new(Self { kept, lease, signals, moving: RwLock::new(()) })
    }

    /// Is done when no changing call is under way; none begins while the answer is held.
    pub(super) async fn quiet(&self) -> RwLockWriteGuard<'_, ()> {
        self.moving.write().await
    }

    /// Is done when a changing call may be made; never, when none may be made any more.
    async fn pass(&self) -> RwLockReadGuard<'_, ()> {
        let moving = self.moving.read().await;
        if self.signals.stop.is_cancelled() {
            drop(moving);
            return std::future::pending().await;
        }
        let deadline = clock::instant() + self.lease;
        while !self.signals.lost.is_cancelled() {
            let now = clock::now();
            match self.kept.store.renew(&self.kept.lease, now, until(now, self.lease)).await {
                Ok(()) => return moving,
                Err(StoreFailed::Database(why)) if clock::instant() < deadline => {
                    warn!(why, "the lease could not be checked before a change, trying again");
                    pause(AGAIN, &self.signals.lost).await;
                }
                Err(error) => {
                    warn!(%error, "a change was not made");
                    self.signals.lost.cancel();
                }
            }
        }
        drop(moving);
        std::future::pending().await
    }
}

/// A target behind the gate.
struct Leased {
    target: Arc<dyn Target>,
    gate: Arc<Gate>,
    redactor: Redactor,
}

/// What a program printed and a provider said, before it is kept: the journal is on a disk, too.
fn without_secrets(redactor: &Redactor, mut cause: Cause) -> Cause {
    let clean = |text: &mut String| *text = redactor.clean(text);
    clean(&mut cause.summary);
    cause.provider_says.iter_mut().for_each(clean);
    cause.facts.iter_mut().for_each(clean);
    cause.log.iter_mut().flat_map(|log| &mut log.lines).for_each(clean);
    cause
}

/// The targets behind the gate.
pub(super) fn leased(targets: Targets, gate: &Arc<Gate>, redactor: &Redactor) -> Targets {
    let behind =
        |target| -> Arc<dyn Target> { Arc::new(Leased { target, gate: Arc::clone(gate), redactor: redactor.clone() }) };
    targets.into_iter().map(|(name, target)| (name, behind(target))).collect()
}

#[async_trait]
impl Target for Leased {
    fn place(&self) -> TargetPlace {
        self.target.place()
    }

    async fn prepare(&self, wish: &Wish) -> Result<Preparation, TargetError> {
        self.target.prepare(wish).await
    }

    async fn apply(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        let _moving = self.gate.pass().await;
        self.target.apply(plan).await
    }

    async fn observe(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        self.target.observe(plan, shift).await
    }

    async fn go_on(&self, plan: &ServicePlan, shift: &Shift, pause: &Pause) -> Result<(), NotApplied> {
        let _moving = self.gate.pass().await;
        self.target.go_on(plan, shift, pause).await
    }

    async fn sides(&self, plan: &ServicePlan, shift: &Shift) -> Result<Option<Sides>, TargetError> {
        self.target.sides(plan, shift).await
    }

    async fn explain(&self, plan: &ServicePlan, shift: &Shift, seen: Cause) -> Cause {
        without_secrets(&self.redactor, self.target.explain(plan, shift, seen).await)
    }

    async fn revert(&self, plan: &ServicePlan, shift: Option<&Shift>) -> Result<Back, Box<Cause>> {
        let _moving = self.gate.pass().await;
        self.target.revert(plan, shift).await
    }

    async fn past(&self) -> Result<Past, TargetError> {
        self.target.past().await
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        self.target.tasks().map(|_| self as &dyn Tasks)
    }
}

impl Leased {
    fn inner(&self) -> Result<&dyn Tasks, TargetError> {
        self.target.tasks().ok_or_else(|| {
            let what = "this target runs no one-off tasks any more";
            TargetError::Refused(Box::new(Problem::defect("no-tasks", what.to_owned())))
        })
    }
}

#[async_trait]
impl Tasks for Leased {
    async fn prepare_task(&self, command: &[String], plan: &ServicePlan) -> Result<Value, TargetError> {
        self.inner()?.prepare_task(command, plan).await
    }

    async fn start_task(&self, command: &[String], facts: &Value, key: &str) -> Result<Task, NotApplied> {
        let tasks = self.inner().map_err(|error| {
            let problem = Problem::from(error);
            NotApplied { cause: Cause::new(CauseCode::CallRefused, problem.what, problem.next), touched: Touched::No }
        })?;
        let _moving = self.gate.pass().await;
        tasks.start_task(command, facts, key).await
    }

    async fn observe_task(&self, task: &Task, facts: &Value) -> Result<TaskSight, TargetError> {
        Ok(match self.inner()?.observe_task(task, facts).await? {
            TaskSight::Failed(cause) => TaskSight::Failed(Box::new(without_secrets(&self.redactor, *cause))),
            TaskSight::Ended { log } => TaskSight::Ended {
                log: log.map(|mut log| {
                    log.lines.iter_mut().for_each(|line| *line = self.redactor.clean(line));
                    log
                }),
            },
            running @ TaskSight::Running { .. } => running,
        })
    }

    async fn stop_task(&self, task: Option<&Task>, facts: &Value, key: &str) -> Result<(), TargetError> {
        let _moving = self.gate.pass().await;
        self.inner()?.stop_task(task, facts, key).await
    }
}
