//! Causes in words: what a stopped task, a provider's refusal or a given-up deployment means. Pure.

use super::tasks::{Verdict, culprit, kind};
use crate::engine::ProviderFailure;
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Exit};

/// What a failed task means for the revision it ran.
pub(super) fn of_tasks(verdict: &Verdict, revision: &str) -> Cause {
    let task = &verdict.task;
    let code = kind(task);
    let container = culprit(task);
    let name = container.map_or_else(|| "a container".to_owned(), |known| format!("container `{}`", known.name));
    let exit = container
        .and_then(|known| known.exit)
        .filter(|_| matches!(code, CauseCode::ContainerExited | CauseCode::OutOfMemory));
    let short = task.id.chars().take(8).collect::<String>();
    let lived = task.lived.map(|lived| format!(", {lived:.0} s after start")).unwrap_or_default();
    let row = in_a_row(verdict.times);
    let what = match (code, exit) {
        (CauseCode::ImageNotPulled, _) => format!("the image of {name} could not be pulled"),
        (CauseCode::ResourcesNotReady, _) => "what the task needs could not be prepared".to_owned(),
        (CauseCode::OutOfMemory, _) => format!("{name} ran out of memory and was killed"),
        (CauseCode::ContainerUnhealthy, _) => "a container failed its health check".to_owned(),
        (CauseCode::TargetUnhealthy, _) => "the load balancer's health check failed".to_owned(),
        (_, Some(exit)) => format!("{name} exited with code {exit}"),
        (_, None) => format!("a task stopped: {}", task.reason),
    };
    let next = match code {
        CauseCode::ImageNotPulled => {
            "Check that the image exists in that registry, and that the task's execution role and network may reach it."
        }
        CauseCode::ResourcesNotReady => {
            "Check the secrets, log groups and network that the task definition names, and the execution role's permissions."
        }
        CauseCode::OutOfMemory => "Give the container more `memory`, or find what uses it.",
        CauseCode::ContainerUnhealthy => "Run the container's health check command in it, and read its log below.",
        CauseCode::TargetUnhealthy => {
            "Check the target group's health check path, port and expected codes against what the container answers."
        }
        _ => "Read the log lines, mend the program or its configuration, then deploy again.",
    };
    let mut cause = Cause::new(code, format!("{what}{row} (task `{short}`{lived})"), next);
    cause.revision = Some(revision.to_owned());
    cause.task = Some(task.id.clone());
    cause.exit = exit.map(Exit::of);
    let reason = container.and_then(|known| known.reason.as_deref()).filter(|reason| !task.reason.contains(reason));
    cause.provider_says = match (task.reason.is_empty(), reason) {
        (true, None) => None,
        (true, Some(reason)) => Some(reason.to_owned()),
        (false, None) => Some(task.reason.clone()),
        (false, Some(reason)) => Some(format!("{}; {reason}", task.reason)),
    };
    cause
}

fn in_a_row(times: usize) -> String {
    let word = match times {
        0 | 1 => return String::new(),
        2 => "twice".to_owned(),
        3 => "three times".to_owned(),
        4 => "four times".to_owned(),
        5 => "five times".to_owned(),
        more => format!("{more} times"),
    };
    format!(", {word} in a row")
}

/// A call that was refused or lost.
pub(super) fn of_failure(failure: &ProviderFailure) -> Cause {
    let code = if failure.is_passing() { CauseCode::Unreachable } else { CauseCode::CallRefused };
    let problem = failure.problem();
    let mut cause = Cause::new(code, problem.what, problem.next);
    cause.facts = problem.why;
    cause.provider_says = Some(failure.message.clone());
    cause
}

/// A problem of our own, as a cause.
pub(super) fn of_problem(problem: Problem) -> Cause {
    let mut cause = Cause::new(CauseCode::CallRefused, problem.what, problem.next);
    cause.facts = problem.why;
    cause
}

/// ECS gave a deployment up, or somebody stopped it.
pub(super) fn of_end(code: CauseCode, summary: &str, revision: &str, reason: Option<&str>) -> Cause {
    let next = match code {
        CauseCode::AlarmFired => "Look at the alarm's metric for what the new revision changed, then deploy again.",
        CauseCode::Stopped => "Ask who stopped it before deploying again; CloudTrail shows StopServiceDeployment.",
        CauseCode::GateExpired => "Deploy again, and decide before the time is over; `approvals.expires` sets it.",
        _ => "Read the stop reasons, events and log lines, then deploy again.",
    };
    let mut cause = Cause::new(code, summary, next);
    cause.revision = Some(revision.to_owned());
    cause.provider_says = reason.filter(|reason| !reason.is_empty()).map(str::to_owned);
    cause
}
