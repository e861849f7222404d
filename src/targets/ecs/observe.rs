//! One look at a change: one or two calls, a third only where tasks may have failed.

use std::sync::atomic::Ordering;

use futures_util::future::join;

use super::facts::{self, ShiftFacts, Way};
use super::judge::{Scene, judge};
use super::live::{self, Live};
use super::looks::Tries;
use super::tasks::{self, Stopped};
use super::truth::{self, Deployment};
use super::{EcsTarget, Memory};
use crate::engine::target::FailureKind;
use crate::engine::{Progress, ProviderFailure, Sight, TargetError, clock};
use crate::rollout::{Direction, ServicePlan, Shift};
use crate::types::Percent;

impl EcsTarget {
    pub(super) async fn observe_shift(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        let facts = facts::of_shift(shift).map_err(|problem| TargetError::Refused(Box::new(problem)))?;
        let look = self.lookout.must(Tries::One, &self.spec.cluster, &self.spec.service);
        let (live, truth) = join(look, self.truth(shift, &facts)).await;
        let (live, truth) = (live?, truth?);
        let wanted = Self::definition_of(&shift.revision);
        let facts = self.listed(facts, &live, truth.as_ref(), &wanted);
        let stopped = self.failed_tasks(&live, &facts, &wanted).await;
        let left = match shift.direction {
            Direction::Forward => Self::definition_of(&plan.previous),
            Direction::Back => facts.left.clone().unwrap_or_default(),
        };
        let scene = Scene {
            live: &live,
            truth: truth.as_ref(),
            stopped: &stopped,
            wanted: &wanted,
            left: &left,
            facts: &facts,
            direction: shift.direction,
            now: clock::now(),
        };
        let mut sight = self.late_share(judge(&scene), truth.as_ref());
        if let (Sight::Broke(cause), None, Way::Update) = (&mut sight, &truth, facts.way) {
            let without = self.asking.without().unwrap_or(truth::Without::Empty);
            cause.facts.push(without.notice().to_owned());
        }
        Ok(self.with_notices(sight, &live, shift))
    }

    /// A stop after one that was let through is not the first: a share of nothing is an old number.
    fn late_share(&self, sight: Sight, truth: Option<&Deployment>) -> Sight {
        match (sight, truth) {
            (Sight::Paused(pause, progress), Some(truth))
                if pause.traffic == Percent::ZERO && self.memory.has_passed_another(&truth.arn, &pause.id) =>
            {
                let doing = "waiting until ECS tells the share of traffic".to_owned();
                Sight::Moving(Progress { doing, traffic: None, ..progress })
            }
            (sight, _) => sight,
        }
    }

    /// The service deployment of a shift, where it can be had.
    async fn truth(&self, shift: &Shift, facts: &ShiftFacts) -> Result<Option<Deployment>, ProviderFailure> {
        if self.asking.without().is_some() || facts.way == Way::Scale {
            return Ok(None);
        }
        let arn = match &shift.id {
            Some(arn) => arn.clone(),
            None => match self.find(facts, &Self::definition_of(&shift.revision)).await {
                Some(arn) => arn,
                None => return Ok(None),
            },
        };
        match self.lookout.deployment(Tries::One, &arn).await {
            Ok(known) => {
                if known.is_none() && self.memory.missed() >= 10 {
                    self.asking.give_up(truth::Without::Empty);
                }
                Ok(known)
            }
            Err(failure) => self.asking.sort(failure).map(|()| None),
        }
    }

    /// The facts with the primary deployment of a service revision, as soon as ECS lists it.
    fn listed(&self, facts: ShiftFacts, live: &Live, truth: Option<&Deployment>, definition: &str) -> ShiftFacts {
        let Some(revision) = facts.revision.as_ref().filter(|_| facts.primary.is_none()) else { return facts };
        let ours = live.rollouts.iter().filter(|known| known.definition == definition);
        let found = match truth {
            // One of the same content may have run before.
            Some(truth) => {
                ours.filter(|known| known.created >= truth.created - truth::SAME_CALL).min_by(|one, other| {
                    (one.created - truth.created).abs().total_cmp(&(other.created - truth.created).abs())
                })
            }
            None => live.primary().filter(|primary| primary.definition == definition),
        };
        // A deployment that was taken back is listed no more.
        let key = format!("primary of {revision}");
        let id = found.map(|found| found.id.clone()).or_else(|| self.memory.deployment(&key));
        let Some(id) = id else { return facts };
        self.memory.remember(&key, &id);
        let created = found.map(|found| found.created).or(facts.created);
        ShiftFacts { primary: Some(id), created, ..facts }
    }

