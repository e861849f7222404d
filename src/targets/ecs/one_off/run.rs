//! Starts, finds and stops a task.

use std::time::Duration;

use aws_sdk_ecs::types as sdk;
use serde_json::{Value, json};

use super::Runner;
use super::needs::{Needs, overrides, refused};
use crate::aws::failure;
use crate::aws::raw::with_body;
use crate::engine::target::FailureKind;
use crate::engine::{NotApplied, ProviderFailure, TargetError, clock};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Task, Touched};
use crate::targets::ecs::calls::{Left, Pauses};
use crate::targets::ecs::{registered, said};
use crate::types::Timestamp;

/// How often a request whose answer was lost is sent again.
const AGAIN: usize = 3;
/// How many pages of a hundred stopped tasks are looked through: ECS keeps them for about an hour.
const PAGES: usize = 10;
/// How long a task whose start may have been lost is looked for: ECS shows it a moment after.
const APPEARS: Duration = Duration::from_secs(3);
/// How long a container may take to end: `stopTimeout` is at most two minutes.
const ENDS: Duration = Duration::from_secs(150);

/// `startedBy` of the task with that key: at most 36 characters, which every endpoint takes.
pub(super) fn started_by(key: &str) -> String {
    let short: String = key.chars().take(27).collect();
    format!("shipline-{short}")
}

impl Runner {
    pub(super) async fn start(&self, command: &[String], facts: &Value, key: &str) -> Result<Task, NotApplied> {
        let needs = Needs::read(facts).map_err(|problem| not(said::of_problem(problem), Touched::No))?;
        match self.find(&needs, key).await {
            Ok(Some(known)) => return Ok(task(&known)),
            Ok(None) => {}
            // ECS itself knows the key.
            Err(failure) if failure.kind == FailureKind::Denied => {}
            Err(failure) => return Err(not(said::of_failure(&failure), Touched::Perhaps)),
        }
        let definition = registered::definition(&self.patient, &self.once, &needs.wanted).await;
        let definition = definition.map_err(|failure| not(said::of_failure(&failure), Touched::No))?;
        let mut request = needs.settings.clone();
        request.insert("cluster".to_owned(), json!(needs.cluster));
        request.insert("taskDefinition".to_owned(), json!(definition.arn));
        request.insert("count".to_owned(), json!(1));
        request.insert("startedBy".to_owned(), json!(started_by(key)));
        request.insert("clientToken".to_owned(), json!(key));
        request.insert("overrides".to_owned(), overrides(&needs.container, command));
        self.send(&needs, key, &Value::Object(request).to_string(), &definition.arn).await
    }

    async fn send(&self, needs: &Needs, key: &str, request: &str, definition: &str) -> Result<Task, NotApplied> {
        let mut lost: Option<ProviderFailure> = None;
        for _ in 0..=AGAIN {
            if lost.is_some()
                && let Ok(Some(known)) = self.find(needs, key).await
            {
                return Ok(task(&known));
            }
            let mut pauses = Pauses::unhurried();
            let answer = loop {
                match self.run_task(request, definition).await {
                    Err(failure) if pauses.again(&failure).await == Left::Try => {}
                    other => break other,
                }
            };
            match answer {
                Ok(Ran::Started(known)) => return Ok(task(&known)),
                Ok(Ran::Not(cause)) => return Err(not(*cause, Touched::No)),
                Err(failure) if failure.kind == FailureKind::Unavailable => lost = Some(failure),
                // The key is in use with another request: the task that was started with it is ours.
                Err(failure) if failure.code.as_deref() == Some("ConflictException") => {
                    let found = self.find(needs, key).await.ok().flatten();
                    return found.map(|known| task(&known)).ok_or_else(|| not(said::of_failure(&failure), Touched::No));
                }
                Err(failure) => {
                    let touched = if lost.is_some() { Touched::Perhaps } else { Touched::No };
                    return Err(not(said::of_failure(&failure), touched));
                }
            }
        }
        let failure = lost.expect("the loop ends only after a lost answer");
        Err(not(said::of_failure(&failure), Touched::Perhaps))
    }

    async fn run_task(&self, request: &str, definition: &str) -> Result<Ran, ProviderFailure> {
        let operation = "ecs:RunTask";
        let asked = self.once.run_task().task_definition(definition).customize();
        let answer = asked.mutate_request(with_body(request.to_owned())).send().await;
        let answer = answer.map_err(|error| failure(operation, &error))?;
        match answer.tasks() {
            [known, ..] => Ok(Ran::Started(Box::new(known.clone()))),
            [] => Ok(Ran::Not(Box::new(not_placed(answer.failures())))),
        }
    }

