//! Services: what is stored of one, and its creation.

use serde_json::{Map, Value, json};

use super::Ecs;
use super::definition::Definitions;
use super::deployment::ServiceDeployment;
use super::express::Express;
use super::gradual::Weights;
use super::strategy;
use super::task::{Stop, Task, TaskStatus, Verdict};
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, text};

/// What a legacy deployment (`deployments[]`) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RolloutState {
    InProgress,
    Completed,
    Failed,
}

impl RolloutState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// One entry of `deployments[]`: tasks of one service revision. The first is
/// PRIMARY, the others are ACTIVE.
#[derive(Debug, Clone)]
pub(crate) struct Rollout {
    /// `ecs-svc/…`: what tasks have in `startedBy`.
    pub(crate) id: String,
    pub(crate) revision: String,
    pub(crate) definition: String,
    pub(crate) state: RolloutState,
    pub(crate) reason: String,
    pub(crate) failed: i64,
    pub(crate) desired: i64,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
    /// Its share of the traffic.
    pub(crate) weights: Weights,
    /// Whether its tasks are in the alternate target groups.
    pub(crate) alternate: bool,
}

impl Rollout {
    /// FAILED, for that reason.
    pub(crate) fn fail(&mut self, at: Millis, reason: &str) {
        self.state = RolloutState::Failed;
        reason.clone_into(&mut self.reason);
        self.updated = at;
    }
}

/// A service revision: what `DescribeServiceRevisions` knows.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    pub(crate) arn: String,
    pub(crate) definition: String,
    pub(crate) created: Millis,
    /// Whether its tasks are in the alternate target groups.
    pub(crate) alternate: bool,
    /// Service settings when it was made.
    pub(crate) settings: Map<String, Value>,
}

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) cluster: String,
    pub(crate) arn: String,
    pub(crate) status: String,
    pub(crate) desired: i64,
    pub(crate) definition: String,
    pub(crate) created: Millis,
    /// Members of `CreateService`/`UpdateService` that are shown as given.
    pub(crate) settings: Map<String, Value>,
    pub(crate) rollouts: Vec<Rollout>,
    /// Newest first.
    pub(crate) deployments: Vec<ServiceDeployment>,
    pub(crate) revisions: Vec<Revision>,
    /// The revision of the last successful deployment.
    pub(crate) good: Option<String>,
    /// Newest first; ECS keeps 100.
    pub(crate) events: Vec<(String, Millis, String)>,
    pub(crate) tasks: Vec<Task>,
    /// For a service in Express Mode.
    pub(crate) express: Option<Express>,
}

/// Stopped tasks that are kept (ECS shows them for about an hour).
const STOPPED_KEPT: usize = 60;

