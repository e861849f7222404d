//! Targets.

use std::collections::BTreeMap;

use super::super::raw::Named;
use super::super::raw::target::{AppRunner, Ecs, Target};
use super::super::raw::values::Text as _;
use super::super::raw::values::{AnyText, NameOrArn, ValueFrom, VariableName};
use super::super::read::{At, Reader, Slot};
use super::super::spec::{AppRunnerSpec, ContainerChanges, EcsSpec, ForceNewDeployment, TargetSpec};
use super::image::{path, texts};
use super::{items, not_empty, pairs, value};
use crate::problem::Problem;

pub(super) fn target(raw: &At<Target>, reader: &mut Reader) -> Option<TargetSpec> {
    match (&raw.value.ecs, &raw.value.express, &raw.value.app_runner) {
        (Some(ecs), _, _) => Some(TargetSpec::Ecs(Box::new(self::ecs(&ecs.value, reader)))),
        (None, Some(express), _) => {
            Some(TargetSpec::Express(Box::new(super::express::express(&express.value, reader))))
        }
        (None, None, Some(app_runner)) => Some(TargetSpec::AppRunner(self::app_runner(&app_runner.value, reader))),
        (None, None, None) => None,
    }
}

pub(super) fn name(raw: &Slot<NameOrArn>) -> String {
    raw.as_ref().map(|name| name.value.as_str().to_owned()).unwrap_or_default()
}

fn ecs(raw: &Ecs, reader: &mut Reader) -> EcsSpec {
    kind_of_arn(&raw.cluster, ":ecs:", "a cluster", reader);
    kind_of_arn(&raw.service, ":ecs:", "an ECS service", reader);
    if let Some(command) = &raw.command {
        not_empty(reader, &command.place, command.value.len(), "argument");
    }
    EcsSpec {
        cluster: name(&raw.cluster),
        service: name(&raw.service),
        container: value(&raw.container).map(|name| name.as_str().to_owned()),
        task_definition: path(&raw.task_definition),
        changes: ContainerChanges {
            environment: texts(&raw.environment),
            secrets: secrets(&raw.environment, &raw.secrets, reader),
            labels: texts(&raw.docker_labels),
            log_driver: value(&raw.log_driver).map(|driver| driver.as_str().to_owned()),
            log_options: texts(&raw.log_options),
            command: raw
                .command
                .as_ref()
                .map(|_| items(&raw.command).map(|argument| argument.value.as_str().to_owned()).collect()),
        },
        desired_count: value(&raw.desired_count).map(|count| count.0),
        force: match value(&raw.force_new_deployment) {
            None | Some(false) => ForceNewDeployment::No,
            Some(true) => ForceNewDeployment::Yes,
        },
    }
}

fn app_runner(raw: &AppRunner, reader: &mut Reader) -> AppRunnerSpec {
    kind_of_arn(&raw.service, ":apprunner:", "an App Runner service", reader);
    for (name, at) in pairs(&raw.environment) {
        // App Runner developer guide, "Managing environment variables": the prefix is reserved.
        if name.as_str().starts_with("AWSAPPRUNNER") {
            let what = format!("`{}`: names that begin with AWSAPPRUNNER are reserved.", name.as_str());
            reader.note(&at.place, Problem::mistake("reserved-name", what, "Choose another name."));
        }
    }
    AppRunnerSpec {
        service: name(&raw.service),
        environment: texts(&raw.environment),
        secrets: secrets(&raw.environment, &raw.secrets, reader),
    }
}

/// An ARN of another service is a likely slip of the clipboard.
pub(super) fn kind_of_arn(slot: &Slot<NameOrArn>, part: &str, what: &str, reader: &mut Reader) {
    let Some(At { value, place }) = slot else { return };
    if value.as_str().starts_with("arn:") && !value.as_str().contains(part) {
        let what = format!("This is the ARN of something else; {what} is needed.");
        reader.note(place, Problem::mistake("wrong-arn", what, "Write its name, or its own ARN."));
    }
}

/// Where secrets are kept. A name cannot be a plain variable too: the platform refuses both.
pub(super) fn secrets(
    environment: &Slot<Named<VariableName, AnyText>>,
    raw: &Slot<Named<VariableName, ValueFrom>>,
    reader: &mut Reader,
) -> BTreeMap<String, String> {
    for (name, at) in pairs(raw) {
        if environment.as_ref().is_some_and(|environment| environment.value.contains_key(name)) {
            let what = format!("`{}` also stands under `environment`.", name.as_str());
            reader.note(&at.place, Problem::mistake("name-twice", what, "Keep one of them."));
        }
    }
    pairs(raw).map(|(name, from)| (name.as_str().to_owned(), from.value.as_str().to_owned())).collect()
}
