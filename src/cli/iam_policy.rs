//! `shipline iam-policy`: the permissions that the configuration needs, and who may use them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::args::Breadth;
use super::deploy::Request;
use super::environment;
use super::host::Host;
use crate::aws::policy::{Ground, TaskFacts, policy, trust};
use crate::config::spec::{EnvironmentSpec, TargetSpec};
use crate::image::Source;
use crate::problem::Problems;
use crate::targets::ecs::EcsTarget;
use crate::types::{EnvironmentName, ServiceName};

/// Stands for the repository where nothing says which it is.
const SOME_REPOSITORY: &str = "OWNER/REPOSITORY";

/// Prints the policies of these environments.
pub(super) async fn iam_policy(
    request: &Request,
    environments: &[EnvironmentName],
    breadth: Breadth,
    host: &Host,
) -> Result<u8, Problems> {
    let repository = repository(host).await;
    let mut text = String::new();
    let mut document = Vec::new();
    for name in environments {
        let spec = environment::find(&request.config, name)?;
        let ground = Ground { tasks: tasks(request, name, spec, breadth, host).await?, ..ground(host) };
        let made = policy(&request.config, name, spec, &ground);
        let trusted = trust(repository.as_deref().unwrap_or(SOME_REPOSITORY), name, spec, &ground);
        let mut notes = made.notes;
        if repository.is_none() {
            notes.push(format!("the repository is not known here: put it in place of {SOME_REPOSITORY}"));
        }
        let role = spec.aws.role.as_ref().map(ToString::to_string);
        let whose = role.clone().unwrap_or_else(|| "the credentials that Shipline runs with".to_owned());
        let _ = writeln!(text, "{name}: permissions of {whose}\n{}\n", pretty(&made.document));
        let _ = writeln!(text, "{name}: trust policy, for GitHub's identity tokens\n{}\n", pretty(&trusted));
        for note in &notes {
            let _ = writeln!(text, "note: {note}");
        }
        document.push(json!({
            "environment": name, "role": role, "policy": made.document, "trust": trusted, "notes": notes,
        }));
    }
    host.console.answer(&text);
    host.console.document(&json!({ "schema_version": 1, "command": "iam-policy", "environments": document }));
    Ok(0)
}

fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|_| document.to_string())
}

/// The region and account of the process environment, for what the configuration leaves open.
fn ground(host: &Host) -> Ground {
    let region = host.variable("AWS_REGION").or_else(|| host.variable("AWS_DEFAULT_REGION"));
    Ground { region: region.and_then(|region| region.parse().ok()), ..Ground::default() }
}

/// `owner/name`, from the workflow run or from where the repository was cloned.
async fn repository(host: &Host) -> Option<String> {
    if let Some(known) = host.variable("GITHUB_REPOSITORY") {
        return Some(known);
    }
    let source = Source::read(&host.root, None, &host.variables, &host.cancel).await.ok()?;
    let url = source.remote?;
    let path = url.split_once("://")?.1.split_once('/')?.1.trim_end_matches('/').trim_end_matches(".git").to_owned();
    (path.split('/').count() == 2).then_some(path)
}

/// What the task definitions say: files of the repository, and the live ones when they are asked for.
async fn tasks(
    request: &Request,
    name: &EnvironmentName,
    spec: &EnvironmentSpec,
    breadth: Breadth,
    host: &Host,
) -> Result<BTreeMap<ServiceName, TaskFacts>, Problems> {
    let ecs = || {
        spec.services.iter().filter_map(|(service, target)| match target {
            TargetSpec::Ecs(ecs) => Some((service, ecs)),
            TargetSpec::Express(_) | TargetSpec::AppRunner(_) | TargetSpec::Compose(_) => None,
        })
    };
    let session = match breadth {
        Breadth::Configuration => None,
        Breadth::Live => Some(environment::session(host, Some(name), &spec.aws, &request.login).await?),
    };
    let asked = ecs().map(async |(service, ecs)| {
        let content = match (&session, &ecs.task_definition) {
            (Some(session), _) => {
                let target = EcsTarget::new(session.sdk(), service, ecs, spec.steering, &host.root);
                Some(target.task_definitions().await.map_err(|error| super::planning::about(service, error.into()))?)
            }
            (None, Some(path)) => Some(vec![EcsTarget::task_definition_file(&host.root, path).await?]),
            (None, None) => None,
        };
        Ok::<_, crate::problem::Problem>(content.map(|all| (service.clone(), facts(&all))))
    });
    let mut problems = Vec::new();
    let mut known = BTreeMap::new();
    for answer in join_all(asked).await {
        match answer {
            Ok(found) => known.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    Problems::or(problems, known)
}

fn facts(all: &[Value]) -> TaskFacts {
    all.iter().map(TaskFacts::of).fold(TaskFacts::default(), |mut sum, one| {
        sum.roles.extend(one.roles);
        sum.log_groups.extend(one.log_groups);
        sum.secrets.extend(one.secrets);
        sum
    })
}
