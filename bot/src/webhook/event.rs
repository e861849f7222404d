//! What a delivery means to us: the anti-corruption layer between GitHub's payloads and everything
//! behind. An [`Event`] is what is stored; the raw payload is not, because GitHub keeps it for three
//! days and small rows are what makes the acknowledgement quick.

use serde::{Deserialize, Serialize};
use shipline::types::{CommitSha, Timestamp};

use crate::types::{Actor, CommentId, IssueNumber, RepositoryId, RepositoryRef, RunId};

/// One thing that happened on GitHub and that somebody here acts on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// Somebody wrote a new comment that may hold a command.
    Comment(NewComment),
    /// A pull request was opened, pushed to, closed or changed.
    Pull(PullChanged),
    /// A workflow run ended.
    Run(RunEnded),
    /// Somebody pressed a button of a check run.
    Button(ButtonPressed),
    /// A job of a workflow wants to use an environment that our rule protects.
    Rule(RuleAsked),
}

/// `issue_comment`, action `created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewComment {
    /// Where.
    pub repository: RepositoryRef,
    /// The issue or pull request.
    pub issue: IssueNumber,
    /// Whether it is a pull request.
    pub is_pull: bool,
    /// The comment.
    pub comment: CommentId,
    /// Who wrote it.
    pub author: Actor,
    /// Its text.
    pub body: String,
    /// When, by GitHub's clock.
    pub created: Timestamp,
}

/// `pull_request`: `opened`, `reopened`, `synchronize`, `closed`, `ready_for_review`,
/// `converted_to_draft`, `edited`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullChanged {
    /// Where.
    pub repository: RepositoryRef,
    /// Which.
    pub number: IssueNumber,
    /// GitHub's word for what happened.
    pub action: String,
    /// The newest commit of its branch.
    pub head: CommitSha,
    /// The repository of that branch; absent when it was deleted.
    pub head_repository: Option<RepositoryId>,
    /// When, by GitHub's clock (`pull_request.updated_at`).
    pub at: Timestamp,
}

/// `workflow_run`, action `completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Where.
    pub repository: RepositoryRef,
    /// Which.
    pub run: RunId,
    /// GitHub's word for how: `success`, `failure`, `cancelled`…
    pub conclusion: String,
}

/// `check_run`, action `requested_action`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ButtonPressed {
    /// Where.
    pub repository: RepositoryRef,
    /// The check run.
    pub check: u64,
    /// Which button, in our own words.
    pub identifier: String,
    /// Who.
    pub actor: Actor,
}

/// `deployment_protection_rule`, action `requested`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleAsked {
    /// Where.
    pub repository: RepositoryRef,
    /// GitHub's environment.
    pub environment: String,
    /// The run that waits, out of the address that wants the answer.
    pub run: RunId,
    /// The GitHub Deployment that GitHub made for the job; absent for a job that makes none.
    #[serde(default)]
    pub deployment: Option<u64>,
    /// The commit.
    pub sha: CommitSha,
    /// Whose doing it is.
    pub actor: Actor,
    /// Pull requests of the commit.
    pub pulls: Vec<IssueNumber>,
    /// The address that wants the answer; it is never followed, only compared.
    pub callback: String,
}

impl Event {
    /// The repository it is about.
    pub fn repository(&self) -> &RepositoryRef {
        match self {
            Self::Comment(comment) => &comment.repository,
            Self::Pull(pull) => &pull.repository,
            Self::Run(run) => &run.repository,
            Self::Button(button) => &button.repository,
            Self::Rule(rule) => &rule.repository,
        }
    }

    /// The same thing told twice has the same key, whatever the delivery's id: what the signature
    /// does not cover (`X-GitHub-Delivery`) never makes something happen twice.
    pub fn semantic_key(&self) -> String {
        match self {
            Self::Comment(comment) => format!("comment/{}", comment.comment),
            Self::Pull(pull) => {
                let PullChanged { repository, number, action, head, at, .. } = pull;
                format!("pull/{}/{number}/{action}/{head}/{}", repository.id, at.as_second())
            }
            Self::Run(run) => format!("run/{}/{}", run.run, run.conclusion),
            Self::Button(button) => format!("button/{}/{}/{}", button.check, button.identifier, button.actor.id),
            // A run that is started again asks again.
            Self::Rule(rule) => match rule.deployment {
                Some(deployment) => format!("rule/{}/{}/{deployment}", rule.run, rule.environment),
                None => format!("rule/{}/{}", rule.run, rule.environment),
            },
        }
    }

    /// Deliveries of one lane are worked on one after another, in the order they came.
    pub fn lane(&self) -> String {
        match self {
            Self::Comment(comment) => format!("{}#{}", comment.repository.id, comment.issue),
            Self::Pull(pull) => format!("{}#{}", pull.repository.id, pull.number),
            Self::Run(run) => format!("run/{}", run.run),
            Self::Button(button) => format!("check/{}", button.check),
            Self::Rule(rule) => format!("run/{}", rule.run),
        }
    }
}

/// A delivery whose signature was good, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// `X-GitHub-Delivery`, at most 64 characters.
    pub id: String,
    /// What it means.
    pub event: Event,
}
