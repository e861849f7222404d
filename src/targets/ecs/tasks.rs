//! Stopped tasks: why they stopped, and whether that will happen again.
//!
//! Pure but for [`stopped`]. A task that was stopped because the service has no use for it any
//! more (scaling, a person, a Spot interruption) says nothing about its revision and is left out.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as sdk;

use super::live::seconds;
use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::rollout::CauseCode;

/// One container of a stopped task.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) exit: Option<i32>,
    pub(super) reason: Option<String>,
    pub(super) unhealthy: bool,
}

/// A task that stopped by its own fault.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Stopped {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) containers: Vec<Container>,
    /// Seconds from start to stop, for a task that had started.
    pub(super) lived: Option<f64>,
    /// When it stopped, seconds since 1970.
    pub(super) at: f64,
}

/// Whose tasks are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) cluster: &'a str,
    pub(super) service: &'a str,
    /// Id of the deployment (`ecs-svc/…`); any when absent.
    pub(super) primary: Option<&'a str>,
    /// ARN of the task definition.
    pub(super) definition: &'a str,
    /// When the deployment was made, seconds since 1970 on ECS's clock; any time when absent.
    pub(super) since: Option<f64>,
}

/// Stopped tasks that were described, by ARN: a stopped task changes no more, so it is read once.
pub(super) type Described = Mutex<BTreeMap<String, Seen>>;

/// A described task with what it is chosen by.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    definition: String,
    started_by: String,
    created: f64,
    stopped: Stopped,
}

impl Seen {
    fn is_of(&self, of: &Of<'_>) -> bool {
        // An endpoint that does not write the deployment's id there leaves time and definition to tell.
        let by = self.started_by.as_str();
        let deployment = of.primary.is_none_or(|primary| primary == by || !by.starts_with("ecs-svc/"));
        self.definition == of.definition && deployment && of.since.is_none_or(|since| self.created >= since - 1.0)
    }
}

/// How many pages of a hundred are looked through: ECS keeps stopped tasks for about an hour.
const PAGES: usize = 10;

/// Failed tasks of one deployment, newest first.
pub(super) async fn stopped(
    client: &Client,
    of: &Of<'_>,
    described: &Described,
) -> Result<Vec<Stopped>, ProviderFailure> {
    let arns = list(client, of).await?;
    let unknown: Vec<String> = match described.lock() {
        Ok(known) => arns.iter().filter(|arn| !known.contains_key(*arn)).cloned().collect(),
        Err(_) => arns.clone(),
    };
    for some in unknown.chunks(100) {
        let asked = client.describe_tasks().cluster(of.cluster).set_tasks(Some(some.to_vec())).send().await;
        let answer = asked.map_err(|error| failure("ecs:DescribeTasks", &error))?;
        let Ok(mut known) = described.lock() else { continue };
        for task in answer.tasks().iter().filter(|task| task.last_status() == Some("STOPPED")) {
            known.insert(task.task_arn().unwrap_or_default().to_owned(), seen(task));
        }
    }
    let Ok(known) = described.lock() else { return Ok(Vec::new()) };
    let ours = arns.iter().filter_map(|arn| known.get(arn)).filter(|seen| seen.is_of(of));
    let mut found: Vec<Stopped> = ours.map(|seen| seen.stopped.clone()).filter(is_failure).collect();
    found.sort_by(|one, other| other.at.total_cmp(&one.at));
    Ok(found)
}

