//! What a verb is given, and what it gives back.
//!
//! A verb says no with a [`Denied`] or fails; both end it. After a failure the whole comment is worked
//! on again, so every verb looks before it acts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use shipline::config::spec::{Access, Config, EnvironmentSpec};
use shipline::problem::Problem;
use shipline::types::{CommitSha, EnvironmentName, ServiceName};

use crate::context::Bot;
use crate::decision::access::{self, Right, Visibility};
use crate::decision::gather::Matter;
use crate::decision::{Denied, Facts, ReasonCode, Rights, Situation, Wanted, gather, policy};
use crate::github::Hub;
use crate::handlers::HandlerFailed;
use crate::store::{Asked, Claimed, DeploymentKind, StoreFailed};
use crate::types::EnvironmentKey;
use crate::webhook::NewComment;

/// One command, with everything known about who asked and where.
pub(super) struct Ask<'a> {
    pub(super) bot: &'a Arc<Bot>,
    pub(super) hub: &'a Hub,
    pub(super) claimed: &'a Claimed,
    pub(super) comment: &'a NewComment,
    /// Which command of the comment, from 0.
    pub(super) index: u32,
    pub(super) situation: &'a Situation,
    /// The role; teams only where a verb asked for them.
    pub(super) rights: &'a Rights,
    granted: AtomicBool,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) code: ReasonCode,
    /// What is said in a comment of its own; nothing when a deployment's comment says it.
    pub(super) text: Option<String>,
    /// What else the audit entry keeps.
    pub(super) details: Value,
}

impl Answer {
    /// Done, and said.
    pub(super) fn said(code: ReasonCode, text: String) -> Self {
        Self { code, text: Some(text), details: json!({}) }
    }

    /// Done; somebody else says it.
    pub(super) fn silent(code: ReasonCode) -> Self {
        Self { code, text: None, details: json!({}) }
    }

    /// Adds to what the audit entry keeps.
    pub(super) fn noting(mut self, key: &str, value: impl serde::Serialize) -> Self {
        self.details[key] = json!(value);
        self
    }
}

/// Why a verb ended early. Either way it changed nothing, or what it changed it finds again.
#[derive(Debug)]
pub(super) enum Halted {
    No(Box<Denied>),
    /// GitHub did not answer.
    GitHub(Box<Problem>),
    /// The store did not.
    Store(HandlerFailed),
}

impl From<Denied> for Halted {
    fn from(denied: Denied) -> Self {
        Self::No(Box::new(denied))
    }
}

impl From<Problem> for Halted {
    fn from(problem: Problem) -> Self {
        if problem.code == gather::STORE_FAILED { Self::Store(problem.into()) } else { Self::GitHub(Box::new(problem)) }
    }
}

impl From<StoreFailed> for Halted {
    fn from(failed: StoreFailed) -> Self {
        Self::Store(failed.into())
    }
}

/// The environment a command is about.
pub(super) struct Scene {
    pub(super) config: Arc<Config>,
    pub(super) spec: EnvironmentSpec,
    pub(super) key: EnvironmentKey,
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        (bot, hub): (&'a Arc<Bot>, &'a Hub),
        (claimed, comment, index): (&'a Claimed, &'a NewComment, u32),
        situation: &'a Situation,
        rights: &'a Rights,
    ) -> Self {
        Self { bot, hub, claimed, comment, index, situation, rights, granted: AtomicBool::new(false) }
    }

    /// Whether a right was found during this command: whoever has one is no stranger.
    pub(super) fn was_granted(&self) -> bool {
        self.granted.load(Ordering::Relaxed)
    }

    /// The person turned out to be one of those who may.
    pub(super) fn grant(&self) {
        self.granted.store(true, Ordering::Relaxed);
    }

    pub(super) fn key(&self, environment: &EnvironmentName) -> EnvironmentKey {
        EnvironmentKey { repository: self.comment.repository.id, environment: environment.clone() }
    }

    /// The policy of the default branch.
    pub(super) fn config(&self) -> Result<Arc<Config>, Denied> {
        gather::config(self.bot, self.situation)
    }

    /// The environment, if the policy has it.
    pub(super) fn scene(&self, environment: &EnvironmentName) -> Result<Scene, Denied> {
        let config = self.config()?;
        let spec = policy::environment(&config, environment)?.clone();
        Ok(Scene { config, spec, key: self.key(environment) })
    }

    /// The person's rights, if they hold this one on the environment. Teams are asked for if needed.
    pub(super) async fn allow(
        &self,
        right: Right,
        environment: &EnvironmentName,
        access: &Access,
    ) -> Result<Rights, Halted> {
        let actor = &self.comment.author;
        let asked = gather::rights(self.hub, actor, right.of(access), Some(self.rights.clone())).await;
        let rights = asked.map_err(|problem| access::unknown(actor, &problem.what))?;
        access::allowed(right, environment.as_str(), access, &rights, actor)?;
        self.granted.store(true, Ordering::Relaxed);
        Ok(rights)
    }

    /// Whether the person may look.
    pub(super) fn allow_look(&self) -> Result<(), Denied> {
        access::may_look(visibility(self.situation), self.rights, &self.comment.author)?;
        self.granted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// What is handed to the worker.
    pub(super) fn asked(
        &self,
        key: &EnvironmentKey,
        kind: DeploymentKind,
        services: &[ServiceName],
        reason: Option<&String>,
        policy_commit: CommitSha,
    ) -> Asked {
        Asked {
            key: key.clone(),
            repository: self.comment.repository.clone(),
            kind,
            services: services.to_vec(),
            actor: self.comment.author.clone(),
            issue: self.comment.issue,
            is_pull: self.comment.is_pull,
            comment: self.comment.comment,
            command: self.index,
            reason: reason.cloned(),
            policy_commit,
            decided: shipline::engine::clock::now(),
        }
    }

    /// What is known of the commit, the order and the place; the situation as GitHub shows it by then.
    pub(super) async fn facts(
        &self,
        scene: &Scene,
        services: &[ServiceName],
        wanted: Wanted,
    ) -> Result<(Situation, Facts), Problem> {
        let matter = Matter {
            hub: self.hub,
            key: &scene.key,
            spec: &scene.spec,
            services,
            wanted,
            pull: self.pull(),
            sequence: self.claimed.sequence,
            commented: self.comment.created,
        };
        Box::pin(gather::facts(self.bot, &matter, self.situation.clone())).await
    }

    pub(super) fn pull(&self) -> Option<crate::types::IssueNumber> {
        self.comment.is_pull.then_some(self.comment.issue)
    }
}

/// Who can read the repository.
pub(super) fn visibility(situation: &Situation) -> Visibility {
    if situation.public { Visibility::Public } else { Visibility::Private }
}
