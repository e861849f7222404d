//! The end of a deployment: GitHub is told, the store closes it, the next one wakes.
//!
//! GitHub first: a comment that tells the end and a deployment that is still open is mended by the
//! next worker, who finds the end in the journal; the other way round nobody would mend it. A GitHub
//! that is away does not hold the environment, though: it is told in the background then.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use shipline::cli::ledger;
use shipline::engine::wait::{self, Backoff, Seen, Waited};
use shipline::engine::{Driven, clock};
use shipline::github::DeploymentState;
use shipline::report::{View, ViewInput, view};
use shipline::rollout::{Outcome, Phase, Plan, Revision, ServiceState};
use shipline::types::{CommitSha, ServiceName, Timestamp};
use tracing::{info, warn};

use super::halt::Halt;
use super::teller::{Check, Standing};
use super::worker::Worker;
use crate::decision::lock::AFTER_ROLLBACK;
use crate::decision::{Denied, ReasonCode};
use crate::store::{Closed, DeploymentKind, Lock, NewAudit, Stage, StoreFailed};
use crate::types::CommentId;

/// How long the end waits until GitHub shows it.
const SHOWN: Duration = Duration::from_secs(20);

/// How long GitHub is told in the background after that.
const LATE: Duration = Duration::from_mins(30);

/// How long a database that does not answer is waited for; the lease may be lost before.
const CLOSES: Duration = Duration::from_mins(1);

const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), most: Duration::from_secs(3), throttled: Duration::from_secs(3) };

/// Whether a deployment that is refused may have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Certainly not.
    BeforeAnyChange,
    /// A rollout was under way.
    UnderWay,
}

/// A rollout is over.
pub(super) async fn ended(worker: &Worker, plan: &Plan, driven: &Driven, view: View) -> Result<(), Halt> {
    let phase = driven.phase();
    let (word, succeeded) = match (driven, phase.outcome()) {
        (Driven::Finished(_), Some(outcome)) => (outcome.word(), *outcome == Outcome::Succeeded),
        (Driven::Finished(_) | Driven::Interrupted(_), _) => ("needs-attention", false),
    };
    let locked = if succeeded { lock(worker).await? } else { None };
    let (state, text) = ledger::told(phase);
    let conclusion = match phase.outcome() {
        Some(Outcome::Succeeded) => "success",
        Some(Outcome::Cancelled | Outcome::Superseded { .. }) => "cancelled",
        Some(_) | None => "failure",
    };
    show_check(worker, conclusion, text);
    worker.teller.show(|wanted| wanted.status = Some((state, text.to_owned())));
    finish(worker, plan, view, word, succeeded.then(|| serving(plan, phase)), locked).await
}

/// There was nothing to change.
pub(super) async fn unchanged(worker: &Worker, plan: &Plan, input: ViewInput, began: Timestamp) -> Result<(), Halt> {
    let phase = Phase::first(plan);
    let view = view(plan, &phase, input, began, clock::now());
    let locked = lock(worker).await?;
    finish(worker, plan, view, Outcome::Succeeded.word(), Some(serving(plan, &phase)), locked).await
}

async fn finish(
    worker: &Worker,
    plan: &Plan,
    view: View,
    word: &'static str,
    serves: Option<BTreeMap<ServiceName, Revision>>,
    lock: Option<Lock>,
) -> Result<(), Halt> {
    let state = worker.kept.state().await;
    let details = json!({
        "schema_version": 1,
        "result": view.result,
        "plan": view.plan,
        "commit": plan.release.commit,
        "cause": cause(&view),
        "services": view.services.iter().map(|service| json!({
            "name": service.name, "before": service.before, "after": service.after, "state": service.state,
            "revision": service.revision, "image": service.image,
        })).collect::<Vec<_>>(),
        "github_deployment": state.github_deployment,
        "policy_commit": state.policy_commit,
    });
    let closed =
        Closed { outcome: word.to_owned(), serves, lock: lock.clone(), audit: audit(worker, word, &details), details };
    let old = older_comments(worker).await?;
    worker.teller.show(|wanted| {
        wanted.standing = Standing::Ended { view: Box::new(view), locked: lock };
        wanted.progress.clear();
        wanted.reminder = None;
        wanted.old = old;
    });
    close(worker, &closed).await
}

/// The deployment ends without a rollout, or without knowing how the rollout ended.
pub(super) async fn refuse(worker: &Worker, denied: &Denied, ended: Ended) -> Result<(), Halt> {
    let word = match ended {
        Ended::BeforeAnyChange => denied.code.word(),
        Ended::UnderWay => "needs-attention",
    };
    info!(code = denied.code.word(), what = %denied.what, "the deployment ends");
    let (state, text) = match (ended, denied.code) {
        (Ended::UnderWay, _) => (DeploymentState::Error, "could not be followed to its end"),
        (_, ReasonCode::Cancelled) => (DeploymentState::Inactive, "cancelled before anything was changed"),
        _ => (DeploymentState::Error, "refused, nothing was changed"),
    };
    let known = worker.kept.state().await;
    if known.check_run.is_some() {
        show_check(worker, "failure", text);
    }
    let standing = Standing::Refused(denied.clone());
    worker.teller.show(|wanted| {
        wanted.standing = standing;
        wanted.progress.clear();
        wanted.reminder = None;
        // Only for a Deployment that exists: none is made for an end.
        wanted.release = None;
        wanted.status = Some((state, text.to_owned()));
    });
    let details = json!({
        "schema_version": 1, "result": word, "code": denied.code.word(), "cause": denied.what, "why": denied.why,
        "next": denied.next, "policy_commit": known.policy_commit,
    });
    let audit = audit(worker, word, &details);
    close(worker, &Closed { outcome: word.to_owned(), serves: None, lock: None, audit, details }).await
}

