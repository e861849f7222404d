//! Workflows, their runs, and deployments that somebody else makes.

use serde_json::{Value, json};

use super::super::GitHub;
use super::super::actions::{Build, Workflow};
use super::super::document::Links;
use super::{Done, Given, Row, said};
use crate::ids::Ids;

pub(super) const ACTS: &[Row] = &[
    ("workflow", &["repository", "file", "name", "inputs", "run_name", "build"], workflow),
    ("finish", &["repository", "run", "conclusion"], finish),
    ("protect-job", &["repository", "who", "environment", "run", "sha", "pull", "callback"], protect_job),
    ("protected-jobs", &["repository"], protected_jobs),
    ("deployment", &["repository", "who", "ref", "environment", "payload", "state", "description"], deployment),
    ("deployment-status", &["repository", "who", "deployment", "state"], deployment_status),
];

/// Replaces one of the same name.
fn workflow(github: &mut GitHub, given: &Given<'_>) -> Done {
    let file = given.needs("file")?.to_owned();
    let name = given.text("name").unwrap_or(&file).to_owned();
    let inputs = given.shape("inputs")?.unwrap_or_default();
    let build: Option<Build> = given.shape("build")?;
    let run_name = given.text("run_name").map(str::to_owned);
    let fresh = github.ids.number();
    let actions = &mut github.hosted(&given.repository())?.actions;
    let id = actions.workflow(&file).map_or(fresh, |known| known.id);
    actions.workflows.retain(|known| known.file != file);
    actions.workflows.push(Workflow { id, file, name, inputs, build, run_name });
    Ok(json!({"id": id}))
}

fn finish(github: &mut GitHub, given: &Given<'_>) -> Done {
    let conclusion = given.text("conclusion").unwrap_or("success");
    github.finish_run(&given.repository(), given.needs_number("run")?, conclusion, given.now)?;
    Ok(json!({}))
}

/// Somebody else's deployment, with a status when `state` says one.
fn deployment(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let who = given.text("who").unwrap_or("octocat").to_owned();
    github.somebody(&who);
    let mut request =
        json!({"ref": given.needs("ref")?, "environment": given.text("environment").unwrap_or("staging")});
    for member in ["payload", "description"] {
        if let Some(value) = given.shape::<Value>(member)? {
            request[member] = value;
        }
    }
    github.hosted(&full)?;
    let made = made(github, &full, |repository, ids, links| {
        repository.create_deployment(&request, &who, given.now, ids, links)
    })?;
    if let Some(state) = given.text("state") {
        tell(github, &full, made["id"].as_u64().unwrap_or_default(), state, &who, given)?;
    }
    Ok(json!({"id": made["id"]}))
}

fn deployment_status(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let who = given.text("who").unwrap_or("octocat").to_owned();
    github.somebody(&who);
    github.hosted(&full)?;
    tell(github, &full, given.needs_number("deployment")?, given.needs("state")?, &who, given)
}

fn tell(github: &mut GitHub, full: &str, id: u64, state: &str, who: &str, given: &Given<'_>) -> Done {
    let id = id.to_string();
    let request = json!({"state": state});
    let status = made(github, full, |repository, ids, links| {
        repository.create_status(&id, &request, who, given.now, ids, links)
    })?;
    let links = github.links(full);
    let deployment = github.repositories[full].get_deployment(&id, &links);
    let deployment = serde_json::from_slice(&deployment.body).unwrap_or_default();
    let sender = github.somebody(who);
    github.tell_deployment(full, &deployment, &status, sender);
    Ok(json!({}))
}

/// Runs an operation of the API as a person; its document, or its refusal.
fn made(
    github: &mut GitHub,
    full: &str,
    operation: impl FnOnce(&mut super::super::Repo, &mut Ids, &Links<'_>) -> crate::server::Reply,
) -> Done {
    let GitHub { base, people, repositories, ids, .. } = github;
    let links = Links { base, repository: full, people };
    let reply = repositories.get_mut(full).map(|repository| operation(repository, ids, &links));
    match reply {
        Some(reply) if reply.status < 300 => serde_json::from_slice(&reply.body).map_err(|error| error.to_string()),
        Some(reply) => Err(said(&reply)),
        None => Err(format!("no repository {full}")),
    }
}

/// A job reaches an environment that the App's rule protects.
fn protect_job(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    github.hosted(&full)?;
    let login = given.text("who").unwrap_or("dev").to_owned();
    let asked = super::super::protection::Asked {
        who: github.somebody(&login),
        login: &login,
        environment: given.text("environment").unwrap_or("production"),
        run: given.number("run"),
        sha: given.needs("sha")?,
        pull: given.number("pull"),
        callback: given.text("callback"),
    };
    let run = github.ask_rule(&full, &asked, given.now)?;
    Ok(json!({"run": run}))
}

/// What was answered to the jobs that wait or waited.
fn protected_jobs(github: &mut GitHub, given: &Given<'_>) -> Done {
    let known = &github.hosted(&given.repository())?.waits;
    let document = |one: &super::super::protection::Waits| {
        let (state, comment) = one.answer.clone().unzip();
        let (run, environment, reports) = (one.run, &one.environment, &one.reports);
        json!({"run": run, "environment": environment, "state": state, "comment": comment, "reports": reports})
    };
    Ok(known.iter().map(document).collect())
}