async fn list(client: &Client, of: &Of<'_>) -> Result<Vec<String>, ProviderFailure> {
    let mut arns = Vec::new();
    let mut next = None;
    for _ in 0..PAGES {
        // `startedBy` must be the only filter of ListTasks (AWS ECS API reference), so it is compared here.
        let asked = client
            .list_tasks()
            .cluster(of.cluster)
            .service_name(of.service)
            .desired_status(sdk::DesiredStatus::Stopped)
            .set_next_token(next.take());
        let answer = asked.send().await.map_err(|error| failure("ecs:ListTasks", &error))?;
        arns.extend_from_slice(answer.task_arns());
        next = answer.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok(arns)
}

fn seen(task: &sdk::Task) -> Seen {
    Seen {
        definition: task.task_definition_arn().unwrap_or_default().to_owned(),
        started_by: task.started_by().unwrap_or_default().to_owned(),
        created: seconds(task.created_at()),
        stopped: read(task),
    }
}

/// A stopped task in our own words.
pub(super) fn read(task: &sdk::Task) -> Stopped {
    let stopped_at = task.execution_stopped_at().or(task.stopping_at()).or(task.stopped_at());
    Stopped {
        id: task.task_arn().map_or_else(String::new, |arn| arn.rsplit('/').next().unwrap_or(arn).to_owned()),
        code: task.stop_code().map(|code| code.as_str().to_owned()).unwrap_or_default(),
        reason: task.stopped_reason().unwrap_or_default().to_owned(),
        containers: task
            .containers()
            .iter()
            .map(|container| Container {
                name: container.name().unwrap_or_default().to_owned(),
                exit: container.exit_code(),
                reason: container.reason().map(str::to_owned),
                unhealthy: container.health_status() == Some(&sdk::HealthStatus::Unhealthy),
            })
            .collect(),
        lived: task.started_at().map(|started| (seconds(stopped_at) - started.as_secs_f64()).max(0.0)),
        at: seconds(task.stopped_at().or(task.stopping_at())),
    }
}

fn is_failure(task: &Stopped) -> bool {
    match task.code.as_str() {
        "EssentialContainerExited" | "TaskFailedToStart" => true,
        "ServiceSchedulerInitiated" => task.reason.contains("health check"),
        "UserInitiated" | "SpotInterruption" | "TerminationNotice" => false,
        // No code, or one of tomorrow: a container that ended badly tells.
        _ => !task.reason.contains("Scaling activity") && culprit(task).is_some_and(|found| found.exit != Some(0)),
    }
}

/// The container whose fault it is.
pub(super) fn culprit(task: &Stopped) -> Option<&Container> {
    // 143 and 137 are also how the others end when the task is taken down.
    let own = |code: i32| !matches!(code, 0 | 137 | 143);
    let mut by = task.containers.iter();
    by.clone()
        .find(|container| container.reason.as_deref().is_some_and(|reason| !reason.is_empty()))
        .or_else(|| by.clone().find(|container| container.exit.is_some_and(own)))
        .or_else(|| by.clone().find(|container| container.unhealthy))
        .or_else(|| by.clone().find(|container| container.exit == Some(137)))
        .or_else(|| by.clone().find(|container| container.exit == Some(0)))
        .or_else(|| by.clone().find(|container| container.exit.is_some()))
        .or_else(|| by.next().filter(|_| task.containers.len() == 1))
}

/// What kind of failure a stopped task is.
pub(super) fn kind(task: &Stopped) -> CauseCode {
    let says = |word: &str| {
        let container = task.containers.iter().any(|known| known.reason.as_deref().is_some_and(|it| it.contains(word)));
        container || task.reason.contains(word)
    };
    if says("CannotPull") || says("pull image manifest") {
        CauseCode::ImageNotPulled
    } else if says("ResourceInitializationError") || says("CannotCreateVolumeError") || says("unable to pull secrets") {
        CauseCode::ResourcesNotReady
    } else if says("OutOfMemory") {
        CauseCode::OutOfMemory
    } else if says("failed container health checks") {
        CauseCode::ContainerUnhealthy
    } else if task.reason.contains("health checks") {
        CauseCode::TargetUnhealthy
    } else {
        CauseCode::ContainerExited
    }
}

/// A failure that will not mend itself, and how often it happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// The newest of its tasks.
    pub(super) task: Stopped,
    /// How many stopped that way.
    pub(super) times: usize,
}

/// The most frequent way in which tasks stopped, if any did.
pub(super) fn worst(stopped: &[Stopped]) -> Option<Verdict> {
    let mut groups: Vec<Verdict> = Vec::new();
    for task in stopped {
        match groups.iter_mut().find(|group| fingerprint(&group.task) == fingerprint(task)) {
            Some(group) => group.times += 1,
            None => groups.push(Verdict { task: task.clone(), times: 1 }),
        }
    }
    // The first of equals: the newest.
    groups.into_iter().rev().max_by_key(|group| group.times)
}

/// Whether there is no use in waiting: what cannot start at first sight, what stops the same way twice.
pub(super) fn hopeless(stopped: &[Stopped]) -> Option<Verdict> {
    let at_once =
        stopped.iter().find(|task| matches!(kind(task), CauseCode::ImageNotPulled | CauseCode::ResourcesNotReady));
    if let Some(task) = at_once {
        let times = stopped.iter().filter(|other| kind(other) == kind(task)).count();
        return Some(Verdict { task: task.clone(), times });
    }
    worst(stopped).filter(|verdict| verdict.times >= 2)
}

/// Tasks with the same one stopped for the same reason; ids inside the texts do not count.
fn fingerprint(task: &Stopped) -> (CauseCode, String, Option<i32>, String) {
    let culprit = culprit(task);
    let name = culprit.map(|container| container.name.clone()).unwrap_or_default();
    let plain: String = task.reason.chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
    (kind(task), name, culprit.and_then(|container| container.exit), plain)
}

#[cfg(test)]
mod tests;
