//! Pull requests and reviews.

use serde_json::{Value, json};

use super::entry::{Ask, listed};
use super::{GitHub, missing};
use crate::reply::{Millis, rfc3339};
use crate::server::Reply;

/// Open, closed, or merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Closed { at: Millis },
    Merged { at: Millis, by: u64, sha: String },
}

/// Whether it asks to be looked at already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Draft,
    Ready,
}

/// Whether it can be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mergeable {
    Yes,
    Conflicting,
    /// GitHub has not found out yet.
    Unknown,
}

/// A pull request.
#[derive(Debug)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) author: u64,
    pub(crate) state: State,
    pub(crate) stage: Stage,
    pub(crate) base: String,
    pub(crate) branch: String,
    /// Where the branch is; absent when that repository was deleted.
    pub(crate) head_repository: Option<String>,
    /// Every head, oldest first, and since when the API shows it.
    pub(crate) heads: Vec<(String, Millis)>,
    pub(crate) mergeable: Mergeable,
    /// GitHub's word for it, instead of what the rules would say.
    pub(crate) merge_state: Option<String>,
    pub(crate) reviews: Vec<Review>,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
}

/// A review.
#[derive(Debug)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) author: u64,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`.
    pub(crate) state: String,
    pub(crate) commit: String,
    pub(crate) at: Millis,
}

impl Pull {
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(crate) fn is_draft(&self) -> bool {
        self.stage == Stage::Draft
    }

    pub(crate) fn closed(&self) -> Option<Millis> {
        match self.state {
            State::Open => None,
            State::Closed { at } | State::Merged { at, .. } => Some(at),
        }
    }

    pub(crate) fn merged_at(&self) -> Option<Millis> {
        match self.state {
            State::Merged { at, .. } => Some(at),
            State::Open | State::Closed { .. } => None,
        }
    }

    /// The newest head.
    pub(crate) fn head(&self) -> &str {
        self.heads.last().map_or("", |(sha, _)| sha.as_str())
    }

    /// The newest head that the API shows already.
    pub(crate) fn seen_head(&self, now: Millis) -> &str {
        let seen = self.heads.iter().rev().find(|(_, visible)| *visible <= now);
        seen.or(self.heads.first()).map_or("", |(sha, _)| sha.as_str())
    }
}

/// Who looks at a pull request: webhooks know the newest head at once, the API
/// may lag behind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    Webhook,
    Api,
}

