//! Custom deployment protection rules: a job that wants to use an environment waits until the App
//! behind the rule has answered.

use serde_json::{Value, json};

use super::entry::Ask;
use super::{GitHub, missing, refused};
use crate::ids::Ids;
use crate::reply::{Millis, text};
use crate::server::Reply;

/// GitHub's guide to custom rules: a status report may be posted ten times for a deployment, and has at
/// most so many characters.
const REPORTS: usize = 10;
const REPORT: usize = 1_024;

/// A job that waits.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(crate) run: u64,
    pub(crate) environment: String,
    /// What was answered: `approved` or `rejected`, and why.
    pub(crate) answer: Option<(String, String)>,
    /// What the App said while it waited.
    pub(crate) reports: Vec<String>,
}

/// Who asks for what.
pub(super) struct Asked<'a> {
    pub(super) who: u64,
    pub(super) login: &'a str,
    pub(super) environment: &'a str,
    /// A run that is started again.
    pub(super) run: Option<u64>,
    pub(super) sha: &'a str,
    pub(super) pull: Option<u64>,
    /// Another address than the right one, as a forger would write it.
    pub(super) callback: Option<&'a str>,
}

impl GitHub {
    /// A run reaches a job of a protected environment: the App is asked. Answers the run.
    pub(super) fn ask_rule(&mut self, full: &str, asked: &Asked<'_>, now: Millis) -> Result<u64, String> {
        let run = asked.run.unwrap_or_else(|| self.ids.number());
        let request = json!({"ref": asked.sha, "environment": asked.environment, "task": "deploy"});
        let Self { base, people, repositories, ids, .. } = self;
        let links = super::document::Links { base, repository: full, people };
        let repository = repositories.get_mut(full).ok_or("no such repository")?;
        let reply = repository.create_deployment(&request, asked.login, now, ids, &links);
        let deployment: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.status != 201 {
            return Err(deployment.to_string());
        }
        let number = repository.actions.runs.len() as u64 + 1;
        match repository.actions.runs.iter_mut().find(|known| known.id == run) {
            Some(again) => {
                again.attempt = (again.attempt.0 + 1, asked.who);
                "waiting".clone_into(&mut again.status);
                again.conclusion = None;
                again.updated = now;
            }
            None => repository.actions.runs.push(super::actions::Run {
                id: run,
                number,
                workflow: 0,
                branch: repository.default_branch.clone(),
                sha: asked.sha.to_owned(),
                inputs: std::collections::BTreeMap::new(),
                title: "Deploy".to_owned(),
                actor: asked.who,
                attempt: (1, asked.who),
                status: "waiting".to_owned(),
                conclusion: None,
                created: now,
                updated: now,
            }),
        }
        let environment = asked.environment.to_owned();
        repository.waits.push(Waits { run, environment, answer: None, reports: Vec::new() });
        let right = self.links(full).url(&format!("actions/runs/{run}/deployment_protection_rule"));
        let pulls: Vec<Value> = asked
            .pull
            .and_then(|pull| self.pull_document(full, pull, super::pulls::View::Api, now))
            .into_iter()
            .collect();
        let document = json!({
            "action": "requested", "environment": asked.environment, "event": "push", "sha": asked.sha,
            "ref": format!("refs/heads/{}", self.repositories[full].default_branch),
            "deployment_callback_url": asked.callback.unwrap_or(&right),
            "deployment": deployment, "pull_requests": pulls,
        });
        self.tell_rule(full, &document, asked.who);
        Ok(run)
    }

    /// `POST /repos/{}/actions/runs/{id}/deployment_protection_rule`.
    pub(super) fn answer_rule(&mut self, full: &str, run: u64, ask: &Ask<'_>) -> Reply {
        let (environment, state) = (text(ask.body, "environment_name"), text(ask.body, "state"));
        let said = text(ask.body, "comment").map(str::to_owned);
        let comment = said.clone().unwrap_or_default();
        // Without a state the comment is how it stands; "required when state is not provided".
        let (Some(environment), None | Some("approved" | "rejected"), true) =
            (environment, state, state.is_some() || said.is_some())
        else {
            return refused(422, "Invalid request.\n\n\"environment_name\", \"state\" weren't supplied.");
        };
        let Some(repository) = self.repositories.get_mut(full) else { return missing() };
        let Some(waits) =
            repository.waits.iter_mut().rev().find(|waits| waits.run == run && waits.environment == environment)
        else {
            return missing();
        };
        if waits.answer.is_some() {
            return refused(422, "The deployment protection rule has been reviewed already.");
        }
        match state {
            Some(state) => waits.answer = Some((state.to_owned(), comment)),
            None if comment.chars().count() > REPORT => {
                return refused(422, "The comment is too long (maximum is 1024 characters).");
            }
            None if waits.reports.len() >= REPORTS => {
                return refused(422, "The deployment protection rule has too many status reports.");
            }
            None => waits.reports.push(comment),
        }
        Reply::empty(204)
    }

    /// `GET /user`, with a person's own token.
    pub(super) fn signed_in(&self, id: u64) -> Reply {
        let login = self.people.login(id).to_owned();
        let mut document = self.people.document(&self.base, &login);
        for (member, value) in [
            ("name", json!(login)),
            ("company", Value::Null),
            ("blog", json!("")),
            ("location", Value::Null),
            ("email", Value::Null),
            ("hireable", Value::Null),
            ("bio", Value::Null),
            ("public_repos", json!(1)),
            ("public_gists", json!(0)),
            ("followers", json!(0)),
            ("following", json!(0)),
            ("created_at", json!("2020-01-01T00:00:00Z")),
            ("updated_at", json!("2020-01-01T00:00:00Z")),
        ] {
            document[member] = value;
        }
        Reply::json(200, &document)
    }

    /// A token of a person's own.
    pub(super) fn sign_in(&mut self, who: u64, ids: fn(&mut Ids) -> String) -> String {
        let token = format!("ghp_{}", ids(&mut self.ids));
        self.apps.people.insert(token.clone(), who);
        token
    }
}
