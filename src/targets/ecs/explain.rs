//! The cause with everything that can be found about it.
//!
//! Independent reads run at once, each with a time of its own, so that the whole takes no longer
//! than a few seconds. Invariant: a read that fails becomes a fact of the cause, never an error.

use std::time::Duration;

use aws_types::SdkConfig;
use futures_util::future::{join, join_all, join4};
use serde_json::{Map, Value};

use super::facts::{self, Way};
use super::live::Live;
use super::logs::{self, NoStream};
use super::raw::{self, Definition, short};
use super::tasks::{self, Verdict, culprit};
use super::{EcsTarget, health, links, render, said};
use crate::engine::ProviderFailure;
use crate::rollout::{Cause, CauseCode, Link, LogLines, ServicePlan, Shift};

/// The longest that one group of reads may take; two follow each other, and the engine gives four seconds to both.
const READ: Duration = Duration::from_millis(1800);
/// How many service events are told.
const EVENTS: usize = 4;

impl EcsTarget {
    pub(super) async fn explain_cause(&self, plan: &ServicePlan, shift: &Shift, seen: Cause) -> Cause {
        let wanted = Self::definition_of(&shift.revision);
        let wanted = wanted.as_str();
        // A service that is created had none before.
        let before = facts::of_revision(&plan.previous).ok().map(|facts| facts.task_definition);
        let facts = facts::of_shift(shift).ok();
        let own = facts.as_ref().filter(|facts| facts.way == Way::Update);
        let of = tasks::Of {
            cluster: &self.spec.cluster,
            service: &self.spec.service,
            primary: own.and_then(|facts| facts.primary.as_deref()),
            definition: wanted,
            since: own.and_then(|facts| facts.created),
        };
        let (stopped, live, new, old) = join4(
            timed("ecs:DescribeTasks", tasks::stopped(&self.patient, &of, &self.memory.tasks)),
            timed("ecs:DescribeServices", self.must_live()),
            timed("ecs:DescribeTaskDefinition", raw::describe(&self.patient, wanted)),
            timed("ecs:DescribeTaskDefinition", async {
                match &before {
                    Some(before) => raw::describe(&self.patient, before).await.map(Some),
                    None => Ok(None),
                }
            }),
        )
        .await;
        let mut unread = Vec::new();
        let stopped = stopped.unwrap_or_else(|fact| note(&mut unread, fact, Vec::new()));
        let live = live.map_or_else(|fact| note(&mut unread, fact, None), Some);
        let new = new.map_or_else(|fact| note(&mut unread, fact, None), Some);
        let old = old.unwrap_or_else(|fact| note(&mut unread, fact, None));

        let verdict = tasks::hopeless(&stopped).or_else(|| tasks::worst(&stopped));
        let mut cause = refined(seen, verdict.as_ref(), short(wanted));
        cause.revision.get_or_insert_with(|| short(wanted).to_owned());
        let began = shift.started.as_second();
        if let Some(live) = &live {
            add_events(&mut cause, live, began);
        }
        let (log, targets) =
            join(self.log_of(new.as_ref(), verdict.as_ref()), self.target_facts(live.as_ref(), cause.code)).await;
        add_targets(&mut cause, targets);
        if let (Some(new), Some(old)) = (&new, &old) {
            add_missing(&mut cause, new, old);
        }
        let task = cause.task.clone();
        let (cluster, service) = (self.cluster_name(), self.service_name());
        if let Some(task) = task {
            let url = links::task(&self.region, cluster, &task);
            cause.links.push(Link { title: "Stopped task".to_owned(), url });
        }
        match log {
            Found::Lines(log, link) => {
                cause.log = Some(log);
                cause.links.push(link);
            }
            Found::Nothing(fact) => cause.facts.extend(fact),
        }
        cause.links.push(Link { title: "Service".to_owned(), url: links::service(&self.region, cluster, service) });
        cause.facts.extend(unread);
        cause
    }

    /// The failed container's last lines.
    async fn log_of(&self, definition: Option<&Definition>, verdict: Option<&Verdict>) -> Found {
        let (Some(definition), Some(verdict)) = (definition, verdict) else { return Found::Nothing(None) };
        let task = &verdict.task;
        if task.lived.is_none() {
            // Nothing ran, so nothing was written.
            return Found::Nothing(None);
        }
        let main = self.spec.container.clone();
        let container = culprit(task).map(|container| container.name.clone()).or(main);
        let Some(container) = container else { return Found::Nothing(None) };
        log_lines(&self.config, &self.region, &definition.raw, &container, &task.id).await
    }

