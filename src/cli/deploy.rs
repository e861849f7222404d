//! `shipline deploy`: images, plan, rollout, report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join, select};

use super::environment::{self, Login};
use super::gates::{self, Gates};
use super::host::{Host, cancelled};
use super::ledger::{self, Ledger};
use super::preconditions::{self, Asked};
use super::recorder::Recorder;
use super::release::{self, Images};
use super::scan_gate::Patience;
use super::{confirm, planning, telling};
use crate::config::spec::{Config, EnvironmentSpec};
use crate::engine::{Alarms, Driven, Limits, MemoryJournal, MetricSource, Parts, Targets, Wish, clock, drive};
use crate::github::Client;
use crate::metrics::{CloudWatchAlarms, Measurements};
use crate::notify::Notifier;
use crate::problem::{Problem, Problems};
use crate::report::{Commit, View, ViewInput, view};
use crate::rollout::{Phase, Plan};
use crate::types::{CommitSha, EnvironmentName, ImageRef, ServiceName, Timestamp};

/// How long GitHub may take to be told once the run is cancelled: with the rollout's own six seconds
/// it stays under the 7.5 s a cancelled action step has.
const LEDGER_AFTER_CANCEL: Duration = Duration::from_secs(1);

/// How long the first change waits for GitHub's Deployment, which is for people alone.
const LEDGER_OPENS: Duration = Duration::from_secs(10);

/// How long the end waits for GitHub to hear of it.
const LEDGER_CLOSES: Duration = Duration::from_secs(5);

/// How long the end waits for the commits of the report, asked for when the rollout began.
const COMMITS_AFTER_END: Duration = Duration::from_secs(1);

/// What to deploy.
#[derive(Clone)]
pub struct Request {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where.
    pub environment: EnvironmentName,
    /// Which services; all of the environment when empty.
    pub services: Vec<ServiceName>,
    /// Which commit; the checked-out one when absent.
    pub commit: Option<CommitSha>,
    /// Environment whose images are brought along instead of building.
    pub from: Option<EnvironmentName>,
    /// Images that exist already, by service.
    pub images: BTreeMap<ServiceName, ImageRef>,
    /// How to log in.
    pub login: Login,
    /// Token for GitHub.
    pub github_token: Option<String>,
    /// More registries to log in to.
    pub registries: release::Registries,
    /// Whether somebody is asked before the first change.
    pub confirm: confirm::Confirm,
}

impl Request {
    /// Whether the service's platform builds it from a branch, so that it has no image.
    pub fn is_built_there(&self, service: &ServiceName) -> bool {
        let environment = self.config.environments.get(&self.environment);
        environment.and_then(|spec| spec.services.get(service)?.source_branch()).is_some()
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// What happened.
    pub view: View,
    /// The process exit code.
    pub exit_code: u8,
}

/// Everything known before the first change.
pub struct Prepared<'a> {
    /// The environment's rules.
    pub spec: &'a EnvironmentSpec,
    /// What will be done.
    pub plan: Plan,
    /// Where.
    pub targets: Targets,
    /// Where the environment's measurements come from.
    pub metrics: Option<Arc<dyn MetricSource>>,
    /// Where the environment's alarms are kept.
    pub alarms: Option<Arc<dyn Alarms>>,
    /// Who is told.
    pub notifier: Notifier,
    /// How the images came to be there.
    pub images: Images,
    /// GitHub, with a token.
    pub github: Option<Client>,
}

/// Deploys and reports. Problems before the first change are errors; what happens after is a report.
pub async fn deploy(request: &Request, host: &Host, recorder: &Recorder) -> Result<Report, Problems> {
    let began = clock::now();
    let prepared = host.before_changes(prepare(request, Gates::Hold, host, recorder)).await?;
    roll_out(prepared, "deploy", request, host, recorder, began).await
}

