//! Asking for a change, following it, finding its cause, and going back. All look first.

use serde_json::Value;

use super::answer::{Answer, Begun, State};
use super::host::Verb;
use super::record::{self, Entry, NOTHING, Wanted, Was, image_of};
use super::{ComposeTarget, judge};
use crate::engine::target::FailureKind;
use crate::engine::{Back, NotApplied, ProviderFailure, Sight, TargetError, clock};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Direction, Exit, LogLines, Revision, ServicePlan, Shift, Touched};

/// How often a change is asked for when the host does not answer.
const TRIES: usize = 3;
/// How many lines are shown.
const LINES: &str = "20";

impl ComposeTarget {
    pub(super) async fn begin(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        let wanted = Wanted::of(plan).map_err(|problem| untouched(defect(problem)))?;
        let mut last: Option<ProviderFailure> = None;
        for _ in 0..TRIES {
            let touched = if last.is_some() { Touched::Perhaps } else { Touched::No };
            match self.look_and_start(plan, &wanted).await {
                Ok(Ok(shift)) => return Ok(shift),
                Ok(Err(cause)) => return Err(NotApplied { cause, touched }),
                // It may have arrived all the same: the next try finds it by its name.
                Err(failure) if failure.is_passing() => last = Some(failure),
                Err(failure) => return Err(NotApplied { cause: call_failed(&failure), touched }),
            }
        }
        let cause = last.map_or_else(|| changed("no answer"), |failure| call_failed(&failure));
        Err(NotApplied { cause, touched: Touched::Perhaps })
    }

    async fn look_and_start(
        &self,
        plan: &ServicePlan,
        wanted: &Wanted,
    ) -> Result<Result<Shift, Cause>, ProviderFailure> {
        let job = wanted.job(Direction::Forward);
        let seen = self.look().await?;
        let shift = || shift(&job, &wanted.revision, Direction::Forward);
        if seen.job.as_ref() == Some(&job) {
            return Ok(Ok(shift()));
        }
        if !only(&seen, &[&plan.previous, &wanted.revision]) {
            return Ok(Err(changed(&judge::said(&seen))));
        }
        let was = if judge::serves(&seen, &plan.previous) { Was::Good } else { Was::Bad };
        let entry = Entry { job: job.clone(), wanted: wanted.clone(), previous: plan.previous.clone(), was };
        let keep: Vec<String> = self.spec.backups.iter().map(|backup| backup.keep.to_string()).collect();
        let databases: Vec<&str> =
            self.spec.backups.iter().zip(&keep).flat_map(|(backup, keep)| [backup.path.as_str(), keep]).collect();
        let answer = self.start(&job, &wanted.baseline, "follow", &entry.line(), &wanted.revision, &databases).await?;
        Ok(match answer.begun {
            Some(Begun::Now | Begun::Before) => Ok(shift()),
            Some(Begun::Busy) => Err(in_the_way()),
            Some(Begun::Changed) | None => Err(changed(&judge::said(&seen))),
        })
    }

    async fn start(
        &self,
        job: &str,
        after: &str,
        manner: &str,
        line: &str,
        to: &Revision,
        databases: &[&str],
    ) -> Result<Answer, ProviderFailure> {
        let image = image_of(to);
        let override_file = self.override_for(image);
        let mut arguments = vec![self.spec.service.as_str(), job, after, manner, line, image, &override_file];
        arguments.extend(databases);
        self.host.ask(Verb::Start, &arguments).await
    }

    pub(super) async fn see(&self, _plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        let job = shift.id.as_deref().unwrap_or_default();
        Ok(judge::change(&self.look().await?, job, &shift.revision, &self.spec))
    }

    /// The last lines of the service and how it ended.
    pub(super) async fn find_cause(&self, mut cause: Cause) -> Cause {
        match self.host.ask(Verb::Logs, &[&self.spec.service, LINES]).await {
            Ok(answer) => {
                if cause.exit.is_none() && cause.code == CauseCode::ContainerExited {
                    cause.exit = answer.died.last().map(|(_, code)| Exit::of(*code));
                }
                let source = format!("docker compose logs {}", self.spec.service);
                let ours = !matches!(cause.code, CauseCode::ImageNotPulled | CauseCode::ResourcesNotReady);
                if ours && !answer.lines.is_empty() {
                    if let Some(log) = cause.log.take() {
                        cause.facts.extend(log.lines.into_iter().rev().take(3).map(|line| format!("compose: {line}")));
                    }
                    cause.log = Some(LogLines { source, lines: answer.lines });
                } else if ours && cause.log.is_none() {
                    cause.facts.push("the service has written no log line".to_owned());
                }
            }
            Err(failure) => cause.facts.push(format!("its log cannot be read: {failure}")),
        }
        cause
    }

