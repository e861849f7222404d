//! From inputs to a checked configuration: one service without a file, or a file with its account
//! and role given by inputs.
//!
//! All problems at once. What a file says about a service cannot be overridden by inputs: two
//! places for one value would make it unclear which one deployed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::express;
use super::inputs::{Given, place};
use super::reading::{Flag, Reader};
use crate::config::spec::{
    AppRunnerSpec, AwsSpec, BuildCache, BuildSecret, BuildSpec, Config, ContainerChanges, EcsSpec, EnvironmentSpec,
    ForceNewDeployment, ImageRepository, ImageSpec, OnFailure, Policy, Provenance, SecretSource, ServiceSpec, Steering,
    TagRule, TargetSpec,
};
use crate::problem::{Problem, Problems};
use crate::types::{EnvironmentName, ImageRef, ServiceName, Span};

/// Inputs that describe a service; they and a configuration file exclude each other.
const SERVICE_INPUTS: &[&str] = &[
    "cluster",
    "service",
    "service-name",
    "app-runner-service",
    "task-definition",
    "container-name",
    "environment-variables",
    "secrets",
    "docker-labels",
    "log-configuration-log-driver",
    "log-configuration-options",
    "desired-count",
    "force-new-deployment",
    "repository",
    "context",
    "file",
    "target",
    "platforms",
    "build-args",
    "build-secrets",
    "cache",
    "provenance",
    "tags",
    "on-failure",
    "url",
    "wait-for-minutes",
];

/// Whether the inputs describe a service, so that no file is needed.
pub(super) fn describes_a_service(given: &Given) -> bool {
    ["cluster", "service", "service-name", "app-runner-service"].iter().any(|name| given.has(name))
}

/// Inputs that have no effect beside a configuration file.
pub(super) fn beside_a_file(given: &Given) -> Vec<Problem> {
    let named = given.given_of(SERVICE_INPUTS).into_iter().chain(given.given_of(express::INPUTS));
    named
        .map(|name| {
            let what = format!("`{name}` belongs to the configuration file, which this run reads");
            let next = "Write it into the file, or give `cluster` and `service` (or `app-runner-service`) and no file.";
            Problem::mistake("input-beside-file", what, next).at(place(name))
        })
        .collect()
}

/// Problems of inputs that take one of few words and are read elsewhere.
pub(super) fn words_of_tables(given: &Given) -> Vec<Problem> {
    let mut read = Reader { given, problems: Vec::new() };
    let commands = ["deploy", "build", "plan", "rollback", "status", "history", "verify", "iam-policy", "check"];
    let commands = commands.map(|word| (word, ()));
    read.one_of("command", &commands);
    read.flag("role-chaining");
    read.flag("wait-for-service-stability");
    read.problems
}

/// Account, region and role; what is given wins over what a file says.
pub(super) fn aws(given: &Given, base: AwsSpec) -> Result<AwsSpec, Problems> {
    let mut read = Reader { given, problems: Vec::new() };
    let region = read.parsed("aws-region");
    let role = read.parsed("role-to-assume");
    let session = read.number("role-duration-seconds", 900, 43_200).map(Span::seconds);
    let mut accounts = Vec::new();
    for word in read.words("allowed-account-ids") {
        match word.parse() {
            Ok(account) => accounts.push(account),
            Err(error) => read.wrong(
                "allowed-account-ids",
                format!("{error}"),
                "Write account ids of 12 digits, separated by commas.",
            ),
        }
    }
    let session_name = given.get("role-session-name").map(str::to_owned);
    if let Some(name) = &session_name
        && !(2..=64).contains(&name.len())
    {
        read.wrong("role-session-name", format!("{name:?} is not 2 to 64 characters long"), "Shorten or lengthen it.");
    }
    let spec = AwsSpec {
        region: region.or(base.region),
        role: role.or(base.role),
        external_id: given.get("role-external-id").map(str::to_owned).or(base.external_id),
        session_name: session_name.or(base.session_name),
        session: session.or(base.session),
        allowed_accounts: if accounts.is_empty() { base.allowed_accounts } else { accounts },
    };
    Problems::or(read.problems, spec)
}