/// Images and plan; changes nothing on the environment.
pub async fn prepare<'a>(
    request: &'a Request,
    gates: Gates,
    host: &Host,
    recorder: &Recorder,
) -> Result<Prepared<'a>, Problems> {
    let spec = environment::find(&request.config, &request.environment)?;
    for notice in environment::deferred(spec) {
        recorder.notice(&notice);
    }
    gates.pass(gates::person(&request.environment, spec), recorder)?;
    gates.pass(gates::freeze(&request.environment, spec), recorder)?;
    let services = environment::chosen(&request.environment, spec, &request.services)?;
    release::possible(request, &services)?;
    let github = host.github(request.github_token.as_deref())?;
    let (session, images) = release::gather(request, spec, &services, host, recorder).await?;

    let order = gates::order(&request.environment, &spec.policy, &services, images.commit, github.as_ref());
    gates.pass(Box::pin(order).await, recorder)?;
    let targets = environment::own_targets(request, spec, session.as_ref(), &services, host)?;
    let mut wishes: BTreeMap<ServiceName, Wish> = images
        .pinned
        .iter()
        .map(|(name, (image, commit))| (name.clone(), Wish::Image { image: image.clone(), commit: *commit }))
        .collect();
    wishes.extend(release::sources(request, &services, images.commit)?);
    let plan = planning::plan(planning::Purpose::Release, &request.environment, spec, &targets, &wishes, images.commit);
    let alarms = session
        .as_ref()
        .filter(|_| !spec.alarms.is_empty())
        .map(|session| -> Arc<dyn Alarms> { Arc::new(CloudWatchAlarms::new(session.sdk(), session.region().clone())) });
    let metrics = match session.as_ref().filter(|_| !spec.analysis.is_empty()) {
        Some(session) => Some(Arc::new(Measurements::new(session.sdk())?) as Arc<dyn MetricSource>),
        None => None,
    };
    let pipeline = Arc::new(release::pipeline(session.as_ref(), host));
    let asked = Asked {
        spec,
        alarms: alarms.as_deref(),
        wishes: &wishes,
        pipeline: &pipeline,
        patience: Patience::AsLongAsTheRule,
        cancel: &host.cancel,
    };
    let (mut plan, notices) = recorder.stage("plan", preconditions::planned(plan, asked)).await?;
    for notice in notices {
        recorder.notice(&notice);
    }
    if github.is_some() && plan.release.commit.is_some() && !plan.changes_nothing() {
        release::previous_commits(&mut plan, session.as_ref(), host).await;
    }
    let notifier = telling::notifier(spec, session.as_ref(), host);
    Ok(Prepared { spec, plan, targets, metrics, alarms, notifier, images, github })
}

