//! What tests hold: GitHub in sentences.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::acts::act;
use super::hooks::Delivered;
use super::people::Role;
use crate::server::Shared;
use crate::state::now;

/// A simulated GitHub. Cheap to clone; lives as long as the server answers.
#[derive(Debug, Clone)]
pub struct GitHubWorld {
    shared: Shared,
}

/// One repository of it.
#[derive(Debug, Clone)]
pub struct RepositoryWorld {
    github: GitHubWorld,
    name: String,
}

/// How an App is made; see [`GitHubWorld::app`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct AppSeed {
    /// `shipline`; its slug is made from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where webhooks go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// `webhook-secret`; none when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Where it is installed: `acme`; nowhere when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Instead of what the bot needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeMap<String, String>>,
    /// Instead of what the bot needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
}

/// An App, with what its owner knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Its id.
    pub id: u64,
    /// `shipline`.
    pub slug: String,
    /// The other thing `iss` may say.
    pub client_id: String,
    /// The private key, as GitHub hands it out (PKCS #1).
    pub pem: String,
    /// The webhook secret.
    pub secret: Option<String>,
    /// Where it is installed, if anywhere.
    pub installation: Option<u64>,
}

/// A pull request just made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its head.
    pub sha: String,
}

/// A comment, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// Login; `shipline[bot]`.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// How often each emoji (`eyes`, `rocket`, `-1`…) was given.
    pub reactions: BTreeMap<String, u64>,
    /// Why it is folded away.
    pub minimized: Option<String>,
    /// When it was written.
    pub created_at: String,
    /// When it was edited last.
    pub updated_at: String,
}

/// A workflow run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: u64,
    /// The file.
    pub workflow: Option<String>,
    /// The branch it was dispatched on.
    pub branch: String,
    /// That branch's commit.
    pub sha: String,
    /// What it was given.
    pub inputs: BTreeMap<String, String>,
    /// Its title.
    pub title: String,
    /// `queued` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
}

impl GitHubWorld {
    pub(crate) const fn of(shared: Shared) -> Self {
        Self { shared }
    }

    /// Any act of `POST /_sim/github/<name>`.
    ///
    /// # Errors
    ///
    /// What is wrong with it; nothing was changed then.
    pub fn try_act(&self, name: &str, body: &Value) -> Result<Value, String> {
        act(&mut self.shared.lock().github, name, body, now())
    }

    /// The same, for acts that cannot be wrong.
    ///
    /// # Panics
    ///
    /// When the act is refused: a mistake of the test.
    pub fn act(&self, name: &str, body: &Value) -> Value {
        self.try_act(name, body).unwrap_or_else(|why| unreachable!("{name} is refused: {why}"))
    }

    fn told<T: DeserializeOwned>(&self, name: &str, body: &Value) -> T {
        let told = self.act(name, body);
        serde_json::from_value(told).unwrap_or_else(|why| unreachable!("{name} answers something else: {why}"))
    }

    /// Makes an App and installs it at `acme` for all repositories.
    pub fn app(&self, seed: &AppSeed) -> App {
        self.told("app", &json!(seed))
    }

    /// A repository; made (private, `main`, one commit) when it is new.
    #[must_use]
    pub fn repository(&self, name: &str) -> RepositoryWorld {
        self.act("repository", &json!({"repository": name}));
        RepositoryWorld { github: self.clone(), name: name.to_owned() }
    }

    /// The same for one that everybody can read.
    #[must_use]
    pub fn public_repository(&self, name: &str) -> RepositoryWorld {
        self.act("repository", &json!({"repository": name, "visibility": "public"}));
        RepositoryWorld { github: self.clone(), name: name.to_owned() }
    }

    /// A team of `acme` with exactly these (active) members.
    pub fn team(&self, slug: &str, members: &[&str]) -> &Self {
        let members: BTreeMap<&str, &str> = members.iter().map(|login| (*login, "active")).collect();
        self.act("team", &json!({"slug": slug, "members": members}));
        self
    }

    /// Gives an account another login; the old one is free.
    pub fn rename(&self, from: &str, to: &str) -> &Self {
        self.act("rename", &json!({"from": from, "to": to}));
        self
    }

    /// Webhooks go there from now on.
    pub fn webhook_to(&self, url: &str) -> &Self {
        self.act("webhook", &json!({"url": url}));
        self
    }

    /// Webhooks are signed with that from now on.
    pub fn webhook_secret(&self, secret: &str) -> &Self {
        self.act("webhook", &json!({"secret": secret}));
        self
    }

    /// Takes a permission from the installation, at once.
    pub fn withdraw(&self, permission: &str) -> &Self {
        self.act("withdraw", &json!({"permission": permission}));
        self
    }

