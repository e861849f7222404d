//! Tasks: of services and one-off ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::definition::{Definition, Definitions};
use crate::behaviour::{Behaviour, HealthCheck};
use crate::env::Env;
use crate::reply::{Millis, put, seconds, text};

/// `lastStatus`, as far as it is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskStatus {
    Pending,
    Running,
    Stopped,
}

impl TaskStatus {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// What the checks of a task said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    None,
    /// Good: of the target group, or of having run long enough.
    Good,
    /// The container's own check failed.
    Bad,
}

/// Why a task is stopped, as `DescribeTasks` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    /// `stopCode`.
    pub(crate) code: &'static str,
    /// `stoppedReason`.
    pub(crate) reason: String,
    /// The container that made it happen; all others exit with 143 after
    /// having run, or have no exit code when nothing ever ran.
    pub(crate) container: Option<String>,
    /// That container's exit code.
    pub(crate) exit: Option<i64>,
    /// That container's `reason`.
    pub(crate) container_reason: Option<String>,
}

impl Stop {
    /// Stopped by the scheduler or a person.
    pub(crate) fn plain(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), container: None, exit: None, container_reason: None }
    }
}

/// One task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) cluster: String,
    pub(crate) definition: String,
    pub(crate) group: String,
    pub(crate) started_by: Option<String>,
    pub(crate) launch_type: String,
    pub(crate) status: TaskStatus,
    /// What checks said so far.
    pub(crate) verdict: Verdict,
    /// Containers with a `healthCheck` make ECS report the task's health.
    checked: bool,
    pub(crate) created: Millis,
    pub(crate) started: Option<Millis>,
    pub(crate) stopped: Option<Millis>,
    pub(crate) stop: Option<Stop>,
    pub(crate) exits: BTreeMap<String, i64>,
    pub(crate) overrides: Value,
    pub(crate) tags: Value,
    /// Private address: what a target group has as target id.
    pub(crate) address: String,
    /// One-off tasks: what happens and when next.
    pub(crate) one_off: Option<(Behaviour, Millis)>,
    /// One-off tasks that are asked to stop: how and when they will have.
    pub(crate) ending: Option<(Stop, Millis)>,
}

impl Task {
    /// A new PENDING task.
    pub(crate) fn new(cluster: &str, definition: &Definition, group: String, now: Millis, env: &mut Env) -> Self {
        let id = env.ids.hex();
        let octet = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap_or_default();
        let address = format!("10.0.{}.{}", octet(0), octet(2));
        Self {
            arn: env.arn("ecs", &format!("task/{cluster}/{id}")),
            id,
            cluster: cluster.to_owned(),
            definition: definition.arn.clone(),
            group,
            started_by: None,
            launch_type: "FARGATE".to_owned(),
            status: TaskStatus::Pending,
            verdict: Verdict::None,
            checked: definition.containers().iter().any(|container| container.get("healthCheck").is_some()),
            created: now,
            started: None,
            stopped: None,
            stop: None,
            exits: BTreeMap::new(),
            overrides: json!({"containerOverrides": [], "inferenceAcceleratorOverrides": []}),
            tags: json!([]),
            address,
            one_off: None,
            ending: None,
        }
    }

