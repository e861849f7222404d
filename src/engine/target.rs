//! The trait every place that runs services implements, and its words.
//!
//! One contract suite runs on every implementation. The rules: reading methods change nothing;
//! [`Target::apply`] and [`Target::revert`] look first and may be called twice or after a crash in
//! their middle; [`Target::observe`] is one look without waiting; foreign shapes stay behind the
//! opaque JSON values.

use async_trait::async_trait;
use serde_json::Value;

use super::{Examination, Logs, Sides, Tasks, permission};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Pause, Revision, ServicePlan, Shift, TargetPlace, Touched};
use crate::types::{CommitSha, Percent, PinnedImage, Timestamp};

/// What should run.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// This image; everything else as it is, but for the changes the target was configured with.
    Image {
        /// The image.
        image: PinnedImage,
        /// The commit it was built from.
        commit: Option<CommitSha>,
    },
    /// This commit, which the platform itself builds from a branch of the source repository.
    Source {
        /// The commit.
        commit: CommitSha,
    },
    /// This earlier revision, exactly as it was.
    Revision(Revision),
}

/// A provider that refused or failed, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ProviderFailure {
    /// The operation as IAM names it: `ecs:UpdateService`.
    pub operation: String,
    /// The provider's error code, if it gave one: `AccessDeniedException`.
    pub code: Option<String>,
    /// The provider's message.
    pub message: String,
    /// The provider's request id.
    pub request_id: Option<String>,
    /// What kind of failure it is.
    pub kind: FailureKind,
}

/// What a failure means for what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The caller lacks a permission.
    Denied,
    /// Too many calls; trying later helps.
    Throttled,
    /// What was asked for does not exist.
    Missing,
    /// The provider does not know the operation (an emulator, an old endpoint).
    Unknown,
    /// The provider says the request cannot be done as it stands.
    Rejected,
    /// The credentials are missing, expired or wrong.
    Credentials,
    /// The provider or the network failed; trying again may help. The request may have arrived.
    Unavailable,
}

/// Why a reading method of a target failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// It cannot or may not be done; known before anything changes.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The provider said no, or nothing.
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

/// What a target says a plan would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// This service's part of the plan.
    pub service: ServicePlan,
}

/// Why a change was not accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct NotApplied {
    /// Why.
    pub cause: Cause,
    /// Whether something may have changed all the same.
    pub touched: Touched,
}

/// How far a change is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Instances of the new revision that serve.
    pub healthy: u32,
    /// Instances wished for.
    pub wanted: u32,
    /// Share of traffic the new revision gets, if the provider tells.
    pub traffic: Option<Percent>,
    /// What it is doing, in a few words, for people: `starting tasks`, `draining`.
    pub doing: String,
    /// Things learnt on the way that people should know; the engine shows each once.
    pub notices: Vec<String>,
}

/// What one look at a change shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Sight {
    /// Under way.
    Moving(Progress),
    /// The platform has stopped before a step of traffic, and waits for [`Target::go_on`]. A stop that
    /// somebody else configured is not told: what it waits for is not ours to say.
    Paused(Pause, Progress),
    /// All traffic is on the new revision, the old one stays for a while.
    Baking(Progress),
    /// The revision of the shift serves, proven by the provider's own final state.
    Serving,
    /// It failed, or it certainly will: the engine need not wait for the provider to give up.
    Broke(Box<Cause>),
    /// Somebody else's deployment replaced it.
    Superseded {
        /// The other deployment, in the provider's words.
        by: String,
    },
    /// What this shift waited behind has ended (a provider that takes one operation at a time):
    /// ask again, with `apply` on the way forward, with `revert` on the way back.
    AskAgain,
}

/// What a revert found or began.
#[derive(Debug, Clone, PartialEq)]
pub enum Back {
    /// The previous revision already serves, proven.
    Already,
    /// The target goes back.
    Began(Box<Shift>),
    /// Something else than ours and the previous runs there: it is left alone.
    Superseded {
        /// What, in the provider's words.
        by: String,
    },
}

/// A revision that served in the past.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRevision {
    /// The revision.
    pub revision: Revision,
    /// When it began to serve, if known.
    pub since: Option<Timestamp>,
}

/// What a target remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// What is live now.
    pub live: Revision,
    /// Good revisions before it, newest first, without the live one.
    pub good: Vec<PastRevision>,
    /// What the reader should know about how this was found.
    pub notices: Vec<String>,
}

impl Past {
    /// The same with the live one before the others, `most` in all.
    #[must_use]
    pub fn with_live(mut self, since: Option<Timestamp>, most: usize) -> Self {
        self.good.insert(0, PastRevision { revision: self.live.clone(), since });
        self.good.truncate(most);
        self
    }
}

/// A place that runs one service.
#[async_trait]
pub trait Target: Send + Sync {
    /// Where it is, for people. No call is made.
    fn place(&self) -> TargetPlace;

    /// What would be done to make `wish` true, with the previous revision recorded. Changes nothing;
    /// whatever cannot be done is refused here.
    async fn prepare(&self, wish: &Wish) -> Result<Preparation, TargetError>;

    /// Asks for the plan's change, unless it is already under way or done. Returns as soon as the
    /// provider has accepted it.
    async fn apply(&self, plan: &ServicePlan) -> Result<Shift, NotApplied>;

