//! One look at a task, and what its end means.

use std::time::Duration;

use aws_sdk_ecs::types as sdk;
use serde_json::{Map, Value};

use super::Runner;
use super::needs::{Needs, refused};
use super::run::has_ended;
use crate::engine::{TargetError, TaskSight, clock};
use crate::rollout::{Cause, CauseCode, Exit, Link, LogLines, Task};
use crate::targets::ecs::explain::{Found, log_lines};
use crate::targets::ecs::facts::Wanted;
use crate::targets::ecs::tasks::{self, Stopped};
use crate::targets::ecs::{links, raw};

/// How long ECS may not show a task that it has just started.
const APPEARS: Duration = Duration::from_mins(1);

impl Runner {
    pub(super) async fn observe(&self, task: &Task, facts: &Value) -> Result<TaskSight, TargetError> {
        let needs = Needs::read(facts).map_err(refused)?;
        let seen = self.describe(&needs.cluster, std::slice::from_ref(&task.id)).await?;
        let Some(seen) = seen.first() else {
            let age = clock::now().duration_since(task.started);
            if Duration::try_from(age).unwrap_or_default() < APPEARS {
                return Ok(TaskSight::Running { doing: "being started".to_owned() });
            }
            let log = self.log(&needs, task).await;
            return Ok(TaskSight::Failed(Box::new(self.with_log(&needs, task, forgotten(task), log))));
        };
        // What tidies up may not tell the exit code yet.
        let tidies = seen.last_status() == Some("DEPROVISIONING");
        if !has_ended(seen) || tidies && exit_of(seen, &needs.container).is_none() {
            return Ok(TaskSight::Running { doing: doing(seen.last_status()).to_owned() });
        }
        let stopped = tasks::read(seen);
        let code = stop_code(seen);
        let log = if stopped.lived.is_some() { self.log(&needs, task).await } else { Found::Nothing(None) };
        Ok(match judge(&stopped, code, &needs.container) {
            None => TaskSight::Ended {
                log: match log {
                    Found::Lines(log, _) => Some(log),
                    Found::Nothing(_) => None,
                },
            },
            Some(cause) => TaskSight::Failed(Box::new(self.with_log(&needs, task, cause, log))),
        })
    }

    async fn log(&self, needs: &Needs, task: &Task) -> Found {
        let described: Map<String, Value>;
        let content = match &needs.wanted {
            Wanted::New { content } => content,
            Wanted::Existing { arn } => match raw::describe(&self.patient, arn).await {
                Ok(known) => {
                    described = known.raw;
                    &described
                }
                Err(failure) => {
                    return Found::Nothing(Some(format!("no log lines: {failure}")));
                }
            },
        };
        log_lines(&self.config, &self.region, content, &needs.container, short(&task.id)).await
    }

    fn with_log(&self, needs: &Needs, task: &Task, mut cause: Cause, log: Found) -> Cause {
        let id = short(&task.id);
        cause.task = Some(id.to_owned());
        cause.revision = task.facts.get("definition").and_then(Value::as_str).map(|arn| raw::short(arn).to_owned());
        let cluster = needs.cluster.rsplit('/').next().unwrap_or(&needs.cluster);
        cause.links.push(Link { title: "Stopped task".to_owned(), url: links::task(&self.region, cluster, id) });
        match log {
            Found::Lines(LogLines { source, lines }, link) => {
                cause.log = Some(LogLines { source, lines });
                cause.links.push(link);
            }
            Found::Nothing(fact) => cause.facts.extend(fact),
        }
        cause
    }
}

/// The id in a task ARN.
fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// What a task is doing (AWS ECS developer guide, "task lifecycle"), for people.
fn doing(status: Option<&str>) -> &'static str {
    match status {
        Some("PROVISIONING") => "waiting for a place and its network",
        Some("PENDING") => "pulling the image",
        Some("ACTIVATING") => "starting",
        Some("RUNNING") => "running",
        Some("DEACTIVATING" | "STOPPING" | "DEPROVISIONING") => "ending",
        _ => "under way",
    }
}

