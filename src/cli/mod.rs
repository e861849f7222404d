//! The command line: one file a verb. The action runs the same verbs with the same words.
//!
//! What is here: reading the command line, opening what a verb needs, printing what it says. What
//! is not: any rule about deployments (that is [`crate::rollout`]) or any provider.

mod args;
mod build;
mod check;
mod conditions;
mod confirm;
pub mod console;
pub mod deploy;
pub mod environment;
mod gates;
mod history;
mod host;
mod iam_policy;
pub mod init;
pub mod ledger;
mod logs;
mod plan;
pub mod planning;
pub mod preconditions;
mod promotion;
mod recorder;
pub mod release;
mod rollback;
pub mod scan_gate;
mod status;
mod telemetry;
mod telling;
mod verify;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{CommandFactory as _, Parser as _};

use self::args::{Breadth, Cli, Verb};
use self::console::{Console, Medium};
use self::deploy::{Report, Request};
use self::init::from_compose::ComposeFile;
use self::recorder::Recorder;
use crate::config::spec::Config;
use crate::problem::{Problem, Problems};
use crate::process::Environment;
use crate::redact::Redactor;
use crate::types::{EnvironmentName, ImageRef, ServiceName};

pub use check::{DEFAULT_FILE, read as read_configuration};
pub use confirm::Confirm;
pub use host::Host;
pub use recorder::{Recorder as RunRecorder, sentence};
pub use rollback::To;
pub use telemetry::start as start_telemetry;

/// What the program was asked to do.
pub enum Asked {
    /// A verb of the command line.
    Verb(Box<Cli>),
    /// To be the action.
    Action,
    /// Nothing more: help, version or a usage error were printed.
    Answered(u8),
}