    /// One look at a change, forward or back. Does not wait.
    async fn observe(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError>;

    /// Tells the platform to go on after a stop, unless it already does. Once per stop.
    async fn go_on(&self, _plan: &ServicePlan, _shift: &Shift, pause: &Pause) -> Result<(), NotApplied> {
        let what = format!("{} stops at no step, and {} is none of its stops", self.place().name, pause.id);
        let cause = Cause::new(CauseCode::CallRefused, what, "Report this: it is a defect of Shipline.");
        Err(NotApplied { cause, touched: Touched::No })
    }

    /// What measurements call the revision that a change brings and the one it leaves; nothing where
    /// they cannot be told apart.
    async fn sides(&self, _plan: &ServicePlan, _shift: &Shift) -> Result<Option<Sides>, TargetError> {
        Ok(None)
    }

    /// The cause with everything that can be found about it (stop reasons, exit codes, health
    /// answers, log lines, links), starting from what `observe` saw. Never fails: what cannot be
    /// read becomes a fact in the cause.
    async fn explain(&self, plan: &ServicePlan, shift: &Shift, seen: Cause) -> Cause;

    /// Asks for the plan's previous revision, by the quickest way the provider has, unless it
    /// already serves. `shift` is the change to take back, if one was accepted; after
    /// [`Sight::AskAgain`] it is the way back that has to be asked for again.
    async fn revert(&self, plan: &ServicePlan, shift: Option<&Shift>) -> Result<Back, Box<Cause>>;

    /// What is live and what was good before, for `status` and `rollback`. Changes nothing.
    async fn past(&self) -> Result<Past, TargetError>;

    /// Good releases, newest first and the live one before them, at most `last`.
    async fn history(&self, last: usize) -> Result<Past, TargetError> {
        Ok(self.past().await?.with_live(None, last))
    }

    /// What would fail, before anything is deployed. Changes nothing.
    async fn examine(&self) -> Examination {
        Examination::default()
    }

    /// Its log, if it can be read.
    fn logs(&self) -> Option<&dyn Logs> {
        None
    }

    /// Its one-off tasks, if it can run any.
    fn tasks(&self) -> Option<&dyn Tasks> {
        None
    }
}

impl ProviderFailure {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, FailureKind::Throttled | FailureKind::Unavailable)
    }

    /// The failure as a problem, with the permission to add when one is missing.
    pub fn problem(&self) -> Problem {
        let what = format!("{} failed: {}", self.operation, self.message);
        let problem = match self.kind {
            FailureKind::Denied => self.denied(),
            FailureKind::Throttled => Problem::provider(
                "throttled",
                what,
                "AWS answers too many calls of this account. Run again in a minute.",
            ),
            FailureKind::Missing => Problem::provider(
                "not-found",
                what,
                "Check the name, the region and the account; `shipline check` shows what is configured.",
            ),
            FailureKind::Unknown => Problem::provider(
                "operation-unknown",
                what,
                "The endpoint does not know this operation. Check AWS_ENDPOINT_URL and the region.",
            ),
            FailureKind::Rejected => {
                Problem::provider("rejected", what, "Change what the provider names above, then run again.")
            }
            FailureKind::Credentials => Problem::provider(
                "credentials",
                what,
                "Give valid AWS credentials: `role-to-assume` with `permissions: id-token: write` in a workflow, or log in on this machine.",
            ),
            FailureKind::Unavailable => Problem::provider(
                "unavailable",
                what,
                "Nothing was changed. Run again; if it stays, check the network and the provider's status page.",
            ),
        };
        let problem = match &self.code {
            Some(code) => problem.because(format!("code: {code}")),
            None => problem,
        };
        match &self.request_id {
            Some(id) => problem.because(format!("request id: {id}")),
            None => problem,
        }
    }
}

impl ProviderFailure {
    fn denied(&self) -> Problem {
        if let Some(missing) = permission::missing(&self.message) {
            let what =
                format!("{} was refused: `{}` is not allowed on {}.", self.operation, missing.action, missing.resource);
            let problem = Problem::provider("permission-missing", what, missing.next()).because(self.message.clone());
            return problem.see("docs/permissions.md");
        }
        if let Some(code) = permission::encoded(&self.message) {
            return Problem::provider(
                "permission-missing",
                format!("{} was refused.", self.operation),
                format!(
                    "Allow `{}` for this role (docs/permissions.md). If it is allowed, this says what refused it:\n  aws sts decode-authorization-message --encoded-message {code}",
                    self.operation
                ),
            );
        }
        Problem::provider(
            "permission-missing",
            format!("{} failed: {}", self.operation, self.message),
            format!(
                "Allow `{}` for this role: add it to the role's policy (docs/permissions.md), then run again.",
                self.operation
            ),
        )
    }
}

impl From<TargetError> for Problem {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Refused(problem) => *problem,
            TargetError::Provider(failure) => failure.problem(),
        }
    }
}

/// The refusal of [`Wish::Source`] by a target that runs images only.
pub fn runs_images_only(place: &str) -> TargetError {
    TargetError::Refused(Box::new(Problem::refused(
        "no-source-build",
        format!("{place} runs an image; nothing there builds a commit by itself"),
        "Give the service an image in the configuration, or deploy one with `--image`.",
    )))
}

/// A value of an opaque field, for targets that read back what they wrote.
pub fn opaque<T: serde::de::DeserializeOwned>(value: &Value, of: &'static str) -> Result<T, Problem> {
    serde_json::from_value(value.clone())
        .map_err(|error| Problem::defect("unreadable-record", format!("the recorded {of} cannot be read: {error}")))
}
