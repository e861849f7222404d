//! What a deployment to this service would run into, found without changing anything.
//!
//! Invariant: every check is made although another one failed, as far as it can be.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types as sdk;
use serde_json::{Map, Value};

use super::EcsTarget;
use super::live::{Live, RolloutState};
use super::{file, raw, render, sizes};
use crate::aws::failure;
use crate::engine::target::FailureKind;
use crate::engine::{Examination, ProviderFailure, TargetError};
use crate::problem::Problem;
use crate::targets::{log_events, secrets};

impl EcsTarget {
    pub(super) async fn examine_service(&self) -> Examination {
        let mut found = Examination::default();
        let live = if self.cluster_is_there(&mut found).await {
            self.live_service().await.map_err(|error| found.failed(error)).ok()
        } else {
            None
        };
        let container = match &live {
            Some(live) => self.examine_live(live, &mut found).await,
            None => None,
        };
        let running = match &live {
            Some(live) => raw::describe(&self.patient, &live.definition).await.map_err(TargetError::from),
            None => Err(refused_without_service()),
        };
        let base = match (&self.spec.task_definition, &running) {
            (Some(path), _) => file::read(&self.root, path).await.map(|content| (content, path.display().to_string())),
            (None, Ok(running)) => Ok((render::content(running), format!("task definition {}", running.name()))),
            // The service's absence is told already.
            (None, Err(_)) if live.is_none() => return found,
            (None, Err(error)) => {
                found.failed(error.clone());
                return found;
            }
        };
        match base {
            Ok((content, of)) => self.examine_content(content, &of, container, &mut found).await,
            Err(problem) => found.fails(problem),
        }
        found
    }

    /// Whether there is a cluster to look into, as far as that can be seen.
    pub(super) async fn cluster_is_there(&self, found: &mut Examination) -> bool {
        let asked = self.patient.describe_clusters().clusters(&self.spec.cluster).send().await;
        let answer = match asked.map_err(|error| failure("ecs:DescribeClusters", &error)) {
            Ok(answer) => answer,
            Err(failure) => {
                found.failed(failure.into());
                return true;
            }
        };
        let status = answer.clusters().first().and_then(|cluster| cluster.status());
        if status == Some("ACTIVE") {
            return true;
        }
        let state = status.map_or_else(|| "does not exist".to_owned(), |status| format!("is {status}"));
        found.fails(Problem::provider(
            "cluster-not-found",
            format!("the ECS cluster {} {state} in {}", self.cluster_name(), self.region),
            "Check `cluster`, the region and the account; `aws ecs list-clusters` shows what is there.",
        ));
        false
    }

    /// The service's own settings; answers which container and port its load balancer needs.
    async fn examine_live(&self, live: &Live, found: &mut Examination) -> Option<(String, i32)> {
        found.good(format!("service {}/{} is there", self.cluster_name(), self.service_name()));
        if let Err(error) = super::prepare::refuse_controller(live) {
            found.failed(error);
        }
        if let Err(error) = self.refuse_strategy(live).await {
            found.failed(error);
        }
        if live.primary().is_some_and(|primary| primary.state == RolloutState::InProgress) {
            found.warns(Problem::refused(
                "deployment-in-progress",
                format!("a deployment of {} is under way", self.service_name()),
                "Wait for its end; a deployment that begins now replaces it, and goes back to what served before it.",
            ));
        }
        let wanted = self.spec.desired_count.unwrap_or(live.desired);
        if wanted == 0 {
            found.warns(Problem::refused(
                "no-tasks",
                format!("{} runs no task (desired count 0): a deployment would prove nothing", self.service_name()),
                "Set `desired-count` to 1 or more.",
            ));
        }
        let asked =
            self.patient.describe_services().cluster(&self.spec.cluster).services(&self.spec.service).send().await;
        let service = match asked.map_err(|error| failure("ecs:DescribeServices", &error)) {
            Ok(answer) => answer.services().first().cloned()?,
            Err(failure) => {
                found.failed(failure.into());
                return None;
            }
        };
        if !breaker_is_on(&service) {
            found.warns(Problem::refused(
                "circuit-breaker-off",
                format!("the deployment circuit breaker of {} is off", self.service_name()),
                "Turn it on with rollback, so that ECS takes a bad release back even when this program cannot: \
                 aws ecs update-service --deployment-configuration 'deploymentCircuitBreaker={enable=true,rollback=true}'",
            ));
        }
        for group in &live.target_groups {
            self.examine_target_group(group, found).await;
        }
        let balancer = service.load_balancers().first()?;
        Some((balancer.container_name()?.to_owned(), balancer.container_port()?))
    }

    pub(super) async fn examine_target_group(&self, arn: &str, found: &mut Examination) {
        let client = aws_sdk_elasticloadbalancingv2::Client::new(&self.config);
        let name = arn.rsplit('/').nth(1).unwrap_or(arn).to_owned();
        let asked = client.describe_target_groups().target_group_arns(arn).send().await;
        let group = match asked.map_err(|error| failure("elasticloadbalancing:DescribeTargetGroups", &error)) {
            Ok(answer) => answer.target_groups().first().cloned(),
            Err(failure) if is_missing(&failure) => None,
            Err(failure) => return found.failed(failure.into()),
        };
        let Some(group) = group else {
            return found.fails(Problem::provider(
                "target-group-missing",
                format!("the target group {name} of {} does not exist", self.service_name()),
                "Create it again, or give the service another one: new tasks would never get traffic.",
            ));
        };
        let asked = client.describe_target_health().target_group_arn(arn).send().await;
        let answer = match asked.map_err(|error| failure("elasticloadbalancing:DescribeTargetHealth", &error)) {
            Ok(answer) => answer,
            Err(failure) => return found.failed(failure.into()),
        };
        let states: Vec<_> = answer.target_health_descriptions().iter().filter_map(|one| one.target_health()).collect();
        let healthy =
            states.iter().filter(|health| health.state().is_some_and(|state| state.as_str() == "healthy")).count();
        let bad = states.iter().find(|health| health.state().is_some_and(|state| state.as_str() == "unhealthy"));
        let path = group.health_check_path().unwrap_or("/");
        match bad {
            Some(bad) if healthy == 0 => {
                let codes = group.matcher().and_then(|matcher| matcher.http_code()).unwrap_or("200");
                let why = bad.description().unwrap_or("no description").to_owned();
                found.fails(
                    Problem::provider(
                        "health-check-fails",
                        format!("no target of {name} is healthy: {path} does not answer {codes}"),
                        "Mend the health check's path, port and codes, or the program, before a deployment waits for it.",
                    )
                    .because(why),
                );
            }
            _ => found.good(format!("target group {name}: {healthy} healthy, checked at {path}")),
        }
    }

