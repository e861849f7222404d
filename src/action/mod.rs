//! The container action: inputs, outputs, annotations, the job summary.
//!
//! It runs the verbs of [`crate::cli`] with what the inputs say; nothing about deployments is
//! decided here. Secrets are masked before their first use, and `INPUT_*` variables are not handed
//! on to the programs it runs.

mod express;
pub mod inputs;
pub mod outputs;
mod reading;
mod settings;
pub mod signals;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::inputs::Given;
use self::outputs::Outputs;
use crate::cli::console::{Console, Level, Medium};
use crate::cli::deploy::Request;
use crate::cli::environment::{Identity, Login};
use crate::cli::release::Registries;
use crate::cli::{self, Confirm, Done, Host, RunRecorder, To};
use crate::config::spec::{AwsSpec, Config};
use crate::engine::Cancel;
use crate::problem::{Problem, Problems};
use crate::process::Environment;
use crate::redact::Redactor;
use crate::report::View;
use crate::types::EnvironmentName;

/// Runs the action; the result is the process exit code.
pub async fn run(variables: Environment, folder: &Path, cancel: Cancel) -> u8 {
    let console = Arc::new(Console::new(Medium::Workflow, Redactor::new()));
    cli::start_telemetry(&variables, console.redactor());
    let (given, unknown) = Given::read(&variables);
    let root = variables
        .get("GITHUB_WORKSPACE")
        .filter(|path| !path.is_empty())
        .map_or_else(|| cli::root_of(folder), PathBuf::from);
    // What the action is given is for the action: children neither need nor get it.
    let mut variables: Environment = variables.into_iter().filter(|(name, _)| !name.starts_with("INPUT_")).collect();
    if let Some(branch) = default_branch(&variables) {
        variables.entry("GITHUB_DEFAULT_BRANCH".to_owned()).or_insert(branch);
    }
    let host = Host { variables, root, console, cancel };
    host.mask_environment();
    let outputs = Outputs::of(&host);
    match act(&given, unknown, &host, &outputs).await {
        Ok(code) => code,
        Err(problems) => {
            host.console.problems(&problems);
            outputs.problems(&problems);
            cli::exit_code(&problems)
        }
    }
}

async fn act(given: &Given, unknown: Vec<Problem>, host: &Host, outputs: &Outputs) -> Result<u8, Problems> {
    if let Some(token) = given.get("github-token") {
        host.console.mask(&secrecy::SecretString::from(token.to_owned()));
    }
    if given.get("wait-for-service-stability") == Some("false") {
        let text = "wait-for-service-stability: false has no effect: Shipline always waits for the truth.";
        host.console.annotate(Level::Warning, "Shipline", text);
    }
    let (request, to) = asked(given, unknown, host)?;
    let recorder = RunRecorder::new(host.console.clone());
    let command = given.get("command").unwrap_or("deploy");
    match Box::pin(cli::run_verb(command, &request, &to, host, &recorder)).await? {
        Done::Report(mut report) => {
            if report.view.rollback_command.is_some() && !reads_a_file(given) {
                report.view.rollback_command = Some(way_back(&report.view));
            }
            // The deployment is as it is, whatever becomes of the runner's files.
            if let Err(problem) = outputs.report(&report, host) {
                host.console.problems(&problem.into());
            }
            Ok(report.exit_code)
        }
        Done::Images(images) => {
            outputs.images(&images)?;
            Ok(0)
        }
        Done::Code(code) => Ok(code),
    }
}

/// The repository's default branch as the event tells it: GitHub has no variable for it. Tags like
/// `latest` belong to that branch alone.
fn default_branch(variables: &Environment) -> Option<String> {
    let event = std::fs::read(variables.get("GITHUB_EVENT_PATH")?).ok()?;
    let event: serde_json::Value = serde_json::from_slice(&event).ok()?;
    Some(event.pointer("/repository/default_branch")?.as_str()?.to_owned())
}

/// Everything the inputs say, all problems at once.
fn asked(given: &Given, mut problems: Vec<Problem>, host: &Host) -> Result<(Request, To), Problems> {
    problems.extend(settings::words_of_tables(given));
    let to = To::read(given.get("to")).map_err(|problem| problems.push(problem.at(inputs::place("to")))).ok();
    let mut keep = |found: Problems| problems.extend(found.all().iter().cloned());
    let configuration = configuration(given, host).map_err(&mut keep).ok();
    let commit = match given.get("sha").map(str::parse) {
        None => None,
        Some(Ok(commit)) => Some(commit),
        Some(Err(error)) => {
            let next = "Give the full commit, for example ${{ github.sha }}.";
            keep(Problem::mistake("invalid-input", format!("{error}"), next).at(inputs::place("sha")).into());
            None
        }
    };
    let mut services = Vec::new();
    for word in reading::words(given.get("services").unwrap_or_default()) {
        match word.parse() {
            Ok(service) => services.push(service),
            Err(error) => {
                let next = "Name services of the configuration.";
                keep(Problem::mistake("invalid-input", format!("{error}"), next).at(inputs::place("services")).into());
            }
        }
    }
    let from = match given.get("from").map(str::parse::<EnvironmentName>) {
        None => None,
        Some(Ok(from)) => Some(from),
        Some(Err(error)) => {
            let next = "Name an environment of the configuration.";
            keep(Problem::mistake("invalid-input", format!("{error}"), next).at(inputs::place("from")).into());
            None
        }
    };
    let registries = registries(given).map_err(&mut keep).unwrap_or_default();
    let images = match &configuration {
        Some((config, environment)) => {
            let all: Vec<_> = config
                .environments
                .get(environment)
                .map(|spec| spec.services.keys().cloned().collect())
                .unwrap_or_default();
            settings::images(given, &all).map_err(&mut keep).unwrap_or_default()
        }
        None => settings::images_alone(given).map_err(&mut keep).unwrap_or_default(),
    };
    let ((config, environment), to) = match (configuration, to) {
        (Some(found), Some(to)) if problems.is_empty() => (found, to),
        _ => {
            return Err(Problems::or(problems, ()).err().unwrap_or_else(|| unread().into()));
        }
    };
    let identity = match (given.get("web-identity-token-file"), given.get("role-chaining")) {
        (Some(file), _) => Identity::File(file.to_owned()),
        (None, Some("true")) => Identity::Ambient,
        (None, _) => Identity::Automatic,
    };
    let request = Request {
        config,
        environment,
        services,
        commit,
        from,
        images,
        login: Login { identity, audience: given.get("audience").map(str::to_owned), through: Vec::new() },
        github_token: given.get("github-token").map(str::to_owned),
        registries,
        confirm: Confirm::Nobody,
    };
    Ok((request, to))
}

