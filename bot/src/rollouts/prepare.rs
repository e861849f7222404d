//! From what was asked to a plan: policy, allow-list, session, images, plan. Changes no service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shipline::cli::planning::{self, Purpose};
use shipline::cli::preconditions::{self, Asked};
use shipline::cli::scan_gate::Patience;
use shipline::config::spec::{Config, EnvironmentSpec};
use shipline::engine::{Wish, clock};
use shipline::problem::Problem;
use shipline::report::{ImageOrigin, ViewInput};
use shipline::rollout::Plan;
use shipline::types::{CommitSha, ServiceName};
use tracing::info;

use super::halt::Halt;
use super::images::{Bring, Found, Search};
use super::opened::{self, Files, Wanted};
use super::rolling::Ground;
use super::teller::Standing;
use super::worker::Worker;
use super::{build, putting_back};
use crate::decision::{ReasonCode, Situation, recheck};
use crate::policy;
use crate::store::{DeploymentKind, Stage};

/// How long GitHub may be away before a deployment is given up.
const PATIENCE: Duration = Duration::from_mins(10);

/// The pause before GitHub is asked again.
const AGAIN: Duration = Duration::from_secs(15);

/// Everything known before the first change.
pub(super) struct Ready {
    pub(super) plan: Plan,
    pub(super) ground: Ground,
    pub(super) spec: EnvironmentSpec,
    pub(super) input: ViewInput,
}

/// What each service should run, and how that came to be.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) runs: BTreeMap<ServiceName, Wish>,
    pub(super) commit: Option<CommitSha>,
    pub(super) origins: BTreeMap<ServiceName, (ImageOrigin, Vec<String>)>,
    pub(super) put_back: BTreeMap<ServiceName, String>,
    pub(super) notices: Vec<String>,
}

/// Finds or waits for everything a rollout needs.
pub(super) async fn prepare(worker: &Worker) -> Result<Ready, Halt> {
    let asked = &worker.deployment.asked;
    let ended = look_at_the_build(worker).await?;
    let (config, situation) = Box::pin(policy_in_force(worker)).await?;
    let spec = policy::environment(&config, &asked.key.environment)?;
    let services = policy::services(&asked.key.environment, spec, &asked.services)?;
    worker.teller.show(|wanted| {
        wanted.standing = Standing::Preparing;
        wanted.environment_url.clone_from(&spec.url);
    });
    let policy_commit = worker.kept.state().await.policy_commit.unwrap_or(asked.policy_commit);
    let wanted = Wanted {
        repository: &asked.repository,
        environment: &asked.key.environment,
        spec,
        services: &services,
        files: Files::At(policy_commit),
    };
    let opened = opened::open(&worker.bot, &worker.hub, &wanted).await?;
    opened::claim(&worker.bot, &wanted, &opened.session).await?;
    let mut wishes = match asked.kind {
        DeploymentKind::Deploy { sha } => {
            let search = Search {
                bot: &worker.bot,
                hub: &worker.hub,
                repository: &asked.repository,
                config: &config,
                spec,
                services: &with_images(spec, &services),
                session: &opened.session,
                commit: sha,
                cancel: &worker.signals.lost,
                bring: Bring::Yes,
            };
            match search.find().await? {
                Found::All(images, notices) => {
                    let mut found = released(sha, images, built_there(spec, &services), notices);
                    if ended.is_some() {
                        just_built(&mut found);
                    }
                    found
                }
                Found::Missing(missing) => {
                    return Err(built(worker, &config, &situation, ended, &missing, sha).await);
                }
            }
        }
        DeploymentKind::Rollback { ref to, .. } => {
            let seen = &situation.deployments;
            putting_back::wishes(worker, to.as_deref(), &services, &config, &opened, seen).await?
        }
    };
    let purpose = match asked.kind {
        DeploymentKind::Deploy { .. } => Purpose::Release,
        DeploymentKind::Rollback { .. } => Purpose::PutBack,
    };
    let plan = planning::plan(purpose, &asked.key.environment, spec, &opened.targets, &wishes.runs, wishes.commit);
    let plan = match purpose {
        Purpose::Release => {
            let pipeline = Arc::new(opened::pipeline(&worker.bot, &opened.session, &worker.signals.lost));
            let asked = Asked {
                spec,
                alarms: Some(opened.alarms.as_ref()),
                wishes: &wishes.runs,
                pipeline: &pipeline,
                patience: Patience::AsLongAsTheRule,
                cancel: &worker.signals.cancel,
            };
            preconditions::planned(plan, asked).await
        }
        Purpose::PutBack => plan.await.map(|plan| (plan, Vec::new())),
    };
    let (mut plan, notices) = plan.map_err(|problems| policy::denied(&problems, ReasonCode::PlanRefused))?;
    wishes.notices.extend(notices);
    if !plan.changes_nothing() {
        wishes.notices.extend(opened.notifier.unreachable());
    }
    previous_commits(worker, &mut plan).await?;
    let images = plan.release.images.iter().map(|(name, image)| (name.clone(), image.reference().clone())).collect();
    worker
        .kept
        .change(|state| {
            state.commit = wishes.commit;
            state.images = images;
            state.notices.clone_from(&wishes.notices);
        })
        .await?;
    let input = ViewInput {
        command: command(&asked.kind).to_owned(),
        origins: wishes.origins,
        put_back: wishes.put_back,
        notices: wishes.notices,
        ..ViewInput::default()
    };
    Ok(Ready { plan, ground: opened.into(), spec: spec.clone(), input })
}

