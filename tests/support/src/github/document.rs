//! Documents that several GitHub answers share: users, commits, addresses.

use serde_json::{Value, json};

use super::Repo;
use crate::ids::digest;
use crate::reply::rfc3339;

/// Makes addresses of one repository.
pub(crate) struct Links<'a> {
    /// The server's own address.
    pub(crate) base: &'a str,
    /// `owner/name`.
    pub(crate) repository: &'a str,
}

impl Links<'_> {
    /// `…/repos/owner/name/<rest>`.
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("{}/repos/{}/{rest}", self.base, self.repository).trim_end_matches('/').to_owned()
    }

    /// A simple user.
    pub(crate) fn user(&self, login: &str) -> Value {
        let url = format!("{}/users/{login}", self.base);
        json!({
            "login": login, "id": 583_231, "node_id": "MDQ6VXNlcjU4MzIzMQ==",
            "avatar_url": format!("{url}.png"), "gravatar_id": "", "url": url, "html_url": url,
            "followers_url": format!("{url}/followers"),
            "following_url": format!("{url}/following{{/other_user}}"),
            "gists_url": format!("{url}/gists{{/gist_id}}"),
            "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{url}/subscriptions"),
            "organizations_url": format!("{url}/orgs"), "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events{{/privacy}}"),
            "received_events_url": format!("{url}/received_events"),
            "type": "User", "site_admin": false,
        })
    }

    /// A commit by its place in the history.
    pub(crate) fn commit(&self, repository: &Repo, place: usize) -> Value {
        let (commit, at) = &repository.commits[place];
        let sha = &commit.sha;
        let tree = digest(sha.as_bytes())[7..47].to_owned();
        let person =
            json!({"name": commit.author, "email": format!("{}@example.com", commit.author), "date": rfc3339(*at)});
        let parent = place.checked_sub(1).map(|parent| &repository.commits[parent].0.sha);
        let parents: Vec<Value> = parent
            .into_iter()
            .map(|sha| json!({"sha": sha, "url": self.url(&format!("commits/{sha}")), "html_url": self.url(&format!("commit/{sha}"))}))
            .collect();
        json!({
            "url": self.url(&format!("commits/{sha}")), "sha": sha, "node_id": format!("C_{sha}"),
            "html_url": self.url(&format!("commit/{sha}")),
            "comments_url": self.url(&format!("commits/{sha}/comments")),
            "commit": {
                "url": self.url(&format!("git/commits/{sha}")), "author": person, "committer": person,
                "message": commit.message, "comment_count": 0,
                "tree": {"sha": tree, "url": self.url(&format!("git/trees/{tree}"))},
                "verification": {"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null},
            },
            "author": self.user(&commit.author), "committer": self.user(&commit.author),
            "parents": parents,
        })
    }
}
