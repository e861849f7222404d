//! The second half of the deployment state machine: failure detection, stops
//! and rollbacks.
//!
//! The target of a rollback is the service revision of the last successful
//! deployment. `StopServiceDeployment(ROLLBACK)` works whether or not the
//! service's own rollback is on.

use serde_json::{Value, json};

use super::Ecs;
use super::definition::Definitions;
use super::deployment::{Detector, RollbackInfo, Status, Step};
use super::gradual::Weights;
use super::service::{Rollout, RolloutState, Service};
use super::stage::Stage;
use super::task::{Stop, TaskStatus};
use super::update::OF_REVISION;
use crate::behaviour::{Behaviour, RollbackOutcome};
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, text};

impl Service {
    pub(crate) fn breaker_triggers(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let deployment = &mut self.deployments[index];
        deployment.triggered = true;
        let rollout = deployment.rollout.clone();
        let rolls_back = deployment.detectors.breaker == Detector::RollsBack;
        if let Some(known) = self.rollouts.iter_mut().find(|known| known.id == rollout) {
            known.fail(at, "ECS deployment circuit breaker: tasks failed to start.");
        }
        self.event(at, &format!("(deployment {rollout}) deployment failed: tasks failed to start."), env);
        if rolls_back {
            self.deployments[index].reason =
                Some("Service deployment rolled back because the circuit breaker threshold was exceeded.".to_owned());
            self.begin_rollback(index, at, definitions, env);
            return;
        }
        self.deployments[index].reason =
            Some("Service deployment stopped because the circuit breaker threshold was exceeded.".to_owned());
        self.deployments[index].moved(Status::Stopped, at);
        self.freeze(index);
    }

    /// The alarm of a rule, while the tasks of a rolling update start.
    pub(crate) fn alarm(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let deployment = &mut self.deployments[index];
        let Behaviour::Alarm { name, .. } = deployment.rule.behaviour.clone() else { return };
        if deployment.detectors.alarm == Detector::Off || !deployment.detectors.alarms.contains(&name) {
            deployment.next = Some((at, Step::Running));
            deployment.rule.behaviour = Behaviour::healthy();
            return;
        }
        self.alarm_fires(index, &name, at, definitions, env);
    }

    /// The first alarm of the newest deployment that goes off while it is watched, and when. An
    /// alarm that was in ALARM when the deployment was created is not watched by it.
    pub(crate) fn alarm_due(&self, env: &Env) -> Option<(Millis, String)> {
        let newest = self.deployments.first().filter(|newest| newest.status == Status::InProgress)?;
        let started = newest.started.filter(|_| newest.detectors.alarm != Detector::Off)?;
        let watched = |name: &String| newest.detectors.alarms.contains(name);
        let planted = newest.fires.clone().filter(|(_, name)| watched(name));
        let firing = env.firing.iter().filter(|(name, since)| watched(name) && **since >= newest.created);
        firing.map(|(name, since)| (started.max(*since), name.clone())).chain(planted).min()
    }

    /// A deployment alarm goes off.
    pub(crate) fn alarm_fires(
        &mut self,
        index: usize,
        name: &str,
        at: Millis,
        definitions: &Definitions,
        env: &mut Env,
    ) {
        let deployment = &mut self.deployments[index];
        deployment.alarm = Some(name.to_owned());
        deployment.next = None;
        let rollout = deployment.rollout.clone();
        let rolls_back = deployment.detectors.alarm == Detector::RollsBack;
        if let Some(known) = self.rollouts.iter_mut().find(|known| known.id == rollout) {
            known.fail(at, "ECS deployment failed: alarm detected.");
        }
        self.event(at, &format!("(deployment {rollout}) deployment failed: alarm detected."), env);
        if rolls_back {
            self.deployments[index].reason =
                Some(format!("Service deployment rolled back because CloudWatch alarm(s) {name} triggered."));
            self.begin_rollback(index, at, definitions, env);
            return;
        }
        self.deployments[index].reason =
            Some(format!("Service deployment stopped because CloudWatch alarm(s) {name} triggered."));
        self.deployments[index].moved(Status::Stopped, at);
        self.freeze(index);
    }

