//! Targets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::raw::Named;
use super::super::raw::forms::Either;
use super::super::raw::target::{AppRunner, Backup, Compose, Ecs, HostWord, Target};
use super::super::raw::values::Text as _;
use super::super::raw::values::{AnyText, NameOrArn, ValueFrom, VariableName};
use super::super::read::{At, Reader, Slot};
use super::super::spec::{
    AppRunnerSpec, ComposeHost, ComposeSpec, ContainerChanges, EcsSpec, ForceNewDeployment, SqliteBackup, TargetSpec,
};
use super::image::{path, texts};
use super::{items, not_empty, pairs, value};
use crate::problem::Problem;

pub(super) fn target(raw: &At<Target>, reader: &mut Reader) -> Option<TargetSpec> {
    match (&raw.value.ecs, &raw.value.app_runner, &raw.value.compose) {
        (Some(ecs), _, _) => Some(TargetSpec::Ecs(Box::new(self::ecs(&ecs.value, reader)))),
        (None, Some(app_runner), _) => Some(TargetSpec::AppRunner(self::app_runner(&app_runner.value, reader))),
        (None, None, Some(compose)) => self::compose(&compose.value, reader).map(TargetSpec::Compose),
        (None, None, None) => None,
    }
}

fn name(raw: &Slot<NameOrArn>) -> String {
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

fn compose(raw: &Compose, reader: &mut Reader) -> Option<ComposeSpec> {
    let host = match raw.host.as_ref().map(|at| &at.value) {
        None | Some(Either::Short(HostWord::Local)) => ComposeHost::Local,
        Some(Either::Long(named)) => match (&named.instance, &named.tag) {
            (Some(id), _) => ComposeHost::Instance(id.value.as_str().to_owned()),
            (None, tag) => {
                let (key, value) = tag.as_ref()?.value.as_str().split_once('=')?;
                ComposeHost::Tag { key: key.to_owned(), value: value.to_owned() }
            }
        },
    };
    let file = raw.file.as_ref().map_or("compose.yml", |at| at.value.as_str());
    if host != ComposeHost::Local && !file.starts_with('/') {
        let what = format!("`{file}` is relative, and an instance has no repository it could be in.");
        let next = "Write the whole path on the instance, such as /srv/shop/compose.yml.";
        let place = raw.file.as_ref().map(|at| &at.place).or(raw.host.as_ref().map(|at| &at.place))?;
        reader.note(place, Problem::mistake("relative-path", what, next));
    }
    let mut paths: Vec<&str> = Vec::new();
    for path in items(&raw.backups).filter_map(|backup| backup.value.sqlite.as_ref()) {
        if paths.contains(&path.value.as_str()) {
            let what = format!("`{}` is named twice.", path.value.as_str());
            reader.note(&path.place, Problem::mistake("named-twice", what, "Keep one of them."));
        }
        paths.push(path.value.as_str());
    }
    let backup = |raw: &Backup| {
        let path = raw.sqlite.as_ref()?.value.as_str().to_owned();
        Some(SqliteBackup { path, keep: value(&raw.keep).map_or(5, |keep| keep.0) })
    };
    Some(ComposeSpec {
        project: raw.project.as_ref()?.value.as_str().to_owned(),
        service: raw.service.as_ref()?.value.as_str().to_owned(),
        file: PathBuf::from(file),
        host,
        check: raw.check.as_ref().map(|check| super::verify(&check.value, reader)),
        backups: items(&raw.backups).filter_map(|at| backup(&at.value)).collect(),
    })
}

/// An ARN of another service is a likely slip of the clipboard.
fn kind_of_arn(slot: &Slot<NameOrArn>, part: &str, what: &str, reader: &mut Reader) {
    let Some(At { value, place }) = slot else { return };
    if value.as_str().starts_with("arn:") && !value.as_str().contains(part) {
        let what = format!("This is the ARN of something else; {what} is needed.");
        reader.note(place, Problem::mistake("wrong-arn", what, "Write its name, or its own ARN."));
    }
}

/// Where secrets are kept. A name cannot be a plain variable too: the platform refuses both.
fn secrets(
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