    /// Ends all tokens that were given out.
    pub fn expire_tokens(&self) -> &Self {
        self.act("expire-tokens", &json!({}));
        self
    }

    /// Moves the model's clock.
    pub fn advance(&self, by: Duration) -> &Self {
        self.act("advance", &json!({"ms": u64::try_from(by.as_millis()).unwrap_or(0)}));
        self
    }

    /// The API shows new heads only after that long.
    pub fn heads_visible_after(&self, lag: Duration) -> &Self {
        self.act("head-lag", &json!({"ms": u64::try_from(lag.as_millis()).unwrap_or(0)}));
        self
    }

    /// So many requests are left, until that long from now.
    pub fn leave_requests(&self, remaining: u64, reset: Duration) -> &Self {
        let reset = u64::try_from(reset.as_millis()).unwrap_or(0);
        self.act("limit", &json!({"remaining": remaining, "reset_ms": reset}));
        self
    }

    /// Webhooks wait from now on.
    pub fn hold_deliveries(&self) -> &Self {
        self.act("hold", &json!({}));
        self
    }

    /// They go out, in the order they came.
    pub fn release_deliveries(&self) -> &Self {
        self.act("release", &json!({}));
        self
    }

    /// They go out, the newest first.
    pub fn release_deliveries_reversed(&self) -> &Self {
        self.act("release", &json!({"order": "reversed"}));
        self
    }

    /// The next ones fail; GitHub remembers them.
    pub fn fail_deliveries(&self, count: u64) -> &Self {
        self.act("lose", &json!({"count": count, "how": "failed"}));
        self
    }

    /// The newest delivery of an event once more, so many times.
    pub fn duplicate(&self, guid: &str, times: u64) -> &Self {
        self.act("duplicate", &json!({"guid": guid, "times": times}));
        self
    }

    /// The same bytes with a new id; answers that id.
    pub fn resend(&self, guid: &str) -> String {
        self.act("resend", &json!({"guid": guid}))["guid"].as_str().unwrap_or_default().to_owned()
    }

