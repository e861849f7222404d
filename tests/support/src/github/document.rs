//! Addresses of one repository, and documents that several answers share.

use serde_json::{Value, json};

use super::code::Commit;
use super::people::People;
use crate::ids::digest;
use crate::reply::rfc3339;

/// Makes addresses of one repository.
#[derive(Clone, Copy)]
pub(crate) struct Links<'a> {
    /// The server's own address.
    pub(crate) base: &'a str,
    /// `owner/name`.
    pub(crate) repository: &'a str,
    /// Everybody.
    pub(crate) people: &'a People,
}

impl Links<'_> {
    /// `…/repos/owner/name/<rest>`.
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("{}/repos/{}/{rest}", self.base, self.repository).trim_end_matches('/').to_owned()
    }

    /// The page for people: `…/owner/name/<rest>`.
    pub(crate) fn html(&self, rest: &str) -> String {
        format!("{}/{}/{rest}", self.base, self.repository)
    }

    /// A simple user.
    pub(crate) fn user(&self, login: &str) -> Value {
        self.people.document(self.base, login)
    }

    /// A simple user by id.
    pub(crate) fn user_by_id(&self, id: u64) -> Value {
        self.user(self.people.login(id))
    }

    /// A commit.
    pub(crate) fn commit(&self, commit: &Commit) -> Value {
        let sha = &commit.sha;
        let tree = digest(sha.as_bytes())[7..47].to_owned();
        let author = &commit.author;
        let person = json!({"name": author, "email": format!("{author}@example.com"), "date": rfc3339(commit.at)});
        let parents: Vec<Value> = commit
            .parents
            .iter()
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
            "author": self.user(author), "committer": self.user(author),
            "parents": parents,
        })
    }
}
