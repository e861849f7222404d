//! What a signed payload means. Only the few fields we need are read, most of them without a copy:
//! a delivery is 13 kB and there are many of them.
//!
//! Invariants: no payload makes it panic; whatever cannot hold a command or teach a head is
//! [`Understood::Ignored`], so it costs no row; people are told apart from programs here.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};
use shipline::github::Repository;
use shipline::types::{CommitSha, Timestamp};

use super::event::{ButtonPressed, Event, NewComment, PullChanged, RuleAsked, RunEnded};
use super::signature::Verified;
use crate::types::{Actor, CommentId, InstallationId, RepositoryId, RepositoryRef, RunId, UserId};

/// What a delivery means to us.
#[derive(Debug, Clone, PartialEq)]
pub enum Understood {
    /// Somebody here acts on it.
    Event(Box<Event>),
    /// Nobody does.
    Ignored(Ignored),
}

/// Why a delivery is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Not one of our events.
    Event,
    /// One of our events, but not one of our actions: a comment that was edited, for one.
    Action,
    /// A program wrote it, we ourselves perhaps.
    NotAPerson,
    /// No line of the comment begins with `/`.
    NoCommand,
    /// It did not come through the App, so no token would open its repository.
    NoInstallation,
}

impl Ignored {
    /// The word for it in answers and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "not one of our events",
            Self::Action => "not one of our actions",
            Self::NotAPerson => "not written by a person",
            Self::NoCommand => "no line begins with a slash",
            Self::NoInstallation => "not sent through the App's installation",
        }
    }
}

/// A payload that is not what GitHub documents.
#[derive(Debug, thiserror::Error)]
#[error("this is not {event} as GitHub documents it: {why}")]
pub struct BadPayload {
    event: String,
    why: String,
}

/// Understands a payload by the value of `X-GitHub-Event`.
pub fn read(event: &str, body: Verified<'_>) -> Result<Understood, BadPayload> {
    let body = body.bytes();
    let understood = match event {
        "issue_comment" => serde_json::from_slice(body).and_then(comment),
        "pull_request" => serde_json::from_slice(body).and_then(pull),
        "workflow_run" => serde_json::from_slice(body).and_then(run),
        "check_run" => serde_json::from_slice(body).and_then(button),
        "deployment_protection_rule" => serde_json::from_slice(body).and_then(rule),
        _ => return Ok(Understood::Ignored(Ignored::Event)),
    };
    understood.map_err(|why| BadPayload { event: event.to_owned(), why: why.to_string() })
}

type Text<'a> = Cow<'a, str>;

/// An id that fits the columns of every database.
#[derive(Clone, Copy)]
struct Id(u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let id = u64::deserialize(from)?;
        if i64::try_from(id).is_ok() { Ok(Self(id)) } else { Err(D::Error::custom(format!("{id} is not an id"))) }
    }
}

#[derive(Deserialize)]
struct CommentPayload<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    comment: RawComment<'a>,
    issue: RawIssue,
    #[serde(borrow)]
    repository: RawRepository<'a>,
    #[serde(borrow)]
    sender: RawUser<'a>,
    installation: Option<RawId>,
}

#[derive(Deserialize)]
struct RawComment<'a> {
    id: Id,
    #[serde(borrow, default)]
    body: Text<'a>,
    created_at: Timestamp,
    /// Absent when the account was deleted meanwhile.
    #[serde(borrow)]
    user: Option<RawUser<'a>>,
    performed_via_github_app: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RawIssue {
    number: Id,
    pull_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RawRepository<'a> {
    id: Id,
    #[serde(borrow)]
    full_name: Text<'a>,
    /// True for internal ones as well.
    private: bool,
}

#[derive(Deserialize)]
struct RawUser<'a> {
    id: Id,
    #[serde(borrow)]
    login: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

#[derive(Deserialize)]
struct RawId {
    id: Id,
}

#[derive(Deserialize)]
struct PullPayload<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    number: Id,
    #[serde(borrow)]
    pull_request: RawPull<'a>,
    #[serde(borrow)]
    repository: RawRepository<'a>,
    installation: Option<RawId>,
}