impl GitHub {
    /// A branch of a repository as pull requests name it.
    fn end(&self, repository: Option<&str>, branch: &str, sha: &str, view: View) -> Value {
        let owner = repository.and_then(|full| full.split_once('/')).map_or("unknown", |(owner, _)| owner);
        let document = repository.filter(|full| self.repositories.contains_key(*full));
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha,
            "user": self.people.document(&self.base, owner),
            "repo": document.map(|full| match view {
                View::Webhook => self.repository_of_webhook(full),
                View::Api => self.repository(full),
            }),
        })
    }

    /// A pull request as lists carry it; nothing when there is none.
    pub(super) fn pull_document(&self, full: &str, number: u64, view: View, now: Millis) -> Option<Value> {
        let repository = self.repositories.get(full)?;
        let pull = repository.pulls.get(&number)?;
        let links = self.links(full);
        let url = links.url(&format!("pulls/{number}"));
        let html = links.html(&format!("pull/{number}"));
        let head = match view {
            View::Webhook => pull.head(),
            View::Api => pull.seen_head(now),
        };
        let base = repository.references.get(&pull.base).map_or("", String::as_str);
        let issue = links.url(&format!("issues/{number}"));
        let merged = match &pull.state {
            State::Merged { by, sha, .. } => Some((links.user_by_id(*by), sha.clone())),
            State::Open | State::Closed { .. } => None,
        };
        let mergeable = match pull.mergeable {
            _ if !pull.is_open() => None,
            Mergeable::Yes => Some(true),
            Mergeable::Conflicting => Some(false),
            Mergeable::Unknown => None,
        };
        let comments = repository.comments.iter().filter(|comment| comment.issue == number).count();
        let commits = repository.ancestors(head).difference(&repository.ancestors(base)).count();
        let statuses = links.url(&format!("statuses/{head}"));
        let review_comment = links.url("pulls/comments{/number}");
        Some(json!({
            "url": url, "id": pull.id, "node_id": format!("PR_{}", pull.id), "html_url": html,
            "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"), "issue_url": issue,
            "number": number, "state": if pull.is_open() { "open" } else { "closed" }, "locked": false,
            "title": pull.title, "user": links.user_by_id(pull.author), "body": pull.body,
            "created_at": rfc3339(pull.created), "updated_at": rfc3339(pull.updated),
            "closed_at": pull.closed().map(rfc3339), "merged_at": pull.merged_at().map(rfc3339),
            "merge_commit_sha": merged.as_ref().map(|(_, sha)| sha.clone()), "assignee": null, "assignees": [],
            "requested_reviewers": [], "requested_teams": [], "labels": [], "milestone": null,
            "draft": pull.is_draft(), "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"), "review_comment_url": review_comment,
            "comments_url": format!("{issue}/comments"), "statuses_url": statuses,
            "head": self.end(pull.head_repository.as_deref(), &pull.branch, head, view),
            "base": self.end(Some(full), &pull.base, base, view),
            "_links": {
                "self": {"href": url}, "html": {"href": html}, "issue": {"href": issue},
                "comments": {"href": format!("{issue}/comments")},
                "review_comments": {"href": format!("{url}/comments")},
                "review_comment": {"href": review_comment}, "commits": {"href": format!("{url}/commits")},
                "statuses": {"href": statuses},
            },
            "author_association": self.association(full, pull.author), "auto_merge": null,
            "active_lock_reason": null, "merged": merged.is_some(), "mergeable": mergeable, "rebaseable": null,
            "mergeable_state": self.merge_state(full, pull, now).to_lowercase(),
            "merged_by": merged.map(|(by, _)| by), "comments": comments, "review_comments": 0,
            "maintainer_can_modify": false, "commits": commits, "additions": 1, "deletions": 1, "changed_files": 1,
        }))
    }

    pub(super) fn get_pull(&self, full: &str, number: u64, now: Millis) -> Reply {
        match self.pull_document(full, number, View::Api, now) {
            Some(document) => Reply::json(200, &document),
            None => missing(),
        }
    }

    /// Members that only a single pull request has.
    pub(super) fn simple(mut document: Value) -> Value {
        for member in [
            "merged",
            "mergeable",
            "rebaseable",
            "mergeable_state",
            "merged_by",
            "comments",
            "review_comments",
            "maintainer_can_modify",
            "commits",
            "additions",
            "deletions",
            "changed_files",
        ] {
            if let Some(document) = document.as_object_mut() {
                document.remove(member);
            }
        }
        document
    }

    /// `GET /repos/{}/pulls`, newest first; `state`, `head`, `base` filter.
    pub(super) fn list_pulls(&self, full: &str, ask: &Ask<'_>) -> Reply {
        let wanted = ask.form.get("state").map_or("open", String::as_str);
        let head = ask.form.get("head").and_then(|head| head.split_once(':'));
        let fits = |pull: &&Pull| {
            let state = if pull.is_open() { "open" } else { "closed" };
            (wanted == "all" || wanted == state)
                && ask.form.get("base").is_none_or(|base| *base == pull.base)
                && head.is_none_or(|(_, branch)| branch == pull.branch)
        };
        let found = self.repositories[full].pulls.values().rev().filter(fits);
        let documents = found.filter_map(|pull| self.pull_document(full, pull.number, View::Api, ask.now));
        let all: Vec<Value> = documents.map(Self::simple).collect();
        listed(&all, ask, &self.base)
    }

    /// `GET /repos/{}/commits/{sha}/pulls`.
    pub(super) fn pulls_of_commit(&self, full: &str, sha: &str, ask: &Ask<'_>) -> Reply {
        let found = self.repositories[full].pulls.values().filter(|pull| pull.seen_head(ask.now) == sha);
        let documents = found.filter_map(|pull| self.pull_document(full, pull.number, View::Api, ask.now));
        let all: Vec<Value> = documents.map(Self::simple).collect();
        listed(&all, ask, &self.base)
    }

    /// `GET /repos/{}/pulls/{n}/reviews`, oldest first.
    pub(super) fn list_reviews(&self, full: &str, number: u64, ask: &Ask<'_>) -> Reply {
        let Some(pull) = self.repositories[full].pulls.get(&number) else { return missing() };
        let links = self.links(full);
        let url = links.url(&format!("pulls/{number}"));
        let document = |review: &Review| {
            let html = links.html(&format!("pull/{number}#pullrequestreview-{}", review.id));
            json!({
                "id": review.id, "node_id": format!("PRR_{}", review.id), "user": links.user_by_id(review.author),
                "body": "", "state": review.state, "html_url": html, "pull_request_url": url,
                "author_association": self.association(full, review.author),
                "_links": {"html": {"href": html}, "pull_request": {"href": url}},
                "submitted_at": rfc3339(review.at), "commit_id": review.commit,
            })
        };
        let all: Vec<Value> = pull.reviews.iter().map(document).collect();
        listed(&all, ask, &self.base)
    }
}
