//! How simulated deployments go: decided by the image that is deployed or by
//! the service it is deployed to. Durations are milliseconds; what a rule
//! leaves out comes from [`Timing`](crate::Timing).

use serde::{Deserialize, Serialize};

/// How the new tasks of an ECS deployment (or a one-off task) behave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    /// Tasks become healthy; a one-off task ends with exit code 0.
    Healthy {
        /// From RUNNING to HEALTHY.
        #[serde(default)]
        after_ms: Option<u64>,
        /// Deregistration delay of the replaced tasks.
        #[serde(default)]
        drain_ms: Option<u64>,
        /// Log lines written when running.
        #[serde(default)]
        lines: Vec<String>,
    },
    /// The container exits soon after its start, again and again.
    Exits {
        /// Its exit code.
        code: i64,
        /// From RUNNING to STOPPED.
        #[serde(default)]
        after_ms: Option<u64>,
        /// From one failure to the next task.
        #[serde(default)]
        every_ms: Option<u64>,
        /// Log lines written before the exit.
        #[serde(default)]
        lines: Vec<String>,
        /// The container that exits; the first essential one by default.
        #[serde(default)]
        container: Option<String>,
    },
    /// The image cannot be pulled: `CannotPullContainerError: <message>`.
    CannotPull {
        /// Text after the colon.
        message: String,
        /// From one failure to the next task.
        #[serde(default)]
        every_ms: Option<u64>,
    },
    /// Secrets, logs or network cannot be set up:
    /// `ResourceInitializationError: <message>`.
    ResourceInitialization {
        /// Text after the colon.
        message: String,
        /// From one failure to the next task.
        #[serde(default)]
        every_ms: Option<u64>,
    },
    /// Tasks run but fail their health check and are replaced.
    Unhealthy {
        /// Whose check fails.
        #[serde(default)]
        check: HealthCheck,
        /// The status a target group's check gets.
        #[serde(default = "unavailable")]
        status: u16,
        /// From RUNNING to the check's verdict.
        #[serde(default)]
        after_ms: Option<u64>,
        /// From one failure to the next task.
        #[serde(default)]
        every_ms: Option<u64>,
        /// Log lines written when running.
        #[serde(default)]
        lines: Vec<String>,
    },
    /// The container is killed for its memory: exit code 137.
    OutOfMemory {
        /// From RUNNING to STOPPED.
        #[serde(default)]
        after_ms: Option<u64>,
        /// From one failure to the next task.
        #[serde(default)]
        every_ms: Option<u64>,
        /// Log lines written before the kill.
        #[serde(default)]
        lines: Vec<String>,
    },
    /// No task can be placed; only a service event says so.
    Unplaceable {
        /// Why, as after "was unable to place a task because ".
        message: String,
        /// From one attempt to the next.
        #[serde(default)]
        every_ms: Option<u64>,
    },
    /// Tasks stay PENDING for ever.
    Stuck {},
    /// Somebody else updates the service while tasks are still starting.
    Superseded {
        /// From the deployment's begin to the other update.
        #[serde(default)]
        after_ms: Option<u64>,
        /// What the other update deploys (ARN or `family:revision`); the
        /// service's last good task definition by default.
        #[serde(default)]
        task_definition: Option<String>,
    },
    /// A deployment alarm goes off: while tasks of a rolling update are starting, at any stage of
    /// another strategy. (An alarm of CloudWatch that goes off by itself is seen as well.)
    Alarm {
        /// From the deployment's begin to the alarm.
        #[serde(default)]
        after_ms: Option<u64>,
        /// The alarm's name.
        name: String,
    },
    /// Tasks become healthy, but ECS cannot shift traffic (its role, the listener rule): a rolling
    /// update does not notice, any other strategy rolls back at its first shift.
    Unshiftable {
        /// Why, as after "invalid networking configuration. ".
        message: String,
    },
}

const fn unavailable() -> u16 {
    503
}

/// Whose health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheck {
    /// The load balancer's target group.
    #[default]
    TargetGroup,
    /// The container's own `healthCheck`.
    Container,
}

impl Behaviour {
    /// Becomes healthy in the default time.
    #[must_use]
    pub fn healthy() -> Self {
        Self::Healthy { after_ms: None, drain_ms: None, lines: Vec::new() }
    }

    /// Becomes healthy after `after_ms`; replaced tasks drain for `drain_ms`.
    #[must_use]
    pub fn slow(after_ms: u64, drain_ms: u64) -> Self {
        Self::Healthy { after_ms: Some(after_ms), drain_ms: Some(drain_ms), lines: Vec::new() }
    }

    /// Exits with `code` after writing `lines`.
    #[must_use]
    pub fn exits<L: Into<String>>(code: i64, lines: impl IntoIterator<Item = L>) -> Self {
        let lines = lines.into_iter().map(Into::into).collect();
        Self::Exits { code, after_ms: None, every_ms: None, lines, container: None }
    }

    /// `CannotPullContainerError: <message>`.
    #[must_use]
    pub fn cannot_pull(message: impl Into<String>) -> Self {
        Self::CannotPull { message: message.into(), every_ms: None }
    }

    /// `ResourceInitializationError: <message>`.
    #[must_use]
    pub fn resource_initialization(message: impl Into<String>) -> Self {
        Self::ResourceInitialization { message: message.into(), every_ms: None }
    }