    /// Failed tasks of the deployment that is followed, when there is reason to look for them.
    async fn failed_tasks(&self, live: &Live, facts: &ShiftFacts, definition: &str) -> Vec<Stopped> {
        let looks = self.memory.looks.fetch_add(1, Ordering::Relaxed);
        let Some(primary) = facts.primary.as_deref() else { return Vec::new() };
        let own = live.rollout(primary);
        if facts.way != Way::Update || own.is_some_and(live::Rollout::is_complete) {
            return Vec::new();
        }
        // ECS does not count a task that ran for a moment, so after the first looks it is always asked.
        let reason = own.is_none_or(|own| own.failed > 0) || looks > 1;
        if !reason || self.memory.tasks_denied.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let of = tasks::Of {
            cluster: &self.spec.cluster,
            service: &self.spec.service,
            primary: Some(primary),
            definition,
            since: facts.created,
        };
        let found = tasks::stopped(&self.once, &of, &self.memory.tasks);
        match found.await {
            Ok(found) => found,
            Err(failure) => {
                if matches!(failure.kind, FailureKind::Denied | FailureKind::Unknown) {
                    self.memory.tasks_denied.store(true, Ordering::Relaxed);
                }
                Vec::new()
            }
        }
    }

    /// Adds what people should know. A look that has something new to say is never the last one of
    /// a deployment that goes well, or nobody would hear it.
    fn with_notices(&self, sight: Sight, live: &Live, shift: &Shift) -> Sight {
        let mut notices = Vec::new();
        if let Some(without) = self.asking.without() {
            notices.push(without.notice().to_owned());
        }
        if self.memory.tasks_denied.load(Ordering::Relaxed) {
            notices.push(TASKS_DENIED.to_owned());
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay far below 2^53")]
        let began = shift.started.as_second() as f64;
        let unplaced = live.events.iter().find(|event| event.at >= began && event.text.contains("unable to place"));
        notices.extend(unplaced.map(|event| event.text.clone()));
        let new: Vec<String> = notices.into_iter().filter(|text| self.memory.tell(text)).collect();
        match sight {
            Sight::Moving(progress) => Sight::Moving(Progress { notices: new, ..progress }),
            Sight::Paused(pause, progress) => Sight::Paused(pause, Progress { notices: new, ..progress }),
            Sight::Baking(progress) => Sight::Baking(Progress { notices: new, ..progress }),
            Sight::Serving if !new.is_empty() => {
                let wanted = live.desired;
                let doing = "waiting until ECS calls it done".to_owned();
                Sight::Moving(Progress { healthy: wanted, wanted, traffic: None, doing, notices: new })
            }
            other => other,
        }
    }
}

const TASKS_DENIED: &str = "This role may not read stopped tasks, so failures are noticed later and without their reason. \
                            Allow ecs:ListTasks and ecs:DescribeTasks.";

impl Memory {
    pub(super) fn deployment(&self, primary: &str) -> Option<String> {
        self.deployments.lock().ok()?.get(primary).cloned()
    }

    pub(super) fn remember(&self, primary: &str, arn: &str) {
        if let Ok(mut known) = self.deployments.lock() {
            known.insert(primary.to_owned(), arn.to_owned());
        }
    }

    /// A stop of that deployment was let through.
    pub(super) fn let_through(&self, deployment: &str, hook: &str) {
        if let Ok(mut passed) = self.passed.lock() {
            passed.push((deployment.to_owned(), hook.to_owned()));
        }
    }

    /// Whether another stop of that deployment was let through before.
    fn has_passed_another(&self, deployment: &str, hook: &str) -> bool {
        let Ok(passed) = self.passed.lock() else { return false };
        passed.iter().any(|(of, known)| of == deployment && known != hook)
    }

    /// Counts a look that did not find the service deployment.
    pub(super) fn missed(&self) -> u32 {
        self.misses.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether this is new; it is not the next time.
    fn tell(&self, text: &str) -> bool {
        let Ok(mut told) = self.told.lock() else { return false };
        let new = !told.iter().any(|known| known == text);
        if new {
            told.push(text.to_owned());
        }
        new
    }
}