#[derive(Deserialize)]
struct RawPull<'a> {
    #[serde(borrow)]
    head: RawHead<'a>,
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct RawHead<'a> {
    #[serde(borrow)]
    sha: Text<'a>,
    /// Absent when the fork was deleted.
    repo: Option<RawId>,
}

#[derive(Deserialize)]
struct RunPayload<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    workflow_run: RawRun<'a>,
    #[serde(borrow)]
    repository: RawRepository<'a>,
    installation: Option<RawId>,
}

#[derive(Deserialize)]
struct RawRun<'a> {
    id: Id,
    #[serde(borrow)]
    conclusion: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct ButtonPayload<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    check_run: RawId,
    #[serde(borrow)]
    requested_action: Option<RawAction<'a>>,
    #[serde(borrow)]
    repository: RawRepository<'a>,
    #[serde(borrow)]
    sender: RawUser<'a>,
    installation: Option<RawId>,
}

#[derive(Deserialize)]
struct RawAction<'a> {
    #[serde(borrow)]
    identifier: Text<'a>,
}

#[derive(Deserialize)]
struct RulePayload<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    environment: Text<'a>,
    #[serde(borrow)]
    deployment_callback_url: Text<'a>,
    /// Absent on older servers, which always make a deployment.
    #[serde(borrow)]
    sha: Option<Text<'a>>,
    /// Null for a job that makes none.
    #[serde(borrow)]
    deployment: Option<RawDeployment<'a>>,
    #[serde(default)]
    pull_requests: Vec<RawNumbered>,
    #[serde(borrow)]
    repository: RawRepository<'a>,
    #[serde(borrow)]
    sender: RawUser<'a>,
    installation: Option<RawId>,
}

#[derive(Deserialize)]
struct RawDeployment<'a> {
    id: Id,
    #[serde(borrow)]
    sha: Text<'a>,
}

#[derive(Deserialize)]
struct RawNumbered {
    number: Id,
}

type Outcome = Result<Understood, serde_json::Error>;

fn comment(payload: CommentPayload<'_>) -> Outcome {
    let CommentPayload { action, comment, issue, repository, sender, installation } = payload;
    if action != "created" {
        return Ok(Understood::Ignored(Ignored::Action));
    }
    let Some(author) = comment.user.filter(|user| {
        let by_hand = comment.performed_via_github_app.is_none() && user.id.0 == sender.id.0;
        by_hand && user.kind == "User" && sender.kind == "User"
    }) else {
        return Ok(Understood::Ignored(Ignored::NotAPerson));
    };
    if !comment.body.lines().any(|line| line.trim_start().starts_with('/')) {
        return Ok(Understood::Ignored(Ignored::NoCommand));
    }
    let Some(installation) = installation else { return Ok(Understood::Ignored(Ignored::NoInstallation)) };
    event(Event::Comment(NewComment {
        repository: repository_ref(&repository, &installation)?,
        issue: issue.number.0,
        is_pull: issue.pull_request.is_some(),
        comment: CommentId::new(comment.id.0),
        author: Actor { id: UserId::new(author.id.0), login: storable(author.login) },
        body: storable(comment.body),
        created: comment.created_at,
    }))
}

fn pull(payload: PullPayload<'_>) -> Outcome {
    const ACTIONS: [&str; 7] =
        ["opened", "reopened", "synchronize", "closed", "ready_for_review", "converted_to_draft", "edited"];
    let PullPayload { action, number, pull_request, repository, installation } = payload;
    if !ACTIONS.contains(&&*action) {
        return Ok(Understood::Ignored(Ignored::Action));
    }
    let Some(installation) = installation else { return Ok(Understood::Ignored(Ignored::NoInstallation)) };
    let head: CommitSha = pull_request.head.sha.parse().map_err(serde_json::Error::custom)?;
    event(Event::Pull(PullChanged {
        repository: repository_ref(&repository, &installation)?,
        number: number.0,
        action: action.into_owned(),
        head,
        head_repository: pull_request.head.repo.map(|repo| RepositoryId::new(repo.id.0)),
        at: pull_request.updated_at,
    }))
}

