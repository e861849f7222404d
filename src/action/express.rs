//! A service in Express Mode from inputs, named as in `amazon-ecs-deploy-express-service`.

use super::reading::Reader;
use crate::config::spec::{CreateService, ExpressSpec, ScalingMetric, ScalingSpec, TargetSpec};

/// Inputs that only Express Mode has a use for.
pub(super) const INPUTS: &[&str] = &[
    "container-port",
    "cpu",
    "memory",
    "health-check-path",
    "execution-role-arn",
    "task-role-arn",
    "infrastructure-role-arn",
    "subnets",
    "security-groups",
    "min-task-count",
    "max-task-count",
    "auto-scaling-metric",
    "auto-scaling-target-value",
];

/// Inputs of a service that have no meaning here.
const ELSEWHERE: &[&str] = &[
    "task-definition",
    "container-name",
    "docker-labels",
    "desired-count",
    "force-new-deployment",
    "log-configuration-log-driver",
    "log-configuration-options",
];

/// The service that `service-name` names.
pub(super) fn target(read: &mut Reader<'_>, service: &str) -> TargetSpec {
    for name in read.given.given_of(ELSEWHERE) {
        let next = "Remove it; with `service` instead of `service-name` it is an input of ECS services.";
        read.wrong(name, format!("`{name}` has no meaning for a service in Express Mode"), next);
    }
    let cluster = match service.split_once(":service/").and_then(|(_, path)| path.split_once('/')) {
        Some((cluster, _)) => cluster.to_owned(),
        // ECS's own default when no cluster is named.
        None => read.given.get("cluster").unwrap_or("default").to_owned(),
    };
    let path = read.given.get("health-check-path").map(str::to_owned);
    if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        read.wrong("health-check-path", "the path of a health check starts with `/`", "Write it as /health.");
    }
    let scaling = ScalingSpec {
        least: read.number("min-task-count", 0, 5_000),
        most: read.number("max-task-count", 1, 5_000),
        metric: metric(read),
        target: read.number("auto-scaling-target-value", 1, 1_000_000),
    };
    if let (Some(least), Some(most)) = (scaling.least, scaling.most)
        && least > most
    {
        read.wrong("min-task-count", format!("{least} is more than max-task-count, {most}"), "Correct one of them.");
    }
    let create = creation(read, service);
    TargetSpec::Express(Box::new(ExpressSpec {
        cluster,
        service: service.to_owned(),
        create,
        environment: read.pairs("environment-variables"),
        secrets: read.pairs("secrets"),
        command: None,
        container_port: read.number("container-port", 1, 65_535).and_then(|port| u16::try_from(port).ok()),
        cpu: read.number("cpu", 256, 16_384),
        memory: read.number("memory", 512, 122_880),
        health_check_path: path,
        execution_role: read.parsed("execution-role-arn"),
        task_role: read.parsed("task-role-arn"),
        infrastructure_role: read.parsed("infrastructure-role-arn"),
        subnets: read.words("subnets"),
        security_groups: read.words("security-groups"),
        scaling,
    }))
}

/// Who names the role that makes a service wants it made, as with the action these inputs are from.
fn creation(read: &mut Reader<'_>, service: &str) -> CreateService {
    if !read.given.has("infrastructure-role-arn") {
        return CreateService::No;
    }
    if !read.given.has("execution-role-arn") {
        let what = "a service that is missing is created with this role, and needs its execution role for that";
        read.wrong("infrastructure-role-arn", what, "Give `execution-role-arn` as well, or remove this.");
    }
    // An ARN is of a service that exists.
    if service.starts_with("arn:") { CreateService::No } else { CreateService::WhenMissing }
}

/// In the words of the configuration file or of AWS.
fn metric(read: &mut Reader<'_>) -> Option<ScalingMetric> {
    let words = [
        ("average-cpu", ScalingMetric::AverageCpu),
        ("average-memory", ScalingMetric::AverageMemory),
        ("request-count-per-target", ScalingMetric::RequestCountPerTarget),
        ("AVERAGE_CPU", ScalingMetric::AverageCpu),
        ("AVERAGE_MEMORY", ScalingMetric::AverageMemory),
        ("REQUEST_COUNT_PER_TARGET", ScalingMetric::RequestCountPerTarget),
    ];
    read.one_of("auto-scaling-metric", &words)
}