/// The configuration that the inputs describe: one environment, one service.
pub(super) fn configuration(given: &Given) -> Result<(Config, EnvironmentName), Problems> {
    let mut read = Reader { given, problems: Vec::new() };
    let environment: Option<EnvironmentName> = match given.get("environment") {
        Some(_) => read.parsed("environment"),
        None => "default".parse().ok(),
    };
    let name = service_name(given);
    let target = target(&mut read);
    let image = image(&mut read);
    let aws = match aws(given, AwsSpec::default()) {
        Ok(aws) => aws,
        Err(problems) => {
            read.problems.extend(problems.all().iter().cloned());
            AwsSpec::default()
        }
    };
    let on_failure = read.one_of(
        "on-failure",
        &[
            ("roll-back-all", OnFailure::RollBackAll),
            ("roll-back-failed", OnFailure::RollBackFailed),
            ("hold", OnFailure::Hold),
        ],
    );
    let minutes = read.number("wait-for-minutes", 1, 360).and_then(|minutes| u16::try_from(minutes).ok());
    let (Some(environment), Some(target), Some(on_failure)) = (environment, target, on_failure) else {
        let problems = read.problems;
        return Problems::or(problems, ())
            .and(Err(Problems::from(Problem::defect("inputs", "the inputs could not be read"))));
    };
    let spec = EnvironmentSpec {
        aws,
        deploy_on_push: None,
        services: BTreeMap::from([(name.clone(), target)]),
        waves: vec![vec![name.clone()]],
        before: Vec::new(),
        verify: Vec::new(),
        verify_commands: Vec::new(),
        after: Vec::new(),
        alarms: Vec::new(),
        analysis: Vec::new(),
        scan: None,
        notify: Vec::new(),
        on_failure,
        within: Span::minutes(minutes.unwrap_or(30)),
        url: given.get("url").map(str::to_owned),
        steering: Steering::default(),
        policy: Policy::default(),
        deferred: Vec::new(),
    };
    let config = Config {
        services: BTreeMap::from([(name, ServiceSpec { image })]),
        environments: BTreeMap::from([(environment.clone(), spec)]),
        build: None,
    };
    Problems::or(read.problems, (config, environment))
}

/// Our name for the service: the provider's, as far as it is a name.
fn service_name(given: &Given) -> ServiceName {
    let text = given
        .get("service")
        .or_else(|| given.get("service-name"))
        .or_else(|| given.get("app-runner-service"))
        .unwrap_or("app");
    let last = text.trim_end_matches('/');
    // App Runner ARNs end in `service/<name>/<id>`, ECS ones in `service/<cluster>/<name>`.
    let last = match last.split_once(":apprunner:") {
        Some((_, rest)) => rest.rsplit('/').nth(1).unwrap_or(rest),
        None => last.rsplit('/').next().unwrap_or(last),
    };
    let plain: String = last
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .skip_while(|c| *c == '-')
        .take(63)
        .collect();
    plain.parse().unwrap_or_else(|_| "app".parse().expect("`app` is a name"))
}

fn target(read: &mut Reader<'_>) -> Option<TargetSpec> {
    let given = read.given;
    let others = given.given_of(&["service", "app-runner-service"]);
    match (given.get("service-name"), others.first()) {
        (Some(_), Some(other)) => {
            read.wrong("service-name", format!("both an Express service and `{other}` are given"), "Give one of them.");
            return None;
        }
        (Some(service), None) => return Some(express::target(read, service)),
        (None, _) => {}
    }
    for name in given.given_of(express::INPUTS) {
        let next = "Give `service-name` instead of `service`, or remove it.";
        read.wrong(name, format!("`{name}` is for services in Express Mode"), next);
    }
    let environment = read.pairs("environment-variables");
    let secrets = read.pairs("secrets");
    match (given.get("app-runner-service"), given.get("service"), given.get("cluster")) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            read.wrong("app-runner-service", "both an App Runner and an ECS service are given", "Give one of them.");
            None
        }
        (Some(service), None, None) => {
            for name in given.given_of(&[
                "task-definition",
                "container-name",
                "docker-labels",
                "desired-count",
                "log-configuration-log-driver",
                "log-configuration-options",
            ]) {
                read.wrong(name, format!("`{name}` has no meaning for App Runner"), "Remove it.");
            }
            Some(TargetSpec::AppRunner(AppRunnerSpec {
                service: service.to_owned(),
                environment,
                secrets,
                ..AppRunnerSpec::default()
            }))
        }
        (None, Some(service), cluster) => {
            let changes = ContainerChanges {
                environment,
                secrets,
                labels: read.pairs("docker-labels"),
                log_driver: given.get("log-configuration-log-driver").map(str::to_owned),
                log_options: read.pairs("log-configuration-options"),
                command: None,
            };
            let force = match read.flag("force-new-deployment") {
                Some(Flag::Yes) => ForceNewDeployment::Yes,
                Some(Flag::No) | None => ForceNewDeployment::No,
            };
            Some(TargetSpec::Ecs(Box::new(EcsSpec {
                // ECS's own default when no cluster is named.
                cluster: cluster.unwrap_or("default").to_owned(),
                service: service.to_owned(),
                container: given.get("container-name").map(str::to_owned),
                task_definition: read.path("task-definition"),
                changes,
                desired_count: read.number("desired-count", 0, 100_000),
                force,
            })))
        }
        (None, None, _) => {
            read.wrong(
                "service",
                "no service is given",
                "Give `cluster` and `service`, or `service-name`, or `app-runner-service`, or a configuration file.",
            );
            None
        }
    }
}