/// Whether a configuration file says what is deployed, rather than the inputs.
fn reads_a_file(given: &Given) -> bool {
    given.has("config") || !settings::describes_a_service(given)
}

/// The way back where no file describes the service: the command line would not know it.
fn way_back(view: &View) -> String {
    match view.services.first() {
        Some(service) if service.previous_revision.contains(":task-definition/") => {
            let (cluster, name) = service.target.split_once('/').unwrap_or(("default", &service.target));
            let before = &service.previous_revision;
            format!("aws ecs update-service --cluster {cluster} --service {name} --task-definition {before}")
        }
        _ => "run this action with the same inputs and `command: rollback`".to_owned(),
    }
}

/// A configuration file with account and role from inputs, or inputs alone.
fn configuration(given: &Given, host: &Host) -> Result<(Arc<Config>, EnvironmentName), Problems> {
    if !reads_a_file(given) {
        let (config, environment) = settings::configuration(given)?;
        return Ok((Arc::new(config), environment));
    }
    let mut problems = settings::beside_a_file(given);
    let read = cli::read_configuration(host, given.get("config"));
    let config = match read {
        Ok(config) if problems.is_empty() => config,
        read => {
            problems.extend(read.err().iter().flat_map(|found| found.all().iter().cloned()));
            problems
                .extend(settings::aws(given, AwsSpec::default()).err().iter().flat_map(|found| found.all().to_vec()));
            return Err(Problems::or(problems, ()).err().unwrap_or_else(|| unread().into()));
        }
    };
    let environment = match given.get("environment") {
        Some(text) => text.parse::<EnvironmentName>().map_err(|error| {
            Problem::mistake("invalid-input", format!("{error}"), "Name an environment of the configuration.")
                .at(inputs::place("environment"))
        })?,
        None => pushed_to(&config, host)?,
    };
    let mut config = Arc::unwrap_or_clone(config);
    if let Some(spec) = config.environments.get_mut(&environment) {
        spec.aws = settings::aws(given, std::mem::take(&mut spec.aws))?;
    }
    Ok((Arc::new(config), environment))
}

/// No problem was found, and no value either: that cannot be the user's doing.
fn unread() -> Problem {
    Problem::defect("inputs", "the inputs could not be read")
}

/// The environment that `deploy-on-push` names for the pushed branch, or the only one.
fn pushed_to(config: &Config, host: &Host) -> Result<EnvironmentName, Problem> {
    let branch = host.variable("GITHUB_REF").and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
    let mut meant = config.environments.iter().filter(|(_, spec)| branch.is_some() && spec.deploy_on_push == branch);
    if let (Some((name, _)), None) = (meant.next(), meant.next()) {
        return Ok(name.clone());
    }
    let mut all = config.environments.keys();
    if let (Some(only), None) = (all.next(), all.next()) {
        return Ok(only.clone());
    }
    let names: Vec<&str> = config.environments.keys().map(EnvironmentName::as_str).collect();
    Err(Problem::mistake(
        "no-environment",
        "no environment is named, and `deploy-on-push` does not decide",
        format!("Give `environment`, one of: {}.", names.join(", ")),
    )
    .at(inputs::place("environment")))
}

fn registries(given: &Given) -> Result<Registries, Problems> {
    let mut problems = Vec::new();
    let mut registries = Registries::default();
    match given.get("registry-type") {
        Some("private") | None => {}
        Some("public") => registries.hosts.push("public.ecr.aws".parse().expect("a constant host")),
        Some(other) => problems.push(
            Problem::mistake("invalid-input", format!("{other:?} is neither private nor public"), "Write one of them.")
                .at(inputs::place("registry-type")),
        ),
    }
    for word in reading::words(given.get("registries").unwrap_or_default()) {
        match word.parse() {
            Ok(account) => registries.accounts.push(account),
            Err(error) => problems.push(
                Problem::mistake(
                    "invalid-input",
                    format!("{error}"),
                    "Write account ids of 12 digits, separated by commas.",
                )
                .at(inputs::place("registries")),
            ),
        }
    }
    Problems::or(problems, registries)
}