    pub(super) async fn go_back(&self, plan: &ServicePlan) -> Result<Back, Cause> {
        let wanted = Wanted::of(plan).map_err(defect)?;
        let (forward, back) = (wanted.job(Direction::Forward), back_of(&wanted, &plan.previous));
        let seen = self.look().await.map_err(|failure| call_failed(&failure))?;
        let began = || Back::Began(Box::new(shift(&back, &plan.previous, Direction::Back)));
        let last = seen.job.as_deref();
        if last == Some(&back) && !matches!(seen.state, Some(State::Lost)) {
            let done = matches!(seen.state, Some(State::Ended { code: 0, .. })) && judge::serves(&seen, &plan.previous);
            return Ok(if done { Back::Already } else { began() });
        }
        let ours = last == Some(&forward) || last == Some(&back);
        let under_way = ours && seen.state == Some(State::Running);
        if !under_way && judge::serves(&seen, &plan.previous) {
            return Ok(Back::Already);
        }
        let others = last.unwrap_or_default() != wanted.baseline && !ours;
        if others || !only(&seen, &[&plan.previous, &wanted.revision]) {
            return Ok(Back::Superseded { by: judge::said(&seen) });
        }
        let asked = self.start(&back, last.unwrap_or_default(), "over", "", &plan.previous, &[]).await;
        match asked.map_err(|failure| call_failed(&failure))?.begun {
            Some(Begun::Now | Begun::Before) => Ok(began()),
            Some(Begun::Busy | Begun::Changed) | None => Err(in_the_way()),
        }
    }
}

/// What the way back of a plan is called.
fn back_of(wanted: &Wanted, previous: &Revision) -> String {
    Wanted { revision: previous.clone(), ..wanted.clone() }.job(Direction::Back)
}

/// Whether nothing but these revisions is there. A container that vanished in the middle of a change
/// is none of somebody else's.
fn only(seen: &Answer, known: &[&Revision]) -> bool {
    seen.containers
        .iter()
        .all(|container| known.iter().any(|revision| revision.id != NOTHING && record::runs(container, revision)))
}

fn shift(job: &str, revision: &Revision, direction: Direction) -> Shift {
    Shift { id: Some(job.to_owned()), revision: revision.clone(), direction, started: clock::now(), facts: Value::Null }
}

fn untouched(cause: Cause) -> NotApplied {
    NotApplied { cause, touched: Touched::No }
}

fn defect(problem: Problem) -> Cause {
    Cause { facts: problem.why, ..Cause::new(CauseCode::CallRefused, problem.what, problem.next) }
}

fn in_the_way() -> Cause {
    let next = "Wait until it has ended, then run again.";
    Cause::new(CauseCode::CallRefused, "somebody else's deployment of the service is under way on the host", next)
}

fn changed(to: &str) -> Cause {
    let what = "the service was changed after this deployment was planned";
    let next = "Look at what runs now (`shipline status`); then run again to plan anew.";
    Cause { facts: vec![format!("now: {to}")], ..Cause::new(CauseCode::CallRefused, what, next) }
}

/// A host that did not do it, as a cause.
pub(super) fn call_failed(failure: &ProviderFailure) -> Cause {
    let code = match failure.kind {
        FailureKind::Unavailable | FailureKind::Throttled => CauseCode::Unreachable,
        FailureKind::Denied
        | FailureKind::Missing
        | FailureKind::Unknown
        | FailureKind::Rejected
        | FailureKind::Credentials => CauseCode::CallRefused,
    };
    let problem = failure.problem();
    Cause {
        provider_says: Some(failure.message.clone()),
        facts: problem.why.clone(),
        ..Cause::new(code, format!("{} did not do it", failure.operation), problem.next)
    }
}