fn exit_of(task: &sdk::Task, container: &str) -> Option<i32> {
    task.containers().iter().find(|known| known.name() == Some(container))?.exit_code()
}

/// Who or what stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopCode {
    /// One of its containers ended, or it never ran.
    Itself,
    /// A person or a program.
    Somebody,
    /// AWS took its place away.
    Interrupted,
}

fn stop_code(task: &sdk::Task) -> StopCode {
    match task.stop_code() {
        Some(sdk::TaskStopCode::UserInitiated) => StopCode::Somebody,
        Some(sdk::TaskStopCode::SpotInterruption | sdk::TaskStopCode::TerminationNotice) => StopCode::Interrupted,
        _ => StopCode::Itself,
    }
}

/// Why the command failed; none when its container ended with 0 by itself. A program that is asked
/// to stop may well end with 0 before it is done.
pub(super) fn judge(task: &Stopped, code: StopCode, container: &str) -> Option<Cause> {
    let own = task.containers.iter().find(|known| known.name == container);
    let exit = own.and_then(|known| known.exit);
    if exit == Some(0) && code == StopCode::Itself {
        return None;
    }
    let other = task.containers.iter().find(|known| known.name != container && known.exit.is_some_and(is_own));
    let lived = task.lived.map(|lived| format!(" after {lived:.0} s")).unwrap_or_default();
    let (code, what, next) = match (tasks::kind(task), code, exit) {
        (_, StopCode::Somebody, _) => (
            CauseCode::Stopped,
            format!("somebody stopped the task{lived}"),
            "Ask who stopped it before deploying again; CloudTrail shows StopTask.",
        ),
        (_, StopCode::Interrupted, _) => (
            CauseCode::Stopped,
            format!("AWS took the task's place away{lived}"),
            "Deploy again; run such commands on capacity that is not Spot.",
        ),
        (CauseCode::ImageNotPulled, ..) => (
            CauseCode::ImageNotPulled,
            "the image could not be pulled".to_owned(),
            "Check that the image exists in that registry, and that the task's execution role and network may reach it.",
        ),
        (CauseCode::ResourcesNotReady, ..) => (
            CauseCode::ResourcesNotReady,
            "what the task needs could not be prepared".to_owned(),
            "Check the secrets, log groups and network that the task definition names, and the execution role's permissions.",
        ),
        (CauseCode::OutOfMemory, ..) => (
            CauseCode::OutOfMemory,
            format!("container `{container}` ran out of memory and was killed{lived}"),
            "Give the task more `memory`, or let the command use less.",
        ),
        (_, _, Some(exit)) if other.is_none() || is_own(exit) => (
            CauseCode::CommandFailed,
            format!("container `{container}` exited with code {exit}{lived}"),
            "Read the log lines, mend the command, then deploy again.",
        ),
        _ => match other {
            Some(other) => (
                CauseCode::ContainerExited,
                format!(
                    "container `{}` exited with code {} and ended the task before the command was done",
                    other.name,
                    other.exit.unwrap_or_default()
                ),
                "Mend that container, or give the command a task definition without it.",
            ),
            None => (
                CauseCode::CommandFailed,
                "the task ended without an exit code of the command".to_owned(),
                "Read what ECS says about the task, then deploy again.",
            ),
        },
    };
    let mut cause = Cause::new(code, what, next);
    cause.exit = exit.map(Exit::of);
    let reason = own.and_then(|known| known.reason.as_deref()).filter(|reason| !task.reason.contains(reason));
    let said: Vec<&str> =
        [Some(task.reason.as_str()), reason].into_iter().flatten().filter(|s| !s.is_empty()).collect();
    cause.provider_says = (!said.is_empty()).then(|| said.join("; "));
    Some(cause)
}

/// An exit code of the program itself: 137 and 143 are how it ends when the task is taken down.
fn is_own(code: i32) -> bool {
    !matches!(code, 0 | 137 | 143)
}

fn forgotten(task: &Task) -> Cause {
    Cause::new(
        CauseCode::CommandFailed,
        format!("ECS does not know the task `{}` any more, so how it ended is not known", short(&task.id)),
        "Read its log to find out what it did, then deploy again.",
    )
}