/// Tells GitHub, closes, wakes the next.
async fn close(worker: &Worker, closed: &Closed) -> Result<(), Halt> {
    let shown = tokio::select! {
        biased;
        () = worker.signals.lost.cancelled() => return Err(Halt::Lost),
        shown = worker.teller.settled(SHOWN) => shown,
    };
    let deadline = Some(clock::instant() + CLOSES);
    let waited = wait::until(deadline, BACKOFF, &worker.signals.lost, async || match worker.kept.close(closed).await {
        Err(StoreFailed::Database(why)) => {
            warn!(why, "the end could not be written, trying again");
            Seen::NotYet
        }
        answer => Seen::Ready(answer),
    })
    .await;
    match waited {
        Waited::Ready(answer) => answer?,
        Waited::Cancelled => return Err(Halt::Lost),
        Waited::TimedOut => return Err(Halt::Store(StoreFailed::Database("it does not answer".to_owned()))),
    }
    if shown {
        worker.teller.hush();
    } else {
        worker.teller.leave(LATE);
    }
    let seconds = clock::now().duration_since(worker.deployment.created).as_secs_f64();
    worker.bot.metrics.ended(&closed.outcome, seconds);
    info!(outcome = closed.outcome, seconds, "the deployment is over");
    worker.bot.deployments_due.notify_one();
    Ok(())
}

fn show_check(worker: &Worker, conclusion: &str, title: &str) {
    if let DeploymentKind::Deploy { sha } = worker.deployment.asked.kind {
        let environment = &worker.deployment.asked.key.environment;
        let check = Check {
            sha,
            conclusion: Some(conclusion.to_owned()),
            title: format!("{environment}: {title}"),
            buttons: Vec::new(),
        };
        worker.teller.show(|wanted| wanted.check = Some(check));
    }
}

/// What serves now, with the commit it is known for.
fn serving(plan: &Plan, phase: &Phase) -> BTreeMap<ServiceName, Revision> {
    let known = |mut revision: Revision, commit: Option<CommitSha>| {
        revision.commit = revision.commit.or(commit);
        revision
    };
    let services = phase.services().iter().filter_map(|(name, state)| {
        let revision = match state {
            ServiceState::Serving { shift } => shift.revision.clone(),
            ServiceState::Unchanged => plan.services.get(name)?.previous.clone(),
            ServiceState::Waiting
            | ServiceState::Applying
            | ServiceState::Moving { .. }
            | ServiceState::Paused { .. }
            | ServiceState::Continuing { .. }
            | ServiceState::Baking { .. }
            | ServiceState::Failed { .. }
            | ServiceState::Reverting { .. }
            | ServiceState::Returning { .. }
            | ServiceState::Restored { .. }
            | ServiceState::Superseded { .. }
            | ServiceState::Stuck { .. } => return None,
        };
        Some((name.clone(), known(revision, plan.release.commit)))
    });
    services.collect()
}

/// The lock after a rollback, unless it is not wanted or somebody else holds one.
async fn lock(worker: &Worker) -> Result<Option<Lock>, Halt> {
    let asked = &worker.deployment.asked;
    if !matches!(asked.kind, DeploymentKind::Rollback { lock: true, .. }) {
        return Ok(None);
    }
    let now = clock::now();
    let held = worker.kept.store.lock_of(&asked.key, now).await?;
    if held.is_some_and(|held| held.holder.id != asked.actor.id) {
        return Ok(None);
    }
    let reason = AFTER_ROLLBACK.to_owned();
    Ok(Some(Lock { key: asked.key.clone(), holder: asked.actor.clone(), reason, since: now, until: None }))
}

/// Comments of deployments before this one, of the environment and in the same conversation. Those
/// before them were folded away by them.
async fn older_comments(worker: &Worker) -> Result<Vec<CommentId>, Halt> {
    let ours = &worker.deployment;
    let history = worker.kept.store.history(&ours.asked.key, 10).await?;
    let before = history.iter().filter(|other| {
        other.id < ours.id
            && other.ended.is_some()
            && other.asked.issue == ours.asked.issue
            && other.state.stage == Stage::Over
    });
    Ok(before.filter_map(|other| other.state.report).take(2).collect())
}

fn cause(view: &View) -> Option<String> {
    let own = view
        .services
        .iter()
        .find_map(|service| service.cause.as_ref().map(|cause| format!("{}: {}", service.name, cause.summary)));
    own.or_else(|| view.failures().next().map(|(_, cause)| cause.summary.clone()))
}

fn audit(worker: &Worker, outcome: &str, details: &Value) -> NewAudit {
    let asked = &worker.deployment.asked;
    NewAudit {
        key: format!("deployment/{}/ended", worker.kept.id()),
        repository: Some(asked.repository.id),
        repository_name: Some(asked.repository.name.to_string()),
        environment: Some(asked.key.environment.to_string()),
        actor: Some(asked.actor.clone()),
        action: "deployment-ended".to_owned(),
        outcome: outcome.to_owned(),
        details: json!({
            "schema_version": 1,
            "deployment": worker.kept.id(),
            "kind": asked.kind,
            "issue": asked.issue,
            "comment": asked.comment,
            "end": details,
        }),
    }
    .without_secrets(&worker.bot.redactor)
}