/// The word for it in reports.
pub(super) fn command(kind: &DeploymentKind) -> &'static str {
    match kind {
        DeploymentKind::Deploy { .. } => "deploy",
        DeploymentKind::Rollback { .. } => "rollback",
    }
}

/// What is deployed when every image was found.
pub(super) fn released(
    commit: CommitSha,
    images: BTreeMap<ServiceName, super::images::Origin>,
    built: Vec<ServiceName>,
    notices: Vec<String>,
) -> Wishes {
    let mut found = Wishes { commit: Some(commit), notices, ..Wishes::default() };
    for (name, (image, origin)) in images {
        let tags = image.reference().tag().map(|tag| vec![tag.to_string()]).unwrap_or_default();
        found.origins.insert(name.clone(), (origin, tags));
        found.runs.insert(name, Wish::Image { image, commit: Some(commit) });
    }
    found.runs.extend(built.into_iter().map(|name| (name, Wish::Source { commit })));
    found
}

/// What was found under the commit's tag after a build is what the build made.
fn just_built(found: &mut Wishes) {
    for (origin, _) in found.origins.values_mut() {
        if *origin == ImageOrigin::FoundByCommit {
            *origin = ImageOrigin::Built;
        }
    }
}

/// The services that run an image.
pub(super) fn with_images(spec: &EnvironmentSpec, services: &[ServiceName]) -> Vec<ServiceName> {
    let built = built_there(spec, services);
    services.iter().filter(|name| !built.contains(name)).cloned().collect()
}

/// The services that their platform builds from a branch.
pub(super) fn built_there(spec: &EnvironmentSpec, services: &[ServiceName]) -> Vec<ServiceName> {
    let built = |name: &&ServiceName| spec.services.get(*name).is_some_and(|target| target.source_branch().is_some());
    services.iter().filter(built).cloned().collect()
}

/// One look at a run that was started; nothing else is asked of anybody while it goes.
async fn look_at_the_build(worker: &Worker) -> Result<Option<build::Ended>, Halt> {
    let state = worker.kept.state().await;
    let Stage::Building { run: Some(run), since } = state.stage else { return Ok(None) };
    let within = match state.policy.as_deref().map(|text| policy::read(Some(text))) {
        Some(Ok(Config { build: Some(build), .. })) => build.within.duration(),
        Some(Ok(_) | Err(_)) | None => Duration::from_mins(30),
    };
    let url = run_page(worker, run);
    worker.teller.show(|wanted| wanted.standing = Standing::Building { url: Some(url.clone()) });
    build::look(&worker.hub, within, run, since, &url).await.map(Some)
}

