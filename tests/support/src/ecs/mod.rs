//! Amazon ECS: clusters, task definitions, services with their deployments,
//! tasks. Not a scheduler: tasks have no resources and no hosts.
//!
//! `deployment`, `progress`, `gradual` and `rollback` are the service deployment state machine,
//! `strategy`, `stage` and `hook` its words, `view` turns state into documents; the other files
//! are operations.

mod definition;
mod deployment;
mod express;
mod gradual;
mod hook;
mod list;
mod progress;
mod rollback;
mod run_task;
mod service;
mod stage;
mod strategy;
mod task;
#[cfg(test)]
mod tests;
mod update;
mod view;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, text, texts};

pub(crate) use definition::Definitions;
pub(crate) use gradual::Weights;
pub(crate) use service::{Service, group};
pub(crate) use task::{Task, Verdict};

/// A cluster: a name and its `ACTIVE` or `INACTIVE` status.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) arn: String,
    pub(crate) status: String,
}

/// Everything ECS knows in one account and region.
#[derive(Debug, Default)]
pub(crate) struct Ecs {
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) definitions: Definitions,
    pub(crate) services: Vec<Service>,
    /// One-off tasks.
    pub(crate) loose: Vec<Task>,
    /// `RunTask` requests by `clientToken`, with the answer each got.
    pub(crate) run: BTreeMap<String, (Value, Value)>,
}

/// Steps replayed for one request at most: a crash loop without a circuit
/// breaker would otherwise replay a long pause at a small scale for ever.
const STEP_LIMIT: usize = 10_000;

impl Ecs {
    /// Replays everything that became due up to `now`, in order of time.
    pub(crate) fn advance(&mut self, now: Millis, env: &mut Env) {
        for _ in 0..STEP_LIMIT {
            let service = self
                .services
                .iter()
                .enumerate()
                .filter_map(|(index, service)| Some((service.next_due(env)?, index)))
                .min();
            let Some((at, index)) = service.filter(|(at, _)| *at <= now) else { break };
            self.services[index].step(at, &self.definitions, env);
        }
        for task in &mut self.loose {
            task.advance_one_off(now, &self.definitions, env);
        }
        let known = env.timing.known_ms;
        self.loose.retain(|task| task.stopped.is_none_or(|stopped| now < stopped + known));
    }

    /// Answers one operation.
    pub(crate) fn answer(&mut self, op: &str, body: &Value, now: Millis, env: &mut Env) -> Answer {
        match op {
            "DescribeClusters" => Ok(self.describe_clusters(body)),
            "ListClusters" => Ok(self.list_clusters(body)),
            "ListServices" => self.list_services(body),
            "DescribeServices" => self.describe_services(body),
            "CreateService" => self.create_service(body, now, env),
            "UpdateService" => self.update_service(body, now, env),
            "RegisterTaskDefinition" => self.definitions.register(body, now, env),
            "DescribeTaskDefinition" => self.definitions.describe(body),
            "DeregisterTaskDefinition" => self.definitions.deregister(body, now),
            "ListTaskDefinitions" => Ok(self.definitions.list(body)),
            "ListServiceDeployments" => self.list_service_deployments(body),
            "DescribeServiceDeployments" => self.describe_service_deployments(body),
            "DescribeServiceRevisions" => self.describe_service_revisions(body),
            "StopServiceDeployment" => self.stop_service_deployment(body, now, env),
            "ContinueServiceDeployment" => self.continue_service_deployment(body, now, env),
            "ListTasks" => self.list_tasks(body),
            "DescribeTasks" => self.describe_tasks(body),
            "CreateExpressGatewayService" => self.create_express(body, now, env),
            "DescribeExpressGatewayService" => self.describe_express(body),
            "UpdateExpressGatewayService" => self.update_express(body, now, env),
            "RunTask" => self.run_task(body, now, env),
            "StopTask" => self.stop_task(body, now, env),
            _ => Err(ApiError::bad("UnknownOperationException", "")),
        }
    }

    /// The name of the request's cluster (`default` when it names none).
    ///
    /// # Errors
    ///
    /// `ClusterNotFoundException` when there is none of that name or it is
    /// `INACTIVE`.
    pub(crate) fn cluster(&self, body: &Value) -> Result<String, ApiError> {
        let asked = text(body, "cluster").unwrap_or("default");
        let name = asked.rsplit('/').next().unwrap_or(asked);
        match self.clusters.get(name) {
            Some(cluster) if cluster.status == "ACTIVE" => Ok(name.to_owned()),
            Some(_) => Err(ApiError::bad("ClusterNotFoundException", "The referenced cluster was inactive.")),
            None => Err(ApiError::bad("ClusterNotFoundException", "Cluster not found.")),
        }
    }

    /// The index of a service named by name or ARN.
    pub(crate) fn find(&self, cluster: &str, asked: &str) -> Option<usize> {
        let name = asked.rsplit('/').next().unwrap_or(asked);
        self.services.iter().position(|service| {
            service.cluster == cluster && service.name == name && (!asked.starts_with("arn:") || service.arn == asked)
        })
    }

    /// All tasks, one-off tasks included.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.services.iter().flat_map(|service| &service.tasks).chain(&self.loose)
    }

    fn describe_clusters(&self, body: &Value) -> Value {
        let mut asked = texts(body, "clusters");
        if asked.is_empty() {
            asked.push("default".to_owned());
        }
        let (mut clusters, mut failures) = (Vec::new(), Vec::new());
        for asked in asked {
            let name = asked.rsplit('/').next().unwrap_or(&asked);
            let Some(cluster) = self.clusters.get(name) else {
                failures.push(json!({"arn": asked, "reason": "MISSING"}));
                continue;
            };
            let services = || self.services.iter().filter(|service| service.cluster == name);
            let tasks =
                |status: &str| self.tasks().filter(|task| task.cluster == name && task.status.name() == status).count();
            clusters.push(json!({
                "clusterArn": cluster.arn,
                "clusterName": name,
                "status": cluster.status,
                "registeredContainerInstancesCount": 0,
                "runningTasksCount": tasks("RUNNING"),
                "pendingTasksCount": tasks("PENDING"),
                "activeServicesCount": services().filter(|service| service.status == "ACTIVE").count(),
                "statistics": [], "tags": [], "settings": [],
                "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
                "defaultCapacityProviderStrategy": [],
            }));
        }
        json!({"clusters": clusters, "failures": failures})
    }
}
