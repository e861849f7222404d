//! Workflows that can be dispatched, and their runs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::entry::{Ask, linked, page_of};
use super::{GitHub, missing, refused};
use crate::reply::{Millis, rfc3339, text};
use crate::seed::ImageSeed;
use crate::server::Reply;

/// What a dispatched run does by itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Build {
    /// How long it takes (real milliseconds).
    pub(crate) after_ms: u64,
    /// `success` unless said otherwise.
    pub(crate) conclusion: Option<String>,
    /// The input that holds the commit; its value becomes tag and revision label.
    pub(crate) sha_input: Option<String>,
    /// Repositories of the registry that get an image, when it succeeds.
    pub(crate) images: Vec<String>,
    /// The revision label says this instead of the commit.
    pub(crate) revision: Option<String>,
}

/// A workflow file.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub(crate) id: u64,
    pub(crate) file: String,
    pub(crate) name: String,
    /// Inputs it knows; any, when none are given.
    pub(crate) inputs: Vec<String>,
    /// Nothing: a test ends its runs.
    pub(crate) build: Option<Build>,
    /// `run-name`, with `${{ inputs.x }}` in it.
    pub(crate) run_name: Option<String>,
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) workflow: u64,
    pub(crate) branch: String,
    pub(crate) sha: String,
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) title: String,
    pub(crate) actor: u64,
    /// The how-manieth attempt, and who started it.
    pub(crate) attempt: (u64, u64),
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
}

/// Everything of one repository.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    pub(crate) workflows: Vec<Workflow>,
    /// Oldest first.
    pub(crate) runs: Vec<Run>,
}

/// A run that ends by itself.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) repository: String,
    pub(crate) run: u64,
    pub(crate) conclusion: String,
    pub(crate) images: Vec<ImageSeed>,
}

impl Actions {
    /// By file name, path or id.
    pub(crate) fn workflow(&self, asked: &str) -> Option<&Workflow> {
        let file = asked.trim_start_matches(".github/workflows/");
        self.workflows.iter().find(|workflow| workflow.file == file || workflow.id.to_string() == asked)
    }
}

impl Build {
    fn due(&self, repository: &str, run: &Run) -> Due {
        let conclusion = self.conclusion.clone().unwrap_or_else(|| "success".to_owned());
        let wanted = self.sha_input.as_ref().and_then(|input| run.inputs.get(input));
        let sha = wanted.unwrap_or(&run.sha).clone();
        let image = |name: &String| ImageSeed {
            repository: name.clone(),
            tags: vec![sha.clone()],
            labels: BTreeMap::from([(
                "org.opencontainers.image.revision".to_owned(),
                self.revision.clone().unwrap_or_else(|| sha.clone()),
            )]),
            manifest: None,
        };
        let images = if conclusion == "success" { self.images.iter().map(image).collect() } else { Vec::new() };
        Due { repository: repository.to_owned(), run: run.id, conclusion, images }
    }
}

impl GitHub {
    fn run_html(&self, full: &str, id: u64) -> String {
        self.links(full).html(&format!("actions/runs/{id}"))
    }

