//! Branches of a repository: where they stand, when they moved, moving one.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::client::{Repository, encoded_path, query};
use super::connection::Connection;
use super::request::{Method, Repeat, Request};
use crate::engine::{Push, SourceBranch, SourceHost};
use crate::problem::Problem;
use crate::types::{CommitSha, Timestamp};

/// Branches of the repositories that a connection may read.
pub struct Branches {
    connection: Connection,
}

impl Branches {
    /// Over a connection that others use, too.
    pub fn over(connection: Connection) -> Self {
        Self { connection }
    }
}

#[derive(Deserialize)]
struct Reference {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: CommitSha,
}

#[derive(Deserialize)]
struct Activity {
    after: String,
    timestamp: Timestamp,
}

/// The repository of an address, if it is one on GitHub.
fn repository(address: &str) -> Result<Repository, Problem> {
    let name = address.trim_end_matches('/').trim_end_matches(".git").strip_prefix("https://github.com/");
    name.and_then(|name| name.parse().ok()).ok_or_else(|| {
        Problem::refused(
            "source-not-on-github",
            format!("{address} is not a repository on GitHub, so where its branches stand cannot be asked"),
            "Move the source repository to GitHub, or deploy the service from an image.",
        )
    })
}

fn path(of: &SourceBranch, below: &str) -> Result<String, Problem> {
    Ok(format!("/repos/{}{below}", repository(&of.repository)?))
}

fn encoded(branch: &str) -> Result<String, Problem> {
    encoded_path(branch).ok_or_else(|| {
        Problem::mistake(
            "branch-name",
            format!("`{branch}` is not a branch's name"),
            "Correct it in the configuration.",
        )
    })
}

#[async_trait]
impl SourceHost for Branches {
    async fn head(&self, branch: &SourceBranch) -> Result<Option<CommitSha>, Problem> {
        let path = path(branch, &format!("/git/ref/heads/{}", encoded(&branch.branch)?))?;
        let request = Request::get(format!("say where {} stands", branch.branch), path).accepting(&[404]);
        let answer = self.connection.send(&request).await?;
        if answer.status() == 404 {
            return Ok(None);
        }
        let found: Reference = answer.read()?;
        Ok(Some(found.object.sha))
    }

    async fn pushes(&self, branch: &SourceBranch) -> Result<Vec<Push>, Problem> {
        let asked = query(&[("ref", &format!("refs/heads/{}", branch.branch)), ("per_page", "100")]);
        let doing = format!("say when {} moved", branch.branch);
        let request = Request::get(doing, path(branch, &format!("/activity?{asked}"))?);
        let found: Vec<Activity> = self.connection.send(&request).await?.read()?;
        // What a branch that was deleted stands at since is no commit.
        let push = |seen: Activity| Some(Push { commit: seen.after.parse().ok()?, at: seen.timestamp });
        Ok(found.into_iter().filter_map(push).collect())
    }

    async fn point(&self, branch: &SourceBranch, commit: CommitSha) -> Result<(), Problem> {
        let doing = format!("point {} at {}", branch.branch, commit.short());
        let name = encoded(&branch.branch)?;
        let request = match self.head(branch).await? {
            Some(head) if head == commit => return Ok(()),
            Some(_) => Request::new(Method::Patch, doing, path(branch, &format!("/git/refs/heads/{name}"))?)
                .body(json!({ "sha": commit, "force": true })),
            // A second one is refused and changes nothing.
            None => Request::new(Method::Post, doing, path(branch, "/git/refs")?)
                .body(json!({ "ref": format!("refs/heads/{}", branch.branch), "sha": commit }))
                .repeat(Repeat::Harmless),
        };
        self.connection.send(&request).await.map(drop).map_err(|problem| {
            let push = format!("git push --force {} {commit}:refs/heads/{}", branch.repository, branch.branch);
            Problem { next: format!("{} Or do it yourself, then run again:\n  {push}", problem.next), ..problem }
                .because("moving a branch needs `permissions: contents: write` in the workflow".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_on_github_has_branches_to_ask_for() {
        for good in
            ["https://github.com/acme/shop", "https://github.com/acme/shop.git", "https://github.com/acme/shop/"]
        {
            assert_eq!(repository(good).unwrap().as_str(), "acme/shop");
        }
        for bad in ["https://bitbucket.org/acme/shop", "https://github.com/acme", "http://github.com/acme/shop", ""] {
            assert_eq!(repository(bad).unwrap_err().code, "source-not-on-github", "{bad}");
        }
    }
}
