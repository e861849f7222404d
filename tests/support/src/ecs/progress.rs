//! The first half of the deployment state machine: from the beginning of a
//! service deployment to its success or its next failed attempt.

use super::definition::{Definition, Definitions};
use super::deployment::{Detector, Detectors, ServiceDeployment, Status, Step};
use super::gradual::Weights;
use super::service::{Revision, Rollout, RolloutState, Service};
use super::stage::Stage;
use super::strategy::Shifts;
use super::task::{self, Stop, TaskStatus, Verdict};
use crate::behaviour::{Behaviour, HealthCheck, Rule};
use crate::env::Env;
use crate::reply::Millis;

impl Service {
    /// When the next step of any deployment is due, or the alarm of one.
    pub(crate) fn next_due(&self, env: &Env) -> Option<Millis> {
        let steps = self.deployments.iter().filter_map(|deployment| Some(deployment.next?.0));
        steps.chain(self.alarm_due(env).map(|(due, _)| due)).min()
    }

    /// Starts a deployment of the service's current task definition. One that
    /// is still going is superseded: it stops.
    pub(crate) fn begin_deployment(&mut self, now: Millis, definitions: &Definitions, env: &mut Env) {
        for index in 0..self.deployments.len() {
            let old = &mut self.deployments[index];
            if !old.status.is_final() && old.status != Status::StopRequested {
                old.moved(Status::StopRequested, now);
                old.reason = Some("A new service deployment was started.".to_owned());
                old.next = Some((now + env.ms(None, env.timing.stop_ms), Step::Stop));
            }
        }
        let images = definitions.find(&self.definition).map(Definition::images);
        let rule = env.rule(Some(&self.name), &images.unwrap_or_default(), None);
        let rule = rule.unwrap_or_else(|| Rule::any(Behaviour::healthy()));
        let (digits, slug) = (env.ids.digits(), env.ids.slug());
        let revision = env.arn("ecs", &format!("service-revision/{}/{}/{digits}", self.cluster, self.name));
        let arn = env.arn("ecs", &format!("service-deployment/{}/{}/{slug}", self.cluster, self.name));
        let rollout = format!("ecs-svc/{}", env.ids.digits());
        let configuration = self.settings.get("deploymentConfiguration").cloned();
        let sources: Vec<String> = self
            .rollouts
            .iter()
            .filter(|old| self.count(&old.id, TaskStatus::Running) > 0 || self.good.as_ref() == Some(&old.revision))
            .map(|old| old.revision.clone())
            .collect();
        let shifts = Shifts::read(configuration.as_ref()).filter(|_| !sources.is_empty());
        let alternate = self.serving().is_some_and(|serving| serving.alternate) != shifts.is_some();
        self.revisions.push(Revision {
            arn: revision.clone(),
            definition: self.definition.clone(),
            created: now,
            alternate,
            settings: self.settings.clone(),
        });
        self.rollouts.insert(
            0,
            Rollout {
                id: rollout.clone(),
                revision: revision.clone(),
                definition: self.definition.clone(),
                state: RolloutState::InProgress,
                reason: format!("ECS deployment {rollout} in progress."),
                failed: 0,
                desired: self.desired,
                created: now,
                updated: now,
                weights: Weights::default(),
                alternate,
            },
        );
        self.deployments.insert(
            0,
            ServiceDeployment {
                arn,
                status: Status::Pending,
                reason: None,
                stage: Stage::ReconcileService,
                shifts,
                shifted: 0,
                hooks: Vec::new(),
                created: now,
                started: None,
                finished: None,
                stopped: None,
                updated: now,
                target: revision,
                sources,
                rollout,
                failures: 0,
                detectors: Detectors::read(configuration.as_ref(), self.desired),
                triggered: false,
                alarm: None,
                fires: None,
                configuration,
                rollback: None,
                rule,
                next: Some((now + env.ms(None, env.timing.pending_ms), Step::Begin)),
                frozen: None,
            },
        );
    }