    /// The target group's check gets `status`.
    #[must_use]
    pub fn unhealthy(status: u16) -> Self {
        Self::Unhealthy { check: HealthCheck::TargetGroup, status, after_ms: None, every_ms: None, lines: Vec::new() }
    }

    /// Killed for its memory.
    #[must_use]
    pub fn out_of_memory() -> Self {
        Self::OutOfMemory { after_ms: None, every_ms: None, lines: Vec::new() }
    }

    /// Cannot be placed because of `message`.
    #[must_use]
    pub fn unplaceable(message: impl Into<String>) -> Self {
        Self::Unplaceable { message: message.into(), every_ms: None }
    }

    /// Traffic cannot be shifted because of `message`.
    #[must_use]
    pub fn unshiftable(message: impl Into<String>) -> Self {
        Self::Unshiftable { message: message.into() }
    }

    /// Superseded by somebody else's update after `after_ms`.
    #[must_use]
    pub fn superseded(after_ms: u64) -> Self {
        Self::Superseded { after_ms: Some(after_ms), task_definition: None }
    }
}

/// How a rollback ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackOutcome {
    /// `ROLLBACK_SUCCESSFUL`.
    #[default]
    Succeeds,
    /// `ROLLBACK_FAILED`.
    Fails,
    /// Stays in `ROLLBACK_IN_PROGRESS`.
    Stuck,
}

/// Says which ECS deployments and one-off tasks behave how. The rule given
/// last wins; without a rule everything is healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only this service (its name).
    #[serde(default)]
    pub service: Option<String>,
    /// Only task definitions with an image that contains this text.
    #[serde(default)]
    pub image: Option<String>,
    /// Only one-off tasks whose command, its words joined by spaces, contains this text.
    #[serde(default)]
    pub command: Option<String>,
    /// What happens.
    pub behaviour: Behaviour,
    /// How a rollback of such a deployment ends.
    #[serde(default)]
    pub rollback: RollbackOutcome,
    /// How long that rollback takes.
    #[serde(default)]
    pub rollback_ms: Option<u64>,
    /// For how many deployments; without end by default.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Rule {
    /// For images that contain `image`.
    #[must_use]
    pub fn image(image: impl Into<String>, behaviour: Behaviour) -> Self {
        Self { image: Some(image.into()), ..Self::any(behaviour) }
    }

    /// For one service, whatever is deployed.
    #[must_use]
    pub fn service(service: impl Into<String>, behaviour: Behaviour) -> Self {
        Self { service: Some(service.into()), ..Self::any(behaviour) }
    }

    /// For one-off tasks whose command contains `command`.
    #[must_use]
    pub fn command(command: impl Into<String>, behaviour: Behaviour) -> Self {
        Self { command: Some(command.into()), ..Self::any(behaviour) }
    }

    /// For everything.
    #[must_use]
    pub fn any(behaviour: Behaviour) -> Self {
        Self {
            service: None,
            image: None,
            command: None,
            behaviour,
            rollback: RollbackOutcome::Succeeds,
            rollback_ms: None,
            times: None,
        }
    }

    /// With that end of a rollback.
    #[must_use]
    pub fn rollback(self, rollback: RollbackOutcome) -> Self {
        Self { rollback, ..self }
    }

    /// For the next `times` deployments only.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// How an App Runner operation ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AppRunnerBehaviour {
    /// `SUCCEEDED`.
    Succeeds {},
    /// An update: `ROLLBACK_IN_PROGRESS`, `ROLLBACK_SUCCEEDED`, the old
    /// configuration stays; a creation: `FAILED` and `CREATE_FAILED`.
    RollsBack {
        /// Lines of the application log.
        #[serde(default)]
        lines: Vec<String>,
        /// Lines of the service log, before App Runner's own.
        #[serde(default)]
        reason: Option<String>,
    },
    /// `FAILED`: the service stays RUNNING with the old configuration.
    Fails {
        /// Lines of the application log.
        #[serde(default)]
        lines: Vec<String>,
        /// Lines of the service log, before App Runner's own.
        #[serde(default)]
        reason: Option<String>,
    },
    /// `FAILED`: source code does not become an image; nothing of it ever runs.
    BuildFails {
        /// Lines of the build, in the deployment's log.
        #[serde(default)]
        lines: Vec<String>,
        /// App Runner's reason; a build command that failed without it.
        #[serde(default)]
        reason: Option<String>,
    },
    /// As `RollsBack`, because nobody answers the health check.
    HealthFails {
        /// Lines of the application log.
        #[serde(default)]
        lines: Vec<String>,
    },
    /// `ROLLBACK_IN_PROGRESS`, then `ROLLBACK_FAILED`.
    RollbackFails {
        /// Lines of the application log.
        #[serde(default)]
        lines: Vec<String>,
    },
    /// Stays `IN_PROGRESS`.
    Stuck {},
}

/// Says which App Runner operations end how; the rule given last wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRunnerRule {
    /// Only this service (its name).
    #[serde(default)]
    pub service: Option<String>,
    /// Only images that contain this text; source code as `<address>@<branch>#<commit>`.
    #[serde(default)]
    pub image: Option<String>,
    /// What happens.
    pub behaviour: AppRunnerBehaviour,
    /// How long the operation is `IN_PROGRESS`.
    #[serde(default)]
    pub after_ms: Option<u64>,
    /// How long its rollback takes.
    #[serde(default)]
    pub rollback_ms: Option<u64>,
    /// For how many operations; without end by default.
    #[serde(default)]
    pub times: Option<u32>,
}