fn image(read: &mut Reader<'_>) -> Option<ImageSpec> {
    let given = read.given;
    let Some(repository) = given.get("repository") else {
        for name in given.given_of(&[
            "context",
            "file",
            "target",
            "platforms",
            "build-args",
            "build-secrets",
            "cache",
            "provenance",
            "tags",
        ]) {
            read.wrong(
                name,
                format!("`{name}` needs `repository`: where is the image pushed to?"),
                "Give `repository`, or remove it.",
            );
        }
        let needs_none = ["status", "rollback", "history", "iam-policy"];
        if !given.has("image") && !given.get("command").is_some_and(|command| needs_none.contains(&command)) {
            read.wrong(
                "image",
                "there is no image to deploy",
                "Give `image` (an existing one) or `repository` (to build and push one).",
            );
        }
        return None;
    };
    let repository = image_place(repository)
        .map_err(|error| read.wrong("repository", error, "Write a path such as team/app, or host/path."))
        .ok();
    let mut tags = Vec::new();
    for word in read.words("tags") {
        match word.as_str() {
            "latest" => tags.push(TagRule::Latest),
            "branch" => tags.push(TagRule::Branch),
            "pr" => tags.push(TagRule::PullRequest),
            "semver" => tags.push(TagRule::SemanticVersion),
            _ => match word.parse() {
                Ok(tag) => tags.push(TagRule::Fixed(tag)),
                Err(error) => read.wrong("tags", format!("{error}"), "Correct the tag."),
            },
        }
    }
    let secrets = build_secrets(read);
    let cache = [("off", BuildCache::Off), ("registry", BuildCache::Registry), ("gha", BuildCache::Gha)];
    let provenance = [("off", Provenance::Off), ("min", Provenance::Min), ("false", Provenance::Off)];
    let build = BuildSpec {
        context: read.path("context").unwrap_or_default(),
        dockerfile: read.path("file"),
        target: given.get("target").map(str::to_owned),
        platforms: read.words("platforms"),
        args: read.pairs("build-args"),
        secrets,
        cache: read.one_of("cache", &cache).unwrap_or_default(),
        provenance: read.one_of("provenance", &provenance).unwrap_or_default(),
    };
    Some(ImageSpec { repository: repository?, build: Some(build), tags })
}

/// `team/app` is in the account's own registry, `host/path` is where it says.
fn image_place(text: &str) -> Result<ImageRepository, String> {
    match text.parse::<ImageRef>() {
        Ok(reference) if reference.tag().is_some() || reference.digest().is_some() => {
            Err(format!("{text:?} has a tag or digest; a repository has none"))
        }
        Ok(reference) => Ok(ImageRepository::At(reference.registry().clone(), reference.repository().clone())),
        Err(_) => text.parse().map(ImageRepository::OwnEcr).map_err(|error| format!("{error}")),
    }
}

fn build_secrets(read: &mut Reader<'_>) -> Vec<BuildSecret> {
    let pairs = read.pairs("build-secrets");
    pairs
        .into_iter()
        .map(|(id, from)| {
            let source = match from.strip_prefix("file:") {
                Some(path) => SecretSource::File(PathBuf::from(path)),
                None => SecretSource::Env(from),
            };
            BuildSecret { id, source }
        })
        .collect()
}

/// `image` beside inputs that have other problems: its own are found all the same.
pub(super) fn images_alone(given: &Given) -> Result<BTreeMap<ServiceName, ImageRef>, Problems> {
    if describes_a_service(given) { images(given, &[service_name(given)]) } else { Ok(BTreeMap::new()) }
}

/// `image`: one reference, or `service=reference` lines.
pub(super) fn images(given: &Given, services: &[ServiceName]) -> Result<BTreeMap<ServiceName, ImageRef>, Problems> {
    let mut read = Reader { given, problems: Vec::new() };
    let mut images = BTreeMap::new();
    for line in given.get("image").unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, reference) = match (line.split_once('='), services) {
            (Some((name, reference)), _) => {
                (name.trim().parse::<ServiceName>().map_err(|error| error.to_string()), reference)
            }
            (None, [only]) => (Ok(only.clone()), line),
            (None, _) => (Err("with several services each image names its own".to_owned()), line),
        };
        match (name, reference.trim().parse::<ImageRef>()) {
            (Ok(name), Ok(reference)) if services.contains(&name) => {
                images.insert(name, reference);
            }
            (Ok(name), Ok(_)) => read.wrong(
                "image",
                format!("{name} is not a service of this environment"),
                "Correct the name before `=`.",
            ),
            (Err(error), _) => read.wrong("image", error, "Write one service=image a line."),
            (_, Err(error)) => {
                read.wrong("image", format!("{error}"), "Write the image with its registry: host/path:tag.");
            }
        }
    }
    Problems::or(read.problems, images)
}
