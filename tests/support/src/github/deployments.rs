//! Deployments and their statuses.

use serde_json::{Value, json};

use super::document::Links;
use super::{Repo, missing, refused};
use crate::ids::Ids;
use crate::query::Form;
use crate::reply::{Millis, rfc3339, text};
use crate::server::Reply;

/// A deployment.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) id: u64,
    pub(crate) sha: String,
    /// The login of who made it.
    pub(crate) creator: String,
    pub(crate) request: Value,
    pub(crate) created: Millis,
    updated: Millis,
    /// Newest first.
    pub(crate) statuses: Vec<Status>,
}

#[derive(Debug)]
pub(crate) struct Status {
    id: u64,
    creator: String,
    pub(crate) request: Value,
    pub(crate) at: Millis,
}

const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];

impl Deployment {
    pub(crate) fn environment(&self) -> &str {
        text(&self.request, "environment").unwrap_or("production")
    }

    fn is(&self, member: &str, default: bool) -> bool {
        self.request.get(member).and_then(Value::as_bool).unwrap_or(default)
    }

    fn document(&self, links: &Links<'_>) -> Value {
        let url = links.url(&format!("deployments/{}", self.id));
        json!({
            "url": url, "id": self.id, "node_id": format!("DE_{}", self.id), "sha": self.sha,
            "ref": self.request["ref"], "task": text(&self.request, "task").unwrap_or("deploy"),
            "payload": self.request.get("payload").filter(|payload| !payload.is_null()).cloned().unwrap_or_else(|| json!({})),
            "original_environment": self.environment(), "environment": self.environment(),
            "description": self.request.get("description").cloned().unwrap_or(Value::Null),
            "creator": links.user(&self.creator),
            "created_at": rfc3339(self.created), "updated_at": rfc3339(self.updated),
            "statuses_url": format!("{url}/statuses"), "repository_url": links.url(""),
            "transient_environment": self.is("transient_environment", false),
            "production_environment": self.is("production_environment", self.environment() == "production"),
            "performed_via_github_app": null,
        })
    }
}

impl Status {
    fn document(&self, deployment: &Deployment, links: &Links<'_>) -> Value {
        let url = links.url(&format!("deployments/{}", deployment.id));
        let own = |member: &str| text(&self.request, member).unwrap_or_default().to_owned();
        json!({
            "url": format!("{url}/statuses/{}", self.id), "id": self.id, "node_id": format!("DES_{}", self.id),
            "state": own("state"), "creator": links.user(&self.creator), "description": own("description"),
            "environment": text(&self.request, "environment").unwrap_or_else(|| deployment.environment()),
            "target_url": own("target_url"), "created_at": rfc3339(self.at), "updated_at": rfc3339(self.at),
            "deployment_url": url, "repository_url": links.url(""),
            "environment_url": own("environment_url"), "log_url": own("log_url"),
            "performed_via_github_app": null,
        })
    }
}

impl Repo {
    fn deployment(&self, id: &str) -> Option<usize> {
        let id: u64 = id.parse().ok()?;
        self.deployments.iter().position(|known| known.id == id)
    }

    /// Newest first; `sha`, `ref`, `task`, `environment` filter.
    pub(super) fn list_deployments(&self, form: &Form, links: &Links<'_>) -> Vec<Value> {
        let fits = |name: &str, value: &str| form.get(name).is_none_or(|wanted| wanted == "none" || wanted == value);
        self.deployments
            .iter()
            .rev()
            .filter(|known| fits("sha", &known.sha) && fits("environment", known.environment()))
            .filter(|known| fits("ref", text(&known.request, "ref").unwrap_or_default()))
            .filter(|known| fits("task", text(&known.request, "task").unwrap_or("deploy")))
            .map(|known| known.document(links))
            .collect()
    }

    pub(super) fn get_deployment(&self, id: &str, links: &Links<'_>) -> Reply {
        match self.deployment(id) {
            Some(index) => Reply::json(200, &self.deployments[index].document(links)),
            None => refused(404, "Not Found"),
        }
    }

    /// The merge and required-context checks are for repositories with more
    /// than one line of history; this model has none.
    pub(super) fn create_deployment(
        &mut self,
        body: &Value,
        creator: &str,
        now: Millis,
        ids: &mut Ids,
        links: &Links<'_>,
    ) -> Reply {
        let Some(asked) = text(body, "ref") else {
            return refused(422, "Invalid request.\n\n\"ref\" wasn't supplied.");
        };
        let Some(sha) = self.seen(asked, now).map(|commit| commit.sha.clone()) else {
            return refused(422, &format!("No ref found for: {asked}"));
        };
        let id = ids.number();
        self.deployments.push(Deployment {
            id,
            sha,
            creator: creator.to_owned(),
            request: body.clone(),
            created: now,
            updated: now,
            statuses: Vec::new(),
        });
        self.get_deployment(&id.to_string(), links).created()
    }

    pub(super) fn list_statuses(&self, id: &str, links: &Links<'_>) -> Result<Vec<Value>, Reply> {
        let known = &self.deployments[self.deployment(id).ok_or_else(missing)?];
        Ok(known.statuses.iter().map(|status| status.document(known, links)).collect())
    }

    /// A success makes older deployments of a lasting, non-production environment inactive, of those
    /// that had succeeded, unless `auto_inactive` is off.
    pub(super) fn create_status(
        &mut self,
        id: &str,
        body: &Value,
        creator: &str,
        now: Millis,
        ids: &mut Ids,
        links: &Links<'_>,
    ) -> Reply {
        let Some(index) = self.deployment(id) else { return refused(404, "Not Found") };
        let state = text(body, "state").unwrap_or_default();
        if !STATES.contains(&state) {
            return refused(422, "Invalid request.\n\n\"state\" is not a possible value.");
        }
        if text(body, "description").is_some_and(|text| text.chars().count() > 140) {
            return refused(422, "Validation Failed: description is too long (maximum is 140 characters)");
        }
        if state == "success" && body.get("auto_inactive") != Some(&Value::Bool(false)) {
            let environment = self.deployments[index].environment().to_owned();
            for older in &mut self.deployments[..index] {
                let lasting = !older.is("transient_environment", false);
                let production = older.is("production_environment", older.environment() == "production");
                let succeeded =
                    older.statuses.first().is_some_and(|status| text(&status.request, "state") == Some("success"));
                if succeeded && lasting && !production && older.environment() == environment {
                    let request = json!({"state": "inactive"});
                    older
                        .statuses
                        .insert(0, Status { id: ids.number(), creator: creator.to_owned(), request, at: now });
                }
            }
        }
        let known = &mut self.deployments[index];
        known.updated = now;
        known
            .statuses
            .insert(0, Status { id: ids.number(), creator: creator.to_owned(), request: body.clone(), at: now });
        Reply::json(201, &known.statuses[0].document(known, links))
    }
}