/// Reads the command line. Usage errors end with exit code 2.
pub fn asked() -> Asked {
    match Cli::try_parse() {
        Ok(cli) if matches!(cli.verb, Verb::Action) => Asked::Action,
        Ok(cli) => Asked::Verb(Box::new(cli)),
        Err(error) => {
            // Nothing better can be done when even the error cannot be printed.
            let _ = error.print();
            Asked::Answered(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// The whole help text, every verb: kept current in the documentation by a test.
pub fn help() -> String {
    let mut command = Cli::command().term_width(100);
    let mut text = command.render_long_help().to_string();
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        let name = verb.get_name().to_owned();
        let _ = write!(text, "\n## shipline {name}\n\n{}", verb.render_long_help());
    }
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The repository that holds a folder, or the folder itself.
pub fn root_of(folder: &Path) -> PathBuf {
    folder.ancestors().find(|above| above.join(".git").exists()).unwrap_or(folder).to_owned()
}

/// Runs a verb; the result is the process exit code.
pub async fn run(cli: Cli, variables: Environment, folder: &Path, cancel: crate::engine::Cancel) -> u8 {
    let medium = if cli.json { Medium::Machine } else { Medium::Terminal };
    let console = Arc::new(Console::new(medium, Redactor::new()));
    telemetry::start(&variables, console.redactor());
    let host = Host { variables, root: root_of(folder), console, cancel };
    host.mask_environment();
    match Box::pin(verb(cli, &host)).await {
        Ok(code) => code,
        Err(problems) => {
            host.console.problems(&problems);
            host.console.document(&serde_json::json!({ "schema_version": 1, "problems": problems }));
            exit_code(&problems)
        }
    }
}

/// The exit code of a run that ended before any change.
pub fn exit_code(problems: &Problems) -> u8 {
    let cancelled = problems.all().iter().any(|problem| problem.code == host::CANCELLED);
    if cancelled { 130 } else { problems.exit_code() }
}

async fn verb(cli: Cli, host: &Host) -> Result<u8, Problems> {
    let file = cli.config.as_deref();
    let recorder = Recorder::new(host.console.clone());
    match cli.verb {
        Verb::Deploy(deploy) => {
            let request = request(&deploy, check::read(host, file)?, host)?;
            show(host, &deploy::deploy(&request, host, &recorder).await?)
        }
        Verb::Plan(deploy) => {
            let request = request(&deploy, check::read(host, file)?, host)?;
            show(host, &host.before_changes(plan::plan(&request, host, &recorder)).await?)
        }
        Verb::Build(deploy) => {
            let request = request(&deploy, check::read(host, file)?, host)?;
            host.before_changes(build::build(&request, host, &recorder)).await.map(|_| 0)
        }
        Verb::Rollback(back) => {
            let to = To::read(back.to.as_deref())?;
            let deploy = args::Deploy { yes: back.yes, ..looking(&back.environment, back.services) };
            let request = request(&deploy, check::read(host, file)?, host)?;
            show(host, &rollback::rollback(&request, &to, host, &recorder).await?)
        }
        Verb::Status(status) => {
            let config = check::read(host, file)?;
            let environments = named_or_all(status.environment.as_deref(), &config)?;
            let request = request(&looking(environments[0].as_str(), status.services), config, host)?;
            host.before_changes(status::status(&request, &environments, host)).await
        }
        Verb::History(asked) => {
            let request = request(&looking(&asked.environment, asked.services), check::read(host, file)?, host)?;
            host.before_changes(history::history(&request, asked.last.into(), host)).await
        }
        Verb::Logs(asked) => {
            let request = request(&looking(&asked.environment, asked.services), check::read(host, file)?, host)?;
            let since = asked.since.parse().map_err(|error| {
                Problem::mistake("usage", format!("--since: {error}"), "Write a span such as 45s, 10m or 2h.")
            })?;
            let follow = if asked.follow { logs::Follow::Yes } else { logs::Follow::No };
            logs::logs(&request, logs::Window { since, lines: asked.lines, follow }, host).await
        }
        Verb::Verify(asked) => {
            let mut deploy = looking(&asked.environment, asked.services);
            (deploy.sha, deploy.images) = (asked.sha, asked.images);
            let request = request(&deploy, check::read(host, file)?, host)?;
            host.before_changes(verify::verify(&request, host)).await
        }
        Verb::IamPolicy(asked) => {
            let config = check::read(host, file)?;
            let environments = named_or_all(asked.environment.as_deref(), &config)?;
            let request = request(&looking(environments[0].as_str(), Vec::new()), config, host)?;
            let breadth = if asked.live { Breadth::Live } else { Breadth::Configuration };
            host.before_changes(iam_policy::iam_policy(&request, &environments, breadth, host)).await
        }
        Verb::Init(asked) => {
            if let Some(service) = &asked.from_app_runner {
                return host.before_changes(init::moving(service, host)).await;
            }
            let output = if asked.print { init::Output::Print } else { init::Output::File };
            let environment = parsed(&asked.environment)?;
            let compose = asked.compose.map(|file| ComposeFile::of(file, asked.host.as_deref())).transpose()?;
            let (clusters, app_runner) = (asked.clusters, asked.app_runner);
            let wanted = init::Wanted { environment, clusters, app_runner, compose, output };
            host.before_changes(init::init(&wanted, file, host)).await
        }
        Verb::Check => {
            check::check(host, &*check::read(host, file)?);
            Ok(0)
        }
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "shipline", &mut script);
            // A reader that went away has read enough.
            let _ = io::stdout().write_all(&script);
            Ok(0)
        }
        Verb::Action => Err(Problem::defect("verb", "the action is started elsewhere").into()),
    }
}

/// The verbs the action can run, with what they return.
pub enum Done {
    /// A rollout or a plan.
    Report(Report),
    /// Images.
    Images(release::Images),
    /// Nothing but an exit code.
    Code(u8),
}

/// How many releases of each service the action's `history` shows.
const HISTORY: usize = 10;

/// Runs a verb for the action, by its name.
pub async fn run_verb(
    name: &str,
    request: &Request,
    to: &To,
    host: &Host,
    recorder: &Recorder,
) -> Result<Done, Problems> {
    match name {
        "deploy" => deploy::deploy(request, host, recorder).await.map(Done::Report),
        "plan" => host.before_changes(plan::plan(request, host, recorder)).await.map(Done::Report),
        "rollback" => rollback::rollback(request, to, host, recorder).await.map(Done::Report),
        "build" => host.before_changes(build::build(request, host, recorder)).await.map(Done::Images),
        "status" => {
            let environments = std::slice::from_ref(&request.environment);
            host.before_changes(status::status(request, environments, host)).await.map(Done::Code)
        }
        "history" => host.before_changes(history::history(request, HISTORY, host)).await.map(Done::Code),
        "verify" => host.before_changes(verify::verify(request, host)).await.map(Done::Code),
        "iam-policy" => {
            let environments = std::slice::from_ref(&request.environment);
            let printing = iam_policy::iam_policy(request, environments, Breadth::Configuration, host);
            host.before_changes(printing).await.map(Done::Code)
        }
        "check" => {
            check::check(host, &request.config);
            Ok(Done::Code(0))
        }
        other => {
            let next = "Write deploy, build, plan, rollback, status, history, verify, iam-policy or check.";
            Err(Problem::mistake("unknown-command", format!("there is no command {other:?}"), next).into())
        }
    }
}

fn show(host: &Host, report: &Report) -> Result<u8, Problems> {
    host.console.answer(&crate::report::text(&report.view));
    let document = serde_json::to_value(&report.view)
        .map_err(|error| Problem::defect("report", format!("the report cannot be written: {error}")))?;
    host.console.document(&document);
    Ok(report.exit_code)
}

/// A verb that looks at these services and deploys nothing.
fn looking(environment: &str, services: Vec<String>) -> args::Deploy {
    args::Deploy { environment: environment.to_owned(), services, sha: None, from: None, images: Vec::new(), yes: true }
}

/// The environment of that name, or all of them.
fn named_or_all(name: Option<&str>, config: &Config) -> Result<Vec<EnvironmentName>, Problem> {
    match name {
        Some(name) => Ok(vec![parsed(name)?]),
        None => Ok(config.environments.keys().cloned().collect()),
    }
}

fn parsed(name: &str) -> Result<EnvironmentName, Problem> {
    name.parse().map_err(|error| {
        Problem::mistake("environment", format!("{error}"), "Name an environment of the configuration.")
    })
}

fn request(deploy: &args::Deploy, config: Arc<Config>, host: &Host) -> Result<Request, Problems> {
    let mut problems = Vec::new();
    let mut wrong = |what: String, next: &str| problems.push(Problem::mistake("usage", what, next));
    let environment = deploy.environment.parse::<EnvironmentName>();
    if let Err(error) = &environment {
        wrong(format!("{error}"), "Name an environment of the configuration.");
    }
    let mut services = Vec::new();
    for text in &deploy.services {
        match text.parse::<ServiceName>() {
            Ok(service) => services.push(service),
            Err(error) => wrong(format!("{error}"), "Name services of the configuration."),
        }
    }
    let commit = match deploy.sha.as_deref().map(str::parse) {
        None => None,
        Some(Ok(commit)) => Some(commit),
        Some(Err(error)) => {
            wrong(format!("{error}"), "Give the full commit, as `git rev-parse <name>` prints it.");
            None
        }
    };
    let from = match deploy.from.as_deref().map(str::parse::<EnvironmentName>) {
        None => None,
        Some(Ok(from)) => Some(from),
        Some(Err(error)) => {
            wrong(format!("--from: {error}"), "Name an environment of the configuration.");
            None
        }
    };
    let mut images = BTreeMap::new();
    for text in &deploy.images {
        let parts =
            text.split_once('=').map(|(name, reference)| (name.parse::<ServiceName>(), reference.parse::<ImageRef>()));
        match parts {
            Some((Ok(name), Ok(reference))) => {
                images.insert(name, reference);
            }
            Some((Err(error), _)) => wrong(format!("{text:?}: {error}"), "Write --image <service>=<reference>."),
            Some((_, Err(error))) => wrong(format!("{text:?}: {error}"), "Write --image <service>=<reference>."),
            None => wrong(format!("{text:?} has no service before `=`"), "Write --image <service>=<reference>."),
        }
    }
    Problems::or(problems, ())?;
    let environment =
        environment.map_err(|error| Problem::mistake("environment", format!("{error}"), "Name an environment."))?;
    let confirm =
        if deploy.yes || host.console.medium() == Medium::Machine { Confirm::Nobody } else { Confirm::Person };
    Ok(Request {
        config,
        environment,
        services,
        commit,
        from,
        images,
        login: environment::Login::default(),
        github_token: host.variable("SHIPLINE_GITHUB_TOKEN"),
        registries: release::Registries::default(),
        confirm,
    })
}
