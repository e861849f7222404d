//! Targets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::raw::forms::Either;
use super::super::raw::rules::RollingWord;
use super::super::raw::target::{AppRunner, Backup, Compose, Ecs, HostCheck, HostWord, Target, Tasks};
use super::super::raw::values::Text as _;
use super::super::raw::values::{AnyText, AppRunnerArn, NameOrArn, ValueFrom, VariableName};
use super::super::raw::{List, Named};
use super::super::read::{At, Reader, Slot};
use super::super::spec::{
    AppRunnerSettings, AppRunnerSpec, ComposeHost, ComposeSpec, ContainerChanges, CreateService, EcsSpec, EcsTasksSpec,
    ForceNewDeployment, HealthCheckSettings, HttpCheck, OwnRollout, PublicAddress, SqliteBackup, TargetSpec,
};
use super::image::{path, texts};
use super::{items, not_empty, pairs, value, within};
use crate::problem::{Place, Problem};
use crate::types::Span;

pub(super) fn target(raw: &At<Target>, reader: &mut Reader) -> Option<TargetSpec> {
    match (&raw.value.ecs, &raw.value.express, &raw.value.app_runner, &raw.value.compose) {
        (Some(ecs), _, _, _) => Some(TargetSpec::Ecs(Box::new(self::ecs(&ecs.value, reader)))),
        (None, Some(express), _, _) => {
            Some(TargetSpec::Express(Box::new(super::express::express(&express.value, reader))))
        }
        (None, None, Some(app_runner), _) => Some(TargetSpec::AppRunner(self::app_runner(&app_runner.value, reader))),
        (None, None, None, Some(compose)) => self::compose(&compose.value, reader).map(TargetSpec::Compose),
        (None, None, None, None) => None,
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
        rollout: match value(&raw.rollout) {
            None => OwnRollout::AsEnvironment,
            Some(RollingWord::Rolling) => OwnRollout::Rolling,
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
    source(raw, reader);
    AppRunnerSpec {
        service: name(&raw.service),
        branch: value(&raw.branch).map(|branch| branch.as_str().to_owned()),
        rollback_branch: value(&raw.rollback_branch).map(|branch| branch.as_str().to_owned()),
        create: match value(&raw.create) {
            None | Some(false) => CreateService::No,
            Some(true) => CreateService::WhenMissing,
        },
        settings: settings(raw),
        environment: texts(&raw.environment),
        secrets: secrets(&raw.environment, &raw.secrets, reader),
        tasks: raw.tasks.as_ref().map(|tasks| self::tasks(&tasks.value, reader)),
    }
}

fn tasks(raw: &Tasks, reader: &mut Reader) -> EcsTasksSpec {
    kind_of_arn(&raw.cluster, ":ecs:", "a cluster", reader);
    kind_of_arn(&raw.task_definition, ":ecs:", "a task definition", reader);
    let names = |list: &Slot<List<NameOrArn>>| items(list).map(|name| name.value.as_str().to_owned()).collect();
    EcsTasksSpec {
        cluster: name(&raw.cluster),
        task_definition: name(&raw.task_definition),
        container: value(&raw.container).map(|name| name.as_str().to_owned()),
        subnets: names(&raw.subnets),
        security_groups: names(&raw.security_groups),
        public_address: match value(&raw.assign_public_ip) {
            None | Some(false) => PublicAddress::No,
            Some(true) => PublicAddress::Yes,
        },
    }
}

/// What only one of the two kinds of source has.
fn source(raw: &AppRunner, reader: &mut Reader) {
    let slip = |reader: &mut Reader, place: &Place, what: &str, next: &str| {
        reader.note(place, Problem::mistake("source-and-image", what, next));
    };
    match (&raw.branch, &raw.rollback_branch) {
        (None, Some(back)) => slip(
            reader,
            &back.place,
            "`rollback-branch` is for a service that App Runner builds from a branch, and `branch` names none.",
            "Name the `branch`, or remove this: an image goes back by its digest.",
        ),
        (Some(branch), Some(back)) if branch.value == back.value => slip(
            reader,
            &back.place,
            "The rollback branch is the one that is deployed from.",
            "Name a branch that nobody pushes to, for example `shipline-rollback`.",
        ),
        (None | Some(_), None) | (Some(_), Some(_)) => {}
    }
    if let (Some(_), Some(At { value: true, place })) = (&raw.branch, &raw.create) {
        slip(
            reader,
            place,
            "A service that App Runner builds from source code is not created here: its connection to the source \
             repository is made by a person.",
            "Create the service in the App Runner console once, and remove `create`.",
        );
    }
    if let (Some(At { value: true, .. }), Some(service)) = (&raw.create, &raw.service) {
        let name = service.value.as_str();
        // App Runner API reference, `CreateService`: 4 to 40 characters, the first a letter or digit.
        let good = (4..=40).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if name.starts_with("arn:") || !good {
            let what = "A service that is to be created needs a name of 4 to 40 characters that begins with a letter or digit.";
            reader.note(&service.place, Problem::mistake("service-name", what, "Write its name, or remove `create`."));
        }
    }
}

fn settings(raw: &AppRunner) -> AppRunnerSettings {
    let arn = |slot: &Slot<AppRunnerArn>| value(slot).map(|arn| arn.as_str().to_owned());
    AppRunnerSettings {
        cpu: value(&raw.cpu).map(|cpu| units(cpu.as_str(), " vCPU")),
        memory: value(&raw.memory).map(|memory| units(memory.as_str(), " GB")),
        port: value(&raw.port).and_then(|port| u16::try_from(port.0).ok()),
        access_role: value(&raw.access_role),
        instance_role: value(&raw.instance_role),
        health_check: raw.health_check.as_ref().map(|check| {
            let check = &check.value;
            HealthCheckSettings {
                path: value(&check.path).map(|path| path.as_str().to_owned()),
                interval: value(&check.interval).map(|number| number.0),
                timeout: value(&check.timeout).map(|number| number.0),
                healthy: value(&check.healthy).map(|number| number.0),
                unhealthy: value(&check.unhealthy).map(|number| number.0),
            }
        }),
        auto_scaling: arn(&raw.auto_scaling),
        vpc_connector: arn(&raw.vpc_connector),
    }
}

/// `0.5 vCPU` as 512, `2 GB` as 2048; a bare number stands for itself.
fn units(text: &str, unit: &str) -> u32 {
    match text.strip_suffix(unit) {
        Some("0.25") => 256,
        Some("0.5") => 512,
        Some(whole) => whole.parse::<u32>().unwrap_or_default() * 1024,
        None => text.parse().unwrap_or_default(),
    }
}

fn host_check(raw: &HostCheck, reader: &mut Reader) -> HttpCheck {
    HttpCheck {
        url: value(&raw.http).map(|url| url.as_str().to_owned()).unwrap_or_default(),
        expect: value(&raw.expect).and_then(|status| u16::try_from(status.0).ok()).unwrap_or(200),
        body: None,
        headers: BTreeMap::new(),
        latency_ms: None,
        within: within(reader, &raw.within, Span::seconds(1), Span::minutes(60)).unwrap_or(Span::seconds(60)),
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
        check: raw.check.as_ref().map(|check| host_check(&check.value, reader)),
        backups: items(&raw.backups).filter_map(|at| backup(&at.value)).collect(),
    })
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
