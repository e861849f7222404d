//! Services in Express Mode.

use super::super::raw::List;
use super::super::raw::express::{Express, ScalingWord};
use super::super::raw::values::{NameOrArn, Text as _};
use super::super::read::{At, Reader, Slot};
use super::super::spec::{CreateService, ExpressSpec, ScalingMetric, ScalingSpec};
use super::image::texts;
use super::target::{kind_of_arn, name, secrets};
use super::{items, not_empty, value};
use crate::problem::Problem;

/// The cluster that ECS means where none is named.
const DEFAULT_CLUSTER: &str = "default";

pub(super) fn express(raw: &Express, reader: &mut Reader) -> ExpressSpec {
    kind_of_arn(&raw.cluster, ":ecs:", "a cluster", reader);
    kind_of_arn(&raw.service, ":ecs:", "an ECS service", reader);
    if let Some(command) = &raw.command {
        not_empty(reader, &command.place, command.value.len(), "argument");
    }
    size(raw, reader);
    counts(raw, reader);
    let create = creation(raw, reader);
    let names = |list: &Slot<List<NameOrArn>>| items(list).map(|name| name.value.as_str().to_owned()).collect();
    let metric = value(&raw.auto_scaling_metric).map(|word| match word {
        ScalingWord::AverageCpu => ScalingMetric::AverageCpu,
        ScalingWord::AverageMemory => ScalingMetric::AverageMemory,
        ScalingWord::RequestCountPerTarget => ScalingMetric::RequestCountPerTarget,
    });
    ExpressSpec {
        cluster: cluster(&raw.cluster, &raw.service, reader),
        service: name(&raw.service),
        create,
        environment: texts(&raw.environment),
        secrets: secrets(&raw.environment, &raw.secrets, reader),
        command: raw
            .command
            .as_ref()
            .map(|_| items(&raw.command).map(|argument| argument.value.as_str().to_owned()).collect()),
        container_port: value(&raw.container_port).and_then(|port| u16::try_from(port.0).ok()),
        cpu: value(&raw.cpu).map(|units| units.0),
        memory: value(&raw.memory).map(|mebibytes| mebibytes.0),
        health_check_path: value(&raw.health_check_path).map(|path| path.as_str().to_owned()),
        execution_role: value(&raw.execution_role),
        task_role: value(&raw.task_role),
        infrastructure_role: value(&raw.infrastructure_role),
        subnets: names(&raw.subnets),
        security_groups: names(&raw.security_groups),
        scaling: ScalingSpec {
            least: value(&raw.min_task_count).map(|count| count.0),
            most: value(&raw.max_task_count).map(|count| count.0),
            metric,
            target: value(&raw.auto_scaling_target_value).map(|value| value.0),
        },
    }
}

/// A service that is to be created is named by its name, and has both of its roles.
fn creation(raw: &Express, reader: &mut Reader) -> CreateService {
    let Some(At { value: true, place }) = &raw.create else { return CreateService::No };
    if let Some(service) = raw.service.as_ref().filter(|service| !is_service_name(service.value.as_str())) {
        let what = "A service that is to be created needs a name of up to 255 letters, digits, `-` and `_`.";
        reader.note(&service.place, Problem::mistake("service-name", what, "Write its name, or remove `create`."));
    }
    let roles = [
        ("execution-role", raw.execution_role.is_none(), "ecs-tasks.amazonaws.com", "AmazonECSTaskExecutionRolePolicy"),
        (
            "infrastructure-role",
            raw.infrastructure_role.is_none(),
            "ecs.amazonaws.com",
            "AmazonECSInfrastructureRoleforExpressGatewayServices",
        ),
    ];
    for (role, _, trusts, policy) in roles.into_iter().filter(|(_, missing, ..)| *missing) {
        let what = format!("A service that is to be created needs its `{role}`.");
        let next = format!("Name a role that {trusts} may assume and that has the policy {policy}.");
        reader.note(place, Problem::mistake("role-missing", what, next).see("docs/express.md"));
    }
    CreateService::WhenMissing
}

/// Amazon ECS API reference, `CreateExpressGatewayService`.
fn is_service_name(name: &str) -> bool {
    name.len() <= 255 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The cluster that is named, or that the service's ARN (`…:service/<cluster>/<name>`) names.
fn cluster(named: &Slot<NameOrArn>, service: &Slot<NameOrArn>, reader: &mut Reader) -> String {
    let last = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let of_service = service.as_ref().and_then(|service| {
        let (_, path) = service.value.as_str().split_once(":service/")?;
        Some(path.split_once('/')?.0.to_owned())
    });
    match (named, of_service) {
        (Some(At { value, place }), Some(other)) if last(value.as_str()) != other => {
            let what = format!("The service's ARN is in the cluster `{other}`.");
            reader.note(place, Problem::mistake("cluster-differs", what, "Remove `cluster`, or correct one of them."));
            value.as_str().to_owned()
        }
        (Some(At { value, .. }), _) => value.as_str().to_owned(),
        (None, of_service) => of_service.unwrap_or_else(|| DEFAULT_CLUSTER.to_owned()),
    }
}

fn counts(raw: &Express, reader: &mut Reader) {
    if let (Some(least), Some(most)) = (&raw.min_task_count, &raw.max_task_count)
        && least.value.0 > most.value.0
    {
        let what = format!("The fewest tasks ({}) are more than the most ({}).", least.value.0, most.value.0);
        reader.note(&least.place, Problem::mistake("counts-crossed", what, "Correct one of them."));
    }
}

/// Sizes of tasks on Fargate (Amazon ECS developer guide, "Task size"): CPU units, and the least,
/// most and step of memory in MiB.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

fn size(raw: &Express, reader: &mut Reader) {
    let Some(cpu) = &raw.cpu else { return };
    let Some((_, least, most, step)) = SIZES.into_iter().find(|(units, ..)| *units == cpu.value.0) else {
        let what = format!("There are no tasks with {} CPU units.", cpu.value.0);
        let units: Vec<String> = SIZES.iter().map(|(units, ..)| units.to_string()).collect();
        reader.note(&cpu.place, Problem::mistake("no-such-size", what, format!("Write one of {}.", units.join(", "))));
        return;
    };
    let Some(memory) = &raw.memory else { return };
    let asked = memory.value.0;
    // A quarter CPU has 512, 1024 and 2048 MiB, and nothing between the last two.
    let gap = cpu.value.0 == 256 && asked == 1_536;
    if !(least..=most).contains(&asked) || asked % step != 0 || gap {
        let what = format!("There are no tasks with {} CPU units and {asked} MiB.", cpu.value.0);
        let next = format!("With {} CPU units write {least} to {most}, in steps of {step}.", cpu.value.0);
        reader.note(&memory.place, Problem::mistake("no-such-size", what, next));
    }
}