    pub(super) async fn examine_content(
        &self,
        content: Map<String, Value>,
        of: &str,
        balanced: Option<(String, i32)>,
        found: &mut Examination,
    ) {
        let content = match render::choose(&content, self.spec.container.as_deref(), of) {
            Ok(container) => {
                found.good(format!("container {container} is in {of}"));
                render::with_changes(content, &container, &self.spec.changes)
            }
            Err(problem) => {
                found.fails(problem);
                content
            }
        };
        let arm = content.get("runtimePlatform").and_then(|platform| platform.get("cpuArchitecture"));
        let arm = arm.and_then(Value::as_str) == Some("ARM64");
        found.platform = Some(if arm { "linux/arm64" } else { "linux/amd64" }.to_owned());
        for wrong in sizes::misfits(&content) {
            let next = "Correct `cpu` and `memory` of the task definition.";
            found.fails(Problem::mistake("task-does-not-fit", format!("{of}: {wrong}"), next));
        }
        let named = named_secrets(&content);
        let groups = log_groups(&content, &self.region);
        let has_role = content.get("executionRoleArn").and_then(Value::as_str).is_some_and(|role| !role.is_empty());
        let uses_role = !named.is_empty() || (sizes::is_fargate(&content) && !groups.is_empty());
        if uses_role && !has_role {
            let what = if named.is_empty() { "writes its log to CloudWatch" } else { "reads secrets" };
            found.fails(Problem::mistake(
                "execution-role-missing",
                format!("{of} {what} and names no execution role"),
                "Set `executionRoleArn` to a role that ECS may use for it.",
            ));
        }
        if let Some((container, port)) = balanced
            && !maps_port(&content, &container, port)
        {
            found.fails(Problem::mistake(
                "port-not-mapped",
                format!("the load balancer sends to port {port} of container `{container}`, which {of} does not map"),
                "Add the port to `portMappings` of that container, or change the service's load balancer.",
            ));
        }
        for (region, names) in groups {
            match log_events::missing(&self.config, &region, &names).await {
                Ok(missing) if missing.is_empty() => found.good(format!("log groups are there: {}", listed(&names))),
                Ok(missing) => missing.iter().for_each(|name| {
                    found.fails(Problem::provider(
                        "log-group-missing",
                        format!("there is no log group {name} in {region}: no task could start"),
                        format!("Create it: aws logs create-log-group --region {region} --log-group-name {name}"),
                    ));
                }),
                Err(failure) => found.failed(failure.into()),
            }
        }
        secrets::examine(&self.config, &named, found).await;
    }
}

fn refused_without_service() -> TargetError {
    TargetError::Refused(Box::new(Problem::defect("no-service", "the task definition of no service was asked for")))
}

fn is_missing(failure: &ProviderFailure) -> bool {
    failure.kind == FailureKind::Missing
}

fn breaker_is_on(service: &sdk::Service) -> bool {
    let breaker = service.deployment_configuration().and_then(|settings| settings.deployment_circuit_breaker());
    breaker.is_some_and(sdk::DeploymentCircuitBreaker::enable)
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn list<'a>(of: &'a Value, field: &str) -> &'a [Value] {
    of.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Variables and where their values are kept, of all containers.
fn named_secrets(content: &Map<String, Value>) -> BTreeSet<(String, String)> {
    let none = Value::Null;
    let of = |container: &Value| {
        let log = container.get("logConfiguration").unwrap_or(&none);
        let all = list(container, "secrets").iter().chain(list(log, "secretOptions"));
        let pair = |secret: &Value| {
            Some((secret.get("name")?.as_str()?.to_owned(), secret.get("valueFrom")?.as_str()?.to_owned()))
        };
        all.filter_map(pair).collect::<Vec<_>>()
    };
    render::containers(content).iter().flat_map(of).collect()
}

/// Log groups that must be there, by region.
fn log_groups(content: &Map<String, Value>, region: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for log in render::containers(content).iter().filter_map(|container| container.get("logConfiguration")) {
        let option = |name: &str| log.get("options")?.get(name)?.as_str();
        let awslogs = log.get("logDriver").and_then(Value::as_str) == Some("awslogs");
        if let (true, Some(group), None | Some("false")) =
            (awslogs, option("awslogs-group"), option("awslogs-create-group"))
        {
            found.entry(option("awslogs-region").unwrap_or(region).to_owned()).or_default().insert(group.to_owned());
        }
    }
    found
}

fn maps_port(content: &Map<String, Value>, container: &str, port: i32) -> bool {
    let Some(container) = render::container(content, container) else { return false };
    list(container, "portMappings").iter().any(|mapping| mapping.get("containerPort") == Some(&Value::from(port)))
}
