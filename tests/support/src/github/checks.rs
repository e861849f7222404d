//! Check runs and commit statuses.

use serde_json::{Value, json};

use super::entry::{Ask, linked, listed, page_of};
use super::repository::Repo;
use super::{GitHub, missing, refused};
use crate::reply::{Millis, rfc3339, text};
use crate::server::Reply;

/// A check run.
#[derive(Debug)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) name: String,
    /// The App's id; GitHub Actions' when it is none of ours.
    pub(crate) app: u64,
    /// Reruns share a suite; a second trigger for the same commit has another.
    pub(crate) suite: u64,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) output: Value,
    /// Buttons: label, description, identifier.
    pub(crate) buttons: Vec<Value>,
    pub(crate) details_url: Option<String>,
    pub(crate) external_id: String,
    pub(crate) started: Millis,
    pub(crate) completed: Option<Millis>,
}

/// A commit status.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) context: String,
    pub(crate) state: String,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
    pub(crate) creator: u64,
    pub(crate) at: Millis,
}

/// The id of the App that runs workflows.
pub(crate) const GITHUB_ACTIONS: u64 = 15_368;

impl Repo {
    /// The newest run of every name in every suite, newest first.
    pub(crate) fn latest_checks(&self, sha: &str) -> Vec<&CheckRun> {
        let mut latest: Vec<&CheckRun> = Vec::new();
        for run in self.checks.iter().rev().filter(|run| run.sha == sha) {
            let known = |other: &&CheckRun| other.suite == run.suite && other.name == run.name && other.app == run.app;
            if !latest.iter().any(known) {
                latest.push(run);
            }
        }
        latest
    }

    /// The newest status of every context, newest first.
    pub(crate) fn latest_statuses(&self, sha: &str) -> Vec<&Status> {
        let mut latest: Vec<&Status> = Vec::new();
        for status in self.statuses.iter().rev().filter(|status| status.sha == sha) {
            if !latest.iter().any(|other| other.context == status.context) {
                latest.push(status);
            }
        }
        latest
    }

    /// Whether a required check is there and good.
    pub(crate) fn is_green(&self, sha: &str, name: &str, app: Option<u64>) -> bool {
        let runs = self.latest_checks(sha);
        let mut runs = runs.iter().filter(|run| run.name == name && app.is_none_or(|app| app == run.app)).peekable();
        let good = |run: &&&CheckRun| matches!(run.conclusion.as_deref(), Some("success" | "neutral" | "skipped"));
        if runs.peek().is_some() {
            return runs.all(|run| good(&run));
        }
        self.latest_statuses(sha).iter().any(|status| status.context == name && status.state == "success")
    }

    /// Whether anything failed.
    pub(crate) fn has_red(&self, sha: &str) -> bool {
        let good = [None, Some("success"), Some("neutral"), Some("skipped")];
        self.latest_checks(sha).iter().any(|run| !good.contains(&run.conclusion.as_deref()))
            || self.latest_statuses(sha).iter().any(|status| matches!(status.state.as_str(), "failure" | "error"))
    }
}