    /// → `ROLLBACK_IN_PROGRESS`: the last good revision is PRIMARY again.
    pub(crate) fn begin_rollback(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let good = self.good.clone();
        let known = good.and_then(|good| self.revisions.iter().find(|known| known.arn == good).cloned());
        let Some(revision) = known else {
            self.deployments[index].reason =
                Some("Service deployment rollback failed because no rollback candidate was found.".to_owned());
            self.deployments[index].moved(Status::RollbackFailed, at);
            let rollout = self.deployments[index].rollout.clone();
            if let Some(known) = self.rollouts.iter_mut().find(|known| known.id == rollout) {
                known.fail(at, "ECS deployment failed: there is no rollback candidate.");
            }
            // A program that ends by itself does not live on because its deployment is over.
            let behaviour = self.deployments[index].rule.behaviour.clone();
            let definition = self.rollouts.iter().find(|known| known.id == rollout);
            let definition = definition.and_then(|known| definitions.find(&known.definition));
            if let (Behaviour::Exits { .. } | Behaviour::OutOfMemory { .. }, Some(definition)) =
                (&behaviour, definition)
            {
                self.fail_live(&rollout, &behaviour, definition, at, env);
            }
            self.freeze(index);
            return;
        };
        let failed = self.deployments[index].rollout.clone();
        let (gradual, lost) = {
            let deployment = &mut self.deployments[index];
            let gradual = deployment.shifts.is_some();
            if gradual && deployment.shifted > 0 {
                deployment.stage = Stage::ProductionTrafficShift;
            }
            (gradual, deployment.rule.rollback == RollbackOutcome::Fails)
        };
        // Traffic first; where that fails, it stays as it is.
        let back = self.rollouts.iter().find(|known| known.revision == revision.arn).map(|known| known.id.clone());
        if let Some(back) = back.filter(|_| gradual && !lost) {
            self.all_traffic_to(&back);
        }
        self.freeze(index);
        let deployment = &mut self.deployments[index];
        deployment.moved(Status::RollbackInProgress, at);
        let reason = deployment.reason.clone();
        deployment.rollback = Some(RollbackInfo {
            reason: reason.unwrap_or_else(|| "Service deployment rolled back by a user request.".to_owned()),
            started: at,
            revision: revision.arn.clone(),
        });
        let (asked, outcome) = (deployment.rule.rollback_ms, deployment.rule.rollback);
        if outcome != RollbackOutcome::Stuck {
            deployment.next = Some((at + env.ms(asked, env.timing.rollback_ms), Step::EndRollback));
        }
        self.definition.clone_from(&revision.definition);
        for member in OF_REVISION {
            match revision.settings.get(member) {
                Some(value) => self.settings.insert(member.to_owned(), value.clone()),
                None => self.settings.shift_remove(member),
            };
        }
        let place = self.rollouts.iter().position(|old| old.revision == revision.arn);
        let mut primary = place.map_or_else(
            || Rollout {
                id: format!("ecs-svc/{}", env.ids.digits()),
                revision: revision.arn.clone(),
                definition: revision.definition.clone(),
                state: RolloutState::InProgress,
                reason: String::new(),
                failed: 0,
                desired: 0,
                created: at,
                updated: at,
                weights: Weights::default(),
                alternate: revision.alternate,
            },
            |place| self.rollouts.remove(place),
        );
        primary.state = RolloutState::InProgress;
        primary.reason = format!("ECS deployment circuit breaker: rolling back to deploymentId {}.", primary.id);
        primary.desired = self.desired;
        primary.updated = at;
        let id = primary.id.clone();
        self.rollouts.insert(0, primary);
        if let Some(known) = self.rollouts.iter_mut().find(|known| known.id == failed) {
            known.desired = 0;
            if known.state == RolloutState::InProgress {
                known.fail(at, "ECS deployment was stopped.");
            }
        }
        self.event(at, &format!("rolling back to deployment {id}."), env);
        let live = self.count(&id, TaskStatus::Running);
        if live < self.wanted() && outcome == RollbackOutcome::Succeeds {
            self.launch(&id, self.wanted() - live, at, definitions, env);
        }
    }

