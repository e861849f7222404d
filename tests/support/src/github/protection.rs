//! Custom deployment protection rules: a job that wants to use an environment waits until the App
//! behind the rule has answered.

use serde_json::{Value, json};

use super::entry::Ask;
use super::{GitHub, missing, refused};
use crate::ids::Ids;
use crate::reply::{Millis, text};
use crate::server::Reply;

/// A job that waits.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(crate) run: u64,
    pub(crate) environment: String,
    /// What was answered: `approved` or `rejected`, and why.
    pub(crate) answer: Option<(String, String)>,
}

/// Who asks for what.
pub(super) struct Asked<'a> {
    pub(super) who: u64,
    pub(super) login: &'a str,
    pub(super) environment: &'a str,
    pub(super) sha: &'a str,
    pub(super) pull: Option<u64>,
    /// Another address than the right one, as a forger would write it.
    pub(super) callback: Option<&'a str>,
}

impl GitHub {
    /// A run reaches a job of a protected environment: the App is asked. Answers the run.
    pub(super) fn ask_rule(&mut self, full: &str, asked: &Asked<'_>, now: Millis) -> Result<u64, String> {
        let run = self.ids.number();
        let request = json!({"ref": asked.sha, "environment": asked.environment, "task": "deploy"});
        let Self { base, people, repositories, ids, .. } = self;
        let links = super::document::Links { base, repository: full, people };
        let repository = repositories.get_mut(full).ok_or("no such repository")?;
        let reply = repository.create_deployment(&request, asked.login, now, ids, &links);
        let deployment: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.status != 201 {
            return Err(deployment.to_string());
        }
        repository.actions.runs.push(super::actions::Run {
            id: run,
            number: repository.actions.runs.len() as u64 + 1,
            workflow: 0,
            branch: repository.default_branch.clone(),
            sha: asked.sha.to_owned(),
            inputs: std::collections::BTreeMap::new(),
            title: "Deploy".to_owned(),
            actor: asked.who,
            status: "waiting".to_owned(),
            conclusion: None,
            created: now,
            updated: now,
        });
        repository.waits.push(Waits { run, environment: asked.environment.to_owned(), answer: None });
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
        let comment = text(ask.body, "comment").unwrap_or_default().to_owned();
        let (Some(environment), Some(state @ ("approved" | "rejected"))) = (environment, state) else {
            return refused(422, "Invalid request.\n\n\"environment_name\", \"state\" weren't supplied.");
        };
        let Some(repository) = self.repositories.get_mut(full) else { return missing() };
        let Some(waits) =
            repository.waits.iter_mut().find(|waits| waits.run == run && waits.environment == environment)
        else {
            return missing();
        };
        if waits.answer.is_some() {
            return refused(422, "The deployment protection rule has been reviewed already.");
        }
        waits.answer = Some((state.to_owned(), comment));
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