    /// Performs the earliest step that is due at `at`.
    pub(crate) fn step(&mut self, at: Millis, definitions: &Definitions, env: &mut Env) {
        if let Some((due, name)) = self.alarm_due(env).filter(|(due, _)| *due <= at) {
            let earlier = self.deployments.iter().filter_map(|known| known.next).any(|(step, _)| step < due);
            if !earlier {
                self.alarm_fires(0, &name, due, definitions, env);
                return;
            }
        }
        let due = self.deployments.iter().rposition(|known| known.next.is_some_and(|(due, _)| due <= at));
        let Some(index) = due else { return };
        let Some((at, step)) = self.deployments[index].next.take() else { return };
        match step {
            Step::Begin => self.begin(index, at, definitions, env),
            Step::Leave => self.leave(index, at, definitions, env),
            Step::Expire => self.expire(index, at, definitions, env),
            Step::Launch => self.launch_attempt(index, at, definitions, env),
            Step::Running => self.tasks_run(index, at, definitions, env),
            Step::Healthy => self.tasks_healthy(index, at, definitions, env),
            Step::Complete => self.complete(index, at, definitions, env),
            Step::Fail => self.tasks_fail(index, at, definitions, env),
            Step::Supersede => self.superseded(index, at, definitions, env),
            Step::Alarm => self.alarm(index, at, definitions, env),
            Step::Stop => self.stopped(index, at, definitions),
            Step::BeginRollback => self.begin_rollback(index, at, definitions, env),
            Step::EndRollback => self.end_rollback(index, at, definitions, env),
        }
    }

    fn schedule(&mut self, index: usize, at: Millis, step: Step) {
        self.deployments[index].next = Some((at, step));
    }

    pub(crate) fn launch_attempt(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let rollout = self.deployments[index].rollout.clone();
        if let Some(fires) = self.deployments[index].alarm_of_rule(at, env) {
            self.deployments[index].fires = Some(fires);
            self.deployments[index].rule.behaviour = Behaviour::healthy();
        }
        let behaviour = self.deployments[index].rule.behaviour.clone();
        if self.desired == 0 {
            self.schedule(index, at, Step::Healthy);
            return;
        }
        let start = env.ms(None, env.timing.start_ms);
        if let Behaviour::Unplaceable { message, .. } = &behaviour {
            self.event(at, &format!("was unable to place a task because {message}"), env);
            self.schedule(index, at + start, Step::Fail);
            return;
        }
        let ids = self.launch(&rollout, self.wanted(), at, definitions, env);
        let named: Vec<_> = ids.iter().map(|id| format!("(task {id})")).collect();
        self.event(at, &format!("has started {} tasks: {}.", ids.len(), named.join(" ")), env);
        match &behaviour {
            Behaviour::Stuck {} => {}
            Behaviour::Superseded { after_ms, .. } => {
                self.schedule(index, at + env.ms(*after_ms, env.timing.settle_ms), Step::Supersede);
            }
            Behaviour::Alarm { after_ms, .. } => {
                self.schedule(index, at + env.ms(*after_ms, env.timing.settle_ms), Step::Alarm);
            }
            other if task::never_runs(other) => self.schedule(index, at + start, Step::Fail),
            _ => self.schedule(index, at + start, Step::Running),
        }
    }

    fn tasks_run(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let deployment = &self.deployments[index];
        let (rollout, behaviour) = (deployment.rollout.clone(), deployment.rule.behaviour.clone());
        let mut run = Vec::new();
        for task in &mut self.tasks {
            if task.started_by.as_deref() == Some(&rollout) && task.status == TaskStatus::Pending {
                task.run(at);
                run.push(task.clone());
            }
        }
        if let Behaviour::Healthy { lines, .. } | Behaviour::Unhealthy { lines, .. } = &behaviour {
            for task in &run {
                let Some(definition) = definitions.find(&task.definition) else { continue };
                task.log(at, None, lines, definition, env);
            }
        }
        for group in self.target_groups() {
            self.event(at, &format!("registered {} targets in (target-group {group})", run.len()), env);
        }
        let healthy = matches!(behaviour, Behaviour::Healthy { .. } | Behaviour::Unshiftable { .. });
        let after = at + task::settle(&behaviour, env);
        self.schedule(index, after, if healthy { Step::Healthy } else { Step::Fail });
    }