    /// Every attempt of a webhook, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivered> {
        self.shared.lock().github.hooks.attempts.iter().map(super::hooks::Attempt::seen).collect()
    }

    /// Whether every webhook was sent.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.shared.lock().github.hooks.is_quiet()
    }

    /// Waits until every webhook was sent.
    pub async fn delivered(&self) {
        while !self.is_quiet() {
            pause().await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests look until it is so")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

impl RepositoryWorld {
    /// `owner/name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Any act, in this repository.
    pub fn act(&self, name: &str, mut body: Value) -> Value {
        body["repository"] = json!(self.name);
        self.github.act(name, &body)
    }

    fn told<T: DeserializeOwned>(&self, name: &str, mut body: Value) -> T {
        body["repository"] = json!(self.name);
        self.github.told(name, &body)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.act("repository", json!({}))["id"].as_u64().unwrap_or_default()
    }

    /// Somebody with a role; answers the id.
    pub fn user(&self, login: &str, role: Role) -> u64 {
        self.act("user", json!({"login": login, "role": role.word()}))["id"].as_u64().unwrap_or_default()
    }

    /// Takes the role away.
    pub fn dismiss(&self, login: &str) -> &Self {
        self.act("user", json!({"login": login, "role": "none"}));
        self
    }

    /// A commit on the default branch with that file; answers its SHA.
    pub fn file(&self, path: &str, text: &str) -> String {
        let made = self.act("commit", json!({"files": {path: text}, "message": format!("Write {path}")}));
        made["sha"].as_str().unwrap_or_default().to_owned()
    }

    /// Opens a pull request with one commit on a new branch.
    pub fn pull(&self, who: &str, title: &str) -> Pull {
        self.told("pull", json!({"who": who, "title": title}))
    }

    /// The same as a draft.
    pub fn draft(&self, who: &str, title: &str) -> Pull {
        self.told("pull", json!({"who": who, "title": title, "stage": "draft"}))
    }

    /// The same from somebody's fork, which is made when it is new.
    pub fn pull_from_fork(&self, who: &str, title: &str) -> Pull {
        let fork = format!("{who}/{}", self.name.rsplit('/').next().unwrap_or_default());
        self.github.act(
            "repository",
            &json!({"repository": fork, "fork_of": self.name, "owner": "user", "visibility": "public"}),
        );
        self.told("pull", json!({"who": who, "title": title, "fork": fork}))
    }

    /// Opens an issue; answers its number.
    pub fn issue(&self, who: &str, title: &str) -> u64 {
        self.act("issue", json!({"who": who, "title": title}))["number"].as_u64().unwrap_or_default()
    }

    /// Pushes one commit to a pull request; answers the new head.
    pub fn push(&self, pull: u64) -> String {
        self.act("push", json!({"pull": pull}))["sha"].as_str().unwrap_or_default().to_owned()
    }

    /// Replaces the commits of a pull request; answers the new head.
    pub fn force_push(&self, pull: u64) -> String {
        self.act("push", json!({"pull": pull, "how": "force"}))["sha"].as_str().unwrap_or_default().to_owned()
    }

    /// Closes a pull request.
    pub fn close(&self, pull: u64) -> &Self {
        self.act("close", json!({"pull": pull}));
        self
    }

    /// Merges it; answers the merge commit.
    pub fn merge(&self, pull: u64) -> String {
        self.act("merge", json!({"pull": pull}))["sha"].as_str().unwrap_or_default().to_owned()
    }

    /// `approved`, `changes_requested`, `commented`, `dismissed`.
    pub fn review(&self, who: &str, pull: u64, state: &str) -> &Self {
        self.act("review", json!({"who": who, "pull": pull, "state": state}));
        self
    }

    /// Requires checks of the default branch.
    pub fn require_checks(&self, names: &[&str]) -> &Self {
        let checks: Vec<Value> = names.iter().map(|name| json!({"context": name})).collect();
        self.act("protect", json!({"checks": checks}));
        self
    }

    /// A run of a check: a conclusion, or `queued` or `in_progress`.
    pub fn check(&self, sha: &str, name: &str, how: &str) -> &Self {
        let member = if matches!(how, "queued" | "in_progress") { "status" } else { "conclusion" };
        self.act("check", json!({"sha": sha, "name": name, member: how}));
        self
    }

    /// A commit status.
    pub fn status(&self, sha: &str, context: &str, state: &str) -> &Self {
        self.act("status", json!({"sha": sha, "context": context, "state": state}));
        self
    }

    /// Somebody comments; answers the comment's id.
    pub fn says(&self, who: &str, issue: u64, body: &str) -> u64 {
        self.act("says", json!({"who": who, "issue": issue, "body": body}))["comment"].as_u64().unwrap_or_default()
    }

    /// Somebody changes a comment.
    pub fn edits(&self, who: &str, comment: u64, body: &str) -> &Self {
        self.act("edits", json!({"who": who, "comment": comment, "body": body}));
        self
    }

    /// Somebody deletes a comment.
    pub fn deletes(&self, who: &str, comment: u64) -> &Self {
        self.act("deletes", json!({"who": who, "comment": comment}));
        self
    }

    /// Every comment of an issue or pull request, oldest first.
    #[must_use]
    pub fn conversation(&self, issue: u64) -> Vec<Comment> {
        self.told("conversation", json!({"issue": issue}))
    }

    /// A workflow that can be dispatched; a test ends its runs.
    pub fn workflow(&self, file: &str) -> &Self {
        self.act("workflow", json!({"file": file}));
        self
    }

    /// A workflow whose runs end by themselves after `after`, with an image in
    /// each of these registry repositories, tagged and labelled with the commit
    /// that the input `sha_input` holds.
    pub fn building_workflow(&self, file: &str, sha_input: &str, images: &[&str], after: Duration) -> &Self {
        let after = u64::try_from(after.as_millis()).unwrap_or(0);
        let build = json!({"after_ms": after, "sha_input": sha_input, "images": images});
        self.act("workflow", json!({"file": file, "build": build}));
        self
    }

    /// Every workflow run, oldest first.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        self.told("runs", json!({}))
    }

    /// Ends a run.
    pub fn finish(&self, run: u64, conclusion: &str) -> &Self {
        self.act("finish", json!({"run": run, "conclusion": conclusion}));
        self
    }

    /// Somebody else's deployment, in that state; answers its id.
    pub fn foreign_deployment(&self, who: &str, sha: &str, environment: &str, state: &str) -> u64 {
        let body = json!({"who": who, "ref": sha, "environment": environment, "state": state});
        self.act("deployment", body)["id"].as_u64().unwrap_or_default()
    }

    /// Every deployment, oldest first: `id`, `sha`, `environment`, `creator`,
    /// `payload`, `statuses` (oldest first: `state`, `description`, `log_url`…).
    #[must_use]
    pub fn deployments(&self) -> Vec<Value> {
        self.told("deployments", json!({}))
    }

    /// The latest check runs of a commit, as the API shows them.
    #[must_use]
    pub fn checks(&self, sha: &str) -> Vec<Value> {
        self.told("checks", json!({"sha": sha}))
    }
}
