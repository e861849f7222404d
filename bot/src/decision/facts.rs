//! What is known when a command is decided: gathered from GitHub and the store, judged by pure code.

use shipline::config::spec::Role;
use shipline::types::{CommitSha, EnvironmentName, Timestamp};

use crate::store::{Deployment, Head, Lock};
use crate::types::{IssueNumber, RepositoryId, UserId};

/// The repository as GitHub shows it in one question: policy, pull request, recent deployments.
#[derive(Debug, Clone, PartialEq)]
pub struct Situation {
    /// The default branch.
    pub default_branch: String,
    /// The commit the policy was read at.
    pub policy_commit: CommitSha,
    /// The text of `.github/shipline.yml` there; absent when there is none.
    pub policy: Option<String>,
    /// The pull request, if the command stands in one.
    pub pull: Option<Pull>,
    /// The newest GitHub Deployments of the environment asked for, newest first.
    pub deployments: Vec<SeenDeployment>,
    /// Whether everybody can read the repository.
    pub public: bool,
}

/// A pull request as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull {
    /// Its number.
    pub number: IssueNumber,
    /// Whether it is open.
    pub state: PullState,
    /// Whether it is a draft.
    pub draft: bool,
    /// The newest commit of its branch.
    pub head: CommitSha,
    /// The branch it wants to go into.
    pub base: String,
    /// The repository its branch is in; absent when that was deleted.
    pub head_repository: Option<RepositoryId>,
    /// Whether its branch is in another repository.
    pub fork: bool,
    /// Who wrote it.
    pub author: Option<String>,
    /// Its title.
    pub title: String,
    /// Whether it merges; `None` while GitHub works it out.
    pub mergeable: Option<bool>,
    /// Whether the branch lacks commits of its base.
    pub behind: bool,
    /// What branch protection says of its reviews; absent when none are required.
    pub reviews: Option<ReviewState>,
    /// The newest review of every reviewer who can write.
    pub approvals: Vec<Approval>,
}

/// An approving review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub login: String,
    /// Whether that person can write here.
    pub writer: bool,
    /// The commit that was looked at.
    pub commit: Option<CommitSha>,
}

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// It is.
    Open,
    /// It was closed without being merged.
    Closed,
    /// It was merged.
    Merged,
}

/// What branch protection says of reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewState {
    /// All that are required are there.
    Approved,
    /// Some are missing.
    Missing,
    /// Somebody asked for changes.
    ChangesRequested,
}

/// A GitHub Deployment, ours or somebody else's.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenDeployment {
    /// GitHub's id.
    pub id: u64,
    /// What was put there.
    pub sha: CommitSha,
    /// Where.
    pub environment: String,
    /// What Shipline noted with it; absent for somebody else's.
    pub shipline: Option<serde_json::Value>,
    /// Who made it.
    pub creator: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The state of its latest status, in GitHub's words in lower case (`in_progress`); absent if none.
    pub state: Option<String>,
    /// Since when it is in that state.
    pub since: Option<Timestamp>,
}

/// What GitHub says a person may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Whose rights these are: must be the person who asked.
    pub user: UserId,
    /// The login today.
    pub login: String,
    /// The role in the repository; absent for none.
    pub role: Option<Role>,
    /// Of the teams the policy names, those the person is an active member of: `acme/release-managers`.
    pub teams: Vec<String>,
}

/// One check as it stands: the latest run of an app and name, or the latest status of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name or context.
    pub name: String,
    /// The app that reported it; absent for a commit status.
    pub app: Option<u64>,
    /// The check suite it is one of, where it is a job that waits for an environment's protection rule.
    pub held: Option<u64>,
    /// How it stands.
    pub state: CheckState,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// Success, neutral or skipped.
    Passed,
    /// It has not ended.
    Pending,
    /// Anything else.
    Failed,
}

/// A check that must have passed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequiredCheck {
    /// Its name or context.
    pub name: String,
    /// The app it must come from, if branch protection or a ruleset says so.
    pub app: Option<u64>,
}

/// Whether a commit that somebody named is on the default branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ancestry {
    /// Nobody had to know.
    NotAsked,
    /// It is.
    OnDefaultBranch,
    /// It is a commit, of a pull request or a fork perhaps, and not there.
    Elsewhere,
    /// The repository has no such commit.
    NotKnown,
    /// GitHub did not tell; why.
    NotTold(String),
}

/// Everything about the commit that the policy asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitFacts {
    /// Whether it is on the default branch, where that matters.
    pub ancestry: Ancestry,
    /// The checks, when the policy asks for them; an error when GitHub did not tell.
    pub checks: Option<Result<Vec<Check>, String>>,
    /// The required checks, when the policy asks for them.
    pub required: Option<Result<Vec<RequiredCheck>, String>>,
    /// Since when this very release is good on the environments of `requires`; absent where it is not.
    pub good_since: Vec<(EnvironmentName, Option<Timestamp>)>,
}

/// Which commit a command without `--sha` is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// This head was learnt before the comment was received.
    Head(Head),
    /// None was.
    Nothing,
}

/// Everything a decision is made from beside what GitHub's one answer and the policy say.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The head learnt before the comment.
    pub learned: Learned,
    /// What is known of the commit.
    pub commit: CommitFacts,
    /// The lock of the environment.
    pub lock: Option<Lock>,
    /// Our open deployments of the environment, oldest first.
    pub open: Vec<Deployment>,
    /// GitHub Deployments that the bot made.
    pub own: Vec<u64>,
}
