//! A part of GitHub's REST API: deployments, their statuses, comparison of
//! commits, and the Actions OIDC token. Not users, not permissions: any token
//! is good, none is not.

mod deployments;
mod document;
mod oidc;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::env::Env;
use crate::query;
use crate::reply::{Millis, put};
use crate::seed::CommitSeed;
use crate::server::{Incoming, Reply};
use deployments::Deployment;
use document::Links;

pub use oidc::token;

/// Where a job asks for its OIDC token.
pub(crate) const OIDC_PATH: &str = "/actions/idtoken";

/// A repository: one line of history and its deployments.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    /// Oldest first.
    pub(crate) commits: Vec<(CommitSeed, Millis)>,
    /// Branches and tags.
    pub(crate) references: BTreeMap<String, String>,
    /// Oldest first.
    pub(crate) deployments: Vec<Deployment>,
}

impl Repo {
    /// The SHA a branch, tag or (abbreviated) SHA means.
    pub(crate) fn resolve(&self, asked: &str) -> Option<String> {
        let name = asked.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
        self.references.get(name).cloned().or_else(|| {
            let fits = |sha: &str| asked.len() >= 7 && sha.starts_with(asked);
            self.commits.iter().map(|(commit, _)| &commit.sha).find(|sha| fits(sha)).cloned()
        })
    }

    fn place(&self, asked: &str) -> Option<usize> {
        let sha = self.resolve(asked)?;
        self.commits.iter().position(|(commit, _)| commit.sha == sha)
    }
}

/// Every repository, and what OIDC tokens claim.
#[derive(Debug, Default)]
pub(crate) struct GitHub {
    pub(crate) repositories: BTreeMap<String, Repo>,
    pub(crate) oidc_claims: Map<String, Value>,
}

/// `{"message": …}` with a status, which the document repeats except in
/// validation errors.
pub(crate) fn refused(status: u16, message: &str) -> Reply {
    let mut document = json!({"message": message, "documentation_url": "https://docs.github.com/rest"});
    put(&mut document, "status", (status != 422).then(|| status.to_string()));
    Reply::json(status, &document)
}

impl GitHub {
    /// Adds a commit on top of its repository's history; the first makes the
    /// repository, every one moves `main`.
    pub(crate) fn commit(&mut self, commit: CommitSeed, now: Millis) {
        let repository = self.repositories.entry(commit.repository.clone()).or_default();
        let names = ["main".to_owned()].into_iter().chain(commit.reference.clone());
        for name in names {
            repository.references.insert(name, commit.sha.clone());
        }
        repository.commits.push((commit, now));
    }

    /// Answers one request.
    pub(crate) fn answer(
        &mut self,
        incoming: &Incoming,
        body: &Value,
        now: Millis,
        env: &mut Env,
        endpoint: &str,
    ) -> Reply {
        let form = query::parse(&incoming.query);
        let authorized = incoming.header("authorization").is_some_and(|value| value.len() > 7);
        if !authorized {
            return refused(401, "Requires authentication");
        }
        if incoming.path == OIDC_PATH {
            return oidc::answer(&self.oidc_claims, form.get("audience").map(String::as_str), now);
        }
        let parts: Vec<&str> = incoming.path.trim_matches('/').split('/').collect();
        let ["repos", owner, name, rest @ ..] = parts.as_slice() else { return refused(404, "Not Found") };
        let full = format!("{owner}/{name}");
        let Some(repository) = self.repositories.get_mut(&full) else { return refused(404, "Not Found") };
        let links = Links { base: endpoint, repository: &full };
        match (incoming.method.as_str(), rest) {
            ("GET", ["deployments"]) => repository.list_deployments(&form, &links),
            ("POST", ["deployments"]) => repository.create_deployment(body, now, env, &links),
            ("GET", ["deployments", id]) => repository.get_deployment(id, &links),
            ("GET", ["deployments", id, "statuses"]) => repository.list_statuses(id, &form, &links),
            ("POST", ["deployments", id, "statuses"]) => repository.create_status(id, body, now, env, &links),
            ("GET", ["compare", range]) => repository.compare(range, &links),
            ("GET", ["commits", asked]) => repository.get_commit(asked, &links),
            _ => refused(404, "Not Found"),
        }
    }
}

impl Repo {
    fn get_commit(&self, asked: &str, links: &Links<'_>) -> Reply {
        match self.place(asked) {
            Some(place) => Reply::json(200, &links.commit(self, place)),
            None => refused(422, &format!("No commit found for SHA: {asked}")),
        }
    }

    /// `base...head` along the one line of history.
    fn compare(&self, range: &str, links: &Links<'_>) -> Reply {
        let Some((base, head)) = range.split_once("...") else { return refused(404, "Not Found") };
        let (Some(base), Some(head)) = (self.place(base), self.place(head)) else { return refused(404, "Not Found") };
        let ahead = head.saturating_sub(base);
        let behind = base.saturating_sub(head);
        let status = match (ahead, behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            _ => "behind",
        };
        let commits: Vec<Value> = (base + 1..=head).map(|place| links.commit(self, place)).collect();
        let url = links.url(&format!("compare/{range}"));
        Reply::json(
            200,
            &json!({
                "url": url, "html_url": url, "permalink_url": url,
                "diff_url": format!("{url}.diff"), "patch_url": format!("{url}.patch"),
                "base_commit": links.commit(self, base),
                "merge_base_commit": links.commit(self, base.min(head)),
                "status": status, "ahead_by": ahead, "behind_by": behind,
                "total_commits": ahead, "commits": commits, "files": [],
            }),
        )
    }
}
