//! A stateful model of GitHub: what a GitHub App meets over REST, GraphQL and webhooks.
//!
//! Two kinds of repositories live side by side. A *plain* one comes from commit seeds: any token is
//! good for it, and it has deployments, commits and comparisons only. A *hosted* one is made with
//! [`GitHubWorld::repository`](crate::GitHubWorld::repository): people with rights, pull requests,
//! checks, comments, workflows; only an installation's token opens it, every endpoint asks for its
//! permission, and what happens there is told to the App's webhook.
//!
//! Reading order: `world.rs` is what tests hold, `acts.rs` what people do, `route.rs` which address
//! is which operation, `apps.rs` who may ask, `hooks.rs` what is sent out and remembered.
//!
//! State moves when a request or an act arrives; only webhooks and workflow runs that end by
//! themselves wait for the server's courier (`courier.rs`).

mod access;
mod actions;
mod acts;
mod apps;
mod branches;
mod checks;
mod code;
mod conversation;
mod courier;
mod deployments;
mod document;
mod entry;
mod graphql;
mod hooks;
mod key;
mod limits;
mod manifest;
mod oidc;
mod page;
mod payload;
mod people;
mod protection;
mod pulls;
mod query_language;
mod references;
mod repository;
mod route;
mod state_of_pull;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::ids::Ids;
use crate::reply::{Millis, put};
use crate::seed::CommitSeed;
use crate::server::Reply;
use apps::Apps;
use document::Links;
use hooks::Hooks;
use limits::Limits;
use people::People;

pub(crate) use acts::act;
pub(crate) use courier::carry;
pub use hooks::Delivered;
pub use oidc::token;
pub use page::keep_pages;
pub(crate) use page::page;
pub use people::Role;
pub(crate) use repository::Repo;
pub use world::{App, AppSeed, Comment, GitHubWorld, Pull, RepositoryWorld, Run};

/// Where a job asks for its OIDC token.
pub(crate) const OIDC_PATH: &str = "/actions/idtoken";

/// Everything GitHub knows.
#[derive(Debug, Default)]
pub(crate) struct GitHub {
    /// The server's own address.
    pub(crate) base: String,
    /// By `owner/name`.
    pub(crate) repositories: BTreeMap<String, Repo>,
    /// Names that repositories had before, with the number of the repository: they lead there until
    /// somebody takes the name.
    pub(crate) former: BTreeMap<String, u64>,
    /// Claims of Actions OIDC tokens, over the defaults.
    pub(crate) oidc_claims: Map<String, Value>,
    /// Users, organisations, teams.
    pub(crate) people: People,
    /// Apps, installations, tokens.
    pub(crate) apps: Apps,
    /// What is to be sent, and what was.
    pub(crate) hooks: Hooks,
    /// Primary rate limits.
    pub(crate) limits: Limits,
    /// The model's clock is the real one plus this.
    pub(crate) offset_ms: i64,
    /// How long a new head stays invisible to the API.
    pub(crate) head_lag_ms: u64,
    /// What happens by itself, and when (real time).
    pub(crate) due: Vec<(Millis, actions::Due)>,
    /// Numbers of everything made here.
    pub(crate) ids: Ids,
}

/// `{"message": …}` with a status, which the document repeats except in
/// validation errors.
pub(crate) fn refused(status: u16, message: &str) -> Reply {
    let mut document = json!({"message": message, "documentation_url": "https://docs.github.com/rest"});
    put(&mut document, "status", (status != 422).then(|| status.to_string()));
    Reply::json(status, &document)
}

/// 404, as GitHub says for what is not there and for what nobody may know of.
pub(crate) fn missing() -> Reply {
    refused(404, "Not Found")
}

impl GitHub {
    /// Nothing yet, at that address; `wake` rouses the courier.
    pub(crate) fn new(base: String, wake: Arc<Notify>) -> Self {
        Self { base, hooks: Hooks::waking(wake), ..Self::default() }
    }

    /// The model's clock.
    pub(crate) fn clock(&self, real: Millis) -> Millis {
        real.saturating_add_signed(self.offset_ms)
    }

    /// Adds a commit on top of its repository's history; the first makes the
    /// repository (a plain one), every one moves `main`.
    pub(crate) fn commit(&mut self, commit: CommitSeed, now: Millis) {
        let now = self.clock(now);
        let repository = self.repositories.entry(commit.repository.clone()).or_default();
        let parents = repository.commits.last().map(|last| last.sha.clone()).into_iter().collect();
        let files = repository.commits.last().map(|last| last.files.clone()).unwrap_or_default();
        let CommitSeed { sha, message, author, reference, .. } = commit;
        for name in ["main".to_owned()].into_iter().chain(reference) {
            repository.point(&name, &sha, now, &author);
        }
        repository.commits.push(code::Commit { sha, message, author, parents, files, at: now, visible: 0 });
    }

    /// Addresses and documents of one repository.
    pub(crate) fn links<'a>(&'a self, repository: &'a str) -> Links<'a> {
        Links { base: &self.base, repository, people: &self.people }
    }

    /// A hosted repository by name.
    pub(crate) fn hosted(&mut self, full: &str) -> Result<&mut Repo, String> {
        let found = self.repositories.get_mut(full).filter(|repository| repository.is_hosted());
        found.ok_or_else(|| format!("no repository {full}; make it with `repository` first"))
    }
}

#[cfg(test)]
mod tests;