    fn tasks_healthy(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let rollout = self.deployments[index].rollout.clone();
        self.settle_at(&rollout, self.wanted(), at, definitions, env);
        self.proceed(index, at, definitions, env);
    }

    /// The old tasks drain.
    pub(crate) fn clean_up(&mut self, index: usize, at: Millis, env: &mut Env) {
        let old: usize = self.rollouts.iter().skip(1).map(|old| self.count(&old.id, TaskStatus::Running)).sum();
        if old == 0 {
            self.schedule(index, at, Step::Complete);
            return;
        }
        for group in self.target_groups() {
            self.event(at, &format!("deregistered {old} targets in (target-group {group})"), env);
        }
        self.event(at, &format!("has begun draining connections on {old} tasks."), env);
        let drain = match &self.deployments[index].rule.behaviour {
            Behaviour::Healthy { drain_ms, .. } => *drain_ms,
            _ => None,
        };
        self.schedule(index, at + env.ms(drain, env.timing.drain_ms), Step::Complete);
    }

    fn complete(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let rollout = self.deployments[index].rollout.clone();
        self.drop_other_rollouts(&rollout, at, definitions, env);
        self.all_traffic_to(&rollout);
        self.good = Some(self.deployments[index].target.clone());
        self.deployments[index].moved(Status::Successful, at);
        if let Some(primary) = self.rollouts.iter_mut().find(|known| known.id == rollout) {
            primary.state = RolloutState::Completed;
            primary.reason = format!("ECS deployment {rollout} completed.");
            primary.failed = 0;
            primary.updated = at;
        }
        self.freeze(index);
        self.event(at, &format!("(deployment {rollout}) deployment completed."), env);
        self.event(at, "has reached a steady state.", env);
    }

    /// Stops the tasks of every rollout but one, and forgets those rollouts.
    pub(crate) fn drop_other_rollouts(&mut self, keep: &str, at: Millis, definitions: &Definitions, env: &mut Env) {
        let others: Vec<_> = self.rollouts.iter().filter(|old| old.id != keep).map(|old| old.id.clone()).collect();
        for old in others {
            let stop =
                Stop::plain("ServiceSchedulerInitiated", format!("Scaling activity initiated by (deployment {keep})"));
            let ids = self.stop_tasks(&old, usize::MAX, at, &stop, definitions);
            if !ids.is_empty() {
                let named: Vec<_> = ids.iter().map(|id| format!("(task {id})")).collect();
                self.event(at, &format!("has stopped {} running tasks: {}.", ids.len(), named.join(" ")), env);
            }
        }
        self.rollouts.retain(|known| known.id == keep);
    }

    fn tasks_fail(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let deployment = &self.deployments[index];
        let (rollout, behaviour) = (deployment.rollout.clone(), deployment.rule.behaviour.clone());
        let definition = self.rollouts.iter().find(|known| known.id == rollout);
        let definition = definition.and_then(|known| definitions.find(&known.definition));
        let failed = definition.map_or(0, |definition| self.fail_live(&rollout, &behaviour, definition, at, env));
        let failed = i64::try_from(failed.max(1)).unwrap_or(1);
        self.deployments[index].failures += failed;
        self.deployments[index].updated = at;
        let failures = self.deployments[index].failures;
        if let Some(known) = self.rollouts.iter_mut().find(|known| known.id == rollout) {
            known.failed = failures;
            known.updated = at;
        }
        let detectors = &self.deployments[index].detectors;
        if detectors.breaker != Detector::Off && failures >= detectors.threshold {
            self.breaker_triggers(index, at, definitions, env);
            return;
        }
        let every = match &behaviour {
            Behaviour::Exits { every_ms, .. }
            | Behaviour::CannotPull { every_ms, .. }
            | Behaviour::ResourceInitialization { every_ms, .. }
            | Behaviour::Unhealthy { every_ms, .. }
            | Behaviour::OutOfMemory { every_ms, .. }
            | Behaviour::Unplaceable { every_ms, .. } => *every_ms,
            _ => None,
        };
        let endless = self.deployments[index].detectors.breaker == Detector::Off;
        let every = env.ms(every, env.timing.every_ms).max(u64::from(endless));
        self.schedule(index, at + every, Step::Launch);
    }

