//! The commits between two releases.

use serde::Deserialize;

use super::client::Client;
use crate::problem::Problem;
use crate::types::{CommitSha, Timestamp};

/// What lies between two commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How many commits `head` has that `base` has not.
    pub ahead: u32,
    /// How many commits `base` has that `head` has not: more than 0 means going back.
    pub behind: u32,
    /// The commits ahead, oldest first, at most 250 (GitHub's limit).
    pub commits: Vec<ComparedCommit>,
    /// The page that shows it.
    pub url: String,
}

/// A commit between two releases.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedCommit {
    /// Its id.
    pub sha: CommitSha,
    /// The first line of its message.
    pub summary: String,
    /// The author's login, or name if GitHub knows no login.
    pub author: String,
    /// When it was committed.
    pub at: Timestamp,
}

#[derive(Deserialize)]
struct Answer {
    html_url: String,
    ahead_by: u32,
    behind_by: u32,
    commits: Vec<AnswerCommit>,
}

#[derive(Deserialize)]
struct AnswerCommit {
    sha: CommitSha,
    commit: Inner,
    author: Option<User>,
}

#[derive(Deserialize)]
struct Inner {
    message: String,
    author: Person,
    committer: Person,
}

#[derive(Deserialize)]
struct Person {
    name: String,
    date: Timestamp,
}

/// GitHub sends `{}` for an author without an account.
#[derive(Deserialize)]
struct User {
    login: Option<String>,
}

impl Client {
    /// What `head` has that `base` has not.
    pub async fn compare(&self, base: &CommitSha, head: &CommitSha) -> Result<Comparison, Problem> {
        let path = format!("/compare/{base}...{head}");
        let answer: Answer = self.read("compare the two releases", &path).await?;
        let commits = answer.commits.into_iter().map(|found| ComparedCommit {
            sha: found.sha,
            summary: found.commit.message.lines().next().unwrap_or_default().to_owned(),
            author: found.author.and_then(|user| user.login).unwrap_or(found.commit.author.name),
            at: found.commit.committer.date,
        });
        Ok(Comparison {
            ahead: answer.ahead_by,
            behind: answer.behind_by,
            commits: commits.collect(),
            url: answer.html_url,
        })
    }
}
