//! From wishes to a plan: every target is asked what it would do, all at once, and all refusals
//! are reported together.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};

use crate::config::spec::{EnvironmentSpec, HookSpec};
use crate::engine::{Targets, Wish};
use crate::problem::{Problem, Problems};
use crate::rollout::{Hook, Plan, Release, ServicePlan};
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
            let (before, after) =
                join(hooks(&spec.before, targets, &services), hooks(&spec.after, targets, &services)).await;
            (kept(before, &mut problems), kept(after, &mut problems))
        }
        Purpose::PutBack => (Vec::new(), Vec::new()),
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
        alarms: spec.alarms.clone(),
        on_failure: spec.on_failure,
        within: spec.within,
    };
    plan.checked().map_err(|error| Problem::defect("plan", error.to_string()).into())
}

/// The hooks of services that take part, each with what its target needs to run it.
async fn hooks(
    specs: &[HookSpec],
    targets: &Targets,
    services: &BTreeMap<ServiceName, ServicePlan>,
) -> Vec<Result<Hook, Problem>> {
    let part = specs.iter().filter_map(|spec| Some((spec, targets.get(&spec.service)?, services.get(&spec.service)?)));
    join_all(part.map(async |(spec, target, service)| {
        let tasks = target.tasks().ok_or_else(|| {
            let what = format!("{}: `{}` cannot run here", spec.service, spec.run.join(" "));
            let next = "Name a service in `in` that runs on ECS or Compose, or remove the hook.";
            Problem::refused("no-tasks", what, next).because(format!("{} runs no one-off tasks", service.place.name))
        })?;
        let prepared = tasks.prepare_task(&spec.run, service).await;
        let facts = prepared.map_err(|error| about(&spec.service, error.into()))?;
        let HookSpec { service, run, undo, within } = spec.clone();
        Ok(Hook { service, run, undo, within, facts })
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
