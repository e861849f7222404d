//! The way of a deployment through its lifecycle stages, and production and test traffic on it.
//!
//! Blue/green, linear and canary deployments run both revisions at full scale until `CLEAN_UP`
//! and move traffic by weights; `PRE_PRODUCTION_TRAFFIC_SHIFT` and `PRODUCTION_TRAFFIC_SHIFT` come
//! at every step, and the wait after a step is part of the latter. A rolling update enters only
//! the stages before and after `SCALE_UP` that have hooks. The first deployment of a service has
//! no traffic to move: it goes like a rolling one.
//!
//! Where the documentation is silent the model chooses: that the circuit breaker watches every
//! strategy (some pages name it for rolling updates alone, others do not), which revision `RECONCILE_SERVICE` keeps
//! beside the new one (that of the last successful deployment), and which stage a rollback shows
//! (`PRODUCTION_TRAFFIC_SHIFT`, whose hooks it runs again).

use super::definition::Definitions;
use super::deployment::Status;
use super::hook;
use super::service::{Rollout, Service};
use super::stage::Stage;
use super::task::{Stop, TaskStatus};
use crate::behaviour::Behaviour;
use crate::env::Env;
use crate::reply::Millis;

/// The share of traffic of one revision, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Weights {
    pub(crate) production: f64,
    pub(crate) test: f64,
}

impl Weights {
    pub(crate) const ALL: Self = Self { production: 100.0, test: 100.0 };
}

impl Service {
    /// PENDING → `IN_PROGRESS`, and the first stage.
    pub(crate) fn begin(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let deployment = &mut self.deployments[index];
        deployment.moved(Status::InProgress, at);
        deployment.started = Some(at);
        let several = deployment.sources.len() > 1;
        if several && deployment.shifts.is_none() && self.is_split() {
            self.reconcile(index, at, definitions, env);
        }
        let first = if several { Stage::ReconcileService } else { Stage::PreScaleUp };
        self.enter_from(index, first, at, definitions, env);
    }

    /// Goes on to the next stage.
    pub(crate) fn proceed(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let deployment = &self.deployments[index];
        let next = deployment.stage.next(deployment.shifts.as_ref(), deployment.shifted);
        self.enter_from(index, next, at, definitions, env);
    }

    /// The end of a stage that waited for nothing, or for time, or for hooks.
    pub(crate) fn leave(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        if self.deployments[index].stage == Stage::ReconcileService {
            self.reconcile(index, at, definitions, env);
        }
        self.proceed(index, at, definitions, env);
    }

    /// Enters that stage, or the first one after it that this deployment has.
    fn enter_from(&mut self, index: usize, first: Stage, at: Millis, definitions: &Definitions, env: &mut Env) {
        let mut stage = first;
        let deployment = &mut self.deployments[index];
        let shifts = deployment.shifts.as_ref();
        let has = |stage: Stage| {
            shifts.is_some()
                || matches!(stage, Stage::ScaleUp | Stage::CleanUp)
                || (!deployment.sources.is_empty()
                    && !hook::at_stage(deployment.configuration.as_ref(), stage).is_empty())
        };
        while !has(stage) {
            stage = stage.next(shifts, deployment.shifted);
        }
        deployment.stage = stage;
        deployment.updated = at;
        deployment.hooks.clear();
        match stage {
            Stage::ScaleUp => return self.launch_attempt(index, at, definitions, env),
            Stage::CleanUp => return self.clean_up(index, at, env),
            Stage::TestTrafficShift => {
                if let Behaviour::Unshiftable { message } = &deployment.rule.behaviour {
                    let why = "Service deployment rolled back because of invalid networking configuration.";
                    deployment.reason = Some(format!("{why} {message}"));
                    return self.begin_rollback(index, at, definitions, env);
                }
                let target = deployment.rollout.clone();
                self.shift_test(&target);
            }
            Stage::ProductionTrafficShift => {
                let weight = shifts.and_then(|shifts| shifts.weights.get(deployment.shifted)).copied();
                deployment.shifted += 1;
                let target = deployment.rollout.clone();
                self.shift_production(&target, weight.unwrap_or(100.0));
            }
            _ => {}
        }
        self.run_hooks(index, at, env);
        let stays = self.stays(index, env);
        self.after_hooks(index, at + stays);
    }