    /// What the load balancer says, and what made it slow.
    async fn target_facts(&self, live: Option<&Live>, code: CauseCode) -> Vec<Said> {
        let groups = live.map(|live| live.target_groups.clone()).unwrap_or_default();
        let asks = matches!(code, CauseCode::TargetUnhealthy | CauseCode::TimedOut | CauseCode::ProviderGaveUp);
        if groups.is_empty() || !asks {
            return Vec::new();
        }
        let client = aws_sdk_elasticloadbalancingv2::Client::new(&self.config);
        let said = join_all(groups.iter().map(|group| of_group(&client, group, code))).await;
        said.into_iter().flatten().collect()
    }
}

/// Something learnt about a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// Targets that are not well.
    Unwell(String),
    /// Anything else.
    Fact(String),
}

async fn of_group(client: &aws_sdk_elasticloadbalancingv2::Client, group: &str, code: CauseCode) -> Vec<Said> {
    let slow = async {
        // Only who ran out of time wants to know what took it.
        if code == CauseCode::TimedOut { health::drain_seconds(client, group).await } else { Ok(None) }
    };
    let (unwell, slow) = join(
        timed("elasticloadbalancing:DescribeTargetHealth", health::unwell(client, group)),
        timed("elasticloadbalancing:DescribeTargetGroupAttributes", slow),
    )
    .await;
    let mut said: Vec<Said> = match unwell {
        Ok(lines) => lines.into_iter().map(Said::Unwell).collect(),
        Err(fact) => vec![Said::Fact(fact)],
    };
    match slow {
        Ok(Some(seconds)) => said.push(Said::Fact(format!("deregistration delay: old tasks drain for {seconds} s"))),
        Ok(None) => {}
        Err(fact) => said.push(Said::Fact(fact)),
    }
    said
}

/// A log, or why there is none.
pub(super) enum Found {
    Lines(LogLines, Link),
    Nothing(Option<String>),
}

/// The last lines of a container of a task.
pub(super) async fn log_lines(
    config: &SdkConfig,
    region: &str,
    content: &Map<String, Value>,
    container: &str,
    task: &str,
) -> Found {
    let stream = match logs::stream(content, container, task, region) {
        Ok(stream) => stream,
        Err(why) => return Found::Nothing(Some(no_log(container, &why))),
    };
    let region = aws_sdk_cloudwatchlogs::config::Region::new(stream.region.clone());
    let config = aws_sdk_cloudwatchlogs::config::Builder::from(config).region(region).build();
    let client = aws_sdk_cloudwatchlogs::Client::from_conf(config);
    let source = format!("{} {}", stream.group, stream.name);
    match timed("logs:GetLogEvents", logs::last_lines(&client, &stream)).await {
        Ok(lines) if lines.is_empty() => Found::Nothing(Some(format!("container `{container}` wrote no log lines"))),
        Ok(lines) => {
            let url = links::log(&stream.region, &stream.group, &stream.name);
            Found::Lines(LogLines { source, lines }, Link { title: "Log".to_owned(), url })
        }
        Err(fact) => Found::Nothing(Some(fact)),
    }
}

/// A read in its time; what fails is a sentence.
async fn timed<T>(what: &str, read: impl Future<Output = Result<T, ProviderFailure>>) -> Result<T, String> {
    match tokio::time::timeout(READ, Box::pin(read)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(format!("not known: {} failed: {}", failure.operation, failure.message)),
        Err(_) => Err(format!("not known: {what} did not answer in time")),
    }
}

fn note<T>(unread: &mut Vec<String>, fact: String, without: T) -> T {
    if !unread.contains(&fact) {
        unread.push(fact);
    }
    without
}

/// A stop reason explains what ECS or the clock only noticed.
fn refined(seen: Cause, verdict: Option<&Verdict>, revision: &str) -> Cause {
    let vague = matches!(seen.code, CauseCode::ProviderGaveUp | CauseCode::TimedOut | CauseCode::Unreachable);
    let same_task = verdict.is_some_and(|verdict| seen.task.as_ref() == Some(&verdict.task.id));
    match verdict {
        Some(verdict) if vague || same_task || tasks::kind(&verdict.task) == seen.code => {
            let mut cause = said::of_tasks(verdict, revision);
            if vague {
                cause.facts.push(seen.summary);
                cause.facts.extend(seen.provider_says);
            }
            cause.facts.extend(seen.facts);
            cause
        }
        _ => seen,
    }
}

