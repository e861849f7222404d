//! One repository, and what is asked about its commits and files.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use shipline::engine::SourceHost;
use shipline::github::{Branches, Client, Connection, Request, encoded_path, file_text};
use shipline::problem::Problem;
use shipline::types::CommitSha;

use super::App;
use super::etags::Remembered;
use crate::types::RepositoryRef;

/// One repository, with the token of its installation. Cheap to make and to clone.
#[derive(Clone)]
pub struct Hub {
    pub(super) app: App,
    pub(super) repository: RepositoryRef,
    client: Arc<Client>,
}

/// Where a commit stands.
///
/// GitHub shows the commits of every fork under the repository's own name: that it knows a commit
/// says nothing about who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is on the branch.
    OnBranch,
    /// It is a commit, of another branch or of a fork, and not on the branch.
    Elsewhere,
    /// There is no such commit.
    NotKnown,
}

/// An answer that may be a remembered one; its status is 200 or one that was accepted.
pub(super) struct Told {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) next: Option<String>,
}

impl Hub {
    pub(super) fn new(app: App, repository: RepositoryRef, client: Client) -> Self {
        Self { app, repository, client: Arc::new(client) }
    }

    /// Deployments and their statuses.
    pub fn deployments(&self) -> &Client {
        &self.client
    }

    /// Whether the repository knows a commit. It knows those of forks, too: see [`Standing`].
    pub async fn knows(&self, sha: CommitSha) -> Result<bool, Problem> {
        let request = Request::get("find the commit", self.path(&format!("/commits/{sha}"))).accepting(&[404, 422]);
        Ok(self.connection().send(&request).await?.status() == 200)
    }

    /// Where a commit stands, seen from a branch.
    pub async fn standing(&self, branch: &str, sha: CommitSha) -> Result<Standing, Problem> {
        match self.compared(branch, sha).await?.as_deref() {
            Some("behind" | "identical") => Ok(Standing::OnBranch),
            Some(_) => Ok(Standing::Elsewhere),
            None => Ok(if self.knows(sha).await? { Standing::Elsewhere } else { Standing::NotKnown }),
        }
    }

    /// Whether a commit holds every commit of a branch.
    pub async fn holds_all_of(&self, branch: &str, sha: CommitSha) -> Result<bool, Problem> {
        Ok(matches!(self.compared(branch, sha).await?.as_deref(), Some("ahead" | "identical")))
    }

    /// GitHub's word for how a commit stands to a branch; nothing without such a commit, or when the
    /// two have nothing in common.
    async fn compared(&self, branch: &str, sha: CommitSha) -> Result<Option<String>, Problem> {
        #[derive(Deserialize)]
        struct Compared {
            status: String,
        }
        let branch = self.branch(branch)?;
        // One commit of the list is enough: only the relation counts.
        let path = self.path(&format!("/compare/{branch}...{sha}?per_page=1"));
        let request = Request::get("compare the commit with the branch", path).accepting(&[404, 422]);
        let answer = self.connection().send(&request).await?;
        if answer.status() != 200 {
            return Ok(None);
        }
        answer.read().map(|compared: Compared| Some(compared.status))
    }

    /// Commits between, newest first, for people: SHA, first line, author.
    pub async fn commits_between(
        &self,
        base: CommitSha,
        head: CommitSha,
    ) -> Result<Vec<shipline::report::Commit>, Problem> {
        let compared = self.client.compare(&base, &head).await?;
        let commits = compared.commits.into_iter().rev();
        Ok(commits
            .map(|commit| shipline::report::Commit { sha: commit.sha, title: commit.summary, author: commit.author })
            .collect())
    }

    /// A file at a commit; nothing when there is none.
    pub async fn file(&self, path: &str, commit: CommitSha) -> Result<Option<String>, Problem> {
        // No commit holds a file under such a name.
        let Some(encoded) = encoded_path(path) else { return Ok(None) };
        let asked = self.path(&format!("/contents/{encoded}?ref={commit}"));
        let told = self.ask(Request::get("read a file", &asked).accepting(&[404]), &asked).await?;
        if told.status == 404 { Ok(None) } else { file_text(path, &told.body).map(Some) }
    }

    /// Where branches of the repository stand, for platforms that build from one.
    pub fn source_host(&self) -> Arc<dyn SourceHost> {
        Arc::new(Branches::over(self.connection().clone()))
    }

    pub(super) fn connection(&self) -> &Connection {
        self.client.connection()
    }

    /// A path below the repository's.
    pub(super) fn path(&self, below: &str) -> String {
        self.client.path(below)
    }

    /// The name of a branch for a path.
    pub(super) fn branch(&self, name: &str) -> Result<String, Problem> {
        encoded_path(name).ok_or_else(|| {
            Problem::mistake(
                "github-branch",
                format!("{name:?} cannot be a branch of {}.", self.repository.name),
                "Check the name of the branch.",
            )
        })
    }

    /// Reads what rarely changes: asked with the version that is remembered, if there is one. `path` is
    /// the request's.
    pub(super) async fn ask(&self, request: Request, path: &str) -> Result<Told, Problem> {
        let (etags, who) = (&self.app.shared.etags, self.repository.installation);
        let known = etags.get(who, path);
        let request = match &known {
            Some(known) => request.unless(&known.etag),
            None => request,
        };
        let answer = self.connection().send(&request).await?;
        if let Some(known) = known.filter(|_| answer.status() == 304) {
            return Ok(Told { status: 200, body: known.body.clone(), next: known.next.clone() });
        }
        let (body, next) = (answer.body().to_owned(), answer.next_page().map(str::to_owned));
        if let Some(etag) = answer.header("etag").filter(|_| answer.status() == 200) {
            let remembered = Remembered { etag: etag.to_owned(), body: body.clone(), next: next.clone() };
            etags.put(who, path, remembered);
        }
        Ok(Told { status: answer.status(), body, next })
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("repository", &self.repository.name.as_str()).finish_non_exhaustive()
    }
}