    /// `healthStatus`: UNKNOWN for ever when no container has a check.
    fn health(&self) -> &'static str {
        match (self.verdict, self.checked) {
            (Verdict::Bad, _) => "UNHEALTHY",
            (Verdict::Good, true) => "HEALTHY",
            _ => "UNKNOWN",
        }
    }

    /// PENDING to RUNNING.
    pub(crate) fn run(&mut self, at: Millis) {
        if self.status == TaskStatus::Pending {
            self.status = TaskStatus::Running;
            self.started = Some(at);
        }
    }

    /// Stops it; a stopped task stays as it was.
    pub(crate) fn stop(&mut self, at: Millis, stop: Stop, definition: Option<&Definition>) {
        if self.status == TaskStatus::Stopped {
            return;
        }
        if self.started.is_some() {
            for container in definition.map_or(&[][..], Definition::containers) {
                let name = text(container, "name").unwrap_or_default();
                let own = stop.container.as_deref() == Some(name);
                let code = if own { stop.exit } else { Some(143) };
                if let Some(code) = code {
                    self.exits.insert(name.to_owned(), code);
                }
            }
        }
        self.status = TaskStatus::Stopped;
        self.stopped = Some(at);
        self.stop = Some(stop);
    }

    /// Writes log lines of one container (the first essential one by default)
    /// where its `awslogs` options say.
    pub(crate) fn log(
        &self,
        at: Millis,
        container: Option<&str>,
        lines: &[String],
        definition: &Definition,
        env: &mut Env,
    ) {
        let Some(name) = container.or_else(|| definition.essential()) else { return };
        let found = definition.containers().iter().find(|known| text(known, "name") == Some(name));
        let Some(configuration) = found.and_then(|known| known.get("logConfiguration")) else { return };
        if configuration["logDriver"] != "awslogs" {
            return;
        }
        let options = &configuration["options"];
        let Some(group) = text(options, "awslogs-group") else { return };
        let stream = match text(options, "awslogs-stream-prefix") {
            Some(prefix) => format!("{prefix}/{name}/{}", self.id),
            None => self.id.clone(),
        };
        env.logs.write(group, &stream, at, lines);
    }

    /// Moves a one-off task: PENDING, RUNNING, STOPPED.
    pub(crate) fn advance_one_off(&mut self, now: Millis, definitions: &Definitions, env: &mut Env) {
        if let Some((stop, due)) = self.ending.clone().filter(|(_, due)| *due <= now) {
            self.stop(due, stop, definitions.find(&self.definition));
            self.ending = None;
        }
        while let Some((behaviour, due)) = self.one_off.clone().filter(|(_, due)| *due <= now) {
            let Some(definition) = definitions.find(&self.definition).cloned() else { return };
            let failure = failure(&behaviour, &definition, "");
            if self.status == TaskStatus::Pending && !never_runs(&behaviour) {
                self.run(due);
                let after = due + settle(&behaviour, env);
                self.one_off = Some((behaviour, after));
                continue;
            }
            self.log(due, container_of(&behaviour), lines_of(&behaviour), &definition, env);
            let done = Stop {
                container: definition.essential().map(str::to_owned),
                exit: Some(0),
                ..Stop::plain("EssentialContainerExited", "Essential container in task exited")
            };
            self.stop(due, failure.unwrap_or(done), Some(&definition));
            self.one_off = None;
        }
    }

    /// `tasks[]` of `DescribeTasks`.
    pub(crate) fn document(&self, definition: Option<&Definition>) -> Value {
        let running = self.status == TaskStatus::Running;
        let containers: Vec<Value> = definition
            .map_or(&[][..], Definition::containers)
            .iter()
            .map(|container| self.container(container, definition))
            .collect();
        let mut document = json!({
            "attachments": [], "attributes": [], "availabilityZone": "us-east-1a",
            "clusterArn": self.arn.split(":task/").next().map(|prefix| format!("{prefix}:cluster/{}", self.cluster)),
            "connectivity": if running { "CONNECTED" } else { "DISCONNECTED" },
            "containers": containers,
            "cpu": definition.and_then(|known| text(&known.document, "cpu")).unwrap_or("256"),
            "createdAt": seconds(self.created),
            "desiredStatus": if self.status == TaskStatus::Stopped || self.ending.is_some() { "STOPPED" } else { "RUNNING" },
            "enableExecuteCommand": false,
            "group": self.group,
            "healthStatus": self.health(),
            "lastStatus": self.status.name(),
            "launchType": self.launch_type,
            "memory": definition.and_then(|known| text(&known.document, "memory")).unwrap_or("512"),
            "overrides": self.overrides,
            "platformVersion": "1.4.0", "platformFamily": "Linux",
            "tags": self.tags,
            "taskArn": self.arn,
            "taskDefinitionArn": self.definition,
            "version": 1,
        });
        put(&mut document, "startedBy", self.started_by.clone());
        put(&mut document, "startedAt", self.started.map(seconds));
        if let Some((stop, _)) = &self.ending {
            put(&mut document, "stopCode", Some(stop.code));
            put(&mut document, "stoppedReason", Some(stop.reason.clone()));
        }
        put(&mut document, "stoppingAt", self.stopped.map(seconds));
        put(&mut document, "stoppedAt", self.stopped.map(seconds));
        put(&mut document, "executionStoppedAt", self.stopped.filter(|_| self.started.is_some()).map(seconds));
        put(&mut document, "stopCode", self.stop.as_ref().map(|stop| stop.code));
        put(&mut document, "stoppedReason", self.stop.as_ref().map(|stop| stop.reason.clone()));
        document
    }

    fn container(&self, container: &Value, definition: Option<&Definition>) -> Value {
        let name = text(container, "name").unwrap_or_default();
        let checked = container.get("healthCheck").is_some();
        let mut document = json!({
            "containerArn": format!("{}/{name}", self.arn.replacen(":task/", ":container/", 1)),
            "taskArn": self.arn,
            "name": name,
            "image": container["image"],
            "lastStatus": self.status.name(),
            "networkBindings": [],
            "networkInterfaces": [{"attachmentId": self.id, "privateIpv4Address": self.address}],
            "healthStatus": if checked { self.health() } else { "UNKNOWN" },
            "cpu": "0",
        });
        if let Some((_, digest)) = text(container, "image").and_then(|image| image.split_once('@')) {
            put(&mut document, "imageDigest", Some(digest));
        }
        if self.started.is_some() {
            put(&mut document, "runtimeId", Some(format!("{}-{name}", self.id)));
        }
        put(&mut document, "exitCode", self.exits.get(name).copied());
        if let Some(stop) = &self.stop {
            let own = stop.container.as_deref().or_else(|| definition?.essential());
            put(&mut document, "reason", stop.container_reason.clone().filter(|_| own == Some(name)));
        }
        document
    }
}

