//! What webhooks say. Complete as GitHub's are: a reader that takes an unusual member finds it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::GitHub;
use super::access::Level;
use super::hooks::{Message, Turn};
use super::pulls::View;
use crate::reply::{Millis, put};

impl GitHub {
    /// Sends an event of a repository to every App that is installed there and
    /// wants it.
    fn tell(&mut self, full: &str, event: &str, document: &Value, sender: u64) {
        let Some(repository) = self.repositories.get(full).filter(|repository| repository.is_hosted()) else { return };
        let repository = repository.id;
        let action = document["action"].as_str().map(str::to_owned);
        let wanting: Vec<(u64, u64)> = self
            .apps
            .installations
            .iter()
            .filter(|installation| {
                self.opens(installation, full)
                    && installation.standing == super::apps::Standing::Active
                    && installation.events.iter().any(|wanted| wanted == event)
                    && reads(&installation.permissions, event)
            })
            .map(|installation| (installation.id, installation.app))
            .collect();
        for (installation, app) in wanting {
            let mut payload = document.clone();
            payload["repository"] = self.repository_of_webhook(full);
            if let Some(organisation) = self.owner_organisation(full) {
                payload["organization"] = self.organisation(&organisation);
            }
            payload["sender"] = self.links(full).user_by_id(sender);
            payload["installation"] =
                json!({"id": installation, "node_id": format!("MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u{installation}")});
            self.send(app, event, action.clone(), Some(installation), Some(repository), &payload);
        }
    }

    pub(super) fn repository_of_webhook(&self, full: &str) -> Value {
        let mut document = self.repository(full);
        document["custom_properties"] = json!({});
        document
    }

    fn send(
        &mut self,
        app: u64,
        event: &str,
        action: Option<String>,
        installation: Option<u64>,
        repository: Option<u64>,
        payload: &Value,
    ) {
        let message = Message {
            guid: self.ids.uuid(),
            app,
            event: event.to_owned(),
            action,
            installation,
            repository,
            payload: Arc::from(payload.to_string()),
        };
        self.hooks.enqueue(message, Turn::First);
    }

    /// `issue_comment`.
    pub(super) fn tell_comment(
        &mut self,
        full: &str,
        id: u64,
        action: &str,
        who: u64,
        before: Option<&str>,
        _now: Millis,
    ) {
        let Some(comment) = self.comment(full, id) else { return };
        let issue = self.issue_document(full, comment.issue);
        let mut document = json!({"action": action, "issue": issue, "comment": self.comment_document(full, comment)});
        put(&mut document, "changes", before.map(|before| json!({"body": {"from": before}})));
        self.tell(full, "issue_comment", &document, who);
    }

    /// `pull_request`, with members that only this action has.
    pub(super) fn tell_pull(&mut self, full: &str, number: u64, action: &str, who: u64, more: &Value, now: Millis) {
        let Some(pull) = self.pull_document(full, number, View::Webhook, now) else { return };
        let mut document = json!({"action": action, "number": number, "pull_request": pull});
        for (name, value) in more.as_object().into_iter().flatten() {
            document[name] = value.clone();
        }
        self.tell(full, "pull_request", &document, who);
    }

    /// `pull_request_review`, action `submitted`.
    pub(super) fn tell_review(&mut self, full: &str, number: u64, review: &Value, who: u64, now: Millis) {
        let Some(pull) = self.pull_document(full, number, View::Webhook, now) else { return };
        let document = json!({"action": "submitted", "review": review, "pull_request": Self::simple(pull)});
        self.tell(full, "pull_request_review", &document, who);
    }

    /// `workflow_run`.
    pub(super) fn tell_run(&mut self, full: &str, id: u64, action: &str, _now: Millis) {
        let actions = &self.repositories[full].actions;
        let Some(run) = actions.runs.iter().find(|run| run.id == id) else { return };
        let workflow = actions.workflow(&run.workflow.to_string());
        let workflow = workflow.map(|workflow| self.workflow_document(full, workflow));
        let who = run.actor;
        let document = json!({"action": action, "workflow": workflow, "workflow_run": self.run_document(full, run)});
        self.tell(full, "workflow_run", &document, who);
    }