fn run_page(worker: &Worker, run: crate::types::RunId) -> String {
    format!("{}/{}/actions/runs/{run}", worker.bot.server_url, worker.deployment.asked.repository.name)
}

/// The images are missing: after a build that is the end, before one it is started.
async fn built(
    worker: &Worker,
    config: &Config,
    situation: &Situation,
    ended: Option<build::Ended>,
    missing: &[ServiceName],
    commit: CommitSha,
) -> Halt {
    if let Some(ended) = ended {
        return build::brought_nothing(&ended, missing, commit).into();
    }
    let Some(workflow) = &config.build else { return build::nobody_builds(missing, commit).into() };
    let branch = &situation.default_branch;
    let start = build::Start { workflow, branch, commit, services: missing, asked: &worker.deployment.asked };
    match build::start(&worker.hub, &worker.kept, &start).await {
        Ok(run) => {
            worker.bot.metrics.phase("building");
            let url = run_page(worker, run);
            worker.teller.show(|wanted| wanted.standing = Standing::Building { url: Some(url) });
            Halt::Later(Duration::from_secs(5))
        }
        Err(halt) => halt,
    }
}

/// The policy of the default branch now. A decision that is not fresh, that waited for people, or that
/// was overtaken by a push or by another policy, is made again; a lock holds however fresh it is.
async fn policy_in_force(worker: &Worker) -> Result<(Config, Situation), Halt> {
    let asked = &worker.deployment.asked;
    recheck::is_open(&worker.bot, asked).await??;
    // What people approved is decided anew, however quick they were.
    let approved = matches!(worker.deployment.state.stage, Stage::Gating { .. });
    let fresh = if approved || recheck::is_old(asked, clock::now()) || recheck::is_overtaken(&worker.bot, asked).await?
    {
        None
    } else {
        let situation = worker.hub.situation(None, Some(&asked.key.environment)).await;
        let situation = situation.map_err(|problem| github_away(worker, problem))?;
        (situation.policy_commit == asked.policy_commit).then_some(situation)
    };
    let (situation, config) = if let Some(situation) = fresh {
        let config = policy::read(situation.policy.as_deref())?;
        (situation, config)
    } else {
        let again = Box::pin(recheck::still_allowed(&worker.bot, asked)).await;
        again.map_err(|problem| github_away(worker, problem))??
    };
    worker
        .kept
        .change(|state| {
            state.policy.clone_from(&situation.policy);
            state.policy_commit = Some(situation.policy_commit);
        })
        .await?;
    Ok((config, situation))
}

fn github_away(worker: &Worker, problem: Problem) -> Halt {
    let age = Duration::try_from(clock::now().duration_since(worker.deployment.created)).unwrap_or_default();
    let passing = problem.kind == shipline::problem::ProblemKind::Provider && age < PATIENCE;
    if passing {
        info!(problem = %problem.what, "the policy could not be read, trying again");
        return Halt::Later(AGAIN);
    }
    policy::denied(&problem.into(), ReasonCode::ProviderFailed).into()
}

/// The commits of what serves, from our ledger: for people, nothing is decided by them.
async fn previous_commits(worker: &Worker, plan: &mut Plan) -> Result<(), Halt> {
    if plan.services.values().all(|part| part.previous.commit.is_some()) {
        return Ok(());
    }
    let good = worker.bot.store.good(&worker.deployment.asked.key, 20).await?;
    for (name, part) in &mut plan.services {
        let known = good.iter().filter_map(|good| good.serves.get(name)).find(|known| known.id == part.previous.id);
        part.previous.commit = part.previous.commit.or_else(|| known.and_then(|known| known.commit));
    }
    Ok(())
}