/// Whether such tasks fail before RUNNING.
pub(crate) const fn never_runs(behaviour: &Behaviour) -> bool {
    matches!(
        behaviour,
        Behaviour::CannotPull { .. } | Behaviour::ResourceInitialization { .. } | Behaviour::Unplaceable { .. }
    )
}

/// From RUNNING to the verdict.
pub(crate) fn settle(behaviour: &Behaviour, env: &Env) -> Millis {
    let asked = match behaviour {
        Behaviour::Healthy { after_ms, .. }
        | Behaviour::Exits { after_ms, .. }
        | Behaviour::Unhealthy { after_ms, .. }
        | Behaviour::OutOfMemory { after_ms, .. } => *after_ms,
        _ => None,
    };
    env.ms(asked, env.timing.settle_ms)
}

/// The lines such a container writes.
pub(crate) fn lines_of(behaviour: &Behaviour) -> &[String] {
    match behaviour {
        Behaviour::Healthy { lines, .. }
        | Behaviour::Exits { lines, .. }
        | Behaviour::Unhealthy { lines, .. }
        | Behaviour::OutOfMemory { lines, .. } => lines,
        _ => &[],
    }
}

/// The container a rule names.
pub(crate) fn container_of(behaviour: &Behaviour) -> Option<&str> {
    match behaviour {
        Behaviour::Exits { container, .. } => container.as_deref(),
        _ => None,
    }
}

/// How a task with this behaviour stops; none for those that do not fail.
pub(crate) fn failure(behaviour: &Behaviour, definition: &Definition, target_group: &str) -> Option<Stop> {
    let essential = definition.essential().map(str::to_owned);
    match behaviour {
        Behaviour::Exits { code, container, .. } => Some(Stop {
            container: container.clone().or(essential),
            exit: Some(*code),
            ..Stop::plain("EssentialContainerExited", "Essential container in task exited")
        }),
        Behaviour::OutOfMemory { .. } => Some(Stop {
            container: essential,
            exit: Some(137),
            container_reason: Some("OutOfMemoryError: Container killed due to memory usage".to_owned()),
            ..Stop::plain("EssentialContainerExited", "Essential container in task exited")
        }),
        Behaviour::CannotPull { message, .. } => {
            let reason = format!("CannotPullContainerError: {message}");
            Some(Stop {
                container: essential,
                container_reason: Some(reason.clone()),
                ..Stop::plain("TaskFailedToStart", reason)
            })
        }
        Behaviour::ResourceInitialization { message, .. } => {
            let reason = format!("ResourceInitializationError: {message}");
            Some(Stop::plain("TaskFailedToStart", reason))
        }
        Behaviour::Unhealthy { check: HealthCheck::Container, .. } => {
            Some(Stop::plain("ServiceSchedulerInitiated", "Task failed container health checks"))
        }
        Behaviour::Unhealthy { check: HealthCheck::TargetGroup, .. } => Some(Stop::plain(
            "ServiceSchedulerInitiated",
            format!("Task failed ELB health checks in (target-group {target_group})"),
        )),
        Behaviour::Healthy { .. }
        | Behaviour::Unplaceable { .. }
        | Behaviour::Stuck {}
        | Behaviour::Superseded { .. }
        | Behaviour::Alarm { .. }
        | Behaviour::Unshiftable { .. } => None,
    }
}