    /// A check run with its whole suite.
    fn check_of_webhook(&self, full: &str, id: u64) -> Option<Value> {
        let run = self.repositories[full].checks.iter().find(|run| run.id == id)?;
        let mut check = self.check_document(full, run);
        let pulls = check["pull_requests"].clone();
        let branch = self.repositories[full].pulls.values().find(|pull| pull.head() == run.sha);
        let url = self.links(full).url(&format!("check-suites/{}", run.suite));
        check["check_suite"] = json!({
            "id": run.suite, "node_id": format!("CS_{}", run.suite), "head_branch": branch.map(|pull| &pull.branch),
            "head_sha": run.sha, "status": run.status, "conclusion": run.conclusion, "url": url,
            "before": null, "after": run.sha, "pull_requests": pulls, "app": check["app"],
            "created_at": check["started_at"], "updated_at": check["started_at"],
        });
        Some(check)
    }

    /// `check_run`.
    pub(super) fn tell_check(&mut self, full: &str, id: u64, action: &str, who: u64, _now: Millis) {
        let Some(check) = self.check_of_webhook(full, id) else { return };
        self.tell(full, "check_run", &json!({"action": action, "check_run": check}), who);
    }

    /// `check_run`, action `requested_action` or `rerequested`: somebody pressed a button.
    pub(super) fn tell_button(&mut self, full: &str, id: u64, identifier: Option<&str>, who: u64) {
        let Some(check) = self.check_of_webhook(full, id) else { return };
        let action = if identifier.is_some() { "requested_action" } else { "rerequested" };
        let mut document = json!({"action": action, "check_run": check});
        put(&mut document, "requested_action", identifier.map(|identifier| json!({"identifier": identifier})));
        self.tell(full, "check_run", &document, who);
    }

    /// `deployment_protection_rule`.
    pub(super) fn tell_rule(&mut self, full: &str, document: &Value, who: u64) {
        self.tell(full, "deployment_protection_rule", document, who);
    }

    /// `deployment_status`.
    pub(super) fn tell_deployment(&mut self, full: &str, deployment: &Value, status: &Value, who: u64) {
        let document = json!({"action": "created", "deployment_status": status, "deployment": deployment});
        self.tell(full, "deployment_status", &document, who);
    }

    /// `installation`, to its App.
    pub(super) fn tell_installation(&mut self, id: u64, action: &str, who: u64) {
        let Some(installation) = self.apps.installation(id) else { return };
        let app = installation.app;
        let repositories: Vec<Value> = self
            .repositories
            .iter()
            .filter(|(full, known)| known.is_hosted() && self.opens(installation, full))
            .map(|(full, known)| {
                let name = full.rsplit('/').next().unwrap_or(full);
                json!({
                    "id": known.id, "node_id": format!("R_{}", known.id), "name": name, "full_name": full,
                    "private": known.is_private(),
                })
            })
            .collect();
        let payload = json!({
            "action": action, "installation": self.installation_document(id), "repositories": repositories,
            "sender": self.people.document(&self.base, self.people.login(who)),
        });
        self.send(app, "installation", Some(action.to_owned()), Some(id), None, &payload);
    }

    /// `ping`, to an App.
    pub(super) fn tell_ping(&mut self, id: u64) {
        let Some(app) = self.apps.app(id) else { return };
        let hook = app.hook_id;
        let payload = json!({
            "zen": "Keep it logically awesome.", "hook_id": hook,
            "hook": {
                "type": "App", "id": hook, "name": "web", "active": true, "events": app.events,
                "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": app.hook_url},
                "updated_at": crate::reply::rfc3339(app.created), "created_at": crate::reply::rfc3339(app.created),
                "app_id": id, "deliveries_url": format!("{}/app/hook/deliveries", self.base),
            },
        });
        self.send(id, "ping", None, None, None, &payload);
    }
}

/// An event goes only to those who may read what it is about.
fn reads(permissions: &super::access::Permissions, event: &str) -> bool {
    let names: &[&str] = match event {
        "issue_comment" => &["issues", "pull_requests"],
        "pull_request" | "pull_request_review" => &["pull_requests"],
        "workflow_run" => &["actions"],
        "check_run" => &["checks"],
        "deployment_status" | "deployment_protection_rule" => &["deployments"],
        _ => return true,
    };
    names.iter().any(|name| permissions.get(*name).is_some_and(|level| *level >= Level::Read))
}