/// Settings that are stored and shown as given.
pub(crate) const SETTINGS: [&str; 20] = [
    "loadBalancers",
    "serviceRegistries",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "deploymentConfiguration",
    "placementConstraints",
    "placementStrategy",
    "networkConfiguration",
    "healthCheckGracePeriodSeconds",
    "schedulingStrategy",
    "deploymentController",
    "tags",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "availabilityZoneRebalancing",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// The target group of one of `loadBalancers`.
pub(crate) fn group(balancer: &Value, alternate: bool) -> Option<&str> {
    let advanced = &balancer["advancedConfiguration"];
    text(advanced, "alternateTargetGroupArn").filter(|_| alternate).or_else(|| text(balancer, "targetGroupArn"))
}

impl Service {
    /// `ECS`, `CODE_DEPLOY`, `EXTERNAL` or one nobody knows yet.
    pub(crate) fn controller(&self) -> &str {
        let controller = self.settings.get("deploymentController");
        controller.and_then(|controller| text(controller, "type")).unwrap_or("ECS")
    }

    /// The target groups behind the service.
    pub(crate) fn target_groups(&self) -> Vec<String> {
        self.groups(false)
    }

    /// The target groups of its load balancers: the first or the alternate ones.
    pub(crate) fn groups(&self, alternate: bool) -> Vec<String> {
        let balancers = self.settings.get("loadBalancers").and_then(Value::as_array);
        balancers.into_iter().flatten().filter_map(|balancer| group(balancer, alternate).map(str::to_owned)).collect()
    }

    /// Tasks of one rollout with that status.
    pub(crate) fn count(&self, rollout: &str, status: TaskStatus) -> usize {
        let of = |task: &&Task| task.started_by.as_deref() == Some(rollout) && task.status == status;
        self.tasks.iter().filter(of).count()
    }

    /// Adds a service event (newest first).
    pub(crate) fn event(&mut self, at: Millis, message: &str, env: &mut Env) {
        let message = format!("(service {}) {message}", self.name);
        self.events.insert(0, (env.ids.uuid(), at, message));
        self.events.truncate(100);
    }

    /// Starts tasks of a rollout; returns their ids.
    pub(crate) fn launch(
        &mut self,
        rollout: &str,
        count: usize,
        at: Millis,
        definitions: &Definitions,
        env: &mut Env,
    ) -> Vec<String> {
        let Some(found) = self.rollouts.iter().find(|known| known.id == rollout) else { return Vec::new() };
        let Some(definition) = definitions.find(&found.definition) else { return Vec::new() };
        let mut ids = Vec::new();
        for _ in 0..count {
            let mut task = Task::new(&self.cluster, definition, format!("service:{}", self.name), at, env);
            task.started_by = Some(rollout.to_owned());
            if let Some(launch) = self.settings.get("launchType").and_then(Value::as_str) {
                launch.clone_into(&mut task.launch_type);
            }
            ids.push(task.id.clone());
            self.tasks.push(task);
        }
        let stopped = self.tasks.iter().filter(|task| task.status == TaskStatus::Stopped).count();
        let mut surplus = stopped.saturating_sub(STOPPED_KEPT);
        self.tasks.retain(|task| {
            let drop = surplus > 0 && task.status == TaskStatus::Stopped;
            surplus -= usize::from(drop);
            !drop
        });
        ids
    }

    /// Stops up to `count` live tasks of a rollout; returns their ids.
    pub(crate) fn stop_tasks(
        &mut self,
        rollout: &str,
        count: usize,
        at: Millis,
        stop: &Stop,
        definitions: &Definitions,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        let live = |task: &&mut Task| task.started_by.as_deref() == Some(rollout) && task.status != TaskStatus::Stopped;
        for task in self.tasks.iter_mut().filter(live).take(count) {
            task.stop(at, stop.clone(), definitions.find(&task.definition));
            ids.push(task.id.clone());
        }
        ids
    }

    /// Brings a rollout to exactly `desired` running healthy tasks.
    pub(crate) fn settle_at(
        &mut self,
        rollout: &str,
        desired: usize,
        at: Millis,
        definitions: &Definitions,
        env: &mut Env,
    ) {
        let live = self.count(rollout, TaskStatus::Running) + self.count(rollout, TaskStatus::Pending);
        if live < desired {
            self.launch(rollout, desired - live, at, definitions, env);
        } else if live > desired {
            let stop = Stop::plain(
                "ServiceSchedulerInitiated",
                format!("Scaling activity initiated by (deployment {rollout})"),
            );
            self.stop_tasks(rollout, live - desired, at, &stop, definitions);
        }
        self.make_healthy(rollout, at);
    }

    /// RUNNING and good, all live tasks of a rollout.
    pub(crate) fn make_healthy(&mut self, rollout: &str, at: Millis) {
        let of = |task: &&mut Task| task.started_by.as_deref() == Some(rollout);
        for task in self.tasks.iter_mut().filter(of) {
            if task.status != TaskStatus::Stopped {
                task.run(at);
                task.verdict = Verdict::Good;
            }
        }
    }

    /// `desired` as a count.
    pub(crate) fn wanted(&self) -> usize {
        usize::try_from(self.desired).unwrap_or(0)
    }
}

impl Ecs {
    /// `CreateService`: the first deployment runs like any other.
    pub(crate) fn create_service(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let index = self.add_service(body, now, env)?;
        let service = &mut self.services[index];
        if service.controller() == "ECS" || !matches!(service.controller(), "CODE_DEPLOY" | "EXTERNAL") {
            service.begin_deployment(now, &self.definitions, env);
        }
        Ok(json!({"service": self.services[index].document()}))
    }

    /// Adds the service without starting anything.
    pub(crate) fn add_service(&mut self, body: &Value, now: Millis, env: &mut Env) -> Result<usize, ApiError> {
        let cluster = self.cluster(body)?;
        let name = text(body, "serviceName")
            .ok_or_else(|| ApiError::bad("InvalidParameterException", "Service name cannot be empty."))?;
        let old = self.find(&cluster, name);
        if old.is_some_and(|index| self.services[index].status == "ACTIVE") {
            return Err(ApiError::bad("InvalidParameterException", "Creation of service was not idempotent."));
        }
        let asked = text(body, "taskDefinition")
            .ok_or_else(|| ApiError::bad("InvalidParameterException", "TaskDefinition cannot be blank."))?;
        let definition = self.definitions.usable(asked)?.arn.clone();
        let mut settings = Map::new();
        for member in SETTINGS {
            if let Some(value) = body.get(member) {
                settings.insert(member.to_owned(), value.clone());
            }
        }
        if let Some(given) = body.get("deploymentConfiguration") {
            settings.insert("deploymentConfiguration".to_owned(), strategy::configured(None, given)?);
        }
        strategy::possible(&settings)?;
        if !settings.contains_key("launchType") && !settings.contains_key("capacityProviderStrategy") {
            settings.insert("launchType".to_owned(), json!("FARGATE"));
        }
        if let Some(index) = old {
            self.services.remove(index);
        }
        self.services.push(Service {
            arn: env.arn("ecs", &format!("service/{cluster}/{name}")),
            name: name.to_owned(),
            cluster,
            status: "ACTIVE".to_owned(),
            desired: number(body, "desiredCount").unwrap_or(1),
            definition,
            created: now,
            settings,
            rollouts: Vec::new(),
            deployments: Vec::new(),
            revisions: Vec::new(),
            good: None,
            events: Vec::new(),
            tasks: Vec::new(),
            express: None,
        });
        Ok(self.services.len() - 1)
    }
}
