//! From wishes to a plan: every target is asked what it would do, all at once, and all refusals
//! are reported together.

use std::collections::BTreeMap;

use futures_util::future::{join_all, join3};

use crate::config::spec::{EnvironmentSpec, HookSpec, Strategy};
use crate::engine::{Targets, Wish};
use crate::problem::{Problem, Problems};
use crate::rollout::{Hook, HookRole, Plan, Release, ServicePlan};
use crate::types::{CommitSha, EnvironmentName, ServiceName};

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Bringing a release: its hooks run.
    Release,
    /// Putting back what served before: nothing runs beside it.
    PutBack,
}

/// A plan for these wishes. Changes nothing.
pub async fn plan(
    purpose: Purpose,
    environment: &EnvironmentName,
    spec: &EnvironmentSpec,
    targets: &Targets,
    wishes: &BTreeMap<ServiceName, Wish>,
    commit: Option<CommitSha>,
) -> Result<Plan, Problems> {
    let asked = wishes.iter().filter_map(|(name, wish)| targets.get(name).map(|target| (name, wish, target)));
    let answers = join_all(asked.map(async |(name, wish, target)| (name, target.prepare(wish).await))).await;
    let mut services = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, answer) in answers {
        match answer {
            Ok(preparation) => {
                services.insert(name.clone(), preparation.service);
            }
            Err(error) => problems.push(about(name, error.into())),
        }
    }
    let (before, after) = match purpose {
        Purpose::Release => {
            let (before, checks, after) = join3(
                hooks(&spec.before, HookRole::Step, targets, &services),
                hooks(&spec.verify_commands, HookRole::Check, targets, &services),
                hooks(&spec.after, HookRole::Step, targets, &services),
            )
            .await;
            let before = kept(before, &mut problems);
            let mut behind = kept(checks, &mut problems);
            behind.extend(kept(after, &mut problems));
            (before, behind)
        }
        Purpose::PutBack => (Vec::new(), Vec::new()),
    };
    let alarms = match purpose {
        Purpose::Release => spec.alarms.clone(),
        // What fires may be what one goes back from.
        Purpose::PutBack => Vec::new(),
    };
    let analysis = match purpose {
        Purpose::Release => spec.analysis.clone(),
        Purpose::PutBack => Vec::new(),
    };
    let images = wishes
        .iter()
        .filter_map(|(name, wish)| match wish {
            Wish::Image { image, .. } => Some((name.clone(), image.clone())),
            Wish::Source { .. } => None,
            Wish::Revision(revision) => revision.image.clone().map(|image| (name.clone(), image)),
        })
        .collect();
    Problems::or(problems, ())?;
    let waves = spec
        .waves
        .iter()
        .map(|wave| wave.iter().filter(|name| services.contains_key(*name)).cloned().collect())
        .collect();
    let plan = Plan {
        environment: environment.clone(),
        release: Release { commit, images },
        services,
        waves,
        before,
        checks: spec.verify.clone(),
        after,
        alarms,
        analysis,
        steering: match purpose {
            Purpose::Release if spec.steering.strategy != Strategy::Rolling => Some(spec.steering),
            // The way back is the shortest one.
            Purpose::Release | Purpose::PutBack => None,
        },
        on_failure: spec.on_failure,
        within: spec.within,
    };
    plan.checked().map_err(|error| Problem::defect("plan", error.to_string()).into())
}

/// The hooks of services that take part, each with what its target needs to run it.
async fn hooks(
    specs: &[HookSpec],
    role: HookRole,
    targets: &Targets,
    services: &BTreeMap<ServiceName, ServicePlan>,
) -> Vec<Result<Hook, Problem>> {
    let part = specs.iter().filter_map(|spec| Some((spec, targets.get(&spec.service)?, services.get(&spec.service)?)));
    join_all(part.map(async |(spec, target, service)| {
        let tasks = target.tasks().ok_or_else(|| {
            let what = format!("{}: `{}` cannot run here", spec.service, spec.run.join(" "));
            let next = "Name a service in `in` that runs on ECS or Compose, or remove the command.";
            Problem::refused("no-tasks", what, next).because(format!("{} runs no one-off tasks", service.place.name))
        })?;
        let prepare = async |command: &[String]| {
            tasks.prepare_task(command, service).await.map_err(|error| about(&spec.service, error.into()))
        };
        let facts = prepare(&spec.run).await?;
        if !spec.undo.is_empty() {
            prepare(&spec.undo).await?;
        }
        let HookSpec { service, run, undo, within } = spec.clone();
        Ok(Hook { role, service, run, undo, within, facts })
    }))
    .await
}

fn kept<T>(answers: Vec<Result<T, Problem>>, problems: &mut Vec<Problem>) -> Vec<T> {
    answers.into_iter().filter_map(|answer| answer.map_err(|problem| problems.push(problem)).ok()).collect()
}

/// Says which service a target's problem is about.
pub fn about(service: &ServiceName, mut problem: Problem) -> Problem {
    problem.what = format!("{service}: {}", problem.what);
    problem
}