    /// Ends the live tasks of a rollout as its behaviour says; how many.
    pub(super) fn fail_live(
        &mut self,
        rollout: &str,
        behaviour: &Behaviour,
        definition: &Definition,
        at: Millis,
        env: &mut Env,
    ) -> usize {
        let group = self.target_groups().first().cloned().unwrap_or_default();
        let Some(stop) = task::failure(behaviour, definition, &group) else { return 0 };
        if let Behaviour::Unhealthy { check: HealthCheck::TargetGroup, status, .. } = behaviour {
            let why = format!("Health checks failed with these codes: [{status}]");
            self.event(at, &format!("(port 8080) is unhealthy in (target-group {group}) due to (reason {why})."), env);
        }
        let mut ended = 0;
        for task in &mut self.tasks {
            if task.started_by.as_deref() != Some(rollout) || task.status == TaskStatus::Stopped {
                continue;
            }
            match behaviour {
                // Wrote its lines when it began to run.
                Behaviour::Unhealthy { check: HealthCheck::TargetGroup, .. } => {}
                Behaviour::Unhealthy { check: HealthCheck::Container, .. } => task.verdict = Verdict::Bad,
                _ if task.started.is_some() => {
                    task.log(at, task::container_of(behaviour), task::lines_of(behaviour), definition, env);
                }
                _ => {}
            }
            task.stop(at, stop.clone(), Some(definition));
            ended += 1;
        }
        ended
    }

    fn superseded(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let asked = match &self.deployments[index].rule.behaviour {
            Behaviour::Superseded { task_definition, .. } => task_definition.clone(),
            _ => None,
        };
        let good = self.good.as_ref().and_then(|good| self.revisions.iter().find(|known| &known.arn == good));
        let asked = asked.or_else(|| good.map(|known| known.definition.clone()));
        if let Some(definition) = asked.and_then(|asked| definitions.find(&asked)) {
            self.definition.clone_from(&definition.arn);
        }
        // The other update must not be superseded by the same rule again.
        self.begin_deployment(at, definitions, env);
        if matches!(self.deployments[0].rule.behaviour, Behaviour::Superseded { .. }) {
            self.deployments[0].rule = Rule::any(Behaviour::healthy());
        }
    }

    fn stopped(&mut self, index: usize, at: Millis, definitions: &Definitions) {
        let rollout = self.deployments[index].rollout.clone();
        self.deployments[index].moved(Status::Stopped, at);
        self.freeze(index);
        // Its unhealthy tasks go; running ones serve until the successor is healthy.
        let pending = self.count(&rollout, TaskStatus::Pending);
        let primary = self.rollouts.first().map(|known| known.id.clone()).unwrap_or_default();
        let stop =
            Stop::plain("ServiceSchedulerInitiated", format!("Scaling activity initiated by (deployment {primary})"));
        if pending > 0 {
            self.stop_tasks(&rollout, pending, at, &stop, definitions);
        }
        self.forget_empty_rollouts();
    }

    /// Legacy deployments without tasks are INACTIVE and no longer listed.
    pub(crate) fn forget_empty_rollouts(&mut self) {
        let keep: Vec<bool> = (0..self.rollouts.len())
            .map(|place| {
                let known = &self.rollouts[place];
                place == 0
                    || self.count(&known.id, TaskStatus::Running) + self.count(&known.id, TaskStatus::Pending) > 0
                    || self.good.as_ref() == Some(&known.revision)
            })
            .collect();
        let mut keep = keep.into_iter();
        self.rollouts.retain(|_| keep.next().unwrap_or(true));
    }

    /// Keeps the task counts of a deployment as they are at its end.
    pub(crate) fn freeze(&mut self, index: usize) {
        let rollout = self.deployments[index].rollout.clone();
        let count = |status| i64::try_from(self.count(&rollout, status)).unwrap_or(0);
        let counts = [self.desired, count(TaskStatus::Running), count(TaskStatus::Pending)];
        let known = self.rollouts.iter().find(|known| known.id == rollout);
        let weights = known.map(|known| known.weights).unwrap_or_default();
        self.deployments[index].frozen = Some((counts, weights));
    }
}