    /// How long a stage takes by itself.
    fn stays(&self, index: usize, env: &Env) -> Millis {
        let deployment = &self.deployments[index];
        let least = env.ms(None, env.timing.stage_ms);
        let Some(shifts) = &deployment.shifts else { return least };
        match deployment.stage {
            Stage::ProductionTrafficShift if deployment.shifted < shifts.weights.len() => {
                least.max(env.timing.minutes(shifts.between))
            }
            Stage::BakeTime => env.timing.minutes(shifts.bake),
            _ => least,
        }
    }

    /// The rollout that a new deployment takes traffic from: that of the last successful
    /// deployment, or else the one with most traffic.
    pub(crate) fn serving(&self) -> Option<&Rollout> {
        let good = self.rollouts.iter().find(|known| self.good.as_ref() == Some(&known.revision));
        good.or_else(|| {
            let most = |a: &&Rollout, b: &&Rollout| a.weights.production.total_cmp(&b.weights.production);
            self.rollouts.iter().max_by(most)
        })
    }

    /// Whether more than one revision has production traffic.
    fn is_split(&self) -> bool {
        self.rollouts.iter().filter(|known| known.weights.production > 0.0).count() > 1
    }

    /// Ends what a deployment that was superseded left: one revision stays beside the new one.
    fn reconcile(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let target = self.deployments[index].rollout.clone();
        let stays = self.rollouts.iter().filter(|known| known.id != target);
        let good = stays.clone().find(|known| self.good.as_ref() == Some(&known.revision));
        let Some(keep) = good.or_else(|| stays.clone().next()).map(|known| known.id.clone()) else { return };
        self.all_traffic_to(&keep);
        let others: Vec<String> = self.rollouts.iter().map(|known| known.id.clone()).collect();
        for other in others.into_iter().filter(|id| *id != target && *id != keep) {
            let stop = Stop::plain(
                "ServiceSchedulerInitiated",
                format!("Scaling activity initiated by (deployment {target})"),
            );
            let ids = self.stop_tasks(&other, usize::MAX, at, &stop, definitions);
            if !ids.is_empty() {
                self.event(at, &format!("has stopped {} running tasks.", ids.len()), env);
            }
            self.rollouts.retain(|known| known.id != other);
        }
    }

    fn shift_test(&mut self, target: &str) {
        for known in &mut self.rollouts {
            known.weights.test = if known.id == target { 100.0 } else { 0.0 };
        }
    }

    /// Gives a rollout that share; the others share the rest as they did.
    fn shift_production(&mut self, target: &str, share: f64) {
        let rest: f64 = self.rollouts.iter().filter(|known| known.id != target).map(|old| old.weights.production).sum();
        for known in &mut self.rollouts {
            known.weights.production = if known.id == target {
                share
            } else if rest > 0.0 {
                (known.weights.production * (100.0 - share) / rest * 10.0).round() / 10.0
            } else {
                0.0
            };
        }
    }

    /// All traffic, of production and of tests, to one rollout.
    pub(crate) fn all_traffic_to(&mut self, rollout: &str) {
        for known in &mut self.rollouts {
            known.weights = if known.id == rollout { Weights::ALL } else { Weights::default() };
        }
    }

    /// Who production requests go to, and with which weight. Where a strategy moves traffic, its
    /// weights; elsewhere every healthy task counts alike.
    pub(crate) fn traffic(&self) -> Vec<(&Rollout, f64)> {
        let weighed = self.deployments.first().is_some_and(|newest| newest.shifts.is_some());
        let weight = |known: &Rollout| {
            if weighed { known.weights.production } else { f64::from(self.healthy(&known.id)) }
        };
        self.rollouts.iter().map(|known| (known, weight(known))).filter(|(_, weight)| *weight > 0.0).collect()
    }

    /// The same for test requests; where there is no test traffic they go where others do.
    pub(crate) fn test_traffic(&self) -> Vec<(&Rollout, f64)> {
        let tested = self.rollouts.iter().find(|known| known.weights.test > 0.0);
        tested.map_or_else(|| self.traffic(), |known| vec![(known, known.weights.test)])
    }

    /// Tasks of a rollout that answer requests.
    pub(crate) fn healthy(&self, rollout: &str) -> u32 {
        let of = |task: &&super::Task| {
            task.started_by.as_deref() == Some(rollout)
                && task.status == TaskStatus::Running
                && task.verdict == super::Verdict::Good
        };
        u32::try_from(self.tasks.iter().filter(of).count()).unwrap_or(u32::MAX)
    }
}