    pub(crate) fn end_rollback(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let Some(primary) = self.rollouts.first().map(|known| known.id.clone()) else { return };
        if self.deployments[index].rule.rollback == RollbackOutcome::Succeeds {
            self.all_traffic_to(&primary);
            self.settle_at(&primary, self.wanted(), at, definitions, env);
            self.drop_other_rollouts(&primary, at, definitions, env);
            if let Some(known) = self.rollouts.first_mut() {
                known.state = RolloutState::Completed;
                known.reason = format!("ECS deployment {primary} completed.");
                known.updated = at;
            }
            self.deployments[index].moved(Status::RollbackSuccessful, at);
            self.event(at, &format!("(deployment {primary}) deployment completed."), env);
            self.event(at, "has reached a steady state.", env);
            return;
        }
        if self.deployments[index].shifts.is_some() {
            // Tasks of both revisions run on, and requests are split as they were.
            self.deployments[index].moved(Status::RollbackFailed, at);
            let reason = "Service deployment rollback failed because of invalid networking configuration.";
            self.deployments[index].reason = Some(reason.to_owned());
            self.event(at, &format!("(deployment {primary}) deployment failed: traffic could not be moved back."), env);
            return;
        }
        // The old revision no longer starts either.
        let stop =
            Stop { exit: Some(1), ..Stop::plain("EssentialContainerExited", "Essential container in task exited") };
        self.stop_tasks(&primary, usize::MAX, at, &stop, definitions);
        if let Some(known) = self.rollouts.first_mut() {
            known.fail(at, "ECS deployment circuit breaker: tasks failed to start.");
            known.failed = self.desired.max(1);
        }
        self.deployments[index].moved(Status::RollbackFailed, at);
        self.deployments[index].reason =
            Some("Service deployment rollback failed because the circuit breaker threshold was exceeded.".to_owned());
        self.event(at, &format!("(deployment {primary}) deployment failed: tasks failed to start."), env);
    }
}

impl Ecs {
    /// `StopServiceDeployment`: PENDING and `IN_PROGRESS` go to
    /// `ROLLBACK_REQUESTED`; states that already stop or roll back go on.
    pub(crate) fn stop_service_deployment(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let arn = text(body, "serviceDeploymentArn").unwrap_or_default();
        match text(body, "stopType").unwrap_or("ROLLBACK") {
            "ROLLBACK" => {}
            "ABORT" => {
                return Err(ApiError::bad("UnsupportedFeatureException", "The ABORT stop type is not supported."));
            }
            other => return Err(ApiError::bad("InvalidParameterException", format!("Invalid stopType {other}."))),
        }
        let missing = || ApiError::bad("ServiceDeploymentNotFoundException", "Service deployment not found.");
        let found = self.services.iter_mut().find_map(|service| {
            let index = service.deployments.iter().position(|known| known.arn == arn)?;
            Some(&mut service.deployments[index])
        });
        let deployment = found.ok_or_else(missing)?;
        if deployment.status.is_final() {
            let message = format!("Service deployment is already in {} state.", deployment.status.name());
            return Err(ApiError::bad("ConflictException", message));
        }
        if matches!(deployment.status, Status::Pending | Status::InProgress) {
            deployment.reason = Some("Service deployment rolled back by a user request.".to_owned());
            deployment.request_rollback(now, now + env.ms(None, env.timing.stop_ms));
        }
        Ok(json!({"serviceDeploymentArn": arn}))
    }
}
