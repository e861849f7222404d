//! The rollout itself: the same engine as the action's, with the store's journal and leased targets.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use shipline::cli::ledger;
use shipline::config::spec::EnvironmentSpec;
use shipline::engine::{Alarms, Driven, Limits, MetricSource, Parts, Targets, clock, drive};
use shipline::github::{Lifetime, NewDeployment};
use shipline::notify::Notifier;
use shipline::report::ViewInput;
use shipline::rollout::{Entry, Plan, Record};
use shipline::types::Timestamp;
use tracing::{info, warn};

use super::ending;
use super::halt::Halt;
use super::journal::StoreJournal;
use super::leased::{Gate, leased};
use super::opened::{self, Files, Opened, Wanted};
use super::prepare::{Ready, command};
use super::reporter::{RolloutReporter, Shows, so_far};
use super::steps::Steps;
use super::teller::Check;
use super::telling::{self, Beginning, Telling};
use super::worker::Worker;
use crate::decision::{Denied, approving};
use crate::policy;
use crate::store::{DeploymentKind, Stage, StoreFailed};

/// How long the first change waits for GitHub's Deployment, which is for people alone.
const RELEASE_OPENS: Duration = Duration::from_secs(10);

/// How long the way back may take after a cancel, over what a service may take: the bot has time,
/// and only a way back that is proven is one.
const WAY_BACK: Duration = Duration::from_mins(15);

/// How long what a change answered may take to be journaled when the process stops.
const JOURNALED: Duration = Duration::from_secs(1);

/// The pause before a rollout that could not be opened again is tried again.
const REOPEN: Duration = Duration::from_secs(15);

/// How long a rollout under way is tried to be taken up again, over what a service may take.
const TAKE_UP: Duration = Duration::from_hours(1);

/// What a rollout runs on.
pub(super) struct Ground {
    targets: Targets,
    alarms: Arc<dyn Alarms>,
    metrics: Option<Arc<dyn MetricSource>>,
    notifier: Notifier,
}

impl From<Opened> for Ground {
    fn from(opened: Opened) -> Self {
        Self { targets: opened.targets, alarms: opened.alarms, metrics: opened.metrics, notifier: opened.notifier }
    }
}

/// Starts a prepared rollout.
pub(super) async fn begin(worker: &Worker, ready: Ready) -> Result<(), Halt> {
    let Ready { plan, ground, spec, input } = ready;
    if plan.changes_nothing() {
        let began = clock::now();
        return ending::unchanged(worker, &plan, input, began).await;
    }
    if let Some(sha) = plan.release.commit {
        let mut payload = ledger::payload(&plan);
        payload["deployment"] = serde_json::json!(worker.kept.id());
        let new = NewDeployment {
            environment: plan.environment.clone(),
            sha,
            shipline: payload,
            description: format!("Shipline {} of plan {}", command(&worker.deployment.asked.kind), plan.hash().short()),
            stage: ledger::stage(&plan.environment),
            lifetime: Lifetime::Lasting,
        };
        worker.teller.show(|wanted| {
            wanted.release = Some(new);
            wanted.environment_url.clone_from(&spec.url);
        });
        worker.signals.before_changes(worker.teller.release_tried(RELEASE_OPENS)).await?;
    }
    // From here on a cancel is an event of the rollout.
    if worker.signals.cancel.is_cancelled() {
        return Err(Halt::Cancelled);
    }
    if worker.signals.stop.is_cancelled() {
        return Err(Halt::Stop);
    }
    let record = Record::new(plan, clock::now());
    worker.kept.change(|state| state.stage = Stage::Rolling { record: Box::new(record.clone()) }).await?;
    let shows = match worker.deployment.asked.kind {
        DeploymentKind::Deploy { .. } => Shows::AtOnce,
        DeploymentKind::Rollback { .. } => Shows::WithTheFirstChange,
    };
    Box::pin(roll(worker, record, (ground, spec), input, (shows, Beginning::Now))).await
}

/// Takes a rollout up that another worker began, from its journal.
pub(super) async fn resume(worker: &Worker, record: Record) -> Result<(), Halt> {
    info!("taking the rollout up from its journal");
    let entries = worker.kept.store.entries(worker.kept.id()).await?;
    let ground = match worker.signals.unless_lost(reopen(worker, &record.plan)).await? {
        Ok(ground) => ground,
        Err(denied) => return Err(not_reopened(worker, &record, &entries, denied).await?),
    };
    let state = worker.kept.state().await;
    let mut input = ViewInput::default();
    command(&worker.deployment.asked.kind).clone_into(&mut input.command);
    input.timeline.extend(so_far(&entries));
    input.notices = state.notices;
    Box::pin(roll(worker, record, ground, input, (Shows::AtOnce, Beginning::Earlier))).await
}

/// The targets of a plan, and its alarms, by the policy it was made from.
async fn reopen(worker: &Worker, plan: &Plan) -> Result<(Ground, EnvironmentSpec), Denied> {
    let asked = &worker.deployment.asked;
    let state = worker.kept.state().await;
    let config = policy::read(state.policy.as_deref())?;
    let spec = policy::environment(&config, &plan.environment)?;
    let services: Vec<_> = plan.services.keys().cloned().collect();
    let wanted = Wanted {
        repository: &asked.repository,
        environment: &plan.environment,
        spec,
        services: &services,
        files: Files::NotNeeded,
    };
    let opened = opened::open(&worker.bot, &worker.hub, &wanted).await?;
    Ok((opened.into(), spec.clone()))
}

