//! Branches as references: reading one, making one, moving one, and the log of what moved when.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::code::Commit;
use super::document::Links;
use super::entry::{Ask, listed};
use super::repository::Repo;
use super::{GitHub, missing, refused};
use crate::reply::{Millis, rfc3339};
use crate::server::Reply;

/// A reference that came to point somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) id: u64,
    pub(crate) branch: String,
    /// What it pointed at; 40 zeros when it is new.
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) at: Millis,
    pub(crate) actor: String,
}

const NOTHING: &str = "0000000000000000000000000000000000000000";

impl Repo {
    /// Points a reference at a commit, and remembers when.
    pub(crate) fn point(&mut self, branch: &str, sha: &str, at: Millis, actor: &str) {
        let before = self.references.insert(branch.to_owned(), sha.to_owned());
        let before = before.unwrap_or_else(|| NOTHING.to_owned());
        let id = self.pushes.len() as u64 + 1;
        let (branch, after, actor) = (branch.to_owned(), sha.to_owned(), actor.to_owned());
        self.pushes.push(Push { id, branch, before, after, at, actor });
    }

    /// The last time that a reference moved.
    pub(crate) fn moved(&self, branch: &str) -> Millis {
        self.pushes.iter().rev().find(|push| push.branch == branch).map_or(0, |push| push.at)
    }
}

fn reference(branch: &str, sha: &str, links: &Links<'_>) -> Value {
    json!({
        "ref": format!("refs/heads/{branch}"), "node_id": format!("REF_{branch}"),
        "url": links.url(&format!("git/refs/heads/{branch}")),
        "object": {"type": "commit", "sha": sha, "url": links.url(&format!("git/commits/{sha}"))},
    })
}

fn activity(push: &Push, repository: &Repo, links: &Links<'_>) -> Value {
    let kind = if push.before == NOTHING {
        "branch_creation"
    } else if repository.ancestors(&push.after).contains(push.before.as_str()) {
        "push"
    } else {
        "force_push"
    };
    json!({
        "id": push.id, "node_id": format!("PSH_{}", push.id), "before": push.before, "after": push.after,
        "ref": format!("refs/heads/{}", push.branch), "timestamp": rfc3339(push.at), "activity_type": kind,
        "actor": links.user(&push.actor),
    })
}

impl GitHub {
    /// Where every branch stands, and since when.
    pub(crate) fn heads(&self) -> BTreeMap<(String, String), (String, Millis)> {
        let all = self.repositories.iter().flat_map(|(full, repository)| {
            let named = repository.references.iter();
            named.map(move |(branch, sha)| ((full.clone(), branch.clone()), (sha.clone(), repository.moved(branch))))
        });
        all.collect()
    }

    /// A branch comes to stand at a commit, which is made if it is new.
    pub(crate) fn push(&mut self, full: &str, branch: &str, sha: &str, now: Millis) {
        let now = self.clock(now);
        let repository = self.repositories.entry(full.to_owned()).or_default();
        let head = repository.references.get(branch).cloned();
        if head.as_deref() == Some(sha) {
            return;
        }
        let (message, author) = (format!("Change {}", &sha[..7]), "octocat".to_owned());
        if repository.commit(sha).is_none() {
            let parents = head.into_iter().collect();
            let files = BTreeMap::new();
            let commit = Commit { sha: sha.to_owned(), message, author, parents, files, at: now, visible: 0 };
            repository.add_commit(branch, commit);
        } else {
            repository.point(branch, sha, now, &author);
        }
    }

    /// `/git/…` and `/activity` of a repository.
    pub(super) fn route_references(&mut self, ask: &Ask<'_>, full: &str, rest: &[&str]) -> Result<Reply, Reply> {
        let Self { base, people, repositories, .. } = self;
        let links = Links { base, repository: full, people };
        let repository = repositories.get_mut(full).ok_or_else(missing)?;
        Ok(match (ask.method, rest) {
            ("GET", ["git", "ref", "heads", name @ ..]) => {
                let name = name.join("/");
                let seen = repository.references.get(&name).filter(|sha| repository.seen(sha, ask.now).is_some());
                seen.map_or_else(missing, |sha| Reply::json(200, &reference(&name, sha, &links)))
            }
            ("POST", ["git", "refs"]) => {
                let name = ask.body["ref"].as_str().and_then(|name| name.strip_prefix("refs/heads/"));
                let name = name.ok_or_else(|| refused(422, "Reference name must start with 'refs/'"))?.to_owned();
                let sha = commit_of(repository, ask.body)?;
                if repository.references.contains_key(&name) {
                    return Err(refused(422, "Reference already exists"));
                }
                repository.point(&name, &sha, ask.now, "shipline[bot]");
                Reply::json(201, &reference(&name, &sha, &links))
            }
            ("PATCH", ["git", "refs", "heads", name @ ..]) => {
                let name = name.join("/");
                let old = repository.references.get(&name).cloned();
                let old = old.ok_or_else(|| refused(422, "Reference does not exist"))?;
                let sha = commit_of(repository, ask.body)?;
                let forward = repository.ancestors(&sha).contains(old.as_str());
                if !forward && ask.body["force"] != json!(true) {
                    return Err(refused(422, "Update is not a fast forward"));
                }
                repository.point(&name, &sha, ask.now, "shipline[bot]");
                Reply::json(200, &reference(&name, &sha, &links))
            }
            ("GET", ["activity"]) => {
                let wanted = ask.form.get("ref").map(|name| name.trim_start_matches("refs/heads/"));
                let fits = |push: &&Push| wanted.is_none_or(|wanted| push.branch == wanted);
                let all = repository.pushes.iter().rev().filter(fits);
                let all: Vec<Value> = all.map(|push| activity(push, repository, &links)).collect();
                listed(&all, ask, links.base)
            }
            _ => missing(),
        })
    }
}

fn commit_of(repository: &Repo, body: &Value) -> Result<String, Reply> {
    let sha = body["sha"].as_str().unwrap_or_default();
    repository.commit(sha).map(|commit| commit.sha.clone()).ok_or_else(|| refused(422, "Object does not exist"))
}
