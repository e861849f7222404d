//! One repository in sentences.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::people::Role;
use super::GitHubWorld;

/// One repository of it.
#[derive(Debug, Clone)]
pub struct RepositoryWorld {
    github: GitHubWorld,
    name: String,
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

impl RepositoryWorld {
    pub(super) fn of(github: GitHubWorld, name: &str) -> Self {
        Self { github, name: name.to_owned() }
    }

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

    /// Gives it another name of the same owner; the old one leads to it. Answers it under the new name.
    #[must_use]
    pub fn renamed(&self, to: &str) -> Self {
        self.act("rename-repository", json!({"to": to}));
        Self::of(self.github.clone(), to)
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