fn instant(body: &Value, member: &str) -> Option<Millis> {
    let at: jiff::Timestamp = text(body, member)?.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

impl GitHub {
    fn check_app(&self, id: u64) -> Value {
        if self.apps.app(id).is_some() {
            return self.app_named(id);
        }
        let (slug, name) = if id == GITHUB_ACTIONS { ("github-actions", "GitHub Actions") } else { ("other", "Other") };
        json!({
            "id": id, "slug": slug, "node_id": format!("A_{id}"),
            "owner": self.people.document(&self.base, "github"), "name": name, "description": "",
            "external_url": "https://help.github.com", "html_url": format!("{}/apps/{slug}", self.base),
            "created_at": "2018-07-30T09:30:17Z", "updated_at": "2019-12-10T19:04:12Z",
            "permissions": {"checks": "write", "metadata": "read"}, "events": ["push"],
        })
    }

    pub(super) fn check_document(&self, full: &str, run: &CheckRun) -> Value {
        let links = self.links(full);
        let url = links.url(&format!("check-runs/{}", run.id));
        let output = |member: &str| run.output.get(member).cloned().unwrap_or(Value::Null);
        let pulls: Vec<Value> = self.repositories[full]
            .pulls
            .values()
            .filter(|pull| pull.is_open() && pull.head() == run.sha)
            .map(|pull| self.pull_minimal(full, pull.number))
            .collect();
        json!({
            "id": run.id, "name": run.name, "node_id": format!("CR_{}", run.id), "head_sha": run.sha,
            "external_id": run.external_id, "url": url,
            "html_url": links.html(&format!("runs/{}", run.id)),
            "details_url": run.details_url.clone().unwrap_or_else(|| links.html(&format!("runs/{}", run.id))),
            "status": run.status, "conclusion": run.conclusion, "started_at": rfc3339(run.started),
            "completed_at": run.completed.map(rfc3339),
            "output": {
                "title": output("title"), "summary": output("summary"), "text": output("text"),
                "annotations_count": 0, "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": {"id": run.suite}, "app": self.check_app(run.app), "pull_requests": pulls,
        })
    }

    /// A pull request as checks and runs name it.
    pub(super) fn pull_minimal(&self, full: &str, number: u64) -> Value {
        let repository = &self.repositories[full];
        let Some(pull) = repository.pulls.get(&number) else { return Value::Null };
        let place = |full: &str| {
            let id = self.repositories.get(full).map_or(0, |repository| repository.id);
            let name = full.rsplit('/').next().unwrap_or(full);
            json!({"id": id, "url": self.links(full).url(""), "name": name})
        };
        let head = pull.head_repository.as_deref().unwrap_or(full);
        json!({
            "url": self.links(full).url(&format!("pulls/{number}")), "id": pull.id, "number": number,
            "head": {"ref": pull.branch, "sha": pull.head(), "repo": place(head)},
            "base": {"ref": pull.base, "sha": repository.references.get(&pull.base), "repo": place(full)},
        })
    }

    /// `GET /repos/{}/commits/{ref}/check-runs`.
    pub(super) fn list_checks(&self, full: &str, reference: &str, ask: &Ask<'_>) -> Reply {
        let repository = &self.repositories[full];
        let Some(commit) = repository.seen(reference, ask.now) else {
            return refused(422, &format!("No commit found for SHA: {reference}"));
        };
        let all = ask.form.get("filter").is_some_and(|filter| filter == "all");
        let found: Vec<&CheckRun> = if all {
            repository.checks.iter().rev().filter(|run| run.sha == commit.sha).collect()
        } else {
            repository.latest_checks(&commit.sha)
        };
        let wanted = |run: &&CheckRun| {
            let is = |member: &str, value: &str| ask.form.get(member).is_none_or(|asked| asked == value);
            is("check_name", &run.name) && is("status", &run.status) && is("app_id", &run.app.to_string())
        };
        let found: Vec<Value> = found.into_iter().filter(wanted).map(|run| self.check_document(full, run)).collect();
        let page = page_of(&found, &ask.form, 30);
        let reply = Reply::json(200, &json!({"total_count": found.len(), "check_runs": page}));
        linked(reply, ask, &self.base, found.len())
    }

    pub(super) fn get_check(&self, full: &str, id: u64) -> Reply {
        match self.repositories[full].checks.iter().find(|run| run.id == id) {
            Some(run) => Reply::json(200, &self.check_document(full, run)),
            None => missing(),
        }
    }

    /// The suite of an App for a commit.
    pub(super) fn suite(&mut self, full: &str, sha: &str, app: u64) -> u64 {
        let known = self.repositories[full].checks.iter().find(|run| run.sha == sha && run.app == app);
        known.map_or_else(|| self.ids.number(), |run| run.suite)
    }

    /// `POST /repos/{}/check-runs`.
    pub(super) fn create_check(&mut self, full: &str, app: u64, ask: &Ask<'_>) -> Reply {
        let (Some(name), Some(sha)) = (text(ask.body, "name"), text(ask.body, "head_sha")) else {
            return refused(422, "Invalid request.\n\n\"name\", \"head_sha\" weren't supplied.");
        };
        if self.repositories[full].commit(sha).is_none() {
            return refused(422, &format!("No commit found for SHA: {sha}"));
        }
        let suite = self.suite(full, sha, app);
        let id = self.ids.number();
        let mut run = CheckRun {
            id,
            sha: sha.to_owned(),
            name: name.to_owned(),
            app,
            suite,
            status: "queued".to_owned(),
            conclusion: None,
            output: json!({}),
            buttons: Vec::new(),
            details_url: None,
            external_id: String::new(),
            started: ask.now,
            completed: None,
        };
        if let Err(refusal) = run.change(ask.body, ask.now) {
            return refusal;
        }
        let ended = run.conclusion.is_some();
        if let Some(repository) = self.repositories.get_mut(full) {
            repository.checks.push(run);
        }
        let who = self.acting(&ask.caller);
        self.tell_check(full, id, if ended { "completed" } else { "created" }, who, ask.now);
        self.get_check(full, id).created()
    }

    /// `PATCH /repos/{}/check-runs/{id}`: only the App that made it.
    pub(super) fn update_check(&mut self, full: &str, id: u64, app: u64, ask: &Ask<'_>) -> Reply {
        let Some(repository) = self.repositories.get_mut(full) else { return missing() };
        let Some(run) = repository.checks.iter_mut().find(|run| run.id == id) else { return missing() };
        if run.app != app {
            return refused(403, "Invalid app_id - check run can only be modified by the GitHub App that created it.");
        }
        let before = run.conclusion.clone();
        if let Err(refusal) = run.change(ask.body, ask.now) {
            return refusal;
        }
        let ended = run.conclusion.is_some() && run.conclusion != before;
        if ended {
            let who = self.acting(&ask.caller);
            self.tell_check(full, id, "completed", who, ask.now);
        }
        self.get_check(full, id)
    }

    fn status_document(&self, full: &str, status: &Status) -> Value {
        let links = self.links(full);
        let creator = links.user_by_id(status.creator);
        json!({
            "url": links.url(&format!("statuses/{}", status.sha)), "id": status.id,
            "node_id": format!("SC_{}", status.id), "state": status.state, "description": status.description,
            "target_url": status.target_url, "context": status.context, "created_at": rfc3339(status.at),
            "updated_at": rfc3339(status.at), "avatar_url": creator["avatar_url"], "creator": creator,
        })
    }

    /// `GET /repos/{}/commits/{ref}/statuses`, newest first.
    pub(super) fn list_commit_statuses(&self, full: &str, reference: &str, ask: &Ask<'_>) -> Reply {
        let repository = &self.repositories[full];
        let Some(commit) = repository.seen(reference, ask.now) else { return missing() };
        let found = repository.statuses.iter().rev().filter(|status| status.sha == commit.sha);
        let all: Vec<Value> = found.map(|status| self.status_document(full, status)).collect();
        listed(&all, ask, &self.base)
    }

    /// `GET /repos/{}/commits/{ref}/status`: the latest of every context, and
    /// all of them in one word.
    pub(super) fn combined_status(&self, full: &str, reference: &str, ask: &Ask<'_>) -> Reply {
        let repository = &self.repositories[full];
        let Some(commit) = repository.seen(reference, ask.now) else { return missing() };
        let latest = repository.latest_statuses(&commit.sha);
        let any = |states: &[&str]| latest.iter().any(|status| states.contains(&status.state.as_str()));
        let state = match () {
            () if any(&["failure", "error"]) => "failure",
            () if latest.is_empty() || any(&["pending"]) => "pending",
            () => "success",
        };
        let all: Vec<Value> = latest
            .iter()
            .map(|status| {
                let mut document = self.status_document(full, status);
                document.as_object_mut().into_iter().for_each(|document| {
                    document.remove("creator");
                });
                document
            })
            .collect();
        let links = self.links(full);
        let sha = &commit.sha;
        let reply = Reply::json(
            200,
            &json!({
                "state": state, "statuses": page_of(&all, &ask.form, 30), "sha": sha, "total_count": all.len(),
                "repository": self.repository_lite(full), "commit_url": links.url(&format!("commits/{sha}")),
                "url": links.url(&format!("commits/{sha}/status")),
            }),
        );
        linked(reply, ask, &self.base, all.len())
    }
}

const STATUSES: [&str; 6] = ["queued", "in_progress", "completed", "waiting", "requested", "pending"];
const CONCLUSIONS: [&str; 7] =
    ["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"];

impl CheckRun {
    /// Changes what a request names.
    pub(crate) fn change(&mut self, body: &Value, now: Millis) -> Result<(), Reply> {
        if let Some(status) = text(body, "status") {
            if !STATUSES.contains(&status) {
                return Err(refused(422, "Invalid request.\n\n\"status\" is not a possible value."));
            }
            status.clone_into(&mut self.status);
            if status != "completed" {
                (self.conclusion, self.completed) = (None, None);
            }
        }
        if let Some(conclusion) = text(body, "conclusion") {
            if !CONCLUSIONS.contains(&conclusion) {
                return Err(refused(422, "Invalid request.\n\n\"conclusion\" is not a possible value."));
            }
            self.conclusion = Some(conclusion.to_owned());
            "completed".clone_into(&mut self.status);
            self.completed = Some(instant(body, "completed_at").unwrap_or(now));
        } else if self.status == "completed" && self.conclusion.is_none() {
            return Err(refused(422, "Invalid request.\n\n\"conclusion\" wasn't supplied."));
        }
        if let Some(output) = body.get("output") {
            if text(output, "title").is_none() || text(output, "summary").is_none() {
                return Err(refused(422, "Invalid request.\n\n\"title\", \"summary\" weren't supplied."));
            }
            if text(output, "summary").is_some_and(|summary| summary.len() > 65_535) {
                return Err(refused(422, "summary exceeds a maximum bytesize of 65535"));
            }
            self.output = output.clone();
        }
        if let Some(buttons) = body.get("actions").and_then(Value::as_array) {
            let fits = |button: &Value, member: &str, most: usize| {
                text(button, member).is_some_and(|text| !text.is_empty() && text.chars().count() <= most)
            };
            let good = |button: &Value| {
                fits(button, "label", 20) && fits(button, "description", 40) && fits(button, "identifier", 20)
            };
            if buttons.len() > 3 || !buttons.iter().all(good) {
                return Err(refused(422, "Invalid request.\n\n\"actions\" is not valid."));
            }
            self.buttons.clone_from(buttons);
        }
        if let Some(name) = text(body, "name") {
            name.clone_into(&mut self.name);
        }
        self.details_url = text(body, "details_url").map(str::to_owned).or_else(|| self.details_url.clone());
        self.external_id = text(body, "external_id").unwrap_or(&self.external_id).to_owned();
        self.started = instant(body, "started_at").unwrap_or(self.started);
        Ok(())
    }
}