    /// The task with that key, running or stopped, if ECS still knows it.
    pub(super) async fn find(&self, needs: &Needs, key: &str) -> Result<Option<sdk::Task>, ProviderFailure> {
        let by = started_by(key);
        // `startedBy` must be the only filter of ListTasks (AWS ECS API reference), and alone it finds
        // what runs; what stopped is found in its family.
        let asked = self.patient.list_tasks().cluster(&needs.cluster).started_by(&by).send().await;
        let running = asked.map_err(|error| failure("ecs:ListTasks", &error))?;
        if let Some(found) = self.with(needs, running.task_arns(), &by).await? {
            return Ok(Some(found));
        }
        let mut next = None;
        for _ in 0..PAGES {
            let asked = self
                .patient
                .list_tasks()
                .cluster(&needs.cluster)
                .family(needs.family())
                .desired_status(sdk::DesiredStatus::Stopped)
                .set_next_token(next.take());
            let page = asked.send().await.map_err(|error| failure("ecs:ListTasks", &error))?;
            if let Some(found) = self.with(needs, page.task_arns(), &by).await? {
                return Ok(Some(found));
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(None)
    }

    /// Of these tasks the one that was started by that name.
    async fn with(&self, needs: &Needs, arns: &[String], by: &str) -> Result<Option<sdk::Task>, ProviderFailure> {
        if arns.is_empty() {
            return Ok(None);
        }
        let known = self.describe(&needs.cluster, arns).await?;
        Ok(known.into_iter().find(|task| task.started_by() == Some(by)))
    }

    /// These tasks, as far as ECS still knows them.
    pub(super) async fn describe(&self, cluster: &str, arns: &[String]) -> Result<Vec<sdk::Task>, ProviderFailure> {
        let asked = self.patient.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec())).send().await;
        let answer = asked.map_err(|error| failure("ecs:DescribeTasks", &error))?;
        Ok(answer.tasks.unwrap_or_default())
    }

    pub(super) async fn stop(&self, task: Option<&Task>, facts: &Value, key: &str) -> Result<(), TargetError> {
        let needs = Needs::read(facts).map_err(refused)?;
        let id = match task {
            Some(task) => task.id.clone(),
            None => match self.appears(&needs, key).await? {
                Some(arn) => arn,
                None => return Ok(()),
            },
        };
        let mut pauses = Pauses::within(ENDS);
        loop {
            let seen = self.describe(&needs.cluster, std::slice::from_ref(&id)).await?;
            // A task that ECS does not know runs nothing.
            let Some(seen) = seen.first().filter(|seen| !has_ended(seen)) else { return Ok(()) };
            if seen.desired_status() != Some("STOPPED") {
                self.ask_to_stop(&needs.cluster, &id).await?;
            }
            if pauses.pause().await == Left::None {
                return Err(refused(Problem::provider(
                    "still-running",
                    "ECS was asked to stop the task, and it has not ended yet",
                    "Look at the task in the console, and wait until it is STOPPED before deploying again.",
                )));
            }
        }
    }

    /// The task whose start may have been lost, by its key.
    async fn appears(&self, needs: &Needs, key: &str) -> Result<Option<String>, ProviderFailure> {
        let mut pauses = Pauses::within(APPEARS);
        loop {
            if let Some(found) = self.find(needs, key).await? {
                return Ok(found.task_arn().map(str::to_owned));
            }
            if pauses.pause().await == Left::None {
                return Ok(None);
            }
        }
    }

    /// Repeating it is harmless, so the client may.
    async fn ask_to_stop(&self, cluster: &str, id: &str) -> Result<(), ProviderFailure> {
        let reason = "Shipline stopped this task: its hook was cancelled or ran out of time";
        let sent = self.patient.stop_task().cluster(cluster).task(id).reason(reason).send().await;
        match sent.map_err(|error| failure("ecs:StopTask", &error)) {
            Ok(_) => Ok(()),
            // Gone since it was looked at.
            Err(failure) if failure.message.contains("not found") => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// What became of a request that was answered.
enum Ran {
    Started(Box<sdk::Task>),
    Not(Box<Cause>),
}

/// Whether none of its containers runs any more; what follows `DEPROVISIONING` is ECS's own tidying
/// (AWS ECS developer guide, "task lifecycle").
pub(super) fn has_ended(task: &sdk::Task) -> bool {
    matches!(task.last_status(), Some("DEPROVISIONING" | "STOPPED" | "DELETED"))
}

fn task(known: &sdk::Task) -> Task {
    let created = known.created_at().and_then(|at| Timestamp::from_second(at.secs()).ok());
    Task {
        id: known.task_arn().unwrap_or_default().to_owned(),
        started: created.unwrap_or_else(clock::now),
        facts: json!({"definition": known.task_definition_arn().unwrap_or_default()}),
    }
}

fn not_placed(failures: &[sdk::Failure]) -> Cause {
    let mut reasons: Vec<&str> = failures.iter().filter_map(sdk::Failure::reason).collect();
    reasons.dedup();
    let what = match reasons.first() {
        Some(reason) => format!("no place for the task: {reason}"),
        None => "ECS started no task and gave no reason".to_owned(),
    };
    let next = match reasons.first() {
        Some(reason) if reason.starts_with("RESOURCE:") => {
            "Add instances to the cluster, or give the task less of what is missing."
        }
        Some(reason) if reason.contains("apacity") => "Deploy again in some minutes, or add another subnet.",
        _ => "Look the reason up in AWS's list of API failure reasons, change what it names, then deploy again.",
    };
    let mut cause = Cause::new(CauseCode::NotPlaced, what, next);
    cause.provider_says = reasons.first().map(|reason| (*reason).to_owned());
    cause.facts = failures.iter().filter_map(sdk::Failure::detail).map(str::to_owned).collect();
    cause.facts.extend(reasons.iter().skip(1).map(|reason| format!("also: {reason}")));
    cause
}

fn not(cause: Cause, touched: Touched) -> NotApplied {
    NotApplied { cause, touched }
}