    /// `POST /repos/{}/actions/workflows/{file}/dispatches`.
    pub(super) fn dispatch(&mut self, full: &str, asked: &str, ask: &Ask<'_>) -> Reply {
        let repository = &self.repositories[full];
        let Some(workflow) = repository.actions.workflow(asked).cloned() else { return missing() };
        let Some(reference) = text(ask.body, "ref") else {
            return refused(422, "Invalid request.\n\n\"ref\" wasn't supplied.");
        };
        let branch = reference.trim_start_matches("refs/heads/").to_owned();
        let Some(sha) = repository.references.get(&branch).cloned() else {
            return refused(422, &format!("No ref found for: {reference}"));
        };
        let given = ask.body.get("inputs").and_then(Value::as_object).cloned().unwrap_or_default();
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let inputs: BTreeMap<String, String> = given.iter().map(|(name, value)| (name.clone(), word(value))).collect();
        let unknown: Vec<&String> =
            inputs.keys().filter(|name| !workflow.inputs.is_empty() && !workflow.inputs.contains(name)).collect();
        if !unknown.is_empty() {
            return refused(422, &format!("Unexpected inputs provided: {unknown:?}"));
        }
        let id = self.ids.number();
        let mut title = workflow.run_name.clone().unwrap_or_else(|| workflow.name.clone());
        for (name, value) in &inputs {
            title = title.replace(&format!("${{{{ inputs.{name} }}}}"), value);
        }
        let actor = self.acting(&ask.caller);
        let Some(repository) = self.repositories.get_mut(full) else { return missing() };
        let run = Run {
            id,
            number: repository.actions.runs.len() as u64 + 1,
            workflow: workflow.id,
            branch,
            sha,
            inputs,
            title,
            actor,
            attempt: (1, actor),
            status: "queued".to_owned(),
            conclusion: None,
            created: ask.now,
            updated: ask.now,
        };
        if let Some(build) = &workflow.build {
            self.due.push((ask.real + build.after_ms, build.due(full, &run)));
            self.hooks.wake();
        }
        repository.actions.runs.push(run);
        self.tell_run(full, id, "requested", ask.now);
        if ask.body.get("return_run_details") == Some(&Value::Bool(true)) {
            let url = self.links(full).url(&format!("actions/runs/{id}"));
            return Reply::json(
                200,
                &json!({"workflow_run_id": id, "run_url": url, "html_url": self.run_html(full, id)}),
            );
        }
        Reply::empty(204)
    }

    /// Ends a run, and tells the Apps.
    pub(super) fn finish_run(&mut self, full: &str, id: u64, conclusion: &str, now: Millis) -> Result<(), String> {
        let repository = self.hosted(full)?;
        let run = repository.actions.runs.iter_mut().find(|run| run.id == id);
        let run = run.ok_or_else(|| format!("no run {id} in {full}"))?;
        if run.conclusion.is_some() {
            return Err(format!("run {id} is over already"));
        }
        "completed".clone_into(&mut run.status);
        run.conclusion = Some(conclusion.to_owned());
        run.updated = now;
        self.tell_run(full, id, "completed", now);
        Ok(())
    }

    pub(super) fn workflow_document(&self, full: &str, workflow: &Workflow) -> Value {
        let links = self.links(full);
        let path = format!(".github/workflows/{}", workflow.file);
        let created = rfc3339(self.repositories[full].created);
        json!({
            "id": workflow.id, "node_id": format!("W_{}", workflow.id), "name": workflow.name, "path": path,
            "state": "active", "created_at": created, "updated_at": created,
            "url": links.url(&format!("actions/workflows/{}", workflow.id)),
            "html_url": links.html(&format!("blob/{}/{path}", self.repositories[full].default_branch)),
            "badge_url": links.html(&format!("workflows/{}/badge.svg", workflow.name)),
        })
    }