/// Events since the change began that say what went wrong, oldest first.
fn add_events(cause: &mut Cause, live: &Live, began: i64) {
    let telling = ["unable to", "unhealthy", "failed", "insufficient", "rolling back", "alarm"];
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay far below 2^53")]
    let since = began as f64 - 2.0;
    let mut told: Vec<&str> = Vec::new();
    for event in live.events.iter().filter(|event| event.at >= since) {
        let text = event.text.split_once(") ").map_or(event.text.as_str(), |(_, text)| text);
        if telling.iter().any(|word| text.contains(word)) && !told.contains(&text) && told.len() < EVENTS {
            told.push(text);
        }
    }
    let unplaced = told.iter().find(|text| text.contains("unable to place"));
    if let Some(text) = unplaced
        && matches!(cause.code, CauseCode::ProviderGaveUp | CauseCode::TimedOut)
    {
        cause.code = CauseCode::NotPlaced;
        cause.facts.push(std::mem::replace(&mut cause.summary, format!("no place for a task: {text}")));
        "Add capacity, or ask for less CPU and memory, or loosen the placement constraints."
            .clone_into(&mut cause.next);
    }
    let told: Vec<String> = told.into_iter().rev().map(|text| format!("event: {text}")).collect();
    cause.facts.extend(told);
}

/// The load balancer's answers; unhealthy targets explain a deployment that only took too long.
fn add_targets(cause: &mut Cause, targets: Vec<Said>) {
    let unhealthy = targets.iter().find_map(|said| match said {
        Said::Unwell(text) if text.contains("unhealthy") => Some(text.clone()),
        Said::Unwell(_) | Said::Fact(_) => None,
    });
    if let Some(text) = unhealthy {
        match cause.code {
            CauseCode::TimedOut | CauseCode::ProviderGaveUp => {
                cause.code = CauseCode::TargetUnhealthy;
                let before =
                    std::mem::replace(&mut cause.summary, format!("the load balancer's health check fails: {text}"));
                cause.facts.push(before);
                "Check the target group's health check path, port and expected codes against what the container answers."
                    .clone_into(&mut cause.next);
            }
            _ => {
                if let Some((_, why)) = text.split_once(": ") {
                    cause.summary = format!("{}: {why}", cause.summary);
                }
            }
        }
    }
    cause.facts.extend(targets.into_iter().map(|said| match said {
        Said::Unwell(text) => format!("target group: {text}"),
        Said::Fact(text) => text,
    }));
}

/// Environment variables and secrets that the new task definition has not and the old one had.
fn add_missing(cause: &mut Cause, new: &Definition, old: &Definition) {
    for container in render::container_names(&old.raw) {
        let (Some(had), Some(has)) = (render::container(&old.raw, container), render::container(&new.raw, container))
        else {
            continue;
        };
        let known = names(has);
        for (name, from) in names(had) {
            if known.iter().any(|(other, _)| *other == name) {
                continue;
            }
            let from = match from {
                Some(from) => format!("had it from {from}"),
                None => "had it".to_owned(),
            };
            cause.facts.push(format!("Task definition {} has no {name}; {} {from}.", new.name(), old.name()));
            if matches!(
                cause.code,
                CauseCode::ContainerExited | CauseCode::ContainerUnhealthy | CauseCode::TargetUnhealthy
            ) {
                cause.next = format!("Put {name} back if the program needs it, then deploy again.");
            }
        }
    }
}

/// Names of environment variables and secrets; of secrets also where they come from.
fn names(container: &Value) -> Vec<(String, Option<String>)> {
    let list = |field: &str| container.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).map(str::to_owned);
    let mut found: Vec<_> = list("environment").iter().filter_map(|entry| Some((text(entry, "name")?, None))).collect();
    found.extend(list("secrets").iter().filter_map(|entry| Some((text(entry, "name")?, text(entry, "valueFrom")))));
    found
}

fn no_log(container: &str, why: &NoStream) -> String {
    match why {
        NoStream::NotConfigured => {
            format!("container `{container}` has no log configuration, so there are no log lines")
        }
        NoStream::Driver(driver) => format!("container `{container}` logs through {driver}, which is not read here"),
        NoStream::Unnamed => {
            format!("container `{container}` has no awslogs-stream-prefix, so its log stream cannot be found")
        }
    }
}

#[cfg(test)]
mod tests;