/// A rollout under way must not be given up because AWS is away for a while. When it is, people are told.
async fn not_reopened(worker: &Worker, record: &Record, entries: &[Entry], denied: Denied) -> Result<Halt, Halt> {
    let age = Duration::try_from(clock::now().duration_since(record.started)).unwrap_or_default();
    warn!(why = %denied.what, "the rollout under way cannot be taken up");
    if age < record.plan.within.duration() + TAKE_UP {
        return Ok(Halt::Later(REOPEN));
    }
    let environment = &worker.deployment.asked.key.environment;
    let next = format!("Look at what runs (`/status {environment}`); then `/deploy` or `/rollback`. {}", denied.next);
    let what = format!("The rollout was under way and could not be followed to its end: {}", denied.what);
    let denied = Denied { what, next, ..denied };
    let untold = worker.signals.unless_lost(telling::given_up(worker, record, entries, &denied)).await?;
    Ok(Halt::Unknown(untold.into_iter().fold(denied, Denied::because)))
}

/// Drives to the end.
async fn roll(
    worker: &Worker,
    record: Record,
    (ground, spec): (Ground, EnvironmentSpec),
    input: ViewInput,
    (shows, beginning): (Shows, Beginning),
) -> Result<(), Halt> {
    let Ground { targets, alarms, metrics, notifier } = ground;
    let Record { plan, started, .. } = record;
    let people = spec.policy.access.approve.iter().map(approving::mention).collect();
    let reporter = Arc::new(reporter(worker, &plan, (started, people), input, shows));
    let telling = Telling::new(worker, notifier);
    let gate = Gate::new(Arc::clone(&worker.kept), worker.bot.times.lease, worker.signals.clone());
    let targets = leased(targets, &gate, &worker.bot.redactor);
    let journal = StoreJournal { kept: Arc::clone(&worker.kept), lost: worker.signals.lost.clone() };
    let limits = Limits { after_cancel: plan.within.duration() + WAY_BACK, ..Limits::default() };
    let run = format!("deployment/{}", worker.deployment.id);
    let steps = Steps::new(worker, spec, &plan, Arc::clone(&reporter));
    let parts = Parts {
        targets: &targets,
        alarms: Some(alarms.as_ref()),
        metrics: metrics.as_deref(),
        gates: Some(&steps),
        run: &run,
    };
    let driving = drive(&plan, parts, &journal, reporter.as_ref(), &worker.signals.cancel, limits);
    let mut driving = Box::pin(driving).fuse();
    // The commits are for the report: nothing waits for them.
    let mut commits = Box::pin(commits_between(worker, &plan)).fuse();
    let mut beginning = Box::pin(telling.begins(beginning, reporter.view())).fuse();
    let driven = loop {
        tokio::select! {
            biased;
            () = worker.signals.lost.cancelled() => return Err(Halt::Lost),
            driven = &mut driving => break driven,
            found = &mut commits => reporter.commits(found),
            failed = &mut beginning => reporter.notices(failed),
            _quiet = stopped(worker, &gate) => {
                // Nothing changes any more; what the last change answered is written down, if it was one.
                match tokio::time::timeout(JOURNALED, &mut driving).await {
                    Ok(driven) => break driven,
                    Err(_) => return Err(Halt::Stop),
                }
            }
        }
    };
    let driven = driven.map_err(|error| {
        if worker.signals.lost.is_cancelled() {
            Halt::Lost
        } else {
            Halt::Store(StoreFailed::Database(error.to_string()))
        }
    })?;
    let mut view = reporter.view();
    if let Driven::Interrupted(_) = &driven {
        "needs-attention".clone_into(&mut view.result);
        view.notices
            .push("The way back was asked for and could not be proven in time: look at the services.".to_owned());
    }
    tokio::select! {
        biased;
        () = worker.signals.lost.cancelled() => return Err(Halt::Lost),
        failed = telling.ended(&driven, view.clone()) => view.notices.extend(failed),
    }
    ending::ended(worker, &plan, &driven, view).await
}

/// Is done when the process stops and no change is under way; then none begins any more.
async fn stopped<'a>(worker: &Worker, gate: &'a Gate) -> tokio::sync::RwLockWriteGuard<'a, ()> {
    worker.signals.stop.cancelled().await;
    gate.quiet().await
}

fn reporter(
    worker: &Worker,
    plan: &Plan,
    (began, people): (Timestamp, Vec<String>),
    input: ViewInput,
    shows: Shows,
) -> RolloutReporter {
    let check = match worker.deployment.asked.kind {
        DeploymentKind::Deploy { sha } => Some(Check {
            sha,
            conclusion: None,
            title: format!("rolling out to {}", plan.environment),
            buttons: Vec::new(),
        }),
        DeploymentKind::Rollback { .. } => None,
    };
    let (bot, teller) = (Arc::clone(&worker.bot), Arc::clone(&worker.teller));
    RolloutReporter::new(bot, teller, worker.deployment.clone(), (plan.clone(), began), input, (shows, people), check)
}

/// The commits between what serves and the release, newest first; none when GitHub does not tell.
pub(super) async fn commits_between(worker: &Worker, plan: &Plan) -> Vec<shipline::report::Commit> {
    let DeploymentKind::Deploy { sha: head } = worker.deployment.asked.kind else { return Vec::new() };
    let base = plan.services.values().find_map(|part| part.previous.commit).filter(|base| *base != head);
    match base {
        Some(base) => worker.hub.commits_between(base, head).await.unwrap_or_default(),
        None => Vec::new(),
    }
}
