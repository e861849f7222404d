//! GitHub as an App: who we are, and one repository with the token of its installation.
//!
//! Bounded in time and patience; honours `Retry-After`, primary and secondary limits; asks with
//! ETags where an answer rarely changes. Foreign shapes stop here.

use secrecy::SecretString;
use shipline::problem::Problem;
use shipline::types::{CommitSha, EnvironmentName, Timestamp};

use crate::decision::{Check, RequiredCheck, Rights, Situation};
use crate::types::{CommentId, InstallationId, IssueNumber, RepositoryRef, RunId};

/// The App.
#[derive(Clone)]
pub struct App {}

/// One repository, with the token of its installation. Cheap to make and to clone.
#[derive(Clone)]
pub struct Hub {}

/// What `GET /app` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its slug: comments come from `<slug>[bot]`.
    pub slug: String,
    /// Permissions: name and level (`contents`, `read`).
    pub permissions: Vec<(String, String)>,
    /// Events it is subscribed to.
    pub events: Vec<String>,
}

/// A webhook delivery as GitHub remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDelivery {
    /// GitHub's own number, for asking again.
    pub id: u64,
    /// The id that redeliveries share.
    pub guid: String,
    /// When.
    pub at: Timestamp,
    /// Whether we answered with a status below 300.
    pub arrived: bool,
    /// The event's name and action.
    pub event: String,
}

/// What is left of GitHub's limit for this installation or App.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests left in the hour.
    pub remaining: u64,
    /// When it is full again, seconds since the epoch.
    pub reset: i64,
}

/// A check run on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// `Shipline: staging`.
    pub name: String,
    /// The commit.
    pub sha: CommitSha,
    /// Absent while it runs; else GitHub's word: `success`, `failure`, `cancelled`, `neutral`, `action_required`.
    pub conclusion: Option<String>,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// Where more is.
    pub details_url: Option<String>,
}

/// How a workflow run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It waits or runs.
    Going,
    /// It ended; GitHub's word for how, and its page.
    Ended {
        /// `success`, `failure`, `cancelled`, `timed_out`…
        conclusion: String,
        /// Its page.
        url: String,
    },
}

/// An emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Seen.
    Eyes,
    /// Done.
    Rocket,
    /// No.
    MinusOne,
    /// Not understood, or not for you.
    Confused,
}

#[expect(unused_variables, clippy::unused_async, clippy::unimplemented, reason = "the shape; filled in next")]
impl App {
    /// For `api` (`https://api.github.com`, or `https://<host>/api/v3`), an App id and its private key
    /// in PEM. No request is made.
    pub fn new(api: &str, app: u64, key: &SecretString) -> Result<Self, Problem> {
        unimplemented!()
    }

    /// A repository.
    pub fn hub(&self, repository: &RepositoryRef) -> Hub {
        unimplemented!()
    }

    /// Who we are.
    pub async fn identity(&self) -> Result<Identity, Problem> {
        unimplemented!()
    }

    /// Where the App is installed: installation, account, permissions it has there.
    pub async fn installations(&self) -> Result<Vec<(InstallationId, String, Vec<(String, String)>)>, Problem> {
        unimplemented!()
    }

    /// The App's webhook deliveries since that time, newest first, at most three days back, all pages.
    pub async fn deliveries_since(&self, since: Timestamp) -> Result<Vec<PastDelivery>, Problem> {
        unimplemented!()
    }

    /// Asks GitHub to send a delivery again.
    pub async fn redeliver(&self, id: u64) -> Result<(), Problem> {
        unimplemented!()
    }

    /// What is left of the limits, as the last answers said.
    pub fn budget(&self) -> Option<Budget> {
        unimplemented!()
    }
}

#[expect(unused_variables, clippy::unused_async, clippy::unimplemented, reason = "the shape; filled in next")]
impl Hub {
    /// Policy, pull request and recent deployments in one request (GraphQL).
    pub async fn situation(
        &self,
        pull: Option<IssueNumber>,
        environment: Option<&EnvironmentName>,
    ) -> Result<Situation, Problem> {
        unimplemented!()
    }

    /// What a person may do here, and which of these teams (`org/slug`) the person is in.
    pub async fn rights(&self, login: &str, teams: &[String]) -> Result<Rights, Problem> {
        unimplemented!()
    }

    /// The latest checks and statuses of a commit, all pages, reruns collapsed.
    pub async fn checks(&self, sha: CommitSha) -> Result<Vec<Check>, Problem> {
        unimplemented!()
    }

    /// What branch protection and rulesets require of a branch.
    pub async fn required_checks(&self, branch: &str) -> Result<Vec<RequiredCheck>, Problem> {
        unimplemented!()
    }

    /// Whether the repository knows a commit.
    pub async fn knows(&self, sha: CommitSha) -> Result<bool, Problem> {
        unimplemented!()
    }

    /// Commits between, newest first, for people: SHA, first line, author.
    pub async fn commits_between(
        &self,
        base: CommitSha,
        head: CommitSha,
    ) -> Result<Vec<shipline::report::Commit>, Problem> {
        unimplemented!()
    }

    /// A file at a commit; nothing when there is none.
    pub async fn file(&self, path: &str, commit: CommitSha) -> Result<Option<String>, Problem> {
        unimplemented!()
    }

    /// Reacts to a comment. False when the comment is gone.
    pub async fn react(&self, comment: CommentId, reaction: Reaction) -> Result<bool, Problem> {
        unimplemented!()
    }

    /// Writes a comment.
    pub async fn comment(&self, issue: IssueNumber, body: &str) -> Result<CommentId, Problem> {
        unimplemented!()
    }

    /// Replaces a comment's text. False when the comment is gone.
    pub async fn edit(&self, comment: CommentId, body: &str) -> Result<bool, Problem> {
        unimplemented!()
    }

    /// Our own comment with this marker in it, written since.
    pub async fn find_comment(
        &self,
        issue: IssueNumber,
        marker: &str,
        since: Timestamp,
    ) -> Result<Option<CommentId>, Problem> {
        unimplemented!()
    }

    /// Folds a comment away as outdated.
    pub async fn minimize(&self, comment: CommentId) -> Result<(), Problem> {
        unimplemented!()
    }

    /// Starts a workflow on a branch; GitHub tells the run's id.
    pub async fn dispatch(&self, workflow: &str, branch: &str, inputs: &[(&str, String)]) -> Result<RunId, Problem> {
        unimplemented!()
    }

    /// A run that this workflow was started with, found by a text in its title, if the answer to
    /// [`Hub::dispatch`] was lost.
    pub async fn find_run(&self, workflow: &str, marker: &str, since: Timestamp) -> Result<Option<RunId>, Problem> {
        unimplemented!()
    }

    /// How a run stands.
    pub async fn run(&self, run: RunId) -> Result<RunState, Problem> {
        unimplemented!()
    }

    /// Makes a check run; returns its id.
    pub async fn create_check_run(&self, run: &CheckRun) -> Result<u64, Problem> {
        unimplemented!()
    }

    /// Changes a check run.
    pub async fn update_check_run(&self, id: u64, run: &CheckRun) -> Result<(), Problem> {
        unimplemented!()
    }

    /// Deployments and their statuses.
    pub fn deployments(&self) -> &shipline::github::Client {
        unimplemented!()
    }
}