/// Drives a prepared plan to its end and reports.
pub async fn roll_out(
    prepared: Prepared<'_>,
    command: &str,
    request: &Request,
    host: &Host,
    recorder: &Recorder,
    began: Timestamp,
) -> Result<Report, Problems> {
    let Prepared { spec, plan, targets, metrics, alarms, notifier, images, github } = prepared;
    let first = Phase::first(&plan);
    let to_do = first.outcome().is_none();
    if to_do {
        telling::warn(&notifier, recorder);
        let input = known_of_run(command, &images, recorder, Vec::new());
        let shown = planned(view(&plan, &first, input, began, clock::now()));
        confirm::ask(request.confirm, &shown, host).await?;
    }
    let ledger = if ledger::worth_telling(&first) {
        let opening = Ledger::open(github.as_ref(), &plan, host, recorder, spec.url.as_ref());
        let opening = tokio::time::timeout(LEDGER_OPENS, opening);
        match host.within(LEDGER_AFTER_CANCEL, opening).await {
            Some(Err(_)) => {
                recorder.warning("no GitHub Deployment: GitHub does not answer. The deployment goes on without it.");
                None
            }
            Some(Ok(ledger)) => ledger,
            None => None,
        }
    } else {
        None
    };
    if host.cancel.is_cancelled() {
        if let Some(ledger) = &ledger {
            host.within(LEDGER_AFTER_CANCEL, ledger.close_cancelled()).await;
        }
        return Err(cancelled().into());
    }

    host.console.group(&format!("Roll out to {}", plan.environment));
    let journal = MemoryJournal::default();
    let run = host.run_name();
    let parts =
        Parts { targets: &targets, alarms: alarms.as_deref(), metrics: metrics.as_deref(), gates: None, run: &run };
    let driving = drive(&plan, parts, &journal, recorder, &host.cancel, Limits::default());
    let known = known_of_run(command, &images, recorder, Vec::new());
    let beginning = to_do.then(|| planned(view(&plan, &first, known, began, clock::now())));
    let driving = telling::beginning(&notifier, beginning, host, recorder, driving);
    // The commits are for the report: neither the first change nor the end waits for them.
    let commits = Box::pin(host.within(Duration::ZERO, commits_between(github.as_ref(), &plan)));
    let (driven, commits) = match select(Box::pin(recorder.stage("rollout", driving)), commits).await {
        Either::Left((driven, commits)) => (driven, tokio::time::timeout(COMMITS_AFTER_END, commits).await.ok()),
        Either::Right((commits, rollout)) => (rollout.await, Some(commits)),
    };
    let commits = commits.flatten().unwrap_or_default();
    host.console.end_group();
    let driven = driven.map_err(|error| Problem::defect("journal", error.to_string()))?;
    let seen = |commits| {
        let mut seen =
            view(&plan, driven.phase(), known_of_run(command, &images, recorder, commits), began, clock::now());
        if let Driven::Interrupted(_) = &driven {
            "interrupted".clone_into(&mut seen.result);
            let notice =
                "The way back was asked for and is not proven yet: `status` tells, and the same run again goes on.";
            seen.notices.push(notice.to_owned());
        }
        seen
    };
    let exit_code = match &driven {
        Driven::Finished(phase) => phase.outcome().map_or(5, crate::rollout::Outcome::exit_code),
        Driven::Interrupted(_) => 130,
    };
    let closing = async {
        let Some(ledger) = &ledger else { return };
        let closing = tokio::time::timeout(LEDGER_CLOSES, ledger.close(driven.phase()));
        if !matches!(host.within(LEDGER_AFTER_CANCEL, closing).await, Some(Ok(()))) {
            recorder.warning("GitHub was not told how it ended: it does not answer.");
        }
    };
    let telling = async {
        if to_do {
            telling::ended(&notifier, seen(commits.clone()), exit_code, host, recorder).await;
        }
    };
    join(closing, telling).await;
    Ok(Report { view: seen(commits), exit_code })
}

/// The view of a plan that has not begun.
pub fn planned(mut view: View) -> View {
    if view.result == "shifting" {
        "planned".clone_into(&mut view.result);
        // The first phase is that of a rollout which begins; this one does not yet.
        for service in view.services.iter_mut().filter(|service| service.state == "starting") {
            "waiting".clone_into(&mut service.state);
        }
    }
    view
}

/// What only the run knows, for the view.
pub fn known_of_run(command: &str, images: &Images, recorder: &Recorder, commits: Vec<Commit>) -> ViewInput {
    let kept = recorder.recorded();
    ViewInput {
        command: command.to_owned(),
        origins: images.origins.clone(),
        put_back: images.put_back.clone(),
        commits,
        timeline: kept.timeline,
        analysis: kept.analysis,
        stages: kept.stages,
        notices: kept.notices,
    }
}

/// The commits between what serves and the release, as far as GitHub knows both.
pub async fn commits_between(github: Option<&Client>, plan: &Plan) -> Vec<Commit> {
    let (Some(github), Some(head)) = (github, plan.release.commit) else { return Vec::new() };
    let Some(base) = plan.services.values().find_map(|part| part.previous.commit).filter(|base| *base != head) else {
        return Vec::new();
    };
    // Nice to have: a comparison that cannot be had is not worth a word.
    let Ok(comparison) = github.compare(&base, &head).await else { return Vec::new() };
    let mut commits: Vec<Commit> = comparison
        .commits
        .into_iter()
        .map(|commit| Commit { sha: commit.sha, title: commit.summary, author: commit.author })
        .collect();
    commits.reverse();
    commits
}