fn run(payload: RunPayload<'_>) -> Outcome {
    let RunPayload { action, workflow_run, repository, installation } = payload;
    if action != "completed" {
        return Ok(Understood::Ignored(Ignored::Action));
    }
    let Some(installation) = installation else { return Ok(Understood::Ignored(Ignored::NoInstallation)) };
    event(Event::Run(RunEnded {
        repository: repository_ref(&repository, &installation)?,
        run: RunId::new(workflow_run.id.0),
        // The description allows null even for a run that ended.
        conclusion: workflow_run.conclusion.map_or_else(|| "unknown".to_owned(), storable),
    }))
}

fn button(payload: ButtonPayload<'_>) -> Outcome {
    let ButtonPayload { action, check_run, requested_action, repository, sender, installation } = payload;
    let pressed = requested_action.filter(|_| action == "requested_action");
    let Some(pressed) = pressed else { return Ok(Understood::Ignored(Ignored::Action)) };
    if sender.kind != "User" {
        return Ok(Understood::Ignored(Ignored::NotAPerson));
    }
    let Some(installation) = installation else { return Ok(Understood::Ignored(Ignored::NoInstallation)) };
    event(Event::Button(ButtonPressed {
        repository: repository_ref(&repository, &installation)?,
        check: check_run.id.0,
        identifier: storable(pressed.identifier),
        actor: Actor { id: UserId::new(sender.id.0), login: storable(sender.login) },
    }))
}

fn rule(payload: RulePayload<'_>) -> Outcome {
    let RulePayload { action, environment, deployment_callback_url: callback, sha, deployment, .. } = payload;
    if action != "requested" {
        return Ok(Understood::Ignored(Ignored::Action));
    }
    let Some(installation) = payload.installation else { return Ok(Understood::Ignored(Ignored::NoInstallation)) };
    let own = deployment.as_ref().map(|deployment| deployment.id.0);
    let sha = sha.or_else(|| deployment.map(|deployment| deployment.sha));
    let sha = sha.ok_or_else(|| serde_json::Error::custom("it names no commit"))?;
    let run = run_of(&callback).ok_or_else(|| serde_json::Error::custom("its callback names no run"))?;
    event(Event::Rule(RuleAsked {
        repository: repository_ref(&payload.repository, &installation)?,
        environment: storable(environment),
        run,
        deployment: own,
        sha: sha.parse().map_err(serde_json::Error::custom)?,
        actor: Actor { id: UserId::new(payload.sender.id.0), login: storable(payload.sender.login) },
        pulls: payload.pull_requests.iter().map(|pull| pull.number.0).collect(),
        callback: storable(callback),
    }))
}

/// The run in `…/actions/runs/{run}/deployment_protection_rule`.
fn run_of(callback: &str) -> Option<RunId> {
    let (_, run) = callback.strip_suffix("/deployment_protection_rule")?.rsplit_once("/actions/runs/")?;
    let run: u64 = run.parse().ok()?;
    i64::try_from(run).ok().map(|_| RunId::new(run))
}

#[expect(clippy::unnecessary_wraps, reason = "the last step of functions that can fail")]
fn event(event: Event) -> Outcome {
    Ok(Understood::Event(Box::new(event)))
}

fn repository_ref(raw: &RawRepository<'_>, installation: &RawId) -> Result<RepositoryRef, serde_json::Error> {
    let name: Repository = raw.full_name.parse().map_err(serde_json::Error::custom)?;
    Ok(RepositoryRef {
        id: RepositoryId::new(raw.id.0),
        name,
        installation: InstallationId::new(installation.id.0),
        public: !raw.private,
    })
}

/// PostgreSQL stores no NUL: one in a comment must not make a whole batch fail.
fn storable(text: Text<'_>) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.into_owned() }
}

#[cfg(test)]
mod tests;
