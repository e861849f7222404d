//! One repository with everything in it, and its documents.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::GitHub;
use super::actions::Actions;
use super::branches::{Protection, Ruleset};
use super::checks::{CheckRun, Status};
use super::code::Commit;
use super::conversation::{Comment, Issue};
use super::deployments::Deployment;
use super::people::{Kind, Role};
use super::pulls::Pull;
use super::references::Push;
use crate::reply::{Millis, rfc3339};

/// Who may ask about a repository, and in what detail it is modelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Hosting {
    /// Any token is good.
    #[default]
    Plain,
    /// Everybody can read it; installations do more.
    Public,
    /// Only for installations.
    Private,
}

/// A repository.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) hosting: Hosting,
    pub(crate) default_branch: String,
    pub(crate) created: Millis,
    /// Another repository this one was forked from.
    pub(crate) fork_of: Option<String>,
    /// Rights by user id.
    pub(crate) roles: BTreeMap<u64, Role>,
    /// In the order they were made.
    pub(crate) commits: Vec<Commit>,
    /// Branches and tags.
    pub(crate) references: BTreeMap<String, String>,
    /// Every time that a reference moved, oldest first.
    pub(crate) pushes: Vec<Push>,
    /// Oldest first.
    pub(crate) deployments: Vec<Deployment>,
    /// Issues that are no pull requests, by number.
    pub(crate) issues: BTreeMap<u64, Issue>,
    /// Pull requests by number.
    pub(crate) pulls: BTreeMap<u64, Pull>,
    /// The last number of an issue or pull request.
    pub(crate) last_number: u64,
    /// Oldest first.
    pub(crate) comments: Vec<Comment>,
    /// Oldest first.
    pub(crate) checks: Vec<CheckRun>,
    /// Oldest first.
    pub(crate) statuses: Vec<Status>,
    /// By branch.
    pub(crate) protection: BTreeMap<String, Protection>,
    /// Rulesets, in the order they were made.
    pub(crate) rulesets: Vec<Ruleset>,
    pub(crate) actions: Actions,
    /// Jobs that wait for a protection rule.
    pub(crate) waits: Vec<super::protection::Waits>,
}

impl Repo {
    pub(crate) fn is_hosted(&self) -> bool {
        self.hosting != Hosting::Plain
    }

    pub(crate) fn is_private(&self) -> bool {
        self.hosting == Hosting::Private
    }

    /// The right of a user; on public repositories everybody reads.
    pub(crate) fn role(&self, user: u64) -> Option<Role> {
        let everybody = (self.hosting != Hosting::Private).then_some(Role::Read);
        self.roles.get(&user).copied().or(everybody)
    }
}

/// Members whose addresses are the repository's with one more segment.
const ADDRESSES: [(&str, &str); 37] = [
    ("forks_url", "/forks"),
    ("keys_url", "/keys{/key_id}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("teams_url", "/teams"),
    ("hooks_url", "/hooks"),
    ("issue_events_url", "/issues/events{/number}"),
    ("events_url", "/events"),
    ("assignees_url", "/assignees{/user}"),
    ("branches_url", "/branches{/branch}"),
    ("tags_url", "/tags"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("trees_url", "/git/trees{/sha}"),
    ("statuses_url", "/statuses/{sha}"),
    ("languages_url", "/languages"),
    ("stargazers_url", "/stargazers"),
    ("contributors_url", "/contributors"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("commits_url", "/commits{/sha}"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("comments_url", "/comments{/number}"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("contents_url", "/contents/{+path}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("merges_url", "/merges"),
    ("archive_url", "/{archive_format}{/ref}"),
    ("downloads_url", "/downloads"),
    ("issues_url", "/issues{/number}"),
    ("pulls_url", "/pulls{/number}"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("labels_url", "/labels{/name}"),
    ("releases_url", "/releases{/id}"),
    ("deployments_url", "/deployments"),
    ("url", ""),
];

impl GitHub {
    /// A minimal repository.
    pub(super) fn repository_lite(&self, full: &str) -> Value {
        let repository = &self.repositories[full];
        let (owner, name) = full.split_once('/').unwrap_or(("", full));
        let mut document = json!({
            "id": repository.id, "node_id": format!("R_{}", repository.id), "name": name, "full_name": full,
            "private": repository.is_private(), "owner": self.links(full).user(owner),
            "html_url": format!("{}/{full}", self.base), "description": null, "fork": repository.fork_of.is_some(),
        });
        for (member, rest) in ADDRESSES {
            document[member] = json!(format!("{}/repos/{full}{rest}", self.base));
        }
        document
    }

    /// A repository as pull requests and webhooks carry it.
    pub(super) fn repository(&self, full: &str) -> Value {
        let repository = &self.repositories[full];
        let open = repository.pulls.values().filter(|pull| pull.is_open()).count();
        let visibility = if repository.is_private() { "private" } else { "public" };
        let pushed = repository.commits.iter().map(|commit| commit.at).max().unwrap_or(repository.created);
        let mut document = self.repository_lite(full);
        let more = json!({
            "created_at": rfc3339(repository.created), "updated_at": rfc3339(pushed), "pushed_at": rfc3339(pushed),
            "git_url": format!("git://github.com/{full}.git"), "ssh_url": format!("git@github.com:{full}.git"),
            "clone_url": format!("{}/{full}.git", self.base), "svn_url": format!("{}/{full}", self.base),
            "homepage": null, "size": 108, "stargazers_count": 0, "watchers_count": 0, "language": null,
            "has_issues": true, "has_projects": true, "has_downloads": true, "has_wiki": true, "has_pages": false,
            "has_discussions": false, "forks_count": 0, "mirror_url": null, "archived": false, "disabled": false,
            "open_issues_count": open, "license": null, "allow_forking": true, "is_template": false,
            "web_commit_signoff_required": false, "topics": [], "visibility": visibility, "forks": 0,
            "open_issues": open, "watchers": 0, "default_branch": repository.default_branch,
        });
        document
            .as_object_mut()
            .into_iter()
            .for_each(|known| known.extend(more.as_object().cloned().unwrap_or_default()));
        document
    }

    /// `GET /repos/{}`.
    pub(super) fn repository_full(&self, full: &str) -> Value {
        let mut document = self.repository(full);
        document["network_count"] = json!(0);
        document["subscribers_count"] = json!(0);
        document["temp_clone_token"] = json!("");
        document["permissions"] =
            json!({"admin": false, "maintain": false, "push": false, "triage": false, "pull": true});
        if let Some(owner) = self.owner_organisation(full) {
            document["organization"] = self.links(full).user(&owner);
        }
        document
    }

    /// The login of the owner, when that is an organisation.
    pub(super) fn owner_organisation(&self, full: &str) -> Option<String> {
        let owner = full.split_once('/')?.0;
        self.people.named(owner).filter(|user| user.kind == Kind::Organization).map(|user| user.login.clone())
    }
}