    pub(super) fn run_document(&self, full: &str, run: &Run) -> Value {
        let links = self.links(full);
        let repository = &self.repositories[full];
        let id = run.id;
        let url = links.url(&format!("actions/runs/{id}"));
        let workflow = repository.actions.workflow(&run.workflow.to_string());
        let (actor, starter) = (links.user_by_id(run.actor), links.user_by_id(run.attempt.1));
        let message = repository.commit(&run.sha).map_or("", |commit| commit.message.as_str());
        let author = repository.commit(&run.sha).map_or("octocat", |commit| commit.author.as_str());
        let person = json!({"name": author, "email": format!("{author}@example.com")});
        let at = repository.commit(&run.sha).map_or(run.created, |commit| commit.at);
        let lite = self.repository_lite(full);
        json!({
            "id": id, "name": workflow.map(|workflow| workflow.name.clone()), "node_id": format!("WFR_{id}"),
            "head_branch": run.branch, "head_sha": run.sha,
            "path": workflow.map(|workflow| format!(".github/workflows/{}", workflow.file)),
            "display_title": run.title, "run_number": run.number, "event": "workflow_dispatch",
            "status": run.status, "conclusion": run.conclusion, "workflow_id": run.workflow,
            "check_suite_id": id + 1, "check_suite_node_id": format!("CS_{}", id + 1), "url": url,
            "html_url": self.run_html(full, id), "pull_requests": [], "created_at": rfc3339(run.created),
            "updated_at": rfc3339(run.updated), "actor": actor, "run_attempt": run.attempt.0, "referenced_workflows": [],
            "run_started_at": rfc3339(run.created), "triggering_actor": starter, "jobs_url": format!("{url}/jobs"),
            "logs_url": format!("{url}/logs"), "check_suite_url": links.url(&format!("check-suites/{}", id + 1)),
            "artifacts_url": format!("{url}/artifacts"), "cancel_url": format!("{url}/cancel"),
            "rerun_url": format!("{url}/rerun"), "previous_attempt_url": null,
            "workflow_url": links.url(&format!("actions/workflows/{}", run.workflow)),
            "head_commit": {
                "id": run.sha, "tree_id": run.sha, "message": message, "timestamp": rfc3339(at),
                "author": person, "committer": person,
            },
            "repository": lite, "head_repository": lite,
        })
    }

    /// `GET /repos/{}/actions/runs/{id}`.
    pub(super) fn get_run(&self, full: &str, id: u64) -> Reply {
        match self.repositories[full].actions.runs.iter().find(|run| run.id == id) {
            Some(run) => Reply::json(200, &self.run_document(full, run)),
            None => missing(),
        }
    }

    /// `POST /repos/{}/actions/runs/{id}/cancel`.
    pub(super) fn cancel_run(&mut self, full: &str, id: u64, now: Millis) -> Reply {
        match self.finish_run(full, id, "cancelled", now) {
            Ok(()) => Reply { status: 202, ..Reply::json(202, &json!({})) },
            Err(_) => refused(409, "Cannot cancel a workflow run that is completed."),
        }
    }

    /// `GET /repos/{}/actions/workflows/{file}/runs`, newest first; also
    /// `GET /repos/{}/actions/runs`.
    pub(super) fn list_runs(&self, full: &str, workflow: Option<&str>, ask: &Ask<'_>) -> Reply {
        let actions = &self.repositories[full].actions;
        let id = match workflow.map(|asked| actions.workflow(asked)) {
            Some(None) => return missing(),
            Some(Some(workflow)) => Some(workflow.id),
            None => None,
        };
        let since = ask.form.get("created").and_then(|range| {
            let from = range.trim_start_matches(">=").trim_start_matches('>').split("..").next()?;
            from.parse::<jiff::Timestamp>().ok()
        });
        let since = since.map_or(0, |since| u64::try_from(since.as_second()).unwrap_or(0));
        let fits = |run: &&Run| {
            let is = |name: &str, value: &str| ask.form.get(name).is_none_or(|wanted| wanted == value);
            let ended = run.conclusion.as_deref().unwrap_or_default();
            id.is_none_or(|id| run.workflow == id)
                && run.created / 1000 >= since
                && is("branch", &run.branch)
                && is("head_sha", &run.sha)
                && is("event", "workflow_dispatch")
                && (is("status", &run.status) || is("status", ended))
        };
        let found = actions.runs.iter().rev().filter(fits);
        let all: Vec<Value> = found.map(|run| self.run_document(full, run)).collect();
        let page = page_of(&all, &ask.form, 30);
        let reply = Reply::json(200, &json!({"total_count": all.len(), "workflow_runs": page}));
        linked(reply, ask, &self.base, all.len())
    }
}
